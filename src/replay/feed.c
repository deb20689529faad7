#include "feed.h"
#include "pinfeed/limits.h"

#include <stdio.h>
#include <string.h>

enum {
        ABORT_TIMEOUT_MS = 10000,
        MOST_RECOVERIES = 5,
        FLOWING_US = 1000000,
        LOOK_MS = 10000,
};

void feed_init(struct feed *f, struct feed_run *run, const struct config_stream *stream) {
        const struct config *config = run->session.config;

        *f = (struct feed) { .run = run };
        f->stream.config = stream;
        f->progress.total = UINT64_MAX;
        f->transactional_id = mem_format("%s.%s.%s", run->group, config->user_id, stream->name);
        f->state_path = mem_format("%s/replay-%s.cursor", config->state_dir, f->transactional_id);
        for (char *c = f->state_path + strlen(config->state_dir) + 1; *c; c++)
                if (*c == '/')
                        *c = '_';       /* a group may have any name */
        connection_init(&f->connection, &run->session, NULL);
}

void feed_done(struct feed *f) {
        stream_done(&f->stream);
        cursor_free(&f->cursor);
        cursor_free(&f->copy);
        buffer_free(&f->first);
        buffer_free(&f->resumed_from);
        buffer_free(&f->last);
        buffer_free(&f->json);
        free(f->transactional_id);
        free(f->state_path);
}

void feed_wake(struct feed *f) {
        uint64_t row_us = f->row_us;            /* before the clock is read, or it may lie ahead of it */

        if (clock_monotonic_us() - row_us > FLOWING_US)
                connection_cancel(&f->connection);
}

static void on_report(void *arg, void *tag, const char *reason) {
        struct feed *f = arg;

        (void) tag;
        if (reason)
                f->undelivered = true;
}

/* ---- an attempt ---- */

static int open_database(struct feed *f, struct error *e) {
        int r;

        if (f->connection.database)
                return 0;
        r = connection_open_database(&f->connection, e);
        if (r == 0)
                r = stream_describe(&f->stream, &f->connection, e);
        return r == 0 && !f->claimed ? feed_check_keys(f, e) : r;
}

static int open_producer(struct feed *f, struct error *e) {
        int r;

        f->open = false;
        f->open_rows = f->open_bytes = 0;
        f->undelivered = false;
        if (connection_close_producer(&f->connection, e) < 0)
                return -1;
        r = connection_open_producer(&f->connection, f->run->exactly_once ? f->transactional_id : NULL, on_report, f, e);
        if (r == 0)
                r = stream_open_topic(&f->stream, &f->connection, e);
        if (r == 0 && !f->claimed)
                r = connection_may_write(&f->connection, e);
        return r == 0 ? feed_check_group(f, e) : r;
}

/* Fences whoever was there; but not one who came after us. */
static int take_over(struct feed *f, struct error *e) {
        if (!f->run->exactly_once)
                return 0;
        if (f->claimed && feed_taken_over(f, 0, e))
                return -1;
        return producer_init_transactions(f->connection.producer, LIMIT_INIT_MS, e);
}

/* Proves every right before the first record, and tells whom we fenced who we are. */
static int claim(struct feed *f, struct error *e) {
        int r = feed_begin(f, clock_monotonic_us(), e);

        if (r == 0)
                r = feed_commit(f, f->at->done, e);
        f->claimed = f->claimed || r == 0;
        return r;
}

static void ready(struct feed *f) {
        if (!f->ready && atomic_fetch_sub(&f->run->unready, 1) == 1)
                service_ready(f->run->session.service);
        f->ready = true;
}

/* Start, resume and recovery. 0: done; 1: aborted, or stopping; 2: stopped between two commits; -1. */
static int attempt(struct feed *f, struct error *e) {
        int r = open_database(f, e);

        if (r == 0)
                r = open_producer(f, e);
        if (r == 0)
                r = take_over(f, e);
        if (r == 0)
                r = feed_read_cursor(f, e);
        if (r == 0)
                r = feed_settle_cursor(f, e);
        if (r == 0)
                r = claim(f, e);
        if (r == 0) {
                ready(f);               /* every right is proven; counting may take long */
                r = feed_settle_bound(f, e);
        }
        if (r == 0)
                r = feed_count(f, e);
        if (r == 0)
                r = feed_announce(f, e);
        if (r != 0)
                return r;
        r = feed_rows(f, e);
        f->complete = r == 0;
        if (r == 0 && feed_count_missed(f, e) < 0)
                service_log_error(f->run->session.service, SERVICE_WARNING, MESSAGE_NOTE, e);
        return r;
}

/* ---- attempts ---- */

/* What goes wrong one time after the other, without a commit between. */
struct failures {
        unsigned count;
        uint64_t committed;
        struct error first;
};

/* Counts a failure; -1: these were enough, and the first cause stands. */
static int count_failure(struct feed *f, struct failures *failures, struct error *e) {
        if (failures->count == 0 || failures->committed != f->progress.committed)
                *failures = (struct failures) { .committed = f->progress.committed, .first = *e };
        if (++failures->count <= MOST_RECOVERIES)
                return 0;
        *e = failures->first;
        if (e->class == ERROR_TAKEN_OVER)
                e->class = ERROR_FAILED;        /* nobody was there, see recover */
        return error_prefix(e, "stream %s: gave up after %d recoveries without progress; the first cause: ",
                            f->stream.config->name, MOST_RECOVERIES);
}

/* So that nobody waits for the transaction to time out. */
static void abort_open(struct feed *f, struct error *e) {
        struct error aborting = {};

        if (!f->open || !f->run->exactly_once || !f->connection.producer || e->class == ERROR_TAKEN_OVER)
                return;
        if (producer_abort(f->connection.producer, ABORT_TIMEOUT_MS, &aborting) < 0 && aborting.class == ERROR_TAKEN_OVER)
                *e = aborting;
        f->open = false;
}

/* After a failed attempt. 0: try again; -1: the error stands. */
static int recover(struct feed *f, struct failures *failures, struct error *e) {
        f->lost_rows = 0;
        if (e->class == ERROR_TAKEN_OVER) {
                if (!f->connection.producer || feed_taken_over(f, LOOK_MS, e))
                        return -1;
                f->lost_rows = f->open_rows;
        }
        if (service_left_behind(f->run->session.service) || (f->connection.producer && producer_stuck(f->connection.producer)))
                return error_hint(e, "Start it again: it goes on after the last commit.");
        if (e->class == ERROR_REFUSED || e->class == ERROR_USAGE || count_failure(f, failures, e) < 0)
                return -1;
        service_log(f->run->session.service, SERVICE_WARNING, MESSAGE_RECOVERING,
                    &(struct service_field) { "PINFEED_TOPIC", f->stream.config->topic }, 1,
                    "stream %s: starts over from the last commit: %s", f->stream.config->name, e->what);
        connection_close_database(&f->connection);
        worker_sleep_ms(f->connection.worker, 250u << failures->count);
        return 0;
}

int feed_work(struct worker *w, void *feed, struct error *e) {
        struct feed *f = feed;
        struct failures failures = {};
        int r;

        f->connection.worker = w;
        f->began_us = clock_monotonic_us();
        do {
                *e = (struct error) {};
                r = attempt(f, e);
                abort_open(f, e);
        } while (r != 0 && !worker_stopping(w) && recover(f, &failures, e) == 0);
        if (worker_stopping(w) && (r > 0 || (r < 0 && (e->class == ERROR_UNREACHABLE || e->class == ERROR_STOPPED))))
                r = 0;                  /* told to stop: what was not committed is sent by the next run */
        f->ended_us = clock_monotonic_us();
        f->progress.finished = true;
        if (connection_close(&f->connection, r != 0 ? &(struct error) {} : e) < 0)
                r = -1;
        return r != 0 ? -1 : 0;
}

int feed_dry_run(struct worker *w, void *feed, struct error *e) {
        struct feed *f = feed;
        int r;

        f->connection.worker = w;
        r = open_database(f, e);
        if (r == 0)
                r = connection_open_producer(&f->connection, NULL, NULL, NULL, e);
        if (r == 0)
                r = stream_open_topic(&f->stream, &f->connection, e);
        if (r == 0)
                r = feed_check_group(f, e);
        if (r == 0)
                r = feed_read_cursor(f, e);
        if (r == 0)
                r = feed_settle_cursor(f, e);
        if (r == 0)
                r = feed_settle_bound(f, e);
        if (r == 0)
                r = feed_count(f, e);
        if (r == 0 && f->at->has_last) {
                cursor_print_key(&(struct key) { f->at->last.data, f->at->last.length }, &f->resumed_from);
                f->has_resumed_from = true;
        }
        if (connection_close(&f->connection, r < 0 ? &(struct error) {} : e) < 0)
                r = -1;
        return r;
}
