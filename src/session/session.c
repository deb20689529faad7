#include "room.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { READY_AFTER_MS = 9000 };         /* READY comes with the first verdict, or after this much */

/* ---- READY in time ---- */

/* A thread of its own: whatever the worker hangs in, systemd must not give up on a daemon that waits. */
struct session_ready {
        struct service *service;
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t stopped;
        bool stop;                      /* under the lock */
};

static void *ready_in_time(void *arg) {
        struct session_ready *r = arg;
        uint64_t until_us = clock_monotonic_us() + READY_AFTER_MS * 1000ull;
        struct timespec until = clock_timespec(until_us);
        int x = 0;

        pthread_mutex_lock(&r->lock);
        while (!r->stop && x != ETIMEDOUT)
                x = pthread_cond_clockwait(&r->stopped, &r->lock, CLOCK_MONOTONIC, &until);
        if (!r->stop)
                service_ready(r->service);
        pthread_mutex_unlock(&r->lock);
        return NULL;
}

static struct session_ready *ready_start(struct service *service) {
        struct session_ready *r = mem_zero(1, sizeof *r);

        r->service = service;
        pthread_mutex_init(&r->lock, NULL);
        pthread_cond_init(&r->stopped, NULL);
        if (pthread_create(&r->thread, NULL, ready_in_time, r) != 0)
                abort();                /* as for memory */
        return r;
}

static void ready_stop(struct session_ready *r) {
        if (!r)
                return;
        pthread_mutex_lock(&r->lock);
        r->stop = true;
        pthread_cond_signal(&r->stopped);
        pthread_mutex_unlock(&r->lock);
        pthread_join(r->thread, NULL);
        pthread_cond_destroy(&r->stopped);
        pthread_mutex_destroy(&r->lock);
        free(r);
}

/* ---- session ---- */

static void aws_log(void *arg, int severity, const char *line) {
        struct session *s = arg;

        service_log(s->service, (enum service_severity) severity,
                    severity <= SERVICE_WARNING ? MESSAGE_TOKEN_FAILING : MESSAGE_TOKEN, NULL, 0, "%s", line);
}

void session_init(struct session *s, const struct config *config, struct service *service, bool patient) {
        struct aws_settings aws = {
                .region = config->aws_region, .profile = config->aws_profile, .role_arn = config->aws_role_arn,
                .external_id = config->aws_external_id, .session_name = config->aws_session_name,
        };

        *s = (struct session) { .config = config, .service = service, .patient = patient };
        s->properties = mem_zero(config->kafka_count, sizeof *s->properties);
        for (size_t i = 0; i < config->kafka_count; i++)
                s->properties[i] = (struct producer_property) {
                        config->kafka[i].name, config->kafka[i].value, config->kafka[i].origin,
                };
        aws.bootstrap_servers = producer_bootstrap(s->properties, config->kafka_count);
        s->aws = aws_new(&aws, aws_log, s);
}

void session_done(struct session *s) {
        ready_stop(s->ready);
        aws_free(s->aws);
        free(s->properties);
}

int session_check(const struct session *s, struct error *e) {
        const struct producer_settings settings = {
                .properties = s->properties, .property_count = s->config->kafka_count,
        };

        return producer_check_properties(&settings, e);
}

void session_begin(struct session *s) {
        s->ready = ready_start(s->service);
        snprintf(s->doing, sizeof s->doing, "Starting");
        service_status(s->service, "%s", s->doing);
}

void session_work(struct session *s, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        vsnprintf(s->doing, sizeof s->doing, format, ap);
        va_end(ap);
        service_ready(s->service);
        service_status(s->service, "%s", s->doing);
}

void session_identity(void *arg, char *ret, size_t size) {
        struct session *s = arg;
        struct aws_status status;

        *ret = 0;
        aws_status(s->aws, &status);
        if (*status.source && *status.region)
                snprintf(ret, size, "credentials from %s, access key %s, region %s from %s", status.source,
                         status.access_key_id, status.region, status.region_source);
}

int session_token(void *arg, char **ret_token, int64_t *ret_expires_ms, struct error *e) {
        struct session *s = arg;

        return aws_token(s->aws, ret_token, ret_expires_ms, e);
}

void session_report_token(struct session *s) {
        struct aws_status status;
        char until[32];

        aws_status(s->aws, &status);
        if (status.tokens == 0)
                return;
        clock_format_utc(status.token_expires_ms / 1000, until);
        service_log(s->service, SERVICE_INFO, MESSAGE_TOKEN, NULL, 0,
                    "token: credentials from %s, region %s (from %s), valid until %s, %llu signed",
                    status.source, status.region, status.region_source, until, (unsigned long long) status.tokens);
}

void session_abandon(struct session *s, const struct error *e) {
        service_log_error(s->service, SERVICE_ERROR, MESSAGE_FAILED, e);
        service_free(s->service);
        _exit(error_exit_code(e));
}
