/* Credentials of a profile: static keys, a role on top of other credentials, web identity, a command. */
#include "aws/source.h"

#include <string.h>
#include <strings.h>

enum { HOPS_MAX = 16 };

/* The way from the profile in use to the one at hand, over source_profile. */
struct hop {
        const char *profile;
        const struct hop *parent;       /* NULL: the profile in use */
        unsigned depth;
};

static enum found of_profile(struct lookup *l, const struct hop *hop, struct aws_credentials *ret, struct error *e);

static const char *get(const struct lookup *l, const struct hop *hop, const char *key) {
        return profiles_get(l->profiles, hop->profile, key);
}

/* ---- static keys ---- */

static bool has_keys(const struct lookup *l, const struct hop *hop) {
        return get(l, hop, "aws_access_key_id") || get(l, hop, "aws_secret_access_key");
}

/* The session token that belongs to the keys: from the same file when both keys are there, else merged. */
static const char *session_token(const struct profiles *p, const char *profile) {
        static const char *const keys[] = { "aws_session_token", "aws_security_token" };
        bool together = profiles_get_from(p, PROFILE_CREDENTIALS, profile, "aws_access_key_id")
                        && profiles_get_from(p, PROFILE_CREDENTIALS, profile, "aws_secret_access_key");
        const char *token = NULL;

        for (size_t i = 0; !token && i < sizeof keys / sizeof *keys; i++)
                token = together ? profiles_get_from(p, PROFILE_CREDENTIALS, profile, keys[i])
                                 : profiles_get(p, profile, keys[i]);
        return token;
}

static int static_keys(const struct lookup *l, const char *profile, struct aws_credentials *ret, struct error *e) {
        const char *id = profiles_get(l->profiles, profile, "aws_access_key_id");
        const char *secret = profiles_get(l->profiles, profile, "aws_secret_access_key");
        const char *token = session_token(l->profiles, profile);

        if (!id || !secret) {
                error_set(e, ERROR_REFUSED, "profile %s has %s, but no %s", profile,
                          id ? "aws_access_key_id" : "aws_secret_access_key",
                          id ? "aws_secret_access_key" : "aws_access_key_id");
                return error_hint(e, "Add it to that profile in ~/.aws/credentials (AWS_SHARED_CREDENTIALS_FILE).");
        }
        if (credentials_copy(id, secret, token, INT64_MAX, ret, e) < 0)
                return error_prefix(e, "profile %s: ", profile);
        ret->source = mem_format("profile %s", profile);
        return 0;
}

/* ---- what a role is assumed with ---- */

static const struct {
        const char *name;
        enum found (*find)(struct lookup *l, struct aws_credentials *ret, struct error *e);
        const char *missing;
} named_sources[] = {
        { "Environment", source_environment, "AWS_ACCESS_KEY_ID is not set" },
        { "Ec2InstanceMetadata", source_metadata, "there is no IMDS" },
        { "EcsContainer", source_container, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and AWS_CONTAINER_CREDENTIALS_FULL_URI "
                                            "are not set" },
};

static int base_of_source(struct lookup *l, const struct hop *hop, const char *name, struct aws_credentials *ret,
                          struct error *e) {
        for (size_t i = 0; i < sizeof named_sources / sizeof *named_sources; i++) {
                enum found result;

                if (strcasecmp(name, named_sources[i].name) != 0)
                        continue;
                result = named_sources[i].find(l, ret, e);
                if (result == NOT_WORKING)
                        return error_prefix(e, "profile %s, credential_source = %s: ", hop->profile, name);
                if (result == FOUND)
                        return 0;
                error_set(e, ERROR_REFUSED, "profile %s says credential_source = %s, but %s", hop->profile, name,
                          named_sources[i].missing);
                return error_hint(e, "Correct the profile, or the environment that pinfeed runs in.");
        }
        error_set(e, ERROR_REFUSED, "profile %s has a credential_source that does not exist", hop->profile);
        return error_hint(e, "There are Environment, Ec2InstanceMetadata and EcsContainer.");
}

/* A profile may name itself as its source if it has keys; any other way back is a loop. */
static int check_hop(const struct lookup *l, const struct hop *next, struct error *e) {
        const char *from = next->parent->profile;

        if (!profiles_has(l->profiles, next->profile)) {
                error_set(e, ERROR_REFUSED, "profile %s says source_profile = %s, and there is no such profile", from,
                          next->profile);
                return error_hint(e, "Add it to ~/.aws/config (as [profile %s]) or to ~/.aws/credentials.", next->profile);
        }
        for (const struct hop *h = next->parent; h; h = h->parent)
                if (strcmp(h->profile, next->profile) == 0 && !(h == next->parent && has_keys(l, next))) {
                        error_set(e, ERROR_REFUSED, "profile %s says source_profile = %s, which leads round in a loop",
                                  from, next->profile);
                        return error_hint(e, "The last profile of the chain needs credentials of its own.");
                }
        if (next->depth > HOPS_MAX) {
                error_set(e, ERROR_REFUSED, "profile %s: more than %d roles one on top of the other", from, HOPS_MAX);
                return error_hint(e, "Shorten the chain of source_profile.");
        }
        return 0;
}

static int base_of_profile(struct lookup *l, const struct hop *hop, const char *name, struct aws_credentials *ret,
                           struct error *e) {
        const struct hop next = { .profile = name, .parent = hop, .depth = hop->depth + 1 };
        enum found result;

        if (check_hop(l, &next, e) < 0)
                return -1;
        result = of_profile(l, &next, ret, e);
        if (result == NOT_WORKING)
                return error_prefix(e, "profile %s, source_profile = %s: ", hop->profile, name);
        if (result == FOUND)
                return 0;
        error_set(e, ERROR_REFUSED, "profile %s says source_profile = %s, but that profile has no credentials",
                  hop->profile, name);
        return error_hint(e, "Give profile %s aws_access_key_id and aws_secret_access_key, or a role of its own.", name);
}

static int find_base(struct lookup *l, const struct hop *hop, struct aws_credentials *ret, struct error *e) {
        const char *profile = get(l, hop, "source_profile"), *source = get(l, hop, "credential_source");

        if (profile && source) {
                error_set(e, ERROR_REFUSED, "profile %s has both source_profile and credential_source", hop->profile);
                return error_hint(e, "Keep the one that the role is to be assumed with.");
        }
        if (!profile && !source) {
                error_set(e, ERROR_REFUSED, "profile %s has role_arn, but neither source_profile nor credential_source",
                          hop->profile);
                return error_hint(e, "Add what the role is to be assumed with, such as credential_source = "
                                     "Ec2InstanceMetadata.");
        }
        return profile ? base_of_profile(l, hop, profile, ret, e) : base_of_source(l, hop, source, ret, e);
}

/* ---- the kinds of profile ---- */

static int unsupported(const struct hop *hop, const char *key, const char *what, struct error *e) {
        error_set(e, ERROR_REFUSED, "profile %s asks for %s (%s), which pinfeed does not support", hop->profile, what,
                  key);
        return error_hint(e, "A daemon can't log in as a person does: use a role (role_arn, an instance profile) or "
                             "credential_process, in this profile or in another one ([aws] profile, AWS_PROFILE).");
}

static int role(struct lookup *l, const struct hop *hop, const char *arn, struct aws_credentials *ret,
                struct error *e) {
        _cleanup_free_ char *asked_by = mem_format("profile %s", hop->profile);
        const char *web_token_file = get(l, hop, "web_identity_token_file");
        const struct role r = {
                .arn = arn, .session_name = get(l, hop, "role_session_name"), .external_id = get(l, hop, "external_id"),
                .duration_s = get(l, hop, "duration_seconds"), .web_identity_token_file = web_token_file,
                .asked_by = asked_by,
        };
        _cleanup_credentials_ struct aws_credentials base = {};

        if (web_token_file)
                return source_role(l, &r, NULL, ret, e);
        if (get(l, hop, "mfa_serial"))
                return unsupported(hop, "mfa_serial", "MFA, a code typed by a person", e);
        if (find_base(l, hop, &base, e) < 0 || lookup_check_end(l, &base, e) < 0)
                return -1;
        return source_role(l, &r, &base, ret, e);
}

static int command(struct lookup *l, const struct hop *hop, const char *line, struct aws_credentials *ret,
                   struct error *e) {
        _cleanup_free_ char *words = mem_format("credential_process of profile %s", hop->profile);
        _cleanup_free_secret_ char *one_line = mem_copy_string(line);

        /* A value that goes on over several lines is still one command. */
        for (char *p = one_line; *p; p++)
                if (*p == '\n')
                        *p = ' ';
        return source_process(l, one_line, words, ret, e);
}

/* The key by which a profile asks for SSO, or NULL. Half of what SSO needs, beside another source, does not ask. */
static const char *sso_key(const struct lookup *l, const struct hop *hop) {
        static const char *const keys[] = { "sso_session", "sso_start_url", "sso_account_id", "sso_role_name" };
        bool whole = get(l, hop, "sso_account_id") && get(l, hop, "sso_role_name");

        if (!whole && (has_keys(l, hop) || get(l, hop, "credential_process")))
                return NULL;
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
                if (get(l, hop, keys[i]))
                        return keys[i];
        return NULL;
}

/* NOT_THERE: nothing in it is about credentials. */
static enum found of_profile(struct lookup *l, const struct hop *hop, struct aws_credentials *ret, struct error *e) {
        const char *sso = sso_key(l, hop);
        const char *arn = get(l, hop, "role_arn"), *line = get(l, hop, "credential_process");
        bool web = get(l, hop, "web_identity_token_file") != NULL;

        if (web && !arn) {
                error_set(e, ERROR_REFUSED, "profile %s has web_identity_token_file, but no role_arn", hop->profile);
                return error_hint(e, "Add the role's ARN.");
        }
        /* As a source for another role, keys count before the profile's own role. */
        if (arn && (web || !hop->parent || !has_keys(l, hop)))
                return role(l, hop, arn, ret, e);
        if (sso)
                return unsupported(hop, sso, "SSO, IAM Identity Center", e);
        if (get(l, hop, "login_session"))
                return unsupported(hop, "login_session", "a login by browser", e);
        if (has_keys(l, hop))
                return static_keys(l, hop->profile, ret, e);
        return line ? command(l, hop, line, ret, e) : NOT_THERE;
}

enum found source_profile(struct lookup *l, struct aws_credentials *ret, struct error *e) {
        const char *named_by, *name = lookup_profile_name(l, &named_by);
        const struct hop hop = { .profile = name };

        return lookup_check_profile(l, e) < 0 ? NOT_WORKING : of_profile(l, &hop, ret, e);
}
