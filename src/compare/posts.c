/* Keys that have to be in the records of several comparisons equally often: as emulated posts in their topics. */
#include "own.h"

_Static_assert((int) COMPARE_KEYS_MOST <= (int) KEYS_COUNTS, "a count for each");

struct posts {
        struct compare *const *all;
        size_t count;
        struct keys keys;
        struct compare_uneven *found;
};

static bool is_uneven(const struct posts *p, uint32_t bucket) {
        for (size_t i = 1; i < p->count; i++)
                if (p->all[i]->key_sums[bucket] != p->all[0]->key_sums[bucket])
                        return true;
        return false;
}

static bool differs(const struct posts *p, const struct keys_entry *entry) {
        for (size_t i = 1; i < p->count; i++)
                if (entry->counts[i] != entry->counts[0])
                        return true;
        return false;
}

static void count_post(struct compare *c, const struct item *item) {
        struct keys *keys = &c->posts->keys;

        if (item->key && item->value && keys_covers(keys, &item->digest) && is_uneven(c->posts, sums_bucket(&item->digest)))
                keys_add(keys, &item->digest, c->post);         /* can't fail: one key takes one entry */
}

static void name_post(struct compare *c, const struct item *item) {
        struct posts *p = c->posts;
        const struct keys_entry *entry = NULL;

        if (item->key && item->value && keys_covers(&p->keys, &item->digest))
                entry = keys_find(&p->keys, &item->digest);
        if (entry && differs(p, entry))
                names_add(&p->found->names, item->key, item->key_length);
}

static int read_all(struct posts *p, record_fn take, struct error *e) {
        int r = 0;

        for (size_t i = 0; i < p->count && r == 0; i++) {
                struct compare *c = p->all[i];

                c->posts = p;
                c->post = (int) i;
                c->take_record = take;
                r = c->sides.records(c->sides.arg, e);
        }
        return r;
}

static int find_round(struct posts *p, struct error *e) {
        uint64_t before = p->found->count;

        if (read_all(p, count_post, e) < 0)
                return -1;
        for (size_t i = 0; i < p->keys.size; i++)
                p->found->count += p->keys.slots[i].used && differs(p, &p->keys.slots[i]);
        return p->found->count > before && p->found->names.count < COMPARE_NAMED ? read_all(p, name_post, e) : 0;
}

int compare_keys(struct compare *const *all, size_t count, struct compare_uneven *ret, struct error *e) {
        struct posts p = { .all = all, .count = count, .found = ret };
        uint32_t from = 0;
        int r = 0;

        while (from < SUMS_BUCKETS && !is_uneven(&p, from))
                from++;
        if (from == SUMS_BUCKETS)
                return 0;
        keys_init(&p.keys, KEYS_SIZE);
        for (; from < SUMS_BUCKETS && r == 0; from = p.keys.to) {
                keys_begin(&p.keys, from);
                r = find_round(&p, e);
        }
        keys_free(&p.keys);
        return r;
}
