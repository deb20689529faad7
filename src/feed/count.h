/* count: how many rows a range has, counted on a thread and over a connection of its own, while others read and send. */
#ifndef PINFEED_FEED_COUNT_H
#define PINFEED_FEED_COUNT_H

#include "pinfeed/session.h"

struct count {
        struct connection own;
        pthread_t thread;
        bool under_way;
        const struct table *table;
        struct buffer after, to;
        bool has_after, inclusive;
        int result;                             /* the thread's: 0, or -1 with `error` */
        struct error error;
        void (*done)(void *arg, uint64_t rows);
        void *arg;
};

void count_init(struct count *c, struct session *s);
/* Counts rows with after < key <= to (after NULL: no lower bound; inclusive: after <= key), without patience. `table` must
 * stay until count_end; the keys are copied. `done` hears the number, on the thread. */
void count_start(struct count *c, const struct table *table, const struct key *after, bool inclusive, const struct key *to,
                 void (*done)(void *arg, uint64_t rows), void *arg);
/* Waits for its end. */
int count_end(struct count *c, struct error *e);
/* Ends it, whatever it does, and closes its connection. Safe when none is under way. */
void count_stop(struct count *c);
void count_free(struct count *c);               /* after count_stop */

#endif
