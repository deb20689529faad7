/* keep: what a feed that follows its table knows beyond its place: what is missing, and what is counted later on. */
#ifndef PINFEED_FEED_KEEP_H
#define PINFEED_FEED_KEEP_H

#include "gaps.h"
#include "pinfeed/cursor.h"
#include "pinfeed/table.h"

/* The rows that were sent of after < key <= to. */
struct keep_window {
        bool set;
        int64_t after, to;
        uint64_t sent;
};

/* Of one attempt. */
struct keep {
        struct gaps gaps;
        struct transactions transactions;       /* as they were before this look */
        bool hidden;                            /* they are not asked for any more */
        bool has_horizon;                       /* the greatest key at some moment; when it is settled it is gaps.horizon, */
        int64_t horizon;
        struct settling horizon_settling;
        bool catches_up;                        /* and the rows up to it are read at once */
        bool blocked;                           /* too much is missing: the frontier waits */
        bool said_blocked;
        uint64_t look_us, counted_us, committed_us, ours_us;    /* when the last one began */
        uint64_t late;                          /* rows of the batch that came out of key order */
        uint64_t taken;                         /* rows that this look has brought, */
        bool postponed;                         /* and not all of them were sent */
        bool forgot;                            /* it gave up keys that the cursor still lists */
        struct table_range *ranges;             /* that it asks for */
        size_t range_capacity;
        struct keep_window windows[3];          /* the one that grows, the last one, the one that is counted */
        uint64_t count;                         /* what that came to */
};

void keep_free(struct keep *k);                 /* safe on {0} and twice */
/* What is missing, as a part of the cursor. */
void keep_write(const struct keep *k, struct cursor_run *at);

#endif
