/* One step at a time: does a name resolve, does a port take connections. What libraries do on their way, seen alone. */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pinfeed/limits.h"
#include "room.h"

enum { SLICE_MS = 100 };

struct wait {
        struct connection *connection;
        uint64_t until_us;
};

static bool go_on(void *arg) {
        const struct wait *w = arg;

        worker_alive(w->connection->worker);
        return !worker_stopping(w->connection->worker) && clock_monotonic_us() < w->until_us;
}

/* 0, or errno. */
static int knock(struct wait *w, const struct addrinfo *address) {
        int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), cause = 0;
        struct pollfd answer = { .fd = fd, .events = POLLOUT };
        socklen_t size = sizeof cause;

        if (fd < 0)
                return errno;
        if (connect(fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS)
                cause = errno;
        else {
                while (poll(&answer, 1, SLICE_MS) == 0 && go_on(w))
                        ;
                if (!answer.revents)
                        cause = ETIMEDOUT;
                else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &cause, &size) < 0)
                        cause = errno;
        }
        close(fd);
        return cause;
}

enum reach connection_reach(struct connection *c, const char *host, unsigned port, char ret_address[static 64],
                            struct error *e) {
        const struct addrinfo wanted = { .ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC };
        struct wait wait = { c, clock_monotonic_us() + LIMIT_BRIEF_MS * 1000 };
        _cleanup_free_ char *service = mem_format("%u", port);
        struct addrinfo *found = NULL;
        int r = EAI_AGAIN, cause = 0;

        for (int tries = 0; tries < 2 && r != 0 && go_on(&wait); tries++)
                r = resolve_name(host, service, &wanted, go_on, &wait, &found);
        if (r != 0) {
                error_set(e, ERROR_UNREACHABLE, "the name %s does not resolve: %s", host,
                          r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r));
                if (worker_stopping(c->worker))
                        error_stopped(e);
                return REACH_NO_NAME;
        }
        *ret_address = 0;
        for (const struct addrinfo *a = found; a; a = a->ai_next) {
                getnameinfo(a->ai_addr, a->ai_addrlen, ret_address, 64, NULL, 0, NI_NUMERICHOST);
                cause = knock(&wait, a);
                if (cause == 0)
                        break;
        }
        freeaddrinfo(found);
        if (cause == 0)
                return REACH_ANSWERS;
        error_set(e, ERROR_UNREACHABLE, "can't connect to %s:%u (%s): %s", host, port, ret_address, strerror(cause));
        if (worker_stopping(c->worker))
                error_stopped(e);
        return REACH_NO_PORT;
}
