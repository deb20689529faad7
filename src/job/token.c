/* pinfeed --token: one token and where it comes from, for kcat, scripts and support. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pinfeed/job.h"
#include "pinfeed/limits.h"
#include "pinfeed/session.h"

struct request {
        struct session session;
        char *token;                    /* the answer */
};

static int work(struct worker *w, void *arg, struct error *e) {
        struct request *r = arg;
        int64_t expires_ms;

        if (aws_token(r->session.aws, &r->token, &expires_ms, e) == 0)
                return 0;
        return worker_stopping(w) ? error_stopped(e) : -1;
}

/* A command that was started for the credentials must not outlive us. */
static void wake(void *arg) {
        struct request *r = arg;

        aws_cancel(r->session.aws);
}

static json_t *utc(int64_t epoch_s) {
        char text[32];

        if (epoch_s == INT64_MAX)
                return json_null();
        clock_format_utc(epoch_s, text);
        return json_string(text);
}

static json_t *describe(const struct aws_status *s, const char *token) {
        return json_pack("{s:s, s:o, s:I, s:s, s:s, s:{s:s, s:s, s:o}}",
                         "token", token,
                         "expires_at", utc(s->token_expires_ms / 1000),
                         "expires_at_ms", (json_int_t) s->token_expires_ms,
                         "region", s->region,
                         "region_source", s->region_source,
                         "credentials",
                         "source", s->source,
                         "access_key_id", s->access_key_id,
                         "expires_at", utc(s->credentials_expire_s));
}

static int print(struct request *r, bool raw, FILE *out, struct error *e) {
        struct aws_status status;

        aws_status(r->session.aws, &status);
        if (!raw)
                return session_print_json(describe(&status, r->token), out, e);
        if (fprintf(out, "%s\n", r->token) >= 0 && fflush(out) == 0)
                return 0;
        return error_set(e, ERROR_FAILED, "the token could not be written to standard output: %s", strerror(errno));
}

int job_token(const struct config *config, struct service *service, bool raw, FILE *out, struct error *e) {
        struct request r = {};
        const struct service_job job = {
                .work = work, .args = (void *[]) { &r }, .count = 1, .wake = wake, .arg = &r,
                .stop_timeout_ms = LIMIT_STOP_WORKERS_MS,
        };
        int result = session_init(&r.session, config, service, SESSION_ONCE, e);

        if (result == 0)
                result = service_run(service, &job, e);
        if (result == 0 && r.token)
                result = print(&r, raw, out, e);
        else if (result == 0)
                result = error_stopped(e);
        if (r.token)
                mem_wipe(r.token, strlen(r.token));
        free(r.token);
        session_done(&r.session);
        return result;
}
