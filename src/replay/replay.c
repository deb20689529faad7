/* replay: the feeds of the streams side by side, and their progress. */
#include <inttypes.h>
#include <stdio.h>

#include "pinfeed/limits.h"
#include "pinfeed/replay.h"
#include "result.h"

enum { BAR_WIDTH = 24 };

struct replay {
        struct feed_run run;
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
        const struct feed_progress *progress = feed_progress(f);
        struct pace p = { .total = progress->total, .committed = progress->committed };
        double seconds = (double) (clock_monotonic_us() - began_us) / 1e6;

        p.sent = progress->sent;      /* after what was committed of it: never less */
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

        if (feed_progress(f)->finished || filled > BAR_WIDTH)
                filled = p.known && p.committed >= p.total ? BAR_WIDTH : filled < BAR_WIDTH ? filled : BAR_WIDTH;
        buffer_printf(out, "%-8s [", feed_stream(f)->name);
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

        for (size_t i = 0; i < r->run.count; i++) {
                if (i)
                        buffer_append(&lines, "\n", 1);
                draw_bar(r, r->run.feeds[i], &lines);
        }
        service_progress(r->run.session.service, buffer_string(&lines));
        buffer_free(&lines);
}

static void report_feed(struct replay *r, size_t i, double seconds) {
        const struct feed *f = r->run.feeds[i];
        struct pace p = feed_pace(f, r->began_us);
        double lately = (double) (p.committed - r->reported_committed[i]) / seconds;
        char committed[32], in_flight[32], bytes[32];
        const struct service_field fields[] = {
                { "PINFEED_TOPIC", feed_stream(f)->topic }, { "PINFEED_DELIVERED", committed },
                { "PINFEED_IN_FLIGHT", in_flight }, { "PINFEED_BYTES", bytes },
        };
        struct buffer line = {};

        if (!p.known)
                return;
        snprintf(committed, sizeof committed, "%" PRIu64, p.committed);
        snprintf(in_flight, sizeof in_flight, "%" PRIu64, p.sent - p.committed);
        snprintf(bytes, sizeof bytes, "%" PRIu64, (uint64_t) feed_progress(f)->bytes);
        buffer_printf(&line, "%s: %" PRIu64 " of %" PRIu64 " rows committed, %" PRIu64 " sent after that, %.0f/s",
                      feed_stream(f)->topic, p.committed, p.total, p.sent - p.committed, lately);
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

        for (size_t i = 0; i < r->run.count; i++) {
                struct pace p = feed_pace(r->run.feeds[i], r->began_us);

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

/* ---- the run ---- */

static void on_wake(void *arg) {
        struct replay *r = arg;

        feed_run_wake(&r->run);
}

static struct replay *replay_new(const struct config *config, const struct options *o) {
        struct replay *r = mem_zero(1, sizeof *r);

        feed_run_init(&r->run, config, o);
        r->run.rate = config->replay_rate;
        r->began_us = r->reported_us = clock_monotonic_us();
        r->reported_committed = mem_zero(config->stream_count, sizeof *r->reported_committed);
        return r;
}

static void replay_free(struct replay *r) {
        feed_run_done(&r->run);
        free(r->reported_committed);
        free(r);
}

/* How the run ended: all was sent, or it was told to stop before. */
static int conclude(struct replay *r, const struct options *o, struct error *e) {
        bool complete = true;

        for (size_t i = 0; i < r->run.count; i++)
                complete = complete && feed_result(r->run.feeds[i])->complete;
        if (complete && !o->dry_run)
                result_log_complete(&r->run, r->began_us);
        if (complete || o->dry_run || !service_stopped_by(r->run.session.service))
                return 0;
        return result_stopped(&r->run, o, e);
}

static int run(struct replay *r, const struct options *o, FILE *out, struct error *e) {
        struct service *service = r->run.session.service;
        void **args = mem_alloc(r->run.count * sizeof *args);
        const struct service_job job = {
                .work = o->dry_run ? feed_dry_run : feed_work, .args = args, .count = r->run.count,
                .report = o->dry_run ? NULL : on_report, .report_interval_s = r->run.session.config->stats_interval_s,
                .progress = o->dry_run ? NULL : on_progress, .wake = on_wake, .arg = r,
                .stop_timeout_ms = LIMIT_STOP_WORKERS_MS,
        };
        struct error unwritten;
        int result;

        for (size_t i = 0; i < r->run.count; i++)
                args[i] = r->run.feeds[i];
        result = service_run(service, &job, e);
        free(args);
        if (!o->dry_run)
                result_log(&r->run);
        if (o->dry_run && (result < 0 || service_stopped_by(service)))
                return result < 0 ? -1 : error_stopped(e);
        if (result_print(&r->run, r->began_us, out, &unwritten) < 0) {
                *e = result < 0 ? *e : unwritten;
                return -1;
        }
        return result < 0 ? -1 : conclude(r, o, e);
}

int replay_run(const struct config *config, const struct options *options, struct service *service, FILE *out,
               struct error *e) {
        struct replay *r = replay_new(config, options);
        struct session *session = &r->run.session;
        int result = session_init(session, config, service, config->replay_exactly_once ? SESSION_TRANSACTIONS : SESSION_ONCE, e);

        if (result == 0)
                result = run(r, options, out, e);
        if (!service_left_behind(service))
                replay_free(r);
        return result;
}
