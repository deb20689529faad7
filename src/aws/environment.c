/* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_CREDENTIAL_EXPIRATION. */
#include "aws/source.h"

static int read_end(const struct lookup *l, int64_t *ret_s, struct error *e) {
        const char *end = lookup_env(l, "AWS_CREDENTIAL_EXPIRATION");

        if (!end || credentials_time(end, ret_s))
                return 0;
        error_set(e, ERROR_REFUSED, "AWS_CREDENTIAL_EXPIRATION is not a time");
        return error_hint(e, "It looks like 2026-11-20T12:15:00Z; unset it if the keys don't expire.");
}

enum found source_environment(struct lookup *l, struct aws_credentials *ret, struct error *e) {
        const char *id = lookup_env(l, "AWS_ACCESS_KEY_ID"), *secret = lookup_env(l, "AWS_SECRET_ACCESS_KEY");
        const char *token = lookup_env(l, "AWS_SESSION_TOKEN");
        _cleanup_credentials_ struct aws_credentials c = {};
        int64_t expires_s = INT64_MAX;

        if (!id && !secret)
                return NOT_THERE;
        if (!id || !secret) {
                error_set(e, ERROR_REFUSED, "%s is set, but %s is not", id ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                          id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
                return error_hint(e, "Set both, or neither to use the next source of credentials.");
        }
        if (read_end(l, &expires_s, e) < 0)
                return NOT_WORKING;
        token = token ? token : lookup_env(l, "AWS_SECURITY_TOKEN");
        if (credentials_copy(id, secret, token, expires_s, &c, e) < 0)
                return error_prefix(e, "credentials in the environment (AWS_ACCESS_KEY_ID, …): ");
        c.source = mem_copy_string("environment (AWS_ACCESS_KEY_ID)");
        if (lookup_check_end(l, &c, e) < 0) {
                e->class = ERROR_REFUSED;       /* a process's environment stays as it is */
                error_prefix(e, "AWS_CREDENTIAL_EXPIRATION: ");
                return error_hint(e, "Set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and "
                                     "AWS_CREDENTIAL_EXPIRATION to new ones; if these are new, check this machine's clock.");
        }
        *ret = c;
        c = (struct aws_credentials) {};
        return FOUND;
}
