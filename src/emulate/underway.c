#include "underway.h"

struct post {
        struct underway *owner;
        struct buffer key;
        size_t at;                      /* its place in owner->posts */
        unsigned waiting;               /* records not yet acknowledged */
        bool begun;                     /* its first record was handed over */
};

struct underway {
        struct ledger *file;
        struct post *slots;             /* UNDERWAY_MOST */
        struct post **posts;            /* all of them: first those under way, then the unused */
        size_t count;                   /* under way */
        struct buffer *keys;            /* scratch for writing the file */
        bool stale;                     /* the file holds keys that are no longer under way */
        bool grown;                     /* the file lacks keys that are */
        bool held, left;
        uint64_t written_us;
};

struct underway *underway_new(struct ledger *file) {
        struct underway *u = mem_zero(1, sizeof *u);

        u->file = file;
        u->slots = mem_zero(UNDERWAY_MOST, sizeof *u->slots);
        u->posts = mem_alloc(UNDERWAY_MOST * sizeof *u->posts);
        u->keys = mem_alloc(UNDERWAY_MOST * sizeof *u->keys);
        for (size_t i = 0; i < UNDERWAY_MOST; i++) {
                u->slots[i] = (struct post) { .owner = u, .at = i };
                u->posts[i] = &u->slots[i];
        }
        return u;
}

void underway_free(struct underway *u) {
        if (!u)
                return;
        for (size_t i = 0; i < UNDERWAY_MOST; i++)
                buffer_free(&u->slots[i].key);
        free(u->slots);
        free(u->posts);
        free(u->keys);
        free(u);
}

size_t underway_room(const struct underway *u) {
        return UNDERWAY_MOST - u->count;
}

size_t underway_count(const struct underway *u) {
        return u->count;
}

struct post *underway_add(struct underway *u, const struct key *key, unsigned records) {
        struct post *post = u->posts[u->count++];

        post->key.length = 0;
        buffer_append(&post->key, key->data, key->length);
        post->waiting = records;
        u->grown = true;
        post->begun = false;
        return post;
}

static void place(struct underway *u, struct post *post, size_t at) {
        u->posts[at] = post;
        post->at = at;
}

/* The last one that is under way takes its place. */
static void release(struct post *post) {
        struct underway *u = post->owner;
        size_t at = post->at;

        place(u, u->posts[--u->count], at);
        place(u, post, u->count);
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
        if (post->at < post->owner->count && !post->begun)
                release(post);
}

/* That keys are gone is not waited for: a power cut may bring them back, and their posts are sent once more. */
int underway_write(struct underway *u, uint64_t now_us, struct error *e) {
        for (size_t i = 0; i < u->count; i++)
                u->keys[i] = u->posts[i]->key;
        if (ledger_write(u->file, u->keys, u->count, u->grown, e) < 0)
                return -1;
        u->stale = u->grown = false;
        u->written_us = now_us;
        return 0;
}

int underway_clear(struct underway *u, uint64_t now_us, struct error *e) {
        if (!u->stale || u->held || u->left)
                return 0;
        if (u->count > 0 && now_us - u->written_us < UNDERWAY_CLEAR_MS * 1000ull)
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
        size_t named = u->count < most ? u->count : most;

        for (size_t i = 0; i < named; i++)
                buffer_printf(out, "%s%.*s", i ? ", " : "", (int) u->posts[i]->key.length, u->posts[i]->key.data);
        return named;
}
