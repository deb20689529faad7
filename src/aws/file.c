#include "aws/file.h"

#include <errno.h>
#include <string.h>

enum { LINE_MAX_BYTES = 64 * 1024 };

static bool is_line(const char *s, size_t length) {
        for (size_t i = 0; i < length; i++)
                if (s[i] == '\r' || s[i] == '\n' || s[i] == 0)
                        return false;
        return length > 0;
}

int file_read_line(const char *path, char **ret, struct error *e) {
        _cleanup_secret_ struct buffer b = {};

        if (file_read(path, FILE_PROMPT, LINE_MAX_BYTES, &b) < 0)
                return error_set(e, ERROR_REFUSED, "%s can't be read: %s", path, strerror(errno));
        while (b.length && strchr("\r\n \t", b.data[b.length - 1]))
                b.length--;
        if (!is_line(b.data, b.length))
                return error_set(e, ERROR_REFUSED, "%s %s", path, b.length ? "holds more than one line" : "is empty");
        *ret = mem_copy_bytes(b.data, b.length);
        return 0;
}
