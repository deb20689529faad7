#include "underway.h"

struct post {
        struct underway *owner;
        struct buffer key;
        unsigned waiting;               /* records not yet acknowledged */
        bool used;
        bool begun;                     /* its first record was handed over */
};

struct underway {
        struct ledger *file;
        struct post *slots;             /* UNDERWAY_MOST */
        struct post **free;             /* a stack of unused slots */
        size_t free_count;
        struct buffer *keys;            /* scratch for writing the file */
        bool stale;                     /* the file holds keys that are no longer under way */
        bool held, left;
        uint64_t written_us;
};

struct underway *underway_new(struct ledger *file) {
        struct underway *u = mem_zero(1, sizeof *u);

        u->file = file;
        u->slots = mem_zero(UNDERWAY_MOST, sizeof *u->slots);
        u->free = mem_alloc(UNDERWAY_MOST * sizeof *u->free);
        u->keys = mem_alloc(UNDERWAY_MOST * sizeof *u->keys);
        for (size_t i = 0; i < UNDERWAY_MOST; i++) {
                u->slots[i].owner = u;
                u->free[u->free_count++] = &u->slots[UNDERWAY_MOST - 1 - i];
        }
        return u;
}

void underway_free(struct underway *u) {
        if (!u)
                return;
        for (size_t i = 0; i < UNDERWAY_MOST; i++)
                buffer_free(&u->slots[i].key);
        free(u->slots);
        free(u->free);
        free(u->keys);
        free(u);
}

size_t underway_room(const struct underway *u) {
        return u->free_count;
}

size_t underway_count(const struct underway *u) {
        return UNDERWAY_MOST - u->free_count;
}

struct post *underway_add(struct underway *u, const struct key *key, unsigned records) {
        struct post *post = u->free[--u->free_count];

        post->key.length = 0;
        buffer_append(&post->key, key->data, key->length);
        post->waiting = records;
        post->used = true;
        post->begun = false;
        return post;
}

static void release(struct post *post) {
        struct underway *u = post->owner;

        post->used = false;
        u->free[u->free_count++] = post;
        u->stale = true;
}

void underway_begin(struct post *post) {
        post->begun = true;
}

void underway_acknowledged(struct post *post) {
        if (!post->owner->left && --post->waiting == 0)
                release(post);
}

void underway_drop(struct post *post) {
        if (post->used && !post->begun)
                release(post);
}

int underway_write(struct underway *u, uint64_t now_us, struct error *e) {
        size_t count = 0;

        for (size_t i = 0; i < UNDERWAY_MOST; i++)
                if (u->slots[i].used)
                        u->keys[count++] = u->slots[i].key;
        if (ledger_write(u->file, u->keys, count, e) < 0)
                return -1;
        u->stale = false;
        u->written_us = now_us;
        return 0;
}

int underway_clear(struct underway *u, uint64_t now_us, struct error *e) {
        if (!u->stale || u->held || u->left)
                return 0;
        if (underway_count(u) > 0 && now_us - u->written_us < UNDERWAY_CLEAR_MS * 1000ull)
                return 0;
        return underway_write(u, now_us, e);
}

void underway_hold(struct underway *u, bool hold) {
        u->held = hold;
}

bool underway_held(const struct underway *u) {
        return u->held;
}

void underway_leave(struct underway *u) {
        u->left = true;
}

size_t underway_name(const struct underway *u, size_t most, struct buffer *out) {
        size_t named = 0;

        for (size_t i = 0; i < UNDERWAY_MOST && named < most; i++)
                if (u->slots[i].used)
                        buffer_printf(out, "%s%.*s", named++ ? ", " : "", (int) u->slots[i].key.length, u->slots[i].key.data);
        return named;
}
