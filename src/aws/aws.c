/* The whole: credentials that are kept while they are good and refreshed early, and tokens made from them. */
#include "aws/aws.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
        TOKEN_LIFETIME_S = 900,
        /* While a refresh keeps failing: so that the next attempt comes sooner. */
        TOKEN_LIFETIME_FAILING_S = 300,
        REFRESH_EARLY_S = 300,
        /* librdkafka asks again at 80% of a token's lifetime: what would come too late then is done now. */
        REFRESH_AHEAD_S = REFRESH_EARLY_S + TOKEN_LIFETIME_S * 8 / 10,
        REFRESH_JITTER_S = 60,
        REFRESH_AHEAD_AGE_S = 60,
        SHARED_S = 10,                  /* several producers ask within moments: one lookup serves them */
        BACKOFF_FIRST_S = 15, BACKOFF_STEPS = 3,       /* 15, 30, 60, 120, 120, … s */
};

enum { WARNING = 4, NOTICE = 5, DEBUG = 7 };

struct aws {
        struct world world;
        void (*log)(void *arg, int severity, const char *line);
        void *log_arg;
        int cancel_fd;
        atomic_bool cancelled;

        /* Held during a lookup, which takes seconds. Guards the settings in use (copies). */
        pthread_mutex_t fetching;
        struct aws_settings settings;
        bool region_unknown;            /* with these settings */
        /* Held for moments only; never while waiting. Guards all below. */
        pthread_mutex_t lock;
        struct aws_settings renewed;    /* copies, for the next lookup */
        bool renew;
        struct aws_credentials credentials;
        bool have;
        uint64_t fetched_us;            /* this, and what follows in us, is monotonic */
        double jitter;                  /* of these credentials' refresh */
        unsigned failures_in_row;
        uint64_t next_try_us;           /* while failing */
        uint64_t failed_us;             /* when the last lookup failed */
        bool warned;
        struct aws_status status;
};

/* ---- birth and death ---- */

static char *copy(const char *s) {
        return s && *s ? mem_copy_string(s) : NULL;
}

static struct aws_settings settings_copy(const struct aws_settings *s) {
        return (struct aws_settings) {
                .region = copy(s->region),
                .profile = copy(s->profile),
                .role_arn = copy(s->role_arn),
                .external_id = copy(s->external_id),
                .session_name = copy(s->session_name),
                .bootstrap_servers = copy(s->bootstrap_servers),
        };
}

static void discard(const char *s) {
        free((char *) (uintptr_t) s);
}

static void settings_free(const struct aws_settings *s) {
        discard(s->region);
        discard(s->profile);
        discard(s->role_arn);
        discard(s->external_id);
        discard(s->session_name);
        discard(s->bootstrap_servers);
}

struct aws *aws_new_in(const struct world *world, const struct aws_settings *settings,
                       void (*log)(void *arg, int severity, const char *line), void *log_arg) {
        struct aws *a = mem_zero(1, sizeof *a);

        a->world = *world;
        a->settings = settings_copy(settings);
        a->region_unknown = true;
        a->log = log;
        a->log_arg = log_arg;
        a->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (a->cancel_fd < 0)
                abort();        /* out of file descriptors before anything began */
        pthread_mutex_init(&a->fetching, NULL);
        pthread_mutex_init(&a->lock, NULL);
        http_start();
        return a;
}

struct aws *aws_new(const struct aws_settings *settings, void (*log)(void *arg, int severity, const char *line),
                    void *log_arg) {
        return aws_new_in(&world_real, settings, log, log_arg);
}

void aws_free(struct aws *a) {
        if (!a)
                return;
        aws_credentials_wipe(&a->credentials);
        settings_free(&a->settings);
        settings_free(&a->renewed);
        pthread_mutex_destroy(&a->fetching);
        pthread_mutex_destroy(&a->lock);
        close(a->cancel_fd);
        http_stop();
        free(a);
}

void aws_cancel(struct aws *a) {
        uint64_t one = 1;

        atomic_store(&a->cancelled, true);
        /* It stays readable, for every wait to come. */
        if (write(a->cancel_fd, &one, sizeof one) < 0)
                return;         /* only when the counter is full: readable all the same */
}

void aws_renew(struct aws *a, const struct aws_settings *settings) {
        pthread_mutex_lock(&a->lock);
        settings_free(&a->renewed);
        a->renewed = settings_copy(settings);
        a->renew = true;
        pthread_mutex_unlock(&a->lock);
}

void aws_status(struct aws *a, struct aws_status *ret) {
        pthread_mutex_lock(&a->lock);
        *ret = a->status;
        pthread_mutex_unlock(&a->lock);
}

/* ---- when to look (a->lock is held) ---- */

static int64_t left_s(const struct aws *a, int64_t now_s) {
        if (!a->have)
                return 0;
        return a->credentials.expires_s == INT64_MAX ? INT64_MAX : a->credentials.expires_s - now_s;
}

static bool due(const struct aws *a, int64_t now_s, uint64_t now_us) {
        int64_t left = left_s(a, now_s), age = (int64_t) ((now_us - a->fetched_us) / 1000000);
        int64_t jitter = (int64_t) (REFRESH_JITTER_S * a->jitter);

        if (left <= 0 || a->renew)
                return true;
        if (a->failures_in_row)
                return now_us >= a->next_try_us;
        if (age < SHARED_S && age < left / 4)
                return false;
        /* Keys that don't expire may still be changed in their file. */
        if (left == INT64_MAX)
                return true;
        return left < REFRESH_EARLY_S + jitter
               || (left < REFRESH_AHEAD_S + jitter && age >= REFRESH_AHEAD_AGE_S);
}

/* ---- what to say (a->lock is not held) ---- */

static void say(struct aws *a, int severity, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void say(struct aws *a, int severity, const char *format, ...) {
        char line[3072];
        va_list ap;

        if (!a->log)
                return;
        va_start(ap, format);
        vsnprintf(line, sizeof line, format, ap);
        va_end(ap);
        a->log(a->log_arg, severity, line);
}

/* ", valid until 2026-11-20T12:15:00Z" */
static const char *describe_end(int64_t expires_s, char ret[static 64]) {
        char utc[32];

        if (expires_s == INT64_MAX)
                return strcpy(ret, "");
        clock_format_utc(expires_s, utc);
        snprintf(ret, 64, ", valid until %s", utc);
        return ret;
}

static void say_success(struct aws *a, const struct aws_status *before, const struct aws_status *now, bool warned) {
        bool other = strcmp(before->source, now->source) != 0 || strcmp(before->region, now->region) != 0;
        char end[64];

        describe_end(now->credentials_expire_s, end);
        say(a, other || warned ? NOTICE : DEBUG, "AWS credentials%s from %s, access key %s%s; region %s (from %s)",
            warned ? " are refreshed again:" : "", now->source, now->access_key_id, end, now->region,
            now->region_source);
}

static void say_failure(struct aws *a, const struct error *e, const char *source, int64_t left) {
        if (left == INT64_MAX)
                say(a, WARNING, "AWS credentials can't be read again, those from %s stay in use: %s. %s", source,
                    e->what, e->hint);
        else if (left > 0)
                say(a, WARNING, "AWS credentials can't be refreshed, those from %s are valid for another %lld min "
                    "%lld s: %s. %s", source, (long long) left / 60, (long long) left % 60, e->what, e->hint);
        else
                say(a, WARNING, "AWS credentials can't be refreshed and none are left: %s. %s", e->what, e->hint);
}

/* ---- a lookup (a->fetching is held) ---- */

static void take_renewed(struct aws *a) {
        pthread_mutex_lock(&a->lock);
        if (a->renew) {
                settings_free(&a->settings);
                a->settings = a->renewed;
                a->renewed = (struct aws_settings) {};
                a->renew = false;
                a->region_unknown = true;
        }
        pthread_mutex_unlock(&a->lock);
}

/* Region and credentials, found anew. A region that is known stays what it was. */
static int look(struct lookup *l, struct aws_credentials *ret, struct error *e) {
        char clock[128];

        if (lookup_identity(l, ret, e) < 0)
                return -1;
        lookup_describe_clock(l, clock);
        if (!*clock)
                return 0;
        aws_credentials_wipe(ret);
        error_set(e, ERROR_UNREACHABLE, "%s, so the brokers would refuse every token", clock);
        return error_hint(e, "Set the clock (chrony, systemd-timesyncd).");
}

static void keep(struct aws *a, struct aws_credentials *new, const struct lookup *l) {
        struct aws_status before, now;
        bool warned;

        pthread_mutex_lock(&a->lock);
        before = a->status;
        aws_credentials_wipe(&a->credentials);
        a->credentials = *new;
        a->have = true;
        a->fetched_us = a->world.monotonic_us(a->world.arg);
        a->jitter = a->world.jitter(a->world.arg);
        a->failures_in_row = 0;
        text_flatten(new->source, a->status.source, sizeof a->status.source);
        snprintf(a->status.access_key_id, sizeof a->status.access_key_id, "%s", new->access_key_id);
        snprintf(a->status.region, sizeof a->status.region, "%s", l->region);
        snprintf(a->status.region_source, sizeof a->status.region_source, "%s", l->region_source);
        a->status.credentials_expire_s = new->expires_s;
        a->status.temporary = new->session_token != NULL;
        warned = a->warned;
        a->warned = false;
        now = a->status;
        pthread_mutex_unlock(&a->lock);
        say_success(a, &before, &now, warned);
}

/* Returns the seconds that the former credentials are still good for. */
static int64_t keep_failure(struct aws *a, const struct error *e) {
        int64_t now_s = a->world.now_s(a->world.arg), left, pause;
        char source[sizeof a->status.source];
        bool warn;

        pthread_mutex_lock(&a->lock);
        left = left_s(a, now_s);
        pause = BACKOFF_FIRST_S << (a->failures_in_row < BACKOFF_STEPS ? a->failures_in_row : BACKOFF_STEPS);
        pause = pause < left / 4 ? pause : left / 4;    /* more often as the end comes near */
        a->failures_in_row++;
        a->failed_us = a->world.monotonic_us(a->world.arg);
        a->next_try_us = a->failed_us + (uint64_t) ((double) pause * 1e6 * (0.75 + 0.5 * a->world.jitter(a->world.arg)));
        a->status.last_error = *e;
        memcpy(source, a->status.source, sizeof source);
        warn = !a->warned && a->status.tokens > 0;
        a->warned = a->warned || warn;
        pthread_mutex_unlock(&a->lock);
        if (warn)
                say_failure(a, e, source, left);
        return left;
}

static int refresh(struct aws *a, struct error *e) {
        struct aws_credentials new = {};
        struct error why = {};
        struct lookup l;
        int result = 0;

        take_renewed(a);
        lookup_begin(&l, &a->world, &a->settings, a->cancel_fd);
        if (!a->region_unknown) {
                /* Only a holder of a->fetching writes these two. */
                memcpy(l.region, a->status.region, sizeof l.region);
                memcpy(l.region_source, a->status.region_source, sizeof l.region_source);
        }
        result = look(&l, &new, &why);
        if (result == 0) {
                a->region_unknown = false;
                keep(a, &new, &l);
        } else if (!atomic_load(&a->cancelled) && keep_failure(a, &why) > 0) {
                result = 0;
        } else {
                *e = why;
        }
        lookup_end(&l);
        return result;
}

/* ---- tokens ---- */

static bool is_due(struct aws *a) {
        bool result;

        pthread_mutex_lock(&a->lock);
        result = due(a, a->world.now_s(a->world.arg), a->world.monotonic_us(a->world.arg));
        pthread_mutex_unlock(&a->lock);
        return result;
}

static bool has_valid(struct aws *a) {
        bool result;

        pthread_mutex_lock(&a->lock);
        result = left_s(a, a->world.now_s(a->world.arg)) > 0;
        pthread_mutex_unlock(&a->lock);
        return result;
}

/* A lookup by somebody else that failed while we waited for our turn is our failure too. */
static bool failed_since(struct aws *a, uint64_t since_us, struct error *e) {
        bool result;

        pthread_mutex_lock(&a->lock);
        result = a->failures_in_row && a->failed_us > since_us;
        if (result)
                *e = a->status.last_error;
        pthread_mutex_unlock(&a->lock);
        return result;
}

/* Makes sure that there are valid credentials. Whoever still has some does not wait for another's lookup. */
static int ensure(struct aws *a, struct error *e) {
        uint64_t since_us = a->world.monotonic_us(a->world.arg);
        int result = 0;

        if (!is_due(a))
                return 0;
        if (pthread_mutex_trylock(&a->fetching) != 0) {
                if (has_valid(a))
                        return 0;
                pthread_mutex_lock(&a->fetching);
        }
        if (atomic_load(&a->cancelled))
                result = error_stopped(e);
        else if (is_due(a))
                result = !has_valid(a) && failed_since(a, since_us, e) ? -1 : refresh(a, e);
        pthread_mutex_unlock(&a->fetching);
        return result;
}

/* With a->lock held. */
static int sign(struct aws *a, char **ret_token, int64_t *ret_expires_ms, struct error *e) {
        int64_t now_s = a->world.now_s(a->world.arg), left = left_s(a, now_s);
        int64_t most = a->failures_in_row ? TOKEN_LIFETIME_FAILING_S - (int64_t) (60 * a->jitter) : TOKEN_LIFETIME_S;
        int64_t lifetime_s = left < most ? left : most;

        if (lifetime_s <= 0) {
                error_set(e, ERROR_UNREACHABLE, "the credentials from %s have just expired", a->status.source);
                return error_hint(e, "They are asked for again.");
        }
        if (aws_token_sign(&a->credentials, a->status.region, now_s, (unsigned) lifetime_s, ret_token,
                           ret_expires_ms, e) < 0)
                return -1;
        a->status.tokens++;
        a->status.token_expires_ms = *ret_expires_ms;
        return 0;
}

int aws_token(struct aws *a, char **ret_token, int64_t *ret_expires_ms, struct error *e) {
        int result;

        if (atomic_load(&a->cancelled))
                return error_stopped(e);
        if (ensure(a, e) < 0)
                return -1;
        pthread_mutex_lock(&a->lock);
        result = sign(a, ret_token, ret_expires_ms, e);
        pthread_mutex_unlock(&a->lock);
        return result;
}
