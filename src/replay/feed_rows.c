/* The rows of a feed: read in key order, encoded, sent, committed between two keys. */
#include <string.h>

#include "feed.h"
#include "pinfeed/limits.h"

enum {
        COMMIT_US = 5000000,            /* a transaction is not open longer, if rows come */
        COMMIT_BYTES = 64 << 20,
        POLL_ROWS = 512,
};

/* ---- the limiter ---- */

/* Reserves the moment of the next row. */
static uint64_t limiter_next_us(struct feed_run *run) {
        enum { UNUSED_NS = 100000000 };
        uint64_t step_ns = (uint64_t) (1e9 / run->rate), now_ns = clock_monotonic_us() * 1000, next, base;

        next = atomic_load_explicit(&run->next_row_ns, memory_order_relaxed);
        do      /* What was not used is gone, but for a tenth of a second: no burst after a pause. */
                base = next + UNUSED_NS < now_ns ? now_ns - UNUSED_NS : next;
        while (!atomic_compare_exchange_weak(&run->next_row_ns, &next, base + step_ns));
        return base / 1000;
}

/* ---- rows ---- */

int feed_begin(struct feed *f, uint64_t now_us, struct error *e) {
        int r = f->run->exactly_once ? producer_begin(f->connection.producer, e) : 0;

        f->open = r == 0;
        f->opened_us = now_us;
        return r;
}

/* Also without rows: the cursor alone is a transaction, too. */
static int commit(struct feed *f, bool done, struct error *e) {
        int r = 0;

        if (!f->open)
                r = feed_begin(f, clock_monotonic_us(), e);
        if (r == 0)
                r = feed_commit(f, done, e);
        return r;
}

/* How long a transaction may be open before brokers end it; they don't mind without one. */
static uint64_t most_open_us(const struct feed *f) {
        return f->run->exactly_once ? producer_transaction_timeout_ms(f->connection.producer) * 1000ull : UINT64_MAX / 2;
}

static bool commit_is_due(const struct feed *f, uint64_t now_us) {
        uint64_t most_us = most_open_us(f) / 4;

        return f->open && (f->open_rows >= f->run->commit_rows || f->open_bytes >= COMMIT_BYTES
                           || now_us - f->opened_us >= (most_us < COMMIT_US ? most_us : COMMIT_US));
}

/* Waits for the limiter; commits meanwhile when it is time to. */
static int wait_turn(struct feed *f, bool boundary, struct error *e) {
        uint64_t turn_us = limiter_next_us(f->run), now_us;

        while ((now_us = clock_monotonic_us()) < turn_us && !worker_stopping(f->connection.worker)) {
                uint64_t left_ms = (turn_us - now_us + 999) / 1000;

                if (boundary && commit_is_due(f, now_us)) {
                        int r = commit(f, false, e);

                        if (r != 0)
                                return r;
                }
                if (producer_poll(f->connection.producer, left_ms < 100 ? (int) left_ms : 100, e) < 0)
                        return -1;
        }
        return 0;
}

static int refuse_long_run(struct feed *f, struct error *e) {
        struct buffer key = {};

        cursor_print_key(&(struct key) { f->last.data, f->last.length }, &key);
        error_set(e, ERROR_REFUSED, "stream %s: there are too many rows with the key %s for one transaction",
                  f->stream.config->name, buffer_string(&key));
        buffer_free(&key);
        return error_hint(e, "Rows of equal key are committed together. Set the stream's key to a column that tells rows "
                          "apart better, or raise [replay] rate if it is set, or [kafka] transaction.timeout.ms.");
}

/* 0; 1: abort; 2: too large, worded; -1. */
static int send_row(struct feed *f, const struct key *key, struct error *e) {
        uint64_t began_us = 0, waited_us = 0;
        int r;

        while ((r = producer_send(f->connection.producer, f->stream.topic, key->data, key->length, f->json.data,
                                  f->json.length, NULL, e)) == 1) {
                began_us = began_us ? began_us : clock_monotonic_us();
                if (producer_poll(f->connection.producer, 100, e) < 0)
                        return -1;
                waited_us = clock_monotonic_us() - began_us;
                if (waited_us > LIMIT_NO_ROOM_MS * 1000 || worker_left_ms(f->connection.worker) == 0)
                        return error_set(e, ERROR_UNREACHABLE, "Kafka has taken no records for %u s: %s",
                                         (unsigned) (waited_us / 1000000), producer_last_reason(f->connection.producer));
        }
        if (waited_us > 0) {
                f->blocked_us += waited_us;
        }
        if (r == 2) {
                struct buffer text = {};

                cursor_print_key(key, &text);
                error_set(e, ERROR_REFUSED, "stream %s: the record of the row with key %s has %zu bytes, more than [kafka] "
                          "message.max.bytes allows", f->stream.config->name, buffer_string(&text), f->json.length);
                buffer_free(&text);
                error_hint(e, "Raise message.max.bytes (and the topic's max.message.bytes), or leave columns out with "
                           "`columns`.");
        }
        return r;
}

static void note_key(struct feed *f, const struct key *key, bool same, uint64_t now_us) {
        if (same)
                return;
        f->last.length = 0;
        buffer_append(&f->last, key->data, key->length);
        f->has_last = true;
        f->run_began_us = now_us;
        f->blocked_us = 0;
        if (!f->has_first) {
                cursor_print_key(key, &f->first);
                f->has_first = true;
        }
}

/* Between two keys: a good moment to end, or to commit. 0; 1; 2; -1 as take_row. */
static int at_boundary(struct feed *f, uint64_t now_us, struct error *e) {
        if (worker_stopping(f->connection.worker))
                return 2;
        return commit_is_due(f, now_us) ? commit(f, false, e) : 0;
}

/* A row that can't be sent; what was sent before it is whole if its key is a new one. */
static int refuse_row(struct feed *f, bool same) {
        struct error ignored;

        if (!same && f->open_rows > 0)
                commit(f, false, &ignored);
        return -1;
}

/* Takes a row on its way. 0; 1: the transaction is to be aborted; 2: stop here, everything before is whole; -1. */
static int take_row(struct feed *f, const struct row *row, const struct key *key, struct error *e) {
        uint64_t now_us = clock_monotonic_us();
        bool same = f->open && f->has_last && key->length == f->last.length
                    && memcmp(key->data, f->last.data, key->length) == 0;
        int r = 0;

        f->row_us = now_us;
        if (!same)
                r = at_boundary(f, now_us, e);
        if (r == 0 && f->run->rate > 0) {
                r = wait_turn(f, !same, e);
                if (r == 0 && !same && worker_stopping(f->connection.worker))
                        r = 2;
        }
        if (r == 0 && !f->open)
                r = feed_begin(f, now_us, e);
        if (r == 0 && same && now_us - f->run_began_us > most_open_us(f) / 4 * 3 + f->blocked_us)
                return refuse_long_run(f, e);
        if (r != 0)
                return r;
        f->json.length = 0;
        json_encode_row(f->stream.plan, row, &f->json);
        r = send_row(f, key, e);
        if (r != 0)
                return r == 2 ? refuse_row(f, same) : r;
        note_key(f, key, same, now_us);
        f->open_rows++;
        f->open_bytes += f->json.length;
        f->progress.sent++;
        /* After this row the last transaction waited until it timed out; don't wait again. */
        if (f->open_rows == f->lost_rows && table_facts(f->stream.table)->key_unique)
                return commit(f, false, e);
        return 0;
}

/* The reader broke while rows came. If no row of the last key can be missing, what was sent is whole. Always -1. */
static int save_sent(struct feed *f) {
        struct error ignored;

        if (f->open_rows > 0 && table_facts(f->stream.table)->key_unique)
                commit(f, false, &ignored);
        return -1;
}

static int read_rows(struct feed *f, struct table_reader *reader, struct error *e) {
        struct row row;
        struct key key;
        int r;

        for (uint64_t rows = 1;; rows++) {
                r = table_next(reader, &row, &key, e);
                if (r != 0)
                        return r < 0 ? save_sent(f) : 0;
                if (rows % POLL_ROWS == 0 || rows == 1) {
                        if (producer_poll(f->connection.producer, 0, e) < 0)
                                return -1;
                }
                r = take_row(f, &row, &key, e);
                if (r != 0)
                        return r;
        }
}

int feed_rows(struct feed *f, struct error *e) {
        struct feed_range range;
        struct table_reader *reader;
        int r;

        if (!f->at->has_to)
                return commit(f, true, e);              /* an empty table */
        feed_range(f, &range);
        f->has_last = false;
        r = table_read(f->connection.database, f->stream.table, range.lower, range.inclusive, &range.to, 0, &reader, e);
        if (r < 0)
                return -1;
        r = read_rows(f, reader, e);
        f->row_us = 0;
        if (!table_reader_close(reader))
                connection_close_database(&f->connection);
        if (r == 2)
                return f->open && commit(f, false, e) != 0 ? -1 : 2;
        return r == 0 ? commit(f, true, e) : r;
}
