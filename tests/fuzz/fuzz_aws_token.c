/* Any text as credentials and region: the token is base64url without padding, and its URL has no byte that a URL can't
 * have. The fields are separated by line breaks. */
#include <openssl/evp.h>
#include <string.h>

#include "pinfeed/aws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_url(const char *token) {
        static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%&=?:/";
        size_t n = strlen(token), whole = (n + 3) / 4 * 4;
        unsigned char *text = mem_zero(1, whole + 4), *url = mem_zero(1, whole + 4);

        for (size_t i = 0; i < whole; i++)
                text[i] = (unsigned char) (i >= n ? '=' : token[i] == '-' ? '+' : token[i] == '_' ? '/' : token[i]);
        if (n % 4 == 1 || EVP_DecodeBlock(url, text, (int) whole) < 0)
                abort();
        if (strspn((char *) url, good) != n * 3 / 4 || !strstr((char *) url, "&X-Amz-Signature="))
                abort();
        free(text);
        free(url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = mem_copy_bytes(data, size), *rest = text;
        const char *id = strsep(&rest, "\n"), *secret = strsep(&rest, "\n"), *session = strsep(&rest, "\n");
        const struct aws_credentials c = {
                .access_key_id = (char *) id, .secret_access_key = (char *) (secret ? secret : ""),
                .session_token = (char *) session,
        };
        int64_t expires_ms;
        struct error e;
        char *token;

        if (aws_token_sign(&c, "us-east-1", 1795176000 + (int64_t) size, 900, &token, &expires_ms, &e) < 0)
                abort();
        if (token[strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")])
                abort();
        check_url(token);
        free(token);
        free(text);
        return 0;
}
