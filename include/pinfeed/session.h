/* session: what the jobs share: connections made from the settings, with the patience that the job has. */
#ifndef PINFEED_SESSION_H
#define PINFEED_SESSION_H

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>

#include "aws.h"
#include "config.h"
#include "json.h"
#include "producer.h"
#include "service.h"
#include "table.h"

/* Something that workers wait for: one, however many of them do. */
struct outage {
        const char *whom;                       /* "MySQL answers": when it is over */
        char where[256];
        unsigned waiting;                       /* workers; 0: there is no outage */
        bool shown;                             /* in the status */
        unsigned said;                          /* lines */
        unsigned unsaid;                        /* outages since the last line, which were short */
        uint64_t since_us, said_us;             /* said_us: the last line of any; 0: none yet */
        struct error why;                       /* the last reason */
};
enum { SESSION_OUTAGES = 4 };

/* Shared by the workers of a job; read-only but for what has its own lock. */
struct session {
        const struct config *config;            /* as at the start, but for what session_reload has taken over */
        struct config *renewed;                 /* main thread: the last that was read since; NULL */
        struct service *service;
        struct aws *aws;
        struct producer_property *properties;   /* config's, in the producer's words */
        bool patient;                           /* daemon and follow wait for what can't be reached; others give up: */
        unsigned patience_ms;
        bool sends_nothing;
        pthread_mutex_t lock;                   /* of the next four */
        char *password_file;                    /* in force; NULL: none */
        char doing[200], waiting[1536];         /* what is waited for, if anything is ... */
        int64_t waiting_ms;                     /* ... and since when */
        int64_t started_ms;
        pthread_mutex_t outage_lock;
        struct outage outages[SESSION_OUTAGES];
        uint64_t tokens_reported;               /* the main thread's */
};

/* What a job wants of its session. */
enum session_kind {
        SESSION_ONCE,                           /* gives up on what can't be reached after LIMIT_PATIENCE_MS */
        SESSION_TRANSACTIONS,                   /* the same, and its producers are transactional */
        SESSION_PATIENT,                        /* a daemon: waits */
        SESSION_PATIENT_TRANSACTIONS,           /* the same, and its producers are transactional */
        SESSION_BRIEF,                          /* gives up after LIMIT_BRIEF_MS */
        SESSION_READING,                        /* as SESSION_ONCE, and sends nothing */
};
/* Connects nowhere. A file that [kafka] names and that can't be read, and a property that transactions don't go with,
 * are errors here already; session_check_properties finds the other ones. -1: session_done is harmless. */
int session_init(struct session *s, const struct config *config, struct service *service, enum session_kind kind,
                 struct error *e);
void session_done(struct session *s);
/* Reads the settings again, and says in one line what has changed and what of that needs a restart; or what is wrong, and
 * then nothing changes. The session takes over what is its own: log level, password file, AWS identity. Returns the
 * settings of which the job may take over what a reload may change: they stand until the next call. Main thread. */
const struct config *session_reload(struct session *s);
/* Adds what is wrong with [kafka] to the settings' problems; nothing is connected. */
void session_check_properties(struct config *config);
/* What goes on: the status, behind what is waited for. Any thread. */
void session_does(struct session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What a daemon tells `pinfeed --status`: one JSON object, which pinfeed(8) describes, with the job's own `figures`, which
 * it takes over. And the socket where it does: its job's name and its user id in the state directory; freed by the caller. */
void session_tell(struct session *s, json_t *figures, struct buffer *out);
char *session_tell_path(const struct config *config, const char *job);

/* A result as one line, and out of our hands. Takes over `json`; NULL is an error, too. */
int session_print_json(json_t *json, FILE *out, struct error *e);
/* After a result for people: whether it is out of our hands. */
int session_printed(FILE *out, struct error *e);

/* ---- one worker's connections ---- */

struct connection {
        struct session *session;
        struct worker *worker;
        struct producer *producer;
        struct database *database;
        pthread_mutex_t lock;                   /* around changes of `producer`, which another thread may wake */
        atomic_bool cancelled;
        _Atomic uint64_t asked_us;              /* since when an answer is due; 0: none is */
        _Atomic(struct outage *) unanswered;    /* none comes; else NULL */
        struct outage *quiet;                   /* Kafka acknowledges nothing; else NULL */
};

void connection_init(struct connection *c, struct session *s, struct worker *w);
/* Closes what is open; the worker's last act. -1 when librdkafka's handle could not be ended in time: then something is
 * left behind (service_left_behind), and the job may free nothing. */
int connection_close(struct connection *c, struct error *e);
/* Interrupts a long wait. Main thread. */
void connection_cancel(struct connection *c);
/* After a cancel of the worker's own: unless a stop was asked for, it may be opened again. */
void connection_uncancel(struct connection *c);

/* Opens the database, or the producer and lets it connect; with the session's patience. */
int connection_open_database(struct connection *c, struct error *e);
/* The same, once: for what can be done without. */
int connection_try_database(struct connection *c, struct error *e);
void connection_close_database(struct connection *c);
/* Around questions that MySQL answers at once: one that it does not is said while it is waited for, and its end, too. */
void connection_ask(struct connection *c);
void connection_answered(struct connection *c);
/* -1: librdkafka's handle could not be ended in time; as connection_close. */
int connection_close_producer(struct connection *c, struct error *e);
int connection_open_producer(struct connection *c, const char *transactional_id, producer_report_fn report,
                             void *report_arg, struct error *e);

/* Asks whether the topics that were opened may be written to. */
int connection_may_write(struct connection *c, struct error *e);
/* Asks whether a replay may use transactions and the cursor's group, without disturbing one. */
int connection_may_transact(struct connection *c, const char *topic, struct error *e);

/* Whether a name resolves and its port takes connections, within LIMIT_BRIEF_MS; else with an error of class
 * ERROR_UNREACHABLE or ERROR_STOPPED. ret_address: the last one that was tried, unless there is no name. */
enum reach { REACH_ANSWERS, REACH_NO_NAME, REACH_NO_PORT };
enum reach connection_reach(struct connection *c, const char *host, unsigned port, char ret_address[static 64],
                            struct error *e);

/* ---- waiting for what can't be reached ---- */

struct patience {
        struct connection *connection;
        const char *whom;                       /* "MySQL answers", "Kafka can be reached": when it is over */
        struct outage *outage;                  /* NULL: not waiting */
        uint64_t since_us;
        unsigned tries;
};

/* After an error of class ERROR_UNREACHABLE: sleeps (longer each time, alive, serving delivery reports) and returns 0:
 * try again. If that lasts it is said within 2 s (by a daemon 3) what is waited for; a daemon says after 1, 10 and 60
 * minutes and then once a day that it still keeps trying, and counts what comes again and again. -1: a stop was asked for,
 * or the error stands: it has another class, or a session that isn't patient has waited for patience_ms, or in vain once. */
int patience_wait(struct patience *p, struct error *e);
/* After success: says `whom` "again" and after how long, if it was said that something was wrong. */
void patience_over(struct patience *p);

/* ---- streams ---- */

struct stream {
        const struct config_stream *config;
        struct table *table;
        struct json_plan *plan;
        struct producer_topic *topic;           /* NULL until stream_open_topic */
        struct tally tally;                     /* of a producer that isn't transactional */
        struct tally_snapshot reported;         /* main thread: at the last interval report */
};

/* Describes the stream's table; class ERROR_UNREACHABLE: the connection broke. */
int stream_describe(struct stream *st, struct connection *c, struct error *e);
/* Asks for the stream's topic and warns once when it has more than one partition. */
int stream_open_topic(struct stream *st, struct connection *c, struct error *e);
void stream_done(struct stream *st);

/* One line about a stream: "stream NAME: " and the format, with its topic as a field. Any thread. */
void session_note(struct session *s, const struct config_stream *stream, enum service_severity severity, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));
/* One warning about a topic of more than one partition. */
void session_warn_partitions(struct session *s, const char *topic, int partitions);

/* The interval report's line about the token, if there is another one since the last. Main thread. */
void session_report_token(struct session *s);

#endif
