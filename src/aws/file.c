#include "aws/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 64 * 1024, READ_AHEAD = 4096 };

static int read_all(int fd, size_t limit, struct buffer *out) {
        for (;;) {
                ssize_t n = read(fd, buffer_reserve(out, READ_AHEAD), READ_AHEAD);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -1 : 0;
                out->length += (size_t) n;
                if (out->length > limit) {
                        errno = EFBIG;
                        return -1;
                }
        }
}

int file_read_secret(const char *path, size_t limit, struct buffer *out) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), result, saved;

        if (fd < 0)
                return -1;
        buffer_reserve(out, limit + 2 * READ_AHEAD);    /* once, so that it never moves */
        result = read_all(fd, limit, out);
        saved = errno;
        close(fd);
        errno = saved;
        return result;
}

static bool is_line(const char *s, size_t length) {
        for (size_t i = 0; i < length; i++)
                if (s[i] == '\r' || s[i] == '\n' || s[i] == 0)
                        return false;
        return length > 0;
}

int file_read_line(const char *path, char **ret, struct error *e) {
        struct buffer b = {};
        int result = 0;

        if (file_read_secret(path, LINE_MAX_BYTES, &b) < 0) {
                result = error_set(e, ERROR_REFUSED, "%s can't be read: %s", path, strerror(errno));
        } else {
                while (b.length && strchr("\r\n \t", b.data[b.length - 1]))
                        b.length--;
                if (is_line(b.data, b.length))
                        *ret = mem_copy_bytes(b.data, b.length);
                else
                        result = error_set(e, ERROR_REFUSED, "%s %s", path,
                                           b.length ? "holds more than one line" : "is empty");
        }
        buffer_wipe_and_free(&b);
        return result;
}
