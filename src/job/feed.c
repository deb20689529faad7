#include "feed.h"

#include <stdio.h>
#include <string.h>

enum {
        COMMIT_US = 5000000,            /* a transaction is not open longer, if rows come */
        COMMIT_BYTES = 64 << 20,
        INIT_TIMEOUT_MS = 60000,
        ABORT_TIMEOUT_MS = 10000,
        GROUP_TIMEOUT_MS = 20000,
        FIRST_ROW_MS = 3600000,         /* an unindexed table is sorted first */
        ROW_MS = 90000,
        MOST_RECOVERIES = 5,
        POLL_ROWS = 512,
        FLOWING_US = 1000000,
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
        buffer_free(&f->first);
        buffer_free(&f->resumed_from);
        buffer_free(&f->last);
        buffer_free(&f->json);
        free(f->transactional_id);
        free(f->state_path);
        connection_done(&f->connection);
}

void feed_wake(struct feed *f) {
        if (clock_monotonic_us() - f->row_us > FLOWING_US)
                connection_cancel(&f->connection);
}

static void on_report(void *arg, void *tag, const char *reason) {
        struct feed *f = arg;

        (void) tag;
        if (reason)
                f->undelivered = true;
}

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

static int begin(struct feed *f, uint64_t now_us, struct error *e) {
        int r = f->run->exactly_once ? producer_begin(f->connection.producer, e) : 0;

        f->open = r == 0;
        f->opened_us = now_us;
        return r;
}

static int commit(struct feed *f, bool done, struct error *e) {
        int r;

        worker_alive(f->connection.worker);
        r = f->open ? 0 : begin(f, clock_monotonic_us(), e);     /* the cursor alone is a transaction, too */
        if (r == 0)
                r = feed_commit(f, done, e);
        worker_alive(f->connection.worker);
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
                worker_alive(f->connection.worker);
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
        return error_hint(e, "Rows of equal key are committed together. Set the stream's key to a column that tells rows apart better, "
                          "or raise [replay] rate if it is set.");
}

static int send_row(struct feed *f, const struct key *key, struct error *e) {
        int r;

        while ((r = producer_send(f->connection.producer, f->stream.topic, key->data, key->length, f->json.data,
                                  f->json.length, NULL, e)) == 1) {
                uint64_t began_us = clock_monotonic_us();

                worker_alive(f->connection.worker);
                if (producer_poll(f->connection.producer, 100, e) < 0)
                        return -1;
                f->blocked_us += clock_monotonic_us() - began_us;
        }
        if (r == 2) {
                error_set(e, ERROR_REFUSED, "stream %s: a row's record has %zu bytes, more than [kafka] message.max.bytes allows",
                          f->stream.config->name, f->json.length);
                return error_hint(e, "Raise message.max.bytes (and the topic's max.message.bytes), or leave columns out with "
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

/* Takes a row on its way. 0; 1: the transaction is to be aborted; 2: stop here, everything before is complete. */
static int take_row(struct feed *f, const struct row *row, const struct key *key, struct error *e) {
        uint64_t now_us = clock_monotonic_us();
        bool same = f->open && f->has_last && key->length == f->last.length
                    && memcmp(key->data, f->last.data, key->length) == 0;
        int r = 0;

        f->row_us = now_us;
        if (!same && worker_stopping(f->connection.worker))
                return 2;
        if (!same && commit_is_due(f, now_us))
                r = commit(f, false, e);
        if (r == 0 && f->run->rate > 0)
                r = wait_turn(f, !same, e);
        if (r == 0 && !same && worker_stopping(f->connection.worker))
                return 2;
        if (r == 0 && !f->open)
                r = begin(f, now_us, e);
        if (r == 0 && same && now_us - f->run_began_us > most_open_us(f) / 4 * 3 + f->blocked_us)
                return refuse_long_run(f, e);
        if (r != 0)
                return r;
        note_key(f, key, same, now_us);
        f->json.length = 0;
        json_encode_row(f->stream.plan, row, &f->json);
        r = send_row(f, key, e);
        if (r != 0)
                return r;
        f->open_rows++;
        f->open_bytes += f->json.length;
        f->progress.sent++;
        return 0;
}

static int read_rows(struct feed *f, struct table_reader *reader, struct error *e) {
        struct row row;
        struct key key;
        int r;

        for (uint64_t rows = 1;; rows++) {
                r = table_next(reader, &row, &key, e);
                if (r != 0)
                        return r < 0 ? -1 : 0;
                if (rows % POLL_ROWS == 0 || rows == 1) {
                        worker_expect_ms(f->connection.worker, ROW_MS);
                        if (producer_poll(f->connection.producer, 0, e) < 0)
                                return -1;
                }
                r = take_row(f, &row, &key, e);
                if (r != 0)
                        return r;
        }
}

/* The connection to MySQL broke while rows came. If no row of the last key can be missing, what was sent is whole. */
static int save_sent(struct feed *f, struct error *e) {
        struct error commit_error;

        if (!f->open || f->open_rows == 0 || !table_facts(f->stream.table)->key_unique)
                return -1;
        if (e->class != ERROR_UNREACHABLE && !worker_stopping(f->connection.worker))
                return -1;
        return commit(f, false, &commit_error) == 0 ? 0 : -1;
}

static int stream_rows(struct feed *f, struct error *e) {
        struct key after = { f->at->last.data, f->at->last.length }, to = { f->at->to.data, f->at->to.length };
        struct key from = { f->run->from, f->run->from ? strlen(f->run->from) : 0 };
        bool from_bound = !f->at->has_last && f->run->from;
        struct table_reader *reader;
        int r;

        if (!f->at->has_to)
                return commit(f, true, e);              /* an empty table */
        worker_expect_ms(f->connection.worker, FIRST_ROW_MS);
        f->has_last = false;
        r = table_read(f->connection.database, f->stream.table, from_bound ? &from : f->at->has_last ? &after : NULL,
                       from_bound, &to, 0, &reader, e);
        if (r < 0)
                return -1;
        r = read_rows(f, reader, e);
        f->row_us = 0;
        if (!table_reader_close(reader))
                connection_close_database(&f->connection);
        if (r < 0)
                save_sent(f, e);
        if (r == 2)                                     /* stopping, between two keys */
                return f->open ? commit(f, false, e) : 0;
        if (r == 0)
                r = commit(f, true, e);
        if (r == 0)
                f->complete = true;
        return r;
}

/* ---- before the rows ---- */

static int check_key(struct feed *f, struct error *e) {
        const struct table_facts *facts = table_facts(f->stream.table);
        size_t longest = facts->key_max_bytes;
        int r;

        if (facts->key_nullable) {
                worker_expect_ms(f->connection.worker, FIRST_ROW_MS);
                r = table_has_null_keys(f->connection.database, f->stream.table, e);
                if (r < 0)
                        return -1;
                if (r == 1) {
                        error_set(e, ERROR_REFUSED, "table %s has rows whose key %s is NULL: they have no place in key order",
                                  f->stream.config->table, f->stream.config->key);
                        return error_hint(e, "Set the stream's key to another column, or leave them out: where = `%s` IS NOT NULL",
                                          f->stream.config->key);
                }
        }
        if (longest <= CURSOR_KEY_MAX)
                return 0;
        worker_expect_ms(f->connection.worker, FIRST_ROW_MS);
        if (table_longest_key(f->connection.database, f->stream.table, &longest, e) < 0)
                return -1;
        if (longest <= CURSOR_KEY_MAX)
                return 0;
        error_set(e, ERROR_REFUSED, "table %s: keys of up to %zu bytes don't fit into a cursor (a key may have %d)",
                  f->stream.config->table, longest, CURSOR_KEY_MAX);
        return error_hint(e, "Set the stream's key to a column with shorter values.");
}

static int check_group(struct feed *f, struct error *e) {
        size_t members;

        if (!f->run->exactly_once)
                return 0;
        if (producer_group_members(f->connection.producer, f->run->group, GROUP_TIMEOUT_MS, &members, e) < 0)
                return -1;
        if (members == 0)
                return 0;
        error_set(e, ERROR_REFUSED, "group %s has %zu live members: a consumer's next commit would erase the replay's cursor",
                  f->run->group, members);
        return error_hint(e, "Set [replay] group to a group that nobody consumes with.");
}

static int count_rows(struct feed *f, struct error *e) {
        struct key after = { f->at->last.data, f->at->last.length }, to = { f->at->to.data, f->at->to.length };
        struct key from = { f->run->from, f->run->from ? strlen(f->run->from) : 0 };
        bool from_bound = !f->at->has_last && f->run->from;
        uint64_t count = 0;

        if (f->at->has_to) {
                worker_expect_ms(f->connection.worker, FIRST_ROW_MS);
                if (table_count(f->connection.database, f->stream.table,
                                from_bound ? &from : f->at->has_last ? &after : NULL, from_bound, &to, &count, e) < 0)
                        return -1;
                worker_alive(f->connection.worker);
        }
        f->progress.total = f->progress.committed + count;
        return 0;
}

/* What is worth knowing before anything is sent; once. */
static int announce(struct feed *f, struct error *e) {
        struct service *service = f->run->session.service;
        const struct service_field field = { "PINFEED_TOPIC", f->stream.config->topic };
        uint64_t extent;

        if (f->announced)
                return 0;
        f->announced = true;
        if (f->at->has_last) {
                cursor_print_key(&(struct key) { f->at->last.data, f->at->last.length }, &f->resumed_from);
                f->has_resumed_from = true;
                service_log(service, SERVICE_INFO, MESSAGE_STARTED, &field, 1, "replays %s to %s: goes on after key %s (%llu rows were "
                            "sent before), %llu rows to send", f->stream.config->table, f->stream.config->topic,
                            buffer_string(&f->resumed_from), (unsigned long long) f->at->rows,
                            (unsigned long long) f->progress.total);
                return 0;
        }
        if (producer_topic_extent(f->connection.producer, f->stream.topic, GROUP_TIMEOUT_MS, &extent, e) < 0)
                return -1;
        service_log(service, SERVICE_INFO, MESSAGE_STARTED, &field, 1, "replays %s to %s: begins %s, %llu rows to send",
                    f->stream.config->table, f->stream.config->topic,
                    f->run->restart ? "again from the first key (--restart): readers will see every row once more"
                                    : f->run->from ? "at --from" : "at the first key",
                    (unsigned long long) f->progress.total);
        if (extent > 0 && (!f->found || f->run->restart))
                service_log(service, SERVICE_NOTICE, MESSAGE_NOTE, &field, 1, "topic %s already holds %llu records that are not of this "
                            "replay: they stay where they are", f->stream.config->topic, (unsigned long long) extent);
        return 0;
}

static void ready(struct feed *f) {
        if (!f->verified && atomic_fetch_sub(&f->run->unready, 1) == 1)
                service_ready(f->run->session.service);
        f->verified = true;
}

/* Rows that came in below the cursor: keys that don't grow, or commits that were late. */
static int count_missed(struct feed *f, struct error *e) {
        struct key last = { f->at->last.data, f->at->last.length };
        struct key from = { f->run->from, f->run->from ? strlen(f->run->from) : 0 };
        uint64_t count;

        if (!f->at->has_last)
                return 0;
        worker_expect_ms(f->connection.worker, FIRST_ROW_MS);
        if (table_count(f->connection.database, f->stream.table, f->run->from ? &from : NULL, true, &last, &count, e) < 0)
                return -1;
        worker_alive(f->connection.worker);
        f->missed = count > f->at->rows ? count - f->at->rows : 0;
        if (f->missed > 0)
                service_log(f->run->session.service, SERVICE_WARNING, MESSAGE_NOTE,
                            &(struct service_field) { "PINFEED_TOPIC", f->stream.config->topic }, 1,
                            "stream %s: %llu rows appeared below the cursor after it had passed (keys that don't grow, or late "
                            "commits) and were not sent. To send them: --from and --to around their keys, or --restart for "
                            "everything.", f->stream.config->name, (unsigned long long) f->missed);
        return 0;
}

/* ---- an attempt ---- */

static int open_database(struct feed *f, struct error *e) {
        int r;

        if (f->connection.database)
                return 0;
        r = connection_open_database(&f->connection, e);
        if (r == 0)
                r = stream_describe(&f->stream, &f->connection, e);
        return r == 0 ? check_key(f, e) : r;
}

static int open_producer(struct feed *f, struct error *e) {
        int r;

        f->open = false;
        f->open_rows = f->open_bytes = 0;
        f->undelivered = false;
        f->progress.sent = f->progress.committed;
        f->stuck = connection_close_producer(&f->connection, e) < 0;
        if (f->stuck)
                return -1;
        r = connection_open_producer(&f->connection, f->run->exactly_once ? f->transactional_id : NULL, on_report, f, e);
        if (r == 0)
                r = stream_open_topic(&f->stream, &f->connection, e);
        return r;
}

/* Start, resume and recovery. 0: done; 1: stopping; -1. */
static int attempt(struct feed *f, struct error *e) {
        int r = open_database(f, e);

        if (r == 0)
                r = open_producer(f, e);
        if (r == 0)
                r = check_group(f, e);
        if (r == 0 && f->run->exactly_once)
                r = producer_init_transactions(f->connection.producer, INIT_TIMEOUT_MS, e);
        if (r == 0)
                r = feed_read_cursor(f, e);
        if (r == 0)
                r = feed_settle_cursor(f, e);
        if (r == 0)
                r = count_rows(f, e);
        if (r == 0)
                r = announce(f, e);
        /* The claim: proves every right before the first record, and tells whom we fenced who we are. */
        if (r == 0)
                r = commit(f, false, e);
        if (r != 0)
                return r;
        f->restarted = true;
        ready(f);
        r = stream_rows(f, e);
        if (r == 0 && f->complete && count_missed(f, e) < 0)
                service_log_error(f->run->session.service, SERVICE_WARNING, MESSAGE_NOTE, e);
        return r;
}

/* After a failed attempt: 0: try again; -1: the error stands. */
static int recover(struct feed *f, unsigned *failures, uint64_t *committed, struct error *first, struct error *e) {
        if (f->open && f->run->exactly_once && e->class != ERROR_TAKEN_OVER && f->connection.producer)
                producer_abort(f->connection.producer, ABORT_TIMEOUT_MS, &(struct error) {});
        if (e->class == ERROR_TAKEN_OVER && feed_who_fenced(f, e) == 0)
                return -1;
        if (f->stuck || e->class == ERROR_REFUSED || e->class == ERROR_USAGE)
                return -1;
        if (*committed != f->progress.committed || *failures == 0) {
                *failures = 0;
                *committed = f->progress.committed;
                *first = *e;
        }
        if (++*failures >= MOST_RECOVERIES) {
                *e = *first;
                if (e->class == ERROR_TAKEN_OVER)
                        e->class = ERROR_FAILED;
                return error_prefix(e, "stream %s: gave up after %d recoveries without progress; the first cause: ",
                                    f->stream.config->name, MOST_RECOVERIES);
        }
        service_log(f->run->session.service, SERVICE_WARNING, MESSAGE_RECOVERING,
                    &(struct service_field) { "PINFEED_TOPIC", f->stream.config->topic }, 1,
                    "stream %s: starts over from the last commit: %s", f->stream.config->name, e->what);
        connection_close_database(&f->connection);
        worker_sleep_ms(f->connection.worker, 250u << *failures);
        return 0;
}

int feed_work(struct worker *w, void *feed, struct error *e) {
        struct feed *f = feed;
        unsigned failures = 0;
        uint64_t committed = 0;
        struct error first;
        int r;

        f->connection.worker = w;
        f->began_us = clock_monotonic_us();
        do {
                r = attempt(f, e);
                if (r == 0 || worker_stopping(w))
                        break;
        } while (recover(f, &failures, &committed, &first, e) == 0);
        if (worker_stopping(w) && r != 0 && (r > 0 || e->class == ERROR_UNREACHABLE))
                r = 0;                  /* told to stop: what was not committed is sent by the next run */
        if (r > 0)
                r = -1;
        f->ended_us = clock_monotonic_us();
        f->progress.finished = true;
        if (connection_close(&f->connection, r < 0 ? &(struct error) {} : e) < 0)
                r = -1;
        return r;
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
                r = check_group(f, e);
        if (r == 0)
                r = feed_read_cursor(f, e);
        if (r == 0)
                r = feed_settle_cursor(f, e);
        if (r == 0)
                r = count_rows(f, e);
        if (r == 0 && f->at->has_last) {
                cursor_print_key(&(struct key) { f->at->last.data, f->at->last.length }, &f->resumed_from);
                f->has_resumed_from = true;
        }
        if (r == 1)
                r = error_set(e, ERROR_FAILED, "stopped");
        if (connection_close(&f->connection, r < 0 ? &(struct error) {} : e) < 0)
                r = -1;
        return r;
}
