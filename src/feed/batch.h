/* batch: the rows that are sent and not yet committed, and when they have to be; the pace at which rows go. Values only:
 * the time is an argument. */
#ifndef PINFEED_FEED_BATCH_H
#define PINFEED_FEED_BATCH_H

#include "pinfeed/base.h"

/* The open transaction; with exactly_once = no, what was sent since the file was written. */
struct batch {
        bool open;
        uint64_t opened_us;
        uint64_t rows, bytes;
        struct buffer last;             /* the key of the last row sent, if there are rows */
        uint64_t last_rows;             /* of them, those with that key */
        bool inside;                    /* more rows with that key may follow: not the time to commit */
        uint64_t key_began_us;          /* when rows with that key began */
        uint64_t blocked_us;            /* waited for Kafka since then */
};

struct batch_limits {
        uint64_t rows, bytes, open_us;  /* a batch is committed when one is reached */
        uint64_t key_us;                /* one key's rows take no longer, or don't fit into a transaction */
};

/* `timeout_us`: how long the brokers let a transaction be open; 0: for ever. */
struct batch_limits batch_limits(uint64_t commit_rows, uint64_t timeout_us);
bool batch_is_due(const struct batch *b, const struct batch_limits *limits, uint64_t now_us);
/* Whether the rows of the key that is under way take too long. */
bool batch_is_too_long(const struct batch *b, const struct batch_limits *limits, uint64_t now_us);
/* A row was sent. `begins`: its key is another than the last row's; `ends`: so is the next one's. */
void batch_add(struct batch *b, const char *key, size_t key_length, size_t bytes, bool begins, bool ends, uint64_t now_us);
/* Nothing is open any more. */
void batch_clear(struct batch *b);

/* ---- pace ---- */

/* Reserves the moment of the next row among all who share `next_ns`: when it may go. */
uint64_t limiter_turn_us(_Atomic uint64_t *next_ns, double rows_per_s, uint64_t now_us);

/* What goes wrong one time after the other, without progress between. */
struct failures {
        unsigned count;
        uint64_t committed;             /* at the first of them */
        struct error first;
};
enum { FAILURES_MOST = 5 };
/* Counts one; false: these were enough. */
bool failures_add(struct failures *failures, uint64_t committed, const struct error *e);
unsigned failures_pause_ms(const struct failures *failures);

#endif
