/* Reading back what was committed with transactions, and who else uses the group. */
#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "pinfeed/limits.h"

/* ---- the committed progress ---- */

/* A consumer that never joins its group. rd_kafka_ListConsumerGroupOffsets would do without one, but crashes when the
 * coordinator moves (librdkafka issue 5040); and only a consumer's isolation level waits for stable offsets. */
static int open_looker(struct producer *p, enum producer_read how, const char *group, rd_kafka_t **ret, struct error *e) {
        const char *const properties[] = {
                "group.id", group, "enable.auto.commit", "false",
                "isolation.level", how == PRODUCER_READ_STABLE ? "read_committed" : "read_uncommitted", NULL,
        };

        return consumer_open(p, properties, ret, e);
}

int readers_close(struct producer *p, struct error *e) {
        rd_kafka_t *looker = p->looker, *expected = p->expected;

        p->looker = p->expected = NULL;
        return consumer_close(p, looker, e) < 0 ? -1 : consumer_close(p, expected, e);
}

int producer_expect_read(struct producer *p, const char *group, struct error *e) {
        return p->expected ? 0 : open_looker(p, PRODUCER_READ_STABLE, group, &p->expected, e);
}

static bool is_of_group(rd_kafka_t *reader, const char *group) {
        char name[256];
        size_t size = sizeof name;

        return rd_kafka_conf_get(rd_kafka_conf(reader), "group.id", name, &size) == RD_KAFKA_CONF_OK && strcmp(name, group) == 0;
}

/* The handle that reads, if there is one already. */
static rd_kafka_t *take_reader(struct producer *p, enum producer_read how, const char *group) {
        rd_kafka_t *expected = p->expected;

        if (how == PRODUCER_READ_NEWEST)
                return p->looker;
        if (!expected || !is_of_group(expected, group))
                return NULL;
        p->expected = NULL;
        return expected;
}

/* A code when there is no answer to be trusted: an offset beside an error says nothing ("not stable yet" comes with
 * -1001, like "none"). */
static rd_kafka_resp_err_t fetch(rd_kafka_t *reader, const char *topic, int timeout_ms, char **ret_text,
                                 int64_t *ret_offset) {
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
        const rd_kafka_topic_partition_t *partition = rd_kafka_topic_partition_list_add(list, topic, 0);
        rd_kafka_resp_err_t code = rd_kafka_committed(reader, list, timeout_ms);

        if (!code)
                code = partition->err;
        if (!code) {
                *ret_offset = partition->offset;
                *ret_text = mem_copy_bytes(partition->metadata, partition->metadata_size);
        }
        rd_kafka_topic_partition_list_destroy(list);
        return code;
}

static enum producer_found fetch_until(struct producer *p, rd_kafka_t *reader, const char *group, const char *topic,
                                       uint64_t until_us, char **ret_text, struct error *e) {
        rd_kafka_resp_err_t code;
        int64_t offset = -1;
        char *text = NULL;

        while ((code = fetch(reader, topic, clock_left_ms(until_us, LIMIT_SLICE_MS), &text, &offset))) {
                if (!producer_alive(p)) {
                        error_stopped(e);
                        return PRODUCER_UNREAD;
                }
                if (!reason_passes(code) || clock_monotonic_us() >= until_us) {
                        reason_set(p, e, REASON_GROUP, code, NULL, "the cursor in group %s can't be read", group);
                        return PRODUCER_UNREAD;
                }
                rd_kafka_poll(p->rk, 50);
        }
        if (offset >= 0) {
                *ret_text = text;
                return PRODUCER_FOUND;
        }
        free(text);
        return PRODUCER_NONE;
}

/* Who looks, looks again soon: that handle stays, as each new one has to find its brokers and to sign in. */
enum producer_found producer_committed(struct producer *p, enum producer_read how, const char *group, const char *topic,
                                       int timeout_ms, char **ret_text, struct error *e) {
        uint64_t until_us = clock_monotonic_us() + (uint64_t) timeout_ms * 1000;
        rd_kafka_t *reader = take_reader(p, how, group);
        enum producer_found r = PRODUCER_UNREAD;
        char *text = NULL;

        if (reader || open_looker(p, how, group, &reader, e) == 0)
                r = fetch_until(p, reader, group, topic, until_us, &text, e);
        if (how == PRODUCER_READ_NEWEST)
                p->looker = reader;
        else if (consumer_close(p, reader, r == PRODUCER_UNREAD ? &(struct error) {} : e) < 0)
                r = PRODUCER_UNREAD;
        if (r == PRODUCER_FOUND)
                *ret_text = text;
        else
                free(text);
        return r;
}

char *producer_cluster(struct producer *p, int timeout_ms) {
        char *theirs = rd_kafka_clusterid(p->rk, timeout_ms), *ret = theirs ? mem_copy_string(theirs) : NULL;

        if (theirs)
                rd_kafka_mem_free(p->rk, theirs);
        return ret;
}

/* ---- members ---- */

static rd_kafka_resp_err_t members_answer(rd_kafka_event_t *event, struct producer_group *ret) {
        const rd_kafka_ConsumerGroupDescription_t **groups;
        const rd_kafka_error_t *error;
        size_t count;

        if (rd_kafka_event_error(event))
                return rd_kafka_event_error(event);
        groups = rd_kafka_DescribeConsumerGroups_result_groups(rd_kafka_event_DescribeConsumerGroups_result(event), &count);
        if (count != 1)
                return RD_KAFKA_RESP_ERR__BAD_MSG;
        error = rd_kafka_ConsumerGroupDescription_error(groups[0]);
        if (error && rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) {
                *ret = (struct producer_group) {};
                return RD_KAFKA_RESP_ERR_NO_ERROR;
        }
        if (error)
                return rd_kafka_error_code(error);
        *ret = (struct producer_group) {
                .members = rd_kafka_ConsumerGroupDescription_member_count(groups[0]),
                .exists = rd_kafka_ConsumerGroupDescription_state(groups[0]) != RD_KAFKA_CONSUMER_GROUP_STATE_DEAD,
        };
        return RD_KAFKA_RESP_ERR_NO_ERROR;
}

int producer_group(struct producer *p, const char *group, int timeout_ms, struct producer_group *ret, struct error *e) {
        uint64_t until_us = clock_monotonic_us() + (uint64_t) timeout_ms * 1000;
        rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(p->rk, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
        rd_kafka_queue_t *queue = rd_kafka_queue_new(p->rk);
        rd_kafka_resp_err_t code;
        bool alive = true;

        /* Not less: a request whose time is up while its coordinator is looked for makes librdkafka abort (its issue 4605). */
        rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, NULL, 0);
        do {
                rd_kafka_event_t *event;

                rd_kafka_DescribeConsumerGroups(p->rk, &group, 1, options, queue);
                event = admin_event(p, queue, until_us);
                code = event ? members_answer(event, ret) : RD_KAFKA_RESP_ERR__TIMED_OUT;
                if (event)
                        rd_kafka_event_destroy(event);
                if (reason_passes(code))
                        rd_kafka_poll(p->rk, 50);
        } while (reason_passes(code) && (alive = producer_alive(p)) && clock_monotonic_us() < until_us);
        rd_kafka_queue_destroy(queue);
        rd_kafka_AdminOptions_destroy(options);
        if (!alive)
                return error_stopped(e);
        if (code)
                return reason_set(p, e, REASON_GROUP, code, NULL, "group %s can't be described", group);
        return 0;
}
