/* Transactions. What passes by itself is waited for; everything else, and a time that is up, ends in a new producer,
 * whose init_transactions settles what was open. */
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "pinfeed/limits.h"

enum { LIBRDKAFKA_WAITS_US = 20000 };

/* Not 0, which librdkafka takes for its own default. */
static int slice_ms(uint64_t until_us) {
        return clock_left_ms(until_us, LIMIT_SLICE_MS) + 1;
}

/* Words a transactional error. Always -1. */
static int failed(struct producer *p, rd_kafka_error_t *error, enum reason_action action, const char *what, struct error *e) {
        /* The transaction broke before this call. Asked to begin one, librdkafka says why, and does nothing else. */
        if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__STATE) {
                rd_kafka_error_t *cause = rd_kafka_begin_transaction(p->rk);

                if (cause) {
                        rd_kafka_error_destroy(error);
                        error = cause;
                        action = REASON_WRITE;
                }
        }
        if (p->failed)
                *e = p->failure;
        else
                reason_set(p, e, action, rd_kafka_error_code(error), rd_kafka_error_string(error), "%s", what);
        rd_kafka_error_destroy(error);
        return -1;
}

int transaction_failure(struct producer *p, struct error *e) {
        return failed(p, rd_kafka_error_new(RD_KAFKA_RESP_ERR__STATE, "it ended by itself"), REASON_WRITE,
                      "a transaction broke", e);
}

int producer_init_transactions(struct producer *p, int timeout_ms, struct error *e) {
        uint64_t until_us = clock_monotonic_us() + (uint64_t) timeout_ms * 1000;
        rd_kafka_error_t *error;

        while ((error = rd_kafka_init_transactions(p->rk, slice_ms(until_us)))) {
                bool stopping = !producer_alive(p);

                if (!stopping && (p->failed || !rd_kafka_error_is_retriable(error) || clock_monotonic_us() >= until_us))
                        return failed(p, error, REASON_TRANSACTION, "Kafka does not begin transactions", e);
                if (!stopping && rd_kafka_error_code(error) != RD_KAFKA_RESP_ERR__TIMED_OUT)
                        rd_kafka_poll(p->rk, 50);       /* it answered at once: no busy loop */
                rd_kafka_error_destroy(error);
                if (stopping)
                        return error_stopped(e);
        }
        return 0;
}

/* Kafka answers that a transaction is committed before its markers are written, and refuses the first partition of the next
 * one until then; librdkafka asks again 20 ms later (as of 2.14), and nothing is sent meanwhile. The markers, and the note
 * that they are there, take about as long as the answer did, each. */
static void settle(struct producer *p, uint64_t asked_us) {
        uint64_t now_us = clock_monotonic_us(), more_us = 2 * (now_us - asked_us);

        p->settled_us = more_us < LIBRDKAFKA_WAITS_US ? now_us + more_us : 0;   /* else it may as well wait itself */
}

int producer_begin(struct producer *p, struct error *e) {
        uint64_t now_us = clock_monotonic_us();
        rd_kafka_error_t *error;

        if (p->settled_us > now_us)
                usleep((useconds_t) (p->settled_us - now_us));
        error = rd_kafka_begin_transaction(p->rk);

        p->acknowledged = false;
        p->broken_at_begin = p->broken;
        return error ? failed(p, error, REASON_TRANSACTION, "a transaction can't begin", e) : 0;
}

void producer_abort(struct producer *p, int timeout_ms) {
        if (!p->stuck && producer_flush(p, timeout_ms) && p->broken == p->broken_at_begin)
                rd_kafka_error_destroy(rd_kafka_abort_transaction(p->rk, LIMIT_SLICE_MS));
}

unsigned producer_transaction_timeout_ms(const struct producer *p) {
        return (unsigned) p->transaction_timeout_ms;
}

/* ---- commit ---- */

/* The cursor and the commit, each one call with all the time there is: a call that timed out would stay in librdkafka's
 * queue, and could run after the next transaction began. And rd_kafka_send_offsets_to_transaction does not keep its limit
 * while the group's coordinator can't be found (as of librdkafka 2.14). So each has a thread that can be left behind. */
struct ending {
        rd_kafka_t *rk;
        struct cursor_of {
                rd_kafka_topic_partition_list_t *list;
                rd_kafka_consumer_group_metadata_t *group;
        } cursors[PRODUCER_PROGRESS_MOST];
        size_t count, added;
        uint64_t until_us;
        rd_kafka_error_t *error;        /* the answer */
};

static rd_kafka_error_t *add_cursor(struct ending *n, int timeout_ms) {
        const struct cursor_of *c = &n->cursors[n->added];

        return rd_kafka_send_offsets_to_transaction(n->rk, c->list, c->group, timeout_ms);
}

static rd_kafka_error_t *commit(struct ending *n, int timeout_ms) {
        return rd_kafka_commit_transaction(n->rk, timeout_ms);
}

static rd_kafka_error_t *repeat(struct ending *n, rd_kafka_error_t *(*call)(struct ending *n, int timeout_ms)) {
        rd_kafka_error_t *error;

        while ((error = call(n, clock_left_ms(n->until_us, INT_MAX) + 1))) {
                if (!rd_kafka_error_is_retriable(error) || rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__TIMED_OUT
                    || clock_monotonic_us() >= n->until_us)
                        break;
                rd_kafka_error_destroy(error);
                usleep(50000);          /* it answered at once: no busy loop */
        }
        return error;
}

static void add_cursors(void *arg) {
        struct ending *n = arg;

        for (; n->added < n->count && !n->error; n->added++)
                n->error = repeat(n, add_cursor);
}

static void ask_to_commit(void *arg) {
        struct ending *n = arg;

        n->error = repeat(n, commit);
}

static struct cursor_of cursor_of(const struct producer_progress *progress) {
        struct cursor_of c = {
                rd_kafka_topic_partition_list_new(1), rd_kafka_consumer_group_metadata_new(progress->group),
        };
        rd_kafka_topic_partition_t *partition = rd_kafka_topic_partition_list_add(c.list, progress->topic, 0);

        partition->offset = progress->offset;
        partition->metadata_size = strlen(progress->text);
        partition->metadata = mem_copy_string(progress->text);  /* the list frees it with free() */
        return c;
}

static struct ending *ending_new(struct producer *p, const struct producer_progress *progress, size_t count,
                                 uint64_t until_us) {
        struct ending *n = mem_zero(1, sizeof *n);

        n->rk = p->rk;
        n->until_us = until_us;
        for (; n->count < count; n->count++)
                n->cursors[n->count] = cursor_of(&progress[n->count]);
        return n;
}

static void ending_free(struct ending *n) {
        if (n->error)
                rd_kafka_error_destroy(n->error);
        for (size_t i = 0; i < n->count; i++) {
                rd_kafka_consumer_group_metadata_destroy(n->cursors[i].group);
                rd_kafka_topic_partition_list_destroy(n->cursors[i].list);
        }
        free(n);
}

static int flush(struct producer *p, uint64_t until_us, struct error *e) {
        uint64_t began_us = clock_monotonic_us();

        if (producer_flush(p, clock_left_ms(until_us, INT_MAX)))
                return 0;
        if (p->failed) {
                *e = p->failure;
                return -1;
        }
        return error_set(e, ERROR_UNREACHABLE, "Kafka did not acknowledge %zu records within %u s: %s", p->in_flight,
                         (unsigned) ((clock_monotonic_us() - began_us) / 1000000),
                         *p->reason ? p->reason : "no broker answered");
}

/* Nothing may be asked of this producer any more, not even to abort. */
static enum producer_commit in_doubt(struct producer *p) {
        atomic_fetch_add(&p->broken, 1);
        return PRODUCER_IN_DOUBT;
}

static enum producer_commit left_behind(struct producer *p, const char *group, bool asked, struct error *e) {
        if (asked)
                error_set(e, ERROR_UNREACHABLE, "a transaction can't be committed: its coordinator does not answer");
        else
                error_set(e, ERROR_UNREACHABLE, "the cursor can't be added to the transaction: the coordinator of group %s "
                          "does not answer", group);
        producer_fail(p, e);
        p->stuck = true;
        return asked ? in_doubt(p) : PRODUCER_NOT_COMMITTED;
}

static enum producer_commit outcome(struct producer *p, struct ending *n, bool asked, bool broken, struct error *e) {
        rd_kafka_resp_err_t code = n->error ? rd_kafka_error_code(n->error) : RD_KAFKA_RESP_ERR_NO_ERROR;
        bool late = code == RD_KAFKA_RESP_ERR__TIMED_OUT;

        if (!n->error)
                return broken ? PRODUCER_COMMITTED_AND_SPENT : PRODUCER_COMMITTED;
        if (asked)
                failed(p, n->error, REASON_WRITE, "a transaction can't be committed", e);
        else
                failed(p, n->error, REASON_CURSOR, "the cursor can't be added to the transaction", e);
        if (asked && code == RD_KAFKA_RESP_ERR_UNKNOWN)         /* as of Kafka 4.1, in the middle of fencing us */
                e->class = ERROR_TAKEN_OVER;
        return asked && (late || broken) ? in_doubt(p) : PRODUCER_NOT_COMMITTED;
}

/* Whether a call has come back in time. */
static bool comes_back(struct producer *p, struct call *c, uint64_t until_us) {
        enum { GRACE_US = LIMIT_SLICE_MS * 1000 };

        while (!call_wait(c, LIMIT_SLICE_MS) && clock_monotonic_us() < until_us + GRACE_US)
                until_us = producer_deadline(p, until_us);
        return call_end(c);
}

enum producer_commit producer_commit(struct producer *p, const struct producer_progress *progress, size_t count,
                                     int timeout_ms, struct error *e) {
        uint64_t until_us = clock_monotonic_us() + (uint64_t) timeout_ms * 1000, asked_us = 0;
        enum producer_commit r;
        struct ending *n;
        struct call *c;
        unsigned broken;
        bool flushed;

        /* The cursor is added while the last records are on their way. Not where a connection was lost: its next one may be
         * lost as well, and with the cursor on it the producer would be spent. Nor where nothing was acknowledged: Kafka may
         * be away, records wait for it, but that call may never come back. */
        if ((!p->acknowledged || p->broken != p->broken_at_begin) && flush(p, until_us, e) < 0)
                return PRODUCER_NOT_COMMITTED;
        broken = p->broken;
        n = ending_new(p, progress, count, until_us);
        c = call_start(add_cursors, NULL, n);
        flushed = flush(p, until_us, e) == 0;
        if (!comes_back(p, c, until_us))
                return left_behind(p, progress->group, false, e);
        if (!flushed) {
                ending_free(n);
                return PRODUCER_NOT_COMMITTED;
        }
        if (!n->error) {
                asked_us = clock_monotonic_us();
                if (!comes_back(p, call_start(ask_to_commit, NULL, n), until_us))
                        return left_behind(p, progress->group, true, e);
                settle(p, asked_us);
        }
        r = outcome(p, n, asked_us > 0, p->broken != broken, e);
        n->error = NULL;                /* worded, and gone */
        ending_free(n);
        return r;
}
