/* What --check wants to know beyond what sending needs; asked without writing anything that a reader could see. */
#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "pinfeed/limits.h"

int producer_brokers(struct producer *p, int timeout_ms, struct producer_broker *ret, size_t most, size_t *ret_count,
                     struct error *e) {
        const struct rd_kafka_metadata *m;
        rd_kafka_resp_err_t code = rd_kafka_metadata(p->rk, 0, NULL, &m, timeout_ms);
        size_t count = 0;

        producer_alive(p);
        if (code)
                return reason_set(p, e, REASON_CONNECT, code, NULL, "the brokers can't be listed");
        for (; count < (size_t) m->broker_cnt && count < most; count++) {
                ret[count] = (struct producer_broker) { .id = m->brokers[count].id, .port = (unsigned) m->brokers[count].port };
                snprintf(ret[count].host, sizeof ret[count].host, "%s", m->brokers[count].host);
        }
        rd_kafka_metadata_destroy(m);
        *ret_count = count;
        return 0;
}

int producer_topic_replicas(struct producer *p, const struct producer_topic *t, int timeout_ms,
                            struct producer_replicas *ret, struct error *e) {
        struct producer_replicas least = { .replicas = -1 };
        const struct rd_kafka_metadata *m;
        rd_kafka_resp_err_t code = rd_kafka_metadata(p->rk, 0, t->rkt, &m, timeout_ms);

        producer_alive(p);
        if (code)
                return reason_set(p, e, REASON_DESCRIBE_TOPIC, code, NULL, "topic %s can't be described", t->name);
        for (int i = 0; m->topic_cnt == 1 && i < m->topics[0].partition_cnt; i++) {
                const struct rd_kafka_metadata_partition *partition = &m->topics[0].partitions[i];

                if (least.replicas < 0 || partition->isr_cnt < least.in_sync)
                        least = (struct producer_replicas) { partition->replica_cnt, partition->isr_cnt };
        }
        rd_kafka_metadata_destroy(m);
        if (least.replicas < 0)
                return error_set(e, ERROR_FAILED, "topic %s has no partition", t->name);
        *ret = least;
        return 0;
}

/* ---- a topic's settings ---- */

static void take_settings(rd_kafka_event_t *event, struct producer_topic_setting *settings, size_t count) {
        size_t resources, entries;
        const rd_kafka_ConfigResource_t **resource =
                rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &resources);
        const rd_kafka_ConfigEntry_t **entry = resources == 1 ? rd_kafka_ConfigResource_configs(resource[0], &entries) : NULL;

        for (size_t i = 0; entry && i < entries; i++)
                for (size_t n = 0; n < count; n++)
                        if (strcmp(rd_kafka_ConfigEntry_name(entry[i]), settings[n].name) == 0)
                                snprintf(settings[n].value, sizeof settings[n].value, "%s",
                                         rd_kafka_ConfigEntry_value(entry[i]) ? rd_kafka_ConfigEntry_value(entry[i]) : "");
}

static rd_kafka_resp_err_t settings_code(rd_kafka_event_t *event) {
        const rd_kafka_ConfigResource_t **resource;
        size_t count;

        if (!event)
                return RD_KAFKA_RESP_ERR__TIMED_OUT;
        if (rd_kafka_event_error(event))
                return rd_kafka_event_error(event);
        resource = rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &count);
        return count == 1 ? rd_kafka_ConfigResource_error(resource[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
}

int producer_topic_settings(struct producer *p, const char *topic, int timeout_ms, struct producer_topic_setting *settings,
                            size_t count, struct error *e) {
        rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(p->rk, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
        rd_kafka_queue_t *queue = rd_kafka_queue_new(p->rk);
        rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic);
        rd_kafka_resp_err_t code;
        rd_kafka_event_t *event;

        rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, NULL, 0);
        rd_kafka_DescribeConfigs(p->rk, &resource, 1, options, queue);
        event = admin_event(p, queue, clock_monotonic_us() + (uint64_t) timeout_ms * 1000);
        code = settings_code(event);
        if (!code)
                take_settings(event, settings, count);
        if (event)
                rd_kafka_event_destroy(event);
        rd_kafka_ConfigResource_destroy(resource);
        rd_kafka_queue_destroy(queue);
        rd_kafka_AdminOptions_destroy(options);
        if (!producer_alive(p))
                return error_stopped(e);
        return code ? reason_set(p, e, REASON_DESCRIBE_SETTINGS, code, NULL, "the settings of topic %s can't be read", topic) : 0;
}

bool producer_fits_topic(const struct producer *p, uint64_t max_message_bytes) {
        return max_message_bytes == 0 || p->message_max_bytes <= max_message_bytes;
}

/* ---- transactions ---- */

/* A cursor is added to a transaction that is then aborted: nobody ever sees it. */
static int try_cursor(struct producer *p, const char *group, const char *topic, int timeout_ms, struct error *e) {
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
        rd_kafka_consumer_group_metadata_t *metadata = rd_kafka_consumer_group_metadata_new(group);
        rd_kafka_error_t *error;
        int r = 0;

        rd_kafka_topic_partition_list_add(list, topic, 0)->offset = 0;
        error = rd_kafka_send_offsets_to_transaction(p->rk, list, metadata, timeout_ms);
        if (error)
                r = reason_set(p, e, REASON_GROUP, rd_kafka_error_code(error), rd_kafka_error_string(error),
                               "the cursor can't be kept in group %s", group);
        if (error)
                rd_kafka_error_destroy(error);
        rd_kafka_consumer_group_metadata_destroy(metadata);
        rd_kafka_topic_partition_list_destroy(list);
        producer_abort(p, timeout_ms);
        return r;
}

int producer_may_transact(struct producer *p, const struct producer_settings *settings, const char *group,
                          const char *topic, int timeout_ms, struct error *e) {
        struct producer *q;
        int r;

        if (producer_new(settings, &q, e) < 0)
                return -1;
        r = producer_init_transactions(q, timeout_ms, e);
        if (r == 0)
                r = producer_begin(q, e);
        if (r == 0)
                r = try_cursor(q, group, topic, timeout_ms, e);
        if (producer_destroy(q, r < 0 ? &(struct error) {} : e) < 0) {
                p->stuck = true;        /* it shares what the owner handed to both */
                r = -1;
        }
        return r < 0 ? -1 : 0;
}
