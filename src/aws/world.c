/* The real world: the process's environment, its clocks, the kernel's randomness, the network. */
#include "aws/lookup.h"

#include <poll.h>
#include <sys/random.h>

static const char *real_env(void *arg, const char *name) {
        (void) arg;
        return getenv(name);
}

static int64_t real_now_s(void *arg) {
        (void) arg;
        return clock_wall_ms() / 1000;
}

static uint64_t real_monotonic_us(void *arg) {
        (void) arg;
        return clock_monotonic_us();
}

static double real_jitter(void *arg) {
        uint32_t bits = 0;

        (void) arg;
        if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != sizeof bits)
                bits = (uint32_t) clock_monotonic_us();
        return (double) bits / 4294967296.0;
}

static int real_exchange(void *arg, const struct http_request *r, struct http_answer *ret, struct error *e) {
        (void) arg;
        return http_exchange(r, ret, e);
}

static bool real_pause(void *arg, int cancel_fd, unsigned ms) {
        struct pollfd p = { .fd = cancel_fd, .events = POLLIN };

        (void) arg;
        return poll(&p, 1, (int) ms) <= 0;
}

const struct world world_real = {
        .env = real_env,
        .now_s = real_now_s,
        .monotonic_us = real_monotonic_us,
        .jitter = real_jitter,
        .exchange = real_exchange,
        .pause = real_pause,
};
