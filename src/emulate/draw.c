#include "draw.h"

#include <stdio.h>
#include <string.h>

enum {
        SEEDED_OFFSETS = 11001,         /* the old emulator drew randint(0, 11000) */
        LIST_KEYS = 200000,             /* the longest list of keys that is held */
        PROBE = 1000,                   /* keys that are tried to see how dense they lie */
        MOST_CANDIDATES = 4096,         /* in one round */
        REFRESH_S = 60,
};
#define DENSE 0.01                      /* hits among tries from which drawing numbers is the better way */
#define SPARSEST 0.0002

struct draw {
        struct posts *posts;
        struct stream *streams;
        struct connection *connection;
        struct random random;
        bool seeded;
        double rate;
        struct key_list list;           /* empty: numbers between least and greatest */
        __int128 least, greatest;
        double hit_share;               /* how many keys of a round are posts, lately */
        uint64_t refreshed_us;
        /* the round's keys */
        struct key *keys;
        char (*texts)[24];
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

static struct key number_key(__int128 n, char text[static 24]) {
        int length = n < 0 ? snprintf(text, 24, "%lld", (long long) n)
                           : snprintf(text, 24, "%llu", (unsigned long long) n);

        return (struct key) { text, (size_t) length };
}

/* The range that all tables have in common. 1: there is none. */
static int read_bounds(struct draw *d, struct error *e) {
        __int128 common_least = 0, common_greatest = 0;

        for (size_t i = 0; i < EMULATE_STREAMS; i++) {
                struct key least, greatest;
                __int128 low, high;
                int r = table_key_bounds(d->connection->database, d->streams[i].table, &least, &greatest, e);

                if (r != 0)
                        return r;
                low = key_number(&least);
                high = key_number(&greatest);
                if (i == 0 || low > common_least)
                        common_least = low;
                if (i == 0 || high < common_greatest)
                        common_greatest = high;
        }
        if (common_least > common_greatest)
                return 1;
        d->least = common_least;
        d->greatest = common_greatest;
        return 0;
}

static __int128 draw_number(struct draw *d) {
        uint64_t span = (uint64_t) (d->greatest - d->least);

        return d->least + (span == UINT64_MAX ? random_bits(&d->random, 64) : random_below(&d->random, span + 1));
}

static void draw_numbers(struct draw *d, size_t count) {
        for (size_t i = 0; i < count; i++)
                d->keys[i] = number_key(draw_number(d), d->texts[i]);
}

/* ---- opening ---- */

static int no_posts(const struct draw *d, struct error *e) {
        error_set(e, ERROR_REFUSED, "there is no post: no key is in all three tables %s, %s and %s",
                  d->streams[0].config->table, d->streams[1].config->table, d->streams[2].config->table);
        return error_hint(e, "Fill the tables, or set table, key and where of the streams pin, geo and user.");
}

static bool all_indexed(const struct draw *d) {
        for (size_t i = 0; i < EMULATE_STREAMS; i++)
                if (!table_facts(d->streams[i].table)->key_indexed)
                        return false;
        return true;
}

static bool keys_are_numbers(const struct draw *d) {
        for (size_t i = 0; i < EMULATE_STREAMS; i++)
                if (table_facts(d->streams[i].table)->key_kind != KEY_INTEGER)
                        return false;
        return true;
}

/* Tries some numbers, to learn how dense the keys lie. */
static int probe(struct draw *d, struct error *e) {
        struct post_rows *rows = mem_alloc(PROBE * sizeof *rows);
        struct buffer bytes = {};
        size_t hits = 0;
        int r;

        draw_numbers(d, PROBE);
        r = posts_fetch(d->posts, d->keys, PROBE, &bytes, rows, e);
        for (size_t i = 0; r == 0 && i < PROBE; i++)
                hits += rows[i].complete;
        d->hit_share = (double) hits / PROBE;
        buffer_free(&bytes);
        free(rows);
        return r;
}

static int list_common(struct draw *d, uint64_t limit, struct error *e) {
        struct table *tables[EMULATE_STREAMS];
        struct table_reader *reader;
        struct row row;
        struct key key;
        int r;

        for (size_t i = 0; i < EMULATE_STREAMS; i++)
                tables[i] = d->streams[i].table;
        if (table_common_keys(d->connection->database, tables, EMULATE_STREAMS, limit, &reader, e) < 0)
                return -1;
        while ((r = table_next(reader, &row, &key, e)) == 0)
                key_list_add(&d->list, &key);
        table_reader_close(reader);
        return r < 0 ? -1 : 0;
}

/* Keeps of the list those keys that are posts, up to `limit`. */
static int list_filter(struct draw *d, size_t limit, struct error *e) {
        enum { CHUNK = 500 };
        struct key_list kept = {};
        struct post_rows rows[CHUNK];
        struct buffer bytes = {};
        int r = 0;

        for (size_t i = 0; i < d->list.count && kept.count < limit && r == 0; i += CHUNK) {
                size_t count = d->list.count - i < CHUNK ? d->list.count - i : CHUNK;

                for (size_t k = 0; k < count; k++)
                        d->keys[k] = key_list_get(&d->list, i + k);
                bytes.length = 0;
                r = posts_fetch(d->posts, d->keys, count, &bytes, rows, e);
                for (size_t k = 0; r == 0 && k < count && kept.count < limit; k++)
                        if (rows[k].complete)
                                key_list_add(&kept, &d->keys[k]);
        }
        buffer_free(&bytes);
        key_list_free(&d->list);
        d->list = kept;
        return r;
}

static int open_list(struct draw *d, struct error *e) {
        uint64_t limit = d->seeded ? SEEDED_OFFSETS : LIST_KEYS + 1;
        int r = posts_memory_keys(d->posts, &d->list);

        r = r == 0 ? list_filter(d, limit, e) : list_common(d, limit, e);
        if (r < 0)
                return -1;
        d->hit_share = 1;
        d->refreshed_us = clock_monotonic_us();
        return d->list.count == 0 ? no_posts(d, e) : 0;
}

static int refuse_large(struct draw *d, bool numbers, struct error *e) {
        error_set(e, ERROR_REFUSED, numbers ? "the keys of table %s lie too far apart to draw from them, and there are more "
                                              "than %d"
                                            : "the key of table %s is no integer, and there are more than %d posts",
                  d->streams[0].config->table, LIST_KEYS);
        return error_hint(e, "Set the stream's key to an integer column that counts the rows, or a `where` that leaves fewer "
                             "of them.");
}

static int choose_way(struct draw *d, struct error *e) {
        bool numbers = keys_are_numbers(d);
        int r;

        if (d->seeded || !all_indexed(d))
                return open_list(d, e);
        if (numbers) {
                r = read_bounds(d, e);
                if (r != 0)
                        return r < 0 ? -1 : no_posts(d, e);
                d->refreshed_us = clock_monotonic_us();
                if (probe(d, e) < 0)
                        return -1;
                if (d->hit_share >= DENSE)
                        return 0;
        }
        r = open_list(d, e);
        if (r < 0 || d->list.count <= LIST_KEYS)
                return r;
        key_list_free(&d->list);
        if (!numbers)
                return refuse_large(d, false, e);
        if (probe(d, e) < 0)
                return -1;
        return d->hit_share < SPARSEST ? refuse_large(d, true, e) : 0;
}

int draw_open(struct posts *posts, struct stream *streams, struct connection *c, struct draw **ret, struct error *e) {
        const struct config *config = c->session->config;
        struct draw *d = mem_zero(1, sizeof *d);

        d->posts = posts;
        d->streams = streams;
        d->connection = c;
        d->seeded = config->emulate_seeded;
        d->rate = config->emulate_rate;
        d->keys = mem_alloc(MOST_CANDIDATES * sizeof *d->keys);
        d->texts = mem_alloc(MOST_CANDIDATES * sizeof *d->texts);
        if (d->seeded)
                random_seed(&d->random, config->emulate_seed);
        else
                random_seed_entropy(&d->random);
        if (choose_way(d, e) < 0) {
                draw_close(d);
                return -1;
        }
        *ret = d;
        return 0;
}

void draw_close(struct draw *d) {
        if (!d)
                return;
        key_list_free(&d->list);
        free(d->keys);
        free(d->texts);
        free(d);
}

int draw_refresh(struct draw *d, struct error *e) {
        int r;

        if (d->list.count > 0 || clock_monotonic_us() - d->refreshed_us < REFRESH_S * 1000000ull)
                return 0;
        r = read_bounds(d, e);
        d->refreshed_us = clock_monotonic_us();
        /* Empty for now (a table that is being loaded anew): the next look may find more. */
        return r < 0 ? -1 : 0;
}

/* ---- drawing ---- */

/* The old emulator slept 0 or 1 s, so that rate 2 is its pace. */
static uint64_t draw_pause_us(struct draw *d) {
        double unit = d->seeded ? (double) random_below(&d->random, 2) : random_unit(&d->random);

        return (uint64_t) (unit * 2e6 / d->rate);
}

static struct key draw_listed(struct draw *d) {
        uint64_t at;

        if (!d->seeded)
                return key_list_get(&d->list, random_below(&d->random, d->list.count));
        do
                at = random_below(&d->random, SEEDED_OFFSETS);
        while (at >= d->list.count);
        return key_list_get(&d->list, at);
}

/* How many numbers to try for so many posts. */
static size_t candidates(const struct draw *d, size_t count) {
        double share = d->hit_share < SPARSEST ? SPARSEST : d->hit_share;
        double wanted = (double) count / share * 1.2 + 4;

        return d->hit_share >= 1 ? count : wanted < MOST_CANDIDATES ? (size_t) wanted : MOST_CANDIDATES;
}

void draw_more(struct draw *d, size_t count, const struct key **ret_keys, size_t *ret_count) {
        size_t keys = d->list.count > 0 ? count : candidates(d, count);

        if (d->list.count > 0)
                for (size_t i = 0; i < keys; i++)
                        d->keys[i] = draw_listed(d);
        else
                draw_numbers(d, keys);
        *ret_keys = d->keys;
        *ret_count = keys;
}

void draw_round(struct draw *d, size_t count, uint64_t *ret_pauses_us, const struct key **ret_keys, size_t *ret_count) {
        if (d->list.count == 0) {
                for (size_t i = 0; i < count; i++)
                        ret_pauses_us[i] = draw_pause_us(d);
                draw_more(d, count, ret_keys, ret_count);
                return;
        }
        /* With a seed the order of the draws is the old emulator's: pause, number, pause, number. */
        for (size_t i = 0; i < count; i++) {
                ret_pauses_us[i] = draw_pause_us(d);
                d->keys[i] = draw_listed(d);
        }
        *ret_keys = d->keys;
        *ret_count = count;
}
