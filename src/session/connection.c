#include "room.h"

#include <stdio.h>
#include <string.h>

#include "pinfeed/limits.h"

void connection_init(struct connection *c, struct session *s, struct worker *w) {
        *c = (struct connection) { .session = s, .worker = w };
        pthread_mutex_init(&c->lock, NULL);     /* holds nothing that would have to be given back */
}

static void set_producer(struct connection *c, struct producer *p) {
        pthread_mutex_lock(&c->lock);
        c->producer = p;
        pthread_mutex_unlock(&c->lock);
}

int connection_close_producer(struct connection *c, struct error *e) {
        struct producer *p = c->producer;

        if (c->quiet)
                outage_end(c->session, c->quiet, false);
        c->quiet = NULL;
        set_producer(c, NULL);
        if (producer_destroy(p, e) == 0)
                return 0;
        service_leave_behind(c->session->service);
        return -1;
}

int connection_close(struct connection *c, struct error *e) {
        connection_close_database(c);
        return connection_close_producer(c, e);
}

void connection_cancel(struct connection *c) {
        atomic_store(&c->cancelled, true);
        pthread_mutex_lock(&c->lock);
        if (c->producer)
                producer_wake(c->producer);
        pthread_mutex_unlock(&c->lock);
}

void connection_uncancel(struct connection *c) {
        atomic_store(&c->cancelled, false);
        if (worker_stopping(c->worker))         /* the main thread may have said so meanwhile */
                atomic_store(&c->cancelled, true);
}

void connection_close_database(struct connection *c) {
        database_close(c->database);
        c->database = NULL;
}

/* Before the time-out (LIMIT_DATABASE_MS) that a thread of the connection's spends on asking a second time. */
enum { UNANSWERED_MS = 3000 };

static const char mysql_answers[] = "MySQL answers";

/* On any thread, some times a second, while the worker waits. */
static void connection_alive(void *arg) {
        struct connection *c = arg;
        uint64_t asked_us = c->asked_us;

        worker_alive(c->worker);
        if (asked_us && !c->unanswered && clock_monotonic_us() - asked_us >= UNANSWERED_MS * 1000) {
                struct error why;

                error_set(&why, ERROR_UNREACHABLE, "MySQL does not answer");
                error_hint(&why, "What was sent goes on to Kafka meanwhile.");
                c->unanswered = outage_begin(c->session, mysql_answers, "MySQL", asked_us, &why);
        }
        outage_look(c->session);
}

void connection_ask(struct connection *c) {
        c->asked_us = clock_monotonic_us();
}

void connection_answered(struct connection *c) {
        struct outage *unanswered = atomic_exchange(&c->unanswered, NULL);

        c->asked_us = 0;
        if (unanswered)
                outage_end(c->session, unanswered, true);
}

static void begin_with_mysql(struct patience *p, const struct table_login *login) {
        struct error why;
        char where[256];

        if (login->socket)
                snprintf(where, sizeof where, "%s", login->socket);
        else
                snprintf(where, sizeof where, "%s:%u", login->host, login->port);
        error_set(&why, ERROR_UNREACHABLE, "MySQL: can't connect: no answer yet from MySQL at %s", where);
        error_hint(&why, "Check [mysql] host and port, that the server runs, and that its security group or firewall lets "
                   "this machine in.");
        patience_begin(p, where, &why);
}

/* `password_file` has to outlive it. */
static struct table_login login_of(struct connection *c, const char *password_file) {
        const struct config *config = c->session->config;

        return (struct table_login) {
                .host = config->mysql_host, .socket = config->mysql_socket, .user = config->mysql_user,
                .database = config->mysql_database, .ssl_ca = config->mysql_ssl_ca, .port = config->mysql_port,
                .password_file = password_file, .timeout_ms = LIMIT_DATABASE_MS,
                .alive = connection_alive, .alive_arg = c, .stop = &c->cancelled,
                .tls = (enum table_tls) config->mysql_tls,
        };
}

int connection_try_database(struct connection *c, struct error *e) {
        _cleanup_free_ char *password_file = session_password_file(c->session);
        const struct table_login login = login_of(c, password_file);

        connection_close_database(c);
        return database_open(&login, &c->database, e);
}

int connection_open_database(struct connection *c, struct error *e) {
        const struct config *config = c->session->config;
        _cleanup_free_ char *password_file = session_password_file(c->session);
        const struct table_login login = login_of(c, password_file);
        struct patience patience = { .connection = c, .whom = mysql_answers };

        if (config->mysql_ssl_ca && session_check_file("mysql", "ssl_ca", config->mysql_ssl_ca, e) < 0)
                return -1;
        connection_close_database(c);
        begin_with_mysql(&patience, &login);
        while (database_open(&login, &c->database, e) < 0) {
                if (strncmp(e->what, "can't connect", strlen("can't connect")) == 0)
                        error_prefix(e, "MySQL: ");
                if (patience_wait(&patience, e) < 0)
                        return -1;
        }
        patience_over(&patience);
        return 0;
}

static void producer_log(void *arg, const char *line) {
        struct session *s = arg;

        service_log(s->service, SERVICE_DEBUG, MESSAGE_NOTE, NULL, 0, "%s", line);
}

static void producer_quiet(void *arg, uint64_t since_us, const struct error *why) {
        struct connection *c = arg;

        if (!why) {
                outage_end(c->session, c->quiet, true);
                c->quiet = NULL;
        } else if (c->quiet)
                outage_because(c->session, c->quiet, why);
        else
                c->quiet = outage_begin(c->session, "Kafka acknowledges", "Kafka", since_us, why);
}

/* The handle's end waits for a token that is being fetched, so a stop ends that, too. */
static int producer_left(void *arg) {
        struct connection *c = arg;

        connection_alive(c);
        if (worker_stopping(c->worker))
                aws_cancel(c->session->aws);
        return worker_left_ms(c->worker);
}

static struct producer_settings producer_settings(struct connection *c, const char *transactional_id,
                                                  producer_report_fn report, void *report_arg) {
        struct session *s = c->session;

        return (struct producer_settings) {
                .properties = s->properties, .property_count = s->config->kafka_count,
                .transactional_id = transactional_id, .sends_nothing = s->sends_nothing,
                .token = session_token, .identity = session_identity, .suspect = session_suspect, .credentials = s,
                .report = report, .report_arg = report_arg,
                .log = producer_log, .log_arg = s,
                .quiet = producer_quiet, .quiet_arg = c,
                .alive = producer_left, .alive_arg = c,
        };
}

int connection_open_producer(struct connection *c, const char *transactional_id, producer_report_fn report,
                             void *report_arg, struct error *e) {
        const struct producer_settings settings = producer_settings(c, transactional_id, report, report_arg);
        struct patience patience = { .connection = c, .whom = "Kafka can be reached" };
        const char *where = producer_bootstrap(c->session->properties, c->session->config->kafka_count);
        struct producer *p;
        struct error why;

        if (producer_new(&settings, &p, e) < 0)
                return -1;
        set_producer(c, p);
        error_set(&why, ERROR_UNREACHABLE, "Kafka can't be reached: no answer yet");
        patience_begin(&patience, where ? where : "Kafka", &why);
        while (producer_connect(c->producer, LIMIT_CONNECT_MS, e) < 0)
                if (patience_wait(&patience, e) < 0)
                        return -1;
        patience_over(&patience);
        return 0;
}

int connection_may_write(struct connection *c, struct error *e) {
        return producer_may_write(c->producer, LIMIT_TOPIC_MS, e);
}


int connection_may_transact(struct connection *c, const char *topic, struct error *e) {
        const struct config *config = c->session->config;
        /* Not a stream's: that would fence its replay. A policy that names the ids by their beginning allows it, too. */
        _cleanup_free_ char *id = mem_format("%s.%s.+check", config->replay_group, config->user_id);
        const struct producer_settings settings = producer_settings(c, id, NULL, NULL);

        return producer_may_transact(c->producer, &settings, config->replay_group, topic, LIMIT_TOPIC_MS, e);
}
