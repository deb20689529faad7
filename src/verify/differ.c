/* Which keys differ: those of the buckets whose sums do are read again, in as many rounds as memory asks for. */
#include <string.h>

#include "own.h"

/* ---- names ---- */

void names_add(struct names *n, const char *key, size_t length) {
        struct buffer text = {};

        if (n->count == VERIFY_NAMED)
                return;
        if (key)
                cursor_print_key(&(struct key) { key, length }, &text);
        buffer_string(&text);
        for (size_t i = 0; i < n->count; i++)
                if (n->none[i] == !key && strcmp(n->list[i].data, text.data) == 0) {
                        buffer_free(&text);
                        return;
                }
        n->none[n->count] = !key;
        n->list[n->count++] = text;
}

void names_free(struct names *n) {
        for (size_t i = 0; i < n->count; i++)
                buffer_free(&n->list[i]);
}

/* ---- a round ---- */

/* Every record of an emulation may be there any number of times: sums say nothing. */
static bool is_suspect(const struct check *c, const struct digest *d) {
        uint32_t bucket = sums_bucket(d);

        if (!keys_covers(&c->verify->keys, d))
                return false;
        return c->kind != VERIFY_EMULATED ? c->rows.sums.buckets[bucket] != c->records.sums.buckets[bucket] : c->records.sums.buckets[bucket] != 0;
}

static int too_many(struct check *c, struct error *e) {
        return error_set(e, ERROR_REFUSED, "stream %s: too many rows have the same key to tell them apart",
                         c->stream.config->name);
}

static int take_row(struct check *c, const struct item *item, struct error *e) {
        if (is_suspect(c, &item->digest) && keys_add_row(&c->verify->keys, &item->digest) < 0)
                return too_many(c, e);
        return 0;
}

static int take_record(struct check *c, const struct item *item, struct error *e) {
        (void) e;
        if (!item->key || !item->value || !is_suspect(c, &item->digest)
            || keys_add_record(&c->verify->keys, &item->digest, c->kind == VERIFY_EMULATED))
                return 0;
        c->counts[VERIFY_FOREIGN]++;
        names_add(&c->names[VERIFY_FOREIGN], item->key, item->key_length);
        return 0;
}

static void show_row(struct check *c, const struct item *item) {
        struct shown *shown = &c->shown[c->shown_count];

        if (c->shown_count == c->verify->show)
                return;
        for (size_t i = 0; i < c->shown_count; i++)
                if (c->shown[i].key == item->digest.key)
                        return;
        *shown = (struct shown) { .key = item->digest.key };
        cursor_print_key(&(struct key) { item->key, item->key_length }, &shown->name);
        buffer_append(&shown->row, item->value, item->value_length);
        c->shown_count++;
}

static int name_row(struct check *c, const struct item *item, struct error *e) {
        uint64_t counts[VERIFY_CLASSES] = {};
        const struct keys_entry *entry;

        (void) e;
        if (!is_suspect(c, &item->digest))
                return 0;
        entry = keys_find(&c->verify->keys, &item->digest);
        if (entry)
                keys_class(entry, c->kind == VERIFY_EMULATED, counts);
        for (int i = 0; i < VERIFY_CLASSES; i++)
                if (counts[i] > 0)
                        names_add(&c->names[i], item->key, item->key_length);
        if (counts[VERIFY_ALTERED] > 0)
                show_row(c, item);
        return 0;
}

/* The first record that is another than its row. */
static int show_record(struct check *c, const struct item *item, struct error *e) {
        (void) e;
        for (size_t i = 0; i < c->shown_count; i++) {
                struct shown *s = &c->shown[i];

                if (s->complete || s->key != item->digest.key || !item->value)
                        continue;
                if (s->row.length == item->value_length && memcmp(s->row.data, item->value, item->value_length) == 0)
                        continue;
                buffer_append(&s->record, item->value, item->value_length);
                s->complete = true;
        }
        return 0;
}

/* Whether there are keys to name of those that only the table has in order. */
static bool wants_names(const struct check *c, const uint64_t found[static VERIFY_CLASSES]) {
        for (int i = 0; i < VERIFY_FOREIGN; i++)
                if (found[i] > 0 && c->names[i].count < VERIFY_NAMED)
                        return true;
        return found[VERIFY_ALTERED] > 0 && c->shown_count < c->verify->show;
}

static int find_round(struct check *c, struct error *e) {
        uint64_t found[VERIFY_CLASSES] = {};
        size_t shown = c->shown_count;

        c->round++;
        if (side_rows(c, take_row, e) < 0 || side_records(c, NULL, take_record, e) < 0)
                return -1;
        for (size_t i = 0; i < c->verify->keys.size; i++)
                if (c->verify->keys.slots[i].used)
                        keys_class(&c->verify->keys.slots[i], c->kind == VERIFY_EMULATED, found);
        for (int i = 0; i < VERIFY_CLASSES; i++)
                c->counts[i] += found[i];
        if (wants_names(c, found) && side_rows(c, name_row, e) < 0)
                return -1;
        return c->shown_count > shown ? side_records(c, NULL, show_record, e) : 0;
}

int differ_find(struct check *c, struct error *e) {
        int r = 0;

        if (c->kind != VERIFY_EMULATED && sums_equal(&c->rows.sums, &c->records.sums))
                return 0;
        keys_init(&c->verify->keys, KEYS_SIZE);
        for (uint32_t from = 0; from < SUMS_BUCKETS && r == 0; from = c->verify->keys.to) {
                keys_begin(&c->verify->keys, from);
                r = find_round(c, e);
        }
        keys_free(&c->verify->keys);
        if (c->untold) {
                c->counts[VERIFY_MISSING] = 0;
                names_free(&c->names[VERIFY_MISSING]);
                c->names[VERIFY_MISSING].count = 0;
        }
        return r;
}

bool check_is_equal(const struct check *c) {
        for (int i = 0; i < VERIFY_CLASSES; i++)
                if (c->counts[i] > 0)
                        return false;
        return c->out_of_order == 0;
}
