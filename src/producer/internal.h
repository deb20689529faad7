/* What the files of the producer room share. */
#ifndef PINFEED_PRODUCER_INTERNAL_H
#define PINFEED_PRODUCER_INTERNAL_H

#include <librdkafka/rdkafka.h>
#include <pthread.h>

#include "pinfeed/producer.h"

struct producer_topic {
        struct producer *producer;
        rd_kafka_topic_t *rkt;
        struct tally *tally;
        char *name;
        int partitions;
        struct producer_topic *next;
};

struct producer {
        rd_kafka_t *rk;
        struct producer_settings settings;
        rd_kafka_t *looker;             /* reads the newest cursors; NULL until it is needed */
        rd_kafka_t *expected;           /* will read a stable cursor; NULL unless producer_expect_read was called */
        size_t message_max_bytes, transaction_timeout_ms;
        bool transactional, by_token;
        struct producer_topic *topics;

        /* the worker's thread only */
        size_t in_flight;
        uint64_t settled_us;            /* when the next transaction may begin without being refused */
        bool heard;                     /* an acknowledgement, since watch_quiet last looked; */
        bool acknowledged;              /* likewise, since the transaction began */
        uint64_t waiting_since_us;      /* the last acknowledgement, or the first record sent after quiet */
        uint64_t waiting_said_us;       /* 0: not */
        bool connected;                 /* a broker has let us in once */
        bool failed;
        bool stuck;                     /* a thread is in a call that does not come back */
        struct error failure;           /* why the producer can't go on, when `failed` */
        char reason[512];               /* the last error event of a connection */
        bool refused_by_broker;         /* an authentication error came since the last look */
        bool refused_by_tls;
        const struct mismatch *mismatch;        /* what the last error event was about, or NULL */
        unsigned mismatches;            /* such events in a row */
        unsigned brokers;               /* in bootstrap.servers */

        /* shared with librdkafka's broker threads */
        atomic_bool ending;             /* names are not looked up any more */
        atomic_uint broken;             /* connections that were closed */
        unsigned broken_at_begin;       /* of the open transaction */
        _Atomic int64_t token_set_ms;   /* how the wall clock was set, when the last token was asked for */
        _Atomic uint64_t token_due_us;  /* when the next one should have been; 0: one is being asked for */

        /* shared with librdkafka's background thread */
        pthread_mutex_t lock;
        bool token_failed;
        struct error token_error;
};

/* handle.c: rd_kafka_destroy in LIMIT_HANDLE_MS (or, from a stop on, LIMIT_STOP_HANDLE_MS), alive meanwhile. -1: it did
 * not end. */
int handle_destroy(struct producer *p, rd_kafka_t *rk, int timeout_ms, struct error *e);

/* topics.c: waits for the event of an admin request, alive meanwhile. NULL: the time is up, or stopping. */
rd_kafka_event_t *admin_event(struct producer *p, rd_kafka_queue_t *queue, uint64_t until_us);

/* properties.c: a configuration with pinfeed's defaults and the user's properties. Freed by the caller
 * (rd_kafka_conf_destroy) or handed to rd_kafka_new. */
int properties_make(const struct producer_settings *settings, rd_kafka_conf_t **ret, struct error *e);
/* One of pinfeed's own, with a value that librdkafka is known to take, if its version has the property. */
void property_set(rd_kafka_conf_t *conf, const char *name, const char *value);

/* reader.c: a consumer's handle beside the producer's, with these properties (name and value in turn, NULL ends). */
int consumer_open(struct producer *p, const char *const *properties, rd_kafka_t **ret, struct error *e);
/* Safe on NULL. -1: it did not end, and `stuck` is set. */
int consumer_close(struct producer *p, rd_kafka_t *consumer, struct error *e);
/* topics.c: a partition's offsets as the handle `rk` sees them. */
int topic_offsets(struct producer *p, rd_kafka_t *rk, const char *topic, int partition, uint64_t until_us, int64_t *ret_low,
                  int64_t *ret_high, struct error *e);

/* rules.c */
bool property_same(const char *a, const char *b);               /* they are one property, by whichever of its names */
bool property_equal(const char *a, const char *b);              /* values, letter case aside */
const char *property_value(const struct producer_property *properties, size_t count, const char *name);
/* Words an error about a property: "ORIGIN: [kafka] NAME " and the format. Always returns -1. */
int property_refuse(const struct producer_property *p, struct error *e, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* Whether pinfeed itself has anything against a property. */
int property_check(const struct producer_settings *s, const struct producer_property *p, struct error *e);
/* Refuses, as a whole, the lines that tell a Java client to use IAM; each of them is_java. */
int properties_check_java(const struct producer_settings *s, struct error *e);
bool property_is_java(const struct producer_property *p);

/* producer.c: has a handle with a SASL queue refresh its tokens on a thread of librdkafka's. */
int tokens_refresh(rd_kafka_t *rk, struct error *e);
/* producer.c: the rest of producer_new, which takes the configuration over. */
int producer_from(const struct producer_settings *settings, rd_kafka_conf_t *conf,
                  void (*on_delivery)(rd_kafka_t *rk, const rd_kafka_message_t *m, void *arg), struct producer **ret,
                  struct error *e);

/* reasons.c: what Kafka's refusals mean, and which IAM action is missing. */
enum reason_action {
        REASON_CONNECT,
        REASON_DESCRIBE_TOPIC,
        REASON_DESCRIBE_SETTINGS,
        REASON_WRITE,
        REASON_READ,
        REASON_CREATE_TOPIC,
        REASON_IDEMPOTENCE,
        REASON_TRANSACTION,
        REASON_GROUP,
        REASON_CURSOR,                  /* added to a transaction, which its records may have broken before */
};
/* What waiting won't mend: a wrong name, TLS against plain. */
struct mismatch {
        const char *words;              /* librdkafka's */
        const char *what, *hint;
};
/* The mismatch that an error event is about, or NULL. */
const struct mismatch *reason_mismatch(const char *text);

/* Words an error of librdkafka: "what: its text", with class and hint. Always -1. */
int reason_set(const struct producer *p, struct error *e, enum reason_action action, rd_kafka_resp_err_t code,
               const char *text, const char *what, ...) __attribute__((format(printf, 6, 7)));
/* Whether a code means that a right is missing. */
bool reason_is_refusal(rd_kafka_resp_err_t code);
/* Whether it may pass by itself: worth another try. A handle that has just been made knows no broker. */
bool reason_passes(rd_kafka_resp_err_t code);
/* Why the transaction that was open is broken. Always -1. */
int transaction_failure(struct producer *p, struct error *e);
/* progress.c: ends the handles that read cursors, if there are any. -1: one did not end, and `stuck` is set. */
int readers_close(struct producer *p, struct error *e);
/* Calls the owner's alive function: INT_MAX, or what is left for delivering when stopping. */
int producer_left_ms(struct producer *p);
/* Calls it, and says when what delivers has to end: at its own time, or earlier when a stop was asked for. */
uint64_t producer_deadline(struct producer *p, uint64_t until_us);
/* The same for calls that deliver nothing: false when they should give up. */
bool producer_alive(struct producer *p);
/* Marks the producer as broken; the first failure stays. */
void producer_fail(struct producer *p, const struct error *e);
/* Looks at librdkafka's fatal error, if any, and words it. Returns whether there is one. */
bool producer_fatal(struct producer *p, struct error *e);

#endif
