/* feed: one stream's way from its table to its topic: what every job stands on that sends rows in key order, once. The
 * cursor commits in the same Kafka transaction as its records. A run has an end, or follows the table: then rows that
 * become visible late, with smaller keys, are sent when they do.
 *
 * Starting, resuming and recovering are one path, an attempt: a new producer, init_transactions (which fences whoever
 * was there and ends what was left open), the stable committed cursor, where to go on, a claim (the same cursor, signed
 * by us), rows with a greater key in key order, a commit every so many rows, bytes or seconds, but never between two rows
 * of equal key. With exactly_once = no the path is the same, the producer isn't transactional, and the cursor is a file,
 * written after the acknowledgements before it.
 */
#ifndef PINFEED_FEED_H
#define PINFEED_FEED_H

#include "cursor.h"
#include "session.h"

struct feed;

/* Shared by the feeds of a run. */
struct feed_run {
        struct session session;
        struct feed **feeds;
        size_t count;
        const char *from, *to;                  /* --from and --to; NULL: no bound */
        char id[17];                            /* of what these bound; "" for the main run */
        bool dry_run;
        int64_t start_ms;
        uint64_t commit_rows;
        _Atomic double rate;                    /* rows a second of all feeds; 0: unlimited */
        _Atomic uint64_t next_row_ns;           /* the limiter: when the next row may go (monotonic) */
        _Atomic size_t unready;                 /* feeds that are not verified yet */
        atomic_bool unreached_said;             /* that a server can't be reached which none has reached yet */
        atomic_bool watched;                    /* somebody wants to know how many rows are left: they are counted */
        bool follows;                           /* there is no end: new rows are sent as they appear, until a stop */
        /* When it follows: between two looks; how long a missing key may be late. */
        _Atomic uint64_t interval_us, settle_us;
        bool restart;
        pthread_mutex_t restart_lock;           /* around: */
        char restart_name[33];                  /* which restart it is; "": nobody has looked yet */
};

/* What a feed shows to the main thread. */
struct feed_progress {
        _Atomic uint64_t total;                 /* rows of this run that are to be sent; UINT64_MAX: not counted (yet) */
        _Atomic uint64_t before;                /* rows that earlier processes sent, if it goes on where one was stopped */
        _Atomic uint64_t sent, committed;       /* by this process, over all attempts */
        _Atomic uint64_t bytes;                 /* committed */
        _Atomic uint64_t transactions;
        _Atomic uint64_t caught_up_us;          /* when it follows: the last look (monotonic) after which nothing was left; */
        _Atomic uint64_t behind;                /* else how many keys are to come, at most; 0: not known */
        _Atomic uint64_t missing, unused;       /* keys that are looked for; that were given up as never used */
        _Atomic uint64_t late, missed;          /* rows that came out of key order; that were found too late to be sent */
        _Atomic uint64_t looks;
        _Atomic bool begun;                     /* where it begins is known, and was said */
        _Atomic bool finished;
        _Atomic bool flowing;                   /* rows are read: a stop commits them, nothing is to be interrupted */
};

/* The worker's, and the main thread's after its end. */
struct feed_result {
        uint64_t began_us, ended_us;
        bool has_first, has_last, has_resumed_from, has_to;
        struct buffer first, last, resumed_from, to;    /* keys, as text for people; `to` of a dry run only */
        uint64_t missed;                        /* rows that appeared below the cursor, at least */
        uint64_t in_doubt;                      /* rows of a commit that nobody knows of whether it was done */
        bool complete;                          /* the upper bound was reached */
};

/* Makes the feeds of the streams that the options name, as they say; connects nowhere. The session is still to be made, whose
 * end feed_run_done is. */
void feed_run_init(struct feed_run *run, const struct config *config, const struct options *o);
void feed_run_done(struct feed_run *run);
/* Stop was asked for: rows that are flowing are committed by themselves, anything else is interrupted. Main thread. */
void feed_run_wake(struct feed_run *run);

const struct config_stream *feed_stream(const struct feed *f);
const struct feed_progress *feed_progress(const struct feed *f);
const struct feed_result *feed_result(const struct feed *f);

/* The whole replay of the stream, or all of its following, with its recoveries. Worker thread. */
int feed_work(struct worker *w, void *feed, struct error *e);
/* What it would do, sending nothing: fills `total`, `resumed_from` and `to`. Worker thread. */
int feed_dry_run(struct worker *w, void *feed, struct error *e);
/* How far the stream's replay is: the cursor as it is committed now, or with exactly_once = no the file. An empty one if
 * none has begun. Fences and waits for nobody, and leaves all as it is. `c` has a producer; `ret` is freed by the caller.
 * Worker thread. */
int feed_look(struct connection *c, const struct config_stream *stream, struct cursor *ret, struct error *e);
/* Whether a follow would still send a row of that key: it lies beyond the last one, unless a replay has gone on since, or is
 * one of those that are missing and looked for. */
bool feed_awaits(const struct cursor_run *run, const struct key *key);
/* Whether a follow whose cursor was `before` has come as far as that key since, which it awaited then. */
bool feed_goes_on(const struct cursor_run *before, const struct cursor_run *now, const struct key *key);
/* How long a follow that runs may take for that, in seconds, once the row can be seen. */
double feed_follow_takes_s(const struct config *config, const struct cursor_run *run);

#endif
