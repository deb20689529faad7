#include <limits.h>

#include "internal.h"
#include "pinfeed/limits.h"

struct call {
        void (*fn)(void *arg);
        void *arg;
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool done, left;                /* under the lock */
};

static void call_free(struct call *c) {
        pthread_cond_destroy(&c->changed);
        pthread_mutex_destroy(&c->lock);
        free(c);
}

static void *run(void *arg) {
        struct call *c = arg;
        bool left;

        c->fn(c->arg);
        pthread_mutex_lock(&c->lock);
        c->done = true;
        left = c->left;
        pthread_cond_signal(&c->changed);
        pthread_mutex_unlock(&c->lock);
        if (left)
                call_free(c);
        return NULL;
}

struct call *call_start(void (*fn)(void *arg), void *arg) {
        struct call *c = mem_zero(1, sizeof *c);

        c->fn = fn;
        c->arg = arg;
        pthread_mutex_init(&c->lock, NULL);
        pthread_cond_init(&c->changed, NULL);
        if (pthread_create(&c->thread, NULL, run, c) != 0)
                abort();                /* as for memory */
        return c;
}

bool call_wait(struct call *c) {
        struct timespec until = clock_timespec(clock_monotonic_us() + LIMIT_SLICE_MS * 1000);
        bool done;

        pthread_mutex_lock(&c->lock);
        while (!c->done && pthread_cond_clockwait(&c->changed, &c->lock, CLOCK_MONOTONIC, &until) == 0)
                ;
        done = c->done;
        pthread_mutex_unlock(&c->lock);
        return done;
}

bool call_end(struct call *c) {
        pthread_t thread = c->thread;
        bool done;

        pthread_mutex_lock(&c->lock);
        done = c->done;
        c->left = !done;
        pthread_mutex_unlock(&c->lock);
        if (!done) {                    /* from here on `c` is the thread's */
                pthread_detach(thread);
                return false;
        }
        pthread_join(thread, NULL);
        call_free(c);
        return true;
}

static void destroy(void *rk) {
        rd_kafka_destroy(rk);
}

int handle_destroy(struct producer *p, rd_kafka_t *rk, int timeout_ms, struct error *e) {
        uint64_t began_us = clock_monotonic_us(), until_us = began_us + (uint64_t) timeout_ms * 1000;
        struct call *c = call_start(destroy, rk);
        bool stopping = false;

        while (!call_wait(c) && clock_monotonic_us() < until_us) {
                if (producer_left_ms(p) != INT_MAX && !stopping) {
                        uint64_t stop_us = clock_monotonic_us() + LIMIT_STOP_HANDLE_MS * 1000;

                        stopping = true;
                        until_us = stop_us < until_us ? stop_us : until_us;
                }
        }
        if (call_end(c))
                return 0;
        return error_set(e, ERROR_FAILED, "librdkafka did not end within %u s",
                         (unsigned) ((clock_monotonic_us() - began_us) / 1000000));
}
