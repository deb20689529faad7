/* producer: Kafka. Topics, records, delivery reports, transactions and the progress committed with them.
 *
 * One worker thread owns a struct producer; delivery reports and errors are served on that thread, inside
 * producer_poll, producer_flush and the transactional calls. The token function runs on librdkafka's own background
 * thread, so that a busy or sleeping worker never lets a token lapse. No call waits longer than it is told to; when a
 * stop is asked for, what delivers (commit, abort, flush) keeps to the time that is left for it, and every other call
 * gives up with ERROR_STOPPED.
 */
#ifndef PINFEED_PRODUCER_H
#define PINFEED_PRODUCER_H

#include <stdio.h>

#include "base.h"

struct producer;
struct producer_topic;

/* Produces a bearer token. Runs on another thread than the worker's; must end within half a minute.
 * ret_token: NUL-terminated, freed (and wiped) by the producer. ret_expires_ms: wall clock. */
typedef int (*producer_token_fn)(void *credentials, char **ret_token, int64_t *ret_expires_ms, struct error *e);

/* A delivery report: what became of one record. `tag` is what came with it. `reason` is NULL when the
 * record was acknowledged. Runs on the worker's thread; must not call the producer. */
typedef void (*producer_report_fn)(void *arg, void *tag, const char *reason);

/* A line for people about the connection, in all detail. Any thread. */
typedef void (*producer_log_fn)(void *arg, const char *line);

/* Acknowledgements stay away: since when and why; once a second, on the worker's thread. NULL: they are back. */
typedef void (*producer_quiet_fn)(void *arg, uint64_t since_us, const struct error *why);

/* Called at least once a second during every call that can wait, on the worker's thread: says that the worker is alive.
 * Returns INT_MAX, or, when a stop was asked for, how many milliseconds are left for delivering. */
typedef int (*producer_alive_fn)(void *arg);

/* A librdkafka property as the user wrote it. */
struct producer_property {
        const char *name, *value;
        const char *origin;             /* "/etc/pinfeed/pinfeed.conf:12", for errors */
};

struct producer_settings {
        const struct producer_property *properties;
        size_t property_count;
        const char *transactional_id;   /* NULL: not transactional */
        bool sends_nothing;             /* then the right to write is not asked for */
        producer_token_fn token;        /* used when the mechanism is OAUTHBEARER */
        /* Words for errors about refused access: "credentials from …, region us-east-1 (from …)"; "" if unknown. May be
         * NULL. */
        void (*identity)(void *credentials, char *ret, size_t size);
        /* What besides missing rights a refused token may be due to, as aws_suspect has it. May be NULL. */
        bool (*suspect)(void *credentials, char *ret, size_t size);
        void *credentials;              /* handed to these three */
        producer_report_fn report;      /* may be NULL */
        void *report_arg;
        producer_log_fn log;            /* may be NULL */
        void *log_arg;
        producer_quiet_fn quiet;        /* may be NULL */
        void *quiet_arg;
        producer_alive_fn alive;        /* may be NULL */
        void *alive_arg;
};

/* Checks every property without connecting anywhere: unknown names (with the nearest valid one), wrong values (shown if
 * config_property_is_hidden doesn't forbid it), brokers that can't be meant, what would break a promise of pinfeed (with
 * the reason) or give a token away. ERROR_REFUSED, with the first; ERROR_USAGE if that was set by --set. */
int producer_check_properties(const struct producer_settings *settings, struct error *e);

/* The same, adding all that is wrong to `problems`. */
void producer_find_problems(const struct producer_settings *settings, struct errors *problems);

/* Whether these properties, with pinfeed's defaults, authenticate by token. */
bool producer_wants_token(const struct producer_property *properties, size_t count);
/* How large a record can be with these properties: message.max.bytes. */
size_t producer_message_max_bytes(const struct producer_property *properties, size_t count);
/* The value of bootstrap.servers, or NULL. */
const char *producer_bootstrap(const struct producer_property *properties, size_t count);

/* Creates the handle; connects in the background. What `settings` points to must outlive it. */
int producer_new(const struct producer_settings *settings, struct producer **ret, struct error *e);

/* Ends the handle; what is still queued is dropped (flush first). Waits at most LIMIT_HANDLE_MS, or LIMIT_STOP_HANDLE_MS
 * from a stop on. -1 when the handle could not be ended, or a call in it did not come back: its threads still use it and
 * all that it was handed, nothing of which may be freed; the process has to end. Safe on NULL. */
int producer_destroy(struct producer *p, struct error *e);

/* Waits up to `timeout_ms` for a broker that lets us in. ERROR_REFUSED: the broker refused us, or the token function
 * did; ERROR_UNREACHABLE: nobody answered, with the last reason. Call again to wait longer, unless that is vain. */
int producer_connect(struct producer *p, int timeout_ms, struct error *e);

/* Asks for a topic that must exist and that we may describe; may be repeated. ERROR_REFUSED, with what to do, when it doesn't exist or
 * may not be described. Deliveries are counted in `tally` (not owned; must outlive the producer), but for a transactional
 * producer's: of those only commits count. The topic lives as long as the producer. */
int producer_topic(struct producer *p, const char *name, struct tally *tally, int timeout_ms,
                   struct producer_topic **ret, struct error *e);
int producer_topic_partitions(const struct producer_topic *t);

/* Asks whether we may write to the topics that were asked for, without writing anything. 0: we may, or nobody answered
 * in time; ERROR_REFUSED: we may not. */
int producer_may_write(struct producer *p, int timeout_ms, struct error *e);

/* ---- for --check: each call ends after `timeout_ms`, more or less, and writes nothing that a reader could see ---- */

struct producer_broker {
        int id;
        char host[256];
        unsigned port;
};
/* The cluster's brokers, the first `most` of them. */
int producer_brokers(struct producer *p, int timeout_ms, struct producer_broker *ret, size_t most, size_t *ret_count,
                     struct error *e);

/* Of the partition that has the fewest in sync. */
struct producer_replicas {
        int replicas, in_sync;
};
int producer_topic_replicas(struct producer *p, const struct producer_topic *t, int timeout_ms,
                            struct producer_replicas *ret, struct error *e);

struct producer_topic_setting {
        const char *name;               /* "retention.ms" */
        char value[128];                /* the answer; "" if the broker doesn't know it */
};
int producer_topic_settings(struct producer *p, const char *topic, int timeout_ms, struct producer_topic_setting *settings,
                            size_t count, struct error *e);

/* Whether a topic with this max.message.bytes takes every record that message.max.bytes lets us send. */
bool producer_fits_topic(const struct producer *p, uint64_t max_message_bytes);

/* Asks whether we may begin transactions with `settings`' transactional id (which fences its other owners, so take one
 * that nobody has) and keep a cursor for `topic` in `group`: does both, and aborts. */
int producer_may_transact(struct producer *p, const struct producer_settings *settings, const char *group,
                          const char *topic, int timeout_ms, struct error *e);

struct producer_new_topic {
        const char *name;
        int partitions;                 /* -1: the cluster's default */
        int replication_factor;         /* -1: the cluster's default */
};
enum producer_creation { PRODUCER_CREATED, PRODUCER_EXISTED, PRODUCER_NOT_CREATED /* with an error */ };
/* Creates a topic, unless there is one of that name. */
enum producer_creation producer_create_topic(struct producer *p, const struct producer_new_topic *topic, int timeout_ms, struct error *e);

enum producer_sent {
        PRODUCER_NOT_SENT = -1,         /* the producer is broken, or its transaction: worded */
        PRODUCER_SENT = 0,              /* taken; its report comes */
        PRODUCER_QUEUE_FULL,            /* producer_poll, then again */
        PRODUCER_TOO_LARGE,             /* larger than message.max.bytes: it can never be sent */
};
enum { PRODUCER_AT_ONCE = 64 };        /* records that librdkafka is given in one call, at most */
struct producer_new_record {
        const void *key, *value;
        size_t key_length, value_length;
        void *tag;                      /* for its delivery report */
};
/* Hands over records of one topic in their order; keys and values are copied. Many at once cost less than each by itself.
 * `ret_taken`: how many of the first are taken; what is returned is PRODUCER_SENT, or said of the first that is not. */
enum producer_sent producer_send(struct producer *p, struct producer_topic *t, const struct producer_new_record *records,
                                 size_t count, size_t *ret_taken, struct error *e);
/* Whether a record of this size can be sent at all (message.max.bytes, with the protocol's overhead). */
bool producer_fits(const struct producer *p, size_t key_length, size_t value_length);

/* Serves delivery reports and errors, sleeping up to `timeout_ms` until there are some. -1 when the producer can't
 * go on: a fatal error, or access refused. A connection that is away is not an error: librdkafka retries, and `quiet`
 * hears of it when acknowledgements stay away. */
int producer_poll(struct producer *p, int timeout_ms, struct error *e);

/* Makes a producer_poll that sleeps return now. Any thread, while the producer is there. */
void producer_wake(struct producer *p);

/* Waits until nothing is in flight, and returns whether it is; false: the time is up, or the producer can't go on. */
bool producer_flush(struct producer *p, int timeout_ms);
/* Records handed over and not yet reported. */
size_t producer_in_flight(const struct producer *p);
/* Gives up on everything in flight: each record's report comes with a reason, before this returns. */
void producer_purge(struct producer *p);
/* The last thing that librdkafka said about a connection, "" if nothing. Worker's thread. */
const char *producer_last_reason(const struct producer *p);

/* ---- transactions, and the progress that is committed with them ---------------------------------------------------
 *
 * Errors that pass by themselves are waited for. After any other this producer is of no more use: destroy it, a new one's
 * producer_init_transactions settles what was open. ERROR_TAKEN_OVER: another producer has our transactional id, or the
 * brokers ended the transaction because it took too long; ERROR_REFUSED: rights are missing.
 */

/* How long the brokers let a transaction be open, in milliseconds. */
unsigned producer_transaction_timeout_ms(const struct producer *p);
/* Fences every earlier producer with the same transactional id and ends what it left open. */
int producer_init_transactions(struct producer *p, int timeout_ms, struct error *e);
/* May sleep for 20 ms, if the one before was committed just now. */
int producer_begin(struct producer *p, struct error *e);

/* An offset committed to a group inside a transaction, as the carrier of a text of at most 4,096 bytes
 * (the brokers' offset.metadata.max.bytes). */
struct producer_progress {
        const char *group, *topic;      /* partition 0 of it */
        int64_t offset;
        const char *text;               /* UTF-8 */
};

enum producer_commit {
        PRODUCER_NOT_COMMITTED = -1,    /* worded */
        PRODUCER_IN_DOUBT = -2,         /* worded: it was asked for, and the answer did not come */
        PRODUCER_COMMITTED = 0,
        /* Committed, but a connection broke on the way. A request that was repeated may still arrive a second time, and
         * EndTxn says only whose transaction is to end, not which: begin no more, a new producer has a new epoch. */
        PRODUCER_COMMITTED_AND_SPENT = 1,
};
enum { PRODUCER_PROGRESS_MOST = 2 };
/* Adds the progress (`count` of it, one a group) to the transaction and commits it, after everything sent was
 * acknowledged. */
enum producer_commit producer_commit(struct producer *p, const struct producer_progress *progress, size_t count,
                                     int timeout_ms, struct error *e);

/* Before the end: aborts the open transaction, so that nobody waits until it times out. Does nothing, which is safe, when
 * a record or an earlier request could arrive after the abort: not everything was acknowledged, a connection broke. */
void producer_abort(struct producer *p, int timeout_ms);

enum producer_read {
        PRODUCER_READ_STABLE,           /* waits for what is open and may change it */
        PRODUCER_READ_NEWEST,           /* what is committed now; quick when repeated */
};
enum producer_found { PRODUCER_UNREAD = -1 /* worded */, PRODUCER_FOUND = 0, PRODUCER_NONE = 1 };
/* Connects for the next PRODUCER_READ_STABLE of this group, which doesn't have to wait for that then. */
int producer_expect_read(struct producer *p, const char *group, struct error *e);
/* The committed progress. ret_text: freed by the caller, "" when there is no text. */
enum producer_found producer_committed(struct producer *p, enum producer_read how, const char *group, const char *topic,
                                       int timeout_ms, char **ret_text, struct error *e);
/* The cluster's id; NULL: nobody said. Freed by the caller. */
char *producer_cluster(struct producer *p, int timeout_ms);
/* What a consumer group is now. One that doesn't exist has no offsets either. */
struct producer_group {
        bool exists;
        size_t members;
};
int producer_group(struct producer *p, const char *group, int timeout_ms, struct producer_group *ret, struct error *e);
/* Records (and transaction markers) between the first and the last offset of all partitions of a topic. */
int producer_topic_extent(struct producer *p, const struct producer_topic *t, int timeout_ms, uint64_t *ret,
                          struct error *e);

/* ---- reading topics: no group is joined and nothing is stored, so that nobody sees that it was read ----------------- */

/* A handle that reads beside `p`, whose settings it has and before which it is closed. `committed`: as a consumer with
 * isolation.level=read_committed does; else also what was aborted. Of topics with so many partitions it holds some 8 MiB.
 * It is there, and to be closed, also after an error. */
struct producer_reader;
int producer_reader_open(struct producer *p, bool committed, int partitions, struct producer_reader **ret, struct error *e);
/* As producer_destroy. Safe on NULL. */
int producer_reader_close(struct producer_reader *r, struct error *e);

/* Of a partition: first <= offset < end. */
struct producer_span {
        int64_t first, end;
};
/* What the topic has now, one a partition; with `committed` up to the first transaction that is open. */
int producer_reader_spans(struct producer_reader *r, const struct producer_topic *t, struct producer_span *ret,
                          struct error *e);
/* Begins to read these spans, one a partition (an empty one: nothing of it), instead of what was read before. They must
 * last until the end. */
int producer_reader_begin(struct producer_reader *r, const struct producer_topic *t, const struct producer_span *spans,
                          struct error *e);

/* Valid until the next call. A key or value that a record doesn't have is NULL. */
struct producer_record {
        int partition;
        int64_t offset;
        const char *key, *value;
        size_t key_length, value_length;
};
enum producer_next {
        PRODUCER_NEXT_FAILED = -1,      /* ERROR_REFUSED: rights are missing; ERROR_UNREACHABLE: nothing comes any more */
        PRODUCER_RECORD,
        PRODUCER_END,                   /* of all spans, also if they end in what no reader sees */
};
/* The next record of any partition, in the order of its partition. */
enum producer_next producer_reader_next(struct producer_reader *r, struct producer_record *ret, struct error *e);
/* After PRODUCER_END, of a committed reader: how many records of aborted transactions lie in the spans. */
int producer_reader_aborted(struct producer_reader *r, uint64_t *ret, struct error *e);

/* Prints the room's libraries, one to a line: name and version. */
void producer_print_libraries(FILE *f);

#endif
