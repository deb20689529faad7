#include "draw.h"

#include <math.h>
#include <stdio.h>

enum {
        BATCH_MS = 50,                  /* how far ahead posts are fetched; */
        FEW = 4,                        /* or, where that is less, so many, */
        FEW_MS = 4000,                  /* which then are not older than they may be */
        LONGEST_LAG_US = 1000000,
};

void draw_done(struct draw *d) {
        key_list_free(&d->pool.list);
}

/* ---- numbers ---- */

static struct key number_key(__int128 n, char text[static 24]) {
        int length = n < 0 ? snprintf(text, 24, "%lld", (long long) n)
                           : snprintf(text, 24, "%llu", (unsigned long long) n);

        return (struct key) { text, (size_t) length };
}

static __int128 draw_number(struct draw *d) {
        uint64_t span = (uint64_t) (d->pool.greatest - d->pool.least);

        return d->pool.least + (span == UINT64_MAX ? random_bits(&d->random, 64) : random_below(&d->random, span + 1));
}

const struct key *draw_numbers(struct draw *d, size_t count) {
        for (size_t i = 0; i < count; i++)
                d->keys[i] = number_key(draw_number(d), d->texts[i]);
        return d->keys;
}

/* How many numbers to try for so many posts. */
static size_t candidates(double hit_share, size_t count) {
        double share = hit_share < DRAW_SPARSEST ? DRAW_SPARSEST : hit_share;
        double wanted = (double) count / share * 1.2 + 4;

        return hit_share >= 1 ? count : wanted < DRAW_AT_ONCE ? (size_t) wanted : DRAW_AT_ONCE;
}

/* ---- posts and pauses ---- */

/* The old emulator slept 0 or 1 s, so that rate 2 is its pace. */
static uint64_t draw_pause_us(struct draw *d) {
        double unit = d->seeded ? (double) random_below(&d->random, 2) : random_unit(&d->random);

        return (uint64_t) (unit * 2e6 / d->rate);
}

static struct key draw_listed(struct draw *d) {
        size_t count = d->pool.list.count;
        uint64_t at;

        do
                at = random_below(&d->random, d->seeded ? DRAW_SEEDED_OFFSETS : count);
        while (at >= count);
        return key_list_get(&d->pool.list, at);
}

void draw_more(struct draw *d, size_t count, const struct key **ret_keys, size_t *ret_count) {
        bool listed = d->pool.list.count > 0;

        *ret_count = listed ? count : candidates(d->pool.hit_share, count);
        *ret_keys = listed ? d->keys : draw_numbers(d, *ret_count);
        for (size_t i = 0; listed && i < count; i++)
                d->keys[i] = draw_listed(d);
}

void draw_round(struct draw *d, size_t count, uint64_t *ret_pauses_us, const struct key **ret_keys, size_t *ret_count) {
        bool listed = d->pool.list.count > 0;

        /* With a seed the order of the draws is the old emulator's: pause, number, pause, number. */
        for (size_t i = 0; i < count; i++) {
                ret_pauses_us[i] = draw_pause_us(d);
                if (listed)
                        d->keys[i] = draw_listed(d);
        }
        *ret_keys = d->keys;
        *ret_count = count;
        if (!listed)
                draw_more(d, count, ret_keys, ret_count);
}

size_t draw_batch_size(double rate, uint64_t left) {
        double few = floor(fmin(rate * FEW_MS / 1000, FEW)), ahead = fmax(ceil(rate * BATCH_MS / 1000), few);
        size_t size = ahead < 1 ? 1 : ahead < DRAW_BATCH ? (size_t) ahead : DRAW_BATCH;

        return left < size ? (size_t) left : size;
}

uint64_t draw_schedule(uint64_t last_us, uint64_t now_us) {
        return last_us + LONGEST_LAG_US < now_us ? now_us : last_us;
}
