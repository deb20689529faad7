/* emulate: draws posts and sends each to its three topics, at a rate, until it is stopped. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "draw.h"
#include "inflight.h"
#include "pinfeed/job.h"

enum {
        MOST_UNDER_WAY = 10000,         /* posts; then the reader waits for Kafka */
        MOST_IN_BATCH = 500,            /* posts that are fetched at once */
        BATCH_MS = 50,                  /* how far ahead posts are fetched */
        CLEAR_MS = 200,                 /* how long an acknowledged key may stay in the file while more are under way */
        LONGEST_LAG_US = 1000000,       /* a pause longer than this is not caught up with */
        FLUSH_MS = 8000,
        STOP_TIMEOUT_MS = 28000,
        MOST_EMPTY_ROUNDS = 1000,
};

/* A post under way. */
struct post {
        struct emulate *owner;
        struct buffer key;
        unsigned waiting;               /* records not yet acknowledged */
        bool used;
        bool begun;                     /* its first record was handed over */
};

/* A post that is drawn and fetched. */
struct drawn {
        struct key key;                 /* in the batch's text */
        struct post_rows rows;
        uint64_t due_us;
        struct post *post;
};

struct emulate {
        const struct config *config;
        struct session session;
        struct connection connection;
        struct patience patience;       /* with a database that lets us in and then fails */
        struct stream streams[POSTS_STREAMS];
        struct posts *posts;
        struct draw *draw;
        struct inflight *inflight;

        struct post *slots;             /* MOST_UNDER_WAY */
        struct post **free;             /* a stack of unused slots */
        size_t free_count;
        struct buffer *keys;            /* scratch for writing the file */
        bool stale;                     /* the file holds keys that are no longer under way */
        uint64_t written_us;
        bool keep;                      /* what is reported from now on stays in the file */

        struct drawn batch[MOST_IN_BATCH];
        size_t batch_count;
        struct buffer rows, texts;      /* of the batch */
        uint64_t schedule_us;           /* when the last scheduled post was due */
        uint64_t made;                  /* posts sent in this run, without those sent again */
        bool resending;                 /* the file stays as the earlier run left it */
        _Atomic bool working;           /* start-up is over */
        _Atomic uint64_t too_large;     /* draws of posts that were left out */
        uint64_t too_large_reported;    /* main thread */
};

/* ---- posts under way, and their file ---- */

static size_t under_way(const struct emulate *m) {
        return MOST_UNDER_WAY - m->free_count;
}

static struct post *post_take(struct emulate *m, const struct key *key) {
        struct post *post = m->free[--m->free_count];

        post->key.length = 0;
        buffer_append(&post->key, key->data, key->length);
        post->waiting = POSTS_STREAMS;
        post->used = true;
        post->begun = false;
        return post;
}

static void post_release(struct post *post) {
        struct emulate *m = post->owner;

        post->used = false;
        m->free[m->free_count++] = post;
        m->stale = true;
}

static int write_file(struct emulate *m, struct error *e) {
        size_t count = 0;

        for (size_t i = 0; i < MOST_UNDER_WAY; i++)
                if (m->slots[i].used)
                        m->keys[count++] = m->slots[i].key;
        if (inflight_write(m->inflight, m->keys, count, e) < 0)
                return -1;
        m->stale = false;
        m->written_us = clock_monotonic_us();
        return 0;
}

/* Clears what was acknowledged: at once when nothing else is under way, else together with what comes next. */
static int clear_file(struct emulate *m, struct error *e) {
        if (!m->stale || m->keep || m->resending)
                return 0;
        if (under_way(m) > 0 && clock_monotonic_us() - m->written_us < CLEAR_MS * 1000ull)
                return 0;
        return write_file(m, e);
}

static void on_report(void *arg, void *tag, const char *reason) {
        struct emulate *m = arg;
        struct post *post = tag;

        if (m->keep)
                return;
        /* A record that failed ends the run, and its post stays in the file. */
        if (!reason && --post->waiting == 0)
                post_release(post);
}

/* ---- sending ---- */

static int serve(struct emulate *m, int timeout_ms, struct error *e) {
        worker_alive(m->connection.worker);
        if (producer_poll(m->connection.producer, timeout_ms, e) < 0)
                return -1;
        return clear_file(m, e);
}

/* Waits while librdkafka's queue is full; on stop not longer than the last flush. */
static int send_record(struct emulate *m, struct stream *st, const struct drawn *d, const char *value, size_t length,
                       struct error *e) {
        uint64_t give_up_us = 0;
        int r;

        while ((r = producer_send(m->connection.producer, st->topic, d->key.data, d->key.length, value, length, d->post,
                                  e)) == 1) {
                if (worker_stopping(m->connection.worker)) {
                        give_up_us = give_up_us ? give_up_us : clock_monotonic_us() + FLUSH_MS * 1000ull;
                        if (clock_monotonic_us() > give_up_us)
                                return 1;
                }
                if (serve(m, 50, e) < 0)
                        return -1;
        }
        if (r == 2)
                return error_set(e, ERROR_FAILED, "a record of post %.*s is larger than librdkafka takes", (int) d->key.length,
                                 d->key.data);
        return r == 0 ? 0 : -1;
}

/* All three records of a post, whether or not a stop is asked for. 1: time is up, the post stays in the file. */
static int send_post(struct emulate *m, struct drawn *d, struct error *e) {
        d->post->begun = true;
        for (size_t i = 0; i < POSTS_STREAMS; i++) {
                int r = send_record(m, &m->streams[i], d, m->rows.data + d->rows.value[i].at, d->rows.value[i].length, e);

                if (r != 0)
                        return r;
        }
        return 0;
}

/* Says the first one by name; others are counted in the interval reports. */
static void leave_out(struct emulate *m, const struct drawn *d, size_t stream) {
        if (atomic_fetch_add(&m->too_large, 1) > 0)
                return;
        service_log(m->session.service, SERVICE_WARNING, MESSAGE_NOTE, NULL, 0,
                    "post %.*s is not sent: its record for %s has %zu bytes, more than [kafka] message.max.bytes allows. "
                    "Raise it, and the topic's max.message.bytes; until then such posts are left out.",
                    (int) d->key.length, d->key.data, m->streams[stream].config->topic, d->rows.value[stream].length);
}

static bool post_fits(struct emulate *m, const struct drawn *d) {
        for (size_t i = 0; i < POSTS_STREAMS; i++)
                if (!producer_fits(m->connection.producer, d->key.length, d->rows.value[i].length)) {
                        leave_out(m, d, i);
                        return false;
                }
        return true;
}

static void report_left_out(struct emulate *m) {
        uint64_t now = m->too_large, more = now - m->too_large_reported;

        if (now > 1 && more > 0)
                service_log(m->session.service, SERVICE_WARNING, MESSAGE_NOTE, NULL, 0,
                            "%llu times a post was drawn and left out: a record of it is larger than [kafka] message.max.bytes",
                            (unsigned long long) more);
        m->too_large_reported = now;
}

/* ---- over broken connections ---- */

/* After something failed at the database: if it can't be reached, waits and opens a new connection. 0: try again;
 * 1: stopping; -1: the error stands. */
static int try_again(struct emulate *m, struct error *e) {
        int r = patience_wait(&m->patience, e);

        return r != 0 ? r : connection_open_database(&m->connection, e);
}

/* Fetches the rows of keys. 1: stopping. */
static int fetch(struct emulate *m, const struct key *keys, size_t count, struct post_rows *ret, struct error *e) {
        size_t before = m->rows.length;

        while (posts_fetch(m->posts, keys, count, &m->rows, ret, e) < 0) {
                int r = try_again(m, e);

                if (r != 0)
                        return r;
                m->rows.length = before;
        }
        patience_over(&m->patience);
        return 0;
}

static int refresh(struct emulate *m, struct error *e) {
        while (draw_refresh(m->draw, e) < 0) {
                int r = try_again(m, e);

                if (r != 0)
                        return r;
        }
        return 0;
}

/* ---- a batch ---- */

static void batch_clear(struct emulate *m) {
        m->batch_count = 0;
        m->rows.length = 0;
        m->texts.length = 0;
}

/* Keeps those of the keys that are posts, up to `wanted` in all. */
static int batch_add(struct emulate *m, const struct key *keys, size_t count, size_t wanted, struct error *e) {
        struct post_rows *rows = mem_alloc(count * sizeof *rows);
        int r = fetch(m, keys, count, rows, e);

        for (size_t i = 0; r == 0 && i < count && m->batch_count < wanted; i++) {
                struct drawn *d = &m->batch[m->batch_count];

                if (!rows[i].complete)
                        continue;
                /* An offset for now: the text may still move. */
                d->key = (struct key) { (const char *) (uintptr_t) m->texts.length, keys[i].length };
                buffer_append(&m->texts, keys[i].data, keys[i].length);
                d->rows = rows[i];
                if (post_fits(m, &(struct drawn) { .key = keys[i], .rows = rows[i] }))
                        m->batch_count++;
        }
        free(rows);
        return r;
}

static void batch_take(struct emulate *m) {
        for (size_t i = 0; i < m->batch_count; i++) {
                struct drawn *d = &m->batch[i];

                d->key.data = m->texts.data + (uintptr_t) d->key.data;
                d->post = post_take(m, &d->key);
        }
}

/* The batch ends early: its posts of which nothing was sent are under way no more. */
static void batch_drop(struct emulate *m) {
        for (size_t i = 0; i < m->batch_count; i++)
                if (m->batch[i].post->used && !m->batch[i].post->begun)
                        post_release(m->batch[i].post);
        m->batch_count = 0;
}

/* Waits until a moment, serving delivery reports. 1: stopping. */
static int wait_until(struct emulate *m, uint64_t due_us, struct error *e) {
        for (;;) {
                uint64_t now_us = clock_monotonic_us(), left_ms;

                if (worker_stopping(m->connection.worker))
                        return 1;
                if (now_us >= due_us)
                        return serve(m, 0, e);
                left_ms = (due_us - now_us + 999) / 1000;
                if (serve(m, left_ms < 100 ? (int) left_ms : 100, e) < 0)
                        return -1;
        }
}

static int wait_for_room(struct emulate *m, size_t wanted, struct error *e) {
        while (m->free_count < wanted) {
                if (worker_stopping(m->connection.worker))
                        return 1;
                if (serve(m, 100, e) < 0)
                        return -1;
        }
        return 0;
}

static size_t batch_size(const struct emulate *m) {
        double ahead = ceil(m->config->emulate_rate * BATCH_MS / 1000);
        size_t size = ahead < MOST_IN_BATCH ? (size_t) ahead : MOST_IN_BATCH;

        if (m->config->emulate_posts && m->config->emulate_posts - m->made < size)
                size = (size_t) (m->config->emulate_posts - m->made);
        return size ? size : 1;
}

/* Draws a batch, waits for its first post's moment, fetches the rows. 1: stopping. */
static int batch_make(struct emulate *m, struct error *e) {
        uint64_t pauses_us[MOST_IN_BATCH], now_us = clock_monotonic_us();
        size_t wanted = batch_size(m), count;
        const struct key *keys;
        int r;

        r = wait_for_room(m, wanted, e);
        if (r != 0)
                return r;
        batch_clear(m);
        if (m->schedule_us + LONGEST_LAG_US < now_us)
                m->schedule_us = now_us;
        draw_round(m->draw, wanted, pauses_us, &keys, &count);
        r = wait_until(m, m->schedule_us + pauses_us[0], e);
        for (unsigned round = 0; r == 0; round++) {
                r = batch_add(m, keys, count, wanted, e);
                if (r != 0 || m->batch_count == wanted)
                        break;
                if (round == MOST_EMPTY_ROUNDS) {
                        error_set(e, ERROR_FAILED, "no post was found: %d draws in a row met no key that is in all three "
                                  "tables", MOST_EMPTY_ROUNDS);
                        return -1;
                }
                worker_alive(m->connection.worker);
                draw_more(m->draw, wanted - m->batch_count, &keys, &count);
        }
        for (size_t i = 0; i < m->batch_count; i++)
                m->batch[i].due_us = m->schedule_us += pauses_us[i];
        batch_take(m);
        return r;
}

/* Sends the batch, each post at its moment. 1: stopping. */
static int batch_send(struct emulate *m, struct error *e) {
        for (size_t i = 0; i < m->batch_count; i++) {
                int r = wait_until(m, m->batch[i].due_us, e);

                if (r == 0)
                        r = send_post(m, &m->batch[i], e);
                if (r != 0)
                        return r;
                m->made++;
        }
        return 0;
}

static int batch(struct emulate *m, struct error *e) {
        int r = batch_make(m, e);

        if (r == 0)
                r = write_file(m, e);
        if (r == 0)
                r = batch_send(m, e);
        if (r != 0) {
                batch_drop(m);
                return r;
        }
        return refresh(m, e);
}

/* ---- what an earlier run left ---- */

static int resend_chunk(struct emulate *m, const struct buffer *left, size_t count, size_t *complete, struct error *e) {
        struct key keys[MOST_IN_BATCH];
        int r;

        batch_clear(m);
        for (size_t i = 0; i < count; i++)
                keys[i] = (struct key) { left[i].data, left[i].length };
        r = batch_add(m, keys, count, count, e);
        if (r != 0)
                return r;
        *complete += m->batch_count;
        r = wait_for_room(m, m->batch_count, e);
        batch_take(m);
        for (size_t i = 0; i < m->batch_count && r == 0; i++)
                r = send_post(m, &m->batch[i], e);
        return r;
}

static int resend(struct emulate *m, struct error *e) {
        const struct buffer *left;
        size_t count = inflight_left(m->inflight, &left), complete = 0;
        int r = 0;

        m->resending = true;
        for (size_t i = 0; i < count && r == 0; i += MOST_IN_BATCH)
                r = resend_chunk(m, left + i, count - i < MOST_IN_BATCH ? count - i : MOST_IN_BATCH, &complete, e);
        if (r != 0)
                return r;
        m->resending = false;
        if (complete > 0)
                service_log(m->session.service, SERVICE_NOTICE, MESSAGE_RESENT, NULL, 0,
                            "sent %zu post%s again that %s under way when the last run ended", complete,
                            complete == 1 ? "" : "s", complete == 1 ? "was" : "were");
        if (complete < count)
                service_log(m->session.service, SERVICE_WARNING, MESSAGE_RESENT, NULL, 0,
                            "%zu of %zu posts that were under way when the last run ended can't be sent again (no row in all "
                            "three tables any more, or too large): the topics may hold them in part", count - complete, count);
        return 0;
}

/* ---- start and end ---- */

static int describe_tables(struct emulate *m, struct error *e) {
        int r = 0;

        for (size_t i = 0; i < POSTS_STREAMS && r == 0; i++)
                r = stream_describe(&m->streams[i], &m->connection, e);
        return r;
}

static int open_draw(struct emulate *m, struct error *e) {
        int r = posts_open(m->streams, &m->connection, &m->posts, e);

        if (r == 0)
                r = draw_open(m->posts, m->streams, &m->connection, &m->draw, e);
        if (r != 0) {
                posts_close(m->posts);
                m->posts = NULL;
        }
        return r;
}

/* Over as many connections as it takes. 1: stopping. */
static int insist(struct emulate *m, int (*step)(struct emulate *m, struct error *e), struct error *e) {
        int r;

        while ((r = step(m, e)) < 0) {
                r = try_again(m, e);
                if (r != 0)
                        return r;
        }
        patience_over(&m->patience);
        return r;
}

static int start(struct emulate *m, struct error *e) {
        struct service *service = m->session.service;
        int r;

        session_begin(&m->session);
        if (session_check(&m->session, e) < 0)
                return -1;
        if (inflight_open(m->config->state_dir, m->config->user_id, &m->inflight, e) < 0)
                return -1;
        r = connection_open_database(&m->connection, e);
        if (r == 0)
                r = insist(m, describe_tables, e);
        if (r == 0)
                r = connection_open_producer(&m->connection, NULL, on_report, m, e);
        for (size_t i = 0; i < POSTS_STREAMS && r == 0; i++)
                r = stream_open_topic(&m->streams[i], &m->connection, e);
        if (r == 0)
                r = connection_may_write(&m->connection, e);
        if (r == 0)
                r = insist(m, open_draw, e);
        if (r != 0)
                return r;
        m->working = true;
        session_work(&m->session, "Sends %g posts a second", m->config->emulate_rate);
        service_log(service, SERVICE_INFO, MESSAGE_STARTED, NULL, 0, "sends %g posts a second to %s, %s and %s",
                    m->config->emulate_rate, m->streams[0].config->topic, m->streams[1].config->topic,
                    m->streams[2].config->topic);
        m->schedule_us = clock_monotonic_us();
        return resend(m, e);
}

static bool finished(const struct emulate *m) {
        return m->config->emulate_posts && m->made >= m->config->emulate_posts;
}

/* Waits for what is on its way. 0: it arrived; 1: time is up; -1: something failed. In any case the file holds the
 * posts that are not in all topics. */
static int flush(struct emulate *m, struct error *e) {
        uint64_t until_us = clock_monotonic_us() + FLUSH_MS * 1000ull;
        int r = 0;

        while (producer_in_flight(m->connection.producer) > 0 && clock_monotonic_us() < until_us) {
                worker_alive(m->connection.worker);
                if (producer_poll(m->connection.producer, 50, e) < 0)
                        r = -1;
        }
        if (r == 0 && producer_in_flight(m->connection.producer) > 0)
                r = 1;
        m->keep = true;         /* what is reported later belongs to the next run, which sends those posts again */
        if (!m->resending && write_file(m, &(struct error) {}) < 0)
                return -1;      /* it still holds those keys, and some too many */
        return r;
}

static int not_in_time(struct emulate *m, struct error *e) {
        const char *reason = producer_last_reason(m->connection.producer);

        error_set(e, ERROR_FAILED, "%zu records were not acknowledged within %d s: %s",
                  producer_in_flight(m->connection.producer), FLUSH_MS / 1000, *reason ? reason : "no answer");
        return error_hint(e, "Their posts' keys are kept in %s; the next start sends them again.", m->config->state_dir);
}

/* Names the posts that are not in all topics, or may not be. */
static void report_left(struct emulate *m) {
        enum { MOST_NAMED = 10 };
        struct buffer names = {};
        size_t named = 0, left = under_way(m);

        for (size_t i = 0; i < MOST_UNDER_WAY && named < MOST_NAMED; i++)
                if (m->slots[i].used)
                        buffer_printf(&names, "%s%.*s", named++ ? ", " : "", (int) m->slots[i].key.length,
                                      m->slots[i].key.data);
        if (left > 0)
                service_log(m->session.service, SERVICE_WARNING, MESSAGE_NOTE, NULL, 0,
                            "%zu post%s may not be in all topics (%s%s): the next start sends %s again, whole", left,
                            left == 1 ? "" : "s", buffer_string(&names), left > named ? ", ..." : "",
                            left == 1 ? "it" : "them");
        buffer_free(&names);
}

/* The last line: what was and was not delivered. */
static void report_end(struct emulate *m) {
        struct buffer line = {};

        for (size_t i = 0; i < POSTS_STREAMS; i++) {
                struct tally_snapshot now;

                tally_read(&m->streams[i].tally, &now);
                buffer_printf(&line, "%s%s: %llu of %llu delivered", i ? ", " : "", m->streams[i].config->topic,
                              (unsigned long long) now.delivered, (unsigned long long) now.sent);
        }
        service_log(m->session.service, SERVICE_INFO, MESSAGE_STOPPED, NULL, 0, "stopped; %s", buffer_string(&line));
        buffer_free(&line);
}

static int work(struct worker *w, void *arg, struct error *e) {
        struct emulate *m = arg;
        int r;

        m->connection.worker = w;
        r = start(m, e);
        while (r == 0 && !finished(m) && !worker_stopping(w))
                r = batch(m, e);
        /* Also after an error: what is on its way may still arrive. */
        if (m->connection.producer && m->working) {
                struct error flush_error;
                int flushed = flush(m, r < 0 ? &flush_error : e);

                if (r >= 0 && flushed != 0)
                        r = flushed > 0 ? not_in_time(m, e) : -1;
                report_left(m);
                report_left_out(m);
                report_end(m);
        }
        if (connection_close(&m->connection, r < 0 ? &(struct error) {} : e) < 0)
                r = -1;
        return r < 0 ? -1 : 0;
}

static void report(void *arg) {
        struct emulate *m = arg;

        if (!m->streams[0].tally.sent && !m->working)
                return;
        for (size_t i = 0; i < POSTS_STREAMS; i++) {
                struct tally_snapshot now;

                tally_read(&m->streams[i].tally, &now);
                service_log_statistics(m->session.service, m->streams[i].config->topic, &m->streams[i].reported, &now,
                                       m->config->stats_interval_s);
                m->streams[i].reported = now;
        }
        report_left_out(m);
        session_report_token(&m->session);
}

static void wake(void *arg) {
        struct emulate *m = arg;

        connection_cancel(&m->connection);
}

static struct emulate *emulate_new(const struct config *config, struct service *service) {
        struct emulate *m = mem_zero(1, sizeof *m);

        m->config = config;
        session_init(&m->session, config, service, true);
        connection_init(&m->connection, &m->session, NULL);
        m->patience = (struct patience) { .connection = &m->connection, .whom = "Rows can be read" };
        for (size_t i = 0; i < POSTS_STREAMS; i++)
                m->streams[i].config = &config->streams[i];
        m->slots = mem_zero(MOST_UNDER_WAY, sizeof *m->slots);
        m->free = mem_alloc(MOST_UNDER_WAY * sizeof *m->free);
        m->keys = mem_alloc(MOST_UNDER_WAY * sizeof *m->keys);
        for (size_t i = 0; i < MOST_UNDER_WAY; i++) {
                m->slots[i].owner = m;
                m->free[m->free_count++] = &m->slots[i];
        }
        return m;
}

static void emulate_free(struct emulate *m) {
        draw_close(m->draw);
        posts_close(m->posts);
        inflight_close(m->inflight);
        for (size_t i = 0; i < POSTS_STREAMS; i++)
                stream_done(&m->streams[i]);
        for (size_t i = 0; i < MOST_UNDER_WAY; i++)
                buffer_free(&m->slots[i].key);
        free(m->slots);
        free(m->free);
        free(m->keys);
        buffer_free(&m->rows);
        buffer_free(&m->texts);
        connection_done(&m->connection);
        session_done(&m->session);
        free(m);
}

int job_emulate(const struct config *config, struct service *service, struct error *e) {
        struct emulate *m = emulate_new(config, service);
        const struct service_job job = {
                .work = work, .args = (void *[]) { m }, .count = 1, .report = report,
                .report_interval_s = config->stats_interval_s, .wake = wake, .arg = m, .stop_timeout_ms = STOP_TIMEOUT_MS,
        };
        int r = service_run(service, &job, e);

        emulate_free(m);
        return r;
}
