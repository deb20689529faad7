#include "sums.h"

#include <endian.h>
#include <string.h>

static inline uint64_t rotate(uint64_t x, int by) {
        return x << by | x >> (64 - by);
}

static inline void rounds(uint64_t v[static 4], int count) {
        while (count-- > 0) {
                v[0] += v[1];
                v[1] = rotate(v[1], 13) ^ v[0];
                v[0] = rotate(v[0], 32);
                v[2] += v[3];
                v[3] = rotate(v[3], 16) ^ v[2];
                v[0] += v[3];
                v[3] = rotate(v[3], 21) ^ v[0];
                v[2] += v[1];
                v[1] = rotate(v[1], 17) ^ v[2];
                v[2] = rotate(v[2], 32);
        }
}

static inline void absorb(uint64_t v[static 4], uint64_t word) {
        v[3] ^= word;
        rounds(v, 1);
        v[0] ^= word;
}

void sums_hash(const uint64_t key[static 2], const char *bytes, size_t length, uint64_t ret[static 2]) {
        uint64_t v[4] = {
                key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du ^ 0xee,
                key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u,
        };
        uint64_t word, last = (uint64_t) length << 56;
        size_t at;

        for (at = 0; at + 8 <= length; at += 8) {
                memcpy(&word, bytes + at, 8);
                absorb(v, le64toh(word));
        }
        for (size_t i = 0; at + i < length; i++)
                last |= (uint64_t) (unsigned char) bytes[at + i] << 8 * i;
        absorb(v, last);
        v[2] ^= 0xee;
        rounds(v, 3);
        ret[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
        v[1] ^= 0xdd;
        rounds(v, 3);
        ret[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The value is hashed with what the key's hash makes of the secret, so that bytes don't move from one to the other. */
void sums_digest(const uint64_t secret[static 2], const char *key, size_t key_length, const char *value,
                 size_t value_length, struct digest *ret) {
        uint64_t of_key[2];

        sums_hash(secret, key, key_length, of_key);
        ret->key = of_key[0];
        sums_hash((uint64_t[]) { secret[0] ^ of_key[0], secret[1] ^ of_key[1] }, value, value_length, ret->both);
}

void sums_init(struct sums *s) {
        s->buckets = mem_zero(SUMS_BUCKETS, sizeof *s->buckets);
}

void sums_free(struct sums *s) {
        free(s->buckets);
        s->buckets = NULL;
}

bool sums_equal(const struct sums *a, const struct sums *b) {
        return memcmp(a->buckets, b->buckets, SUMS_BUCKETS * sizeof *a->buckets) == 0;
}
