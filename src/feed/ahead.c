#include "ahead.h"

#include <string.h>

enum {
        CHUNK_BYTES = 256 << 10,
        WORTH_BYTES = 64 << 10,         /* as much is taken at once, unless no more comes for a while: */
        WHILE_MS = 5,
};

/* ---- the reader's thread ---- */

/* A key with more rows than a chunk holds is handed out in parts. */
static void make_room(struct ahead *a) {
        struct ahead_chunk *c = &a->filling;

        while (c->bytes.length >= CHUNK_BYTES && !a->quit) {
                if (a->whole == 0) {
                        c->marks[c->count - 1].ends = false;
                        a->whole = c->count;
                }
                pthread_cond_signal(&a->changed);
                pthread_cond_wait(&a->changed, &a->lock);
        }
}

static void put(struct ahead *a, const struct row *row, const struct key *key, bool begins) {
        struct ahead_chunk *c = &a->filling;
        struct ahead_mark *mark;

        make_room(a);
        if (c->count == c->capacity) {
                c->capacity = c->capacity ? 2 * c->capacity : 256;
                c->marks = mem_resize(c->marks, c->capacity * sizeof *c->marks);
        }
        if (begins)
                a->whole = c->count;
        else if (c->count > 0)
                c->marks[c->count - 1].ends = false;
        mark = &c->marks[c->count++];
        *mark = (struct ahead_mark) { .at = c->bytes.length, .key_length = key->length, .begins = begins, .ends = true };
        buffer_append(&c->bytes, key->data, key->length);
        json_encode_row(a->source.plan, row, &c->bytes);
        mark->value_length = c->bytes.length - mark->at - mark->key_length;
        if (table_facts(a->source.table)->key_unique)
                a->whole = c->count;
}

static enum table_next read_rows(struct ahead *a, struct table_reader *reader, struct error *e) {
        bool first = true;
        struct row row;
        struct key key;
        enum table_next r;

        while ((r = table_next(reader, &row, &key, e)) == TABLE_ROW) {
                bool begins = first || !key_equal(&key, &(struct key) { a->key.data, a->key.length }), quit;

                if (begins) {
                        a->key.length = 0;
                        buffer_append(&a->key, key.data, key.length);
                        first = false;
                }
                pthread_mutex_lock(&a->lock);
                put(a, &row, &key, begins);
                if (a->whole > 0 && (a->takes_any || a->filling.bytes.length >= WORTH_BYTES))
                        pthread_cond_signal(&a->changed);
                quit = a->quit;
                pthread_mutex_unlock(&a->lock);
                if (quit)
                        return TABLE_ROW;
        }
        return r;
}

static int start_reader(const struct ahead_source *s, struct table_reader **ret, struct error *e) {
        if (s->ranges)
                return table_read_ranges(s->database, s->table, s->ranges, s->range_count, s->limit, ret, e);
        return table_read(s->database, s->table, s->after, s->from_inclusive, s->to, 0, ret, e);
}

static void *run(void *arg) {
        struct ahead *a = arg;
        struct table_reader *reader = NULL;
        struct error e = {};
        enum table_next r = TABLE_FAILED;

        if (start_reader(&a->source, &reader, &e) == 0)
                r = read_rows(a, reader, &e);
        pthread_mutex_lock(&a->lock);
        a->good = table_reader_close(reader) && r != TABLE_FAILED;
        a->result = r;
        a->error = e;
        a->done = true;
        /* At the end every key is whole; after a failure only one that can't have more rows. */
        if (r == TABLE_END)
                a->whole = a->filling.count;
        pthread_cond_signal(&a->changed);
        pthread_mutex_unlock(&a->lock);
        return NULL;
}

/* ---- the taker's ---- */

void ahead_start(struct ahead *a, const struct ahead_source *source) {
        pthread_condattr_t monotonic;

        *a = (struct ahead) { .source = *source };
        pthread_mutex_init(&a->lock, NULL);
        pthread_condattr_init(&monotonic);
        pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        pthread_cond_init(&a->changed, &monotonic);
        pthread_condattr_destroy(&monotonic);
        thread_start(&a->thread, run, a);
}

/* The rows that may go become `taken`; the others, of one key, stay. */
static void exchange(struct ahead *a) {
        struct ahead_chunk full = a->filling, *empty = &a->taken;
        size_t cut = a->whole < full.count ? full.marks[a->whole].at : full.bytes.length;

        empty->bytes.length = empty->count = 0;
        buffer_append(&empty->bytes, full.bytes.data + cut, full.bytes.length - cut);
        if (empty->capacity < full.count - a->whole) {
                empty->capacity = full.capacity;
                empty->marks = mem_resize(empty->marks, empty->capacity * sizeof *empty->marks);
        }
        for (size_t i = a->whole; i < full.count; i++) {
                empty->marks[empty->count] = full.marks[i];
                empty->marks[empty->count++].at -= cut;
        }
        full.count = a->whole;
        a->filling = *empty;
        a->taken = full;
        a->next = a->whole = 0;
}

static bool wait_until(struct ahead *a, uint64_t until_us) {
        struct timespec until = clock_timespec(until_us);

        return pthread_cond_timedwait(&a->changed, &a->lock, &until) == 0;
}

static enum ahead_result take(struct ahead *a, unsigned wait_ms, struct error *e) {
        uint64_t now_us = clock_monotonic_us(), while_us = now_us + WHILE_MS * 1000, until_us = now_us + wait_ms * 1000ull;
        enum ahead_result r = AHEAD_NONE;

        pthread_mutex_lock(&a->lock);
        while (!a->done && (a->whole == 0 || a->filling.bytes.length < WORTH_BYTES)
               && wait_until(a, while_us < until_us ? while_us : until_us))
                ;
        a->takes_any = true;
        while (!a->done && a->whole == 0 && wait_until(a, until_us))
                ;
        a->takes_any = false;
        if (a->whole > 0) {
                exchange(a);
                pthread_cond_signal(&a->changed);
                r = AHEAD_ROW;
        } else if (a->done) {
                r = a->result == TABLE_FAILED ? AHEAD_FAILED : AHEAD_END;
                *e = a->error;
        }
        pthread_mutex_unlock(&a->lock);
        return r;
}

enum ahead_result ahead_next(struct ahead *a, unsigned wait_ms, struct ahead_row *ret, struct error *e) {
        const struct ahead_mark *mark;

        if (a->next == a->taken.count) {
                enum ahead_result r = take(a, wait_ms, e);

                if (r != AHEAD_ROW)
                        return r;
        }
        mark = &a->taken.marks[a->next++];
        *ret = (struct ahead_row) {
                .key = a->taken.bytes.data + mark->at, .key_length = mark->key_length,
                .value = a->taken.bytes.data + mark->at + mark->key_length, .value_length = mark->value_length,
                .begins = mark->begins, .ends = mark->ends,
                .fresh = a->next == 1, .last = a->next == a->taken.count,
        };
        return AHEAD_ROW;
}

bool ahead_is_done(struct ahead *a) {
        bool done;

        pthread_mutex_lock(&a->lock);
        done = a->done;
        pthread_mutex_unlock(&a->lock);
        return done;
}

bool ahead_stop(struct ahead *a) {
        pthread_mutex_lock(&a->lock);
        a->quit = true;
        pthread_cond_signal(&a->changed);
        pthread_mutex_unlock(&a->lock);
        pthread_join(a->thread, NULL);
        pthread_cond_destroy(&a->changed);
        pthread_mutex_destroy(&a->lock);
        buffer_free(&a->filling.bytes);
        buffer_free(&a->taken.bytes);
        buffer_free(&a->key);
        free(a->filling.marks);
        free(a->taken.marks);
        return a->good;
}
