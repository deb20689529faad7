/* Any bytes as a shared config and credentials file: an answer, never a crash, and never the text in an error. */
#include <string.h>

#include "aws/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(struct profiles *p, enum profile_file file, const char *bytes, size_t size) {
        struct error e = {};

        if (profiles_parse(p, file, bytes, size, "FILE", &e) == 0)
                return;
        if (e.class != ERROR_REFUSED || strncmp(e.what, "FILE, line ", 11) != 0)
                abort();
        if (strstr(e.what, "S3CR3T") || strstr(e.hint, "S3CR3T"))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const keys[] = { "aws_access_key_id", "region", "role_arn", "credential_process" };
        struct profiles *p = profiles_new();

        parse(p, PROFILE_CONFIG, (const char *) data, size);
        parse(p, PROFILE_CREDENTIALS, (const char *) data, size);
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
                const char *value = profiles_get(p, "default", keys[i]);

                if (value && (!profiles_has(p, "default") || !value[strspn(value, " \t\r\n\v\f")]))
                        abort();
        }
        profiles_free(p);
        return 0;
}
