#include <limits.h>

#include "internal.h"
#include "pinfeed/limits.h"

static void destroy(void *rk) {
        rd_kafka_destroy(rk);
}

int handle_destroy(struct producer *p, rd_kafka_t *rk, int timeout_ms, struct error *e) {
        uint64_t began_us = clock_monotonic_us(), until_us = began_us + (uint64_t) timeout_ms * 1000;
        struct call *c = call_start(destroy, NULL, rk);
        bool stopping = false;

        while (!call_wait(c, LIMIT_SLICE_MS) && clock_monotonic_us() < until_us) {
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
