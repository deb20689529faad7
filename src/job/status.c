/* pinfeed --status: what the daemons of this machine do, as they tell it, and how far replays are, as Kafka has it. */
#include <inttypes.h>
#include <string.h>

#include "pinfeed/feed.h"
#include "pinfeed/job.h"
#include "pinfeed/limits.h"

/* Who tells at session_tell_path, and how it is started. */
static const struct {
        const char *job, *start;
} daemons[] = {
        { "emulate", "systemctl start pinfeed" },
        { "follow", "systemctl start pinfeed-follow" },
};

struct status {
        struct session session;
        struct connection connection;
        json_t *found, *replays;        /* the JSON object; in it: how far each stream is */
        struct error first;             /* what could not be known; ERROR_NONE: all could */
        bool json;
        FILE *out;
};

static void print(const struct status *s, const char *what, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* What others say may hold anything. */
static void print(const struct status *s, const char *what, const char *format, ...) {
        char text[2048];
        va_list ap;

        if (s->json)
                return;
        va_start(ap, format);
        vsnprintf(text, sizeof text, format, ap);
        va_end(ap);
        text_flatten(text, text, sizeof text);
        fprintf(s->out, "%-16s  %s\n", what, text);
        fflush(s->out);
}

/* As JSON: {"error": "..."}. The first one ends the job at last. */
static json_t *unknown(struct status *s, const char *what, const struct error *e) {
        char text[sizeof e->what];

        if (s->first.class == ERROR_NONE)
                s->first = *e;
        text_flatten(e->what, text, sizeof text);
        print(s, what, "not known: %s", text);
        return json_pack("{s:s}", "error", text);
}

/* ---- daemons ---- */

/* A member's text; "": there is none. */
static const char *text_of(const json_t *object, const char *member) {
        const char *text = json_string_value(json_object_get(object, member));

        return text ? text : "";
}

static void print_daemon(const struct status *s, const char *job, const json_t *told) {
        const json_t *waiting = json_object_get(told, "waiting"), *failed = json_object_get(told, "last_error");

        print(s, job, "runs since %s, process %lld", text_of(told, "up_since"),
              (long long) json_integer_value(json_object_get(told, "pid")));
        print(s, "", "%s", text_of(told, "doing"));
        if (json_is_object(waiting))
                print(s, "", "waits since %s: %s", text_of(waiting, "since"), text_of(waiting, "for"));
        if (json_is_object(failed))
                print(s, "", "last error, at %s: %s", text_of(failed, "at"), text_of(failed, "text"));
}

static void look_for(struct status *s, const char *job, const char *start) {
        _cleanup_free_ char *path = session_tell_path(s->session.config, job);
        _cleanup_buffer_ struct buffer answer = {};
        json_t *told = NULL;
        struct error e;

        switch (service_ask(path, &answer, &e)) {
        case SERVICE_NOBODY:
                print(s, job, "no daemon runs here; start it with: %s", start);
                told = json_null();
                break;
        case SERVICE_SILENT:
                told = unknown(s, job, &e);
                break;
        case SERVICE_ANSWERED:
                told = json_loadb(answer.data, answer.length, 0, NULL);
                if (told)
                        print_daemon(s, job, told);
                else {
                        error_set(&e, ERROR_FAILED, "what answers at %s is not a pinfeed of this version", path);
                        told = unknown(s, job, &e);
                }
        }
        json_object_set_new(s->found, job, told);
}

/* ---- replays ---- */

static json_t *key(bool present, const struct buffer *bytes) {
        _cleanup_buffer_ struct buffer text = {};

        if (!present)
                return json_null();
        cursor_print_key(&(struct key) { bytes->data, bytes->length }, &text);
        return json_stringn(buffer_string(&text), text.length);
}

/* null: there is no such run. */
static json_t *describe_run(const struct cursor_run *run) {
        return !run->present ? json_null() : json_pack("{s:I, s:o, s:o, s:b, s:b}", "rows", (json_int_t) run->rows,
                                                       "last_key", key(run->has_last, &run->last), "to",
                                                       key(run->has_to, &run->to), "restart", run->restart, "complete",
                                                       run->done);
}

static void print_run(const struct status *s, const char *what, const json_t *run, const char *kind, const char *by) {
        const char *last = text_of(run, "last_key"), *to = text_of(run, "to");
        json_int_t count = json_integer_value(json_object_get(run, "rows"));
        bool complete = json_is_true(json_object_get(run, "complete"));
        char rows[32];

        if (json_is_object(run))
                print(s, what, "%s row%s sent%s%s%s, %s%s; by %s", text_count((uint64_t) count, rows), count == 1 ? "" : "s",
                      kind, *last ? ", last key " : "", last, complete ? "complete" : *to ? "goes on to key " : "goes on",
                      complete ? "" : to, by);
}

static json_t *describe(const struct status *s, const char *what, const struct cursor *c) {
        json_t *main_run = describe_run(&c->main), *bounded = describe_run(&c->bounded), *by = json_null();
        _cleanup_free_ char *words = NULL;
        char since[32];

        if (!c->main.present && !c->bounded.present)
                print(s, what, "no replay has begun");
        else {
                clock_format_utc(c->start_ms / 1000, since);
                words = mem_format("process %d on %s, up since %s", (int) c->pid, c->host, since);
                by = json_pack("{s:s, s:i, s:s}", "host", c->host, "pid", (int) c->pid, "up_since", since);
                print_run(s, what, main_run, "", words);
                print_run(s, what, bounded, " between --from and --to", words);
        }
        return json_pack("{s:o, s:o, s:o}", "main", main_run, "bounded", bounded, "signed_by", by);
}

static void look_at(struct status *s, const struct config_stream *stream) {
        _cleanup_free_ char *what = mem_format("replay %s", stream->name);
        struct cursor cursor = {};
        struct error e;

        json_object_set_new(s->replays, stream->name, feed_look(&s->connection, stream, &cursor, &e) < 0
                            ? unknown(s, what, &e) : describe(s, what, &cursor));
        cursor_free(&cursor);
}

/* ---- the run ---- */

static int work(struct worker *w, void *arg, struct error *e) {
        struct status *s = arg;
        const struct config *config = s->session.config;

        s->connection.worker = w;
        if (config->replay_exactly_once && connection_open_producer(&s->connection, NULL, NULL, NULL, e) < 0) {
                if (e->class != ERROR_STOPPED)
                        json_object_update_new(s->replays, unknown(s, "replay", e));
        } else
                for (size_t i = 0; i < config->stream_count && !worker_stopping(w); i++)
                        look_at(s, &config->streams[i]);
        return connection_close(&s->connection, e);
}

static void wake(void *arg) {
        struct status *s = arg;

        connection_cancel(&s->connection);
        aws_cancel(s->session.aws);
}

static int look(struct status *s, struct error *e) {
        struct service *service = s->session.service;
        const struct service_job job = {
                .work = work, .args = (void *[]) { s }, .count = 1, .wake = wake, .arg = s,
                .stop_timeout_ms = LIMIT_STOP_WORKERS_MS,
        };

        for (size_t i = 0; i < sizeof daemons / sizeof *daemons; i++)
                look_for(s, daemons[i].job, daemons[i].start);
        json_object_set(s->found, "replay", s->replays);
        if (service_run(service, &job, e) < 0)
                return -1;
        if (service_stopped_by(service))
                return error_set(e, ERROR_STOPPED, "stopped before everything was known");
        if (s->json && session_print_json(json_incref(s->found), s->out, e) < 0)
                return -1;
        *e = s->first;
        return e->class == ERROR_NONE ? 0 : -1;
}

int job_status(const struct config *config, struct service *service, bool json, FILE *out, struct error *e) {
        struct status *s = mem_zero(1, sizeof *s);
        int r = session_init(&s->session, config, service, SESSION_BRIEF, e);

        s->json = json;
        s->out = out;
        s->found = json_object();
        s->replays = json_object();
        connection_init(&s->connection, &s->session, NULL);
        if (r == 0)
                r = look(s, e);
        if (service_left_behind(service))
                return r;
        json_decref(s->replays);
        json_decref(s->found);
        session_done(&s->session);
        free(s);
        return r;
}
