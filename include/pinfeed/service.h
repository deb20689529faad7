/* service: life as a process. Signals, systemd's notifications and watchdog, log lines, the interval report, progress
 * on a terminal. The only room that includes <systemd/…>.
 *
 * The main thread runs one event loop (service_run) and never waits for a network. Jobs run on worker threads; what
 * they share with the main thread is the few atomics in struct worker.
 *
 * Signals during service_run: SIGTERM and SIGINT stop the workers; a second SIGINT ends the process at once with
 * exit 130. SIGHUP makes the job read its settings again, if it can, and ends nothing. SIGUSR1 makes the job's interval
 * report now. They are blocked in the main thread and so in all threads that start later: start none before. A child process has to be given an empty
 * mask, and SIGPIPE's default, which service_new ignores for the whole process.
 */
#ifndef PINFEED_SERVICE_H
#define PINFEED_SERVICE_H

#include "base.h"

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
        MESSAGE_STATISTICS,             /* the interval report of one topic, with its fields */
        MESSAGE_POSTS,                  /* the interval report of the daemon, in one line */
        MESSAGE_TOKEN,                  /* which credentials and region, valid until when */
        MESSAGE_TOKEN_FAILING,          /* tokens can't be refreshed; and MESSAGE_TOKEN again when they can */
        MESSAGE_WAITING,                /* something can't be reached */
        MESSAGE_RESUMED,                /* it can be reached again */
        MESSAGE_PARTITIONS,             /* a topic has more than one partition */
        MESSAGE_RESENT,                 /* posts that an earlier run left half-sent were sent again */
        MESSAGE_REPLAY_PROGRESS,
        MESSAGE_REPLAY_FINISHED,
        MESSAGE_FOLLOW,                 /* the interval report of a follow about one topic, with its fields */
        MESSAGE_RECOVERING,             /* a replay starts over from its committed cursor */
        MESSAGE_RELOADED,               /* settings were read again: what changed, or why nothing did */
        MESSAGE_NOTE,                   /* anything else that is said once */
        MESSAGE_FAILED,                 /* the error that ended the program */
        MESSAGE_KINDS
};

/* A journal field beside MESSAGE: "PINFEED_TOPIC" and its text. */
struct service_field {
        const char *name, *value;
};

struct service;

/* Finds out where log lines go (journal, terminal, file) and whether systemd watches. Made first of all, so that a
 * wrong setting can be logged too; logs what is SERVICE_INFO or more severe until told otherwise. One a process. */
struct service *service_new(void);
void service_free(struct service *s);                   /* safe on NULL; takes the progress off the terminal */
void service_set_log_level(struct service *s, enum service_severity least);

/* Logs one line: to the journal with its fields and MESSAGE_ID when stderr is connected to it, else as a short line
 * on stderr. Any thread. Lines less severe than the log level are dropped. Line breaks and control characters become
 * spaces. `fields` may be NULL when `count` is 0. */
void service_log(struct service *s, enum service_severity severity, enum service_message kind,
                 const struct service_field *fields, size_t count, const char *format, ...)
        __attribute__((format(printf, 6, 7)));

/* Logs an error: what and, in the same line, what to do. */
void service_log_error(struct service *s, enum service_severity severity, enum service_message kind,
                       const struct error *error);

/* The last line that was logged as a warning or worse, for the caller to free, and when; NULL: none was. Any thread. */
char *service_complaint(struct service *s, int64_t *ret_ms);

/* Logs the interval report of one topic, for scripts: to the journal, with its fields, and nowhere else. Counters are
 * totals since the start; rate and latency are those of the `seconds` between the two snapshots (latency is left out when
 * nothing was acknowledged). */
void service_log_statistics(struct service *s, const char *topic, const struct tally_snapshot *earlier,
                            const struct tally_snapshot *now, double seconds);

/* Logs the interval report of the daemon, for people: the same figures for posts, which may be in several topics, in one
 * line. */
void service_log_posts(struct service *s, const struct tally_snapshot *earlier, const struct tally_snapshot *now,
                       double seconds, uint64_t up_s);

/* The MESSAGE_ID of a kind: 32 hexadecimal digits. */
const char *service_message_id(enum service_message kind);

/* ---- systemd ------------------------------------------------------------------------------------------------------- */

/* Tells systemd that start-up is over (once; later calls do nothing). Any thread. */
void service_ready(struct service *s);
/* What goes on now, for `systemctl status`; a text that is there already is not sent again. Any thread. */
void service_status(struct service *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- workers ----------------------------------------------------------------------------------------------------- */

/* One worker thread, seen from both sides. */
struct worker;

/* The job's work. Returns 0, or -1 with an error; one of class ERROR_STOPPED is a good end, too. */
typedef int (*worker_fn)(struct worker *w, void *arg, struct error *e);

/* Below: called by the worker. */
bool worker_stopping(const struct worker *w);           /* a signal came, or another worker failed */
int worker_left_ms(const struct worker *w);             /* INT_MAX; when stopping: what is left for delivering, or 0 */
void worker_alive(struct worker *w);                    /* a sign of life, at least every second; any thread */
bool worker_sleep_ms(struct worker *w, unsigned ms);    /* sleeps, alive; returns early, and false, when stopping */

/* ---- the event loop ----------------------------------------------------------------------------------------------- */

struct service_job {
        worker_fn work;
        void **args;                    /* one a worker, handed to `work`; NULL: each gets NULL */
        size_t count;                   /* workers, >= 1 */
        void (*report)(void *arg, bool asked);  /* the interval report, on the main thread; `asked`: by SIGUSR1, else it
                                         * may find nothing new; may be NULL */
        unsigned report_interval_s;     /* 0: never */
        unsigned (*reload)(void *arg);  /* SIGHUP, on the main thread: reads the settings again, says so, and returns the
                                         * report's interval from now on; NULL: can't be done */
        void (*progress)(void *arg);    /* on a terminal only, five times a second, on the main thread: a good place to
                                         * call service_progress; may be NULL */
        void (*wake)(void *arg);        /* stop was asked for: interrupt long waits; main thread, once; may be NULL */
        const char *tell_path;          /* a socket, at which service_ask is answered during the run with what `tell` */
        void (*tell)(void *arg, struct buffer *out);    /* appends, on the main thread; both may be NULL */
        void *arg;                      /* handed to report, reload, progress, wake and tell */
        unsigned ready_by_ms;           /* READY at the latest after this much, whatever hangs; 0: when the worker says */
        unsigned stop_timeout_ms;       /* a worker that has not ended by then after a stop: the process ends, with the
                                         * first error's exit code, or 1 */
};

/* Runs the workers to their end. The first error wins and stops the others. Returns 0 when all ended well (also when
 * a signal stopped them), else -1 with that error. The signals stay blocked afterwards. Once a process, but for tests. */
int service_run(struct service *s, const struct service_job *job, struct error *e);
/* The signal that stopped the last run; 0: none did. */
int service_stopped_by(const struct service *s);

/* Something of the run can't be ended (a thread of librdkafka's still uses it): nothing of it may be freed, and the
 * process has to leave by _exit, without the library's clean-up. Any thread. */
void service_leave_behind(struct service *s);
bool service_left_behind(const struct service *s);

/* Asks the process that runs with this tell_path; waits 3 s at most. Appends what it tells, up to 64 KiB. */
enum service_answer {
        SERVICE_ANSWERED = 0,
        SERVICE_NOBODY,                 /* no such process runs */
        SERVICE_SILENT = -1,            /* worded: it can't be asked, or does not answer */
};
enum service_answer service_ask(const char *path, struct buffer *out, struct error *e);

/* ---- terminal ------------------------------------------------------------------------------------------------------- */

/* Whether stderr is a terminal on which lines may be rewritten (progress bars). */
bool service_on_terminal(const struct service *s);
/* How long a line of service_progress may be now. */
unsigned service_columns(const struct service *s);
/* Draws `lines` (separated by \n, "" for none) as the block at the bottom of the terminal, replacing the former block
 * at most ten times a second; log lines go above it, and the end of service_run takes it away. A line is cut at the
 * terminal's width, counting each character as one column. Does nothing when stderr isn't a terminal. Any thread. */
void service_progress(struct service *s, const char *lines);

#endif
