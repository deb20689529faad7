/* replay: the feeds of the streams side by side, their progress, and the result as one JSON object. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "feed.h"
#include "pinfeed/limits.h"
#include "pinfeed/replay.h"

enum { BAR_WIDTH = 24 };

struct replay {
        struct feed_run run;
        struct feed *feeds;
        size_t count;
        uint64_t began_us;
        /* main thread */
        uint64_t reported_us;
        uint64_t *reported_committed;
};

/* ---- numbers for people ---- */

struct pace {
        uint64_t total, sent, committed;
        bool known;                     /* total */
        double per_s;
        uint64_t left_s;
};

static struct pace feed_pace(const struct feed *f, uint64_t began_us) {
        struct pace p = { .total = f->progress.total, .committed = f->progress.committed };
        double seconds = (double) (clock_monotonic_us() - began_us) / 1e6;

        p.sent = f->progress.sent;      /* after what was committed of it: never less */
        if (p.sent < p.committed)       /* a recovery goes back between the two */
                p.sent = p.committed;
        p.known = p.total != UINT64_MAX;
        p.per_s = seconds > 0 ? (double) p.committed / seconds : 0;
        if (p.known && p.per_s > 0 && p.total > p.committed)
                p.left_s = (uint64_t) ((double) (p.total - p.committed) / p.per_s + 0.5);
        return p;
}

static void print_duration(uint64_t seconds, struct buffer *out) {
        if (seconds >= 3600)
                buffer_printf(out, "%" PRIu64 " h %02" PRIu64 " min", seconds / 3600, seconds / 60 % 60);
        else if (seconds >= 60)
                buffer_printf(out, "%" PRIu64 " min %02" PRIu64 " s", seconds / 60, seconds % 60);
        else
                buffer_printf(out, "%" PRIu64 " s", seconds);
}

/* ---- progress ---- */

static void draw_bar(const struct replay *r, const struct feed *f, struct buffer *out) {
        struct pace p = feed_pace(f, r->began_us);
        unsigned filled = p.known && p.total ? (unsigned) ((double) p.committed / (double) p.total * BAR_WIDTH) : 0;

        if (f->progress.finished || filled > BAR_WIDTH)
                filled = p.known && p.committed >= p.total ? BAR_WIDTH : filled < BAR_WIDTH ? filled : BAR_WIDTH;
        buffer_printf(out, "%-8s [", f->stream.config->name);
        for (unsigned i = 0; i < BAR_WIDTH; i++)
                buffer_append(out, i < filled ? "#" : ".", 1);
        if (p.known)
                buffer_printf(out, "] %" PRIu64 " of %" PRIu64 " rows, %.0f/s", p.committed, p.total, p.per_s);
        else
                buffer_append_string(out, "] looks where to begin");
        if (p.left_s) {
                buffer_append_string(out, ", ");
                print_duration(p.left_s, out);
                buffer_append_string(out, " left");
        }
}

static void on_progress(void *arg) {
        struct replay *r = arg;
        struct buffer lines = {};

        for (size_t i = 0; i < r->count; i++) {
                if (i)
                        buffer_append(&lines, "\n", 1);
                draw_bar(r, &r->feeds[i], &lines);
        }
        service_progress(r->run.session.service, buffer_string(&lines));
        buffer_free(&lines);
}

static void report_feed(struct replay *r, size_t i, double seconds) {
        const struct feed *f = &r->feeds[i];
        struct pace p = feed_pace(f, r->began_us);
        double lately = (double) (p.committed - r->reported_committed[i]) / seconds;
        char committed[32], in_flight[32], bytes[32];
        const struct service_field fields[] = {
                { "PINFEED_TOPIC", f->stream.config->topic }, { "PINFEED_DELIVERED", committed },
                { "PINFEED_IN_FLIGHT", in_flight }, { "PINFEED_BYTES", bytes },
        };
        struct buffer line = {};

        if (!p.known)
                return;
        snprintf(committed, sizeof committed, "%" PRIu64, p.committed);
        snprintf(in_flight, sizeof in_flight, "%" PRIu64, p.sent - p.committed);
        snprintf(bytes, sizeof bytes, "%" PRIu64, (uint64_t) f->progress.bytes);
        buffer_printf(&line, "%s: %" PRIu64 " of %" PRIu64 " rows committed, %" PRIu64 " sent after that, %.0f/s",
                      f->stream.config->topic, p.committed, p.total, p.sent - p.committed, lately);
        if (p.left_s) {
                buffer_append_string(&line, ", about ");
                print_duration(p.left_s, &line);
                buffer_append_string(&line, " left");
        }
        service_log(r->run.session.service, SERVICE_INFO, MESSAGE_REPLAY_PROGRESS, fields, sizeof fields / sizeof *fields, "%s",
                    buffer_string(&line));
        r->reported_committed[i] = p.committed;
        buffer_free(&line);
}

static void on_report(void *arg) {
        struct replay *r = arg;
        uint64_t now_us = clock_monotonic_us(), total = 0, committed = 0;
        double seconds = (double) (now_us - r->reported_us) / 1e6;
        bool known = true;

        for (size_t i = 0; i < r->count; i++) {
                struct pace p = feed_pace(&r->feeds[i], r->began_us);

                report_feed(r, i, seconds > 0 ? seconds : 1);
                known = known && p.known;
                total += p.known ? p.total : 0;
                committed += p.committed;
        }
        r->reported_us = now_us;
        if (known)
                session_does(&r->run.session, "Replays: %" PRIu64 " of %" PRIu64 " rows committed (%.0f %%)", committed, total,
                               total ? 100.0 * (double) committed / (double) total : 100.0);
        session_report_token(&r->run.session);
}

/* ---- result ---- */

static json_t *text_or_null(bool present, struct buffer *text) {
        return present ? json_stringn(text->length ? text->data : "", text->length) : json_null();
}

static json_t *key_or_null(bool present, const struct buffer *key) {
        struct buffer text = {};
        json_t *value;

        if (present)
                cursor_print_key(&(struct key) { key->data, key->length }, &text);
        value = text_or_null(present, &text);
        buffer_free(&text);
        return value;
}

static json_t *feed_result(struct feed *f) {
        const struct feed_progress *p = &f->progress;
        bool sent = p->committed > 0 && f->at;
        double seconds = (double) (f->ended_us - f->began_us) / 1e6;

        return json_pack("{s:s, s:I, s:I, s:I, s:o, s:o, s:f, s:o, s:I, s:b}",
                         "topic", f->stream.config->topic,
                         "rows", (json_int_t) p->committed, "bytes", (json_int_t) p->bytes,
                         "transactions", (json_int_t) p->transactions,
                         "first_key", text_or_null(sent && f->has_first, &f->first),
                         "last_key", key_or_null(sent && f->at->has_last, f->at ? &f->at->last : &(struct buffer) {}),
                         "seconds", seconds,
                         "resumed_from", text_or_null(f->has_resumed_from, &f->resumed_from),
                         "missed", (json_int_t) f->missed, "complete", f->complete);
}

static json_t *feed_plan(struct feed *f) {
        return json_pack("{s:s, s:I, s:o, s:o}", "topic", f->stream.config->topic,
                         "rows", (json_int_t) (f->progress.total == UINT64_MAX ? 0 : f->progress.total),
                         "resume_from", text_or_null(f->has_resumed_from, &f->resumed_from),
                         "to", key_or_null(f->at && f->at->has_to, f->at ? &f->at->to : &(struct buffer) {}));
}

static void print_result(struct replay *r, FILE *out) {
        json_t *streams = json_object(), *object;
        uint64_t rows = 0, bytes = 0, transactions = 0;
        bool complete = true;

        for (size_t i = 0; i < r->count; i++) {
                struct feed *f = &r->feeds[i];

                json_object_set_new(streams, f->stream.config->name, r->run.dry_run ? feed_plan(f) : feed_result(f));
                rows += r->run.dry_run ? f->progress.total : f->progress.committed;
                bytes += f->progress.bytes;
                transactions += f->progress.transactions;
                complete = complete && f->complete;
        }
        if (r->run.dry_run)
                object = json_pack("{s:b, s:o, s:{s:I}}", "dry_run", true, "streams", streams, "totals",
                                   "rows", (json_int_t) rows);
        else
                object = json_pack("{s:b, s:o, s:{s:I, s:I, s:I, s:f}}", "complete", complete, "streams", streams, "totals",
                                   "rows", (json_int_t) rows, "bytes", (json_int_t) bytes,
                                   "transactions", (json_int_t) transactions,
                                   "seconds", (double) (clock_monotonic_us() - r->began_us) / 1e6);
        json_dumpf(object, out, JSON_COMPACT | JSON_REAL_PRECISION(6));
        fputc('\n', out);
        fflush(out);
        json_decref(object);
}

static void log_end(struct replay *r) {
        for (size_t i = 0; i < r->count; i++) {
                const struct feed *f = &r->feeds[i];
                const struct service_field field = { "PINFEED_TOPIC", f->stream.config->topic };
                double seconds = (double) (f->ended_us - f->began_us) / 1e6;

                service_log(r->run.session.service, SERVICE_INFO, MESSAGE_REPLAY_FINISHED, &field, 1,
                            "%s: %s, %" PRIu64 " rows sent in %.1f s (%.0f/s), %" PRIu64 " transactions", f->stream.config->topic,
                            f->complete ? "complete" : "stopped before the end", (uint64_t) f->progress.committed, seconds,
                            seconds > 0 ? (double) f->progress.committed / seconds : 0, (uint64_t) f->progress.transactions);
        }
}

/* ---- the run ---- */

static void on_wake(void *arg) {
        struct replay *r = arg;

        for (size_t i = 0; i < r->count; i++)
                feed_wake(&r->feeds[i]);
}

static bool wanted(const struct options *o, const char *name) {
        for (size_t i = 0; i < o->stream_count; i++)
                if (strcmp(o->streams[i], name) == 0)
                        return true;
        return o->stream_count == 0;
}

static struct replay *replay_new(const struct config *config, const struct options *o) {
        struct replay *r = mem_zero(1, sizeof *r);

        r->run.session.config = config;
        r->run.from = o->from;
        r->run.to = o->to;
        r->run.restart = o->restart;
        r->run.dry_run = o->dry_run;
        r->run.exactly_once = config->replay_exactly_once;
        r->run.group = config->replay_group;
        r->run.rate = config->replay_rate;
        r->run.commit_rows = config->replay_commit_rows;
        r->run.start_ms = clock_wall_ms();
        r->began_us = r->reported_us = clock_monotonic_us();
        r->feeds = mem_zero(config->stream_count, sizeof *r->feeds);
        r->reported_committed = mem_zero(config->stream_count, sizeof *r->reported_committed);
        for (size_t i = 0; i < config->stream_count; i++)
                if (wanted(o, config->streams[i].name))
                        feed_init(&r->feeds[r->count++], &r->run, &config->streams[i]);
        r->run.unready = r->count;
        return r;
}

static void replay_free(struct replay *r) {
        for (size_t i = 0; i < r->count; i++)
                feed_done(&r->feeds[i]);
        session_done(&r->run.session);
        free(r->feeds);
        free(r->reported_committed);
        free(r);
}

int replay_run(const struct config *config, const struct options *options, struct service *service, FILE *out,
               struct error *e) {
        struct replay *r = replay_new(config, options);
        void **args = mem_alloc(r->count * sizeof *args);
        const struct service_job job = {
                .work = options->dry_run ? feed_dry_run : feed_work, .args = args, .count = r->count,
                .report = options->dry_run ? NULL : on_report, .report_interval_s = config->stats_interval_s,
                .progress = options->dry_run ? NULL : on_progress, .wake = on_wake, .arg = r,
                .stop_timeout_ms = LIMIT_STOP_WORKERS_MS,
        };
        int result;

        for (size_t i = 0; i < r->count; i++)
                args[i] = &r->feeds[i];
        result = session_init(&r->run.session, config, service,
                              r->run.exactly_once ? SESSION_TRANSACTIONS : SESSION_ONCE, e);
        if (result == 0) {
                result = service_run(service, &job, e);
                if (!options->dry_run)
                        log_end(r);
                if (!options->dry_run || result == 0)
                        print_result(r, out);
        }
        free(args);
        if (!service_left_behind(service))
                replay_free(r);
        return result;
}
