/* decide: where a replay goes on, as a function of values: nothing is read, written or changed here. */
#ifndef PINFEED_FEED_DECIDE_H
#define PINFEED_FEED_DECIDE_H

#include "pinfeed/cursor.h"

enum decision {
        DECIDE_BEGIN,                   /* a run that nobody has begun: at its first key */
        DECIDE_RESUME,                  /* after the last key of the run that was found, done or not */
        DECIDE_RESTART,                 /* a run that was begun before, at its first key again */
        DECIDE_REFUSE_CHANGED,          /* the run that was found is of another table, or of the table as it was */
        DECIDE_REFUSE_LOST,             /* Kafka has no such run, but there was one */
        DECIDE_REFUSE_OLDER,            /* what was found is older than what is known to have been committed */
        DECIDE_REFUSE_ELSEWHERE,        /* the file's cursor is of another topic or another cluster */
};

/* What is asked for, and what is known without looking. */
struct decide_wanted {
        const char *id;                 /* of the run: "" for the main one, else from cursor_bounded_id */
        const char *fingerprint;        /* of the table */
        const char *old_fingerprint;    /* as an earlier version made it, or NULL: as good */
        const char *restart;            /* --restart: which one (decide_restart); NULL: it wasn't asked for */
        const char *topic, *cluster;    /* where it goes to; "": not known */
        bool claimed;                   /* this process has signed the cursor, and committed `rows` of the run */
        uint64_t rows;
};

/* `cursor`: as it was read; `copy`: what the state file said beside a cursor in Kafka, else an empty one. */
enum decision decide(struct cursor *cursor, struct cursor *copy, const struct decide_wanted *wanted);

/* Which restart --restart of several streams is: one that was interrupted goes on, as long as nobody has written any of
 * its cursors otherwise; else it is `fresh`. `streams` tells sets of streams apart: 8 hexadecimal digits. A restart's
 * name is those, a dash and when it began in hexadecimal milliseconds. */
void decide_restart(struct cursor *const *cursors, size_t count, const char *id, const char *streams, int64_t start_ms,
                    char ret[static 33]);

#endif
