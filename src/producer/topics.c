#include <stdio.h>
#include <string.h>

#include "internal.h"

enum { UNKNOWN_US = 2000000 };

static int missing(const char *name, struct error *e) {
        error_set(e, ERROR_REFUSED, "topic %s does not exist", name);
        return error_hint(e, "Create it with `pinfeed --create-topics`, or set [pinfeed] user_id or the stream's topic.");
}

/* Metadata of one topic. A broker that is about to learn of a topic or its leader says so by these codes: asked again
 * until the time is up. */
static int topic_metadata(struct producer_topic *t, int timeout_ms, struct error *e) {
        struct producer *p = t->producer;
        uint64_t until_us = clock_monotonic_us() + (uint64_t) timeout_ms * 1000;
        /* A broker with ZooKeeper that has just started knows no topic for a moment. */
        uint64_t unknown_until_us = clock_monotonic_us() + UNKNOWN_US;
        rd_kafka_resp_err_t code;

        do {
                const struct rd_kafka_metadata *metadata;

                code = rd_kafka_metadata(p->rk, 0, t->rkt, &metadata, 1000);
                if (!code) {
                        code = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR__FAIL;
                        if (!code)
                                t->partitions = metadata->topics[0].partition_cnt;
                        rd_kafka_metadata_destroy(metadata);
                        if (!code && t->partitions > 0)
                                return 0;
                }
                if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && clock_monotonic_us() >= unknown_until_us)
                        return missing(t->name, e);
                if (reason_is_refusal(code))
                        break;
                rd_kafka_poll(p->rk, 100);
        } while (producer_alive(p) && clock_monotonic_us() < until_us);
        return reason_set(p, e, REASON_DESCRIBE_TOPIC, code, NULL, "topic %s can't be described", t->name);
}

static struct producer_topic *topic_new(struct producer *p, const char *name, struct tally *tally) {
        struct producer_topic *t = mem_zero(1, sizeof *t);
        rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(p->rk);

        t->producer = p;
        t->tally = tally;
        t->name = mem_copy_string(name);
        rd_kafka_topic_conf_set_opaque(conf, t);
        t->rkt = rd_kafka_topic_new(p->rk, name, conf);
        if (!t->rkt)
                abort();        /* the name was checked, the configuration is the handle's own */
        t->next = p->topics;
        p->topics = t;
        return t;
}

int producer_topic(struct producer *p, const char *name, struct tally *tally, int timeout_ms,
                   struct producer_topic **ret, struct error *e) {
        struct producer_topic *t = p->topics;

        while (t && strcmp(t->name, name) != 0)
                t = t->next;
        if (!t)
                t = topic_new(p, name, tally);
        if (topic_metadata(t, timeout_ms, e) < 0)
                return -1;
        *ret = t;
        return 0;
}

const char *producer_topic_name(const struct producer_topic *t) {
        return t->name;
}

int producer_topic_partitions(const struct producer_topic *t) {
        return t->partitions;
}

int producer_topic_extent(struct producer *p, const struct producer_topic *t, int timeout_ms, uint64_t *ret,
                          struct error *e) {
        uint64_t total = 0;

        for (int i = 0; i < t->partitions; i++) {
                int64_t low, high;
                rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(p->rk, t->name, i, &low, &high, timeout_ms);

                if (code)
                        return reason_set(p, e, REASON_DESCRIBE_TOPIC, code, NULL, "topic %s: its offsets can't be read",
                                          t->name);
                total += (uint64_t) (high - low);
        }
        *ret = total;
        return 0;
}

/* ---- creating ---- */

static int create_result(struct producer *p, rd_kafka_event_t *event, const char *name, struct error *e) {
        const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
        const rd_kafka_topic_result_t **topics;
        rd_kafka_resp_err_t code = rd_kafka_event_error(event);
        size_t count;

        if (code)
                return reason_set(p, e, REASON_CREATE_TOPIC, code, rd_kafka_event_error_string(event),
                                  "topic %s can't be created", name);
        topics = rd_kafka_CreateTopics_result_topics(result, &count);
        code = count == 1 ? rd_kafka_topic_result_error(topics[0]) : RD_KAFKA_RESP_ERR__FAIL;
        if (code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
                return 1;
        if (!code)
                return 0;
        return reason_set(p, e, REASON_CREATE_TOPIC, code, count == 1 ? rd_kafka_topic_result_error_string(topics[0]) : NULL,
                          "topic %s can't be created", name);
}

int producer_create_topic(struct producer *p, const struct producer_new_topic *topic, int timeout_ms, struct error *e) {
        char reason[512];
        rd_kafka_NewTopic_t *new_topic = rd_kafka_NewTopic_new(topic->name, topic->partitions, topic->replication_factor,
                                                               reason, sizeof reason);
        rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(p->rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
        rd_kafka_queue_t *queue = rd_kafka_queue_new(p->rk);
        rd_kafka_event_t *event = NULL;
        int r;

        if (!new_topic) {
                r = error_set(e, ERROR_REFUSED, "topic %s can't be created: %s", topic->name, reason);
        } else {
                rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, NULL, 0);
                rd_kafka_AdminOptions_set_operation_timeout(options, timeout_ms, NULL, 0);
                rd_kafka_CreateTopics(p->rk, &new_topic, 1, options, queue);
                event = rd_kafka_queue_poll(queue, timeout_ms + 1000);
                r = event ? create_result(p, event, topic->name, e)
                          : reason_set(p, e, REASON_CREATE_TOPIC, RD_KAFKA_RESP_ERR__TIMED_OUT, NULL,
                                       "topic %s can't be created", topic->name);
        }
        if (event)
                rd_kafka_event_destroy(event);
        if (new_topic)
                rd_kafka_NewTopic_destroy(new_topic);
        rd_kafka_queue_destroy(queue);
        rd_kafka_AdminOptions_destroy(options);
        return r;
}
