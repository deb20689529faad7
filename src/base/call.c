#include <pthread.h>
#include <signal.h>

#include "pinfeed/base.h"

struct call {
        void (*fn)(void *arg);
        void (*end)(void *arg, bool left);
        void *arg;
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool done, left;                /* under the lock */
};

void thread_start(pthread_t *ret, void *(*run)(void *arg), void *arg) {
        sigset_t all, former;

        sigfillset(&all);
        sigdelset(&all, SIGSEGV);                       /* a fault is the thread's own, and a sanitizer's to report */
        pthread_sigmask(SIG_SETMASK, &all, &former);    /* signals are for the main thread */
        if (pthread_create(ret, NULL, run, arg) != 0)
                abort();                                /* as for memory */
        pthread_sigmask(SIG_SETMASK, &former, NULL);
}

static void call_free(struct call *c) {
        pthread_cond_destroy(&c->changed);
        pthread_mutex_destroy(&c->lock);
        free(c);
}

static void *run(void *arg) {
        struct call *c = arg;
        void (*end)(void *arg, bool left) = c->end;
        void *of = c->arg;
        bool left;

        c->fn(c->arg);
        pthread_mutex_lock(&c->lock);
        c->done = true;
        left = c->left;
        pthread_cond_signal(&c->changed);
        pthread_mutex_unlock(&c->lock);
        if (left)                       /* else it is whoever waits that has it now */
                call_free(c);
        if (end)
                end(of, left);
        return NULL;
}

struct call *call_start(void (*fn)(void *arg), void (*end)(void *arg, bool left), void *arg) {
        struct call *c = mem_zero(1, sizeof *c);

        c->fn = fn;
        c->end = end;
        c->arg = arg;
        pthread_mutex_init(&c->lock, NULL);
        pthread_cond_init(&c->changed, NULL);
        thread_start(&c->thread, run, c);
        return c;
}

bool call_wait(struct call *c, unsigned ms) {
        struct timespec until = clock_timespec(clock_monotonic_us() + (uint64_t) ms * 1000);
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
