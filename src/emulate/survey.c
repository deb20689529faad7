#include "survey.h"

enum {
        LIST_KEYS = 200000,             /* the longest list of keys that is held */
        PROBE = 1000,                   /* keys that are tried to see how dense they lie */
};
#define DENSE 0.01                      /* hits among tries from which drawing numbers is the better way */

/* What a survey asks, and where its answer goes. */
struct survey {
        struct stream *streams;
        struct connection *connection;
        struct posts *posts;
        struct draw *draw;
};

/* ---- numbers ---- */

/* A server that is none may say more than the 20 digits that there are. */
static __int128 key_number(const struct key *key) {
        bool negative = key->length > 0 && key->data[0] == '-';
        __int128 n = 0;

        for (size_t i = negative; i < key->length && i < 24; i++)
                n = n * 10 + (key->data[i] - '0');
        return negative ? -n : n;
}

/* The range that all tables have in common; `ret_any`: whether there is one. */
static int read_range(struct stream *streams, struct connection *c, struct pool *pool, bool *ret_any, struct error *e) {
        __int128 common_least = 0, common_greatest = 0;

        for (size_t i = 0; i < EMULATE_STREAMS; i++) {
                struct key least, greatest;
                __int128 low, high;
                enum table_bounds r = table_key_bounds(c->database, streams[i].table, &least, &greatest, e);

                if (r == TABLE_BOUNDS_FAILED)
                        return -1;
                *ret_any = r == TABLE_BOUNDS;
                if (!*ret_any)
                        return 0;
                low = key_number(&least);
                high = key_number(&greatest);
                if (i == 0 || low > common_least)
                        common_least = low;
                if (i == 0 || high < common_greatest)
                        common_greatest = high;
        }
        *ret_any = common_least <= common_greatest;
        if (*ret_any) {
                pool->least = common_least;
                pool->greatest = common_greatest;
        }
        return 0;
}

/* Tries some numbers, to learn how dense the posts lie. */
static int probe(const struct survey *s, struct error *e) {
        _cleanup_free_ struct post_rows *rows = mem_alloc(PROBE * sizeof *rows);
        _cleanup_buffer_ struct buffer bytes = {};
        size_t hits = 0;

        if (posts_fetch(s->posts, draw_numbers(s->draw, PROBE), PROBE, &bytes, rows, e) < 0)
                return -1;
        for (size_t i = 0; i < PROBE; i++)
                hits += rows[i].complete;
        s->draw->pool.hit_share = (double) hits / PROBE;
        return 0;
}

/* ---- a list ---- */

static int no_posts(const struct survey *s, struct error *e) {
        error_set(e, ERROR_REFUSED, "there is no post: no key is in all three tables %s, %s and %s",
                  s->streams[0].config->table, s->streams[1].config->table, s->streams[2].config->table);
        return error_hint(e, "Fill the tables, or set table, key and where of the streams pin, geo and user.");
}

static int read_list(const struct survey *s, struct error *e) {
        struct key_list *list = &s->draw->pool.list;
        struct table *tables[EMULATE_STREAMS];
        struct table_reader *reader;
        struct row row;
        struct key key;
        int r;

        for (size_t i = 0; i < EMULATE_STREAMS; i++)
                tables[i] = s->streams[i].table;
        if (table_common_keys(s->connection->database, tables, EMULATE_STREAMS,
                              s->draw->seeded ? DRAW_SEEDED_OFFSETS : LIST_KEYS + 1, &reader, e) < 0)
                return -1;
        while ((r = table_next(reader, &row, &key, e)) == 0)
                key_list_add(list, &key);
        table_reader_close(reader);
        if (r < 0)
                return -1;
        s->draw->pool.hit_share = 1;
        return list->count == 0 ? no_posts(s, e) : 0;
}

static int refuse_large(const struct survey *s, bool numbers, struct error *e) {
        error_set(e, ERROR_REFUSED, numbers ? "the keys of table %s lie too far apart to draw from them, and there are "
                                              "more than %d"
                                            : "the key of table %s is no integer, and there are more than %d posts",
                  s->streams[0].config->table, LIST_KEYS);
        return error_hint(e, "Set the stream's key to an integer column that counts the rows, or a `where` that leaves "
                             "fewer of them.");
}

/* ---- which way ---- */

static bool all_indexed(const struct stream *streams) {
        for (size_t i = 0; i < EMULATE_STREAMS; i++)
                if (!table_facts(streams[i].table)->key_indexed)
                        return false;
        return true;
}

static bool keys_are_numbers(const struct stream *streams) {
        for (size_t i = 0; i < EMULATE_STREAMS; i++)
                if (table_facts(streams[i].table)->key_kind != KEY_INTEGER)
                        return false;
        return true;
}

/* A list, unless it is too long; then numbers all the same, if they are not too far apart. */
static int list_or_numbers(const struct survey *s, bool numbers, struct error *e) {
        struct pool *pool = &s->draw->pool;
        double numbers_hit = pool->hit_share;

        if (read_list(s, e) < 0)
                return -1;
        if (pool->list.count <= LIST_KEYS)
                return 0;
        key_list_free(&pool->list);
        pool->hit_share = numbers_hit;
        return numbers && numbers_hit >= DRAW_SPARSEST ? 0 : refuse_large(s, numbers, e);
}

int survey_pool(struct stream *streams, struct connection *c, struct posts *posts, struct draw *d, struct error *e) {
        const struct survey s = { streams, c, posts, d };
        bool numbers = keys_are_numbers(streams) && all_indexed(streams) && !d->seeded, any;

        key_list_free(&d->pool.list);
        d->pool = (struct pool) {};
        if (numbers) {
                if (read_range(streams, c, &d->pool, &any, e) < 0)
                        return -1;
                if (!any)
                        return no_posts(&s, e);
                if (probe(&s, e) < 0)
                        return -1;
                if (d->pool.hit_share >= DENSE)
                        return 0;
        }
        return list_or_numbers(&s, numbers, e);
}

int survey_again(struct stream *streams, struct connection *c, struct pool *pool, struct error *e) {
        bool any;

        /* None for now: a table that is being loaded anew. The next look may find some. */
        return pool->list.count > 0 ? 0 : read_range(streams, c, pool, &any, e);
}
