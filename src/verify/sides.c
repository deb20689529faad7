/* The two sides: rows as they would be sent now, records as a consumer gets them. */
#include <pthread.h>
#include <string.h>

#include "own.h"

bool bounds_hold(const struct bounds *b, const struct key *key) {
        int r;

        if (!b->from && !b->to)
                return true;
        if (!key->data || !key_fits(b->order, key))
                return false;
        r = b->from ? key_compare(b->order, key, b->from) : 1;
        return r > (b->after ? 0 : -1) && (!b->to || key_compare(b->order, key, b->to) <= 0);
}

int side_rows(struct check *c, item_fn fn, struct error *e) {
        struct database *db = c->verify->connection.database;
        _cleanup_buffer_ struct buffer value = {};
        struct table_reader *reader;
        uint64_t count = 0;
        struct row row;
        struct key key;
        enum table_next r;
        int result = 0;

        side_read(&c->rows, 0);
        if (table_read(db, c->stream.table, c->bounds.from, !c->bounds.after, c->bounds.to, 0, &reader, e) < 0)
                return -1;
        while (result == 0 && !c->failed && (r = table_next(reader, &row, &key, e)) != TABLE_END) {
                struct item item = { .key = key.data, .key_length = key.length };

                result = r == TABLE_ROW ? 0 : -1;
                if (result < 0)
                        break;
                value.length = 0;
                json_encode_row(c->stream.plan, &row, &value);
                item.value = value.data;
                item.value_length = value.length;
                sums_digest(&c->verify->secret, &c->rows.sums, key.data, key.length, value.data, value.length, &item.digest);
                result = fn(c, &item, e);
                side_read(&c->rows, ++count);
        }
        table_reader_close(reader);
        return result;
}

int side_records(struct check *c, struct unseen *unseen, item_fn fn, struct error *e) {
        struct verify *v = c->verify;
        struct producer_record record;
        enum producer_next r = PRODUCER_RECORD;
        uint64_t count = 0;
        int result = 0;

        side_read(&c->records, 0);
        if (producer_reader_begin(v->committed, c->stream.topic, c->spans, e) < 0)
                return -1;
        while (result == 0 && !c->failed && (r = producer_reader_next(v->committed, &record, e)) == PRODUCER_RECORD) {
                struct item item = {
                        .key = record.key, .key_length = record.key_length, .value = record.value,
                        .value_length = record.value_length, .partition = record.partition, .offset = record.offset,
                };

                side_read(&c->records, ++count);
                if (unseen)
                        unseen_saw(unseen, record.partition, record.offset);
                if (!bounds_hold(&c->bounds, &(struct key) { record.key, record.key_length }))
                        continue;
                if (record.key && record.value)
                        sums_digest(&v->secret, &c->records.sums, item.key, item.key_length, item.value, item.value_length,
                                    &item.digest);
                result = fn(c, &item, e);
        }
        return r == PRODUCER_NEXT_FAILED ? -1 : result;
}

struct rows_thread {
        struct check *check;
        item_fn fn;
        struct error error;
        int result;
};

static void *run_rows(void *arg) {
        struct rows_thread *t = arg;

        t->result = side_rows(t->check, t->fn, &t->error);
        if (t->result < 0)
                t->check->failed = true;
        return NULL;
}

int side_both(struct check *c, item_fn row, struct unseen *unseen, item_fn record, struct error *e) {
        struct rows_thread t = { .check = c, .fn = row };
        pthread_t thread;
        int r;

        if (pthread_create(&thread, NULL, run_rows, &t) != 0)
                abort();                /* as for memory */
        r = side_records(c, unseen, record, e);
        if (r < 0) {
                c->failed = true;
                connection_cancel(&c->verify->connection);      /* the server may be silent */
        }
        pthread_join(thread, NULL);
        if (r == 0 && t.result < 0)
                *e = t.error;
        return r < 0 ? r : t.result;
}
