/* Sending: batches of posts, drawn, fetched over connections that may break, and each sent at its moment. */
#include "pinfeed/limits.h"
#include "room.h"

enum {
        MOST_EMPTY_ROUNDS = 1000,
        SURVEY_S = 60,
};

/* ---- one post ---- */

int emulate_serve(struct emulate *m, int timeout_ms, struct error *e) {
        if (producer_poll(m->connection.producer, timeout_ms, e) < 0)
                return -1;
        /* Keys too many do no harm; who adds some waits for room. */
        return underway_clear(m->underway, clock_monotonic_us(), e) < 0 && e->class != ERROR_UNREACHABLE ? -1 : 0;
}

/* Waits while librdkafka's queue is full; on stop not longer than what is under way may take. */
static int send_record(struct emulate *m, struct stream *st, const struct key *key, struct post *post,
                       const char *value, size_t length, struct error *e) {
        const struct producer_new_record record = {
                .key = key->data, .key_length = key->length, .value = value, .value_length = length, .tag = post,
        };
        size_t taken;

        for (;;) {
                switch (producer_send(m->connection.producer, st->topic, &record, 1, &taken, e)) {
                case PRODUCER_SENT:
                        return 0;
                case PRODUCER_NOT_SENT:
                        return -1;
                case PRODUCER_TOO_LARGE:
                        return error_set(e, ERROR_FAILED, "a record of post %.*s is larger than librdkafka takes",
                                         (int) key->length, key->data);
                case PRODUCER_QUEUE_FULL:
                        break;
                }
                if (worker_left_ms(m->connection.worker) == 0)
                        return error_stopped(e);
                if (emulate_serve(m, 50, e) < 0)
                        return -1;
        }
}

int emulate_send_post(struct emulate *m, size_t i, struct error *e) {
        const struct drawn *d = &m->batch.posts[i];
        struct key key = key_list_get(&m->batch.keys, i);

        underway_begin(d->post);
        for (size_t s = 0; s < EMULATE_STREAMS; s++)
                if (send_record(m, &m->streams[s], &key, d->post, m->batch.rows.data + d->rows.value[s].at,
                                d->rows.value[s].length, e) < 0)
                        return -1;
        return 0;
}

const struct stream *emulate_too_large(const struct emulate *m, const struct key *key, const struct post_rows *rows,
                                       size_t *ret_bytes) {
        for (size_t i = 0; i < EMULATE_STREAMS; i++)
                if (!producer_fits(m->connection.producer, key->length, rows->value[i].length)) {
                        *ret_bytes = rows->value[i].length;
                        return &m->streams[i];
                }
        return NULL;
}

/* ---- a batch ---- */

static int write_down(struct emulate *m, struct error *e) {
        return underway_write(m->underway, clock_monotonic_us(), e);
}

int emulate_fetch(struct emulate *m, const struct key *keys, size_t count, struct post_rows *ret, struct error *e) {
        size_t before = m->batch.rows.length;

        connection_ask(&m->connection);
        while (posts_fetch(m->posts, keys, count, &m->batch.rows, ret, e) < 0) {
                m->batch.rows.length = before;
                if (emulate_try_again(m, e) < 0)
                        return -1;
                connection_ask(&m->connection);
        }
        patience_over(&m->patience);
        connection_answered(&m->connection);
        return 0;
}

void emulate_batch_clear(struct emulate *m) {
        key_list_clear(&m->batch.keys);
        m->batch.rows.length = 0;
}

void emulate_batch_add(struct emulate *m, const struct key *key, const struct post_rows *rows) {
        m->batch.posts[m->batch.keys.count] = (struct drawn) { .rows = *rows };
        key_list_add(&m->batch.keys, key);
}

void emulate_batch_take(struct emulate *m) {
        for (size_t i = 0; i < m->batch.keys.count; i++) {
                struct key key = key_list_get(&m->batch.keys, i);

                m->batch.posts[i].post = underway_add(m->underway, &key, EMULATE_STREAMS);
        }
}

/* The batch ends early: its posts of which nothing was sent are under way no more. */
static void batch_drop(struct emulate *m) {
        for (size_t i = 0; i < m->batch.keys.count; i++)
                if (m->batch.posts[i].post)
                        underway_drop(m->batch.posts[i].post);
}

/* Until a moment, or until another rate is in force; delivery reports are served meanwhile. */
static int wait_until(struct emulate *m, uint64_t due_us, struct error *e) {
        int left_ms;

        do {
                if (worker_stopping(m->connection.worker))
                        return error_stopped(e);
                left_ms = clock_left_ms(due_us, LIMIT_SLICE_MS);
                if (emulate_serve(m, left_ms, e) < 0)
                        return -1;
        } while (left_ms > 0 && m->rate == m->draw.rate);
        return 0;
}

int emulate_wait_for_room(struct emulate *m, size_t posts, struct error *e) {
        while (underway_room(m->underway) < posts) {
                if (worker_stopping(m->connection.worker))
                        return error_stopped(e);
                if (emulate_serve(m, LIMIT_SLICE_MS, e) < 0)
                        return -1;
        }
        return 0;
}

/* Says the first one by name; others are counted in the reports. */
static void leave_out(struct emulate *m, const struct key *key, const struct stream *st, size_t bytes) {
        if (atomic_fetch_add(&m->too_large, 1) > 0)
                return;
        service_log(m->session.service, SERVICE_WARNING, MESSAGE_NOTE, NULL, 0,
                    "post %.*s is not sent: its record for %s has %zu bytes, more than [kafka] message.max.bytes "
                    "allows. Raise it, and the topic's max.message.bytes; until then such posts are left out.",
                    (int) key->length, key->data, st->config->topic, bytes);
}

/* Keeps those of the keys that are posts and can be sent, up to `wanted` in all. */
static int keep_posts(struct emulate *m, const struct key *keys, size_t count, size_t wanted, struct error *e) {
        _cleanup_free_ struct post_rows *rows = mem_alloc(count * sizeof *rows);

        if (emulate_fetch(m, keys, count, rows, e) < 0)
                return -1;
        for (size_t i = 0; i < count && m->batch.keys.count < wanted; i++) {
                const struct stream *too_large;
                size_t bytes;

                if (!rows[i].complete)
                        continue;
                too_large = emulate_too_large(m, &keys[i], &rows[i], &bytes);
                if (too_large)
                        leave_out(m, &keys[i], too_large, bytes);
                else
                        emulate_batch_add(m, &keys[i], &rows[i]);
        }
        return 0;
}

/* Fills the batch with posts, drawing more keys as long as too many were none. */
static int fill_batch(struct emulate *m, const struct key *keys, size_t count, size_t wanted, struct error *e) {
        for (unsigned round = 0; round <= MOST_EMPTY_ROUNDS; round++) {
                if (keep_posts(m, keys, count, wanted, e) < 0)
                        return -1;
                if (m->batch.keys.count == wanted)
                        return 0;
                draw_more(&m->draw, wanted - m->batch.keys.count, &keys, &count);
        }
        return error_set(e, ERROR_FAILED, "no post was found: %d draws in a row met no key that is in all three tables",
                         MOST_EMPTY_ROUNDS);
}

/* Until the first post's moment. A reload may change the rate meanwhile, and with it the pauses that were drawn. */
static int wait_for_first(struct emulate *m, uint64_t *pauses_us, size_t count, struct error *e) {
        double before;

        do {
                before = m->draw.rate;
                m->draw.rate = m->rate;
                for (size_t i = 0; i < count; i++)
                        pauses_us[i] = (uint64_t) ((double) pauses_us[i] * before / m->draw.rate);
                if (wait_until(m, m->schedule_us + pauses_us[0], e) < 0)
                        return -1;
        } while (m->rate != m->draw.rate);
        return 0;
}

/* Draws a batch, waits for its first post's moment, fetches the rows. */
static int make_batch(struct emulate *m, struct error *e) {
        uint64_t pauses_us[DRAW_BATCH];
        uint64_t left = m->config->emulate_posts ? m->config->emulate_posts - m->made : UINT64_MAX;
        size_t wanted = draw_batch_size(m->draw.rate, left), count;
        const struct key *keys;

        emulate_batch_clear(m);
        if (emulate_wait_for_room(m, wanted, e) < 0)
                return -1;
        m->schedule_us = draw_schedule(m->schedule_us, clock_monotonic_us());
        draw_round(&m->draw, wanted, pauses_us, &keys, &count);
        if (wait_for_first(m, pauses_us, wanted, e) < 0 || fill_batch(m, keys, count, wanted, e) < 0)
                return -1;
        for (size_t i = 0; i < wanted; i++)
                m->batch.posts[i].due_us = m->schedule_us += pauses_us[i];
        emulate_batch_take(m);
        return emulate_insist_on_file(m, write_down, e);
}

static int send_batch(struct emulate *m, struct error *e) {
        for (size_t i = 0; i < m->batch.keys.count; i++, m->made++)
                if (wait_until(m, m->batch.posts[i].due_us, e) < 0 || emulate_send_post(m, i, e) < 0)
                        return -1;
        return 0;
}

/* Now and then: how far do the keys go? */
static int survey(struct emulate *m, struct error *e) {
        uint64_t now_us = clock_monotonic_us();

        if (now_us - m->surveyed_us < SURVEY_S * 1000000ull)
                return 0;
        m->surveyed_us = now_us;
        while (survey_again(m->streams, &m->connection, &m->draw.pool, e) < 0)
                if (emulate_try_again(m, e) < 0)
                        return -1;
        return 0;
}

int emulate_batch(struct emulate *m, struct error *e) {
        if (make_batch(m, e) < 0 || send_batch(m, e) < 0) {
                batch_drop(m);
                return -1;
        }
        return survey(m, e);
}
