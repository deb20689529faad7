/* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. */
#include "aws/answer.h"
#include "aws/source.h"

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
        token = token ? token : lookup_env(l, "AWS_SECURITY_TOKEN");
        c.access_key_id = mem_copy_string(id);
        c.secret_access_key = mem_copy_string(secret);
        c.session_token = token ? mem_copy_string(token) : NULL;
        c.source = mem_copy_string("environment (AWS_ACCESS_KEY_ID)");
        if (answer_check(&c, e) < 0) {
                aws_credentials_wipe(&c);
                return error_prefix(e, "credentials in the environment (AWS_ACCESS_KEY_ID, …): ");
        }
        *ret = c;
        return 0;
}
