/* place: how far a stream's replay is, and where that is kept. Exactly once: as an offset of [replay] group, committed in
 * the transaction of the rows before it, with a copy in the state directory by which a later run sees that there was one.
 * With exactly_once = no that file is all there is; it is written when the rows before it are acknowledged.
 */
#ifndef PINFEED_FEED_PLACE_H
#define PINFEED_FEED_PLACE_H

#include "batch.h"
#include "decide.h"
#include "pinfeed/session.h"

/* The default of [replay] group in earlier versions, for all users. */
#define PLACE_FORMER_GROUP "pinfeed"

/* One a stream and process: what it says is true over all attempts. */
struct place {
        struct connection *connection;
        const struct config_stream *stream;
        const char *group;
        bool exactly_once;
        int64_t start_ms;               /* of this process */
        char *path, *old_path;          /* the file; as earlier versions named it */
        int lock_fd;                    /* exactly_once = no: held to the end; -1 */

        struct cursor cursor;           /* as it is committed */
        struct cursor_run *at;          /* the run of it that goes on; NULL: not settled yet */
        struct cursor copy;             /* exactly once: what the file said */
        struct cursor former;           /* who signed the cursor before this process did */
        char *cluster;                  /* its id, or NULL */
        bool found;                     /* there was a cursor, or a copy of one */
        bool moving;                    /* it was found in PLACE_FORMER_GROUP, and is taken along with the next commit */
        bool claimed;                   /* the cursor was ours once: every right is there */
        uint64_t rows_before;           /* of the run, sent by earlier processes */
        uint64_t rows_known;            /* of the run, committed for certain */
        uint64_t doubt_rows, doubt_bytes;       /* of a commit of which nobody knows whether it was done */
        bool undelivered;               /* exactly_once = no: a record was reported as not delivered */
        uint64_t copied_us;             /* when the file was written */
        bool copy_failed;
};

void place_init(struct place *p, struct connection *c, const struct config_stream *stream, int64_t start_ms);
void place_free(struct place *p);

/* exactly_once = no: nobody else may use the file meanwhile. */
int place_lock(struct place *p, struct error *e);
/* Reads cursor and copy anew. */
int place_load(struct place *p, struct error *e);
/* The cursor as it is committed now, without waiting for what is open; also of a stream that another worker has. An empty
 * one if there is none. `ret` is freed by the caller. */
int place_peek(struct place *p, const struct place *of, struct cursor *ret, struct error *e);
/* Decides where to go on, and makes it so: `at`, signed by this process. Says what has to be said, or refuses. */
int place_settle(struct place *p, const struct decide_wanted *wanted, struct error *e);

enum place_commit {
        PLACE_COMMITTED = 0,
        PLACE_SPENT,                    /* committed; the next transaction needs a new producer */
        PLACE_FAILED = -1,              /* worded; if nobody knows whether it was done: doubt_rows */
};
/* Commits the cursor, and the batch before it, in the transaction that is open. `done`: the upper bound is reached. */
enum place_commit place_commit(struct place *p, struct batch *b, bool done, struct error *e);

/* Whether somebody else has signed the cursor since we did: one look. */
int place_is_ours(struct place *p, struct error *e);
/* After being fenced: was it by another pinfeed, or did the brokers end a transaction that took too long? 0: nobody came.
 * -1: ERROR_TAKEN_OVER, or it can't be known. */
int place_check_fenced(struct place *p, struct error *e);

/* place_words.c: the refusals. Always -1. */
int place_refuse(struct place *p, enum decision decision, const char *id, struct error *e);
int place_refuse_foreign(struct place *p, int version, struct error *e);

#endif
