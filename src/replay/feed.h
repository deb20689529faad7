/* feed: one stream's replay. Exactly once: the cursor commits in the same Kafka transaction as its records.
 *
 * Starting, resuming and recovering are one path, an attempt: a new producer, init_transactions (which fences whoever
 * was there and ends what was left open), the stable committed cursor (place_load), where to go on (decide), a claim (the
 * same cursor, signed by us), rows with a greater key in key order, a commit every so many rows, bytes or seconds, but
 * never between two rows of equal key. With exactly_once = no the path is the same, the producer isn't transactional, and
 * the cursor is a file, written after the acknowledgements before it.
 *
 * So at any line: what is committed is what place.cursor says; what is sent beyond it is the batch; and whatever fails, or
 * leaves it open whether a commit was done, ends the attempt.
 */
#ifndef PINFEED_REPLAY_FEED_H
#define PINFEED_REPLAY_FEED_H

#include "batch.h"
#include "pinfeed/session.h"
#include "place.h"

/* Shared by the feeds of a run. */
struct feed_run {
        struct session session;
        struct feed *feeds;
        size_t count;
        const char *from, *to;                  /* --from and --to; NULL: no bound */
        char id[17];                            /* of what these bound; "" for the main run */
        bool dry_run;
        int64_t start_ms;
        uint64_t commit_rows;
        double rate;                            /* rows a second of all feeds; 0: unlimited */
        _Atomic uint64_t next_row_ns;           /* the limiter: when the next row may go (monotonic) */
        _Atomic size_t unready;                 /* feeds that are not verified yet */
        bool restart;
        pthread_mutex_t restart_lock;           /* around: */
        char restart_name[33];                  /* which restart it is; "": nobody has looked yet */
};

/* What a feed shows to the main thread. */
struct feed_progress {
        _Atomic uint64_t total;                 /* rows of this run that are to be sent; UINT64_MAX: not known yet */
        _Atomic uint64_t sent, committed;       /* of this run, over all attempts */
        _Atomic uint64_t bytes;                 /* committed */
        _Atomic uint64_t transactions;
        _Atomic bool finished;
        _Atomic bool flowing;                   /* rows are read: a stop commits them, nothing is to be interrupted */
};

/* The worker's, and the main thread's after its end. */
struct feed_result {
        uint64_t began_us, ended_us;
        bool has_first, has_last, has_resumed_from;
        struct buffer first, last, resumed_from;        /* keys, as text for people */
        uint64_t missed;                        /* rows that appeared below the cursor, at least */
        uint64_t in_doubt;                      /* rows of a commit that nobody knows of whether it was done */
        bool complete;                          /* the upper bound was reached */
};

struct feed {
        struct feed_run *run;
        struct connection connection;
        struct stream stream;
        struct place place;                     /* lasts over attempts */
        struct batch batch;                     /* of one attempt */
        struct batch_limits limits;
        char *transactional_id;
        struct feed_progress progress;
        struct feed_result result;
        bool announced, ready;                  /* what is said once was said */
};

void feed_init(struct feed *f, struct feed_run *run, const struct config_stream *stream);
void feed_done(struct feed *f);

/* The whole replay of the stream, with its recoveries. Worker thread. */
int feed_work(struct worker *w, void *feed, struct error *e);
/* What it would do, sending nothing: fills `total`, `resumed_from` and the upper bound. Worker thread. */
int feed_dry_run(struct worker *w, void *feed, struct error *e);
/* Stop was asked for: rows that are flowing are committed by themselves, anything else is interrupted. Main thread. */
void feed_wake(struct feed *f);

/* ---- look.c: before the rows, and after them; worker thread ---- */

/* Whether the keys can be replayed, and --from and --to can be keys. */
int feed_check_keys(struct feed *f, struct error *e);
/* Whether nobody consumes with the group. */
int feed_check_group(struct feed *f, struct error *e);
/* Fixes the upper bound of a run that begins. */
int feed_settle_bound(struct feed *f, struct error *e);
/* Which rows are still to be sent. `lower` is NULL or points to `bound`. */
struct feed_range {
        struct key bound, to;
        const struct key *lower;
        bool inclusive;
};
void feed_range(const struct feed *f, struct feed_range *ret);
/* How many rows are to be sent: fills progress.total. */
int feed_count(struct feed *f, struct error *e);
/* What is worth knowing before anything is sent; once. */
int feed_announce(struct feed *f, struct error *e);
/* Says which rows were passed over; fills `missed`. */
int feed_count_missed(struct feed *f, struct error *e);

/* ---- rows.c ---- */

enum feed_end {
        FEED_FAILED = -1,               /* worded */
        FEED_COMPLETE,                  /* everything up to the upper bound is committed */
        FEED_STOPPED,                   /* told to; everything that was sent is committed */
        FEED_RENEW,                     /* everything that was sent is committed; the rest needs a new producer */
};
/* Sends the rows, commits them. */
enum feed_end feed_rows(struct feed *f, struct error *e);
/* Commits the cursor, and what was sent since the last commit; in a transaction of its own if none is open. */
enum place_commit feed_commit(struct feed *f, bool done, struct error *e);

#endif
