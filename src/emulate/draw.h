/* draw: which post comes next, and after which pause.
 *
 * Uniform over the posts, by one of two ways: from a list of keys (tables in memory, keys that are no integers, sparse
 * ones, and always with a seed), or, for integer keys with an index, a number between the least and the greatest key,
 * drawn again when there is no such post. The second way needs neither time nor memory for large tables.
 */
#ifndef PINFEED_EMULATE_DRAW_H
#define PINFEED_EMULATE_DRAW_H

#include "posts.h"

struct draw;

/* Class ERROR_UNREACHABLE: the connection broke, open a new one and call again. */
int draw_open(struct posts *posts, struct stream *streams, struct connection *c, struct draw **ret, struct error *e);
void draw_close(struct draw *d);

/* Draws `count` pauses (in microseconds, on average 1/rate) and at least `count` keys, some of which may turn out to be
 * no post. The keys stay valid until the next call. */
void draw_round(struct draw *d, size_t count, uint64_t *ret_pauses_us, const struct key **ret_keys, size_t *ret_count);
/* Keys for `count` more posts, when too many of a round were none. */
void draw_more(struct draw *d, size_t count, const struct key **ret_keys, size_t *ret_count);

/* Looks again how far the keys go, if it is time to: rows that were added meanwhile are drawn too. */
int draw_refresh(struct draw *d, struct error *e);

#endif
