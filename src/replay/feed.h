/* feed: one stream's replay. Exactly once: the cursor commits in the same Kafka transaction as its records.
 *
 * Starting, resuming and recovering are one path, an attempt: a new producer, init_transactions (which fences whoever
 * was there and ends what was left open), the stable committed cursor, a claim (the same cursor, signed by us), rows
 * with a greater key in key order, a commit every so many rows, bytes or seconds, but never between two rows of equal
 * key. With exactly_once = no the path is the same, the producer isn't transactional, and the cursor is a file, written
 * after the acknowledgements before it.
 */
#ifndef PINFEED_REPLAY_FEED_H
#define PINFEED_REPLAY_FEED_H

#include "cursor.h"
#include "pinfeed/session.h"

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
        struct cursor former;                   /* who signed the cursor before this process did */
        struct cursor cursor;                   /* as committed last */
        struct cursor_run *at;                  /* &cursor.main or &cursor.bounded */
        struct cursor copy;                     /* exactly once: what the state file said */
        char *transactional_id, *state_path;
        struct buffer first, resumed_from;      /* keys, as text for people */
        bool has_first, has_resumed_from;
        uint64_t began_us, ended_us;
        uint64_t rows_before;                   /* of the run, sent by earlier processes */
        uint64_t missed;                        /* rows that appeared below the cursor */
        bool announced;                         /* what is said once was said */
        bool claimed;                           /* the cursor was ours once: every right is there */
        bool ready;
        uint64_t copied_us;                     /* when the cursor was copied to its file */
        bool copy_failed;
        bool complete;                          /* the upper bound was reached */

        /* the open transaction */
        bool open;
        uint64_t opened_us;
        uint64_t open_rows, open_bytes;
        uint64_t doubt_rows, doubt_bytes;       /* of the last commit, while nobody knows whether it was done */
        uint64_t lost_rows;                     /* a transaction timed out after so many: the next one ends there */
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

/* ---- feed_look.c: before the rows, and after them; worker thread ---- */

/* Whether the keys can be replayed, and --from and --to can be keys. */
int feed_check_keys(struct feed *f, struct error *e);
/* Whether nobody consumes with the group. */
int feed_check_group(struct feed *f, struct error *e);
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

/* ---- feed_rows.c ---- */

/* Sends the rows, commits them. 0: to the end; 1: the transaction is to be aborted; 2: stopped, and committed; -1. */
int feed_rows(struct feed *f, struct error *e);

/* ---- feed_cursor.c: reading, claiming and committing the cursor ---- */

int feed_read_cursor(struct feed *f, struct error *e);
/* Decides where to go on: fills f->cursor and f->at for this run, but for the upper bound. */
int feed_settle_cursor(struct feed *f, struct error *e);
/* Fixes the upper bound of a run that begins. */
int feed_settle_bound(struct feed *f, struct error *e);
/* Commits the cursor, and what was sent since the last commit, in a transaction that is open. As producer_commit. */
int feed_commit(struct feed *f, bool done, struct error *e);
/* Whether somebody else has signed the cursor since we did; looks for it that long. Words it (ERROR_TAKEN_OVER). */
bool feed_taken_over(struct feed *f, unsigned look_ms, struct error *e);

/* A new transaction, for feed_commit alone or for rows. */
int feed_begin(struct feed *f, uint64_t now_us, struct error *e);

#endif
