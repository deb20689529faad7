/* create-topics: the topics of all streams, those that are missing. */
#include <stdio.h>

#include "pinfeed/job.h"
#include "pinfeed/session.h"

enum { CREATE_TIMEOUT_MS = 30000, STOP_TIMEOUT_MS = 20000 };

struct creation {
        struct session session;
        struct connection connection;
        FILE *out;
};

/* 0: created; 1: it was there already. */
static int create(struct creation *j, const struct config_stream *st, struct error *e) {
        const struct producer_new_topic topic = {
                .name = st->topic, .partitions = st->partitions, .replication_factor = st->replication_factor,
        };
        int r;

        worker_expect_ms(j->connection.worker, CREATE_TIMEOUT_MS + 2000);
        r = producer_create_topic(j->connection.producer, &topic, CREATE_TIMEOUT_MS, e);
        if (r < 0)
                return -1;
        fprintf(j->out, "%s %s\n", st->topic, r == 0 ? "created" : "is there already");
        fflush(j->out);
        if (r == 0)
                session_warn_partitions(&j->session, st->topic, st->partitions);
        return r;
}

/* A topic that was there may have more partitions than its readers read: stream_open_topic says so. One that was just
 * created may not be known to every broker yet. */
static int inspect(struct creation *j, const struct config_stream *st, struct error *e) {
        struct stream stream = { .config = st };

        return stream_open_topic(&stream, &j->connection, e);
}

static int work(struct worker *w, void *arg, struct error *e) {
        struct creation *j = arg;
        const struct config *config = j->session.config;
        int r;

        j->connection.worker = w;
        r = connection_open_producer(&j->connection, NULL, NULL, NULL, e);
        for (size_t i = 0; i < config->stream_count && r == 0 && !worker_stopping(w); i++) {
                r = create(j, &config->streams[i], e);
                if (r == 1)
                        r = inspect(j, &config->streams[i], e);
        }
        if (r == 1)
                r = error_set(e, ERROR_FAILED, "stopped before all topics were created");
        if (connection_close(&j->connection, r < 0 ? &(struct error) {} : e) < 0)
                r = -1;
        return r;
}

int job_create_topics(const struct config *config, struct service *service, FILE *out, struct error *e) {
        struct creation j = { .out = out };
        const struct service_job job = {
                .work = work, .args = (void *[]) { &j }, .count = 1, .stop_timeout_ms = STOP_TIMEOUT_MS,
        };
        int r;

        session_init(&j.session, config, service, false);
        connection_init(&j.connection, &j.session, NULL);
        r = service_run(service, &job, e);
        connection_done(&j.connection);
        session_done(&j.session);
        return r;
}
