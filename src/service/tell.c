/* What a daemon tells whoever asks: it answers at a socket, from the event loop, so that the answer is as of now, and no
 * answer can outlive the process. */
#include "service/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { ASK_S = 3, ANSWER_MOST_BYTES = 65536, WAITING_MOST = 16 };

/* An address has room for 107 bytes, a path may be longer: its directory goes by its descriptor, which is returned. */
static int open_directory(const char *path, struct sockaddr_un *ret) {
        const char *slash = strrchr(path, '/');
        _cleanup_free_ char *directory = slash ? mem_copy_bytes(path, (size_t) (slash - path) + 1) : mem_copy_string(".");
        int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC), n;

        if (fd < 0)
                return -1;
        *ret = (struct sockaddr_un) { .sun_family = AF_UNIX };
        n = snprintf(ret->sun_path, sizeof ret->sun_path, "/proc/self/fd/%d/%s", fd, slash ? slash + 1 : path);
        if (n >= 0 && (size_t) n < sizeof ret->sun_path)
                return fd;
        close(fd);
        errno = ENAMETOOLONG;
        return -1;
}

/* A socket that `call` (bind, connect) has succeeded with; -1: errno says why. */
static int open_socket(const char *path, int (*call)(int, const struct sockaddr *, socklen_t)) {
        const struct timeval patience = { .tv_sec = ASK_S };
        struct sockaddr_un address;
        int directory = open_directory(path, &address), fd, cause;

        if (directory < 0)
                return -1;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0
                        || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0
                        || call(fd, (struct sockaddr *) &address, sizeof address) < 0)) {
                cause = errno;
                close(fd);
                errno = cause;
                fd = -1;
        }
        cause = errno;
        close(directory);
        errno = cause;
        return fd;
}

/* ---- the daemon's side ---- */

int tell_open(const char *path) {
        int fd = open_socket(path, bind), other;

        if (fd < 0 && errno == EADDRINUSE) {
                other = open_socket(path, connect);
                if (other >= 0) {
                        close(other);
                        errno = EADDRINUSE;
                        return -1;
                }
                unlink(path);           /* of a process that was killed */
                fd = open_socket(path, bind);
        }
        if (fd >= 0 && (listen(fd, WAITING_MOST) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0))
                tell_close(fd, path), fd = -1;
        return fd;
}

void tell_close(int fd, const char *path) {
        if (fd < 0)
                return;
        unlink(path);
        close(fd);
}

/* The kernel takes such a small answer as a whole: nobody who doesn't read it is waited for. */
void tell_answer(int fd, const struct service_job *job) {
        _cleanup_buffer_ struct buffer answer = {};
        int asked = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (asked < 0)
                return;
        job->tell(job->arg, &answer);
        send(asked, answer.data, answer.length, MSG_NOSIGNAL);
        close(asked);
}

/* ---- the room's contract ---- */

enum service_answer service_ask(const char *path, struct buffer *out, struct error *e) {
        int fd = open_socket(path, connect);
        size_t before = out->length;
        ssize_t n;

        if (fd < 0 && (errno == ENOENT || errno == ECONNREFUSED))
                return SERVICE_NOBODY;
        do {
                n = fd < 0 ? -1 : recv(fd, buffer_reserve(out, 4096), 4096, 0);
                out->length += n > 0 ? (size_t) n : 0;
        } while (n > 0 && out->length - before <= ANSWER_MOST_BYTES);
        if (n == 0 && out->length > before) {
                close(fd);
                return SERVICE_ANSWERED;
        }
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
                error_set(e, ERROR_FAILED, "the pinfeed that has %s does not answer within %d s", path, ASK_S);
        else
                error_set(e, ERROR_FAILED, "can't ask at %s: %s", path, n < 0 ? strerror(errno) : "there is no answer");
        if (fd < 0 && errno == EACCES)
                error_hint(e, "Only the user whose state directory it is, and root, may ask: use sudo.");
        if (fd >= 0)
                close(fd);
        return SERVICE_SILENT;
}
