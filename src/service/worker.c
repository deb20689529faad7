#include "service/internal.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pinfeed/limits.h"

struct worker {
        struct crew *crew;
        void *arg;
        pthread_t thread;
        _Atomic uint64_t alive_us;      /* the last sign of life; may lie ahead, while it sleeps */
        atomic_bool ended;              /* `failed` and `error` are written */
        bool running;                   /* the main thread's: started, and not yet joined */
        bool failed;
        struct error error;
};

struct crew {
        const struct service_job *job;
        int finished_fd;
        pthread_mutex_t lock;           /* for sleepers */
        pthread_cond_t woken;
        _Atomic uint64_t stopping_us;   /* since when; 0: not yet */
        const struct error *failed;     /* the first error */
        size_t count;
        struct worker workers[];
};

struct crew *crew_new(const struct service_job *job, int finished_fd) {
        struct crew *c = mem_zero(1, sizeof *c + job->count * sizeof *c->workers);
        pthread_condattr_t monotonic;

        *c = (struct crew) { .job = job, .finished_fd = finished_fd, .count = job->count };
        pthread_mutex_init(&c->lock, NULL);
        pthread_condattr_init(&monotonic);
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        pthread_cond_init(&c->woken, &monotonic);
        pthread_condattr_destroy(&monotonic);
        return c;
}

void crew_free(struct crew *c) {
        pthread_cond_destroy(&c->woken);
        pthread_mutex_destroy(&c->lock);
        free(c);
}

/* ---- a worker's thread ---- */

static void *run_worker(void *arg) {
        struct worker *w = arg;
        uint64_t one = 1;

        w->failed = w->crew->job->work(w, w->arg, &w->error) < 0 && w->error.class != ERROR_STOPPED;
        atomic_store(&w->ended, true);
        if (write(w->crew->finished_fd, &one, sizeof one) < 0)
                abort();        /* can't be: a counter that is never near its end */
        return NULL;
}

bool worker_stopping(const struct worker *w) {
        return atomic_load_explicit(&w->crew->stopping_us, memory_order_relaxed) != 0;
}

int worker_left_ms(const struct worker *w) {
        uint64_t stopping_us = atomic_load_explicit(&w->crew->stopping_us, memory_order_relaxed);

        return stopping_us ? clock_left_ms(stopping_us + LIMIT_STOP_DELIVER_MS * 1000, LIMIT_STOP_DELIVER_MS) : INT_MAX;
}

void worker_alive(struct worker *w) {
        atomic_store_explicit(&w->alive_us, clock_monotonic_us(), memory_order_relaxed);
}

bool worker_sleep_ms(struct worker *w, unsigned ms) {
        uint64_t until_us = clock_monotonic_us() + (uint64_t) ms * 1000;
        struct timespec until = clock_timespec(until_us);
        struct crew *c = w->crew;

        atomic_store_explicit(&w->alive_us, until_us, memory_order_relaxed);
        pthread_mutex_lock(&c->lock);
        while (!worker_stopping(w))
                if (pthread_cond_timedwait(&c->woken, &c->lock, &until) == ETIMEDOUT)
                        break;
        pthread_mutex_unlock(&c->lock);
        worker_alive(w);
        return !worker_stopping(w);
}

/* ---- the main thread's side ---- */

int crew_start(struct crew *c, struct error *e) {
        for (size_t i = 0; i < c->count; i++) {
                struct worker *w = &c->workers[i];
                int r;

                w->crew = c;
                w->arg = c->job->args ? c->job->args[i] : NULL;
                worker_alive(w);
                r = pthread_create(&w->thread, NULL, run_worker, w);
                if (r != 0) {
                        error_set(e, ERROR_FAILED, "can't start a thread: %s", strerror(r));
                        return error_hint(e, "Raise the limit on processes (TasksMax= in the unit, ulimit -u) or free memory.");
                }
                w->running = true;
        }
        return 0;
}

void crew_stop(struct crew *c) {
        pthread_mutex_lock(&c->lock);
        atomic_store(&c->stopping_us, clock_monotonic_us());
        pthread_cond_broadcast(&c->woken);
        pthread_mutex_unlock(&c->lock);
}

size_t crew_collect(struct crew *c, const struct error **ret_failed) {
        size_t running = 0;

        for (size_t i = 0; i < c->count; i++) {
                struct worker *w = &c->workers[i];

                if (!w->running)
                        continue;
                if (!atomic_load(&w->ended)) {
                        running++;
                        continue;
                }
                pthread_join(w->thread, NULL);
                w->running = false;
                if (w->failed && !c->failed)
                        c->failed = &w->error;
        }
        *ret_failed = c->failed;
        return running;
}

uint64_t crew_silent_us(const struct crew *c, uint64_t now_us) {
        uint64_t most_us = 0;

        for (size_t i = 0; i < c->count; i++) {
                const struct worker *w = &c->workers[i];

                if (w->running && !atomic_load(&w->ended)) {
                        uint64_t alive_us = atomic_load_explicit(&w->alive_us, memory_order_relaxed);

                        if (alive_us + most_us < now_us)
                                most_us = now_us - alive_us;
                }
        }
        return most_us;
}
