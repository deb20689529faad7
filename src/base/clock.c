#include "pinfeed/base.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <threads.h>

uint64_t clock_monotonic_us(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000u + (uint64_t) t.tv_nsec / 1000u;
}

int64_t clock_wall_ms(void) {
        struct timespec t;

        clock_gettime(CLOCK_REALTIME, &t);
        return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct timespec clock_timespec(uint64_t monotonic_us) {
        return (struct timespec) { (time_t) (monotonic_us / 1000000), (long) (monotonic_us % 1000000) * 1000 };
}

/* In front of the C library's, which waits by the wall clock: were that set back, all of librdkafka's threads would wait
 * for as long as it was set back by. In glibc the types of both are the same. */
int cnd_timedwait(cnd_t *restrict c, mtx_t *restrict m, const struct timespec *restrict until) {
        struct timespec wall, end;
        int64_t left_us;
        int error;

        clock_gettime(CLOCK_REALTIME, &wall);
        left_us = (until->tv_sec - wall.tv_sec) * 1000000ll + (until->tv_nsec - wall.tv_nsec + 999) / 1000;
        end = clock_timespec(clock_monotonic_us() + (uint64_t) (left_us > 0 ? left_us : 0));
        error = pthread_cond_clockwait((pthread_cond_t *) c, (pthread_mutex_t *) m, CLOCK_MONOTONIC, &end);
        return error == 0 ? thrd_success : error == ETIMEDOUT ? thrd_timedout : thrd_error;
}
_Static_assert(sizeof(mtx_t) == sizeof(pthread_mutex_t) && sizeof(cnd_t) == sizeof(pthread_cond_t), "glibc");

int clock_left_ms(uint64_t until_us, int most_ms) {
        uint64_t now_us = clock_monotonic_us(), left_ms = now_us < until_us ? (until_us - now_us + 999) / 1000 : 0;

        return left_ms < (uint64_t) most_ms ? (int) left_ms : most_ms;
}

void clock_format_utc(int64_t epoch_s, char ret[static 32]) {
        struct tm tm;
        time_t t = (time_t) epoch_s;

        if (!gmtime_r(&t, &tm) || strftime(ret, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
                snprintf(ret, 32, "@%lld", (long long) epoch_s);
}

void clock_format_duration(uint64_t seconds, char ret[static 32]) {
        bool hours = seconds >= 3600;
        unsigned long long major = seconds / (hours ? 3600 : 60), minor = hours ? seconds / 60 % 60 : seconds % 60;

        if (seconds < 60)
                snprintf(ret, 32, "%llu s", (unsigned long long) seconds);
        else if (minor == 0)
                snprintf(ret, 32, "%llu %s", major, hours ? "h" : "min");
        else
                snprintf(ret, 32, "%llu %s %02llu %s", major, hours ? "h" : "min", minor, hours ? "min" : "s");
}
