/* Any text as an endpoint's URL: its parts are what a request and its signature can hold. */
#include <string.h>

#include "aws/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *text = mem_copy_bytes(data, size);
        struct http_url url = {};

        if (http_url_parse(text, &url)) {
                if (!*url.host || strpbrk(url.host, "ABCDEFGHIJKLMNOPQRSTUVWXYZ@/ \r\n"))
                        abort();
                if (strpbrk(url.authority, "@/ \r\n") || *url.path != '/' || strpbrk(url.path, " \r\n"))
                        abort();
        } else if (url.host || url.authority || url.path) {
                abort();
        }
        http_url_free(&url);
        free(text);
        return 0;
}
