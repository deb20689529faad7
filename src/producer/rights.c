/* Whether we may write to topics, asked without writing.
 *
 * A broker first looks whether the topic may be written to and only then at the request. A request for a number of
 * acknowledgements that can't be is refused as INVALID_REQUIRED_ACKS, before anything is written, to those who may
 * write, and as TOPIC_AUTHORIZATION_FAILED to those who may not: in every version since 0.9 (KafkaApis, ReplicaManager).
 */
#include <string.h>

#include "internal.h"

/* No broker takes anything but -1, 0 and 1. */
static const char *const impossible_acks = "2";

struct answer {
        bool come;
        rd_kafka_resp_err_t code;
};

static void on_answer(rd_kafka_t *rk, const rd_kafka_message_t *m, void *arg) {
        struct answer *answer = m->_private;

        (void) rk;
        (void) arg;
        *answer = (struct answer) { true, m->err };
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
        char reason[256];

        if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) != RD_KAFKA_CONF_OK)
                abort();        /* every version since 2.0 knows them */
}

static void ask(struct producer *q, const struct producer_topic *t, struct answer *answer) {
        rd_kafka_resp_err_t code = rd_kafka_producev(q->rk, RD_KAFKA_V_TOPIC(t->name), RD_KAFKA_V_PARTITION(0),
                                                     RD_KAFKA_V_VALUE((void *) (uintptr_t) "{}", 2),
                                                     RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(answer),
                                                     RD_KAFKA_V_END);

        if (code)
                *answer = (struct answer) { true, code };
}

static bool all_come(const struct answer *answers, size_t count) {
        for (size_t i = 0; i < count; i++)
                if (!answers[i].come)
                        return false;
        return true;
}

static int judge(struct producer *p, const struct answer *answers, size_t count, struct error *e) {
        size_t i = count;

        for (const struct producer_topic *t = p->topics; t; t = t->next) {
                i--;
                if (answers[i].come && reason_is_refusal(answers[i].code))
                        return reason_set(p, e, REASON_WRITE, answers[i].code, NULL, "topic %s may not be written to", t->name);
        }
        return 0;
}

/* Silence is no refusal: the first records wait for a broker that doesn't answer. */
static int ask_all(struct producer *p, struct producer *q, size_t count, int timeout_ms, struct error *e) {
        struct answer *answers = mem_zero(count, sizeof *answers);
        uint64_t until_us = clock_monotonic_us() + (uint64_t) timeout_ms * 1000;
        size_t i = count;
        int r;

        for (const struct producer_topic *t = p->topics; t; t = t->next)
                ask(q, t, &answers[--i]);
        while (!all_come(answers, count) && clock_monotonic_us() < until_us && producer_alive(p))
                rd_kafka_poll(q->rk, 50);
        r = judge(p, answers, count, e);
        /* Its reports write into `answers`. */
        producer_purge(q);
        rd_kafka_flush(q->rk, 1000);
        free(answers);
        return r;
}

int producer_may_write(struct producer *p, int timeout_ms, struct error *e) {
        struct producer_settings settings = p->settings;
        rd_kafka_conf_t *conf;
        struct producer *q;
        size_t count = 0;
        int r;

        for (const struct producer_topic *t = p->topics; t; t = t->next)
                count++;
        settings.transactional_id = NULL;
        settings.report = NULL;
        if (properties_make(&settings, &conf, e) < 0)
                return -1;
        set(conf, "enable.idempotence", "false");
        set(conf, "request.required.acks", impossible_acks);
        set(conf, "linger.ms", "0");
        if (producer_from(&settings, conf, on_answer, &q, e) < 0)
                return -1;
        r = ask_all(p, q, count, timeout_ms, e);
        if (producer_destroy(q, r < 0 ? &(struct error) {} : e) < 0) {
                p->stuck = true;        /* it shares what the owner handed to both */
                r = -1;
        }
        if (r == 0)
                r = producer_poll(p, 0, e);     /* the right to write idempotently was asked for meanwhile */
        return r;
}
