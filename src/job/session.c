#include "session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <time.h>

enum {
        DATABASE_TIMEOUT_MS = 4000,
        CONNECT_SLICE_MS = 1000,
        TOPIC_TIMEOUT_MS = 10000,
        READY_AFTER_MS = 9000,          /* READY comes with the first verdict, or after this much */
        ONE_SHOT_PATIENCE_MS = 20000,
        LONGEST_PAUSE_MS = 3000,
        /* A token that is being fetched may take 28 s; a stop ends that. */
        DESTROY_TIMEOUT_MS = 30000, DESTROY_STOPPING_MS = 15000,
};

/* ---- READY in time ---- */

/* A thread of its own: whatever the worker hangs in, systemd must not give up on a daemon that waits. */
struct session_ready {
        struct service *service;
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t stopped;
        bool stop;                      /* under the lock */
};

static void *ready_in_time(void *arg) {
        struct session_ready *r = arg;
        uint64_t until_us = clock_monotonic_us() + READY_AFTER_MS * 1000ull;
        struct timespec until = { (time_t) (until_us / 1000000), (long) (until_us % 1000000) * 1000 };
        int x = 0;

        pthread_mutex_lock(&r->lock);
        while (!r->stop && x != ETIMEDOUT)
                x = pthread_cond_clockwait(&r->stopped, &r->lock, CLOCK_MONOTONIC, &until);
        if (!r->stop)
                service_ready(r->service);
        pthread_mutex_unlock(&r->lock);
        return NULL;
}

static struct session_ready *ready_start(struct service *service) {
        struct session_ready *r = mem_zero(1, sizeof *r);

        r->service = service;
        pthread_mutex_init(&r->lock, NULL);
        pthread_cond_init(&r->stopped, NULL);
        if (pthread_create(&r->thread, NULL, ready_in_time, r) != 0)
                abort();                /* as for memory */
        return r;
}

static void ready_stop(struct session_ready *r) {
        if (!r)
                return;
        pthread_mutex_lock(&r->lock);
        r->stop = true;
        pthread_cond_signal(&r->stopped);
        pthread_mutex_unlock(&r->lock);
        pthread_join(r->thread, NULL);
        pthread_cond_destroy(&r->stopped);
        pthread_mutex_destroy(&r->lock);
        free(r);
}

/* ---- session ---- */

static void aws_log(void *arg, int severity, const char *line) {
        struct session *s = arg;

        service_log(s->service, (enum service_severity) severity,
                    severity <= SERVICE_WARNING ? MESSAGE_TOKEN_FAILING : MESSAGE_TOKEN, NULL, 0, "%s", line);
}

void session_init(struct session *s, const struct config *config, struct service *service, bool patient) {
        struct aws_settings aws = {
                .region = config->aws_region, .profile = config->aws_profile, .role_arn = config->aws_role_arn,
                .external_id = config->aws_external_id, .session_name = config->aws_session_name,
        };

        *s = (struct session) { .config = config, .service = service, .patient = patient };
        s->properties = mem_zero(config->kafka_count, sizeof *s->properties);
        for (size_t i = 0; i < config->kafka_count; i++)
                s->properties[i] = (struct producer_property) {
                        config->kafka[i].name, config->kafka[i].value, config->kafka[i].origin,
                };
        aws.bootstrap_servers = producer_bootstrap(s->properties, config->kafka_count);
        s->aws = aws_new(&aws, aws_log, s);
}

void session_done(struct session *s) {
        ready_stop(s->ready);
        aws_free(s->aws);
        free(s->properties);
}

int session_check(const struct session *s, struct error *e) {
        const struct producer_settings settings = {
                .properties = s->properties, .property_count = s->config->kafka_count,
        };

        return producer_check_properties(&settings, e);
}

void session_begin(struct session *s) {
        s->ready = ready_start(s->service);
        snprintf(s->doing, sizeof s->doing, "Starting");
        service_status(s->service, "%s", s->doing);
}

void session_work(struct session *s, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        vsnprintf(s->doing, sizeof s->doing, format, ap);
        va_end(ap);
        service_ready(s->service);
        service_status(s->service, "%s", s->doing);
}

static void session_identity(void *arg, char *ret, size_t size) {
        struct session *s = arg;
        struct aws_status status;

        *ret = 0;
        aws_status(s->aws, &status);
        if (*status.source && *status.region)
                snprintf(ret, size, "credentials from %s, access key %s, region %s from %s", status.source,
                         status.access_key_id, status.region, status.region_source);
}

static int session_token(void *arg, char **ret_token, int64_t *ret_expires_ms, struct error *e) {
        struct session *s = arg;

        return aws_token(s->aws, ret_token, ret_expires_ms, e);
}

void session_report_token(struct session *s) {
        struct aws_status status;
        char until[32];

        aws_status(s->aws, &status);
        if (status.tokens == 0)
                return;
        clock_format_utc(status.token_expires_ms / 1000, until);
        service_log(s->service, SERVICE_INFO, MESSAGE_TOKEN, NULL, 0,
                    "token: credentials from %s, region %s (from %s), valid until %s, %llu signed",
                    status.source, status.region, status.region_source, until, (unsigned long long) status.tokens);
}

/* ---- connections ---- */

void connection_init(struct connection *c, struct session *s, struct worker *w) {
        *c = (struct connection) { .session = s, .worker = w };
        pthread_mutex_init(&c->lock, NULL);
}

int connection_close_producer(struct connection *c, struct error *e) {
        struct producer *p = c->producer;
        int timeout_ms = worker_stopping(c->worker) ? DESTROY_STOPPING_MS : DESTROY_TIMEOUT_MS;

        c->producer = NULL;
        /* The handle's end waits for a token that is being fetched. */
        if (worker_stopping(c->worker))
                aws_cancel(c->session->aws);
        worker_expect_ms(c->worker, (unsigned) timeout_ms + 1000);
        if (producer_destroy(p, timeout_ms) == 0)
                return 0;
        c->stuck = true;
        return error_set(e, ERROR_FAILED, "librdkafka did not end within %d s", timeout_ms / 1000);
}

bool connection_stuck(const struct connection *c) {
        return c->stuck;
}

void session_abandon(struct session *s, const struct error *e) {
        service_log_error(s->service, SERVICE_ERROR, MESSAGE_FAILED, e);
        service_free(s->service);
        _exit(error_exit_code(e));
}

int connection_close(struct connection *c, struct error *e) {
        connection_close_database(c);
        return connection_close_producer(c, e);
}

void connection_done(struct connection *c) {
        pthread_mutex_destroy(&c->lock);
}

void connection_cancel(struct connection *c) {
        pthread_mutex_lock(&c->lock);
        c->cancelled = true;
        if (c->database)
                database_cancel(c->database);
        pthread_mutex_unlock(&c->lock);
}

static void set_database(struct connection *c, struct database *db) {
        pthread_mutex_lock(&c->lock);
        c->database = db;
        if (c->cancelled && db)
                database_cancel(db);
        pthread_mutex_unlock(&c->lock);
}

void connection_close_database(struct connection *c) {
        struct database *db = c->database;

        set_database(c, NULL);
        database_close(db);
}

int connection_open_database(struct connection *c, struct error *e) {
        const struct config *config = c->session->config;
        const struct table_login login = {
                .host = config->mysql_host, .socket = config->mysql_socket, .user = config->mysql_user,
                .database = config->mysql_database, .ssl_ca = config->mysql_ssl_ca, .port = config->mysql_port,
                .password_file = config->mysql_password_file, .timeout_ms = DATABASE_TIMEOUT_MS,
        };
        struct patience patience = { .connection = c, .whom = "MySQL can be reached" };
        struct database *db;

        connection_close_database(c);
        for (;;) {
                int r;

                worker_expect_ms(c->worker, 3 * DATABASE_TIMEOUT_MS);
                if (database_open(&login, &db, e) == 0)
                        break;
                r = patience_wait(&patience, e);
                if (r != 0)
                        return r;
        }
        worker_alive(c->worker);
        set_database(c, db);
        patience_over(&patience);
        return 0;
}

static void producer_log(void *arg, int severity, const char *line) {
        struct session *s = arg;
        enum service_message kind = severity == SERVICE_WARNING ? MESSAGE_WAITING
                                    : severity == SERVICE_NOTICE ? MESSAGE_RESUMED : MESSAGE_NOTE;

        service_log(s->service, (enum service_severity) severity, kind, NULL, 0, "%s", line);
        if (kind == MESSAGE_WAITING)
                service_status(s->service, "Waiting: %s", line);
        if (kind == MESSAGE_RESUMED)
                service_status(s->service, "%s", s->doing);
}

static bool producer_keep_going(void *arg) {
        struct connection *c = arg;

        worker_alive(c->worker);
        return !worker_stopping(c->worker);
}

static struct producer_settings producer_settings(struct connection *c, const char *transactional_id,
                                                  producer_report_fn report, void *report_arg) {
        struct session *s = c->session;

        return (struct producer_settings) {
                .properties = s->properties, .property_count = s->config->kafka_count,
                .transactional_id = transactional_id,
                .token = session_token, .token_arg = s, .identity = session_identity,
                .report = report, .report_arg = report_arg,
                .log = producer_log, .log_arg = s,
                .alive = producer_keep_going, .alive_arg = c,
        };
}

int connection_open_producer(struct connection *c, const char *transactional_id, producer_report_fn report,
                             void *report_arg, struct error *e) {
        const struct producer_settings settings = producer_settings(c, transactional_id, report, report_arg);
        struct patience patience = { .connection = c, .whom = "Kafka can be reached" };

        if (producer_new(&settings, &c->producer, e) < 0)
                return -1;
        while (producer_connect(c->producer, CONNECT_SLICE_MS, e) < 0) {
                int r = patience_wait(&patience, e);

                if (r != 0)
                        return r;
        }
        patience_over(&patience);
        return 0;
}

int connection_may_write(struct connection *c, struct error *e) {
        const struct producer_settings settings = producer_settings(c, NULL, NULL, NULL);

        worker_expect_ms(c->worker, 3 * TOPIC_TIMEOUT_MS);
        return producer_may_write(c->producer, &settings, TOPIC_TIMEOUT_MS, e);
}

/* ---- patience ---- */

static unsigned ms_since(uint64_t us) {
        return (unsigned) ((clock_monotonic_us() - us) / 1000);
}

/* Sleeps, alive; delivery reports of what was sent before are served meanwhile. */
static int pause_ms(struct connection *c, unsigned ms, struct error *e) {
        uint64_t until_us = clock_monotonic_us() + (uint64_t) ms * 1000;

        if (!c->producer)
                return worker_sleep_ms(c->worker, ms) ? 0 : 1;
        while (clock_monotonic_us() < until_us) {
                if (worker_stopping(c->worker))
                        return 1;
                worker_alive(c->worker);
                if (producer_poll(c->producer, 50, e) < 0)
                        return -1;
        }
        return worker_stopping(c->worker) ? 1 : 0;
}

int patience_wait(struct patience *p, struct error *e) {
        struct session *s = p->connection->session;
        unsigned pause;

        if (worker_stopping(p->connection->worker))
                return 1;
        if (e->class != ERROR_UNREACHABLE)
                return -1;
        if (!p->since_us)
                p->since_us = clock_monotonic_us();
        if (!s->patient && ms_since(p->since_us) >= ONE_SHOT_PATIENCE_MS)
                return -1;
        /* The first tries are quiet: a server that restarts is back within a second. */
        if (s->patient && !p->said && ms_since(p->since_us) >= 3000) {
                p->said = true;
                service_log_error(s->service, SERVICE_WARNING, MESSAGE_WAITING, e);
                service_status(s->service, "Waiting: %s", e->what);
        }
        pause = 250u << (p->tries < 6 ? p->tries : 6);
        p->tries++;
        if (pause > LONGEST_PAUSE_MS)
                pause = LONGEST_PAUSE_MS;
        return pause_ms(p->connection, pause, e);
}

void patience_over(struct patience *p) {
        struct session *s = p->connection->session;

        if (p->said) {
                service_log(s->service, SERVICE_NOTICE, MESSAGE_RESUMED, NULL, 0, "%s again after %u s", p->whom,
                            ms_since(p->since_us) / 1000);
                service_status(s->service, "%s", s->doing);
        }
        p->said = false;
        p->since_us = 0;
        p->tries = 0;
}

/* ---- streams ---- */

int stream_describe(struct stream *st, struct connection *c, struct error *e) {
        const struct table_spec spec = {
                .name = st->config->table, .key = st->config->key, .columns = st->config->columns,
                .where = st->config->where,
        };
        const struct table_facts *facts;

        table_free(st->table);
        st->table = NULL;
        if (table_describe(c->database, &spec, &st->table, e) < 0)
                return -1;
        facts = table_facts(st->table);
        json_plan_free(st->plan);
        st->plan = json_plan_new(facts->columns, facts->column_count);
        return 0;
}

void session_warn_partitions(struct session *s, const char *topic, int partitions) {
        const struct service_field field = { "PINFEED_TOPIC", topic };

        if (partitions > 1)
                service_log(s->service, SERVICE_WARNING, MESSAGE_PARTITIONS, &field, 1,
                            "topic %s has %d partitions: whoever reads partition 0 only (the notebooks read "
                            "partition=0/*.json) misses about %d of %d records. A topic's partitions can't be reduced: use "
                            "a topic with one, or read all of them.",
                            topic, partitions, partitions - 1, partitions);
}

int stream_open_topic(struct stream *st, struct connection *c, struct error *e) {
        if (producer_topic(c->producer, st->config->topic, &st->tally, TOPIC_TIMEOUT_MS, &st->topic, e) < 0)
                return -1;
        session_warn_partitions(c->session, st->config->topic, producer_topic_partitions(st->topic));
        return 0;
}

void stream_done(struct stream *st) {
        json_plan_free(st->plan);
        table_free(st->table);
        st->plan = NULL;
        st->table = NULL;
}
