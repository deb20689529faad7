/* progress: what a replay shows on a terminal while it runs, as a function of numbers. */
#ifndef PINFEED_REPLAY_PROGRESS_H
#define PINFEED_REPLAY_PROGRESS_H

#include "pinfeed/base.h"

/* How fast something grows, smoothed: what was a few seconds ago counts less and less. */
struct pace {
        uint64_t at_us, count;
        double per_s;
};
/* From {}; at times that do not go back. A count that goes back is no growth. */
void pace_update(struct pace *p, uint64_t count, uint64_t now_us);
/* How long it takes to `total` at that rate; 0: it is there, or nobody knows. */
uint64_t pace_left_s(const struct pace *p, uint64_t total);

/* Of one stream; what earlier processes sent of the run counts, too. committed <= sent <= total. */
struct progress {
        const char *name;
        bool known;                     /* where it begins, and so the rest */
        bool finished;
        uint64_t total, sent, committed;
        uint64_t bytes;                 /* committed by this run */
        double per_s;                   /* sent */
        uint64_t left_s;                /* 0: nothing is, or nobody knows */
};
/* One line for each, and one for all of them if they are several; no line is longer than `columns`. The numbers come
 * first, those that say more before the others; a bar has what room is left: `#` is committed, `=` sent. */
void progress_print(const struct progress *streams, size_t count, unsigned columns, struct buffer *out);

#endif
