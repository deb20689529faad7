/* feed: one stream's replay. Exactly once: the cursor commits in the same Kafka transaction as its records.
 *
 * Starting, resuming and recovering are one path, an attempt: a new producer, init_transactions (which fences whoever
 * was there and ends what was left open), the stable committed cursor, rows with a greater key in key order, a commit
 * every so many rows, bytes or seconds, but never between two rows of equal key. With exactly_once = no the path is
 * the same, the producer isn't transactional, and the cursor is a file, written after the acknowledgements before it.
 */
#ifndef PINFEED_JOB_FEED_H
#define PINFEED_JOB_FEED_H

#include "cursor.h"
#include "session.h"

/* Shared by the feeds of a run. */
struct feed_run {
        struct session session;
        const char *from, *to;                  /* --from and --to; NULL: no bound */
        bool restart, dry_run;
        bool exactly_once;
        const char *group;
        int64_t start_ms;
        uint64_t commit_rows;
        double rate;                            /* rows a second of all feeds; 0: unlimited */
        _Atomic uint64_t next_row_ns;           /* the limiter: when the next row may go (monotonic) */
        _Atomic size_t unready;                 /* feeds that are not verified yet */
};

/* What a feed shows to the main thread. */
struct feed_progress {
        _Atomic uint64_t total;                 /* rows of this run that are to be sent; UINT64_MAX: not known yet */
        _Atomic uint64_t sent, committed;       /* of this run, over all attempts */
        _Atomic uint64_t bytes;                 /* committed */
        _Atomic uint64_t transactions;
        _Atomic bool finished;
};

struct feed {
        struct feed_run *run;
        struct connection connection;
        struct stream stream;
        struct feed_progress progress;

        /* the worker's own, and the result after its end */
        struct cursor cursor;                   /* as committed last */
        struct cursor_run *at;                  /* &cursor.main or &cursor.bounded */
        char *transactional_id, *state_path;
        struct buffer first, resumed_from;      /* keys, as text for people */
        bool has_first, has_resumed_from;
        uint64_t began_us, ended_us;
        uint64_t missed;                        /* rows that appeared below the cursor */
        bool found;                             /* there was a cursor */
        bool announced, verified;               /* what is said and told once was */
        bool restarted;                         /* --restart was committed by this process */
        bool stuck;                             /* a producer could not be ended */
        uint64_t copied_us;                     /* when the cursor was copied to its file */
        bool copy_failed;
        bool complete;                          /* the upper bound was reached */

        /* the open transaction */
        bool open;
        uint64_t opened_us;
        uint64_t open_rows, open_bytes;
        struct buffer last;                     /* key of the last row sent */
        bool has_last;
        uint64_t run_began_us, blocked_us;      /* of rows with that key: when they began; waited for Kafka since */
        bool undelivered;                       /* at least once: a record was reported as not delivered */
        _Atomic uint64_t row_us;                /* when the last row came, for the main thread */
        struct buffer json;
};

void feed_init(struct feed *f, struct feed_run *run, const struct config_stream *stream);
void feed_done(struct feed *f);

/* The whole replay of the stream, with its recoveries. Worker thread. */
int feed_work(struct worker *w, void *feed, struct error *e);
/* What it would do, sending nothing: fills `total`, `resumed_from` and the upper bound. Worker thread. */
int feed_dry_run(struct worker *w, void *feed, struct error *e);
/* Stop was asked for: rows that are flowing reach the next boundary by themselves, anything else is interrupted. */
void feed_wake(struct feed *f);

/* feed_cursor.c: reading, claiming and committing the cursor. */
int feed_read_cursor(struct feed *f, struct error *e);
/* Decides where to go on: fills f->cursor and f->at for this run, the upper bound too. */
int feed_settle_cursor(struct feed *f, struct error *e);
/* Commits the cursor (and what was sent since the last commit). As producer_commit. */
int feed_commit(struct feed *f, bool done, struct error *e);
/* After being fenced: 0 and words in `e` when somebody else has the cursor, 1 when it is still ours. */
int feed_who_fenced(struct feed *f, struct error *e);

#endif
