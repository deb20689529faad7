/* Sending: batches of posts, drawn, fetched over connections that may break, and each sent at its moment. */
#include <math.h>
#include <string.h>

#include "pinfeed/limits.h"
#include "room.h"

enum {
        BATCH_MS = 50,                  /* how far ahead posts are fetched */
        LONGEST_LAG_US = 1000000,       /* a pause longer than this is not caught up with */
        MOST_EMPTY_ROUNDS = 1000,
};

/* ---- sending ---- */

static int serve(struct emulate *m, int timeout_ms, struct error *e) {
        if (producer_poll(m->connection.producer, timeout_ms, e) < 0)
                return -1;
        return underway_clear(m->underway, e);
}

int emulate_left_ms(const struct emulate *m) {
        int left_ms = worker_left_ms(m->connection.worker);

        return left_ms < LIMIT_STOP_DELIVER_MS ? left_ms : LIMIT_STOP_DELIVER_MS;
}

/* Waits while librdkafka's queue is full; on stop not longer than the last flush. */
static int send_record(struct emulate *m, struct stream *st, const struct drawn *d, const char *value, size_t length,
                       struct error *e) {
        int r;

        while ((r = producer_send(m->connection.producer, st->topic, d->key.data, d->key.length, value, length, d->post,
                                  e)) == 1) {
                if (worker_left_ms(m->connection.worker) == 0)
                        return error_stopped(e);
                if (serve(m, 50, e) < 0)
                        return -1;
        }
        if (r == 2)
                return error_set(e, ERROR_FAILED, "a record of post %.*s is larger than librdkafka takes", (int) d->key.length,
                                 d->key.data);
        return r == 0 ? 0 : -1;
}

/* All three records of a post, whether or not a stop is asked for. When its time is up the post stays in the file. */
static int send_post(struct emulate *m, struct drawn *d, struct error *e) {
        underway_begin(d->post);
        for (size_t i = 0; i < EMULATE_STREAMS; i++) {
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
        for (size_t i = 0; i < EMULATE_STREAMS; i++)
                if (!producer_fits(m->connection.producer, d->key.length, d->rows.value[i].length)) {
                        leave_out(m, d, i);
                        return false;
                }
        return true;
}

/* ---- over broken connections ---- */

int emulate_try_again(struct emulate *m, struct error *e) {
        return patience_wait(&m->patience, e) < 0 ? -1 : connection_open_database(&m->connection, e);
}

/* Fetches the rows of keys. */
static int fetch(struct emulate *m, const struct key *keys, size_t count, struct post_rows *ret, struct error *e) {
        size_t before = m->rows.length;

        while (posts_fetch(m->posts, keys, count, &m->rows, ret, e) < 0) {
                int r = emulate_try_again(m, e);

                if (r != 0)
                        return r;
                m->rows.length = before;
                }
        patience_over(&m->patience);
        return 0;
}

static int refresh(struct emulate *m, struct error *e) {
        while (draw_refresh(m->draw, e) < 0)
                if (emulate_try_again(m, e) < 0)
                        return -1;
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
                d->post = NULL;
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
                d->post = underway_add(m->underway, &d->key, EMULATE_STREAMS);
        }
}

/* The batch ends early: its posts of which nothing was sent are under way no more. */
static void batch_drop(struct emulate *m) {
        for (size_t i = 0; i < m->batch_count; i++)
                if (m->batch[i].post)
                        underway_drop(m->batch[i].post);
        m->batch_count = 0;
}

/* Waits until a moment, serving delivery reports. */
static int wait_until(struct emulate *m, uint64_t due_us, struct error *e) {
        for (;;) {
                uint64_t now_us = clock_monotonic_us(), left_ms;

                if (worker_stopping(m->connection.worker))
                        return error_stopped(e);
                if (now_us >= due_us)
                        return serve(m, 0, e);
                left_ms = (due_us - now_us + 999) / 1000;
                if (serve(m, left_ms < 100 ? (int) left_ms : 100, e) < 0)
                        return -1;
        }
}

static int wait_for_room(struct emulate *m, size_t wanted, struct error *e) {
        while (underway_room(m->underway) < wanted) {
                if (worker_stopping(m->connection.worker))
                        return error_stopped(e);
                if (serve(m, 100, e) < 0)
                        return -1;
        }
        return 0;
}

static size_t batch_size(const struct emulate *m) {
        double ahead = ceil(m->config->emulate_rate * BATCH_MS / 1000);
        size_t size = ahead < EMULATE_BATCH ? (size_t) ahead : EMULATE_BATCH;

        if (m->config->emulate_posts && m->config->emulate_posts - m->made < size)
                size = (size_t) (m->config->emulate_posts - m->made);
        return size ? size : 1;
}

/* Draws a batch, waits for its first post's moment, fetches the rows. */
static int batch_make(struct emulate *m, struct error *e) {
        uint64_t pauses_us[EMULATE_BATCH], now_us = clock_monotonic_us();
        size_t wanted = batch_size(m), count;
        const struct key *keys;
        int r;

        batch_clear(m);
        r = wait_for_room(m, wanted, e);
        if (r != 0)
                return r;
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
                        draw_more(m->draw, wanted - m->batch_count, &keys, &count);
        }
        for (size_t i = 0; i < m->batch_count; i++)
                m->batch[i].due_us = m->schedule_us += pauses_us[i];
        batch_take(m);
        return r;
}

/* Sends the batch, each post at its moment. */
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

int emulate_batch(struct emulate *m, struct error *e) {
        int r = batch_make(m, e);

        if (r == 0)
                r = underway_write(m->underway, e);
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
        struct key keys[EMULATE_BATCH];
        int r;

        batch_clear(m);
        for (size_t i = 0; i < count; i++)
                keys[i] = (struct key) { left[i].data, left[i].length };
        r = batch_add(m, keys, count, count, e);
        if (r != 0)
                return r;
        *complete += m->batch_count;
        r = wait_for_room(m, m->batch_count, e);
        if (r != 0)
                return r;
        batch_take(m);
        for (size_t i = 0; i < m->batch_count && r == 0; i++)
                r = send_post(m, &m->batch[i], e);
        return r;
}

int emulate_resend(struct emulate *m, struct error *e) {
        const struct buffer *left;
        size_t count = inflight_left(m->inflight, &left), complete = 0;
        int r = 0;

        underway_hold(m->underway, true);
        for (size_t i = 0; i < count && r == 0; i += EMULATE_BATCH)
                r = resend_chunk(m, left + i, count - i < EMULATE_BATCH ? count - i : EMULATE_BATCH, &complete, e);
        if (r != 0)
                return r;
        underway_hold(m->underway, false);
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

