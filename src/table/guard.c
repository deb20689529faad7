/* A query may be silent for long: a server that sorts millions of rows sends nothing until it is done. A server that
 * is frozen or cut off is silent too, and no time-out tells the two apart. So a thread beside each connection watches
 * the clock: when a call has been silent for the time-out, it logs in a second time. A server that answers is at work;
 * one that doesn't is gone, and the silent call is ended by shutting its socket down. As long as a call is under way or
 * calls go on, the thread says so to whoever wants to know that its worker is alive. */
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include "pinfeed/limits.h"
#include "room.h"

enum { TICK_MS = 200 };

struct guard {
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        atomic_bool stopping;           /* set under the lock */
        int socket;                     /* not owned */
        const struct table_login *login;
        _Atomic uint64_t *calls;
        _Atomic bool *gave_up;
};

void socket_cut(int socket) {
        setsockopt(socket, SOL_SOCKET, SO_LINGER, &(struct linger) { .l_onoff = 1 }, sizeof(struct linger));
        shutdown(socket, SHUT_RDWR);
}

/* Sleeps; returns false when it is time to stop. */
static bool sleep_ms(struct guard *g, unsigned ms) {
        uint64_t until_us = clock_monotonic_us() + (uint64_t) ms * 1000;
        struct timespec until = clock_timespec(until_us);
        bool go_on;
        int r = 0;

        pthread_mutex_lock(&g->lock);
        while (!g->stopping && r != ETIMEDOUT)
                r = pthread_cond_clockwait(&g->changed, &g->lock, CLOCK_MONOTONIC, &until);
        go_on = !g->stopping;
        pthread_mutex_unlock(&g->lock);
        return go_on;
}

/* Whether somebody answers there, be it with a refusal. */
static bool answers(struct guard *g) {
        struct table_login login = *g->login;
        struct error e;
        MYSQL *mysql;
        bool answered;

        login.alive = NULL;                             /* that is in doubt */
        if (database_log_in(&login, 2 * login.timeout_ms, &g->stopping, &mysql, &e) < 0)
                return e.class != ERROR_UNREACHABLE;    /* else nothing is known */
        answered = !is_client_error(mysql_errno(mysql));
        mysql_close(mysql);
        return answered;
}

static void *watch(void *arg) {
        struct guard *g = arg;
        uint64_t seen = 0, since_us = 0;

        while (sleep_ms(g, seen % 2 ? TICK_MS : LIMIT_SLICE_MS)) {
                uint64_t now = atomic_load_explicit(g->calls, memory_order_relaxed);

                if (login_stopped(g->login))
                        break;
                if (now == seen && now % 2 == 0)
                        continue;                       /* the worker is elsewhere, and may hang there */
                if (now != seen) {
                        seen = now;
                        since_us = clock_monotonic_us();
                } else if (clock_monotonic_us() - since_us >= (uint64_t) g->login->timeout_ms * 1000) {
                        if (!answers(g) && atomic_load_explicit(g->calls, memory_order_relaxed) == now)
                                break;
                        since_us = clock_monotonic_us();
                }
                if (g->login->alive)
                        g->login->alive(g->login->alive_arg);
        }
        if (!g->stopping) {
                atomic_store(g->gave_up, true);
                socket_cut(g->socket);
        }
        return NULL;
}

struct guard *guard_start(const struct table_login *login, int socket, _Atomic uint64_t *calls, _Atomic bool *gave_up) {
        struct guard *g = mem_zero(1, sizeof *g);

        g->socket = socket;
        g->login = login;
        g->calls = calls;
        g->gave_up = gave_up;
        pthread_mutex_init(&g->lock, NULL);
        pthread_cond_init(&g->changed, NULL);
        thread_start(&g->thread, watch, g);
        return g;
}

void guard_stop(struct guard *g) {
        if (!g)
                return;
        pthread_mutex_lock(&g->lock);
        g->stopping = true;
        pthread_cond_signal(&g->changed);
        pthread_mutex_unlock(&g->lock);
        pthread_join(g->thread, NULL);
        pthread_cond_destroy(&g->changed);
        pthread_mutex_destroy(&g->lock);
        free(g);
}
