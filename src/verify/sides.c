/* The two sides: rows as they would be sent now, records as a consumer gets them. */
#include <pthread.h>

#include "own.h"

/* Of one writer. */
static inline void say(_Atomic uint64_t *shown, uint64_t count) {
        atomic_store_explicit(shown, count, memory_order_relaxed);
}

int side_rows(void *arg, struct error *e) {
        struct check *c = arg;
        _cleanup_buffer_ struct buffer value = {};
        struct table_reader *reader;
        enum table_next r = TABLE_ROW;
        uint64_t count = 0;
        struct row row;
        struct key key;

        say(&c->rows_read, 0);
        if (table_read(c->verify->connection.database, c->stream.table, c->bounds.from, !c->bounds.after, c->bounds.to, 0,
                       &reader, e) < 0)
                return -1;
        while (!c->failed && (r = table_next(reader, &row, &key, e)) == TABLE_ROW) {
                value.length = 0;
                json_encode_row(c->stream.plan, &row, &value);
                if (compare_row(c->compare, key.data, key.length, value.data, value.length, e) < 0) {
                        r = TABLE_FAILED;
                        break;
                }
                say(&c->rows_read, ++count);
        }
        table_reader_close(reader);
        return r == TABLE_FAILED ? -1 : 0;
}

bool record_has_key(const struct check *c, const struct producer_record *record) {
        const struct key key = { record->key, record->key_length };

        return record->key && record->value && key_fits(c->bounds.order, &key);
}

/* What can't be a row's lies outside of a user's bounds, and is foreign wherever it lies else. */
static bool is_compared(const struct check *c, const struct producer_record *record) {
        const struct options *o = c->verify->options;

        return key_within(&c->bounds, &(struct key) { record->key, record->key_length })
               || (!o->from && !o->to && !record_has_key(c, record));
}

/* A restart steps back once. */
static void watch_order(struct check *c, const struct producer_record *record) {
        struct buffer *previous = &c->previous[record->partition];
        struct key key = { record->key, record->key_length };

        if (!record_has_key(c, record))
                return;
        if (previous->length > 0
            && key_compare(c->bounds.order, &key, &(struct key) { previous->data, previous->length }) < 0)
                c->out_of_order++;
        previous->length = 0;
        buffer_append(previous, key.data, key.length);
}

int side_records(void *arg, struct error *e) {
        struct check *c = arg;
        struct producer_reader *reader = c->verify->reader;
        bool watches = c->kind == VERIFY_REPLAYED && c->round == 0;
        enum producer_next r = PRODUCER_RECORD;
        struct producer_record record;
        uint64_t count = 0;

        say(&c->offsets_read, 0);
        if (producer_reader_begin(reader, c->stream.topic, c->spans, e) < 0)
                return -1;
        while (!c->failed && (r = producer_reader_next(reader, &record, e)) == PRODUCER_RECORD) {
                say(&c->offsets_read, ++count);
                if (!is_compared(c, &record))
                        continue;
                if (watches)
                        watch_order(c, &record);
                compare_record(c->compare, record.key, record.key_length, record.value, record.value_length);
        }
        return r == PRODUCER_NEXT_FAILED ? -1 : 0;
}

/* ---- both ---- */

struct rows_thread {
        struct check *check;
        struct error error;
        int result;
};

static void *run_rows(void *arg) {
        struct rows_thread *t = arg;

        t->result = side_rows(t->check, &t->error);
        if (t->result < 0)
                t->check->failed = true;
        return NULL;
}

int side_both(void *arg, struct error *e) {
        struct check *c = arg;
        struct rows_thread t = { .check = c };
        pthread_t thread;
        int r;

        thread_start(&thread, run_rows, &t);
        r = side_records(c, e);
        if (r < 0) {
                c->failed = true;
                connection_cancel(&c->verify->connection);      /* the server may be silent */
        }
        pthread_join(thread, NULL);
        if (r == 0 && t.result < 0)
                *e = t.error;
        return r < 0 ? r : t.result;
}
