/* sums: rows and records as numbers. */
#ifndef PINFEED_COMPARE_SUMS_H
#define PINFEED_COMPARE_SUMS_H

#include "pinfeed/compare.h"

/* SipHash-1-3 with 128 bits (Aumasson and Bernstein, "SipHash: a fast short-input PRF", and their reference code). */
void sums_hash(const uint64_t key[static 2], const char *bytes, size_t length, uint64_t ret[static 2]);

struct digest {
        uint64_t key;                   /* of the key alone */
        uint64_t both[2];               /* of key and value */
};

enum { SUMS_WORDS = 128 };
struct compare_secret {
        uint64_t key[2], words[SUMS_WORDS];
};
void sums_draw_secret(struct random *random, struct compare_secret *ret);

enum { SUMS_BUCKETS = 1 << 18 };
static inline uint32_t sums_bucket(const struct digest *d) {
        return (uint32_t) d->key % SUMS_BUCKETS;
}

/* A sum of strong hashes is equal for two sides if they have the same members, equally often, and else never (a chance of
 * 2^-128 a bucket, beside that of two digests). */
struct sums {
        unsigned __int128 *buckets;
};
/* Two values of a key have the same digest with a chance of 2^-64. `soon`: where its bucket will be looked at. */
void sums_digest(const struct compare_secret *secret, const struct sums *soon, const char *key, size_t key_length,
                 const char *value, size_t value_length, struct digest *ret);

void sums_init(struct sums *s);
void sums_free(struct sums *s);         /* safe on {0} and twice */
static inline void sums_add(struct sums *s, const struct digest *d) {
        s->buckets[sums_bucket(d)] += (unsigned __int128) d->both[0] << 64 | d->both[1];
}
bool sums_equal(const struct sums *a, const struct sums *b);

#endif
