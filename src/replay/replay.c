/* replay: the feeds of the streams side by side, and their progress. */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "pinfeed/limits.h"
#include "pinfeed/replay.h"
#include "progress.h"
#include "result.h"

struct replay {
        struct feed_run run;
        uint64_t began_us;
        /* main thread */
        uint64_t reported_us;
        struct progress *progress;      /* these three: one a feed */
        struct pace *paces;
        uint64_t *reported_committed, *reported_sent;
};

/* ---- progress ---- */

/* The numbers of all feeds, as of now. */
static void look(struct replay *r) {
        uint64_t now_us = clock_monotonic_us();

        for (size_t i = 0; i < r->run.count; i++) {
                const struct feed_progress *from = feed_progress(r->run.feeds[i]);
                struct progress *p = &r->progress[i];
                uint64_t before = from->before, total = from->total;

                *p = (struct progress) {
                        .name = feed_stream(r->run.feeds[i])->name, .known = total != UINT64_MAX, .finished = from->finished,
                        .committed = before + from->committed, .bytes = from->bytes,
                };
                p->sent = before + from->sent;          /* after what was committed of it: never less ... */
                if (p->sent < p->committed)             /* ... but where a recovery goes back between the two */
                        p->sent = p->committed;
                p->total = p->known && before + total > p->sent ? before + total : p->sent;
                if (p->known || from->sent > 0)
                        pace_update(&r->paces[i], p->sent, now_us);
                p->per_s = r->paces[i].per_s;
                p->left_s = p->finished ? 0 : pace_left_s(&r->paces[i], p->total);
        }
}

static void on_progress(void *arg) {
        struct replay *r = arg;
        _cleanup_buffer_ struct buffer lines = {};

        r->run.watched = true;
        look(r);
        progress_print(r->progress, r->run.count, service_columns(r->run.session.service), &lines);
        service_progress(r->run.session.service, buffer_string(&lines));
}

static void report_feed(struct replay *r, size_t i, double seconds) {
        const struct progress *p = &r->progress[i];
        uint64_t fresh = feed_progress(r->run.feeds[i])->committed;
        const char *topic = feed_stream(r->run.feeds[i])->topic;
        char committed[32], in_flight[32], bytes[32], left[32], of[40] = "", counts[4][32];
        const struct service_field fields[] = {
                { "PINFEED_TOPIC", topic }, { "PINFEED_DELIVERED", committed },
                { "PINFEED_IN_FLIGHT", in_flight }, { "PINFEED_BYTES", bytes },
        };

        if (!p->known && p->sent == 0)
                return;
        if (p->known)
                snprintf(of, sizeof of, " of %s", text_count(p->total, counts[1]));
        snprintf(committed, sizeof committed, "%" PRIu64, fresh);
        snprintf(in_flight, sizeof in_flight, "%" PRIu64, p->sent - p->committed);
        snprintf(bytes, sizeof bytes, "%" PRIu64, p->bytes);
        clock_format_duration(p->left_s, left);
        service_log(r->run.session.service, SERVICE_INFO, MESSAGE_REPLAY_PROGRESS, fields, sizeof fields / sizeof *fields,
                    "%s: %s%s rows committed, %s sent after that, %s/s%s%s%s", topic, text_count(p->committed, counts[0]), of,
                    text_count(p->sent - p->committed, counts[2]),
                    text_count((uint64_t) ((double) (fresh - r->reported_committed[i]) / seconds + 0.5), counts[3]),
                    p->left_s ? ", about " : "", p->left_s ? left : "", p->left_s ? " left" : "");
        r->reported_committed[i] = fresh;
        r->reported_sent[i] = p->sent;
}

static void on_report(void *arg, bool asked) {
        struct replay *r = arg;
        uint64_t now_us = clock_monotonic_us(), total = 0, committed = 0, fresh = 0;
        double seconds = (double) (now_us - r->reported_us) / 1e6;
        char counts[2][32];
        bool known = true;

        r->run.watched = true;
        look(r);
        for (size_t i = 0; i < r->run.count; i++) {
                const struct progress *p = &r->progress[i];
                uint64_t before = r->reported_committed[i];

                if (asked || p->sent != r->reported_sent[i] || feed_progress(r->run.feeds[i])->committed != before)
                        report_feed(r, i, seconds > 0 ? seconds : 1);
                fresh += r->reported_committed[i] - before;
                known = known && p->known;
                total += p->total;
                committed += p->committed;
        }
        r->reported_us = now_us;
        if (known)
                session_does(&r->run.session, "Replays: %s of %s rows committed (%.0f %%), %.0f/s", text_count(committed, counts[0]),
                             text_count(total, counts[1]), total ? 100.0 * (double) committed / (double) total : 100.0,
                             seconds > 0 ? (double) fresh / seconds : 0);
        else if (committed > 0)
                session_does(&r->run.session, "Replays: %s rows committed, %.0f/s", text_count(committed, counts[0]),
                             seconds > 0 ? (double) fresh / seconds : 0);
        session_report_token(&r->run.session);
}

/* ---- the run ---- */

static unsigned on_reload(void *arg) {
        struct replay *r = arg;
        const struct config *config = session_reload(&r->run.session);

        if (atomic_exchange(&r->run.rate, config->replay_rate) != config->replay_rate)
                r->run.next_row_ns = 0;         /* nobody's turn is as far off as it was */
        return config->stats_interval_s;
}

static void on_wake(void *arg) {
        struct replay *r = arg;

        feed_run_wake(&r->run);
}

static struct replay *replay_new(const struct config *config, const struct options *o) {
        struct replay *r = mem_zero(1, sizeof *r);

        feed_run_init(&r->run, config, o);
        r->run.rate = config->replay_rate;
        r->began_us = r->reported_us = clock_monotonic_us();
        r->progress = mem_zero(r->run.count, sizeof *r->progress);
        r->paces = mem_zero(r->run.count, sizeof *r->paces);
        r->reported_committed = mem_zero(r->run.count, sizeof *r->reported_committed);
        r->reported_sent = mem_zero(r->run.count, sizeof *r->reported_sent);
        return r;
}

static void replay_free(struct replay *r) {
        feed_run_done(&r->run);
        free(r->progress);
        free(r->paces);
        free(r->reported_committed);
        free(r->reported_sent);
        free(r);
}

/* How the run ended: all was sent, or it was told to stop before. */
static int conclude(struct replay *r, const struct options *o, struct error *e) {
        bool complete = true;

        for (size_t i = 0; i < r->run.count; i++)
                complete = complete && feed_result(r->run.feeds[i])->complete;
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
                .reload = on_reload, .progress = o->dry_run ? NULL : on_progress, .wake = on_wake, .arg = r,
                .stop_timeout_ms = LIMIT_STOP_WORKERS_MS,
        };
        bool table = !o->json && isatty(fileno(out)), shown = table && service_on_terminal(service);
        struct error unwritten;
        int result;

        for (size_t i = 0; i < r->run.count; i++)
                args[i] = r->run.feeds[i];
        result = service_run(service, &job, e);
        free(args);
        if (!o->dry_run && !shown)
                result_log(&r->run, r->began_us);
        if (o->dry_run && (result < 0 || service_stopped_by(service)))
                return result < 0 ? -1 : error_stopped(e);
        if (result_print(&r->run, r->began_us, table, out, &unwritten) < 0) {
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
