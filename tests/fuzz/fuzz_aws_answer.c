/* Any bytes as what instance metadata, a container, a credential_process and STS answer: credentials that can be used,
 * or an error that does not quote them. */
#include <string.h>

#include "aws/answer.h"
#include "aws/credentials.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int answer_role(const char *bytes, size_t size, struct aws_credentials *ret, struct error *e) {
        return answer_sts("AssumeRole", bytes, size, ret, e);
}

static int answer_web_identity(const char *bytes, size_t size, struct aws_credentials *ret, struct error *e) {
        return answer_sts("AssumeRoleWithWebIdentity", bytes, size, ret, e);
}

static const struct parser {
        int (*parse)(const char *bytes, size_t size, struct aws_credentials *ret, struct error *e);
        bool are_temporary;
} parsers[] = {
        { answer_metadata, false },
        { answer_process, false },
        { answer_role, true },
        { answer_web_identity, true },
};

static void check(const struct parser *p, const char *bytes, size_t size) {
        struct aws_credentials c = {};
        struct error e = {};
        int result = p->parse(bytes, size, &c, &e);

        if (result == 0 && credentials_check(c.access_key_id, c.secret_access_key, c.session_token, &e) < 0)
                abort();
        if (result == 0 && p->are_temporary && (!c.session_token || c.expires_s == INT64_MAX))
                abort();
        if (result != 0 && (c.access_key_id || c.secret_access_key || c.session_token))
                abort();
        if (result < 0 && (!*e.what || strstr(e.what, "S3CR3T") || strstr(e.hint, "S3CR3T")))
                abort();
        aws_credentials_wipe(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct answer_reason why;

        for (size_t i = 0; i < sizeof parsers / sizeof *parsers; i++)
                check(&parsers[i], (const char *) data, size);
        answer_reason((const char *) data, size, &why);
        if (strpbrk(why.code, "\r\n\033") || strpbrk(why.message, "\r\n\033"))
                abort();
        return 0;
}
