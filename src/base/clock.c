#include "pinfeed/base.h"

#include <stdio.h>
#include <time.h>

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

void clock_format_utc(int64_t epoch_s, char ret[static 32]) {
        struct tm tm;
        time_t t = (time_t) epoch_s;

        if (!gmtime_r(&t, &tm) || strftime(ret, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
                snprintf(ret, 32, "@%lld", (long long) epoch_s);
}
