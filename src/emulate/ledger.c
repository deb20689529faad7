#include "ledger.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char header[] = "pinfeed in flight 1\n";

enum {
        LARGEST_FILE = 64 << 20,
        SECTOR = 512,           /* what a disk writes whole or not at all, on every disk */
};

struct ledger {
        char *path;
        int lock_fd, fd;        /* -1: not open */
        struct buffer *left;
        size_t left_count;
        bool empty;             /* the file holds no keys */
        struct buffer text;
};

/* ---- format ---- */

static void escape_key(const struct buffer *key, struct buffer *out) {
        for (size_t i = 0; i < key->length; i++) {
                unsigned char c = (unsigned char) key->data[i];

                if (c > ' ' && c < 0x7f && c != '%')
                        buffer_append(out, &c, 1);
                else
                        buffer_printf(out, "%%%02X", c);
        }
        buffer_append(out, "\n", 1);
}

static int unescape_key(const char *s, size_t length, struct buffer *out) {
        for (size_t i = 0; i < length; i++) {
                char c = s[i];

                if (c == '%') {
                        int byte = length - i < 3 ? -1 : text_unhex(s + i + 1, TEXT_HEX_UPPER);

                        if (byte < 0)
                                return -1;
                        c = (char) byte;
                        i += 2;
                } else if (c <= ' ' || c >= 0x7f)
                        return -1;
                buffer_append(out, &c, 1);
        }
        return 0;
}

int ledger_parse(const char *bytes, size_t length, struct buffer **ret_keys, size_t *ret_count) {
        const char *end = bytes + length, *line = bytes + strlen(header);

        if (length < strlen(header) || memcmp(bytes, header, strlen(header)) != 0)
                return -1;
        while (line < end && *line != ' ') {
                const char *newline = memchr(line, '\n', (size_t) (end - line));
                struct buffer key = {};

                if (!newline || unescape_key(line, (size_t) (newline - line), &key) < 0) {
                        buffer_free(&key);
                        return -1;
                }
                *ret_keys = mem_resize(*ret_keys, (*ret_count + 1) * sizeof **ret_keys);
                (*ret_keys)[(*ret_count)++] = key;
                line = newline + 1;
        }
        return 0;
}

/* ---- file ---- */

static int failed(const char *doing, const char *path, struct error *e) {
        int cause = errno;
        bool waits = cause == ENOSPC || cause == EDQUOT || cause == EROFS;

        error_set(e, waits ? ERROR_UNREACHABLE : error_class_of_file(cause), "%s %s: %s", doing, path, strerror(cause));
        if (cause == EMFILE)
                return error_hint(e, "Raise the limit on open files (LimitNOFILE= in the unit, ulimit -n).");
        return owner_hint(e, cause, "pinfeed keeps the keys of posts under way there; set [pinfeed] state_dir to a directory "
                                    "that it may write, with some space left.");
}

static int lock_file(struct ledger *f, const char *lock_path, struct error *e) {
        f->lock_fd = file_lock(lock_path);
        if (f->lock_fd >= 0)
                return 0;
        if (errno != EWOULDBLOCK)
                return failed("can't write", lock_path, e);
        error_set(e, ERROR_FAILED, "another pinfeed sends posts for this user id (it holds %s)", lock_path);
        return error_hint(e, "Stop it first, or give this one its own [pinfeed] state_dir.");
}

static int load(struct ledger *f, struct error *e) {
        _cleanup_buffer_ struct buffer bytes = {};
        int r = file_read(f->path, FILE_OWN, LARGEST_FILE, &bytes);
        bool missing = r < 0 && errno == ENOENT;

        if (r < 0 && !missing)
                failed("can't read", f->path, e);
        if (r == 0 && ledger_parse(bytes.data, bytes.length, &f->left, &f->left_count) < 0) {
                r = error_set(e, ERROR_REFUSED, "%s is not a list of posts under way", f->path);
                error_hint(e, "Look what it is and move it away; if pinfeed wrote it, the posts that were under way "
                              "may be missing in some of the topics.");
        }
        return missing ? 0 : r;
}

int ledger_open(const char *directory, const char *user_id, struct ledger **ret, struct error *e) {
        struct ledger *f = mem_zero(1, sizeof *f);
        _cleanup_free_ char *lock_path = mem_format("%s/emulate-%s.lock", directory, user_id);

        f->lock_fd = f->fd = -1;
        f->path = mem_format("%s/emulate-%s.inflight", directory, user_id);
        if (lock_file(f, lock_path, e) < 0 || load(f, e) < 0 || ledger_write(f, f->left, f->left_count, true, e) < 0) {
                ledger_close(f);
                return -1;
        }
        *ret = f;
        return 0;
}

void ledger_close(struct ledger *f) {
        if (!f)
                return;
        if (f->empty)
                unlink(f->path);
        if (f->fd >= 0)
                close(f->fd);
        if (f->lock_fd >= 0)
                close(f->lock_fd);
        for (size_t i = 0; i < f->left_count; i++)
                buffer_free(&f->left[i]);
        free(f->left);
        buffer_free(&f->text);
        free(f->path);
        free(f);
}

size_t ledger_left(const struct ledger *f, const struct buffer **ret_keys) {
        *ret_keys = f->left;
        return f->left_count;
}

static bool is_still_there(const struct ledger *f) {
        struct stat s;

        return f->fd >= 0 && fstat(f->fd, &s) == 0 && s.st_nlink > 0;
}

/* A third of the CPU time that a new file takes, which is what a post a second costs. */
static int write_in_place(struct ledger *f, bool durable) {
        ssize_t n = pwrite(f->fd, f->text.data, SECTOR, 0);

        if (n < 0)
                return -1;
        if (n < SECTOR) {
                errno = ENOSPC;
                return -1;
        }
        return durable ? fdatasync(f->fd) : 0;
}

static int write_anew(struct ledger *f) {
        if (file_replace(f->path, f->text.data, f->text.length) < 0)
                return -1;
        if (f->fd >= 0)
                close(f->fd);
        f->fd = file_lock(f->path);     /* if that fails, the next one is written anew, too */
        return 0;
}

int ledger_write(struct ledger *f, const struct buffer *keys, size_t count, bool durable, struct error *e) {
        bool fits;

        if (count == 0 && f->empty)
                return 0;
        f->text.length = 0;
        buffer_append_string(&f->text, header);
        for (size_t i = 0; i < count; i++)
                escape_key(&keys[i], &f->text);
        fits = f->text.length < SECTOR;
        if (fits)
                buffer_printf(&f->text, "%*s", (int) (SECTOR - f->text.length), "");
        if ((fits && is_still_there(f) ? write_in_place(f, durable) : write_anew(f)) < 0)
                return failed("can't write", f->path, e);
        f->empty = count == 0;
        return 0;
}
