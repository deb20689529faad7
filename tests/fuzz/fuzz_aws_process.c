/* Any bytes as what a credential_process prints: credentials that can be used, or an error that does not
 * quote them. */
#include <string.h>

#include "aws/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct aws_credentials c = {};
        struct answer_reason why;
        struct error e = {};
        int result = answer_process((const char *) data, size, &c, &e);

        if (result == 0 && credentials_check(c.access_key_id, c.secret_access_key, c.session_token, &e) < 0)
                abort();
        if (result != 0 && (c.access_key_id || c.secret_access_key || c.session_token))
                abort();
        if (result < 0 && (!*e.what || strstr(e.what, "S3CR3T") || strstr(e.hint, "S3CR3T")))
                abort();
        answer_reason((const char *) data, size, &why);
        if (strpbrk(why.code, "\r\n\033") || strpbrk(why.message, "\r\n\033"))
                abort();
        aws_credentials_wipe(&c);
        return 0;
}
