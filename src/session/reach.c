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

/* A look-up of glibc's, which has no limit of its own: one that does not come back is left behind. */
struct lookup {
        char host[256], port[16];
        struct addrinfo wanted;
        struct gaicb request;
};

static bool go_on(struct connection *c, uint64_t until_us) {
        worker_alive(c->worker);
        return !worker_stopping(c->worker) && clock_monotonic_us() < until_us;
}

static int resolve(struct connection *c, struct lookup *l, uint64_t until_us, struct addrinfo **ret) {
        struct gaicb *list[] = { &l->request };
        const struct timespec slice = { .tv_nsec = SLICE_MS * 1000000L };
        int r = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);

        while (r == 0 && (r = gai_error(&l->request)) == EAI_INPROGRESS && go_on(c, until_us)) {
                gai_suspend((const struct gaicb *const *) list, 1, &slice);
                r = 0;
        }
        if (r == EAI_INPROGRESS) {
                if (gai_cancel(&l->request) == EAI_CANCELED)
                        free(l);
                return EAI_AGAIN;
        }
        *ret = l->request.ar_result;
        free(l);
        return r;
}

static int look_up(struct connection *c, const char *host, unsigned port, uint64_t until_us, struct addrinfo **ret) {
        struct lookup *l = mem_zero(1, sizeof *l);

        snprintf(l->host, sizeof l->host, "%s", host);
        snprintf(l->port, sizeof l->port, "%u", port);
        l->wanted = (struct addrinfo) { .ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC };
        l->request = (struct gaicb) { .ar_name = l->host, .ar_service = l->port, .ar_request = &l->wanted };
        return resolve(c, l, until_us, ret);
}

/* 0, or errno. */
static int knock(struct connection *c, const struct addrinfo *address, uint64_t until_us) {
        int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), cause = 0;
        struct pollfd wait = { .fd = fd, .events = POLLOUT };
        socklen_t size = sizeof cause;

        if (fd < 0)
                return errno;
        if (connect(fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS)
                cause = errno;
        else {
                while (poll(&wait, 1, SLICE_MS) == 0 && go_on(c, until_us))
                        ;
                if (!wait.revents)
                        cause = ETIMEDOUT;
                else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &cause, &size) < 0)
                        cause = errno;
        }
        close(fd);
        return cause;
}

enum reach connection_reach(struct connection *c, const char *host, unsigned port, char ret_address[static 64],
                            struct error *e) {
        uint64_t until_us = clock_monotonic_us() + LIMIT_BRIEF_MS * 1000;
        struct addrinfo *found = NULL;
        int r = EAI_AGAIN, cause = 0;

        for (int tries = 0; tries < 2 && r != 0 && go_on(c, until_us); tries++)
                r = look_up(c, host, port, until_us, &found);
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
                cause = knock(c, a, until_us);
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
