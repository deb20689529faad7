/* service: life as a process. Signals, systemd's notifications and watchdog, log lines, the interval report, progress
 * on a terminal. The only room that includes <systemd/…>.
 *
 * The main thread runs one event loop (service_run) and never waits for a network. Jobs run on worker threads; what
 * they share with the main thread is the few atomics in struct worker.
 */
#ifndef PINFEED_SERVICE_H
#define PINFEED_SERVICE_H

#include "base.h"

struct service;

/* ---- log ------------------------------------------------------------------------------------------------------- */

enum service_severity {                 /* as in syslog */
        SERVICE_ERROR = 3,
        SERVICE_WARNING = 4,
        SERVICE_NOTICE = 5,
        SERVICE_INFO = 6,
        SERVICE_DEBUG = 7,
};

/* The kinds of message, each with one fixed MESSAGE_ID and an entry in the journal's catalog. */
enum service_message {
        MESSAGE_STARTED,                /* everything verified, work begins */
        MESSAGE_STOPPED,                /* the last line of a run: what was and was not delivered */
        MESSAGE_STATISTICS,             /* the interval report of one topic */
        MESSAGE_TOKEN,                  /* which credentials and region, valid until when */
        MESSAGE_TOKEN_FAILING,          /* tokens can't be refreshed; and MESSAGE_TOKEN again when they can */
        MESSAGE_WAITING,                /* something can't be reached */
        MESSAGE_RESUMED,                /* it can be reached again */
        MESSAGE_PARTITIONS,             /* a topic has more than one partition */
        MESSAGE_RESENT,                 /* posts that an earlier run left half-sent were sent again */
        MESSAGE_REPLAY_PROGRESS,
        MESSAGE_REPLAY_FINISHED,
        MESSAGE_RECOVERING,             /* a replay starts over from its committed cursor */
        MESSAGE_NOTE,                   /* anything else that is said once */
        MESSAGE_FAILED,                 /* the error that ended the program */
        MESSAGE_KINDS
};

/* A journal field beside MESSAGE: "PINFEED_TOPIC" and its text. */
struct service_field {
        const char *name, *value;
};

/* Logs one line: to the journal with its fields and MESSAGE_ID when stderr is connected to it, else as a short line
 * on stderr. Any thread. Lines above the configured severity are dropped. `fields` may be NULL when `count` is 0. */
void service_log(struct service *s, enum service_severity severity, enum service_message kind,
                 const struct service_field *fields, size_t count, const char *format, ...)
        __attribute__((format(printf, 6, 7)));

/* Logs an error: what and, in the same line, what to do. */
void service_log_error(struct service *s, enum service_severity severity, enum service_message kind,
                       const struct error *error);

/* ---- workers ----------------------------------------------------------------------------------------------------- */

/* One worker thread, seen from both sides. */
struct worker;

/* The job's work. Returns 0, or -1 with an error; also when it was told to stop. */
typedef int (*worker_fn)(struct worker *w, void *arg, struct error *e);

/* Below: called by the worker. */
bool worker_stopping(const struct worker *w);           /* SIGTERM or SIGINT came, or another worker failed */
void worker_alive(struct worker *w);                    /* feeds the watchdog; once a round, at least every second */
void worker_expect_ms(struct worker *w, unsigned ms);   /* before a wait that may be long: alive until then at least */
bool worker_sleep_ms(struct worker *w, unsigned ms);    /* sleeps, alive; returns early, and false, when stopping */

/* ---- the event loop ----------------------------------------------------------------------------------------------- */

struct service_settings {
        int log_level;                  /* enum service_severity: the least severe that is logged */
        unsigned stats_interval_s;      /* 0: no interval report */
        bool daemon;                    /* sends READY, STATUS, WATCHDOG under systemd; one-shot jobs too, if false
                                         * only the terminal's behaviour differs */
};

int service_new(const struct service_settings *settings, struct service **ret, struct error *e);
void service_free(struct service *s);

/* Tells systemd that start-up is over (once; later calls do nothing), and what goes on now. Any thread. */
void service_ready(struct service *s);
void service_status(struct service *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct service_job {
        worker_fn work;
        void **args;                    /* one a worker, handed to `work` */
        size_t count;                   /* workers, >= 1 */
        void (*report)(void *arg);      /* each stats interval, on the main thread; may be NULL */
        void (*wake)(void *arg);        /* stop was asked for: interrupt long waits; main thread, may be NULL */
        void *arg;
        unsigned stop_timeout_ms;       /* workers that have not ended by then after a stop: the process exits with 1 */
};

/* Runs the workers to their end. The first error wins and stops the others. Returns 0 when all ended well (also when
 * SIGTERM or SIGINT stopped them), else -1 with that error. */
int service_run(struct service *s, const struct service_job *job, struct error *e);

/* Whether stderr is a terminal on which lines may be rewritten (progress bars). */
bool service_on_terminal(const struct service *s);
/* Draws `lines` (separated by \n) as the block at the bottom of the terminal, replacing the former block; log lines
 * go above it. Does nothing when stderr isn't a terminal. Any thread. */
void service_progress(struct service *s, const char *lines);

#endif
