#include <string.h>

#include "internal.h"
#include "pinfeed/limits.h"

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

                code = rd_kafka_metadata(p->rk, 0, t->rkt, &metadata, LIMIT_SLICE_MS);
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
                if (!producer_alive(p))
                        return error_stopped(e);
                rd_kafka_poll(p->rk, 100);
        } while (clock_monotonic_us() < until_us);
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

int producer_topic_partitions(const struct producer_topic *t) {
        return t->partitions;
}

int topic_offsets(struct producer *p, rd_kafka_t *rk, const char *topic, int partition, uint64_t until_us, int64_t *ret_low,
                  int64_t *ret_high, struct error *e) {
        rd_kafka_resp_err_t code;

        do {
                code = rd_kafka_query_watermark_offsets(rk, topic, partition, ret_low, ret_high, LIMIT_SLICE_MS);
                if (!producer_alive(p))
                        return error_stopped(e);
                if (reason_passes(code))
                        rd_kafka_poll(p->rk, 50);
        } while (reason_passes(code) && clock_monotonic_us() < until_us);
        if (code)
                return reason_set(p, e, REASON_DESCRIBE_TOPIC, code, NULL, "topic %s: its offsets can't be read", topic);
        return 0;
}

int producer_topic_extent(struct producer *p, const struct producer_topic *t, int timeout_ms, uint64_t *ret,
                          struct error *e) {
        uint64_t total = 0, until_us = clock_monotonic_us() + (uint64_t) timeout_ms * 1000;

        for (int i = 0; i < t->partitions; i++) {
                int64_t low, high;

                if (topic_offsets(p, p->rk, t->name, i, until_us, &low, &high, e) < 0)
                        return -1;
                total += (uint64_t) (high - low);
        }
        *ret = total;
        return 0;
}

/* ---- creating ---- */

rd_kafka_event_t *admin_event(struct producer *p, rd_kafka_queue_t *queue, uint64_t until_us) {
        rd_kafka_event_t *event;

        do
                event = rd_kafka_queue_poll(queue, clock_left_ms(until_us, LIMIT_SLICE_MS));
        while (!event && producer_alive(p) && clock_monotonic_us() < until_us);
        return event;
}

static enum producer_creation create_result(struct producer *p, rd_kafka_event_t *event, const char *name,
                                            struct error *e) {
        const rd_kafka_topic_result_t **topics = NULL;
        const char *text = rd_kafka_event_error_string(event);
        rd_kafka_resp_err_t code = rd_kafka_event_error(event);
        size_t count = 0;

        if (!code) {
                topics = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
                code = count == 1 ? rd_kafka_topic_result_error(topics[0]) : RD_KAFKA_RESP_ERR__FAIL;
                text = count == 1 ? rd_kafka_topic_result_error_string(topics[0]) : NULL;
        }
        if (!code)
                return PRODUCER_CREATED;
        if (code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
                return PRODUCER_EXISTED;
        reason_set(p, e, REASON_CREATE_TOPIC, code, text, "topic %s can't be created", name);
        return PRODUCER_NOT_CREATED;
}

static enum producer_creation create(struct producer *p, rd_kafka_NewTopic_t *new_topic, const char *name, int timeout_ms,
                                     struct error *e) {
        rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(p->rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
        rd_kafka_queue_t *queue = rd_kafka_queue_new(p->rk);
        enum producer_creation r = PRODUCER_NOT_CREATED;
        rd_kafka_event_t *event;

        rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, NULL, 0);
        rd_kafka_AdminOptions_set_operation_timeout(options, timeout_ms, NULL, 0);
        rd_kafka_CreateTopics(p->rk, &new_topic, 1, options, queue);
        event = admin_event(p, queue, clock_monotonic_us() + (uint64_t) timeout_ms * 1000);
        if (event)
                r = create_result(p, event, name, e);
        else if (!producer_alive(p))
                error_stopped(e);
        else
                reason_set(p, e, REASON_CREATE_TOPIC, RD_KAFKA_RESP_ERR__TIMED_OUT, NULL, "topic %s can't be created", name);
        if (event)
                rd_kafka_event_destroy(event);
        rd_kafka_queue_destroy(queue);
        rd_kafka_AdminOptions_destroy(options);
        return r;
}

enum producer_creation producer_create_topic(struct producer *p, const struct producer_new_topic *topic, int timeout_ms,
                                             struct error *e) {
        char reason[512];
        rd_kafka_NewTopic_t *new_topic = rd_kafka_NewTopic_new(topic->name, topic->partitions, topic->replication_factor,
                                                               reason, sizeof reason);
        enum producer_creation r = PRODUCER_NOT_CREATED;

        if (!new_topic) {
                error_set(e, ERROR_REFUSED, "topic %s can't be created: %s", topic->name, reason);
                return r;
        }
        r = create(p, new_topic, topic->name, timeout_ms, e);
        rd_kafka_NewTopic_destroy(new_topic);
        return r;
}
