#include "pinfeed/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 32768 };

int file_read(const char *path, enum file_kind kind, size_t limit, struct buffer *out) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (kind == FILE_PROMPT ? O_NONBLOCK : 0)), cause = 0;
        size_t before = out->length;
        ssize_t n = 1;

        if (fd < 0)
                return -1;
        while (n != 0 && cause == 0) {
                n = read(fd, buffer_reserve(out, BLOCK), BLOCK);
                out->length += n > 0 ? (size_t) n : 0;
                if (n < 0 && errno != EINTR)
                        cause = errno;
                else if (out->length - before > limit)
                        cause = EFBIG;
        }
        close(fd);
        errno = cause;
        return cause ? -1 : 0;
}

static int write_all(int fd, const char *bytes, size_t length) {
        while (length > 0) {
                ssize_t n = write(fd, bytes, length);

                if (n < 0 && errno != EINTR)
                        return -1;
                if (n > 0) {
                        bytes += n;
                        length -= (size_t) n;
                }
        }
        return 0;
}

static char *directory_of(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? mem_copy_bytes(path, (size_t) (slash - path) + 1) : mem_copy_string(".");
}

/* A rename is on disk only when its directory is. */
static int sync_directory_of(const char *path) {
        _cleanup_free_ char *directory = directory_of(path);
        int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

        if (fd < 0)
                return -1;
        r = fsync(fd);
        close(fd);
        return r;
}

int file_give(int fd, const char *path) {
        _cleanup_free_ char *directory = directory_of(path);
        struct stat owner;

        if (geteuid() != 0)
                return 0;
        if (stat(directory, &owner) < 0)
                return -1;
        return fchown(fd, owner.st_uid, owner.st_gid);
}

static int write_new(const char *path, const void *bytes, size_t length) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), r, saved;

        if (fd < 0)
                return -1;
        r = file_give(fd, path) < 0 || write_all(fd, bytes, length) < 0 || fsync(fd) < 0 ? -1 : 0;
        saved = errno;
        if (close(fd) < 0 && r == 0)
                return -1;
        errno = saved;
        return r;
}

int file_replace(const char *path, const void *bytes, size_t length) {
        _cleanup_free_ char *temporary = mem_format("%s.new", path);
        int saved;

        if (write_new(temporary, bytes, length) == 0 && rename(temporary, path) == 0 && sync_directory_of(path) == 0)
                return 0;
        saved = errno;
        unlink(temporary);
        errno = saved;
        return -1;
}
