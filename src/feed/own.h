/* What the files of this room share. At any line: what is committed is what place.cursor says; what is sent beyond it is
 * the batch; and whatever fails, or leaves it open whether a commit was done, ends the attempt.
 */
#ifndef PINFEED_FEED_OWN_H
#define PINFEED_FEED_OWN_H

#include "batch.h"
#include "count.h"
#include "pinfeed/feed.h"
#include "place.h"

struct feed {
        struct feed_run *run;
        struct connection connection;
        struct stream stream;
        struct place place;                     /* lasts over attempts */
        struct batch batch;                     /* of one attempt */
        struct count count;                     /* likewise: first of what is to be sent, then of what was */
        struct batch_limits limits;
        char *transactional_id;
        struct feed_progress progress;
        struct feed_result result;
        uint64_t rows_at_count;                 /* committed when the first count began */
        bool announced, ready;                  /* what is said once was said */
};

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
/* Counts how many rows are to be sent, and fills progress.total, while they are sent. */
int feed_begin_count(struct feed *f, struct error *e);
/* What is worth knowing before anything is sent; once. */
int feed_announce(struct feed *f, struct error *e);
/* When every row is sent: counts them once more, while they are committed ... */
void feed_begin_missed(struct feed *f);
/* ... and says which rows were passed over; fills `missed`. */
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
