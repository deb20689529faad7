/* verify: one stream after the other, each with its two sides at once; and what is said meanwhile. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "own.h"
#include "pinfeed/feed.h"
#include "pinfeed/limits.h"

/* ---- everything is summed up ---- */

static int sum_row(struct check *c, const struct item *item, struct error *e) {
        (void) e;
        sums_add(&c->rows.sums, &item->digest);
        c->rows.count++;
        return 0;
}

/* A restart steps back once. */
static void watch_order(struct check *c, const struct item *item) {
        struct buffer *previous = &c->previous[item->partition];
        struct key key = { item->key, item->key_length };

        if (!key_fits(c->bounds.order, &key))
                return;
        if (previous->length > 0
            && key_compare(c->bounds.order, &key, &(struct key) { previous->data, previous->length }) < 0)
                c->out_of_order++;
        previous->length = 0;
        buffer_append(previous, key.data, key.length);
}

static int sum_record(struct check *c, const struct item *item, struct error *e) {
        (void) e;
        c->records.count++;
        if (!item->key || !item->value) {
                c->counts[VERIFY_FOREIGN]++;
                names_add(&c->names[VERIFY_FOREIGN], item->key, item->key_length);
                return 0;
        }
        sums_add(&c->records.sums, &item->digest);
        if (c->posts)
                c->posts[sums_bucket(&item->digest)] += item->digest.key;
        if (c->kind == VERIFY_REPLAYED && c->bounds.order != KEY_ORDER_UNKNOWN)
                watch_order(c, item);
        return 0;
}

static int count_aborted(struct check *c, const struct unseen *unseen, struct error *e) {
        struct verify *v = c->verify;

        if (unseen->count == 0)
                return 0;
        if (!v->uncommitted && producer_reader_open(v->connection.producer, false, 1, &v->uncommitted, e) < 0)
                return -1;
        return unseen_count(c, unseen, &c->aborted, e);
}

static int verify_stream(struct check *c, struct error *e) {
        uint64_t began_us = clock_monotonic_us();
        struct unseen unseen;
        int r;

        session_does(&c->verify->session, "Verifies %s", c->stream.config->topic);
        sums_init(&c->rows.sums);
        sums_init(&c->records.sums);
        unseen_init(&unseen, c->spans, c->partitions);
        r = begin_cut(c, e);
        if (r == 0)
                r = side_both(c, sum_row, &unseen, sum_record, e);
        unseen_end(&unseen, c->spans, c->partitions);
        if (r == 0)
                r = count_aborted(c, &unseen, e);
        unseen_free(&unseen);
        if (r == 0)
                r = differ_find(c, e);
        sums_free(&c->rows.sums);
        sums_free(&c->records.sums);
        c->took_us = clock_monotonic_us() - began_us;
        c->done = r == 0;
        return r;
}

/* ---- the run ---- */

/* The ends of all topics are before the snapshot of the tables: what is appended to a table and sent meanwhile is no record
 * without a row. */
static int fix_ends(struct verify *v, struct error *e) {
        int partitions = 1;

        for (size_t i = 0; i < v->count; i++)
                if (v->checks[i].partitions > partitions)
                        partitions = v->checks[i].partitions;
        if (producer_reader_open(v->connection.producer, true, partitions, &v->committed, e) < 0)
                return -1;
        for (size_t i = 0; i < v->count; i++) {
                struct check *c = &v->checks[i];

                if (producer_reader_spans(v->committed, c->stream.topic, c->spans, e) < 0)
                        return -1;
                for (int p = 0; p < c->partitions; p++) {
                        c->offsets += (uint64_t) (c->spans[p].end - c->spans[p].first);
                        if (c->spans[p].first > c->log_start)
                                c->log_start = c->spans[p].first;
                }
        }
        return database_snapshot(v->connection.database, e);
}

/* Of topics that have lost records the posts can't be counted. */
static void choose_posts(struct verify *v) {
        for (size_t i = 0; i < v->count; i++) {
                struct check *c = &v->checks[i];

                if (c->kind != VERIFY_EMULATED || c->stream.config - v->session.config->streams >= VERIFY_POSTS || c->log_start > 0)
                        continue;
                c->posts = mem_zero(SUMS_BUCKETS, sizeof *c->posts);
                c->post = v->topics_of_posts++;
        }
}

static int verify_all(struct verify *v, struct error *e) {
        int r = connection_open_database(&v->connection, e);

        if (r == 0)
                r = connection_open_producer(&v->connection, NULL, NULL, NULL, e);
        for (size_t i = 0; i < v->count && r == 0; i++)
                r = begin_check(&v->checks[i], e);
        if (r == 0)
                r = fix_ends(v, e);
        if (r == 0)
                choose_posts(v);
        for (size_t i = 0; i < v->count && r == 0; i++)
                r = verify_stream(&v->checks[i], e);
        return r == 0 ? posts_compare(v, e) : r;
}

static int work(struct worker *w, void *arg, struct error *e) {
        struct verify *v = arg;
        struct error unended = {};
        int r;

        v->connection.worker = w;
        r = verify_all(v, e);
        if (r < 0 && worker_stopping(w))
                error_stopped(e);
        if (producer_reader_close(v->uncommitted, &unended) < 0 || producer_reader_close(v->committed, &unended) < 0
            || connection_close(&v->connection, &unended) < 0) {
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
                uint64_t rows = c->rows.read, read = c->records.read;

                buffer_printf(&lines, "%s%-8s %" PRIu64 " rows, %" PRIu64 " records (%.0f %% of the topic)", i ? "\n" : "",
                              c->stream.config->name, rows, read,
                              c->offsets ? 100.0 * (double) read / (double) c->offsets : 100.0);
                if (c->round > 0 && !c->done)
                        buffer_printf(&lines, ", looks which keys differ (%u)", (unsigned) c->round);
        }
        service_progress(v->session.service, buffer_string(&lines));
}

static struct verify *verify_new(const struct config *config, const struct options *o) {
        struct verify *v = mem_zero(1, sizeof *v);
        struct random random;

        random_seed_entropy(&random);
        sums_draw_secret(&random, &v->secret);
        v->options = o;
        v->show = o->show ? strtoul(o->show, NULL, 10) : 0;
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
        free(c->spans);
        free(c->posts);
        buffer_free(&c->cut);
        for (int i = 0; c->previous && i < c->partitions; i++)
                buffer_free(&c->previous[i]);
        free(c->previous);
        for (int i = 0; i < VERIFY_CLASSES; i++)
                names_free(&c->names[i]);
        for (size_t i = 0; i < c->shown_count; i++) {
                buffer_free(&c->shown[i].name);
                buffer_free(&c->shown[i].row);
                buffer_free(&c->shown[i].record);
        }
}

static void verify_free(struct verify *v) {
        for (size_t i = 0; i < v->count; i++)
                check_free(&v->checks[i]);
        names_free(&v->posts);
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
        if (service_stopped_by(service))
                return error_stopped(e);
        if (verdict_print(v, v->options->json || !isatty(fileno(out)), out, e) < 0)
                return -1;
        return verdict_is_equal(v) ? 0 : verdict_differs(v, e);
}

static int check_options(const struct options *o, struct error *e) {
        char *end = NULL;
        unsigned long show = o->show ? strtoul(o->show, &end, 10) : 1;
        enum verify_kind kind;

        if (show < 1 || show > VERIFY_SHOWN_MOST || (end && *end))
                return error_set(e, ERROR_USAGE, "--show takes a number from 1 to %d", VERIFY_SHOWN_MOST);
        return o->as ? begin_kind(o->as, &kind, e) : 0;
}

int verify_run(const struct config *config, const struct options *options, struct service *service, FILE *out,
               struct error *e) {
        struct verify *v;
        int r;

        if (check_options(options, e) < 0)
                return -1;
        v = verify_new(config, options);
        r = session_init(&v->session, config, service, SESSION_READING, e);
        if (r == 0)
                r = run(v, out, e);
        if (!service_left_behind(service))
                verify_free(v);
        return r;
}
