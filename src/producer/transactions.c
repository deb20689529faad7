/* Transactions. librdkafka sorts its errors into retriable (the same call again), abortable and fatal; everything
 * else, and a time that is up, ends in a new producer, whose init_transactions settles what was open. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

/* One call waits this long at most, so that the worker can say that it is alive. */
enum { SLICE_MS = 1000 };

/* Words a transactional error and says what the caller must do about it (see producer.h). */
static int settle(struct producer *p, rd_kafka_error_t *error, enum reason_action action, const char *what, struct error *e) {
        bool abortable;

        /* The transaction broke before this call; asked to commit it, librdkafka only says why. */
        if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__STATE) {
                rd_kafka_error_t *cause = rd_kafka_commit_transaction(p->rk, SLICE_MS);

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

        while ((error = rd_kafka_init_transactions(p->rk, clock_left_ms(until_us, SLICE_MS))))
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

        while ((error = rd_kafka_abort_transaction(p->rk, clock_left_ms(until_us, SLICE_MS))))
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
        struct timespec until = clock_timespec(until_us);
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
        while ((error = rd_kafka_commit_transaction(p->rk, clock_left_ms(until_us, SLICE_MS))))
                if (!again(p, error, until_us, false))
                        return settle(p, error, REASON_WRITE, "a transaction can't be committed", e);
        return 0;
}
