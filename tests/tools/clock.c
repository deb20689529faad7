/* Preloaded, this puts the wall clock an hour ahead, for this process alone, while the file that PINFEED_TEST_AHEAD names is
 * there. What was being waited for when it goes away is what a clock that was set back by an hour leaves behind. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *t) {
        const char *ahead = getenv("PINFEED_TEST_AHEAD");
        int r = (int) syscall(SYS_clock_gettime, clock, t);

        if (r == 0 && clock == CLOCK_REALTIME && ahead && access(ahead, F_OK) == 0)
                t->tv_sec += 3600;
        return r;
}

int timespec_get(struct timespec *t, int base) {
        return clock_gettime(CLOCK_REALTIME, t) == 0 ? base : 0;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone) {
        struct timespec now;
        int r = clock_gettime(CLOCK_REALTIME, &now);

        (void) zone;
        *t = (struct timeval) { now.tv_sec, now.tv_nsec / 1000 };
        return r;
}
