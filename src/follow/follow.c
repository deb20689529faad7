/* follow: feeds without an end, side by side, and what they say of themselves. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "pinfeed/feed.h"
#include "pinfeed/follow.h"
#include "pinfeed/limits.h"

struct follow {
        struct feed_run run;
        /* main thread */
        uint64_t began_us, reported_us;
        struct figures *reported;       /* of each feed, at the last report */
};

/* What is news when it changes. */
struct figures {
        uint64_t committed, behind, missing, late, unused, missed;
};

static void read_figures(const struct feed *f, struct figures *ret) {
        const struct feed_progress *p = feed_progress(f);

        *ret = (struct figures) { p->committed, p->behind, p->missing, p->late, p->unused, p->missed };
}

/* Everything was sent that could be seen so long ago. */
static double lag_s(const struct follow *w, const struct feed *f, uint64_t now_us) {
        uint64_t caught_up_us = feed_progress(f)->caught_up_us;

        caught_up_us = caught_up_us ? caught_up_us : w->began_us;
        return now_us > caught_up_us ? (double) (now_us - caught_up_us) / 1e6 : 0;
}

static void print_keys(const struct figures *p, struct buffer *out) {
        const struct {
                uint64_t count;
                const char *words;
        } parts[] = {
                { p->behind, "keys to go at most" }, { p->missing, "keys missing and looked for" }, { p->late, "came late" },
                { p->unused, "keys never used" }, { p->missed, "appeared too late and were not sent" },
        };

        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
                if (parts[i].count > 0)
                        buffer_printf(out, ", %" PRIu64 " %s", parts[i].count, parts[i].words);
}

static void report_feed(struct follow *w, size_t i, const struct figures *now, uint64_t now_us, double seconds) {
        const struct feed *f = w->run.feeds[i];
        uint64_t sent = feed_progress(f)->sent, more = now->committed - w->reported[i].committed;
        char numbers[5][32];
        const struct service_field fields[] = {
                { "PINFEED_TOPIC", feed_stream(f)->topic }, { "PINFEED_DELIVERED", numbers[0] },
                { "PINFEED_IN_FLIGHT", numbers[1] }, { "PINFEED_BYTES", numbers[2] }, { "PINFEED_LAG_ROWS", numbers[3] },
                { "PINFEED_LAG_S", numbers[4] },
        };
        _cleanup_buffer_ struct buffer keys = {};

        snprintf(numbers[0], sizeof numbers[0], "%" PRIu64, now->committed);
        snprintf(numbers[1], sizeof numbers[1], "%" PRIu64, sent > now->committed ? sent - now->committed : 0);
        snprintf(numbers[2], sizeof numbers[2], "%" PRIu64, (uint64_t) feed_progress(f)->bytes);
        snprintf(numbers[3], sizeof numbers[3], "%" PRIu64, now->behind);
        snprintf(numbers[4], sizeof numbers[4], "%.1f", lag_s(w, f, now_us));
        print_keys(now, &keys);
        service_log(w->run.session.service, SERVICE_INFO, MESSAGE_FOLLOW, fields, sizeof fields / sizeof *fields,
                    "%s: %s rows (+%" PRIu64 ", %.1f/s), lag %s s%s", feed_stream(f)->topic, numbers[0], more,
                    seconds > 0 ? (double) more / seconds : 0, numbers[4], buffer_string(&keys));
}

static void on_report(void *arg, bool asked) {
        struct follow *w = arg;
        uint64_t now_us = clock_monotonic_us(), rows = 0, before = 0;
        double seconds = (double) (now_us - w->reported_us) / 1e6, lag = 0;

        for (size_t i = 0; i < w->run.count; i++) {
                struct figures now;

                read_figures(w->run.feeds[i], &now);
                if (asked || memcmp(&now, &w->reported[i], sizeof now) != 0)
                        report_feed(w, i, &now, now_us, seconds);
                before += w->reported[i].committed;
                rows += now.committed;
                w->reported[i] = now;
                if (lag_s(w, w->run.feeds[i], now_us) > lag)
                        lag = lag_s(w, w->run.feeds[i], now_us);
        }
        w->reported_us = now_us;
        if (w->run.unready == 0)
                session_does(&w->run.session, "Follows %zu stream%s: %" PRIu64 " rows so far, %.1f/s lately, lag %.1f s",
                             w->run.count, w->run.count == 1 ? "" : "s", rows,
                             seconds > 0 ? (double) (rows - before) / seconds : 0, lag);
        session_report_token(&w->run.session);
}

/* The last line: what was sent, and what is still looked for. */
static void report_stopped(const struct follow *w) {
        _cleanup_buffer_ struct buffer line = {};

        for (size_t i = 0; i < w->run.count; i++) {
                struct figures now;

                read_figures(w->run.feeds[i], &now);
                buffer_printf(&line, "%s%s: %" PRIu64 " rows sent", i ? "; " : "", feed_stream(w->run.feeds[i])->topic,
                              now.committed);
                print_keys(&now, &line);
        }
        service_log(w->run.session.service, SERVICE_INFO, MESSAGE_STOPPED, NULL, 0, "stopped; %s", buffer_string(&line));
}

/* For pinfeed --status: {"streams": {NAME: its figures}}. */
static void tell(void *arg, struct buffer *out) {
        struct follow *w = arg;
        json_t *streams = json_object();
        uint64_t now_us = clock_monotonic_us();

        for (size_t i = 0; i < w->run.count; i++) {
                const struct feed *f = w->run.feeds[i];
                const struct feed_progress *p = feed_progress(f);

                json_object_set_new(streams, feed_stream(f)->name,
                                    json_pack("{s:I, s:I, s:f, s:I, s:I, s:I, s:I, s:I}", "rows", (json_int_t) p->committed,
                                              "bytes", (json_int_t) p->bytes, "lag_s", lag_s(w, f, now_us),
                                              "lag_rows", (json_int_t) p->behind, "missing", (json_int_t) p->missing,
                                              "late", (json_int_t) p->late, "unused", (json_int_t) p->unused,
                                              "missed", (json_int_t) p->missed));
        }
        session_tell(&w->run.session, json_pack("{s:o}", "streams", streams), out);
}

static unsigned on_reload(void *arg) {
        struct follow *w = arg;
        const struct config *config = session_reload(&w->run.session);

        w->run.interval_us = (uint64_t) (config->follow_interval_s * 1e6);
        w->run.settle_us = config->follow_settle_s * 1000000ull;
        return config->stats_interval_s;
}

static void on_wake(void *arg) {
        struct follow *w = arg;

        feed_run_wake(&w->run);
}

static int run(struct follow *w, struct error *e) {
        struct service *service = w->run.session.service;
        _cleanup_free_ char *socket = session_tell_path(w->run.session.config, "follow");
        const struct service_job job = {
                .work = feed_work, .args = (void **) w->run.feeds, .count = w->run.count, .report = on_report,
                .report_interval_s = w->run.session.config->stats_interval_s, .reload = on_reload, .wake = on_wake,
                .tell_path = socket, .tell = tell, .arg = w, .ready_by_ms = LIMIT_READY_MS,
                .stop_timeout_ms = LIMIT_STOP_WORKERS_MS,
        };
        int r;

        session_does(&w->run.session, "Starting");
        r = service_run(service, &job, e);
        on_report(w, true);
        report_stopped(w);
        return r;
}

int follow_run(const struct config *config, const struct options *options, struct service *service, struct error *e) {
        struct follow *w = mem_zero(1, sizeof *w);
        int r;

        feed_run_init(&w->run, config, options);
        w->run.follows = true;
        w->run.interval_us = (uint64_t) (config->follow_interval_s * 1e6);
        w->run.settle_us = config->follow_settle_s * 1000000ull;
        w->began_us = w->reported_us = clock_monotonic_us();
        w->reported = mem_zero(w->run.count, sizeof *w->reported);
        r = session_init(&w->run.session, config, service,
                         config->replay_exactly_once ? SESSION_PATIENT_TRANSACTIONS : SESSION_PATIENT, e);
        if (r == 0)
                r = run(w, e);
        if (!service_left_behind(service)) {
                feed_run_done(&w->run);
                free(w->reported);
                free(w);
        }
        return r;
}
