/* verify: one stream after the other, each with its two sides at once; and what is said meanwhile. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "own.h"
#include "pinfeed/feed.h"
#include "pinfeed/limits.h"

/* ---- one stream ---- */

/* The posts of the first streams, unless a topic has lost some: then they can't be counted. */
static bool has_posts(const struct check *c) {
        return c->kind == VERIFY_EMULATED && c->stream.config - c->verify->session.config->streams < VERIFY_POSTS
               && c->log_start == 0;
}

/* The cursor is older than the ends: a row that was sent in between has its record. */
static bool is_awaited(void *arg, const char *key, size_t length) {
        const struct check *c = arg;

        return c->cursor.main.followed && feed_awaits(&c->cursor.main, &(struct key) { key, length });
}

static int verify_stream(struct check *c, struct error *e) {
        struct verify *v = c->verify;
        const struct compare_sides sides = {
                .name = c->stream.config->name, .secret = v->secret, .rows = side_rows, .records = side_records,
                .both = side_both, .is_awaited = is_awaited, .arg = c, .ret_round = &c->round, .show = v->show, .repeats = c->kind == VERIFY_EMULATED,
                .counts_keys = has_posts(c),
        };
        uint64_t began_us = clock_monotonic_us();

        session_does(&v->session, "Verifies %s", c->stream.config->topic);
        c->compare = compare_new(&sides);
        if (sides.counts_keys)
                v->posts[v->topics_of_posts++] = c->compare;
        if (begin_cut(c, e) < 0 || compare_run(c->compare, e) < 0 || producer_reader_aborted(v->reader, &c->aborted, e) < 0)
                return -1;
        c->took_us = clock_monotonic_us() - began_us;
        c->done = true;
        return 0;
}

/* ---- the run ---- */

/* The ends of all topics are before the snapshot of the tables: what is appended to a table and sent meanwhile is no record
 * without a row. */
static int fix_ends(struct verify *v, struct error *e) {
        int partitions = 1;

        for (size_t i = 0; i < v->count; i++)
                if (v->checks[i].partitions > partitions)
                        partitions = v->checks[i].partitions;
        if (producer_reader_open(v->connection.producer, true, partitions, &v->reader, e) < 0)
                return -1;
        for (size_t i = 0; i < v->count; i++) {
                struct check *c = &v->checks[i];

                if (producer_reader_spans(v->reader, c->stream.topic, c->spans, e) < 0)
                        return -1;
                for (int p = 0; p < c->partitions; p++) {
                        c->offsets += (uint64_t) (c->spans[p].end - c->spans[p].first);
                        if (c->spans[p].first > c->log_start)
                                c->log_start = c->spans[p].first;
                }
        }
        if (database_snapshot(v->connection.database, e) < 0)
                return -1;
        v->snapshot_us = clock_monotonic_us();
        return 0;
}

static int verify_all(struct verify *v, struct error *e) {
        int r = connection_open_database(&v->connection, e);

        if (r == 0)
                r = connection_open_producer(&v->connection, NULL, NULL, NULL, e);
        for (size_t i = 0; i < v->count && r == 0; i++)
                r = begin_check(&v->checks[i], e);
        if (r == 0)
                r = fix_ends(v, e);
        for (size_t i = 0; i < v->count && r == 0; i++)
                r = verify_stream(&v->checks[i], e);
        if (r == 0 && v->topics_of_posts >= 2)
                r = compare_keys(v->posts, v->topics_of_posts, &v->uneven, e);
        connection_close_database(&v->connection);      /* and with it the snapshot, for which the server keeps old rows */
        v->compared = r == 0;
        if (r == 0)
                r = await_follow(v, e);
        v->decided = r == 0;
        return r;
}

static int work(struct worker *w, void *arg, struct error *e) {
        struct verify *v = arg;
        struct error unended = {};
        int r;

        v->connection.worker = w;
        r = verify_all(v, e);
        if (r < 0 && worker_stopping(w))
                error_stopped(e);
        if (producer_reader_close(v->reader, &unended) < 0 || connection_close(&v->connection, &unended) < 0) {
                service_leave_behind(v->session.service);
                *e = r < 0 ? *e : unended;
                r = -1;
        }
        return r;
}

static void on_wake(void *arg) {
        struct verify *v = arg;

        connection_cancel(&v->connection);
}

static void on_progress(void *arg) {
        struct verify *v = arg;
        _cleanup_buffer_ struct buffer lines = {};

        for (size_t i = 0; i < v->count; i++) {
                const struct check *c = &v->checks[i];
                uint64_t rows = c->rows_read, read = c->offsets_read;

                buffer_printf(&lines, "%s%-8s %" PRIu64 " rows, %" PRIu64 " records (%.0f %% of the topic)", i ? "\n" : "",
                              c->stream.config->name, rows, read,
                              c->offsets ? 100.0 * (double) read / (double) c->offsets : 100.0);
                if (c->round > 0 && !c->done)
                        buffer_printf(&lines, ", looks which keys differ (%u)", (unsigned) c->round);
                if (c->awaits)
                        buffer_append_string(&lines, ", waits for a follow to go on");
        }
        service_progress(v->session.service, buffer_string(&lines));
}

static struct verify *verify_new(const struct config *config, const struct options *o) {
        struct verify *v = mem_zero(1, sizeof *v);

        v->secret = compare_secret_new();
        v->options = o;
        v->began_us = clock_monotonic_us();
        v->session.config = config;
        v->checks = mem_zero(config->stream_count, sizeof *v->checks);
        for (size_t i = 0; i < config->stream_count; i++)
                if (options_want_stream(o, config->streams[i].name)) {
                        v->checks[v->count].verify = v;
                        v->checks[v->count++].stream.config = &config->streams[i];
                }
        return v;
}

static void check_free(struct check *c) {
        stream_done(&c->stream);
        cursor_free(&c->cursor);
        free(c->spans);
        compare_free(c->compare);
        buffer_free(&c->cut);
        for (int i = 0; c->previous && i < c->partitions; i++)
                buffer_free(&c->previous[i]);
        free(c->previous);
}

static void verify_free(struct verify *v) {
        for (size_t i = 0; i < v->count; i++)
                check_free(&v->checks[i]);
        compare_names_free(&v->uneven.names);
        free(v->secret);
        session_done(&v->session);
        free(v->checks);
        free(v);
}

static int run(struct verify *v, FILE *out, struct error *e) {
        struct service *service = v->session.service;
        void *args[] = { v };
        const struct service_job job = {
                .work = work, .args = args, .count = 1, .progress = on_progress, .wake = on_wake, .arg = v,
                .stop_timeout_ms = LIMIT_STOP_WORKERS_MS,
        };

        connection_init(&v->connection, &v->session, NULL);
        if (service_run(service, &job, e) < 0)
                return -1;
        if (v->compared && verdict_print(v, v->options->json || !isatty(fileno(out)), out, e) < 0)
                return -1;
        if (!v->decided)
                return verdict_stopped(v, e);
        return verdict_is_equal(v) ? 0 : verdict_differs(v, e);
}

static int read_options(struct verify *v, struct error *e) {
        const struct options *o = v->options;
        enum verify_kind kind;
        char *end;

        v->show = o->show ? strtoul(o->show, &end, 10) : 0;
        if (o->show && (v->show < 1 || v->show > COMPARE_SHOWN_MOST || *end))
                return error_set(e, ERROR_USAGE, "--show takes a number from 1 to %d", COMPARE_SHOWN_MOST);
        return o->as ? begin_kind(o->as, &kind, e) : 0;
}

int verify_run(const struct config *config, const struct options *options, struct service *service, FILE *out,
               struct error *e) {
        struct verify *v = verify_new(config, options);
        int r = read_options(v, e);

        if (r == 0)
                r = session_init(&v->session, config, service, SESSION_READING, e);
        if (r == 0)
                r = run(v, out, e);
        if (!service_left_behind(service))
                verify_free(v);
        return r;
}
