/* pinfeed --token: one token and where it comes from, for kcat, scripts and support. */
#include "pinfeed/job.h"

#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* ---- being stopped ---- */

/* Somebody who waits for a signal, so that a command that was started for the credentials never outlives us. */
struct guard {
        struct aws *aws;
        sigset_t signals, mask;         /* the mask: as it was */
        pthread_t thread;
        int received;                   /* 0: none */
};

static void *guard_main(void *arg) {
        struct guard *g = arg;

        if (sigwait(&g->signals, &g->received) == 0)
                aws_cancel(g->aws);
        return NULL;
}

static int guard_begin(struct guard *g, struct aws *aws, struct error *e) {
        static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
        int wrong;

        *g = (struct guard) { .aws = aws };
        sigemptyset(&g->signals);
        for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
                struct sigaction now;

                if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
                        sigaddset(&g->signals, signals[i]);
        }
        pthread_sigmask(SIG_BLOCK, &g->signals, &g->mask);
        wrong = pthread_create(&g->thread, NULL, guard_main, g);
        return wrong ? error_set(e, ERROR_FAILED, "a thread can't be started: %s", strerror(wrong)) : 0;
}

/* Ends us by the signal that came, if one came, as it would have without a guard. */
static void guard_end(struct guard *g) {
        pthread_cancel(g->thread);
        pthread_join(g->thread, NULL);
        if (g->received)
                raise(g->received);
        pthread_sigmask(SIG_SETMASK, &g->mask, NULL);
}

/* ---- the token ---- */

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
                         "lifetime_ms", (json_int_t) s->token_expires_ms,
                         "region", s->region,
                         "region_source", s->region_source,
                         "credentials",
                         "source", s->source,
                         "access_key_id", s->access_key_id,
                         "expires_at", utc(s->credentials_expire_s));
}

static int get_token(struct aws *aws, char **ret, struct error *e) {
        struct guard guard;
        int64_t expires_ms;
        int result;

        if (guard_begin(&guard, aws, e) < 0)
                return -1;
        result = aws_token(aws, ret, &expires_ms, e);
        guard_end(&guard);
        return result;
}

int job_token(const struct aws_settings *settings, FILE *out, struct error *e) {
        struct aws *aws = aws_new(settings, NULL, NULL);
        struct aws_status status;
        char *token = NULL;
        int result = get_token(aws, &token, e);

        if (result == 0) {
                json_t *json;

                aws_status(aws, &status);
                json = describe(&status, token);
                if (!json || json_dumpf(json, out, JSON_COMPACT) < 0 || fputc('\n', out) == EOF || fflush(out) != 0)
                        result = error_set(e, ERROR_FAILED, "the token could not be written to standard output");
                json_decref(json);
                mem_wipe(token, strlen(token));
        }
        free(token);
        aws_free(aws);
        return result;
}
