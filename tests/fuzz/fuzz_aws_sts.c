/* Any bytes as what STS answers: credentials that can be used, or an error that does not quote them. */
#include <string.h>

#include "aws/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *action, const char *bytes, size_t size) {
        struct aws_credentials c = {};
        struct error e = {};
        int result = answer_sts(action, bytes, size, &c, &e);

        if (result == 0 && (credentials_check(c.access_key_id, c.secret_access_key, c.session_token, &e) < 0
                            || !c.session_token || c.expires_s == INT64_MAX))
                abort();
        if (result < 0 && (c.access_key_id || !*e.what || strstr(e.what, "S3CR3T") || strstr(e.hint, "S3CR3T")))
                abort();
        aws_credentials_wipe(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct answer_reason why;

        check("AssumeRole", (const char *) data, size);
        check("AssumeRoleWithWebIdentity", (const char *) data, size);
        answer_reason((const char *) data, size, &why);
        if (strpbrk(why.code, "\r\n\033") || strpbrk(why.message, "\r\n\033"))
                abort();
        return 0;
}
