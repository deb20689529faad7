/* ahead: rows are read and encoded by a thread of their own, a little ahead of whoever sends them. So a table that
 * sends no row for long keeps nobody from committing, and reading goes on during a commit. At most two chunks are held.
 */
#ifndef PINFEED_FEED_AHEAD_H
#define PINFEED_FEED_AHEAD_H

#include <pthread.h>

#include "pinfeed/json.h"
#include "pinfeed/table.h"

struct ahead_row {
        const char *key, *value;
        size_t key_length, value_length;
        bool begins, ends;              /* the rows of its key: it is the first, the last */
        bool fresh, last;               /* of those that are at hand: likewise */
};

struct ahead_chunk {
        struct buffer bytes;            /* keys and values */
        struct ahead_mark {
                size_t at;              /* of the key; its value follows */
                size_t key_length, value_length;
                bool begins, ends;
        } *marks;
        size_t count, capacity;
};

/* What is read: as table_read, or, if there are ranges, as table_read_ranges. Must last until ahead_stop. */
struct ahead_source {
        struct database *database;
        const struct table *table;
        const struct json_plan *plan;
        const struct key *after, *to;
        bool from_inclusive;
        const struct table_range *ranges;
        size_t range_count;
        uint64_t limit;                 /* of ranges; 0: none */
};

struct ahead {
        struct ahead_source source;
        pthread_t thread;
        pthread_mutex_t lock;           /* for what follows */
        pthread_cond_t changed;
        struct ahead_chunk filling;
        size_t whole;                   /* so many of its rows may be taken: more with the last one's key don't follow, */
        bool quit, done, good;          /* or it is a key of too many rows; quit: nobody takes any more */
        bool takes_any;                 /* the taker has waited for more, and takes what comes */
        enum table_next result;         /* when done; TABLE_ROW: it was told to quit */
        struct error error;
        struct buffer key;              /* the reader's own: of the last row */
        struct ahead_chunk taken;       /* the taker's own */
        size_t next;                    /* in `taken` */
};

enum ahead_result {
        AHEAD_FAILED = -1,              /* worded; every row before it was handed out */
        AHEAD_ROW,
        AHEAD_NONE,                     /* not yet */
        AHEAD_END,
};

void ahead_start(struct ahead *a, const struct ahead_source *source);
/* The next row, waited for at most `wait_ms`. It is valid until the next call after one that is `last`. */
enum ahead_result ahead_next(struct ahead *a, unsigned wait_ms, struct ahead_row *ret, struct error *e);
/* Ends the thread, which stays in the server's answer until that comes or the connection is told to stop. Returns whether
 * the connection is still good. */
bool ahead_stop(struct ahead *a);
/* Whether the thread waits for nothing of the server's any more. */
bool ahead_is_done(struct ahead *a);

#endif
