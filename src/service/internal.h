/* What the files of the service room share. */
#ifndef PINFEED_SERVICE_INTERNAL_H
#define PINFEED_SERVICE_INTERNAL_H

#include <pthread.h>

#include "pinfeed/service.h"

/* The block at the bottom of the terminal. Under the service's lock. */
struct terminal {
        bool present;
        struct buffer wanted;           /* what was asked for last */
        struct buffer drawn;            /* what stands there, lines cut to the width they were drawn for */
        bool stale;                     /* `wanted` is not drawn yet */
        uint64_t drawn_us;
};

struct service {
        _Atomic uint64_t logged_us;     /* when the journal took the last line; monotonic, 0: none */
        _Atomic int log_level;
        bool to_journal;
        bool under_systemd;             /* somebody listens to notifications */
        int stopped_by;                 /* the main thread's; 0: no signal */
        _Atomic bool left_behind;
        bool unheard;                   /* the main thread's: it was said that systemd can't be told of us */

        pthread_mutex_t lock;           /* of everything below, and of stderr */
        struct terminal terminal;
        bool ready, reloading;          /* as systemd was told */
        char *status;                   /* the last one sent */
        char *complaint;                /* the last line that was a warning or worse; NULL: none was */
        int64_t complained_ms;
};

/* ---- terminal.c ---- */

void terminal_open(struct terminal *t);
void terminal_close(struct terminal *t);
/* Takes the block away, writes `line` where it stood, and puts it back below; all in one write. */
void terminal_write_line(struct terminal *t, const char *line);
/* Draws what is still to be drawn, if it is time. */
void progress_refresh(struct service *s);
/* Takes the block away for good. */
void progress_clear(struct service *s);

/* ---- notify.c ---- */

/* Stopping has begun and may take this long, whatever the unit's TimeoutStopSec. */
void notify_stopping(struct service *s, unsigned stop_timeout_ms);
/* Settings are read again, from one to the other. */
void notify_reloading(struct service *s);
void notify_reloaded(struct service *s);
void notify_alive(struct service *s);
/* The watchdog is to end us now. */
void notify_hang(struct service *s);

/* ---- tell.c ---- */

/* Listens at a path; -1: errno says why (EADDRINUSE: somebody lives there). */
int tell_open(const char *path);
void tell_close(int fd, const char *path);              /* safe on -1 */
/* Answers one who has connected. */
void tell_answer(int fd, const struct service_job *job);

/* ---- log.c ---- */

/* Waits until journald knows whose the last line was. */
void log_last_words(const struct service *s);

/* ---- worker.c ---- */

struct crew;                            /* the workers of one run */

struct crew *crew_new(const struct service_job *job, int finished_fd);
void crew_free(struct crew *c);         /* all workers have ended, or none was started */
int crew_start(struct crew *c, struct error *e);
void crew_stop(struct crew *c);         /* raises the flag, wakes sleepers */
/* Joins those that have ended. Returns how many still run; the first error, if there is one by now, in `*ret_failed`. */
size_t crew_collect(struct crew *c, const struct error **ret_failed);
/* How long the most silent of the running workers has shown no sign of life; 0 when none runs. */
uint64_t crew_silent_us(const struct crew *c, uint64_t now_us);

#endif
