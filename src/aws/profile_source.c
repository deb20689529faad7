/* Credentials of a profile. */
#include "aws/answer.h"
#include "aws/source.h"

/* Both keys from one file, with the session token that stands beside them; else merged. */
static int static_keys(const struct profiles *p, const char *profile, struct aws_credentials *ret, struct error *e) {
        bool together = profiles_get_from(p, PROFILE_CREDENTIALS, profile, "aws_access_key_id")
                        && profiles_get_from(p, PROFILE_CREDENTIALS, profile, "aws_secret_access_key");
        const char *id = profiles_get(p, profile, "aws_access_key_id");
        const char *secret = profiles_get(p, profile, "aws_secret_access_key");
        const char *token = together ? profiles_get_from(p, PROFILE_CREDENTIALS, profile, "aws_session_token")
                                     : profiles_get(p, profile, "aws_session_token");
        struct aws_credentials c = { .expires_s = INT64_MAX };

        if (!id && !secret)
                return 1;
        if (!id || !secret) {
                error_set(e, ERROR_REFUSED, "profile %s has %s, but no %s", profile,
                          id ? "aws_access_key_id" : "aws_secret_access_key",
                          id ? "aws_secret_access_key" : "aws_access_key_id");
                return error_hint(e, "Add it to that profile in ~/.aws/credentials (AWS_SHARED_CREDENTIALS_FILE).");
        }
        c.access_key_id = mem_copy_string(id);
        c.secret_access_key = mem_copy_string(secret);
        c.session_token = token ? mem_copy_string(token) : NULL;
        c.source = mem_format("profile %s", profile);
        if (answer_check(&c, e) < 0) {
                aws_credentials_wipe(&c);
                return error_prefix(e, "profile %s: ", profile);
        }
        *ret = c;
        return 0;
}

int source_profile(struct lookup *l, struct aws_credentials *ret, struct error *e) {
        const char *named_by, *name = lookup_profile_name(l, &named_by);
        const struct profiles *p;

        if (lookup_profiles(l, &p, e) < 0)
                return -1;
        if (named_by && !profiles_has(p, name)) {
                error_set(e, ERROR_REFUSED, "profile %s (from %s) is in neither the config nor the credentials file",
                          name, named_by);
                return error_hint(e, "Correct %s, or add the profile to ~/.aws/config or ~/.aws/credentials "
                                     "(AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE).", named_by);
        }
        return static_keys(p, name, ret, e);
}
