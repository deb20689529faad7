#include "batch.h"

/* A key is closed within a quarter of a transaction's time-out, so half of it is left for the commit. */
struct batch_limits batch_limits(uint64_t commit_rows, uint64_t timeout_us) {
        enum { OPEN_US = 5000000, BYTES = 256 << 20 };
        uint64_t quarter_us = timeout_us ? timeout_us / 4 : UINT64_MAX / 4;

        return (struct batch_limits) {
                .rows = commit_rows, .bytes = BYTES,
                .open_us = quarter_us < OPEN_US ? quarter_us : OPEN_US, .key_us = quarter_us * 3,
        };
}

bool batch_is_due(const struct batch *b, const struct batch_limits *limits, uint64_t now_us) {
        return b->open && !b->inside && (b->rows >= limits->rows || b->bytes >= limits->bytes
                                         || now_us - b->opened_us >= limits->open_us);
}

bool batch_is_too_long(const struct batch *b, const struct batch_limits *limits, uint64_t now_us) {
        return b->inside && now_us - b->key_began_us > limits->key_us + b->blocked_us;
}

void batch_add(struct batch *b, const char *key, size_t key_length, size_t bytes, bool begins, bool ends, uint64_t now_us) {
        if (begins || b->rows == 0) {
                b->last.length = 0;
                buffer_append(&b->last, key, key_length);
                b->key_began_us = now_us;
                b->blocked_us = 0;
                b->last_rows = 0;
        }
        b->inside = !ends;
        b->rows++;
        b->last_rows++;
        b->bytes += bytes;
}

void batch_clear(struct batch *b) {
        b->open = b->inside = false;
        b->rows = b->bytes = 0;
}

/* ---- pace ---- */

uint64_t limiter_turn_us(_Atomic uint64_t *next_ns, double rows_per_s, uint64_t now_us) {
        enum { UNUSED_NS = 100000000 };
        uint64_t step_ns = (uint64_t) (1e9 / rows_per_s), now_ns = now_us * 1000, next, base;

        next = atomic_load_explicit(next_ns, memory_order_relaxed);
        do      /* What was not used is gone, but for a tenth of a second: no burst after a pause. */
                base = next + UNUSED_NS < now_ns ? now_ns - UNUSED_NS : next;
        while (!atomic_compare_exchange_weak(next_ns, &next, base + step_ns));
        return base / 1000;
}

bool failures_add(struct failures *failures, uint64_t committed, const struct error *e) {
        if (failures->count == 0 || failures->committed != committed)
                *failures = (struct failures) { .committed = committed, .first = *e };
        return ++failures->count <= FAILURES_MOST;
}

unsigned failures_pause_ms(const struct failures *failures) {
        return 250u << failures->count;
}
