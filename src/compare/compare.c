#include "own.h"

#include <string.h>

/* ---- names ---- */

void names_add(struct compare_names *n, const char *key, size_t length) {
        if (n->count == COMPARE_NAMED)
                return;
        for (size_t i = 0; i < n->count; i++)
                if (n->none[i] == !key && n->list[i].length == length && (length == 0 || memcmp(n->list[i].data, key, length) == 0))
                        return;
        n->none[n->count] = !key;
        if (length > 0)
                buffer_append(&n->list[n->count], key, length);
        n->count++;
}

void compare_names_free(struct compare_names *n) {
        for (size_t i = 0; i < n->count; i++)
                buffer_free(&n->list[i]);
        n->count = 0;
}

/* ---- everything is summed up ---- */

static int sum_row(struct compare *c, const struct item *item) {
        sums_add(&c->rows.sums, &item->digest);
        c->rows.count++;
        return 0;
}

static void sum_record(struct compare *c, const struct item *item) {
        c->records.count++;
        if (!item->key || !item->value) {
                c->result.counts[COMPARE_FOREIGN]++;
                names_add(&c->result.names[COMPARE_FOREIGN], item->key, item->key_length);
                return;
        }
        sums_add(&c->records.sums, &item->digest);
        if (c->key_sums)
                c->key_sums[sums_bucket(&item->digest)] += item->digest.key;
}

static int sum_up(struct compare *c, struct error *e) {
        c->take_row = sum_row;
        c->take_record = sum_record;
        if (c->sides.both(c->sides.arg, e) < 0)
                return -1;
        c->result.rows = c->rows.count;
        c->result.records = c->records.count;
        return 0;
}

/* ---- a round: which keys differ ---- */

/* Where any record may be there any number of times, sums say nothing. */
static bool is_suspect(const struct compare *c, const struct item *item) {
        uint32_t bucket = sums_bucket(&item->digest);
        unsigned __int128 records = c->records.sums.buckets[bucket];

        if (!item->key || !item->value || !keys_covers(&c->keys, &item->digest))
                return false;
        return c->sides.repeats ? records != 0 : c->rows.sums.buckets[bucket] != records;
}

static int take_row(struct compare *c, const struct item *item) {
        if (!is_suspect(c, item))
                return 0;
        return keys_add_row(&c->keys, &item->digest,
                            c->sides.is_awaited && c->sides.is_awaited(c->sides.arg, item->key, item->key_length));
}

static void take_record(struct compare *c, const struct item *item) {
        if (!is_suspect(c, item) || keys_add_record(&c->keys, &item->digest, c->sides.repeats))
                return;
        c->result.counts[COMPARE_FOREIGN]++;
        names_add(&c->result.names[COMPARE_FOREIGN], item->key, item->key_length);
}

static void show_row(struct compare_result *result, size_t most, const struct item *item) {
        struct compare_shown *shown = &result->shown[result->shown_count];

        if (result->shown_count == most)
                return;
        for (size_t i = 0; i < result->shown_count; i++)
                if (result->shown[i].hash == item->digest.key)
                        return;
        *shown = (struct compare_shown) { .hash = item->digest.key };
        buffer_append(&shown->key, item->key, item->key_length);
        buffer_append(&shown->row, item->value, item->value_length);
        result->shown_count++;
}

static int name_row(struct compare *c, const struct item *item) {
        const struct keys_entry *entry = is_suspect(c, item) ? keys_find(&c->keys, &item->digest) : NULL;
        uint64_t counts[COMPARE_CLASSES] = {};

        if (entry)
                keys_class(entry, c->sides.repeats, counts);
        for (int i = 0; i < COMPARE_CLASSES; i++)
                if (counts[i] > 0)
                        names_add(&c->result.names[i], item->key, item->key_length);
        if (counts[COMPARE_ALTERED] > 0 && (c->sides.repeats || !keys_row_is_matched(&c->keys, entry, &item->digest)))
                show_row(&c->result, c->sides.show, item);
        return 0;
}

/* The first record that is another than its row; rather none that is like another row of the key. */
static void show_record(struct compare *c, const struct item *item) {
        const struct keys_entry *entry;

        for (size_t i = 0; i < c->result.shown_count; i++) {
                struct compare_shown *s = &c->result.shown[i];

                if (s->complete || s->hash != item->digest.key || !item->key || !item->value)
                        continue;
                if (s->row.length == item->value_length && memcmp(s->row.data, item->value, item->value_length) == 0)
                        continue;
                entry = keys_find(&c->keys, &item->digest);
                s->complete = !entry || !keys_is_like_row(&c->keys, entry, &item->digest);
                if (s->record.length > 0 && !s->complete)
                        continue;
                s->record.length = 0;
                buffer_append(&s->record, item->value, item->value_length);
        }
}

/* Whether there are keys to name of those that only the rows have in order. */
static bool wants_names(const struct compare *c, const uint64_t found[static COMPARE_CLASSES]) {
        for (int i = 0; i < COMPARE_CLASSES; i++)
                if (i != COMPARE_FOREIGN && found[i] > 0 && c->result.names[i].count < COMPARE_NAMED)
                        return true;
        return found[COMPARE_ALTERED] > 0 && c->result.shown_count < c->sides.show;
}

static int read_rows(struct compare *c, row_fn take, struct error *e) {
        c->take_row = take;
        return c->sides.rows(c->sides.arg, e);
}

static int read_records(struct compare *c, record_fn take, struct error *e) {
        c->take_record = take;
        return c->sides.records(c->sides.arg, e);
}

static int find_round(struct compare *c, struct error *e) {
        uint64_t found[COMPARE_CLASSES] = {};
        size_t shown = c->result.shown_count;

        ++*c->sides.ret_round;
        if (read_rows(c, take_row, e) < 0 || read_records(c, take_record, e) < 0)
                return -1;
        for (size_t i = 0; i < c->keys.size; i++)
                if (c->keys.slots[i].used)
                        keys_class(&c->keys.slots[i], c->sides.repeats, found);
        for (int i = 0; i < COMPARE_CLASSES; i++)
                c->result.counts[i] += found[i];
        if (wants_names(c, found) && read_rows(c, name_row, e) < 0)
                return -1;
        return c->result.shown_count > shown ? read_records(c, show_record, e) : 0;
}

static int find(struct compare *c, struct error *e) {
        int r = 0;

        if (!c->sides.repeats && sums_equal(&c->rows.sums, &c->records.sums))
                return 0;
        keys_init(&c->keys, KEYS_SIZE);
        for (uint32_t from = 0; from < SUMS_BUCKETS && r == 0; from = c->keys.to) {
                keys_begin(&c->keys, from);
                r = find_round(c, e);
        }
        keys_free(&c->keys);
        return r;
}

/* ---- the contract ---- */

struct compare_secret *compare_secret_new(void) {
        struct compare_secret *secret = mem_alloc(sizeof *secret);
        struct random random;

        random_seed_entropy(&random);
        sums_draw_secret(&random, secret);
        return secret;
}

struct compare *compare_new(const struct compare_sides *sides) {
        struct compare *c = mem_zero(1, sizeof *c);

        c->sides = *sides;
        if (sides->counts_keys)
                c->key_sums = mem_zero(SUMS_BUCKETS, sizeof *c->key_sums);
        return c;
}

void compare_free(struct compare *c) {
        if (!c)
                return;
        for (int i = 0; i < COMPARE_CLASSES; i++)
                compare_names_free(&c->result.names[i]);
        for (size_t i = 0; i < c->result.shown_count; i++) {
                buffer_free(&c->result.shown[i].key);
                buffer_free(&c->result.shown[i].row);
                buffer_free(&c->result.shown[i].record);
        }
        free(c->key_sums);
        free(c);
}

int compare_run(struct compare *c, struct error *e) {
        int r;

        sums_init(&c->rows.sums);
        sums_init(&c->records.sums);
        r = sum_up(c, e);
        if (r == 0)
                r = find(c, e);
        sums_free(&c->rows.sums);
        sums_free(&c->records.sums);
        return r;
}

const struct compare_result *compare_result(const struct compare *c) {
        return &c->result;
}

static void digest(const struct compare *c, const struct side *side, struct item *item) {
        sums_digest(c->sides.secret, &side->sums, item->key, item->key_length, item->value, item->value_length, &item->digest);
}

int compare_row(struct compare *c, const char *key, size_t key_length, const char *value, size_t value_length, struct error *e) {
        struct item item = { .key = key, .value = value, .key_length = key_length, .value_length = value_length };

        digest(c, &c->rows, &item);
        return c->take_row(c, &item) == 0 ? 0 : error_set(e, ERROR_REFUSED, "stream %s: too many rows have the same key to tell "
                                                          "them apart", c->sides.name);
}

void compare_record(struct compare *c, const char *key, size_t key_length, const char *value, size_t value_length) {
        struct item item = { .key = key, .value = value, .key_length = key_length, .value_length = value_length };

        if (key && value)
                digest(c, &c->records, &item);
        c->take_record(c, &item);
}
