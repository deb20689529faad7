#include "pinfeed/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 32768, KEPT_MOST_BYTES = 1 << 20 };

/* Files that only root may read, of a process that has been root: like its user id, one for all rooms. */
static struct kept {
        char *path;
        struct buffer bytes;
        struct kept *next;
} *kept;

/* ---- reading ---- */

static int fail(int fd, int cause) {
        if (fd >= 0)
                close(fd);
        errno = cause;
        return -1;
}

/* Whoever can write the directory may have put anything there: nothing is followed, waited for or shared. (Links to our
 * own files are root's business alone; a back-up may make them.) */
static int open_own(const char *path, int flags) {
        int fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
        struct stat st;

        if (fd < 0)
                return -1;
        if (fstat(fd, &st) < 0)
                return fail(fd, errno);
        if (!S_ISREG(st.st_mode))
                return fail(fd, S_ISDIR(st.st_mode) ? EISDIR : EINVAL);
        return st.st_nlink > 1 && geteuid() == 0 ? fail(fd, EMLINK) : fd;
}

static int read_all(int fd, size_t limit, struct buffer *out) {
        size_t before = out->length;
        ssize_t n;

        do {
                n = read(fd, buffer_reserve(out, BLOCK), BLOCK);
                out->length += n > 0 ? (size_t) n : 0;
                if (out->length - before > limit)
                        return fail(fd, EFBIG);
        } while (n > 0 || (n < 0 && errno == EINTR));
        if (n < 0)
                return fail(fd, errno);
        close(fd);
        return 0;
}

int file_read(const char *path, enum file_kind kind, size_t limit, struct buffer *out) {
        int fd = kind == FILE_OWN ? open_own(path, O_RDONLY)
                 : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (kind == FILE_PROMPT ? O_NONBLOCK : 0));

        if (fd >= 0)
                return read_all(fd, limit, out);
        for (const struct kept *k = kept; k && errno == EACCES; k = k->next)
                if (strcmp(k->path, path) == 0) {
                        buffer_append(out, k->bytes.data, k->bytes.length);
                        return 0;
                }
        return -1;
}

void file_keep(const char *path) {
        struct kept *k = mem_zero(1, sizeof *k);

        *k = (struct kept) { .path = mem_copy_string(path), .next = kept };
        kept = k;
        if (file_read(path, FILE_PROMPT, KEPT_MOST_BYTES, &k->bytes) < 0) {
                kept = k->next;
                buffer_wipe_and_free(&k->bytes);
                free(k->path);
                free(k);
        }
}

void file_forget(void) {
        while (kept) {
                struct kept *k = kept;

                kept = k->next;
                buffer_wipe_and_free(&k->bytes);
                free(k->path);
                free(k);
        }
}

/* ---- writing ---- */

int file_lock(const char *path) {
        for (;;) {
                int fd = open_own(path, O_RDWR | O_CREAT);
                struct stat ours, named;

                if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
                        return fail(fd, errno);
                if (fstat(fd, &ours) == 0 && lstat(path, &named) == 0 && ours.st_ino == named.st_ino
                    && ours.st_dev == named.st_dev)
                        return fd;
                close(fd);      /* renamed or removed by who had the lock before */
        }
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
        return fsync(fd);
}

/* A rename is on disk only when its directory is. */
static int sync_directory_of(const char *path) {
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *directory = slash ? mem_copy_bytes(path, (size_t) (slash - path) + 1) : mem_copy_string(".");
        int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

        if (fd < 0)
                return -1;
        r = fsync(fd);
        close(fd);
        return r;
}

int file_replace(const char *path, const void *bytes, size_t length) {
        _cleanup_free_ char *temporary = mem_format("%s.new", path);
        int fd = file_lock(temporary), cause;

        if (fd < 0)
                return -1;
        if (ftruncate(fd, 0) == 0 && write_all(fd, bytes, length) == 0 && rename(temporary, path) == 0
            && sync_directory_of(path) == 0) {
                close(fd);
                return 0;
        }
        cause = errno;
        unlink(temporary);
        return fail(fd, cause);
}
