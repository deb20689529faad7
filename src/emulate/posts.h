/* posts: the rows of a post, by key, from the tables of its streams.
 *
 * A table with an index on its key is asked; one without (pandas creates none) is read into memory once, already
 * encoded, up to POSTS_MEMORY_ROWS rows: the server would read the whole table for each batch, else.
 */
#ifndef PINFEED_EMULATE_POSTS_H
#define PINFEED_EMULATE_POSTS_H

#include "keys.h"
#include "pinfeed/emulate.h"

enum { POSTS_MEMORY_ROWS = 200000 };

struct posts;

/* `streams`: EMULATE_STREAMS described ones; not owned. Class ERROR_UNREACHABLE: the connection broke, open a new one
 * and call again. */
int posts_open(struct stream *streams, struct connection *c, struct posts **ret, struct error *e);
void posts_close(struct posts *p);              /* safe on NULL */

struct post_rows {
        bool complete;                          /* every stream has a row with this key */
        struct { size_t at, length; } value[EMULATE_STREAMS];     /* JSON, in the buffer that posts_fetch appended to */
};

/* Appends the encoded rows of `count` keys (repeats are fine) to `out` and says where each is. */
int posts_fetch(struct posts *p, const struct key *keys, size_t count, struct buffer *out, struct post_rows *ret,
                struct error *e);

#endif
