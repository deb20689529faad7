/* check: everything that a start verifies and what would fail later, one finding a line, and nothing sent. */
#include <string.h>

#include "check.h"
#include "pinfeed/limits.h"

/* ---- findings ---- */

static char *flat(const char *text) {
        size_t size = strlen(text) + 1;
        char *copy = mem_alloc(size);

        text_flatten(text, copy, size);
        return copy;
}

static void add(struct check *k, const char *id, const char *what, enum result result, const char *text, const char *hint) {
        static const char *const words[RESULTS][2] = {
                { "ok", "ok" }, { "warn", "warn" }, { "failed", "FAILED" }, { "not_tried", "not tried" },
        };
        /* The other side's words and the tables' names: neither JSON nor a terminal must trip over them. */
        _cleanup_free_ char *name = flat(what), *said = flat(text), *advice = flat(hint ? hint : "");

        k->count[result]++;
        json_array_append_new(k->findings, json_pack("{s:s, s:s, s:s, s:b, s:s, s:s}", "id", id, "what", name, "result",
                                                     words[result][0], "ok", result != RESULT_FAILED, "text", said,
                                                     "hint", advice));
        if (k->json)
                return;
        /* "Kafka: Kafka can't be reached" says it twice. */
        if (strncmp(said, name, strlen(name)) == 0)
                *name = 0;
        fprintf(k->out, "%-9s  %s%s%s%s%s\n", words[result][1], name, *name ? ": " : "", said, *advice ? ". " : "", advice);
        fflush(k->out);
}

void finding(struct check *k, const char *id, const char *what, enum result result, const char *hint, const char *format, ...) {
        char text[1536];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof text, format, ap);
        va_end(ap);
        add(k, id, what, result, text, hint);
}

void finding_error(struct check *k, const char *id, const char *what, enum result result, const struct error *e) {
        if (e->class == ERROR_STOPPED)
                return;
        if (result == RESULT_FAILED && k->count[RESULT_FAILED] == 0)
                k->first = e->class;
        add(k, id, what, result, e->what, e->hint);
}

void finding_not_tried(struct check *k, const char *id, const char *what, const char *because) {
        if (!check_stopping(k))
                finding(k, id, what, RESULT_NOT_TRIED, NULL, "needs %s", because);
}

bool check_stopping(const struct check *k) {
        return worker_stopping(k->connection.worker);
}

/* ---- the run ---- */

static void wake(void *arg) {
        struct check *k = arg;

        connection_cancel(&k->connection);
        aws_cancel(k->session.aws);
}

static int work(struct worker *w, void *arg, struct error *e) {
        struct check *k = arg;

        k->connection.worker = w;
        for (size_t i = 0; i < k->session.config->stream_count; i++)
                k->streams[i].config = &k->session.config->streams[i];
        check_here(k);
        check_mysql(k);
        if (check_stopping(k) || check_aws(k))
                check_kafka(k);
        else
                finding_not_tried(k, "kafka.login", "Kafka", "a token");
        if (connection_close(&k->connection, e) < 0)
                finding_error(k, "kafka.end", "Kafka", RESULT_FAILED, e);
        if (k->count[RESULT_FAILED] > 0)        /* they are on stdout; whoever reads both streams need not read them twice */
                return error_set(e, k->first, "%zu of %zu checks failed", k->count[RESULT_FAILED],
                                 json_array_size(k->findings));
        if (check_stopping(k))
                return error_stopped(e);
        if (!k->json)
                service_log(k->session.service, SERVICE_INFO, MESSAGE_NOTE, NULL, 0, "nothing failed: %zu ok, %zu warn, %zu not "
                            "tried", k->count[RESULT_OK], k->count[RESULT_WARN], k->count[RESULT_NOT_TRIED]);
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
        int r = session_init(&k->session, config, service, SESSION_BRIEF, e);

        k->json = json;
        k->out = out;
        k->findings = json_array();
        k->streams = mem_zero(config->stream_count, sizeof *k->streams);
        connection_init(&k->connection, &k->session, NULL);
        if (r < 0)
                finding_error(k, "settings", "settings", RESULT_FAILED, e);
        else
                r = service_run(service, &job, e);
        if (r == 0 && service_stopped_by(service))
                r = error_set(e, ERROR_STOPPED, "stopped before everything was checked");
        if (json && session_print_json(json_pack("{s:b, s:O}", "ok", r == 0, "findings", k->findings), out,
                               r < 0 ? &(struct error) {} : e) < 0)
                r = -1;
        if (!service_left_behind(service))
                check_free(k);
        return r;
}
