#include <stdarg.h>

#include "pinfeed/limits.h"
#include "pinfeed/session.h"

int stream_describe(struct stream *st, struct connection *c, struct error *e) {
        size_t most_bytes = producer_message_max_bytes(c->session->properties, c->session->config->kafka_count);
        const struct table_spec spec = {
                .stream = st->config->name, .name = st->config->table, .key = st->config->key, .columns = st->config->columns,
                .where = st->config->where, .cell_max_bytes = most_bytes,
        };
        const struct table_facts *facts;

        table_free(st->table);
        st->table = NULL;
        if (table_describe(c->database, &spec, &st->table, e) < 0)
                return -1;
        facts = table_facts(st->table);
        json_plan_free(st->plan);
        st->plan = json_plan_new(facts->columns, facts->column_count);
        json_plan_limit(st->plan, most_bytes);
        return 0;
}

void session_note(struct session *s, const struct config_stream *stream, enum service_severity severity, const char *format,
                  ...) {
        const struct service_field field = { "PINFEED_TOPIC", stream->topic };
        char line[512];
        va_list ap;

        va_start(ap, format);
        vsnprintf(line, sizeof line, format, ap);
        va_end(ap);
        service_log(s->service, severity, MESSAGE_NOTE, &field, 1, "stream %s: %s", stream->name, line);
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
        if (producer_topic(c->producer, st->config->topic, &st->tally, LIMIT_TOPIC_MS, &st->topic, e) < 0)
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
