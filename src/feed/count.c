#include "count.h"

static void *run(void *arg) {
        struct count *c = arg;
        const struct key after = { c->after.data, c->after.length }, to = { c->to.data, c->to.length };
        uint64_t rows;

        c->result = connection_try_database(&c->own, &c->error);
        if (c->result == 0)
                c->result = table_count(c->own.database, c->table, c->has_after ? &after : NULL, c->inclusive, &to, &rows,
                                        &c->error);
        if (c->result == 0)
                c->done(c->arg, rows);
        return NULL;
}

static void copy_key(const struct key *key, struct buffer *ret) {
        ret->length = 0;
        buffer_append(ret, key->data, key->length);
}

void count_init(struct count *c, struct session *s) {
        connection_init(&c->own, s, NULL);
}

void count_start(struct count *c, const struct table *table, const struct key *after, bool inclusive, const struct key *to,
                 void (*done)(void *arg, uint64_t rows), void *arg) {
        c->table = table;
        c->has_after = after != NULL;
        c->inclusive = inclusive;
        if (after)
                copy_key(after, &c->after);
        copy_key(to, &c->to);
        c->done = done;
        c->arg = arg;
        c->under_way = true;
        thread_start(&c->thread, run, c);
}

int count_end(struct count *c, struct error *e) {
        pthread_join(c->thread, NULL);
        c->under_way = false;
        if (c->result < 0)
                *e = c->error;
        return c->result;
}

void count_stop(struct count *c) {
        if (c->under_way) {
                connection_cancel(&c->own);
                count_end(c, &(struct error) {});
        }
        connection_close_database(&c->own);
        connection_uncancel(&c->own);
}

void count_free(struct count *c) {
        buffer_free(&c->after);
        buffer_free(&c->to);
}
