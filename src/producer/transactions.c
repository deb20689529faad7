/* Transactions. librdkafka sorts its errors into retriable (the same call again), abortable and fatal; everything
 * else, and a time that is up, ends in a new producer, whose init_transactions settles what was open. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

/* One call waits this long at most, so that the worker can say that it is alive. */
enum { SLICE_MS = 1000 };

static int slice_ms(uint64_t until_us) {
        uint64_t now_us = clock_monotonic_us(), left_ms = now_us < until_us ? (until_us - now_us) / 1000 : 0;

        return left_ms < SLICE_MS ? (int) left_ms + 1 : SLICE_MS;
}

/* Words a transactional error and says what the caller must do about it (see producer.h). */
static int settle(struct producer *p, rd_kafka_error_t *error, enum reason_action action, const char *what, struct error *e) {
        bool abortable = rd_kafka_error_txn_requires_abort(error) && !rd_kafka_error_is_fatal(error);

        if (p->failed)
                *e = p->failure;
        else
                reason_set(p, e, action, rd_kafka_error_code(error), rd_kafka_error_string(error), "%s", what);
        rd_kafka_error_destroy(error);
        if (!abortable || p->failed || e->class == ERROR_REFUSED || e->class == ERROR_TAKEN_OVER)
                return -1;
        return 1;
}

/* Whether the same call is to be repeated; destroys the error then. */
static bool again(struct producer *p, rd_kafka_error_t *error, uint64_t until_us, bool may_give_up) {
        bool keep_going = producer_alive(p) || !may_give_up;

        if (p->failed || !keep_going || !rd_kafka_error_is_retriable(error) || clock_monotonic_us() >= until_us)
                return false;
        if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__TIMED_OUT)
                rd_kafka_poll(p->rk, 50);       /* it answered at once: no busy loop */
        rd_kafka_error_destroy(error);
        return true;
}

int producer_init_transactions(struct producer *p, int timeout_ms, struct error *e) {
        uint64_t until_us = clock_monotonic_us() + (uint64_t) timeout_ms * 1000;
        rd_kafka_error_t *error;

        while ((error = rd_kafka_init_transactions(p->rk, slice_ms(until_us))))
                if (!again(p, error, until_us, true))
                        return settle(p, error, REASON_TRANSACTION, "Kafka does not begin transactions", e), -1;
        return 0;
}

int producer_begin(struct producer *p, struct error *e) {
        rd_kafka_error_t *error = rd_kafka_begin_transaction(p->rk);

        return error ? settle(p, error, REASON_TRANSACTION, "a transaction can't begin", e) : 0;
}

int producer_abort(struct producer *p, int timeout_ms, struct error *e) {
        uint64_t until_us = clock_monotonic_us() + (uint64_t) timeout_ms * 1000;
        rd_kafka_error_t *error;

        while ((error = rd_kafka_abort_transaction(p->rk, slice_ms(until_us))))
                if (!again(p, error, until_us, false))
                        return settle(p, error, REASON_TRANSACTION, "a transaction can't be aborted", e), -1;
        return 0;
}

int producer_transaction_failure(struct producer *p, struct error *e) {
        /* In that state it only says why. */
        rd_kafka_error_t *error = rd_kafka_commit_transaction(p->rk, SLICE_MS);

        if (error)
                return settle(p, error, REASON_WRITE, "a transaction broke", e);
        return error_set(e, ERROR_FAILED, "a transaction ended by itself");
}

unsigned producer_transaction_timeout_ms(const struct producer *p) {
        return (unsigned) p->transaction_timeout_ms;
}

/* ---- the cursor in the transaction ---- */

/* rd_kafka_send_offsets_to_transaction does not keep its time limit while the group's coordinator can't be found (as of
 * librdkafka 2.14). It gets a thread of its own, so that the worker can say that it is alive, and leave it behind. */
struct offsets_call {
        rd_kafka_t *rk;
        rd_kafka_topic_partition_list_t *offsets;
        rd_kafka_consumer_group_metadata_t *group;
        int timeout_ms;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool done, left;                /* under the lock; whoever comes second frees it */
        rd_kafka_error_t *error;
};

static void offsets_free(struct offsets_call *c) {
        rd_kafka_consumer_group_metadata_destroy(c->group);
        rd_kafka_topic_partition_list_destroy(c->offsets);
        pthread_cond_destroy(&c->changed);
        pthread_mutex_destroy(&c->lock);
        free(c);
}

static void *offsets_run(void *arg) {
        struct offsets_call *c = arg;
        rd_kafka_error_t *error = rd_kafka_send_offsets_to_transaction(c->rk, c->offsets, c->group, c->timeout_ms);
        bool left;

        pthread_mutex_lock(&c->lock);
        c->done = true;
        c->error = error;
        left = c->left;
        pthread_cond_signal(&c->changed);
        pthread_mutex_unlock(&c->lock);
        if (left) {
                if (error)
                        rd_kafka_error_destroy(error);
                offsets_free(c);
        }
        return NULL;
}

static struct offsets_call *offsets_start(struct producer *p, const struct producer_progress *progress, int timeout_ms) {
        struct offsets_call *c = mem_zero(1, sizeof *c);
        rd_kafka_topic_partition_t *partition;
        pthread_t thread;

        c->rk = p->rk;
        c->timeout_ms = timeout_ms;
        c->group = rd_kafka_consumer_group_metadata_new(progress->group);
        c->offsets = rd_kafka_topic_partition_list_new(1);
        partition = rd_kafka_topic_partition_list_add(c->offsets, progress->topic, 0);
        partition->offset = progress->offset;
        partition->metadata_size = strlen(progress->text);
        partition->metadata = mem_copy_string(progress->text);  /* the list frees it with free() */
        pthread_mutex_init(&c->lock, NULL);
        pthread_cond_init(&c->changed, NULL);
        if (pthread_create(&thread, NULL, offsets_run, c) != 0)
                abort();                /* as for memory */
        pthread_detach(thread);
        return c;
}

/* Waits for half a second at most. */
static bool offsets_wait(struct offsets_call *c) {
        uint64_t until_us = clock_monotonic_us() + 500000;
        struct timespec until = { (time_t) (until_us / 1000000), (long) (until_us % 1000000) * 1000 };
        bool done;

        pthread_mutex_lock(&c->lock);
        while (!c->done && pthread_cond_clockwait(&c->changed, &c->lock, CLOCK_MONOTONIC, &until) == 0)
                ;
        done = c->done;
        pthread_mutex_unlock(&c->lock);
        return done;
}

/* 0: the call is over, with *ret_error; -1: it is left behind, and the handle with it. */
static int offsets_end(struct offsets_call *c, rd_kafka_error_t **ret_error) {
        bool done;

        pthread_mutex_lock(&c->lock);
        done = c->done;
        c->left = true;
        *ret_error = c->error;
        pthread_mutex_unlock(&c->lock);
        if (!done)
                return -1;
        offsets_free(c);
        return 0;
}

/* One call, as long as it takes: after a time-out of its own the transaction would have to be aborted. */
static int send_offsets(struct producer *p, const struct producer_progress *progress, uint64_t until_us,
                        rd_kafka_error_t **ret_error, struct error *e) {
        enum { GRACE_US = 2000000 };
        uint64_t now_us = clock_monotonic_us(), left_ms = now_us < until_us ? (until_us - now_us) / 1000 : 0;
        struct offsets_call *c = offsets_start(p, progress, (int) left_ms + 1);

        while (!offsets_wait(c) && clock_monotonic_us() < until_us + GRACE_US)
                producer_alive(p);
        if (offsets_end(c, ret_error) == 0)
                return 0;
        error_set(e, ERROR_UNREACHABLE, "the cursor can't be added to the transaction: the coordinator of group %s does not "
                  "answer", progress->group);
        producer_fail(p, e);
        p->stuck = true;
        return -1;
}

static int send_progress(struct producer *p, const struct producer_progress *progress, uint64_t until_us,
                         struct error *e) {
        rd_kafka_error_t *error;

        for (;;) {
                if (send_offsets(p, progress, until_us, &error, e) < 0)
                        return -1;
                if (!error)
                        return 0;
                if (!again(p, error, until_us, false))
                        return settle(p, error, REASON_GROUP, "the cursor can't be added to the transaction", e);
        }
}

int producer_commit(struct producer *p, const struct producer_progress *progress, int timeout_ms, struct error *e) {
        uint64_t until_us = clock_monotonic_us() + (uint64_t) timeout_ms * 1000;
        rd_kafka_error_t *error;
        int r;

        r = send_progress(p, progress, until_us, e);
        if (r != 0)
                return r;
        while ((error = rd_kafka_commit_transaction(p->rk, slice_ms(until_us))))
                if (!again(p, error, until_us, false))
                        return settle(p, error, REASON_WRITE, "a transaction can't be committed", e);
        return 0;
}

/* ---- reading progress back ---- */

/* Runs an admin request to its event, alive meanwhile. NULL when the time is up. */
static rd_kafka_event_t *await_event(struct producer *p, rd_kafka_queue_t *queue, uint64_t until_us) {
        rd_kafka_event_t *event;

        do
                event = rd_kafka_queue_poll(queue, slice_ms(until_us));
        while (!event && producer_alive(p) && clock_monotonic_us() < until_us);
        return event;
}

static bool code_is_passing(rd_kafka_resp_err_t code) {
        switch ((int) code) {
        case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT:
        case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
        case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
        case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
        case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
        case RD_KAFKA_RESP_ERR__TRANSPORT:
        case RD_KAFKA_RESP_ERR__TIMED_OUT:
        case RD_KAFKA_RESP_ERR__WAIT_COORD:
                return true;
        }
        return false;
}

/* The partition in a ListConsumerGroupOffsets answer; a code when there is none to be trusted. */
static rd_kafka_resp_err_t offsets_answer(rd_kafka_event_t *event, char **ret_text, int64_t *ret_offset) {
        const rd_kafka_ListConsumerGroupOffsets_result_t *result;
        const rd_kafka_group_result_t **groups;
        const rd_kafka_topic_partition_list_t *partitions;
        const rd_kafka_error_t *error;
        size_t count;

        if (rd_kafka_event_error(event))
                return rd_kafka_event_error(event);
        result = rd_kafka_event_ListConsumerGroupOffsets_result(event);
        groups = rd_kafka_ListConsumerGroupOffsets_result_groups(result, &count);
        if (count != 1)
                return RD_KAFKA_RESP_ERR__BAD_MSG;
        error = rd_kafka_group_result_error(groups[0]);
        if (error)
                return rd_kafka_error_code(error);
        partitions = rd_kafka_group_result_partitions(groups[0]);
        if (!partitions || partitions->cnt != 1)
                return RD_KAFKA_RESP_ERR__BAD_MSG;
        /* An offset beside an error code says nothing: "not stable yet" comes with -1001, like "none". */
        if (partitions->elems[0].err)
                return partitions->elems[0].err;
        *ret_offset = partitions->elems[0].offset;
        *ret_text = mem_copy_bytes(partitions->elems[0].metadata, partitions->elems[0].metadata_size);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t list_offsets(struct producer *p, const char *group, const char *topic, uint64_t until_us,
                                        char **ret_text, int64_t *ret_offset) {
        rd_kafka_topic_partition_list_t *partitions = rd_kafka_topic_partition_list_new(1);
        rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(p->rk, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
        rd_kafka_queue_t *queue = rd_kafka_queue_new(p->rk);
        rd_kafka_ListConsumerGroupOffsets_t *request;
        rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
        rd_kafka_error_t *error;
        rd_kafka_event_t *event;

        rd_kafka_topic_partition_list_add(partitions, topic, 0);
        request = rd_kafka_ListConsumerGroupOffsets_new(group, partitions);
        error = rd_kafka_AdminOptions_set_require_stable_offsets(options, 1);
        if (error)
                abort();        /* there since 2.0, the oldest version that is supported */
        rd_kafka_AdminOptions_set_request_timeout(options, 5000, NULL, 0);
        rd_kafka_ListConsumerGroupOffsets(p->rk, &request, 1, options, queue);
        event = await_event(p, queue, until_us);
        if (event) {
                code = offsets_answer(event, ret_text, ret_offset);
                rd_kafka_event_destroy(event);
        }
        rd_kafka_ListConsumerGroupOffsets_destroy(request);
        rd_kafka_queue_destroy(queue);
        rd_kafka_AdminOptions_destroy(options);
        rd_kafka_topic_partition_list_destroy(partitions);
        return code;
}

int producer_committed(struct producer *p, const char *group, const char *topic, int timeout_ms, char **ret_text,
                       int64_t *ret_offset, struct error *e) {
        uint64_t until_us = clock_monotonic_us() + (uint64_t) timeout_ms * 1000;
        rd_kafka_resp_err_t code;
        int64_t offset = 0;
        char *text = NULL;

        while ((code = list_offsets(p, group, topic, until_us, &text, &offset))) {
                if (!code_is_passing(code) || !producer_alive(p) || clock_monotonic_us() >= until_us)
                        return reason_set(p, e, REASON_GROUP, code, NULL, "the cursor in group %s can't be read", group);
                rd_kafka_poll(p->rk, 50);
        }
        if (offset < 0) {
                free(text);
                return 1;
        }
        *ret_text = text;
        *ret_offset = offset;
        return 0;
}

static rd_kafka_resp_err_t members_answer(rd_kafka_event_t *event, size_t *ret) {
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
                *ret = 0;
                return RD_KAFKA_RESP_ERR_NO_ERROR;
        }
        if (error)
                return rd_kafka_error_code(error);
        *ret = rd_kafka_ConsumerGroupDescription_member_count(groups[0]);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
}

int producer_group_members(struct producer *p, const char *group, int timeout_ms, size_t *ret, struct error *e) {
        uint64_t until_us = clock_monotonic_us() + (uint64_t) timeout_ms * 1000;
        rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(p->rk, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
        rd_kafka_queue_t *queue = rd_kafka_queue_new(p->rk);
        rd_kafka_resp_err_t code;

        rd_kafka_AdminOptions_set_request_timeout(options, 5000, NULL, 0);
        do {
                rd_kafka_event_t *event;

                rd_kafka_DescribeConsumerGroups(p->rk, &group, 1, options, queue);
                event = await_event(p, queue, until_us);
                code = event ? members_answer(event, ret) : RD_KAFKA_RESP_ERR__TIMED_OUT;
                if (event)
                        rd_kafka_event_destroy(event);
                if (code_is_passing(code))
                        rd_kafka_poll(p->rk, 50);
        } while (code_is_passing(code) && producer_alive(p) && clock_monotonic_us() < until_us);
        rd_kafka_queue_destroy(queue);
        rd_kafka_AdminOptions_destroy(options);
        if (code)
                return reason_set(p, e, REASON_GROUP, code, NULL, "group %s can't be described", group);
        return 0;
}
