/* What the files of this room share. At any line: what is committed is what place.cursor says; what is sent beyond it is
 * the batch; and whatever fails, or leaves it open whether a commit was done, ends the attempt.
 */
#ifndef PINFEED_FEED_OWN_H
#define PINFEED_FEED_OWN_H

#include "ahead.h"
#include "batch.h"
#include "count.h"
#include "keep.h"
#include "pinfeed/feed.h"
#include "place.h"

struct feed {
        struct feed_run *run;
        struct connection connection;
        struct stream stream;
        struct place place;                     /* lasts over attempts */
        struct batch batch;                     /* of one attempt */
        struct count count;                     /* likewise: of what is to be sent */
        struct batch_limits limits;
        struct keep keep;                       /* of one attempt, when it follows */
        char *transactional_id;
        struct feed_progress progress;
        struct feed_result result;
        struct producer_new_record records[PRODUCER_AT_ONCE];
        size_t record_count;                    /* rows of the batch that are not handed over yet; in the reader's memory */
        uint64_t now_us;                        /* when the clock was looked at last: as rows come, after what takes long */
        uint64_t rows_at_count;                 /* committed when the first count began */
        bool ready;                             /* it has claimed its place once */
};

/* ---- feed.c, for run.c ---- */

/* Connects nowhere. `run` and `stream` must outlive it. */
struct feed *feed_new(struct feed_run *run, const struct config_stream *stream);
void feed_free(struct feed *f);                 /* safe on NULL */
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
/* Counts how many rows are to be sent, and fills progress.total, while they are sent; unless that is known. */
int feed_begin_count(struct feed *f, struct error *e);
/* What is worth knowing before anything is sent; once. */
int feed_announce(struct feed *f, struct error *e);
/* When every row is committed: counts them once more, unless none can be left, and says how many were passed over; fills
 * `missed`. */
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

/* What became of one row, of the wait for one, or of many. */
enum step {
        STEP_FAILED = -1,               /* worded */
        STEP_ON,
        STEP_STOPPED,                   /* between two keys */
        STEP_RENEW,
};
enum step feed_commit_step(struct feed *f, bool done, struct error *e);
/* The rows of one query, to its end (STEP_ON); what is sent after the last commit that was due is not committed.
 * `source`: which rows; the rest of it is filled here. */
enum step feed_pass(struct feed *f, struct ahead_source *source, struct error *e);
/* What the end of a feed comes to after a step that is not STEP_ON: a stop commits what is open. */
enum feed_end feed_end_early(struct feed *f, enum step step, struct error *e);
enum step feed_send_row(struct feed *f, const struct ahead_row *row, struct error *e);
/* What was sent is whole, or can't be made so: the error that led here stands in either case. Always STEP_FAILED. */
enum step feed_save_sent(struct feed *f);

/* ---- keep.c ---- */

/* Whether the stream can be followed. */
int keep_check(struct feed *f, struct error *e);
/* Where it goes on, and what is worth knowing about that; before anything is sent. */
int keep_begin(struct feed *f, struct error *e);
/* Sends new rows as they appear, until it is stopped. Never FEED_COMPLETE. */
enum feed_end keep_up(struct feed *f, struct error *e);
/* Sends a row of a look, or leaves it for a later one. */
enum step keep_row(struct feed *f, const struct ahead_row *row, struct error *e);

#endif
