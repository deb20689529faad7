/* A scripted world for the aws room: an environment, a clock that stands still, and answers to HTTP requests. */
#ifndef TESTS_UNIT_AWS_SCRIPT_H
#define TESTS_UNIT_AWS_SCRIPT_H

#include "unit.h"

#include "aws/aws.h"

#include <stdio.h>
#include <unistd.h>

struct answer {
        const char *request;            /* "GET http://…" */
        const char *header;             /* only requests that have this header; NULL: any */
        const char *body_has;           /* only requests whose body contains this; NULL: any */
        int status;                     /* 0: nobody answers */
        const char *body;
        int64_t date_s;
        unsigned times;                 /* so often, then the next one that fits; 0: always */
};

enum { SCRIPT_ENV = 32, SCRIPT_ANSWERS = 24 };

struct script {
        struct {
                char name[64], value[256];
        } env[SCRIPT_ENV];
        struct answer answers[SCRIPT_ANSWERS];
        unsigned used[SCRIPT_ANSWERS];
        int64_t now_s;
        int64_t wall_set_s;             /* how far the wall clock was set; the monotonic one doesn't know */
        unsigned pauses;
        char asked[8192];               /* "GET http://…\n" of each request */
        char last_body[8192], last_headers[8192], last_ca[128];
        char log[16384];                /* "5 line\n" */
        char directory[64];             /* of files, made on demand */
};

enum { SCRIPT_NOW_S = 1795176000 };     /* 2026-11-20T12:00:00Z */

static inline const char *script_env(void *arg, const char *name) {
        struct script *s = arg;

        for (size_t i = 0; i < SCRIPT_ENV; i++)
                if (strcmp(s->env[i].name, name) == 0)
                        return s->env[i].value;
        return NULL;
}

static inline int64_t script_now_s(void *arg) {
        return ((struct script *) arg)->now_s;
}

static inline uint64_t script_monotonic_us(void *arg) {
        const struct script *s = arg;

        return (uint64_t) (s->now_s - s->wall_set_s) * 1000000;
}

static inline void script_set_clock(struct script *s, int64_t by_s) {
        s->now_s += by_s;
        s->wall_set_s += by_s;
}

static inline double script_jitter(void *arg) {
        (void) arg;
        return 0;
}

static inline bool script_pause(void *arg, int cancel_fd, unsigned ms) {
        (void) cancel_fd;
        (void) ms;
        ((struct script *) arg)->pauses++;
        return true;
}

static inline void script_append(char *text, size_t size, const char *more) {
        size_t n = strlen(text);

        assert_true(n + strlen(more) + 2 < size);
        snprintf(text + n, size - n, "%s\n", more);
}

static inline bool script_has_header(const struct http_request *r, const char *header) {
        for (size_t i = 0; r->headers && r->headers[i]; i++)
                if (strcmp(r->headers[i], header) == 0)
                        return true;
        return false;
}

static inline int script_exchange(void *arg, const struct http_request *r, struct http_answer *ret, struct error *e) {
        struct script *s = arg;
        _cleanup_free_ char *request = mem_format("%s %s", r->method, r->url);

        script_append(s->asked, sizeof s->asked, request);
        snprintf(s->last_body, sizeof s->last_body, "%s", r->body ? r->body : "");
        snprintf(s->last_ca, sizeof s->last_ca, "%s", r->ca_bundle ? r->ca_bundle : "");
        s->last_headers[0] = 0;
        for (size_t i = 0; r->headers && r->headers[i]; i++)
                script_append(s->last_headers, sizeof s->last_headers, r->headers[i]);
        for (size_t i = 0; i < SCRIPT_ANSWERS && s->answers[i].request; i++) {
                const struct answer *a = &s->answers[i];

                if (strcmp(a->request, request) != 0 || (a->header && !script_has_header(r, a->header))
                    || (a->body_has && (!r->body || !strstr(r->body, a->body_has)))
                    || (a->times && s->used[i] >= a->times))
                        continue;
                s->used[i]++;
                if (!a->status)
                        return error_set(e, ERROR_UNREACHABLE, "nobody is there");
                *ret = (struct http_answer) { .status = a->status, .date_s = a->date_s };
                buffer_append_string(&ret->body, a->body ? a->body : "");
                buffer_string(&ret->body);
                return 0;
        }
        return error_set(e, ERROR_UNREACHABLE, "no answer in the script");
}

static inline void script_log(void *arg, int severity, const char *line) {
        struct script *s = arg;
        _cleanup_free_ char *text = mem_format("%d %s", severity, line);

        script_append(s->log, sizeof s->log, text);
}

static inline struct world script_world(struct script *s) {
        return (struct world) {
                .arg = s, .env = script_env, .now_s = script_now_s, .monotonic_us = script_monotonic_us, .jitter = script_jitter,
                .exchange = script_exchange, .pause = script_pause,
        };
}

static inline void script_set(struct script *s, const char *name, const char *value) {
        size_t i = 0;

        while (s->env[i].name[0] && strcmp(s->env[i].name, name) != 0)
                i++;
        assert_true(i < SCRIPT_ENV);
        snprintf(s->env[i].name, sizeof s->env[i].name, "%s", name);
        snprintf(s->env[i].value, sizeof s->env[i].value, "%s", value);
}

/* A file of this test's own; returns its path (valid until the next call). */
static inline const char *script_file(struct script *s, const char *name, const char *text) {
        static char path[128];
        FILE *f;

        if (!s->directory[0]) {
                snprintf(s->directory, sizeof s->directory, "/tmp/pinfeed-aws-XXXXXX");
                assert_non_null(mkdtemp(s->directory));
        }
        snprintf(path, sizeof path, "%s/%s", s->directory, name);
        f = fopen(path, "w");
        assert_non_null(f);
        fputs(text, f);
        assert_int_equal(fclose(f), 0);
        return path;
}

static inline void script_profiles(struct script *s, const char *config, const char *credentials) {
        script_set(s, "AWS_CONFIG_FILE", script_file(s, "config", config));
        script_set(s, "AWS_SHARED_CREDENTIALS_FILE", script_file(s, "credentials", credentials));
}

/* cmocka set-up: a world in which there is nothing at all, and a region. */
static inline int script_setup(void **state) {
        struct script *s = mem_zero(1, sizeof *s);

        s->now_s = SCRIPT_NOW_S;
        script_set(s, "AWS_REGION", "eu-west-1");
        script_set(s, "AWS_EC2_METADATA_DISABLED", "true");
        *state = s;
        return 0;
}

static inline int script_teardown(void **state) {
        struct script *s = *state;
        static const char *const names[] = { "config", "credentials", "token" };

        for (size_t i = 0; s->directory[0] && i < sizeof names / sizeof *names; i++) {
                _cleanup_free_ char *path = mem_format("%s/%s", s->directory, names[i]);

                unlink(path);
        }
        if (s->directory[0])
                rmdir(s->directory);
        free(s);
        return 0;
}

#endif
