/* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_CREDENTIAL_EXPIRATION. */
#include "aws/answer.h"
#include "aws/source.h"

static int read_end(const struct lookup *l, int64_t *ret_s, struct error *e) {
        const char *end = lookup_env(l, "AWS_CREDENTIAL_EXPIRATION");

        if (!end || answer_time(end, ret_s))
                return 0;
        error_set(e, ERROR_REFUSED, "AWS_CREDENTIAL_EXPIRATION is not a time");
        return error_hint(e, "It looks like 2026-11-20T12:15:00Z; unset it if the keys don't expire.");
}

static int check(const struct lookup *l, const struct aws_credentials *c, struct error *e) {
        if (answer_check(c, e) < 0)
                return error_prefix(e, "credentials in the environment (AWS_ACCESS_KEY_ID, …): ");
        return lookup_check_end(l, c, e) < 0 ? error_prefix(e, "AWS_CREDENTIAL_EXPIRATION: ") : 0;
}

int source_environment(struct lookup *l, struct aws_credentials *ret, struct error *e) {
        const char *id = lookup_env(l, "AWS_ACCESS_KEY_ID"), *secret = lookup_env(l, "AWS_SECRET_ACCESS_KEY");
        const char *token = lookup_env(l, "AWS_SESSION_TOKEN");
        struct aws_credentials c = { .expires_s = INT64_MAX };

        if (!id && !secret)
                return 1;
        if (!id || !secret) {
                error_set(e, ERROR_REFUSED, "%s is set, but %s is not", id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                          id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
                return error_hint(e, "Set both, or neither to use the next source of credentials.");
        }
        if (read_end(l, &c.expires_s, e) < 0)
                return -1;
        token = token ? token : lookup_env(l, "AWS_SECURITY_TOKEN");
        c.access_key_id = mem_copy_string(id);
        c.secret_access_key = mem_copy_string(secret);
        c.session_token = token ? mem_copy_string(token) : NULL;
        c.source = mem_copy_string("environment (AWS_ACCESS_KEY_ID)");
        if (check(l, &c, e) < 0) {
                aws_credentials_wipe(&c);
                return -1;
        }
        *ret = c;
        return 0;
}
