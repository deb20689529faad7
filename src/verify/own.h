/* What the files of this room share. */
#ifndef PINFEED_VERIFY_OWN_H
#define PINFEED_VERIFY_OWN_H

#include "pinfeed/compare.h"
#include "pinfeed/cursor.h"
#include "pinfeed/verify.h"

enum { VERIFY_POSTS = COMPARE_KEYS_MOST };      /* the first streams: those of the posts */

/* What has filled a topic. */
enum verify_kind {
        VERIFY_REPLAYED,                /* every row once, in the order of the keys */
        VERIFY_FOLLOWED,                /* every row once; those that came late are where they came */
        VERIFY_EMULATED,                /* any rows, any number of times */
        VERIFY_KINDS
};
extern const char *const verify_kinds[VERIFY_KINDS];

/* One stream. */
struct check {
        struct verify *verify;
        struct stream stream;
        enum verify_kind kind;
        struct cursor cursor;           /* what it is seen from; empty: the user says so */
        int partitions;
        struct producer_span *spans;    /* of the topic, fixed at the start */
        struct key_bounds bounds;       /* of both sides */
        struct key from, to;
        struct buffer cut;              /* the first key that can be told of, if records were deleted before it */
        bool is_cut;
        struct buffer *previous;        /* each partition's last key */

        /* what comes of it */
        struct compare *compare;        /* NULL: it was not begun */
        int64_t log_start;              /* the greatest of the partitions: 0: nothing was deleted at the beginning */
        bool untold;                    /* which rows are missing can't be told */
        double unsent_s;                /* rows are awaited, and were not sent within so long; 0: a follow goes on */
        uint64_t out_of_order, aborted, took_us;

        /* for the main thread, too */
        _Atomic uint64_t rows_read;
        atomic_bool failed;             /* one side: the other one may end */
        atomic_bool done, awaits;       /* awaits: a follow is waited for */
        atomic_uint round;              /* as compare_sides has it */
        _Atomic uint64_t offsets;       /* that there are */
        _Atomic uint64_t offsets_read;  /* another thread's than rows_read, in another cache line */
};

struct verify {
        struct session session;
        struct connection connection;
        struct producer_reader *reader;
        struct compare_secret *secret;
        struct check *checks;
        size_t count;
        const struct options *options;
        size_t show;
        uint64_t began_us, snapshot_us;
        /* the posts of the emulation */
        struct compare *posts[VERIFY_POSTS];
        size_t topics_of_posts;         /* fewer than two: nothing to compare */
        struct compare_uneven uneven;
        bool compared, decided;         /* all streams; and whether a follow goes on, where rows are awaited */
};

/* ---- begin.c ---- */

/* ERROR_USAGE if it is none. */
int begin_kind(const char *text, enum verify_kind *ret, struct error *e);
/* Table, topic, what has filled it, and the bounds. */
int begin_check(struct check *c, struct error *e);
/* When the ends are fixed: bounds both sides to what can be told of a topic whose beginning is gone. */
int begin_cut(struct check *c, struct error *e);

/* ---- sides.c: all rows, all records within the bounds, as compare_sides wants them ---- */

int side_rows(void *check, struct error *e);
int side_records(void *check, struct error *e);
int side_both(void *check, struct error *e);
/* Whether it can be a row's at all: it has a value, and a key that the table's keys can be compared with. */
bool record_has_key(const struct check *c, const struct producer_record *record);

/* ---- await.c ---- */

/* After the comparison, where rows are awaited: waits until a follow has sent any, or for as long as one may take.
 * Until then, and after a stop, they are not sent. */
int await_follow(struct verify *v, struct error *e);

/* ---- verdict.c ---- */

int verdict_print(const struct verify *v, bool json, FILE *out, struct error *e);
bool verdict_is_equal(const struct verify *v);
/* The error that says so. Always -1. */
int verdict_differs(const struct verify *v, struct error *e);
/* The error that says what was found before a stop came, which left it undecided. Always -1. */
int verdict_stopped(const struct verify *v, struct error *e);

#endif
