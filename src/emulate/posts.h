/* posts: the rows of a post, by key, from the tables of its streams.
 *
 * A table with an index on its key is asked; one without (pandas creates none) is read into memory once, already
 * encoded, up to POSTS_MEMORY_ROWS rows.
 */
#ifndef PINFEED_EMULATE_POSTS_H
#define PINFEED_EMULATE_POSTS_H

#include "pinfeed/emulate.h"

enum { POSTS_MEMORY_ROWS = 200000 };

struct posts;

/* `streams`: EMULATE_STREAMS described ones; not owned. Class ERROR_UNREACHABLE: the connection broke, open a new one
 * and call again. */
int posts_open(struct stream *streams, struct connection *c, struct posts **ret, struct error *e);
void posts_close(struct posts *p);

struct post_rows {
        bool complete;                          /* every stream has a row with this key */
        struct { size_t at, length; } value[EMULATE_STREAMS];     /* JSON, in the buffer that posts_fetch appended to */
};

/* Appends the encoded rows of `count` keys (repeats are fine) to `out` and says where each is. */
int posts_fetch(struct posts *p, const struct key *keys, size_t count, struct buffer *out, struct post_rows *ret,
                struct error *e);

/* A list of keys (or other bytes) that grows. */
struct key_list {
        struct buffer bytes;
        size_t *ends;
        size_t count, capacity;
};
void key_list_add(struct key_list *list, const struct key *key);
struct key key_list_get(const struct key_list *list, size_t i);
void key_list_free(struct key_list *list);

/* If any table is in memory: appends the keys, in key order, that all those tables have in common, and returns 0;
 * 1 if none is in memory. */
int posts_memory_keys(const struct posts *p, struct key_list *ret);

#endif
