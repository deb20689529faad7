/* gaps: which keys below the greatest one that was sent may still turn up. AUTO_INCREMENT hands out keys in order, but rows
 * become visible when their transactions commit, in any order: a key that is missing now belongs to a transaction that is
 * open, or that was rolled back, or to a row that was deleted. Values only: the time, and what the server says of its
 * transactions, are arguments.
 *
 * A key is missing from a moment on when a greater one was seen. Every transaction that can hold it was open at that moment.
 * So it is settled when all of those have ended, or, where nobody may know that, after a time; and it was never used when
 * it is still not there in a look that began after that.
 *
 * As text, in the cursor: "7,3+2,40" stands for the keys 7, 10 to 12, and 52: the first one, and how many follow it; then
 * how far the next is from the end of the one before, and so on.
 */
#ifndef PINFEED_FEED_GAPS_H
#define PINFEED_FEED_GAPS_H

#include "pinfeed/base.h"

enum {
        /* So many bytes of text are filled with ranges. One whose ends turn up grows by 2 at most: by half in all, for which the
         * cursor has room, too. */
        GAPS_TEXT_MAX = 2000,
        GAPS_RANGE_MAX = 42,            /* the longest text of one range: two numbers of 20 digits, + and , */
        /* A statement takes its key before its transaction is in the server's list. */
        GAPS_UNLISTED_US = 2000000,
};

/* What the server says of transactions that have written: their numbers grow. */
struct transactions {
        bool known;                     /* false: it may not, or does not know them all */
        uint64_t oldest, newest;        /* that are open now; 0: none is */
};

/* Since when something is waited for, and how that ends. */
struct settling {
        uint64_t since_us;
        bool barred, settled;
        uint64_t barrier;               /* if barred: the newest transaction that was open then */
};
/* Whether it is settled now: all that was open has ended, or `settle_us` have passed where nobody can know that. */
bool settling_look(struct settling *s, const struct transactions *t, uint64_t settle_us, uint64_t now_us);

struct gap {
        int64_t first, last;
        struct settling settling;
};

struct gaps {
        struct gap *list;               /* by key; no two touch each other */
        size_t count, capacity;
        size_t text_length;
        int64_t frontier;               /* the greatest key sent; every one below was sent, is in the list, or never used */
        int64_t horizon;                /* settled: what is missing up to here, in a look from now on, was never used */
        uint64_t unused;                /* keys that were never used, of those that were in the list */
};
#define GAPS_NOTHING_SENT INT64_MIN

void gaps_begin(struct gaps *g);        /* nothing is missing, and nothing was sent */
void gaps_free(struct gaps *g);         /* safe on {0} and twice */

enum gaps_verdict {
        GAPS_SEND,
        GAPS_WAIT,                      /* too much is missing already: not in this look */
        GAPS_KNOWN,                     /* it was sent before, or given up */
};
enum gaps_verdict gaps_judge(const struct gaps *g, int64_t key);
/* It was sent, as was judged. */
void gaps_sent(struct gaps *g, int64_t key, uint64_t now_us);
/* Before a look: what is settled by now. Returns how many ranges are not. */
size_t gaps_settle(struct gaps *g, const struct transactions *t, uint64_t settle_us, uint64_t now_us);
/* After a look, which began after that and came to its end: what is settled is not missed any longer. Returns whether
 * there was such. */
bool gaps_forget_settled(struct gaps *g);

/* How many keys are missed; what lies below the first row of all doesn't count. */
uint64_t gaps_keys(const struct gaps *g);

void gaps_print(const struct gaps *g, struct buffer *out);
/* The reverse, below `frontier`: missed since `now_us`. -1: it is malformed. */
int gaps_parse(struct gaps *g, int64_t frontier, const char *text, size_t length, uint64_t now_us);

/* An integer key; -1: it is none, or does not fit. */
int gaps_parse_key(const char *text, size_t length, int64_t *ret);

#endif
