#include "posts.h"

#include <string.h>

/* ---- keys ---- */

void key_list_add(struct key_list *list, const struct key *key) {
        if (list->count == list->capacity) {
                list->capacity = list->capacity ? list->capacity * 2 : 64;
                list->ends = mem_resize(list->ends, list->capacity * sizeof *list->ends);
        }
        buffer_append(&list->bytes, key->data, key->length);
        list->ends[list->count++] = list->bytes.length;
}

struct key key_list_get(const struct key_list *list, size_t i) {
        size_t at = i ? list->ends[i - 1] : 0;

        return (struct key) { list->bytes.data + at, list->ends[i] - at };
}

void key_list_free(struct key_list *list) {
        buffer_free(&list->bytes);
        free(list->ends);
        *list = (struct key_list) {};
}

/* Any total order of the bytes will do for finding. */
static int key_order(const struct key *a, const struct key *b) {
        if (a->length != b->length)
                return a->length < b->length ? -1 : 1;
        return memcmp(a->data, b->data, a->length);
}

/* ---- a table in memory ---- */

struct store {
        struct key_list keys;           /* in key order */
        struct key_list values;         /* of each key */
        uint32_t *sorted;               /* indexes of keys, by key_order */
        struct buffer scratch;
};

static int store_order(const void *a, const void *b, void *arg) {
        const struct store *s = arg;
        struct key x = key_list_get(&s->keys, *(const uint32_t *) a), y = key_list_get(&s->keys, *(const uint32_t *) b);

        return key_order(&x, &y);
}

static void store_free(struct store *s) {
        if (!s)
                return;
        key_list_free(&s->keys);
        key_list_free(&s->values);
        free(s->sorted);
        buffer_free(&s->scratch);
        free(s);
}

static bool store_find(const struct store *s, const struct key *key, size_t *ret) {
        size_t low = 0, high = s->keys.count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                struct key at = key_list_get(&s->keys, s->sorted[middle]);
                int order = key_order(key, &at);

                if (order == 0) {
                        *ret = s->sorted[middle];
                        return true;
                }
                if (order < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return false;
}

static int refuse_unindexed(const struct stream *st, struct error *e) {
        error_set(e, ERROR_REFUSED, "table %s has no index that begins with %s and more than %d rows",
                  st->config->table, st->config->key, POSTS_MEMORY_ROWS);
        return error_hint(e, "Type this once in MySQL: CREATE INDEX pinfeed_key ON `%s` (`%s`); (a text column needs a length "
                             "behind its name, such as `%s`(64)). Smaller tables without one are held in memory.",
                          st->config->table, st->config->key, st->config->key);
}

static int store_read(struct store *s, struct stream *st, struct connection *c, struct table_reader *reader,
                      struct error *e) {
        struct row row;
        struct key key;
        int r;

        while ((r = table_next(reader, &row, &key, e)) == 0) {
                if (s->keys.count == POSTS_MEMORY_ROWS)
                        return refuse_unindexed(st, e);
                if (s->keys.count % 1024 == 0 && worker_stopping(c->worker))
                        return error_stopped(e);
                if (!key.data)          /* a row without a key is no part of a post */
                        continue;
                key_list_add(&s->keys, &key);
                s->scratch.length = 0;
                json_encode_row(st->plan, &row, &s->scratch);
                key_list_add(&s->values, &(struct key) { s->scratch.data, s->scratch.length });
        }
        return r < 0 ? -1 : 0;
}

static int store_load(struct stream *st, struct connection *c, struct store **ret, struct error *e) {
        struct store *s = mem_zero(1, sizeof *s);
        struct table_reader *reader;
        int r;

        /* The server sorts before it answers. */
        r = table_read(c->database, st->table, NULL, false, NULL, POSTS_MEMORY_ROWS + 1, &reader, e);
        if (r == 0) {
                r = store_read(s, st, c, reader, e);
                table_reader_close(reader);
        }
        if (r != 0) {
                store_free(s);
                return r;
        }
        s->sorted = mem_alloc(s->keys.count * sizeof *s->sorted);
        for (size_t i = 0; i < s->keys.count; i++)
                s->sorted[i] = (uint32_t) i;
        qsort_r(s->sorted, s->keys.count, sizeof *s->sorted, store_order, s);
        *ret = s;
        return 0;
}

/* ---- posts ---- */

struct posts {
        struct stream *streams;
        struct connection *connection;
        struct store *stores[EMULATE_STREAMS];    /* NULL: the server is asked */
        struct key *wanted;                     /* scratch of posts_fetch: keys still in question, ... */
        size_t *wanted_at, *by_key;             /* ... which of the call's keys they are; those by key_order */
        size_t capacity;
};

int posts_open(struct stream *streams, struct connection *c, struct posts **ret, struct error *e) {
        struct posts *p = mem_zero(1, sizeof *p);

        p->streams = streams;
        p->connection = c;
        for (size_t i = 0; i < EMULATE_STREAMS; i++) {
                int r = table_facts(streams[i].table)->key_indexed ? 0 : store_load(&streams[i], c, &p->stores[i], e);

                if (r != 0) {
                        posts_close(p);
                        return r;
                }
        }
        *ret = p;
        return 0;
}

void posts_close(struct posts *p) {
        if (!p)
                return;
        for (size_t i = 0; i < EMULATE_STREAMS; i++)
                store_free(p->stores[i]);
        free(p->wanted);
        free(p->wanted_at);
        free(p->by_key);
        free(p);
}

static void grow(struct posts *p, size_t count) {
        if (count <= p->capacity)
                return;
        p->wanted = mem_resize(p->wanted, count * sizeof *p->wanted);
        p->wanted_at = mem_resize(p->wanted_at, count * sizeof *p->wanted_at);
        p->by_key = mem_resize(p->by_key, count * sizeof *p->by_key);
        p->capacity = count;
}

static int by_key_order(const void *a, const void *b, void *keys) {
        return key_order(&((const struct key *) keys)[*(const size_t *) a], &((const struct key *) keys)[*(const size_t *) b]);
}

/* The first place in by_key whose key is not below `key`. */
static size_t lower_bound(const struct posts *p, const struct key *keys, size_t count, const struct key *key) {
        size_t low = 0, high = count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (key_order(&keys[p->by_key[middle]], key) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static void place_row(struct posts *p, size_t stream, const struct key *keys, size_t count, const struct key *key,
                      size_t at, size_t length, struct post_rows *ret) {
        for (size_t i = lower_bound(p, keys, count, key);
             i < count && key_order(&keys[p->by_key[i]], key) == 0; i++) {
                struct post_rows *rows = &ret[p->by_key[i]];

                if (rows->value[stream].length == 0) {          /* of rows with the same key, the first */
                        rows->value[stream].at = at;
                        rows->value[stream].length = length;
                }
        }
}

static int fetch_from_server(struct posts *p, size_t stream, const struct key *keys, size_t count, size_t wanted,
                             struct buffer *out, struct post_rows *ret, struct error *e) {
        struct stream *st = &p->streams[stream];
        struct table_reader *reader;
        struct row row;
        struct key key;
        int r;

        if (table_fetch(p->connection->database, st->table, p->wanted, wanted, &reader, e) < 0)
                return -1;
        while ((r = table_next(reader, &row, &key, e)) == 0) {
                size_t at = out->length;

                json_encode_row(st->plan, &row, out);
                place_row(p, stream, keys, count, &key, at, out->length - at, ret);
        }
        table_reader_close(reader);
        return r < 0 ? -1 : 0;
}

static void fetch_from_store(struct posts *p, size_t stream, const struct key *keys, size_t wanted, struct buffer *out,
                             struct post_rows *ret) {
        const struct store *s = p->stores[stream];

        for (size_t i = 0; i < wanted; i++) {
                size_t k = p->wanted_at[i], found;
                struct key value;

                if (!store_find(s, &keys[k], &found))
                        continue;
                value = key_list_get(&s->values, found);
                ret[k].value[stream].at = out->length;
                ret[k].value[stream].length = value.length;
                buffer_append(out, value.data, value.length);
        }
}

int posts_fetch(struct posts *p, const struct key *keys, size_t count, struct buffer *out, struct post_rows *ret,
                struct error *e) {
        grow(p, count);
        memset(ret, 0, count * sizeof *ret);
        for (size_t i = 0; i < count; i++)
                p->by_key[i] = i;
        qsort_r(p->by_key, count, sizeof *p->by_key, by_key_order, (void *) (uintptr_t) keys);
        for (size_t stream = 0; stream < EMULATE_STREAMS; stream++) {
                size_t wanted = 0;

                /* A key that one table lacks need not be looked for in the next. */
                for (size_t i = 0; i < count; i++)
                        if (stream == 0 || ret[i].value[stream - 1].length > 0) {
                                p->wanted[wanted] = keys[i];
                                p->wanted_at[wanted++] = i;
                        }
                if (wanted == 0)
                        break;
                if (p->stores[stream])
                        fetch_from_store(p, stream, keys, wanted, out, ret);
                else if (fetch_from_server(p, stream, keys, count, wanted, out, ret, e) < 0)
                        return -1;
        }
        for (size_t i = 0; i < count; i++)
                ret[i].complete = ret[i].value[EMULATE_STREAMS - 1].length > 0;
        return 0;
}

int posts_memory_keys(const struct posts *p, struct key_list *ret) {
        const struct store *first = NULL;

        for (size_t i = 0; i < EMULATE_STREAMS && !first; i++)
                first = p->stores[i];
        if (!first)
                return 1;
        for (size_t k = 0; k < first->keys.count; k++) {
                struct key key = key_list_get(&first->keys, k);
                bool common = true;
                size_t at;

                for (size_t i = 0; i < EMULATE_STREAMS && common; i++)
                        common = !p->stores[i] || store_find(p->stores[i], &key, &at);
                if (common && ret->count > 0) {         /* rows of equal key stand side by side: a post once */
                        struct key last = key_list_get(ret, ret->count - 1);

                        common = !key_equal(&last, &key);
                }
                if (common)
                        key_list_add(ret, &key);
        }
        return 0;
}
