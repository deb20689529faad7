/* The rows of a feed: taken from whoever reads ahead, sent, committed between two keys. */
#include <string.h>

#include "own.h"
#include "pinfeed/limits.h"

enum {
        WAIT_MS = 100,
        POLL_ROWS = 512,
};

/* ---- handing over ---- */

/* Gives the producer the rows that wait for it, and leaves none. If one is too large it is the last of them. */
static enum producer_sent hand_over(struct feed *f, struct error *e) {
        size_t at = 0, count = f->record_count, taken;
        uint64_t full_us = 0;
        enum producer_sent r;

        f->record_count = 0;
        while ((r = producer_send(f->connection.producer, f->stream.topic, f->records + at, count - at, &taken, e))
               == PRODUCER_QUEUE_FULL) {
                uint64_t began_us = clock_monotonic_us();

                at += taken;
                full_us = taken > 0 || !full_us ? began_us : full_us;
                if (producer_poll(f->connection.producer, WAIT_MS, e) < 0)
                        return PRODUCER_NOT_SENT;
                f->now_us = clock_monotonic_us();
                f->batch.blocked_us += f->now_us - began_us;
                if (f->now_us - full_us > LIMIT_NO_ROOM_MS * 1000 || worker_left_ms(f->connection.worker) == 0) {
                        error_set(e, ERROR_UNREACHABLE, "Kafka has taken no records for %u s: %s",
                                  (unsigned) ((f->now_us - full_us) / 1000000),
                                  producer_last_reason(f->connection.producer));
                        return PRODUCER_NOT_SENT;
                }
        }
        return r;
}

/* Whether the row may wait for those behind it. */
static bool goes_with_others(const struct feed *f, const struct ahead_row *row) {
        return f->run->rate == 0 && f->record_count < PRODUCER_AT_ONCE
               && producer_fits(f->connection.producer, row->key_length, row->value_length);
}

/* ---- committing ---- */

static int begin(struct feed *f, struct error *e) {
        if (f->place.exactly_once && producer_begin(f->connection.producer, e) < 0)
                return -1;
        f->batch.open = true;
        f->batch.opened_us = f->now_us = clock_monotonic_us();
        return 0;
}

static void note_commit(struct feed *f) {
        const struct cursor_run *at = f->place.at;

        if (f->batch.rows > 0) {
                f->result.last.length = 0;
                cursor_print_key(&(struct key) { at->last.data, at->last.length }, &f->result.last);
                f->result.has_last = true;
                f->progress.transactions++;
        }
        f->progress.committed += f->batch.rows;
        f->progress.bytes += f->batch.bytes;
        f->progress.late += f->keep.late;
        f->keep.late = 0;
        batch_clear(&f->batch);
}

enum place_commit feed_commit(struct feed *f, bool done, struct error *e) {
        enum place_commit r;

        if ((!f->batch.open && begin(f, e) < 0) || hand_over(f, e) != PRODUCER_SENT)
                return PLACE_FAILED;
        if (f->run->follows)
                keep_write(&f->keep, f->place.at);
        r = place_commit(&f->place, &f->batch, done, e);
        if (r != PLACE_FAILED)
                note_commit(f);
        return r;
}

enum step feed_commit_step(struct feed *f, bool done, struct error *e) {
        switch (feed_commit(f, done, e)) {
        case PLACE_COMMITTED:
                return STEP_ON;
        case PLACE_SPENT:
                return STEP_RENEW;
        case PLACE_FAILED:
                break;
        }
        return STEP_FAILED;
}

static enum step commit_if_due(struct feed *f, struct error *e) {
        enum step r;

        if (!batch_is_due(&f->batch, &f->limits, f->now_us))
                return STEP_ON;
        r = feed_commit_step(f, false, e);
        f->now_us = clock_monotonic_us();
        return r;
}

/* ---- sending ---- */

/* From time to time. The server reads every row to count them: it is asked if somebody watches, and beside the rows. */
static int look_round(struct feed *f, int timeout_ms, struct error *e) {
        if (f->run->watched && !f->run->follows && feed_begin_count(f, e) < 0)
                return -1;
        return producer_poll(f->connection.producer, timeout_ms, e);
}

/* Waits for the limiter; commits meanwhile when it is time to. */
static enum step wait_turn(struct feed *f, struct error *e) {
        double rate = f->run->rate;
        uint64_t turn_us = limiter_turn_us(&f->run->next_row_ns, rate, clock_monotonic_us());

        while ((f->now_us = clock_monotonic_us()) < turn_us && !worker_stopping(f->connection.worker)
               && f->run->rate == rate) {
                enum step r = commit_if_due(f, e);

                if (r != STEP_ON)
                        return r;
                if (look_round(f, clock_left_ms(turn_us, WAIT_MS), e) < 0)
                        return STEP_FAILED;
        }
        return STEP_ON;
}

static int refuse_long_key(struct feed *f, struct error *e) {
        _cleanup_buffer_ struct buffer key = {};

        cursor_print_key(&(struct key) { f->batch.last.data, f->batch.last.length }, &key);
        error_set(e, ERROR_REFUSED, "stream %s: there are too many rows with the key %s for one transaction",
                  f->stream.config->name, buffer_string(&key));
        return error_hint(e, "Rows of equal key are committed together. Set the stream's key to a column that tells rows "
                          "apart better, or raise [replay] rate if it is set, or [kafka] transaction.timeout.ms.");
}

static int refuse_large_row(struct feed *f, const struct ahead_row *row, struct error *e) {
        _cleanup_buffer_ struct buffer key = {};

        cursor_print_key(&(struct key) { row->key, row->key_length }, &key);
        error_set(e, ERROR_REFUSED, "stream %s: the record of the row with key %s has %zu bytes, more than [kafka] "
                  "message.max.bytes allows", f->stream.config->name, buffer_string(&key), row->value_length);
        return error_hint(e, "Raise message.max.bytes (and the topic's max.message.bytes), or leave columns out with "
                          "`columns`.");
}

enum step feed_save_sent(struct feed *f) {
        struct error ignored;

        if (f->batch.rows > 0 && !f->batch.inside)
                feed_commit(f, false, &ignored);
        return STEP_FAILED;
}

enum step feed_send_row(struct feed *f, const struct ahead_row *row, struct error *e) {
        if (!f->batch.open && begin(f, e) < 0)
                return STEP_FAILED;
        if (batch_is_too_long(&f->batch, &f->limits, f->now_us))
                return refuse_long_key(f, e), STEP_FAILED;
        f->records[f->record_count++] = (struct producer_new_record) {
                .key = row->key, .key_length = row->key_length, .value = row->value, .value_length = row->value_length,
        };
        switch (goes_with_others(f, row) ? PRODUCER_SENT : hand_over(f, e)) {
        case PRODUCER_SENT:
                break;
        case PRODUCER_TOO_LARGE:
                refuse_large_row(f, row, e);
                return feed_save_sent(f);
        case PRODUCER_QUEUE_FULL:
        case PRODUCER_NOT_SENT:
                return STEP_FAILED;
        }
        batch_add(&f->batch, row->key, row->key_length, row->value_length, row->begins, row->ends, f->now_us);
        if (!f->result.has_first) {
                cursor_print_key(&(struct key) { row->key, row->key_length }, &f->result.first);
                f->result.has_first = true;
        }
        f->progress.sent++;
        return STEP_ON;
}

/* Takes a row on its way. */
static enum step take_row(struct feed *f, const struct ahead_row *row, struct error *e) {
        enum step r;

        f->batch.inside = f->batch.inside && !row->begins;
        r = commit_if_due(f, e);
        if (r == STEP_ON && f->run->rate > 0)
                r = wait_turn(f, e);
        if (r == STEP_ON && !f->batch.inside && worker_stopping(f->connection.worker))
                return STEP_STOPPED;
        if (r != STEP_ON)
                return r;
        return f->run->follows ? keep_row(f, row, e) : feed_send_row(f, row, e);
}

/* No row is there: time to commit, or to stop. */
static enum step idle(struct feed *f, struct error *e) {
        if (worker_stopping(f->connection.worker) && !f->batch.inside)
                return STEP_STOPPED;
        if (worker_left_ms(f->connection.worker) == 0)
                return error_stopped(e), STEP_FAILED;   /* in the middle of a key: not committed, and sent again later */
        if (look_round(f, 0, e) < 0)
                return STEP_FAILED;
        f->now_us = clock_monotonic_us();
        return commit_if_due(f, e);
}

/* Until the reader's end, which is STEP_ON. */
static enum step send_rows(struct feed *f, struct ahead *a, struct error *e) {
        struct ahead_row row;
        enum step r = STEP_ON;

        for (uint64_t n = 0; r == STEP_ON; n++) {
                if (n % POLL_ROWS == 0 && look_round(f, 0, e) < 0)
                        return STEP_FAILED;
                switch (ahead_next(a, WAIT_MS, &row, e)) {
                case AHEAD_ROW:
                        if (row.fresh)
                                f->now_us = clock_monotonic_us();
                        r = take_row(f, &row, e);
                        if (r == STEP_ON && row.last && hand_over(f, e) != PRODUCER_SENT)
                                r = STEP_FAILED;
                        break;
                case AHEAD_NONE:
                        r = idle(f, e);
                        break;
                case AHEAD_END:
                        f->batch.inside = false;
                        return STEP_ON;
                case AHEAD_FAILED:
                        return feed_save_sent(f);
                }
        }
        return r;
}

/* ---- one pass over the table ---- */

/* A reader that waits for the server is told to stop; so is its connection then, for good. */
static void end_reader(struct feed *f, struct ahead *a) {
        bool done = ahead_is_done(a);

        if (!done)
                connection_cancel(&f->connection);
        if (ahead_stop(a) && done)
                return;
        connection_close_database(&f->connection);
        connection_uncancel(&f->connection);
}

enum step feed_pass(struct feed *f, struct ahead_source *source, struct error *e) {
        struct ahead ahead;
        enum step r;

        source->database = f->connection.database;
        source->table = f->stream.table;
        source->plan = f->stream.plan;
        ahead_start(&ahead, source);
        f->progress.flowing = true;
        r = send_rows(f, &ahead, e);
        if (r == STEP_STOPPED && hand_over(f, e) != PRODUCER_SENT)
                r = STEP_FAILED;
        f->record_count = 0;            /* what is left points to what the reader frees */
        f->progress.flowing = false;
        end_reader(f, &ahead);
        return r == STEP_ON && worker_stopping(f->connection.worker) ? STEP_STOPPED : r;
}

static enum step pass(struct feed *f, struct error *e) {
        struct feed_range range;

        feed_range(f, &range);
        return feed_pass(f, &(struct ahead_source) {
                .after = range.lower, .to = &range.to, .from_inclusive = range.inclusive,
        }, e);
}

/* The server said that there are no more rows. It is asked once more, in other words: rows came in, or it sent less than
 * it has. `ret_left`: so many rows that were not sent. */
static int count_left(struct feed *f, uint64_t *ret_left, struct error *e) {
        bool unique = table_facts(f->stream.table)->key_unique;
        const struct batch *b = &f->batch;
        struct feed_range range;
        uint64_t count;

        feed_range(f, &range);
        if (b->rows > 0) {
                range.bound = (struct key) { b->last.data, b->last.length };
                range.lower = &range.bound;
                range.inclusive = !unique;
        }
        if (table_count(f->connection.database, f->stream.table, range.lower, range.inclusive, &range.to, &count, e) < 0)
                return -1;
        if (b->rows > 0 && !unique)     /* those of the last key are among them */
                count = count > b->last_rows ? count - b->last_rows : 0;
        *ret_left = count;
        if (count == 0 || unique)
                return 0;
        return error_set(e, ERROR_FAILED, "stream %s: MySQL counts %llu rows more than it sent", f->stream.config->name,
                         (unsigned long long) count);
}

enum feed_end feed_end_early(struct feed *f, enum step step, struct error *e) {
        switch (step) {
        case STEP_ON:
        case STEP_STOPPED:
                return f->batch.open && feed_commit(f, false, e) == PLACE_FAILED ? FEED_FAILED : FEED_STOPPED;
        case STEP_RENEW:
                return FEED_RENEW;
        case STEP_FAILED:
                break;
        }
        return FEED_FAILED;
}

enum feed_end feed_rows(struct feed *f, struct error *e) {
        uint64_t sent, left;
        enum step r;

        if (!f->place.at->has_to)       /* an empty table */
                return feed_commit(f, true, e) == PLACE_FAILED ? FEED_FAILED : FEED_COMPLETE;
        do {
                left = 0;
                sent = f->progress.sent;
                r = pass(f, e);
                if (r == STEP_ON && count_left(f, &left, e) < 0) {      /* what was sent is whole all the same */
                        bool stopped = e->class == ERROR_STOPPED && table_facts(f->stream.table)->key_unique;

                        r = stopped ? STEP_STOPPED : feed_save_sent(f);
                }
                if (r == STEP_ON && left > 0 && f->batch.open)
                        r = feed_commit_step(f, false, e);
        } while (r == STEP_ON && left > 0 && f->progress.sent > sent);
        if (r != STEP_ON)
                return feed_end_early(f, r, e);
        if (left == 0)
                return feed_commit(f, true, e) == PLACE_FAILED ? FEED_FAILED : FEED_COMPLETE;
        error_set(e, ERROR_FAILED, "stream %s: MySQL counts %llu rows that it does not send", f->stream.config->name,
                  (unsigned long long) left);
        return FEED_FAILED;
}
