/* check: everything that a start verifies, one finding a line, and nothing sent. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "pinfeed/emulate.h"
#include "pinfeed/job.h"
#include "pinfeed/limits.h"

struct check {
        struct session session;
        struct connection connection;
        struct stream *streams;
        json_t *findings;
        size_t failures;
        enum error_class first;
        bool json;
        FILE *out;
};

static char *flat(const char *text) {
        size_t size = strlen(text) + 1;
        char *copy = mem_alloc(size);

        text_flatten(text, copy, size);
        return copy;
}

/* What was not looked at, because a stop was asked for, is no finding. */
static void finding(struct check *k, const char *what, const struct error *e, const char *text) {
        /* The other side's words and the tables' names: neither JSON nor a terminal must trip over them. */
        _cleanup_free_ char *name = flat(what), *words = flat(e ? e->what : text), *hint = flat(e ? e->hint : "");

        if (e && e->class == ERROR_STOPPED)
                return;
        if (e && k->failures++ == 0)
                k->first = e->class;
        json_array_append_new(k->findings, json_pack("{s:s, s:b, s:s, s:s}", "what", name, "ok", e == NULL, "text", words,
                                                     "hint", hint));
        if (k->json)
                return;
        fprintf(k->out, "%s  %s: %s%s%s\n", e ? "FAILED" : "ok    ", name, words, *hint ? ". " : "", hint);
        fflush(k->out);
}

/* Whether emulate could draw from the tables. */
static void check_draw(struct check *k, struct error *e) {
        finding(k, "posts", emulate_can_draw(k->streams, &k->connection, e) < 0 ? e : NULL, "can be drawn");
}

static void check_mysql(struct check *k, struct error *e) {
        const struct config *config = k->session.config;
        char text[512];
        bool described = true;

        if (connection_open_database(&k->connection, e) < 0) {
                finding(k, "MySQL", e, NULL);
                return;
        }
        snprintf(text, sizeof text, "connected to database %s as %s", config->mysql_database, config->mysql_user);
        finding(k, "MySQL", NULL, text);
        for (size_t i = 0; i < config->stream_count; i++) {
                struct stream *st = &k->streams[i];

                st->config = &config->streams[i];
                if (stream_describe(st, &k->connection, e) < 0) {
                        finding(k, st->config->table, e, NULL);
                        described = false;
                        continue;
                }
                snprintf(text, sizeof text, "%zu columns, key %s%s", table_facts(st->table)->column_count, st->config->key,
                         table_facts(st->table)->key_indexed ? "" : " (without an index: held in memory by emulate)");
                finding(k, st->config->table, NULL, text);
        }
        if (described)
                check_draw(k, e);
}

static void check_token(struct check *k, struct error *e) {
        struct aws_status status;
        char *token, text[512];
        int64_t expires_ms;

        if (aws_token(k->session.aws, &token, &expires_ms, e) < 0) {
                finding(k, "AWS", e, NULL);
                return;
        }
        mem_wipe(token, strlen(token));
        free(token);
        aws_status(k->session.aws, &status);
        snprintf(text, sizeof text, "credentials from %s, region %s (from %s)", status.source, status.region,
                 status.region_source);
        finding(k, "AWS", NULL, text);
}

static void check_kafka(struct check *k, struct error *e) {
        const struct config *config = k->session.config;
        bool described = true;
        char text[512];

        if (connection_open_producer(&k->connection, NULL, NULL, NULL, e) < 0) {
                finding(k, "Kafka", e, NULL);
                return;
        }
        finding(k, "Kafka", NULL, "connected");
        for (size_t i = 0; i < config->stream_count; i++) {
                struct stream *st = &k->streams[i];

                st->config = &config->streams[i];
                if (stream_open_topic(st, &k->connection, e) < 0) {
                        finding(k, st->config->topic, e, NULL);
                        described = false;
                        continue;
                }
                snprintf(text, sizeof text, "%d partition%s", producer_topic_partitions(st->topic),
                         producer_topic_partitions(st->topic) == 1 ? "" : "s");
                finding(k, st->config->topic, NULL, text);
        }
        if (described)
                finding(k, "rights", connection_may_write(&k->connection, e) < 0 ? e : NULL, "may write to the topics");
}

static void wake(void *arg) {
        struct check *k = arg;

        connection_cancel(&k->connection);
        aws_cancel(k->session.aws);
}

static int work(struct worker *w, void *arg, struct error *e) {
        struct check *k = arg;
        const struct config *config = k->session.config;

        k->connection.worker = w;
        check_mysql(k, e);
        if (!worker_stopping(w) && producer_wants_token(k->session.properties, config->kafka_count))
                check_token(k, e);
        if (!worker_stopping(w))
                check_kafka(k, e);
        if (connection_close(&k->connection, e) < 0)
                finding(k, "Kafka", e, NULL);
        if (k->failures > 0)    /* they are on stdout; whoever reads both streams need not read them twice */
                return error_set(e, k->first, "%zu of %zu checks failed", k->failures, json_array_size(k->findings));
        return worker_stopping(w) ? error_stopped(e) : 0;
}

static int print_json(const struct check *k, bool ok, struct error *e) {
        json_t *object = json_pack("{s:b, s:O}", "ok", ok, "findings", k->findings);
        int r = json_dumpf(object, k->out, JSON_COMPACT);

        json_decref(object);
        if (r < 0 || fputc('\n', k->out) == EOF || fflush(k->out) != 0)
                return error_set(e, ERROR_FAILED, "the findings could not be written to standard output");
        return 0;
}

static void check_free(struct check *k) {
        for (size_t i = 0; i < k->session.config->stream_count; i++)
                stream_done(&k->streams[i]);
        free(k->streams);
        json_decref(k->findings);
        session_done(&k->session);
        free(k);
}

int job_check(const struct config *config, struct service *service, bool json, FILE *out, struct error *e) {
        struct check *k = mem_zero(1, sizeof *k);
        const struct service_job job = {
                .work = work, .args = (void *[]) { k }, .count = 1, .wake = wake, .arg = k,
                .stop_timeout_ms = LIMIT_STOP_WORKERS_MS,
        };
        int r = session_init(&k->session, config, service, SESSION_ONCE, e);

        k->json = json;
        k->out = out;
        k->findings = json_array();
        k->streams = mem_zero(config->stream_count, sizeof *k->streams);
        connection_init(&k->connection, &k->session, NULL);
        if (r < 0)
                finding(k, "settings", e, NULL);
        else
                r = service_run(service, &job, e);
        if (r == 0 && service_stopped_by(service))
                r = error_set(e, ERROR_STOPPED, "stopped before everything was checked");
        if (json && print_json(k, r == 0, r < 0 ? &(struct error) {} : e) < 0)
                r = -1;
        if (!service_left_behind(service))
                check_free(k);
        return r;
}
