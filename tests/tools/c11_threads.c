/* ThreadSanitizer knows pthreads, not C11's <threads.h>, which librdkafka uses: to it, those threads come out of
 * nowhere and lock nothing. Nor does it know pthread_clockjoin_np: what was joined that way leaks, and all it did races.
 * In threads that glibc starts, for getaddrinfo_a, it crashes.
 * Linked into instrumented programs only, this turns what it doesn't know into what it knows: the program's functions
 * come before those of the C library. In glibc the types of both are the same.
 */
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>
#include <time.h>

_Static_assert(sizeof(thrd_t) == sizeof(pthread_t), "glibc");
_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t), "glibc");
_Static_assert(sizeof(cnd_t) == sizeof(pthread_cond_t), "glibc");

static int result(int error) {
        return error == 0 ? thrd_success : thrd_error;
}

/* ---- threads ---- */

struct start {
        thrd_start_t function;
        void *arg;
};

static void *run(void *arg) {
        struct start start = *(struct start *) arg;

        free(arg);
        return (void *) (intptr_t) start.function(start.arg);
}

int thrd_create(thrd_t *thread, thrd_start_t function, void *arg) {
        struct start *start = malloc(sizeof *start);

        if (!start)
                return thrd_nomem;
        *start = (struct start) { function, arg };
        return result(pthread_create((pthread_t *) thread, NULL, run, start));
}

int thrd_join(thrd_t thread, int *ret) {
        void *value;
        int error = pthread_join((pthread_t) thread, &value);

        if (ret && error == 0)
                *ret = (int) (intptr_t) value;
        return result(error);
}

int thrd_detach(thrd_t thread) {
        return result(pthread_detach((pthread_t) thread));
}

int pthread_clockjoin_np(pthread_t thread, void **value, clockid_t clock, const struct timespec *until) {
        struct timespec now, end;
        int64_t ns;

        clock_gettime(clock, &now);
        clock_gettime(CLOCK_REALTIME, &end);
        ns = end.tv_nsec + until->tv_nsec - now.tv_nsec + 1000000000;
        end.tv_sec += until->tv_sec - now.tv_sec - 1 + ns / 1000000000;
        end.tv_nsec = ns % 1000000000;
        return pthread_timedjoin_np(thread, value, &end);
}

/* ---- names, one at a time, on a thread that ThreadSanitizer has seen begin ---- */

static void *look_up(void *arg) {
        struct gaicb *request = arg;
        int r = getaddrinfo(request->ar_name, request->ar_service, request->ar_request, &request->ar_result);

        __atomic_store_n(&request->__return, r, __ATOMIC_RELEASE);
        return NULL;
}

int getaddrinfo_a(int mode, struct gaicb *list[restrict], int count, struct sigevent *restrict event) {
        pthread_t thread;

        (void) mode;
        (void) event;
        if (count != 1)
                abort();
        list[0]->__return = EAI_INPROGRESS;
        return pthread_create(&thread, NULL, look_up, list[0]) || pthread_detach(thread) ? EAI_AGAIN : 0;
}

int gai_error(struct gaicb *request) {
        return __atomic_load_n(&request->__return, __ATOMIC_ACQUIRE);
}

int gai_suspend(const struct gaicb *const *list, int count, const struct timespec *most) {
        (void) count;
        if (gai_error((struct gaicb *) (uintptr_t) list[0]) == EAI_INPROGRESS)
                nanosleep(&(struct timespec) { .tv_nsec = most->tv_nsec / 10 }, NULL);
        return 0;
}

int gai_cancel(struct gaicb *request) {
        return gai_error(request) == EAI_INPROGRESS ? EAI_NOTCANCELED : EAI_ALLDONE;
}

/* ---- mutexes ---- */

int mtx_init(mtx_t *m, int type) {
        pthread_mutexattr_t attributes;
        int error;

        pthread_mutexattr_init(&attributes);
        if (type & mtx_recursive)
                pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
        error = pthread_mutex_init((pthread_mutex_t *) m, &attributes);
        pthread_mutexattr_destroy(&attributes);
        return result(error);
}

int mtx_lock(mtx_t *m) {
        return result(pthread_mutex_lock((pthread_mutex_t *) m));
}

int mtx_trylock(mtx_t *m) {
        return pthread_mutex_trylock((pthread_mutex_t *) m) == 0 ? thrd_success : thrd_busy;
}

int mtx_unlock(mtx_t *m) {
        return result(pthread_mutex_unlock((pthread_mutex_t *) m));
}

void mtx_destroy(mtx_t *m) {
        pthread_mutex_destroy((pthread_mutex_t *) m);
}

/* ---- conditions ---- */

int cnd_init(cnd_t *c) {
        return result(pthread_cond_init((pthread_cond_t *) c, NULL));
}

int cnd_signal(cnd_t *c) {
        return result(pthread_cond_signal((pthread_cond_t *) c));
}

int cnd_broadcast(cnd_t *c) {
        return result(pthread_cond_broadcast((pthread_cond_t *) c));
}

int cnd_wait(cnd_t *c, mtx_t *m) {
        return result(pthread_cond_wait((pthread_cond_t *) c, (pthread_mutex_t *) m));
}

void cnd_destroy(cnd_t *c) {
        pthread_cond_destroy((pthread_cond_t *) c);
}
