/* IMDSv2: the role of this EC2 instance, and its region.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html */
#include "aws/answer.h"
#include "aws/sigv4.h"
#include "aws/source.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ROLES "/latest/meta-data/iam/security-credentials/"
#define REGION "/latest/meta-data/placement/region"

enum {
        CONNECT_TIMEOUT_MS = 2000,
        REQUEST_TIMEOUT_MS = 4000,
        TEXT_MAX = 8192,
        STALE_TRIES = 3, STALE_PAUSE_MS = 700,
};

/* ---- where ---- */

static int endpoint_of_mode(const char *mode, char **ret, struct error *e) {
        if (!mode || strcasecmp(mode, "ipv4") == 0) {
                *ret = mem_copy_string("http://169.254.169.254");
                return 0;
        }
        if (strcasecmp(mode, "ipv6") == 0) {
                *ret = mem_copy_string("http://[fd00:ec2::254]");
                return 0;
        }
        error_set(e, ERROR_REFUSED, "the address family for IMDS is neither IPv4 nor IPv6");
        return error_hint(e, "Correct AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE (ec2_metadata_service_endpoint_mode in a "
                             "profile).");
}

/* A variable, else the profile's setting. */
static int get_setting(struct lookup *l, const char *variable, const char *key, const char **ret, struct error *e) {
        *ret = lookup_env(l, variable);
        return *ret ? 0 : lookup_profile_setting(l, key, ret, e);
}

static int find_endpoint(struct lookup *l, char **ret, struct error *e) {
        const char *url, *mode;
        struct http_url parts = {};
        size_t n;

        if (get_setting(l, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "ec2_metadata_service_endpoint", &url, e) < 0)
                return -1;
        if (!url)
                return get_setting(l, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ec2_metadata_service_endpoint_mode",
                                   &mode, e) < 0 ? -1 : endpoint_of_mode(mode, ret, e);
        if (!http_url_parse(url, &parts)) {
                error_set(e, ERROR_REFUSED, "the endpoint for IMDS is not an http URL");
                return error_hint(e, "Correct AWS_EC2_METADATA_SERVICE_ENDPOINT (ec2_metadata_service_endpoint in a "
                                     "profile).");
        }
        http_url_free(&parts);
        n = strlen(url);
        *ret = mem_copy_bytes(url, n - (url[n - 1] == '/'));
        return 0;
}

/* ---- asking ---- */

static const char unreachable_hint[] =
        "On EC2: is IMDS enabled for this instance, and in a container, is its hop limit at least 2? Elsewhere: name "
        "other credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID, …); AWS_EC2_METADATA_DISABLED=true stops asking IMDS.";

static int ask(struct lookup *l, const char *endpoint, const char *method, const char *path, const char *header,
               struct http_answer *ret, struct error *e) {
        _cleanup_free_ char *url = mem_format("%s%s", endpoint, path);
        const char *const headers[] = { header, NULL };
        const struct http_request r = {
                .method = method, .url = url, .headers = headers, .direct = true,
                .connect_timeout_ms = CONNECT_TIMEOUT_MS, .timeout_ms = REQUEST_TIMEOUT_MS,
        };

        if (lookup_ask(l, &r, l->metadata_deadline_us, true, ret, e) == 0)
                return 0;
        error_prefix(e, "instance metadata (IMDS at %s) did not answer %s %s: ", endpoint, method, path);
        return error_hint(e, "%s", unreachable_hint);
}

/* A line of text that may go into a path or a header, at the beginning of the answer; NULL if there is none. */
static char *first_line(const struct http_answer *a, size_t max) {
        size_t n = a->body.length ? strcspn(a->body.data, "\r\n") : 0;

        for (size_t i = 0; i < n; i++)
                if (!isgraph((unsigned char) a->body.data[i]))
                        return NULL;
        return n && n <= max ? mem_copy_bytes(a->body.data, n) : NULL;
}

static int renew_token(struct lookup *l, const char *endpoint, struct error *e) {
        struct http_answer a;
        char *token = NULL;

        if (ask(l, endpoint, "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 21600", &a, e) < 0)
                return -1;
        if (a.status == 200)
                token = first_line(&a, TEXT_MAX);
        if (!token) {
                error_set(e, a.status >= 500 || a.status == 200 ? ERROR_UNREACHABLE : ERROR_REFUSED,
                          "instance metadata (IMDS at %s) gave no session token: it answered %d", endpoint, a.status);
                http_answer_wipe(&a);
                return error_hint(e, "Is IMDS enabled for this instance (HttpEndpoint), or is something else at that "
                                     "address? %s", unreachable_hint);
        }
        http_answer_wipe(&a);
        mem_free_secret(l->metadata_token);
        l->metadata_token = token;
        return 0;
}

static int get_with_token(struct lookup *l, const char *endpoint, const char *path, struct http_answer *ret,
                          struct error *e) {
        _cleanup_free_secret_ char *header = mem_format("X-aws-ec2-metadata-token: %s", l->metadata_token);

        return ask(l, endpoint, "GET", path, header, ret, e);
}

/* A 401 means that the session token has lapsed. */
static int get(struct lookup *l, const char *endpoint, const char *path, struct http_answer *ret, struct error *e) {
        if (!l->metadata_token && renew_token(l, endpoint, e) < 0)
                return -1;
        if (get_with_token(l, endpoint, path, ret, e) < 0)
                return -1;
        if (ret->status != 401)
                return 0;
        http_answer_wipe(ret);
        return renew_token(l, endpoint, e) < 0 ? -1 : get_with_token(l, endpoint, path, ret, e);
}

/* Words for a status that isn't 200. */
static int refuse(struct http_answer *a, const char *endpoint, const char *path, struct error *e) {
        error_set(e, a->status >= 500 || a->status == 429 ? ERROR_UNREACHABLE : ERROR_REFUSED,
                  "instance metadata (IMDS at %s) answered %d to GET %s", endpoint, a->status, path);
        http_answer_wipe(a);
        return error_hint(e, "Is something between this machine and IMDS, or is that address not IMDS? %s",
                          unreachable_hint);
}

static int begin(struct lookup *l, char **ret_endpoint, struct error *e) {
        if (lookup_env_true(l, "AWS_EC2_METADATA_DISABLED")) {
                error_set(e, ERROR_REFUSED, "instance metadata (IMDS) may not be asked: AWS_EC2_METADATA_DISABLED is true");
                return error_hint(e, "Name a source of credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID, …), or unset "
                                     "AWS_EC2_METADATA_DISABLED.");
        }
        if (!l->metadata_deadline_us)
                l->metadata_deadline_us = lookup_deadline(l, LOOKUP_METADATA_TIMEOUT_MS);
        return find_endpoint(l, ret_endpoint, e);
}

/* ---- the role ---- */

/* 0 and the role's name, or -1. */
static int find_role(struct lookup *l, const char *endpoint, char **ret, struct error *e) {
        struct http_answer a;

        if (get(l, endpoint, ROLES, &a, e) < 0)
                return -1;
        if (a.status != 200 && a.status != 404)
                return refuse(&a, endpoint, ROLES, e);
        *ret = a.status == 200 ? first_line(&a, 256) : NULL;
        http_answer_wipe(&a);
        if (*ret)
                return 0;
        error_set(e, ERROR_REFUSED, "this EC2 instance has no IAM role: instance metadata (IMDS at %s) lists none",
                  endpoint);
        return error_hint(e, "Attach an instance profile, or name other credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID, …).");
}

static int refuse_code(const struct http_answer *a, const char *role, struct error *e) {
        struct answer_reason why;

        answer_reason(a->body.data, a->body.length, &why);
        error_set(e, strcmp(why.code, "AssumeRoleUnauthorizedAccess") == 0 ? ERROR_REFUSED : ERROR_UNREACHABLE,
                  "instance metadata (IMDS) has no credentials for role %s: %s%s%s", role, why.code,
                  *why.message ? ": " : "", why.message);
        return error_hint(e, "Does the role's trust policy let ec2.amazonaws.com assume it, and does the role still "
                             "exist?");
}

static int read_role(const struct http_answer *a, const char *endpoint, const char *role, struct aws_credentials *ret,
                     struct error *e) {
        enum answer result = answer_metadata(a->body.data, a->body.length, ret, e);

        if (result == ANSWER_REFUSES)
                return refuse_code(a, role, e);
        if (result == ANSWER_GOOD)
                return 0;
        error_prefix(e, "instance metadata (IMDS at %s), role %s: ", endpoint, role);
        return error_hint(e, "%s", unreachable_hint);
}

/* NOT_THERE: there is no such role (any more). */
static enum found get_role(struct lookup *l, const char *endpoint, const char *role, struct aws_credentials *ret,
                           struct error *e) {
        _cleanup_buffer_ struct buffer path = {};
        struct http_answer a;
        enum found result;

        buffer_append_string(&path, ROLES);
        sigv4_encode(role, strlen(role), &path);
        if (get(l, endpoint, buffer_string(&path), &a, e) < 0)
                return NOT_WORKING;
        if (a.status != 200 && a.status != 404)
                return refuse(&a, endpoint, ROLES, e);
        result = a.status == 404 ? NOT_THERE : read_role(&a, endpoint, role, ret, e);
        http_answer_wipe(&a);
        return result;
}

/* A role can be replaced between the list and the question about it. */
static int get_current_role(struct lookup *l, const char *endpoint, struct aws_credentials *ret, struct error *e) {
        for (int tries = 0; tries < 2; tries++) {
                _cleanup_free_ char *role = NULL;
                enum found result;

                if (find_role(l, endpoint, &role, e) < 0)
                        return -1;
                result = get_role(l, endpoint, role, ret, e);
                if (result == FOUND)
                        ret->source = mem_format("IMDS (role %s)", role);
                if (result != NOT_THERE)
                        return result;
        }
        error_set(e, ERROR_UNREACHABLE, "instance metadata (IMDS) lists a role, but has no credentials for it (404)");
        return error_hint(e, "Try again in a minute; if it stays so, attach the instance profile anew.");
}

/* Expired credentials are asked for again, never used. */
enum found source_metadata(struct lookup *l, struct aws_credentials *ret, struct error *e) {
        _cleanup_free_ char *endpoint = NULL;
        char expired[32], clock[128];

        if (begin(l, &endpoint, e) < 0)
                return -1;
        for (int tries = 1;; tries++) {
                struct aws_credentials c;

                if (get_current_role(l, endpoint, &c, e) < 0)
                        return -1;
                if (c.expires_s > l->world->now_s(l->world->arg)) {
                        *ret = c;
                        return FOUND;
                }
                clock_format_utc(c.expires_s, expired);
                aws_credentials_wipe(&c);
                if (tries == STALE_TRIES || !l->world->pause(l->world->arg, l->cancel_fd, STALE_PAUSE_MS))
                        break;
        }
        lookup_describe_clock(l, clock);
        error_set(e, ERROR_UNREACHABLE, "instance metadata (IMDS) hands out credentials that expired at %s%s%s", expired,
                  *clock ? "; " : "", clock);
        return error_hint(e, *clock ? "Set the clock (chrony, systemd-timesyncd)."
                                    : "Try again in a minute; if it stays so, stop and start the instance.");
}

/* ---- the region ---- */

int metadata_region(struct lookup *l, char **ret, struct error *e) {
        _cleanup_free_ char *endpoint = NULL;
        struct http_answer a;
        char *region;

        if (begin(l, &endpoint, e) < 0 || get(l, endpoint, REGION, &a, e) < 0)
                return -1;
        if (a.status != 200)
                return refuse(&a, endpoint, REGION, e);
        region = first_line(&a, 63);
        http_answer_wipe(&a);
        if (!region) {
                error_set(e, ERROR_UNREACHABLE, "instance metadata (IMDS at %s) answered something that is no region",
                          endpoint);
                return error_hint(e, "%s", unreachable_hint);
        }
        *ret = region;
        return 0;
}
