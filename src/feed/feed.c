#include "own.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pinfeed/limits.h"

/* <group>.<user_id>.<stream>: policies name them so; the default group has the user id in it, and the ids of earlier
 * versions, which are to be fenced. A stream's name has no point; for a user id that has, the lengths
 * keep a.b + c and a + b.c apart. */
static char *transactional_id(const char *group, const char *user_id, const char *stream) {
        if (strchr(user_id, '.'))
                return mem_format("%s.%s.%s#%zu", group, user_id, stream, strlen(user_id));
        return mem_format("%s.%s.%s", group, user_id, stream);
}

static void on_report(void *arg, void *tag, const char *reason) {
        struct feed *f = arg;

        (void) tag;
        if (reason)
                f->place.undelivered = true;
}

struct feed *feed_new(struct feed_run *run, const struct config_stream *stream) {
        const struct config *config = run->session.config;
        struct feed *f = mem_zero(1, sizeof *f);

        f->run = run;
        f->stream.config = stream;
        f->progress.total = UINT64_MAX;
        f->transactional_id = transactional_id(config->replay_group_default ? PLACE_FORMER_GROUP : config->replay_group,
                                               config->user_id, stream->name);
        connection_init(&f->connection, &run->session, NULL);
        count_init(&f->count, &run->session);
        place_init(&f->place, &f->connection, stream, run->start_ms);
        return f;
}

void feed_free(struct feed *f) {
        if (!f)
                return;
        stream_done(&f->stream);
        place_free(&f->place);
        count_free(&f->count);
        keep_free(&f->keep);
        buffer_free(&f->batch.last);
        buffer_free(&f->result.first);
        buffer_free(&f->result.last);
        buffer_free(&f->result.resumed_from);
        buffer_free(&f->result.to);
        free(f->transactional_id);
        free(f);
}

const struct config_stream *feed_stream(const struct feed *f) {
        return f->stream.config;
}

const struct feed_progress *feed_progress(const struct feed *f) {
        return &f->progress;
}

const struct feed_result *feed_result(const struct feed *f) {
        return &f->result;
}

void feed_wake(struct feed *f) {
        connection_cancel(&f->count.own);
        if (!f->progress.flowing)
                connection_cancel(&f->connection);
}

/* ---- which restart ---- */

/* All streams that are wanted have to be looked at, before any of them is written. */
static int look_at_all(struct feed *f, struct error *e) {
        struct feed_run *run = f->run;
        struct cursor *cursors = mem_zero(run->count, sizeof *cursors), **list = mem_alloc(run->count * sizeof *list);
        struct hash hash = HASH_64;
        char streams[9];
        int r = 0;

        for (size_t i = 0; i < run->count && r == 0; i++) {
                const char *name = run->feeds[i]->stream.config->name;

                hash_add(&hash, name, strlen(name) + 1);
                list[i] = &cursors[i];
                r = place_peek(&f->place, &run->feeds[i]->place, list[i], e);
        }
        snprintf(streams, sizeof streams, "%08" PRIx32, (uint32_t) hash.state);
        if (r == 0)
                decide_restart(list, run->count, run->id, streams, run->start_ms, run->restart_name);
        for (size_t i = 0; i < run->count; i++)
                cursor_free(&cursors[i]);
        free(cursors);
        free(list);
        return r;
}

static int settle_restart(struct feed *f, struct error *e) {
        struct feed_run *run = f->run;
        int r = 0;

        if (!run->restart)
                return 0;
        while (pthread_mutex_trylock(&run->restart_lock) != 0)
                if (!worker_sleep_ms(f->connection.worker, 50))
                        return error_stopped(e);
        if (!*run->restart_name)
                r = look_at_all(f, e);
        pthread_mutex_unlock(&run->restart_lock);
        return r;
}

/* ---- an attempt, step by step ---- */

static int open_database(struct feed *f, struct error *e) {
        int r;

        if (f->connection.database)
                return 0;
        r = connection_open_database(&f->connection, e);
        if (r == 0)
                r = stream_describe(&f->stream, &f->connection, e);
        if (r == 0 && f->run->follows)
                r = keep_check(f, e);
        return r == 0 && !f->place.claimed ? feed_check_keys(f, e) : r;
}

static int open_producer(struct feed *f, struct error *e) {
        const char *id = f->place.exactly_once && !f->run->dry_run ? f->transactional_id : NULL;
        int r = connection_open_producer(&f->connection, id, on_report, f, e);

        if (r == 0 && f->place.exactly_once)
                r = producer_expect_read(f->connection.producer, f->place.group, e);
        if (r == 0)
                r = stream_open_topic(&f->stream, &f->connection, e);
        if (r == 0 && !f->place.claimed && !f->run->dry_run)
                r = connection_may_write(&f->connection, e);
        f->limits = batch_limits(f->run->commit_rows,
                                 id && r == 0 ? producer_transaction_timeout_ms(f->connection.producer) * 1000ull : 0);
        return r == 0 ? feed_check_group(f, e) : r;
}

/* Fences whoever was there; but not one who came after us. */
static int take_over(struct feed *f, struct error *e) {
        if (!f->place.exactly_once)
                return 0;
        if (f->place.claimed && place_is_ours(&f->place, e) < 0)
                return -1;
        return producer_init_transactions(f->connection.producer, LIMIT_INIT_MS, e);
}

/* The cursor knows whether a commit was done whose answer got lost. */
static void settle_doubt(struct feed *f) {
        uint64_t committed = f->place.at->rows - f->place.rows_before;

        if (f->place.doubt_rows > 0 && committed == f->progress.committed + f->place.doubt_rows) {
                f->progress.bytes += f->place.doubt_bytes;
                f->progress.transactions++;
        }
        f->place.doubt_rows = f->place.doubt_bytes = 0;
        f->progress.committed = f->progress.sent = committed;
}

static int find_place(struct feed *f, struct error *e) {
        const struct table_facts *facts = table_facts(f->stream.table);
        struct decide_wanted wanted = {
                .id = f->run->id, .fingerprint = facts->fingerprint, .old_fingerprint = facts->former_fingerprint,
        };

        if (place_load(&f->place, e) < 0 || settle_restart(f, e) < 0)
                return -1;
        wanted.restart = f->run->restart ? f->run->restart_name : NULL;
        if (place_settle(&f->place, &wanted, e) < 0)
                return -1;
        if (!f->place.claimed)
                f->progress.before = f->place.at->done ? 0 : f->place.rows_before;
        settle_doubt(f);
        return 0;
}

/* Proves every right before the first record, and tells whom we fenced who we are. */
static int claim(struct feed *f, struct error *e) {
        switch (feed_commit(f, f->place.at->done, e)) {
        case PLACE_COMMITTED:
                break;
        case PLACE_SPENT:
                return error_set(e, ERROR_UNREACHABLE, "a connection to Kafka broke in the first commit");
        case PLACE_FAILED:
                return -1;
        }
        if (!f->ready && atomic_fetch_sub(&f->run->unready, 1) == 1) {
                service_ready(f->run->session.service);
                session_does(&f->run->session, "%s %zu stream%s", f->run->follows ? "Follows" : "Replays", f->run->count,
                             f->run->count == 1 ? "" : "s");
        }
        f->ready = true;
        return 0;
}

static int take_steps(struct feed *f, int (*const *steps)(struct feed *f, struct error *e), struct error *e) {
        int r = 0;

        while (*steps && r == 0)
                r = (*steps++)(f, e);
        return r;
}

/* Start, resume and recovery. */
static enum feed_end attempt(struct feed *f, struct error *e) {
        static int (*const replay[])(struct feed *f, struct error *e) = {
                open_database, open_producer, take_over, find_place, claim,
                feed_settle_bound, feed_announce, NULL,
        };
        static int (*const follow[])(struct feed *f, struct error *e) = {
                open_database, open_producer, take_over, find_place, keep_begin, claim, feed_announce, NULL,
        };
        enum feed_end end = FEED_FAILED;

        batch_clear(&f->batch);
        f->place.undelivered = false;
        if (take_steps(f, f->run->follows ? follow : replay, e) == 0)
                end = f->run->follows ? keep_up(f, e) : feed_rows(f, e);
        f->result.complete = end == FEED_COMPLETE;
        count_stop(&f->count);
        if (end == FEED_COMPLETE && f->progress.total == UINT64_MAX)    /* nobody has counted: now it is known */
                f->progress.total = f->progress.sent;
        if (end == FEED_COMPLETE && feed_count_missed(f, e) < 0 && e->class != ERROR_STOPPED)
                service_log_error(f->run->session.service, SERVICE_WARNING, MESSAGE_NOTE, e);
        return end;
}

/* ---- attempts ---- */

static int give_up(struct feed *f, const struct failures *failures, struct error *e) {
        *e = failures->first;
        if (e->class == ERROR_TAKEN_OVER)
                e->class = ERROR_FAILED;        /* nobody was there, see may_recover */
        return error_prefix(e, "stream %s: gave up after %d recoveries without progress; the first cause: ",
                            f->stream.config->name, FAILURES_MOST);
}

/* After a failed attempt. -1: the error stands. */
static int may_recover(struct feed *f, struct failures *failures, struct error *e) {
        struct error cause = *e;

        if (e->class == ERROR_TAKEN_OVER && (!f->connection.producer || place_check_fenced(&f->place, e) < 0))
                return -1;
        *e = cause;
        if (e->class == ERROR_REFUSED || e->class == ERROR_USAGE)
                return -1;
        if (failures_add(failures, f->progress.committed + f->progress.looks, e))
                return 0;
        if (!f->run->session.patient || e->class != ERROR_UNREACHABLE)
                return give_up(f, failures, e);
        failures->count = FAILURES_MOST;        /* an outage has no end for a daemon */
        return 0;
}

/* What is open stays so until the next attempt's init_transactions ends it, with a new epoch: nothing that is late can
 * get into what comes after it. */
static int let_go(struct feed *f, struct error *e) {
        if (connection_close_producer(&f->connection, &(struct error) {}) == 0)
                return 0;
        return error_hint(e, "Start it again: it goes on after the last commit.");
}

/* Who never got to a server has nothing to start over: that is said once for all streams and tries, with what to do. */
static void say_recovery(struct feed *f, const struct error *e) {
        struct service *service = f->run->session.service;

        if (f->progress.begun || e->class != ERROR_UNREACHABLE)
                service_log(service, SERVICE_WARNING, MESSAGE_RECOVERING,
                            &(struct service_field) { "PINFEED_TOPIC", f->stream.config->topic }, 1,
                            "stream %s: starts over from the last commit: %s", f->stream.config->name, e->what);
        else if (!atomic_exchange(&f->run->unreached_said, true))
                service_log(service, SERVICE_WARNING, MESSAGE_WAITING, NULL, 0, "%s; tries again, up to %d times. %s", e->what,
                            FAILURES_MOST, e->hint);
}

static int recover(struct feed *f, struct failures *failures, struct error *e) {
        if (may_recover(f, failures, e) < 0 || let_go(f, e) < 0)
                return -1;
        say_recovery(f, e);
        connection_close_database(&f->connection);
        worker_sleep_ms(f->connection.worker, failures_pause_ms(failures));
        return 0;
}

/* No failure, as long as something was committed in between. */
static int renew(struct feed *f, struct failures *failures, uint64_t *committed, struct error *e) {
        if (f->progress.committed == *committed) {
                error_set(e, ERROR_UNREACHABLE, "connections to Kafka break in each commit");
                return recover(f, failures, e);
        }
        *committed = f->progress.committed;
        return let_go(f, e);
}

static enum feed_end attempts(struct feed *f, struct error *e) {
        uint64_t committed = UINT64_MAX;        /* at the last renewal */
        struct failures failures = {};
        enum feed_end end;

        for (;;) {
                *e = (struct error) {};
                end = attempt(f, e);
                if (end == FEED_COMPLETE || end == FEED_STOPPED || worker_stopping(f->connection.worker))
                        return end;
                if ((end == FEED_RENEW ? renew(f, &failures, &committed, e) : recover(f, &failures, e)) < 0)
                        return FEED_FAILED;
        }
}

/* Told to stop: what was not committed is sent by the next run. But what may be committed has to be said. */
static int conclude(struct feed *f, enum feed_end end, struct error *e) {
        f->result.in_doubt = f->place.doubt_rows;
        if (end != FEED_FAILED)
                return 0;
        if (f->result.in_doubt > 0) {
                if (e->class == ERROR_UNREACHABLE || e->class == ERROR_STOPPED)
                        e->class = ERROR_FAILED;
                return error_prefix(e, "stream %s: it is not known whether the last %" PRIu64 " rows were committed, the next "
                                    "run will know: ", f->stream.config->name, f->result.in_doubt);
        }
        return worker_stopping(f->connection.worker) && e->class == ERROR_UNREACHABLE ? error_stopped(e) : -1;
}

int feed_work(struct worker *w, void *feed, struct error *e) {
        struct feed *f = feed;
        int r;

        f->connection.worker = f->count.own.worker = w;
        f->result.began_us = clock_monotonic_us();
        r = place_lock(&f->place, e) < 0 ? -1 : conclude(f, attempts(f, e), e);
        if (f->batch.open && f->place.exactly_once && f->connection.producer && e->class != ERROR_TAKEN_OVER
            && worker_left_ms(w) > 0)
                producer_abort(f->connection.producer, LIMIT_STOP_PURGE_MS);
        f->result.ended_us = clock_monotonic_us();
        f->progress.finished = true;
        if (connection_close(&f->connection, r < 0 ? &(struct error) {} : e) < 0)
                r = -1;
        return r;
}

static void note_plan(struct feed *f) {
        const struct cursor_run *at = f->place.at;

        f->result.has_resumed_from = at->has_last;
        f->result.has_to = at->has_to;
        if (at->has_last)
                cursor_print_key(&(struct key) { at->last.data, at->last.length }, &f->result.resumed_from);
        if (at->has_to)
                cursor_print_key(&(struct key) { at->to.data, at->to.length }, &f->result.to);
}

int feed_dry_run(struct worker *w, void *feed, struct error *e) {
        static int (*const steps[])(struct feed *f, struct error *e) = {
                open_database, open_producer, find_place, feed_settle_bound, feed_begin_count, NULL,
        };
        struct feed *f = feed;
        int r;

        f->connection.worker = f->count.own.worker = w;
        r = take_steps(f, steps, e);
        if (r == 0 && f->count.under_way)
                r = count_end(&f->count, e);
        count_stop(&f->count);
        if (r == 0)
                note_plan(f);
        f->progress.begun = r == 0;
        if (connection_close(&f->connection, r < 0 ? &(struct error) {} : e) < 0)
                r = -1;
        return r;
}

int feed_look(struct connection *c, const struct config_stream *stream, struct cursor *ret, struct error *e) {
        struct producer_group group;
        struct place place;
        int r = 0;

        place_init(&place, c, stream, 0);
        /* Reading it without the right to would wait for a coordinator until the time is up. */
        if (place.exactly_once)
                r = producer_group(c->producer, place.group, LIMIT_GROUP_MS, &group, e);
        if (r == 0)
                r = place_peek(&place, &place, ret, e);
        place_free(&place);
        return r;
}
