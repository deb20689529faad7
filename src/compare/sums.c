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

static void begin(uint64_t v[static 4], const uint64_t key[static 2]) {
        v[0] = key[0] ^ 0x736f6d6570736575u;
        v[1] = key[1] ^ 0x646f72616e646f6du ^ 0xee;
        v[2] = key[0] ^ 0x6c7967656e657261u;
        v[3] = key[1] ^ 0x7465646279746573u;
}

static void end(uint64_t v[static 4], uint64_t ret[static 2]) {
        v[2] ^= 0xee;
        rounds(v, 3);
        ret[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
        v[1] ^= 0xdd;
        rounds(v, 3);
        ret[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
}

void sums_hash(const uint64_t key[static 2], const char *bytes, size_t length, uint64_t ret[static 2]) {
        uint64_t v[4], word, last = (uint64_t) length << 56;
        size_t at;

        begin(v, key);
        for (at = 0; at + 8 <= length; at += 8) {
                memcpy(&word, bytes + at, 8);
                absorb(v, le64toh(word));
        }
        for (size_t i = 0; at + i < length; i++)
                last |= (uint64_t) (unsigned char) bytes[at + i] << 8 * i;
        absorb(v, last);
        end(v, ret);
}

/* NH (Black, Halevi, Krawczyk, Krovetz and Rogaway, "UMAC: Fast and Secure Message Authentication") with words of 64 bits:
 * two blocks of the same length that differ have the same sum with a chance of 2^-64. Zeros make the last pair whole. */
static unsigned __int128 shorten(const uint64_t *words, const char *bytes, size_t length) {
        unsigned __int128 sum = 0;
        uint64_t pair[2];

        for (; length >= sizeof pair; length -= sizeof pair, bytes += sizeof pair, words += 2) {
                memcpy(pair, bytes, sizeof pair);
                sum += (unsigned __int128) (pair[0] + words[0]) * (pair[1] + words[1]);
        }
        if (length > 0) {
                memset(pair, 0, sizeof pair);
                memcpy(pair, bytes, length);
                sum += (unsigned __int128) (pair[0] + words[0]) * (pair[1] + words[1]);
        }
        return sum;
}

void sums_draw_secret(struct random *random, struct compare_secret *ret) {
        for (size_t i = 0; i < sizeof ret->key / sizeof *ret->key; i++)
                ret->key[i] = random_bits(random, 64);
        for (size_t i = 0; i < SUMS_WORDS; i++)
                ret->words[i] = random_bits(random, 64);
}

/* The value is shortened block by block, and hashed with what the key's hash makes of the secret, so that bytes don't move
 * from one to the other. */
void sums_digest(const struct compare_secret *secret, const struct sums *soon, const char *key, size_t key_length,
                 const char *value, size_t value_length, struct digest *ret) {
        uint64_t v[4], of_key[2];

        sums_hash(secret->key, key, key_length, of_key);
        ret->key = of_key[0];
        if (soon->buckets)              /* it is in no cache, and hashing takes as long */
                __builtin_prefetch(&soon->buckets[sums_bucket(ret)], 1);
        begin(v, (uint64_t[]) { secret->key[0] ^ of_key[0], secret->key[1] ^ of_key[1] });
        for (size_t at = 0; at < value_length; at += sizeof secret->words) {
                size_t length = value_length - at < sizeof secret->words ? value_length - at : sizeof secret->words;
                unsigned __int128 block = shorten(secret->words, value + at, length);

                absorb(v, (uint64_t) block);
                absorb(v, (uint64_t) (block >> 64));
        }
        absorb(v, value_length);
        end(v, ret->both);
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
