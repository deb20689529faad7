/* Transactions. librdkafka sorts its errors into retriable (the same call again), abortable and fatal; everything
 * else, and a time that is up, ends in a new producer, whose init_transactions settles what was open. */
#include <limits.h>
#include <string.h>

#include "internal.h"
#include "pinfeed/limits.h"

/* Not 0, which librdkafka takes for its own default. */
static int slice_ms(uint64_t until_us) {
        return clock_left_ms(until_us, LIMIT_SLICE_MS) + 1;
}

/* Words a transactional error and says what the caller must do about it (see producer.h). */
static int settle(struct producer *p, rd_kafka_error_t *error, enum reason_action action, const char *what, struct error *e) {
        bool abortable;

        /* The transaction broke before this call; asked to commit it, librdkafka only says why. */
        if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__STATE) {
                rd_kafka_error_t *cause = rd_kafka_commit_transaction(p->rk, LIMIT_SLICE_MS);

                if (cause) {
                        rd_kafka_error_destroy(error);
                        error = cause;
                        action = REASON_WRITE;
                }
        }
        abortable = rd_kafka_error_txn_requires_abort(error) && !rd_kafka_error_is_fatal(error);
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
static bool again(struct producer *p, rd_kafka_error_t *error, uint64_t *until_us) {
        *until_us = producer_deadline(p, *until_us);
        if (p->failed || !rd_kafka_error_is_retriable(error) || clock_monotonic_us() >= *until_us)
                return false;
        if (rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__TIMED_OUT)
                rd_kafka_poll(p->rk, 50);       /* it answered at once: no busy loop */
        rd_kafka_error_destroy(error);
        return true;
}

int producer_init_transactions(struct producer *p, int timeout_ms, struct error *e) {
        uint64_t until_us = clock_monotonic_us() + (uint64_t) timeout_ms * 1000;
        rd_kafka_error_t *error;

        while ((error = rd_kafka_init_transactions(p->rk, slice_ms(until_us)))) {
                if (!producer_alive(p)) {
                        rd_kafka_error_destroy(error);
                        return error_stopped(e);
                }
                if (!again(p, error, &until_us))
                        return settle(p, error, REASON_TRANSACTION, "Kafka does not begin transactions", e), -1;
        }
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
                if (!again(p, error, &until_us))
                        return settle(p, error, REASON_TRANSACTION, "a transaction can't be aborted", e), -1;
        return 0;
}

int producer_transaction_failure(struct producer *p, struct error *e) {
        /* In that state it only says why. */
        rd_kafka_error_t *error = rd_kafka_commit_transaction(p->rk, LIMIT_SLICE_MS);

        if (error)
                return settle(p, error, REASON_WRITE, "a transaction broke", e);
        return error_set(e, ERROR_FAILED, "a transaction ended by itself");
}

unsigned producer_transaction_timeout_ms(const struct producer *p) {
        return (unsigned) p->transaction_timeout_ms;
}

/* ---- the cursor in the transaction ---- */

/* rd_kafka_send_offsets_to_transaction does not keep its time limit while the group's coordinator can't be found (as of
 * librdkafka 2.14). */
struct offsets {
        rd_kafka_t *rk;
        rd_kafka_topic_partition_list_t *list;
        rd_kafka_consumer_group_metadata_t *group;
        int timeout_ms;
        rd_kafka_error_t *error;        /* the answer */
};

static void offsets_send(void *arg) {
        struct offsets *o = arg;

        o->error = rd_kafka_send_offsets_to_transaction(o->rk, o->list, o->group, o->timeout_ms);
}

static struct offsets *offsets_new(struct producer *p, const struct producer_progress *progress, int timeout_ms) {
        struct offsets *o = mem_zero(1, sizeof *o);
        rd_kafka_topic_partition_t *partition;

        o->rk = p->rk;
        o->timeout_ms = timeout_ms;
        o->group = rd_kafka_consumer_group_metadata_new(progress->group);
        o->list = rd_kafka_topic_partition_list_new(1);
        partition = rd_kafka_topic_partition_list_add(o->list, progress->topic, 0);
        partition->offset = progress->offset;
        partition->metadata_size = strlen(progress->text);
        partition->metadata = mem_copy_string(progress->text);  /* the list frees it with free() */
        return o;
}

static void offsets_free(struct offsets *o) {
        rd_kafka_consumer_group_metadata_destroy(o->group);
        rd_kafka_topic_partition_list_destroy(o->list);
        free(o);
}

/* One call, as long as it takes: after a time-out of its own the transaction would have to be aborted. */
static int send_offsets(struct producer *p, const struct producer_progress *progress, uint64_t *until_us,
                        rd_kafka_error_t **ret_error, struct error *e) {
        enum { GRACE_US = LIMIT_SLICE_MS * 1000 };
        struct offsets *o = offsets_new(p, progress, clock_left_ms(*until_us, INT_MAX) + 1);
        struct call *c = call_start(offsets_send, o);

        while (!call_wait(c) && clock_monotonic_us() < *until_us + GRACE_US)
                *until_us = producer_deadline(p, *until_us);
        if (call_end(c)) {
                *ret_error = o->error;
                offsets_free(o);
                return 0;
        }
        error_set(e, ERROR_UNREACHABLE, "the cursor can't be added to the transaction: the coordinator of group %s does not "
                  "answer", progress->group);
        producer_fail(p, e);
        p->stuck = true;                /* and `o` with it */
        return -1;
}

static int send_progress(struct producer *p, const struct producer_progress *progress, uint64_t *until_us,
                         struct error *e) {
        rd_kafka_error_t *error;

        for (;;) {
                if (send_offsets(p, progress, until_us, &error, e) < 0)
                        return -1;
                if (!error)
                        return 0;
                if (!again(p, error, until_us))
                        return settle(p, error, REASON_GROUP, "the cursor can't be added to the transaction", e);
        }
}

int producer_commit(struct producer *p, const struct producer_progress *progress, int timeout_ms, struct error *e) {
        uint64_t until_us = clock_monotonic_us() + (uint64_t) timeout_ms * 1000;
        rd_kafka_error_t *error;
        int r;

        r = send_progress(p, progress, &until_us, e);
        if (r != 0)
                return r;
        while ((error = rd_kafka_commit_transaction(p->rk, slice_ms(until_us))))
                if (!again(p, error, &until_us))
                        return settle(p, error, REASON_WRITE, "a transaction can't be committed", e);
        return 0;
}
