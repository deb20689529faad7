#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"
#include "pinfeed/limits.h"

enum {
        /* How long acknowledgements may stay away before a line says so. */
        QUIET_MS = 10000,
        /* How far the clock may be set before it matters for a token. */
        CLOCK_SET_MS = 60000,
        TOKEN_AGAIN_MS = 30000,                 /* librdkafka asks again 10 s after a failure */
        /* What a record costs beside its key and value, at most (record batch v2 header and varints). */
        RECORD_OVERHEAD = 128,
};

static void say(struct producer *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct producer *p, const char *format, ...) {
        char line[3584];
        va_list ap;

        if (!p->settings.log)
                return;
        va_start(ap, format);
        vsnprintf(line, sizeof line, format, ap);
        va_end(ap);
        p->settings.log(p->settings.log_arg, line);
}

/* ---- librdkafka's callbacks ---- */

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text) {
        struct producer *p = rd_kafka_opaque(rk);

        /* What matters to people comes through on_error and delivery reports in our own words. */
        (void) level;
        if (p)
                say(p, "librdkafka: %s: %s", facility, text);
}

/* Keeps librdkafka's words, without how long it was in which state: "… (after 0ms in state CONNECT, …)". */
static void set_reason(struct producer *p, const char *text) {
        const char *after = strstr(text, " (after ");

        while (after && strstr(after + 1, " (after "))
                after = strstr(after + 1, " (after ");
        snprintf(p->reason, sizeof p->reason, "%.*s", after ? (int) (after - text) : (int) strlen(text), text);
}

static void on_error(rd_kafka_t *rk, int code, const char *text, void *arg) {
        struct producer *p = arg;
        const struct mismatch *mismatch = reason_mismatch(text);

        (void) rk;
        /* Sessions that end with their token, and idle connections, are closed by the broker: no news. */
        if (!mismatch && strstr(text, "Disconnected"))
                return;
        switch (code) {
        case RD_KAFKA_RESP_ERR__FATAL: {
                struct error e;

                if (producer_fatal(p, &e))
                        producer_fail(p, &e);
                return;
        }
        case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
                return;         /* the reason came before it */
        case RD_KAFKA_RESP_ERR__AUTHENTICATION:
        case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
                /* MSK says the first to somebody who connects too often; the second is a connection that broke during the
                 * handshake, which librdkafka reports as if it were a refusal. */
                p->refused_by_broker = !strstr(text, "Too many connects") && !strstr(text, ": Local: ");
                break;
        case RD_KAFKA_RESP_ERR__SSL:
                /* A handshake that the network cut short is nothing to give up for; these won't get better. */
                p->refused_by_tls = strstr(text, "certificate") || strstr(text, "wrong version number");
                break;
        }
        p->mismatches = mismatch ? p->mismatches + 1 : 0;
        p->mismatch = mismatch;
        set_reason(p, text);
        say(p, "connection: %s", text);
}

/* In a transaction what failed is aborted and sent again. Otherwise nothing that passes by itself gets here: librdkafka
 * repeats what it can, for ever. So going on would only add more of the same. */
static void delivery_failed(struct producer *p, const struct producer_topic *t, rd_kafka_resp_err_t code) {
        bool purged = code == RD_KAFKA_RESP_ERR__PURGE_QUEUE || code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
        struct error e;

        if (purged || code == RD_KAFKA_RESP_ERR__FATAL || (p->transactional && !reason_is_refusal(code)))
                return;
        reason_set(p, &e, REASON_WRITE, code, NULL, "Kafka does not take a record for topic %s", t->name);
        producer_fail(p, &e);
}

/* On a broker's thread, as soon as the acknowledgement is there: whoever has sent may be waiting for a database, and the
 * time until it asks for its delivery reports is not Kafka's. */
static rd_kafka_resp_err_t on_acknowledgement(rd_kafka_t *rk, rd_kafka_message_t *m, void *arg) {
        (void) rk;
        (void) arg;
        if (!m->err) {
                struct producer_topic *t = rd_kafka_topic_opaque(m->rkt);
                int64_t latency_us = rd_kafka_message_latency(m);

                tally_delivered(t->tally, m->len, latency_us > 0 ? (uint64_t) latency_us : 0);
        }
        return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *arg, char *reason, size_t size) {
        (void) conf;
        (void) reason;
        (void) size;
        return rd_kafka_interceptor_add_on_acknowledgement(rk, "pinfeed", on_acknowledgement, arg);
}

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *arg) {
        struct producer *p = arg;
        struct producer_topic *t = rd_kafka_topic_opaque(m->rkt);

        (void) rk;
        p->in_flight--;
        if (!m->err) {
                p->heard = p->acknowledged = true;
                p->reason[0] = 0;       /* whatever it was, it is over */
                p->mismatch = NULL;
                p->refused_by_broker = p->refused_by_tls = false;
        } else {
                if (!p->transactional)
                        tally_failed(t->tally);
                delivery_failed(p, t, m->err);
        }
        if (p->settings.report)
                p->settings.report(p->settings.report_arg, m->_private, m->err ? rd_kafka_err2str(m->err) : NULL);
}

static int64_t wall_ahead_ms(void) {
        return clock_wall_ms() - (int64_t) (clock_monotonic_us() / 1000);
}

/* Runs on librdkafka's background thread, so that a busy worker never lets a token lapse. Must end in either
 * set_token or set_token_failure, or it is never called again. */
static void on_token(rd_kafka_t *rk, const char *config, void *arg) {
        struct producer *p = arg;
        struct error e = {};
        char *token = NULL, reason[512];
        int64_t expires_ms, left_ms;
        bool failed;

        (void) config;
        atomic_store(&p->token_due_us, 0);
        atomic_store(&p->token_set_ms, wall_ahead_ms());
        failed = p->settings.token(p->settings.credentials, &token, &expires_ms, &e) < 0;
        if (!failed && rd_kafka_oauthbearer_set_token(rk, token, expires_ms, "pinfeed", NULL, 0, reason, sizeof reason)) {
                error_set(&e, ERROR_FAILED, "librdkafka does not take the token: %s", reason);
                failed = true;
        }
        if (token)
                mem_wipe(token, strlen(token));
        free(token);
        left_ms = failed ? TOKEN_AGAIN_MS : (expires_ms - clock_wall_ms()) * 9 / 10;
        atomic_store(&p->token_due_us, clock_monotonic_us() + (uint64_t) (left_ms > 0 ? left_ms : 0) * 1000);
        pthread_mutex_lock(&p->lock);
        p->token_failed = failed;
        if (failed)
                p->token_error = e;
        pthread_mutex_unlock(&p->lock);
        if (failed)
                rd_kafka_oauthbearer_set_token_failure(rk, e.what);
}

/* What is still unsent is dropped with the connection: a request that is repeated on the next one must not arrive once
 * more when nobody thinks of it any longer. On a broker's thread. */
static int on_close(int fd, void *arg) {
        const struct linger at_once = { .l_onoff = 1 };
        struct producer *p = arg;

        atomic_fetch_add(&p->broken, 1);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        return close(fd);
}

static bool lives(void *arg) {
        const struct producer *p = arg;

        return !atomic_load(&p->ending);
}

/* The handle's end waits for its look-ups. Without a name: frees what was found. On a broker's thread. */
static int on_resolve(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **found, void *arg) {
        if (host || service)
                return resolve_name(host, service, hints, lives, arg, found);
        freeaddrinfo(*found);
        return 0;
}

int producer_left_ms(struct producer *p) {
        return p->settings.alive ? p->settings.alive(p->settings.alive_arg) : INT_MAX;
}

uint64_t producer_deadline(struct producer *p, uint64_t until_us) {
        int left_ms = producer_left_ms(p);
        uint64_t stop_us = clock_monotonic_us() + (uint64_t) left_ms * 1000;

        return left_ms == INT_MAX || stop_us > until_us ? until_us : stop_us;
}

bool producer_alive(struct producer *p) {
        return producer_left_ms(p) == INT_MAX;
}

/* ---- the handle ---- */

static void producer_free(struct producer *p) {
        pthread_mutex_destroy(&p->lock);
        free(p);
}

static struct producer *producer_alloc(const struct producer_settings *s) {
        struct producer *p = mem_zero(1, sizeof *p);

        p->settings = *s;
        p->transactional = s->transactional_id != NULL;
        p->by_token = s->token && producer_wants_token(s->properties, s->property_count);
        pthread_mutex_init(&p->lock, NULL);
        return p;
}

static size_t conf_number(const rd_kafka_conf_t *conf, const char *name) {
        char text[32];
        size_t size = sizeof text;

        if (rd_kafka_conf_get(conf, name, text, &size) != RD_KAFKA_CONF_OK)
                return 0;
        return strtoul(text, NULL, 10);
}

static unsigned count_brokers(const rd_kafka_conf_t *conf) {
        char text[4096];
        size_t size = sizeof text;
        unsigned count = 1;

        if (rd_kafka_conf_get(conf, "bootstrap.servers", text, &size) != RD_KAFKA_CONF_OK)
                return 1;
        for (const char *comma = text; (comma = strchr(comma, ',')); comma++)
                count++;
        return count;
}

static int refuse_settings(const struct producer_settings *settings, const char *reason, struct error *e) {
        error_set(e, ERROR_REFUSED, "librdkafka refuses the settings in [kafka]: %s", reason);
        return error_hint(e, "Change or remove the property that it names%s%s.", strstr(reason, ".location")
                          ? "; the file has to be there, and pinfeed's user has to be able to read it" : "",
                          settings->transactional_id
                          ? ", or set [replay] exactly_once = no (rows may then repeat after a crash)" : "");
}

/* What properties say about one another is found by making a handle; one without brokers connects nowhere. */
int producer_check_properties(const struct producer_settings *settings, struct error *e) {
        rd_kafka_conf_t *conf;
        rd_kafka_t *rk;
        char reason[512];

        if (properties_make(settings, &conf, e) < 0)
                return -1;
        rd_kafka_conf_set(conf, "bootstrap.servers", "", reason, sizeof reason);
        rd_kafka_conf_set_log_cb(conf, on_log);
        rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
        if (!rk) {
                rd_kafka_conf_destroy(conf);
                return refuse_settings(settings, reason, e);
        }
        rd_kafka_destroy(rk);
        return 0;
}

int producer_new(const struct producer_settings *settings, struct producer **ret, struct error *e) {
        rd_kafka_conf_t *conf;

        if (properties_make(settings, &conf, e) < 0)
                return -1;
        if (!settings->transactional_id)
                rd_kafka_conf_interceptor_add_on_new(conf, "pinfeed", on_new, NULL);
        return producer_from(settings, conf, on_delivery, ret, e);
}

int tokens_refresh(rd_kafka_t *rk, struct error *e) {
        rd_kafka_error_t *error = rd_kafka_sasl_background_callbacks_enable(rk);

        if (!error)
                return 0;
        error_set(e, ERROR_FAILED, "librdkafka can't refresh tokens: %s", rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        return -1;
}

int producer_from(const struct producer_settings *settings, rd_kafka_conf_t *conf,
                  void (*delivery)(rd_kafka_t *rk, const rd_kafka_message_t *m, void *arg), struct producer **ret,
                  struct error *e) {
        struct producer *p = producer_alloc(settings);
        char reason[512];

        p->message_max_bytes = conf_number(conf, "message.max.bytes");
        p->transaction_timeout_ms = conf_number(conf, "transaction.timeout.ms");
        p->brokers = count_brokers(conf);
        rd_kafka_conf_set_opaque(conf, p);
        rd_kafka_conf_set_log_cb(conf, on_log);
        rd_kafka_conf_set_error_cb(conf, on_error);
        rd_kafka_conf_set_dr_msg_cb(conf, delivery);
        rd_kafka_conf_set_closesocket_cb(conf, on_close);
        rd_kafka_conf_set_resolve_cb(conf, on_resolve);
        if (p->by_token) {
                rd_kafka_conf_set_oauthbearer_token_refresh_cb(conf, on_token);
                rd_kafka_conf_enable_sasl_queue(conf, 1);
        }
        p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
        if (!p->rk) {
                rd_kafka_conf_destroy(conf);
                producer_free(p);
                return refuse_settings(settings, reason, e);
        }
        if (p->by_token && tokens_refresh(p->rk, e) < 0) {
                producer_destroy(p, &(struct error) {});
                return -1;
        }
        *ret = p;
        return 0;
}

int producer_destroy(struct producer *p, struct error *e) {
        if (!p)
                return 0;
        atomic_store(&p->ending, true);
        if (p->stuck)                   /* librdkafka would free what that call still uses */
                return error_set(e, ERROR_FAILED, "a call of librdkafka did not come back");
        if (readers_close(p, e) < 0)
                return -1;
        p->settings.report = NULL;
        producer_purge(p);
        for (struct producer_topic *t = p->topics; t; t = t->next)
                rd_kafka_topic_destroy(t->rkt);
        if (handle_destroy(p, p->rk, LIMIT_HANDLE_MS, e) < 0)
                return -1;
        for (struct producer_topic *t = p->topics, *next; t; t = next) {
                next = t->next;
                free(t->name);
                free(t);
        }
        producer_free(p);
        return 0;
}

/* ---- connecting ---- */

static bool token_failure(struct producer *p, struct error *ret) {
        bool failed;

        pthread_mutex_lock(&p->lock);
        failed = p->token_failed;
        if (failed)
                *ret = p->token_error;
        pthread_mutex_unlock(&p->lock);
        return failed;
}

static int refused(struct producer *p, struct error *e) {
        if (p->refused_by_tls) {
                error_set(e, ERROR_REFUSED, "Kafka: no secure connection: %s", p->reason);
                return error_hint(e, strstr(p->reason, "certificate") ? "If the certificate is not from a public CA, set [kafka] "
                                  "ssl.ca.location; the names in bootstrap.servers must be those in the certificate."
                                  : "That is not a TLS port (MSK with IAM: 9098): correct [kafka] bootstrap.servers, or set "
                                  "security.protocol.");
        }
        return reason_set(p, e, REASON_CONNECT, RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, p->reason,
                          "Kafka refuses to let us in");
}

static int unreachable(struct producer *p, struct error *e) {
        error_set(e, ERROR_UNREACHABLE, "Kafka can't be reached: %s%s", p->mismatch ? p->mismatch->what : "",
                  *p->reason ? p->reason : "no broker answered");
        if (p->mismatch) {
                e->vain = p->mismatches >= 2 * p->brokers;      /* each was tried twice */
                return error_hint(e, "%s", p->mismatch->hint);
        }
        return error_hint(e, "Check [kafka] bootstrap.servers, that the cluster's security group lets this machine in on its "
                             "port (MSK with IAM: 9098, from outside AWS: 9198), and that security.protocol fits the port.");
}

int producer_connect(struct producer *p, int timeout_ms, struct error *e) {
        uint64_t until_us = clock_monotonic_us() + (uint64_t) timeout_ms * 1000;

        do {
                const struct rd_kafka_metadata *metadata;
                rd_kafka_resp_err_t code = rd_kafka_metadata(p->rk, 0, NULL, &metadata, 250);

                if (!code) {
                        rd_kafka_metadata_destroy(metadata);
                        p->connected = true;
                        return 0;
                }
                rd_kafka_poll(p->rk, 0);
                if (p->failed) {
                        *e = p->failure;
                        return -1;
                }
                if (token_failure(p, e))
                        return -1;
                if (p->refused_by_broker || p->refused_by_tls)
                        return refused(p, e);
                if (!producer_alive(p))
                        return error_stopped(e);
        } while (clock_monotonic_us() < until_us);
        return unreachable(p, e);
}

const char *producer_last_reason(const struct producer *p) {
        return p->reason;
}

/* ---- records ---- */

bool producer_fits(const struct producer *p, size_t key_length, size_t value_length) {
        return key_length + value_length + RECORD_OVERHEAD <= p->message_max_bytes;
}

/* Records that librdkafka is given in one call. One that it may find too large is by itself: it would go on with those
 * behind it. */
static size_t list_messages(const struct producer *p, const struct producer_new_record *records, size_t count,
                            rd_kafka_message_t *ret) {
        size_t n = 0;

        do {
                const struct producer_new_record *r = &records[n];

                /* The payload is not written to: librdkafka copies it, its signature is older than const. */
                ret[n] = (rd_kafka_message_t) {
                        .payload = (void *) (uintptr_t) r->value, .len = r->value_length,
                        .key = (void *) (uintptr_t) r->key, .key_len = r->key_length, ._private = r->tag,
                };
        } while (++n < count && n < PRODUCER_AT_ONCE && producer_fits(p, records[n].key_length, records[n].value_length)
                 && producer_fits(p, ret[0].key_len, ret[0].len));
        return n;
}

static enum producer_sent not_taken(struct producer *p, const struct producer_topic *t, rd_kafka_resp_err_t code,
                                    struct error *e) {
        switch ((int) code) {
        case RD_KAFKA_RESP_ERR__QUEUE_FULL:
                return PRODUCER_QUEUE_FULL;
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
                return PRODUCER_TOO_LARGE;
        }
        if (p->failed)
                *e = p->failure;
        else if (p->transactional && code == RD_KAFKA_RESP_ERR__STATE)
                transaction_failure(p, e);
        else if (!producer_fatal(p, e))
                reason_set(p, e, REASON_WRITE, code, NULL, "topic %s: a record can't be sent", t->name);
        return PRODUCER_NOT_SENT;
}

/* As producer_send, in one call of librdkafka's. */
static enum producer_sent send_some(struct producer *p, struct producer_topic *t, const struct producer_new_record *records,
                                    size_t count, size_t *ret_taken, struct error *e) {
        rd_kafka_message_t messages[PRODUCER_AT_ONCE];
        size_t n = list_messages(p, records, count, messages), taken;

        for (size_t i = 0; i < n && !p->transactional; i++)
                tally_sent(t->tally);   /* before an acknowledgement can be there */
        taken = (size_t) rd_kafka_produce_batch(t->rkt, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, messages, (int) n);
        for (size_t i = taken; i < n && !p->transactional; i++)
                tally_unsent(t->tally);
        if (taken > 0 && p->in_flight == 0)
                p->waiting_since_us = clock_monotonic_us();
        p->in_flight += taken;
        *ret_taken += taken;
        for (size_t i = 0; i < taken; i++)
                if (messages[i].err) {
                        error_set(e, ERROR_FAILED, "topic %s: librdkafka left out a record: %s", t->name,
                                  rd_kafka_err2str(messages[i].err));
                        return PRODUCER_NOT_SENT;
                }
        return taken == n ? PRODUCER_SENT : not_taken(p, t, messages[taken].err, e);
}

enum producer_sent producer_send(struct producer *p, struct producer_topic *t, const struct producer_new_record *records,
                                 size_t count, size_t *ret_taken, struct error *e) {
        enum producer_sent r = PRODUCER_SENT;

        *ret_taken = 0;
        while (r == PRODUCER_SENT && *ret_taken < count)
                r = send_some(p, t, records + *ret_taken, count - *ret_taken, ret_taken, e);
        return r;
}

/* Why nothing is acknowledged: the token, a refusal, or the network. */
static void why_quiet(struct producer *p, struct error *e) {
        if (token_failure(p, e))
                return;
        if (p->refused_by_broker)
                refused(p, e);
        else
                unreachable(p, e);
}

/* It is over with an acknowledgement, not with records that were given up. */
static void watch_quiet(struct producer *p) {
        uint64_t now_us = clock_monotonic_us();
        bool heard = p->heard, quiet;

        if (heard)
                p->waiting_since_us = now_us;
        p->heard = false;
        quiet = p->in_flight > 0 && now_us - p->waiting_since_us >= QUIET_MS * 1000;

        if (!p->settings.quiet || (!quiet && !(p->waiting_said_us && heard)))
                return;
        if (!quiet) {
                p->waiting_said_us = 0;
                p->settings.quiet(p->settings.quiet_arg, 0, NULL);
        } else if (now_us - p->waiting_said_us >= 1000000) {
                struct error e;

                why_quiet(p, &e);
                error_prefix(&e, "Kafka acknowledges nothing, %zu records wait: ", p->in_flight);
                p->waiting_said_us = now_us;
                p->settings.quiet(p->settings.quiet_arg, p->waiting_since_us, &e);
        }
}

/* librdkafka asks for tokens by the wall clock: when that was set, it may not ask again until it is as late as it was before.
 * So we ask when it was set, and for a token that is due and was not asked for. */
static void watch_token(struct producer *p) {
        uint64_t due_us = atomic_load(&p->token_due_us);

        if (due_us && (llabs(wall_ahead_ms() - atomic_load(&p->token_set_ms)) > CLOCK_SET_MS || clock_monotonic_us() > due_us))
                on_token(p->rk, NULL, p);
}

int producer_poll(struct producer *p, int timeout_ms, struct error *e) {
        rd_kafka_poll(p->rk, timeout_ms);
        producer_left_ms(p);
        watch_token(p);
        watch_quiet(p);
        if (!p->failed)
                return 0;
        *e = p->failure;
        return -1;
}

void producer_wake(struct producer *p) {
        rd_kafka_queue_t *queue = rd_kafka_queue_get_main(p->rk);

        rd_kafka_queue_yield(queue);
        rd_kafka_queue_destroy(queue);
}

bool producer_flush(struct producer *p, int timeout_ms) {
        uint64_t until_us = clock_monotonic_us() + (uint64_t) timeout_ms * 1000;

        while (p->in_flight > 0 && !p->failed && clock_monotonic_us() < until_us) {
                rd_kafka_flush(p->rk, clock_left_ms(until_us, LIMIT_SLICE_MS));
                watch_quiet(p);
                until_us = producer_deadline(p, until_us);
        }
        return p->in_flight == 0;
}

size_t producer_in_flight(const struct producer *p) {
        return p->in_flight;
}

void producer_purge(struct producer *p) {
        rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        /* The reports of what was purged are there at once or soon; a handle that gives none is beyond help. */
        for (int i = 0; i < LIMIT_STOP_PURGE_MS / 10 && p->in_flight > 0; i++)
                rd_kafka_poll(p->rk, 10);
}
