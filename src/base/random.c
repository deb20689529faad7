/* MT19937 as CPython seeds and reads it (Modules/_randommodule.c documents the algorithm; Matsumoto and Nishimura,
 * "Mersenne Twister", 1998). */
#include "pinfeed/base.h"

#include <string.h>
#include <sys/random.h>

enum { N = 624, M = 397 };

static void seed_word(struct random *r, uint32_t seed) {
        r->state[0] = seed;
        for (uint32_t i = 1; i < N; i++)
                r->state[i] = 1812433253u * (r->state[i - 1] ^ (r->state[i - 1] >> 30)) + i;
        r->at = N;
}

static void seed_words(struct random *r, const uint32_t *key, size_t count) {
        size_t i = 1, j = 0;

        seed_word(r, 19650218u);
        for (size_t k = count > N ? count : N; k > 0; k--) {
                r->state[i] = (r->state[i] ^ ((r->state[i - 1] ^ (r->state[i - 1] >> 30)) * 1664525u))
                              + key[j] + (uint32_t) j;
                if (++i == N) {
                        r->state[0] = r->state[N - 1];
                        i = 1;
                }
                if (++j == count)
                        j = 0;
        }
        for (size_t k = N - 1; k > 0; k--) {
                r->state[i] = (r->state[i] ^ ((r->state[i - 1] ^ (r->state[i - 1] >> 30)) * 1566083941u))
                              - (uint32_t) i;
                if (++i == N) {
                        r->state[0] = r->state[N - 1];
                        i = 1;
                }
        }
        r->state[0] = 0x80000000u;
        r->at = N;
}

void random_seed(struct random *r, uint64_t seed) {
        uint32_t words[2] = { (uint32_t) seed, (uint32_t) (seed >> 32) };

        seed_words(r, words, words[1] ? 2 : 1);
}

void random_seed_entropy(struct random *r) {
        uint32_t words[N] = {};

        for (size_t got = 0; got < sizeof words;) {
                ssize_t n = getrandom((char *) words + got, sizeof words - got, 0);

                if (n > 0)
                        got += (size_t) n;
        }
        seed_words(r, words, N);
}

static void next_state(struct random *r) {
        for (size_t k = 0; k < N; k++) {
                uint32_t y = (r->state[k] & 0x80000000u) | (r->state[(k + 1) % N] & 0x7fffffffu);

                r->state[k] = r->state[(k + M) % N] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0);
        }
        r->at = 0;
}

static uint32_t next_word(struct random *r) {
        uint32_t y;

        if (r->at == N)
                next_state(r);
        y = r->state[r->at++];
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c5680u;
        y ^= (y << 15) & 0xefc60000u;
        return y ^ (y >> 18);
}

uint64_t random_bits(struct random *r, unsigned bits) {
        uint64_t low;

        if (bits <= 32)
                return next_word(r) >> (32 - bits);
        low = next_word(r);
        return low | (uint64_t) (next_word(r) >> (64 - bits)) << 32;
}

uint64_t random_below(struct random *r, uint64_t bound) {
        unsigned bits = 64 - (unsigned) __builtin_clzll(bound);
        uint64_t x;

        do
                x = random_bits(r, bits);
        while (x >= bound);
        return x;
}

double random_unit(struct random *r) {
        uint32_t a = next_word(r) >> 5, b = next_word(r) >> 6;

        return (a * 67108864.0 + b) / 9007199254740992.0;
}
