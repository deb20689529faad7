/* A log-in on a thread of its own. The client libraries bound each read of a log-in, not the whole (a server that drips
 * its greeting keeps them for ever), look names up without any bound, and can't be interrupted. So the thread that waits
 * for a log-in only watches it, and leaves it behind when it takes too long or is no longer wanted: it ends when the
 * server says no more for the time-out, or hangs up. */
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
};

static atomic_int left_behind;          /* less by those that have just ended, and aren't counted yet */

static void attempt_free(struct attempt *a) {
        login_free(&a->login);
        free(a);
}

static void attempt_run(void *arg) {
        struct attempt *a = arg;

        a->result = login_run(&a->login, &a->mysql, &a->error);
}

static void attempt_end(void *arg, bool left) {
        struct attempt *a = arg;

        if (left) {
                if (a->mysql)
                        mysql_close(a->mysql);
                attempt_free(a);
        }
        mysql_thread_end();
        if (left)
                atomic_fetch_sub(&left_behind, 1);
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

static int attempt_left(const struct table_login *login, struct error *e) {
        _cleanup_free_ char *place = login_place(login);

        error_set(e, ERROR_UNREACHABLE, "can't connect: MySQL at %s did not come to an end with the log-in", place);
        return error_hint(e, "What answers there is slow, frozen, or no MySQL server. Check [mysql] host and port.");
}

int database_log_in(const struct table_login *login, unsigned limit_ms, const atomic_bool *unwanted, MYSQL **ret,
                    struct error *e) {
        uint64_t until_us = clock_monotonic_us() + (uint64_t) limit_ms * 1000;
        struct attempt *a;
        struct call *c;

        if (atomic_load(&left_behind) >= MOST_LEFT)
                return error_set(e, ERROR_FAILED, "can't connect: %d earlier log-ins to MySQL still hang", MOST_LEFT);
        a = mem_zero(1, sizeof *a);
        login_copy(&a->login, login);
        c = call_start(attempt_run, attempt_end, a);
        while (!call_wait(c, SLICE_MS) && !login_stopped(login) && !(unwanted && atomic_load(unwanted))
               && clock_monotonic_us() < until_us)
                if (login->alive)
                        login->alive(login->alive_arg);
        if (call_end(c))
                return attempt_take(a, ret, e);
        atomic_fetch_add(&left_behind, 1);
        return attempt_left(login, e);
}

bool database_left_behind(void) {
        return atomic_load(&left_behind) > 0;
}
