/* emulate: draws posts and sends each to its three topics, at a rate, until it is stopped. */
#include "pinfeed/limits.h"
#include "room.h"

/* A record that failed ends the run, and its post stays in the file. */
static void on_report(void *arg, void *tag, const char *reason) {
        (void) arg;
        if (!reason)
                underway_acknowledged(tag);
}

/* ---- start and end ---- */

static int describe_tables(struct emulate *m, struct error *e) {
        int r = 0;

        for (size_t i = 0; i < EMULATE_STREAMS && r == 0; i++)
                r = stream_describe(&m->streams[i], &m->connection, e);
        return r;
}

static int survey_tables(struct emulate *m, struct error *e) {
        posts_close(m->posts);
        m->posts = NULL;
        m->surveyed_us = clock_monotonic_us();
        if (posts_open(m->streams, &m->connection, &m->posts, e) < 0)
                return -1;
        return survey_pool(m->streams, &m->connection, m->posts, &m->draw, e);
}

int emulate_try_again(struct emulate *m, struct error *e) {
        return patience_wait(&m->patience, e) < 0 ? -1 : connection_open_database(&m->connection, e);
}

/* Over as many connections as it takes. */
static int insist(struct emulate *m, int (*step)(struct emulate *m, struct error *e), struct error *e) {
        while (step(m, e) < 0)
                if (emulate_try_again(m, e) < 0)
                        return -1;
        patience_over(&m->patience);
        return 0;
}

/* However long Kafka is away. */
static int open_topic(struct emulate *m, struct stream *st, struct error *e) {
        struct patience patience = { .connection = &m->connection, .whom = "Kafka can be reached" };

        while (stream_open_topic(st, &m->connection, e) < 0)
                if (patience_wait(&patience, e) < 0)
                        return -1;
        patience_over(&patience);
        return 0;
}

int emulate_insist_on_file(struct emulate *m, int (*step)(struct emulate *m, struct error *e), struct error *e) {
        struct patience patience = { .connection = &m->connection, .whom = "The state directory can be written" };

        while (step(m, e) < 0)
                if (patience_wait(&patience, e) < 0)
                        return -1;
        patience_over(&patience);
        return 0;
}

static int open_ledger(struct emulate *m, struct error *e) {
        return ledger_open(m->config->state_dir, m->config->user_id, &m->ledger, e);
}

static int start(struct emulate *m, struct error *e) {
        char tls[256];
        const char *plural = m->rate == 1 ? "" : "s";
        struct service *service = m->session.service;
        int r;

        session_does(&m->session, "Starting");
        if (emulate_insist_on_file(m, open_ledger, e) < 0)
                return -1;
        m->underway = underway_new(m->ledger);
        r = connection_open_database(&m->connection, e);
        if (r == 0)
                r = insist(m, describe_tables, e);
        if (r == 0)
                r = connection_open_producer(&m->connection, NULL, on_report, m, e);
        for (size_t i = 0; i < EMULATE_STREAMS && r == 0; i++)
                r = open_topic(m, &m->streams[i], e);
        if (r == 0)
                r = connection_may_write(&m->connection, e);
        if (r == 0)
                r = insist(m, survey_tables, e);
        if (r != 0)
                return r;
        emulate_report_begin(m);
        service_ready(service);
        session_does(&m->session, "Sends %g post%s a second", m->rate, plural);
        database_tls(m->connection.database, tls, sizeof tls);
        service_log(service, SERVICE_INFO, MESSAGE_STARTED, NULL, 0, "sends %g post%s a second to %s, %s and %s; MySQL: %s",
                    m->rate, plural, m->streams[0].config->topic, m->streams[1].config->topic,
                    m->streams[2].config->topic, tls);
        m->schedule_us = clock_monotonic_us();
        return emulate_resend(m, e);
}

static bool finished(const struct emulate *m) {
        return m->config->emulate_posts && m->made >= m->config->emulate_posts;
}

static int not_in_time(struct emulate *m, struct error *e) {
        const char *reason = producer_last_reason(m->connection.producer);
        size_t count = producer_in_flight(m->connection.producer);

        error_set(e, ERROR_FAILED, "%zu record%s not acknowledged within %d s: %s", count, count == 1 ? " was" : "s were",
                  LIMIT_STOP_DELIVER_MS / 1000,
                  *reason ? reason : "no answer");
        return error_hint(e, "Their posts' keys are kept in %s; the next start sends them again.",
                          m->config->state_dir);
}

/* Waits for what is on its way. In any case the file holds the posts that are not in all topics. */
static int flush(struct emulate *m, struct error *e) {
        int left_ms = worker_left_ms(m->connection.worker), most_ms = LIMIT_STOP_DELIVER_MS;
        uint64_t until_us = clock_monotonic_us() + (uint64_t) (left_ms < most_ms ? left_ms : most_ms) * 1000;
        int r = 0;

        while (producer_in_flight(m->connection.producer) > 0 && clock_monotonic_us() < until_us)
                if (producer_poll(m->connection.producer, 50, e) < 0)
                        r = -1;
        if (r == 0 && producer_in_flight(m->connection.producer) > 0)
                r = not_in_time(m, e);
        underway_leave(m->underway);
        if (!underway_held(m->underway) && underway_write(m->underway, clock_monotonic_us(), e) < 0)
                return -1;      /* it still holds those keys, and some too many */
        return r;
}

/* Also after an error: what is on its way may still arrive. */
static int finish(struct emulate *m, int r, struct error *e) {
        struct error ignored;
        bool well = r == 0 || e->class == ERROR_STOPPED;

        if (!m->reported.since_us)
                return r;
        if (flush(m, well ? e : &ignored) < 0)
                r = -1;
        emulate_report_end(m);
        return r;
}

static int work(struct worker *w, void *arg, struct error *e) {
        struct emulate *m = arg;
        int r;

        m->connection.worker = w;
        r = start(m, e);
        while (r == 0 && !finished(m))
                r = emulate_batch(m, e);
        r = finish(m, r, e);
        if (connection_close(&m->connection, r < 0 && e->class != ERROR_STOPPED ? &(struct error) {} : e) < 0)
                r = -1;
        return r;
}

static void report_interval(void *arg, bool asked) {
        struct emulate *m = arg;

        emulate_report(m, asked);
        session_report_token(&m->session);
}

static void tell(void *arg, struct buffer *out) {
        struct emulate *m = arg;

        session_tell(&m->session, emulate_figures(m), out);
}

static unsigned reload(void *arg) {
        struct emulate *m = arg;
        const struct config *config = session_reload(&m->session);

        m->rate = config->emulate_rate;
        return config->stats_interval_s;
}

static void wake(void *arg) {
        struct emulate *m = arg;

        connection_cancel(&m->connection);
}

static struct emulate *emulate_new(const struct config *config) {
        struct emulate *m = mem_zero(1, sizeof *m);

        m->config = config;
        connection_init(&m->connection, &m->session, NULL);
        pthread_mutex_init(&m->reported.lock, NULL);
        m->draw.seeded = config->emulate_seeded;
        m->draw.rate = config->emulate_rate;
        m->rate = config->emulate_rate;
        if (m->draw.seeded)
                random_seed(&m->draw.random, config->emulate_seed);
        else
                random_seed_entropy(&m->draw.random);
        m->patience = (struct patience) { .connection = &m->connection, .whom = "MySQL answers" };
        for (size_t i = 0; i < EMULATE_STREAMS; i++)
                m->streams[i].config = &config->streams[i];
        return m;
}

static void emulate_free(struct emulate *m) {
        draw_done(&m->draw);
        posts_close(m->posts);
        underway_free(m->underway);
        ledger_close(m->ledger);
        for (size_t i = 0; i < EMULATE_STREAMS; i++)
                stream_done(&m->streams[i]);
        key_list_free(&m->batch.keys);
        buffer_free(&m->batch.rows);
        pthread_mutex_destroy(&m->reported.lock);
        session_done(&m->session);
        free(m);
}

int emulate_run(const struct config *config, struct service *service, struct error *e) {
        struct emulate *m = emulate_new(config);
        _cleanup_free_ char *socket = session_tell_path(config, "emulate");
        const struct service_job job = {
                .work = work, .args = (void *[]) { m }, .count = 1, .report = report_interval,
                .report_interval_s = config->stats_interval_s, .reload = reload, .wake = wake, .tell_path = socket, .tell = tell,
                .arg = m, .ready_by_ms = LIMIT_READY_MS, .stop_timeout_ms = LIMIT_STOP_WORKERS_MS,
        };
        int r = session_init(&m->session, config, service, SESSION_PATIENT, e);

        if (r == 0)
                r = service_run(service, &job, e);
        if (!service_left_behind(service))
                emulate_free(m);
        return r;
}

int emulate_can_draw(struct stream *streams, struct connection *c, struct error *e) {
        const struct config *config = c->session->config;
        struct draw *draw = mem_zero(1, sizeof *draw);
        struct posts *posts = NULL;
        int r = posts_open(streams, c, &posts, e);

        draw->seeded = config->emulate_seeded;
        random_seed_entropy(&draw->random);
        if (r == 0)
                r = survey_pool(streams, c, posts, draw, e);
        draw_done(draw);
        free(draw);
        posts_close(posts);
        return r;
}
