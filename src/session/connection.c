#include "room.h"

#include "pinfeed/limits.h"

void connection_init(struct connection *c, struct session *s, struct worker *w) {
        *c = (struct connection) { .session = s, .worker = w };
}

int connection_close_producer(struct connection *c, struct error *e) {
        struct producer *p = c->producer;

        c->producer = NULL;
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
}

void connection_close_database(struct connection *c) {
        database_close(c->database);
        c->database = NULL;
}

/* Before the time-out (LIMIT_DATABASE_MS) that a thread of the connection's spends on asking a second time. */
enum { UNANSWERED_MS = 3000 };

/* On a thread of the connection's, while the worker waits. */
static void database_alive(void *arg) {
        struct connection *c = arg;
        uint64_t asked_us = c->asked_us;

        worker_alive(c->worker);
        if (!asked_us || c->unanswered_us || clock_monotonic_us() - asked_us < UNANSWERED_MS * 1000)
                return;
        c->unanswered_us = asked_us;
        service_log(c->session->service, SERVICE_WARNING, MESSAGE_WAITING, NULL, 0,
                    "MySQL has not answered for %d s; pinfeed waits for it, and what is sent goes on to Kafka",
                    UNANSWERED_MS / 1000);
        session_waits(c->session, "MySQL does not answer");
}

void connection_ask(struct connection *c) {
        c->asked_us = clock_monotonic_us();
}

void connection_answered(struct connection *c) {
        uint64_t since_us = atomic_exchange(&c->unanswered_us, 0);

        c->asked_us = 0;
        if (!since_us)
                return;
        service_log(c->session->service, SERVICE_NOTICE, MESSAGE_RESUMED, NULL, 0, "MySQL answers again after %u s",
                    (unsigned) ((clock_monotonic_us() - since_us) / 1000000));
        session_waited(c->session);
}

int connection_open_database(struct connection *c, struct error *e) {
        const struct config *config = c->session->config;
        const struct table_login login = {
                .host = config->mysql_host, .socket = config->mysql_socket, .user = config->mysql_user,
                .database = config->mysql_database, .ssl_ca = config->mysql_ssl_ca, .port = config->mysql_port,
                .password_file = config->mysql_password_file, .timeout_ms = LIMIT_DATABASE_MS,
                .alive = database_alive, .alive_arg = c, .stop = &c->cancelled,
                .tls = (enum table_tls) config->mysql_tls,
        };
        struct patience patience = { .connection = c, .whom = "MySQL can be reached" };

        connection_close_database(c);
        for (;;) {
                if (database_open(&login, &c->database, e) == 0)
                        break;
                if (patience_wait(&patience, e) < 0)
                        return -1;
        }
        patience_over(&patience);
        return 0;
}

static void producer_log(void *arg, int severity, const char *line) {
        struct session *s = arg;
        enum service_message kind = severity == SERVICE_WARNING ? MESSAGE_WAITING
                                    : severity == SERVICE_NOTICE ? MESSAGE_RESUMED : MESSAGE_NOTE;

        service_log(s->service, (enum service_severity) severity, kind, NULL, 0, "%s", line);
        if (kind == MESSAGE_WAITING)
                session_waits(s, "%s", line);
        if (kind == MESSAGE_RESUMED)
                session_waited(s);
}

/* The handle's end waits for a token that is being fetched, so a stop ends that, too. */
static int producer_left(void *arg) {
        struct connection *c = arg;

        worker_alive(c->worker);
        if (worker_stopping(c->worker))
                aws_cancel(c->session->aws);
        return worker_left_ms(c->worker);
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
                .alive = producer_left, .alive_arg = c,
        };
}

int connection_open_producer(struct connection *c, const char *transactional_id, producer_report_fn report,
                             void *report_arg, struct error *e) {
        const struct producer_settings settings = producer_settings(c, transactional_id, report, report_arg);
        struct patience patience = { .connection = c, .whom = "Kafka can be reached" };

        if (producer_new(&settings, &c->producer, e) < 0)
                return -1;
        while (producer_connect(c->producer, LIMIT_CONNECT_MS, e) < 0)
                if (patience_wait(&patience, e) < 0)
                        return -1;
        patience_over(&patience);
        return 0;
}

int connection_may_write(struct connection *c, struct error *e) {
        const struct producer_settings settings = producer_settings(c, NULL, NULL, NULL);

        return producer_may_write(c->producer, &settings, LIMIT_TOPIC_MS, e);
}

