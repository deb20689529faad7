/* Reading topics with a handle of its own, partition by partition: a consumer's group would need its coordinator, and the
 * right to it. */
#include <string.h>

#include "internal.h"
#include "pinfeed/limits.h"
#include "unseen.h"

enum {
        BATCH = 512,
        /* Of all partitions. It may not be small: before 2.2 librdkafka looks only after a while whether there is room. */
        QUEUE_KBYTES = 8192,
        QUEUE_KBYTES_LEAST = 512,
        WAIT_MS = 100,
};

struct producer_reader {
        struct producer *producer;
        rd_kafka_t *rk;
        const struct producer_topic *of;
        rd_kafka_topic_t *topic;        /* what is read; NULL: nothing yet */
        rd_kafka_queue_t *queue;        /* NULL: nothing is read now */
        const struct producer_span *spans;
        bool *reading;                  /* partitions that are not at their end */
        int partitions, open;
        rd_kafka_message_t *messages[BATCH];
        size_t count, next;
        uint64_t heard_us;              /* the last sign of Kafka's */
        bool committed;
        struct unseen unseen;           /* if committed: what was not handed out */
        struct producer_reader *all;    /* it reads that; NULL: nothing yet */
};

/* ---- handles ---- */

int consumer_open(struct producer *p, const char *const *properties, rd_kafka_t **ret, struct error *e) {
        rd_kafka_conf_t *conf = rd_kafka_conf_dup(rd_kafka_conf(p->rk));
        char reason[512];

        rd_kafka_conf_set_dr_msg_cb(conf, NULL);
        rd_kafka_conf_set_error_cb(conf, NULL);
        rd_kafka_conf_set_closesocket_cb(conf, NULL);
        for (; *properties; properties += 2)
                property_set(conf, properties[0], properties[1]);
        if (p->by_token)
                rd_kafka_conf_enable_sasl_queue(conf, 1);
        *ret = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
        if (!*ret) {
                rd_kafka_conf_destroy(conf);
                return error_set(e, ERROR_REFUSED, "librdkafka refuses the settings in [kafka]: %s", reason);
        }
        return p->by_token ? tokens_refresh(*ret, e) : 0;
}

int consumer_close(struct producer *p, rd_kafka_t *consumer, struct error *e) {
        if (!consumer || handle_destroy(p, consumer, LIMIT_READER_MS, e) == 0)
                return 0;
        p->stuck = true;
        return -1;
}

int producer_reader_open(struct producer *p, bool committed, int partitions, struct producer_reader **ret, struct error *e) {
        int kbytes = QUEUE_KBYTES / partitions > QUEUE_KBYTES_LEAST ? QUEUE_KBYTES / partitions : QUEUE_KBYTES_LEAST;
        _cleanup_free_ char *queue = mem_format("%d", kbytes);
        const char *const properties[] = {
                "isolation.level", committed ? "read_committed" : "read_uncommitted", "queued.max.messages.kbytes", queue,
                "enable.partition.eof", "true", "auto.offset.reset", "error", "fetch.wait.max.ms", "50",
                /* Of compressed bytes, at once: what becomes of them is held as well. */
                "fetch.message.max.bytes", "131072",
                "fetch.queue.backoff.ms", "5",          /* when a full queue is looked at again; else after a second */
                "enable.auto.commit", "false", "enable.auto.offset.store", "false", NULL,
        };

        *ret = mem_zero(1, sizeof **ret);
        (*ret)->producer = p;
        (*ret)->committed = committed;
        return consumer_open(p, properties, &(*ret)->rk, e);
}

/* ---- one reading ---- */

static void drop_batch(struct producer_reader *r) {
        for (size_t i = 0; i < r->count; i++)
                rd_kafka_message_destroy(r->messages[i]);
        r->count = r->next = 0;
}

static void end_partition(struct producer_reader *r, int partition) {
        if (!r->reading[partition])
                return;
        r->reading[partition] = false;
        r->open--;
        rd_kafka_consume_stop(r->topic, partition);
}

static void end_reading(struct producer_reader *r) {
        drop_batch(r);
        for (int i = 0; r->reading && i < r->partitions; i++)
                end_partition(r, i);
        free(r->reading);
        r->reading = NULL;
        if (r->queue)
                rd_kafka_queue_destroy(r->queue);
        r->queue = NULL;
}

static void end_topic(struct producer_reader *r) {
        end_reading(r);
        if (r->topic)
                rd_kafka_topic_destroy(r->topic);
        r->topic = NULL;
}

int producer_reader_close(struct producer_reader *r, struct error *e) {
        int result;

        if (!r)
                return 0;
        end_topic(r);
        result = producer_reader_close(r->all, e);
        if (consumer_close(r->producer, r->rk, e) < 0)
                result = -1;
        unseen_free(&r->unseen);
        free(r);
        return result;
}

int producer_reader_spans(struct producer_reader *r, const struct producer_topic *t, struct producer_span *ret,
                          struct error *e) {
        uint64_t until_us = clock_monotonic_us() + LIMIT_GROUP_MS * 1000;

        for (int i = 0; i < t->partitions; i++)
                if (topic_offsets(r->producer, r->rk, t->name, i, until_us, &ret[i].first, &ret[i].end, e) < 0)
                        return -1;
        return 0;
}

int producer_reader_begin(struct producer_reader *r, const struct producer_topic *t, const struct producer_span *spans,
                          struct error *e) {
        end_reading(r);
        if (r->topic && strcmp(rd_kafka_topic_name(r->topic), t->name) != 0)
                end_topic(r);
        if (!r->topic)
                r->topic = rd_kafka_topic_new(r->rk, t->name, NULL);
        r->queue = rd_kafka_queue_new(r->rk);
        r->reading = mem_zero((size_t) t->partitions, sizeof *r->reading);
        r->partitions = t->partitions;
        r->spans = spans;
        r->of = t;
        if (r->committed)
                unseen_begin(&r->unseen, spans, t->partitions);
        r->heard_us = clock_monotonic_us();
        for (int i = 0; i < t->partitions; i++) {
                if (spans[i].first >= spans[i].end)
                        continue;
                if (rd_kafka_consume_start_queue(r->topic, i, spans[i].first, r->queue) < 0)
                        return reason_set(r->producer, e, REASON_READ, rd_kafka_last_error(), NULL,
                                          "topic %s can't be read", t->name);
                r->reading[i] = true;
                r->open++;
        }
        return 0;
}

/* ---- records ---- */

static int failed(struct producer_reader *r, const rd_kafka_message_t *m, struct error *e) {
        const char *name = rd_kafka_topic_name(r->topic);

        if (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
                error_set(e, ERROR_FAILED, "topic %s: records were deleted before they could be read (they are too old)", name);
                return error_hint(e, "Try again.");
        }
        return reason_set(r->producer, e, REASON_READ, m->err, rd_kafka_message_errstr(m), "topic %s can't be read", name);
}

/* Waits for some messages, alive. -1: none will come. */
static int refill(struct producer_reader *r, struct error *e) {
        struct producer *p = r->producer;
        ssize_t more;

        drop_batch(r);
        rd_kafka_poll(p->rk, 0);
        if (!producer_alive(p))
                return error_stopped(e);
        if (p->failed) {
                *e = p->failure;
                return -1;
        }
        if (clock_monotonic_us() - r->heard_us > LIMIT_NO_ROOM_MS * 1000)
                return error_set(e, ERROR_UNREACHABLE, "topic %s: Kafka has handed out nothing for %d s: %s",
                                 rd_kafka_topic_name(r->topic), LIMIT_NO_ROOM_MS / 1000, p->reason);
        /* A batch that isn't full would be waited for. */
        r->messages[0] = rd_kafka_consume_queue(r->queue, WAIT_MS);
        if (!r->messages[0])
                return 0;
        more = rd_kafka_consume_batch_queue(r->queue, 0, r->messages + 1, BATCH - 1);
        r->count = more > 0 ? (size_t) more + 1 : 1;
        r->heard_us = clock_monotonic_us();
        return 0;
}

/* Whether the message is a record that is wanted. */
static bool is_wanted(struct producer_reader *r, const rd_kafka_message_t *m) {
        int64_t end = r->spans[m->partition].end;
        bool wanted = !m->err && r->reading[m->partition] && m->offset < end;

        /* An offset that is told with an error may be none. */
        if ((!m->err && m->offset >= end - 1) || (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF && m->offset >= end))
                end_partition(r, m->partition);
        return wanted;
}

enum producer_next producer_reader_next(struct producer_reader *r, struct producer_record *ret, struct error *e) {
        for (;;) {
                const rd_kafka_message_t *m;

                if (r->next == r->count) {
                        if (r->open == 0)
                                return PRODUCER_END;
                        if (refill(r, e) < 0)
                                return PRODUCER_NEXT_FAILED;
                        continue;
                }
                m = r->messages[r->next++];
                if (m->err && m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF && !reason_passes(m->err))
                        return failed(r, m, e), PRODUCER_NEXT_FAILED;
                if (m->partition < 0 || m->partition >= r->partitions || !is_wanted(r, m))
                        continue;
                if (r->committed)
                        unseen_saw(&r->unseen, m->partition, m->offset);
                *ret = (struct producer_record) {
                        .partition = m->partition, .offset = m->offset, .key = m->key, .key_length = m->key_len,
                        .value = m->payload, .value_length = m->len,
                };
                return PRODUCER_RECORD;
        }
}

/* ---- what committed readers do not see ---- */

/* How many records a stretch has, whoever sees them. */
static int count_all(struct producer_reader *r, const struct stretch *s, uint64_t *ret, struct error *e) {
        _cleanup_free_ struct producer_span *spans = mem_zero((size_t) r->partitions, sizeof *spans);
        struct producer_record record;
        enum producer_next next;

        spans[s->partition] = (struct producer_span) { s->from, s->to };
        if (producer_reader_begin(r->all, r->of, spans, e) < 0)
                return -1;
        while ((next = producer_reader_next(r->all, &record, e)) == PRODUCER_RECORD)
                ++*ret;
        end_reading(r->all);
        return next == PRODUCER_END ? 0 : -1;
}

int producer_reader_aborted(struct producer_reader *r, uint64_t *ret, struct error *e) {
        uint64_t records = 0, seen = 0;

        unseen_end(&r->unseen, r->spans, r->partitions);
        if (r->unseen.count > 0 && !r->all && producer_reader_open(r->producer, false, 1, &r->all, e) < 0)
                return -1;
        for (size_t i = 0; i < r->unseen.count; i++) {
                const struct stretch *s = &r->unseen.list[i];

                seen += (uint64_t) (s->to - s->from - s->hidden);
                if (count_all(r, s, &records, e) < 0)
                        return -1;
        }
        *ret = records - seen;
        return 0;
}
