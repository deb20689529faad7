#include "posts.h"

#include <string.h>

/* ---- a table in memory ---- */

struct store {
        struct key_list keys;           /* sorted */
        struct key_list values;         /* of each key */
};

static void store_free(struct store *s) {
        if (!s)
                return;
        key_list_free(&s->keys);
        key_list_free(&s->values);
        free(s);
}

static int refuse_unindexed(const struct stream *st, struct error *e) {
        error_set(e, ERROR_REFUSED, "table %s has no index that begins with %s and more than %d rows",
                  st->config->table, st->config->key, POSTS_MEMORY_ROWS);
        return error_hint(e, "Type this once in MySQL: CREATE INDEX pinfeed_key ON `%s` (`%s`); (a text column needs a "
                             "length behind its name, such as `%s`(64)). Smaller tables without one are held in "
                             "memory.",
                          st->config->table, st->config->key, st->config->key);
}

static int store_read(struct store *s, struct stream *st, struct connection *c, struct table_reader *reader,
                      struct error *e) {
        _cleanup_buffer_ struct buffer value = {};
        struct row row;
        struct key key;
        int r;

        while ((r = table_next(reader, &row, &key, e)) == 0) {
                if (s->keys.count == POSTS_MEMORY_ROWS)
                        return refuse_unindexed(st, e);
                if (s->keys.count % 1024 == 0 && worker_stopping(c->worker))
                        return error_stopped(e);
                value.length = 0;
                json_encode_row(st->plan, &row, &value);
                key_list_add(&s->keys, &key);
                key_list_add(&s->values, &(struct key) { value.data, value.length });
        }
        return r < 0 ? -1 : 0;
}

static int store_load(struct stream *st, struct connection *c, struct store **ret, struct error *e) {
        struct store *s = mem_zero(1, sizeof *s);
        struct table_reader *reader;
        int r;

        r = table_read(c->database, st->table, NULL, false, NULL, POSTS_MEMORY_ROWS + 1, &reader, e);
        if (r == 0) {
                r = store_read(s, st, c, reader, e);
                table_reader_close(reader);
        }
        if (r < 0) {
                store_free(s);
                return -1;
        }
        key_list_sort(&s->keys);
        *ret = s;
        return 0;
}

/* ---- posts ---- */

struct posts {
        struct stream *streams;
        struct connection *connection;
        struct store *stores[EMULATE_STREAMS];  /* NULL: the server is asked */
        struct key_list keys;                   /* of the call under way, sorted */
        struct key *wanted;                     /* those of them that are asked for */
        size_t wanted_capacity;
};

int posts_open(struct stream *streams, struct connection *c, struct posts **ret, struct error *e) {
        struct posts *p = mem_zero(1, sizeof *p);

        p->streams = streams;
        p->connection = c;
        for (size_t i = 0; i < EMULATE_STREAMS; i++)
                if (!table_facts(streams[i].table)->key_indexed && store_load(&streams[i], c, &p->stores[i], e) < 0) {
                        posts_close(p);
                        return -1;
                }
        *ret = p;
        return 0;
}

void posts_close(struct posts *p) {
        if (!p)
                return;
        for (size_t i = 0; i < EMULATE_STREAMS; i++)
                store_free(p->stores[i]);
        key_list_free(&p->keys);
        free(p->wanted);
        free(p);
}

/* Of rows with the same key, the first. */
static void place_row(struct posts *p, size_t stream, const struct key *key, size_t at, size_t length,
                      struct post_rows *ret) {
        for (size_t i = key_list_seek(&p->keys, key); key_list_is(&p->keys, i, key); i++) {
                struct post_rows *rows = &ret[p->keys.sorted[i]];

                if (rows->value[stream].length == 0) {
                        rows->value[stream].at = at;
                        rows->value[stream].length = length;
                }
        }
}

static int fetch_from_server(struct posts *p, size_t stream, size_t wanted, struct buffer *out, struct post_rows *ret,
                             struct error *e) {
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
                place_row(p, stream, &key, at, out->length - at, ret);
        }
        table_reader_close(reader);
        return r < 0 ? -1 : 0;
}

static void fetch_from_store(struct posts *p, size_t stream, size_t wanted, struct buffer *out, struct post_rows *ret) {
        const struct store *s = p->stores[stream];

        for (size_t i = 0; i < wanted; i++) {
                size_t found = key_list_seek(&s->keys, &p->wanted[i]);

                if (key_list_is(&s->keys, found, &p->wanted[i])) {
                        struct key value = key_list_get(&s->values, s->keys.sorted[found]);

                        place_row(p, stream, &p->wanted[i], out->length, value.length, ret);
                        buffer_append(out, value.data, value.length);
                }
        }
}

/* A key that one table lacks need not be looked for in the next. */
static size_t choose_wanted(struct posts *p, size_t stream, const struct post_rows *rows) {
        size_t wanted = 0;

        for (size_t i = 0; i < p->keys.count; i++)
                if (stream == 0 || rows[i].value[stream - 1].length > 0)
                        p->wanted[wanted++] = key_list_get(&p->keys, i);
        return wanted;
}

int posts_fetch(struct posts *p, const struct key *keys, size_t count, struct buffer *out, struct post_rows *ret,
                struct error *e) {
        if (count > p->wanted_capacity) {
                p->wanted = mem_resize(p->wanted, count * sizeof *p->wanted);
                p->wanted_capacity = count;
        }
        memset(ret, 0, count * sizeof *ret);
        key_list_clear(&p->keys);
        for (size_t i = 0; i < count; i++)
                key_list_add(&p->keys, &keys[i]);
        key_list_sort(&p->keys);
        for (size_t stream = 0; stream < EMULATE_STREAMS; stream++) {
                size_t wanted = choose_wanted(p, stream, ret);

                if (wanted == 0)
                        break;
                if (p->stores[stream])
                        fetch_from_store(p, stream, wanted, out, ret);
                else if (fetch_from_server(p, stream, wanted, out, ret, e) < 0)
                        return -1;
        }
        for (size_t i = 0; i < count; i++)
                ret[i].complete = ret[i].value[EMULATE_STREAMS - 1].length > 0;
        return 0;
}
