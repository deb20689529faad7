/* draw: which post comes next, after which pause, and how many are drawn at once.
 *
 * Uniform over the posts, by one of two ways: from a list of keys (tables in memory, keys that are no integers, sparse
 * ones, and always with a seed), or, for integer keys with an index, a number between the least and the greatest key,
 * drawn again when there is no such post. The second way needs neither time nor memory for large tables.
 *
 * Values only: no server, no clock, and chance is what it is given.
 */
#ifndef PINFEED_EMULATE_DRAW_H
#define PINFEED_EMULATE_DRAW_H

#include "keys.h"

enum {
        DRAW_SEEDED_OFFSETS = 11001,    /* the old emulator drew randint(0, 11000) */
        DRAW_AT_ONCE = 4096,            /* keys that are tried at once */
        DRAW_BATCH = 500,               /* posts that are drawn and fetched at once */
};
#define DRAW_SPARSEST 0.0002            /* posts among the numbers, at least, where numbers are drawn */

/* What is drawn from. */
struct pool {
        struct key_list list;           /* empty: numbers from least to greatest */
        __int128 least, greatest;       /* within 64 bits, signed or unsigned */
        double hit_share;               /* how many of the numbers are posts */
};

struct draw {
        struct random random;
        bool seeded;                    /* as the old emulator with its seed */
        double rate;                    /* posts a second */
        struct pool pool;
        /* scratch */
        struct key keys[DRAW_AT_ONCE];
        char texts[DRAW_AT_ONCE][24];
};

void draw_done(struct draw *d);         /* safe on zeros */

/* Draws `count` pauses (in microseconds, on average 1/rate) and at least `count` keys, some of which may turn out to be
 * no post. The keys stay valid until the next call. */
void draw_round(struct draw *d, size_t count, uint64_t *ret_pauses_us, const struct key **ret_keys, size_t *ret_count);
/* Keys for `count` more posts, when too many of a round were none. */
void draw_more(struct draw *d, size_t count, const struct key **ret_keys, size_t *ret_count);
/* So many numbers of the pool's range, DRAW_AT_ONCE at most, as keys. */
const struct key *draw_numbers(struct draw *d, size_t count);

/* How many posts to draw at once: as many as are due within a moment, and not more than are `left`. */
size_t draw_batch_size(double rate, uint64_t left);
/* From when the next pause counts: the moment at which the last post was due, unless that is so long ago (the database
 * or the process was away) that it is not caught up with. */
uint64_t draw_schedule(uint64_t last_us, uint64_t now_us);

#endif
