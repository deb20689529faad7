#include "keys.h"

#include <string.h>

void keys_init(struct keys *k, size_t size) {
        *k = (struct keys) { .slots = mem_zero(size, sizeof *k->slots), .size = size };
}

void keys_free(struct keys *k) {
        free(k->slots);
        *k = (struct keys) {};
}

void keys_begin(struct keys *k, uint32_t from) {
        if (k->count > 0)
                memset(k->slots, 0, k->size * sizeof *k->slots);
        k->count = 0;
        k->from = from;
        k->to = SUMS_BUCKETS;
}

bool keys_covers(const struct keys *k, const struct digest *d) {
        return sums_bucket(d) >= k->from && sums_bucket(d) < k->to;
}

/* Buckets are made of the lower bits. */
static struct keys_entry *find(const struct keys *k, uint64_t key, uint64_t value, bool pair) {
        size_t at = ((pair ? key ^ value : key) >> 32) & (k->size - 1);
        struct keys_entry *e;

        while ((e = &k->slots[at])->used && (e->key != key || e->pair != pair || (pair && e->value != value)))
                at = (at + 1) & (k->size - 1);
        return e;
}

/* Leaves the upper half of the buckets to the next round. */
static int shrink(struct keys *k) {
        uint32_t to = k->from + (k->to - k->from) / 2;
        struct keys_entry *kept;
        size_t count = 0;

        if (to == k->from)
                return -1;
        kept = mem_alloc(k->count * sizeof *kept);
        for (size_t i = 0; i < k->size; i++)
                if (k->slots[i].used && k->slots[i].key % SUMS_BUCKETS < to)
                        kept[count++] = k->slots[i];
        keys_begin(k, k->from);
        k->to = to;
        k->count = count;
        for (size_t i = 0; i < count; i++)
                *find(k, kept[i].key, kept[i].value, kept[i].pair) = kept[i];
        free(kept);
        return 0;
}

/* Three quarters are used at most. */
static int make_room(struct keys *k) {
        int r = 0;

        while (k->count > k->size / 4 * 3 && r == 0)
                r = shrink(k);
        return r;
}

static struct keys_entry *find_or_add(struct keys *k, uint64_t key, uint64_t value, bool pair) {
        struct keys_entry *e = find(k, key, value, pair);

        if (!e->used) {
                *e = (struct keys_entry) { .key = key, .value = value, .used = true, .pair = pair };
                k->count++;
        }
        return e;
}

int keys_add_row(struct keys *k, const struct digest *d, bool awaited) {
        struct keys_entry *e = find_or_add(k, d->key, d->both[0], false);

        e->awaited = awaited;
        if (e->counts[KEYS_ROWS]++ > 0)
                find_or_add(k, d->key, d->both[0], true)->counts[KEYS_ROWS]++;
        return make_room(k);
}

int keys_add(struct keys *k, const struct digest *d, int which) {
        find_or_add(k, d->key, 0, false)->counts[which]++;
        return make_room(k);
}

struct keys_entry *keys_find(const struct keys *k, const struct digest *d) {
        struct keys_entry *e = find(k, d->key, 0, false);

        return e->used ? e : NULL;
}

/* Whether the record is that of a row; each row takes one. */
static bool match(struct keys *k, struct keys_entry *e, const struct digest *d, bool repeats) {
        struct keys_entry *pair;

        if (e->value == d->both[0] && (repeats || !e->matched)) {
                e->matched = true;
                return true;
        }
        if (e->counts[KEYS_ROWS] == 1)
                return false;
        pair = find(k, d->key, d->both[0], true);
        return pair->used && (repeats || pair->counts[KEYS_RECORDS]++ < pair->counts[KEYS_ROWS]);
}

bool keys_add_record(struct keys *k, const struct digest *d, bool repeats) {
        struct keys_entry *e = keys_find(k, d);

        if (!e)
                return false;
        e->counts[KEYS_RECORDS]++;
        if (match(k, e, d, repeats))
                e->counts[KEYS_COMMON]++;
        return true;
}

bool keys_row_is_matched(const struct keys *k, const struct keys_entry *e, const struct digest *d) {
        const struct keys_entry *pair = find(k, d->key, d->both[0], true);

        return (e->value != d->both[0] || e->matched)
               && (!pair->used || pair->counts[KEYS_RECORDS] >= pair->counts[KEYS_ROWS]);
}

bool keys_is_like_row(const struct keys *k, const struct keys_entry *e, const struct digest *d) {
        return e->value == d->both[0] || find(k, d->key, d->both[0], true)->used;
}

void keys_class(const struct keys_entry *e, bool repeats, uint64_t counts[static COMPARE_CLASSES]) {
        uint32_t rows = e->counts[KEYS_ROWS], records = e->counts[KEYS_RECORDS], common = e->counts[KEYS_COMMON];
        uint32_t differ = (repeats || records < rows ? records : rows) - common;

        if (e->pair)
                return;
        counts[COMPARE_ALTERED] += differ < rows ? differ : rows;
        if (!repeats && records < rows)
                counts[e->awaited ? COMPARE_AWAITED : COMPARE_MISSING] += rows - records;
        if (!repeats && records > rows)
                counts[COMPARE_DOUBLED] += records - rows;
}
