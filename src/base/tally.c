#include "pinfeed/base.h"

#define ADD(counter, n) atomic_fetch_add_explicit(&(counter), (n), memory_order_relaxed)
#define GET(counter) atomic_load_explicit(&(counter), memory_order_relaxed)
/* Who sees an outcome sees what was sent before it: `in flight` never comes out negative. */
#define ADD_OUTCOME(counter) atomic_fetch_add_explicit(&(counter), 1, memory_order_release)
#define GET_OUTCOME(counter) atomic_load_explicit(&(counter), memory_order_acquire)

/* Below 8 us a bucket holds one value; above, an eighth of its octave. */
static unsigned bucket_of(uint64_t us) {
        unsigned octave, bucket;

        if (us < 8)
                return (unsigned) us;
        octave = 63 - (unsigned) __builtin_clzll(us);
        bucket = (octave - 2) * 8 + (unsigned) (us >> (octave - 3) & 7);
        return bucket < TALLY_BUCKETS ? bucket : TALLY_BUCKETS - 1;
}

/* The first value above the bucket. */
static uint64_t bucket_end_us(unsigned bucket) {
        unsigned octave = bucket / 8 + 2;

        if (bucket < 8)
                return bucket + 1;
        return (uint64_t) (bucket % 8 + 9) << (octave - 3);
}

void tally_sent(struct tally *t) {
        ADD(t->sent, 1);
}

void tally_unsent(struct tally *t) {
        ADD(t->sent, -1);
}

void tally_delivered(struct tally *t, size_t bytes, uint64_t latency_us) {
        ADD(t->bytes, bytes);
        ADD(t->latency[bucket_of(latency_us)], 1);
        ADD_OUTCOME(t->delivered);
}

void tally_failed(struct tally *t) {
        ADD_OUTCOME(t->failed);
}

void tally_read(const struct tally *t, struct tally_snapshot *ret) {
        ret->delivered = GET_OUTCOME(t->delivered);
        ret->failed = GET_OUTCOME(t->failed);
        ret->bytes = GET(t->bytes);
        for (unsigned i = 0; i < TALLY_BUCKETS; i++)
                ret->latency[i] = GET(t->latency[i]);
        ret->sent = GET(t->sent);
}

double tally_latency_ms(const struct tally_snapshot *earlier, const struct tally_snapshot *later, double share) {
        uint64_t total = 0, below = 0, wanted;

        for (unsigned i = 0; i < TALLY_BUCKETS; i++)
                total += later->latency[i] - (earlier ? earlier->latency[i] : 0);
        if (total == 0)
                return 0;
        wanted = (uint64_t) ((double) total * share + 0.999999);
        if (wanted < 1)
                wanted = 1;
        for (unsigned i = 0; i < TALLY_BUCKETS; i++) {
                below += later->latency[i] - (earlier ? earlier->latency[i] : 0);
                if (below >= wanted)
                        return (double) bucket_end_us(i) / 1000.0;
        }
        return (double) bucket_end_us(TALLY_BUCKETS - 1) / 1000.0;
}
