/* The posts of emulated topics: keys that have to be in each topic equally often. */
#include "own.h"

_Static_assert((int) VERIFY_POSTS <= (int) KEYS_COUNTS, "a count for each topic");

static bool is_suspect(const struct verify *v, const struct digest *d) {
        uint32_t bucket = sums_bucket(d);
        const uint64_t *first = NULL;

        if (!keys_covers(&v->keys, d))
                return false;
        for (size_t i = 0; i < v->count; i++) {
                const uint64_t *posts = v->checks[i].posts;

                if (posts && first && posts[bucket] != first[bucket])
                        return true;
                first = posts ? posts : first;
        }
        return false;
}

static bool differs(const struct verify *v, const struct keys_entry *entry) {
        for (int i = 1; i < v->topics_of_posts; i++)
                if (entry->counts[i] != entry->counts[0])
                        return true;
        return false;
}

static int count_post(struct check *c, const struct item *item, struct error *e) {
        struct verify *v = c->verify;

        (void) e;
        if (item->key && item->value && is_suspect(v, &item->digest))
                keys_add(&v->keys, &item->digest, c->post);     /* can't fail: one key takes one entry */
        return 0;
}

static int name_post(struct check *c, const struct item *item, struct error *e) {
        struct verify *v = c->verify;
        const struct keys_entry *entry;

        (void) e;
        if (!item->key || !item->value || !keys_covers(&v->keys, &item->digest))
                return 0;
        entry = keys_find(&v->keys, &item->digest);
        if (entry && differs(v, entry))
                names_add(&v->posts, item->key, item->key_length);
        return 0;
}

static int each_topic(struct verify *v, item_fn fn, struct error *e) {
        int r = 0;

        for (size_t i = 0; i < v->count && r == 0; i++)
                if (v->checks[i].posts)
                        r = side_records(&v->checks[i], NULL, fn, e);
        return r;
}

static int find_round(struct verify *v, struct error *e) {
        uint64_t before = v->posts_differ;

        if (each_topic(v, count_post, e) < 0)
                return -1;
        for (size_t i = 0; i < v->keys.size; i++)
                v->posts_differ += v->keys.slots[i].used && differs(v, &v->keys.slots[i]);
        return v->posts_differ > before && v->posts.count < VERIFY_NAMED ? each_topic(v, name_post, e) : 0;
}

static bool all_equal(const struct verify *v) {
        for (uint64_t bucket = 0; bucket < SUMS_BUCKETS; bucket++)
                if (is_suspect(v, &(struct digest) { .key = bucket }))
                        return false;
        return true;
}

int posts_compare(struct verify *v, struct error *e) {
        int r = 0;

        if (v->topics_of_posts < 2)
                return 0;
        v->keys.to = SUMS_BUCKETS;
        if (all_equal(v))
                return 0;
        keys_init(&v->keys, KEYS_SIZE);
        for (uint32_t from = 0; from < SUMS_BUCKETS && r == 0; from = v->keys.to) {
                keys_begin(&v->keys, from);
                r = find_round(v, e);
        }
        keys_free(&v->keys);
        return r;
}
