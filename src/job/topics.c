/* create-topics: the topics of all streams, those that are missing. */
#include <stdio.h>

#include "pinfeed/job.h"
#include "pinfeed/limits.h"
#include "pinfeed/session.h"

struct creation {
        struct session session;
        struct connection connection;
        struct stream *streams;         /* as many as are configured */
        FILE *out;
};

/* A topic that was there may have more partitions than its readers read: stream_open_topic says so. One that was just
 * created may not be known to every broker yet. */
static int create(struct creation *j, struct stream *st, struct error *e) {
        const struct producer_new_topic topic = {
                .name = st->config->topic, .partitions = st->config->partitions,
                .replication_factor = st->config->replication_factor,
        };
        enum producer_creation r = producer_create_topic(j->connection.producer, &topic, LIMIT_CREATE_TOPIC_MS, e);

        if (r == PRODUCER_NOT_CREATED)
                return -1;
        if (fprintf(j->out, "%s %s\n", topic.name, r == PRODUCER_CREATED ? "created" : "is there already") < 0
            || fflush(j->out) != 0)
                return error_set(e, ERROR_FAILED, "the result could not be written to standard output");
        if (r == PRODUCER_EXISTED)
                return stream_open_topic(st, &j->connection, e);
        session_warn_partitions(&j->session, topic.name, topic.partitions);
        return 0;
}

static int work(struct worker *w, void *arg, struct error *e) {
        struct creation *j = arg;
        const struct config *config = j->session.config;
        int r;

        j->connection.worker = w;
        r = connection_open_producer(&j->connection, NULL, NULL, NULL, e);
        for (size_t i = 0; i < config->stream_count && r == 0; i++) {
                j->streams[i].config = &config->streams[i];
                r = worker_stopping(w) ? error_stopped(e) : create(j, &j->streams[i], e);
        }
        if (connection_close(&j->connection, r < 0 ? &(struct error) {} : e) < 0)
                r = -1;
        return r;
}

int job_create_topics(const struct config *config, struct service *service, FILE *out, struct error *e) {
        struct creation *j = mem_zero(1, sizeof *j);
        const struct service_job job = {
                .work = work, .args = (void *[]) { j }, .count = 1, .stop_timeout_ms = LIMIT_STOP_WORKERS_MS,
        };
        int r = session_init(&j->session, config, service, SESSION_ONCE, e);

        j->out = out;
        j->streams = mem_zero(config->stream_count, sizeof *j->streams);
        connection_init(&j->connection, &j->session, NULL);
        if (r == 0)
                r = service_run(service, &job, e);
        if (r == 0 && service_stopped_by(service))
                r = error_set(e, ERROR_STOPPED, "stopped before all topics were created");
        if (service_left_behind(service))
                return r;               /* with all that is still in use */
        session_done(&j->session);
        free(j->streams);
        free(j);
        return r;
}
