/* A log-in on a thread of its own. The client libraries bound each read of a log-in, not the whole (a server that drips
 * its greeting keeps them for ever), look names up without any bound, and can't be interrupted. So the thread that waits
 * for a log-in only watches it, and leaves it behind when it takes too long or is no longer wanted: it ends when the
 * server says no more for the time-out, or hangs up. */
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "room.h"

enum {
        SLICE_MS = 50,
        MOST_LEFT = 16,                 /* a process in which that many hang is better started anew */
};

struct attempt {
        struct table_login login;       /* a copy */
        MYSQL *mysql;
        int result;
        struct error error;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool done, left;                /* under the lock; whoever comes second frees it */
};

static atomic_uint left_behind;

static void attempt_free(struct attempt *a) {
        login_free(&a->login);
        pthread_cond_destroy(&a->changed);
        pthread_mutex_destroy(&a->lock);
        free(a);
}

static void *attempt_run(void *arg) {
        struct attempt *a = arg;
        bool left;

        a->result = login_run(&a->login, &a->mysql, &a->error);
        pthread_mutex_lock(&a->lock);
        a->done = true;
        left = a->left;
        pthread_cond_signal(&a->changed);
        pthread_mutex_unlock(&a->lock);
        if (left) {
                if (a->mysql)
                        mysql_close(a->mysql);
                attempt_free(a);
        }
        mysql_thread_end();
        if (left)
                atomic_fetch_sub(&left_behind, 1);
        return NULL;
}

void thread_start(pthread_t *ret, void *(*run)(void *arg), void *arg) {
        sigset_t all, former;

        sigfillset(&all);
        sigdelset(&all, SIGSEGV);                       /* a fault is the thread's own, and a sanitizer's to report */
        pthread_sigmask(SIG_SETMASK, &all, &former);    /* signals are for the main thread */
        if (pthread_create(ret, NULL, run, arg) != 0)
                abort();                                /* as for memory */
        pthread_sigmask(SIG_SETMASK, &former, NULL);
}

static struct attempt *attempt_start(const struct table_login *login) {
        struct attempt *a = mem_zero(1, sizeof *a);
        pthread_t thread;

        login_copy(&a->login, login);
        pthread_mutex_init(&a->lock, NULL);
        pthread_cond_init(&a->changed, NULL);
        thread_start(&thread, attempt_run, a);
        pthread_detach(thread);
        return a;
}

/* Whether it is over; waits for a slice at most. */
static bool attempt_wait(struct attempt *a) {
        struct timespec until = clock_timespec(clock_monotonic_us() + SLICE_MS * 1000);
        bool done;

        pthread_mutex_lock(&a->lock);
        while (!a->done && pthread_cond_clockwait(&a->changed, &a->lock, CLOCK_MONOTONIC, &until) == 0)
                ;
        done = a->done;
        pthread_mutex_unlock(&a->lock);
        return done;
}

static int attempt_take(struct attempt *a, MYSQL **ret, struct error *e) {
        int r = a->result;

        if (r == 0)
                *ret = a->mysql;
        else
                *e = a->error;
        attempt_free(a);
        return r;
}

static int attempt_leave(struct attempt *a, MYSQL **ret, struct error *e) {
        _cleanup_free_ char *place = login_place(&a->login);
        bool done;

        atomic_fetch_add(&left_behind, 1);
        pthread_mutex_lock(&a->lock);
        done = a->done;
        a->left = true;
        pthread_mutex_unlock(&a->lock);
        if (done) {                     /* at the last moment */
                atomic_fetch_sub(&left_behind, 1);
                return attempt_take(a, ret, e);
        }
        error_set(e, ERROR_UNREACHABLE, "can't connect: MySQL at %s did not come to an end with the log-in", place);
        return error_hint(e, "What answers there is slow, frozen, or no MySQL server. Check [mysql] host and port.");
}

int database_log_in(const struct table_login *login, unsigned limit_ms, const atomic_bool *unwanted, MYSQL **ret,
                    struct error *e) {
        uint64_t until_us = clock_monotonic_us() + (uint64_t) limit_ms * 1000;
        struct attempt *a;

        if (atomic_load(&left_behind) >= MOST_LEFT)
                return error_set(e, ERROR_FAILED, "can't connect: %d earlier log-ins to MySQL still hang", MOST_LEFT);
        a = attempt_start(login);
        while (!attempt_wait(a)) {
                if (login_stopped(login) || (unwanted && atomic_load(unwanted)) || clock_monotonic_us() >= until_us)
                        return attempt_leave(a, ret, e);
                if (login->alive)
                        login->alive(login->alive_arg);
        }
        return attempt_take(a, ret, e);
}

bool database_left_behind(void) {
        return atomic_load(&left_behind) > 0;
}
