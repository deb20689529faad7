/* What the files of this room share. */
#ifndef PINFEED_VERIFY_OWN_H
#define PINFEED_VERIFY_OWN_H

#include "keys.h"
#include "pinfeed/cursor.h"
#include "pinfeed/verify.h"

enum {
        VERIFY_NAMED = 10,              /* keys of each class */
        VERIFY_SHOWN_MOST = 100,
        VERIFY_POSTS = 3,               /* the first streams: those of the posts */
};

/* The first keys of a class, each once, as text for people; no text: a record without a key. */
struct names {
        struct buffer list[VERIFY_NAMED];
        bool none[VERIFY_NAMED];
        size_t count;
};
void names_add(struct names *n, const char *key, size_t length);
void names_free(struct names *n);

/* A row whose record differs. */
struct shown {
        uint64_t key;                   /* its hash */
        struct buffer name, row, record;
        bool complete;
};

/* Both sides' keys. */
struct bounds {
        enum key_order order;
        const struct key *from, *to;    /* NULL: no bound */
        bool after;                     /* `from` itself lies outside */
};

/* What has filled a topic. */
enum verify_kind {
        VERIFY_REPLAYED,                /* every row once, in the order of the keys */
        VERIFY_FOLLOWED,                /* every row once; those that came late are where they came */
        VERIFY_EMULATED,                /* any rows, any number of times */
        VERIFY_KINDS
};
extern const char *const verify_kinds[VERIFY_KINDS];

/* What one of the two threads counts, in a cache line of its own. */
struct side {
        struct sums sums;
        uint64_t count;                 /* in the first reading of everything */
        _Atomic uint64_t read;          /* in this reading; for the main thread, too */
        char apart[64];
};
static inline void side_read(struct side *s, uint64_t count) {
        atomic_store_explicit(&s->read, count, memory_order_relaxed);
}

/* One stream. */
struct check {
        struct verify *verify;
        struct stream stream;
        enum verify_kind kind;
        int partitions;
        struct producer_span *spans;    /* of the topic, fixed at the start */
        struct bounds bounds;
        struct key from, to;
        struct buffer cut;              /* the first key that can be told of, if records were deleted before it */
        bool is_cut;

        struct side rows, records;
        uint64_t *posts;                /* sums of the keys alone, by bucket; NULL: it has no posts that others have, too */
        int post;                       /* which of those streams it is */
        struct buffer *previous;        /* each partition's last key */

        /* what comes of it */
        int64_t log_start;              /* the greatest of the partitions: 0: nothing was deleted at the beginning */
        bool untold;                    /* which rows are missing can't be told */
        uint64_t counts[VERIFY_CLASSES], out_of_order, aborted, took_us;
        struct names names[VERIFY_CLASSES];
        struct shown shown[VERIFY_SHOWN_MOST];
        size_t shown_count;
        bool done;

        /* for the main thread, too */
        atomic_bool failed;             /* one side: the other one may end */
        atomic_uint round;              /* 0: the first reading of everything */
        uint64_t offsets;
};

struct verify {
        struct session session;
        struct connection connection;
        struct producer_reader *committed, *uncommitted;
        struct sums_secret secret;
        struct keys keys;               /* of one round at a time */
        struct check *checks;
        size_t count;
        const struct options *options;
        size_t show;
        uint64_t began_us;
        /* the posts of the emulation */
        int topics_of_posts;            /* fewer than two: nothing to compare */
        uint64_t posts_differ;
        struct names posts;
};

/* ---- begin.c ---- */

/* ERROR_USAGE if it is none. */
int begin_kind(const char *text, enum verify_kind *ret, struct error *e);
/* Table, topic, what has filled it, and the bounds. */
int begin_check(struct check *c, struct error *e);
/* When the ends are fixed: bounds both sides to what can be told of a topic whose beginning is gone. */
int begin_cut(struct check *c, struct error *e);

/* ---- sides.c: all rows, all records ---- */

/* Valid until the next one. */
struct item {
        const char *key, *value;
        size_t key_length, value_length;
        int partition;
        int64_t offset;
        struct digest digest;           /* of records that have key and value, and of rows */
};
/* What doesn't fit lies outside of any bound. */
bool bounds_hold(const struct bounds *bounds, const struct key *key);
/* -1 with an error. */
typedef int (*item_fn)(struct check *c, const struct item *item, struct error *e);

/* Hands out every row within the bounds. */
int side_rows(struct check *c, item_fn fn, struct error *e);
/* Hands out every committed record within the bounds. `seen`, if not NULL, is told of all others, too, by their offsets. */
struct unseen;
int side_records(struct check *c, struct unseen *unseen, item_fn fn, struct error *e);
/* Both at once; `fn` are called by two threads. */
int side_both(struct check *c, item_fn row, struct unseen *unseen, item_fn record, struct error *e);

/* ---- unseen.c: what a reader of committed records does not see ---- */

struct stretch {
        int partition;
        int64_t from, to;               /* from <= offset < to */
        int64_t hidden;                 /* offsets in it that were not seen */
};
enum { UNSEEN_MOST = 4096 };
struct unseen {
        struct stretch *list;
        size_t count;
        int64_t near;                   /* gaps that are not farther from each other are one */
        int64_t *next;                  /* of each partition: the offset that is to come */
};
void unseen_init(struct unseen *g, const struct producer_span *spans, int partitions);
void unseen_free(struct unseen *g);
void unseen_saw(struct unseen *g, int partition, int64_t offset);
/* After everything up to the ends was seen. */
void unseen_end(struct unseen *g, const struct producer_span *spans, int partitions);
/* Reads them uncommitted: how many records lie there that were aborted. */
int unseen_count(struct check *c, const struct unseen *g, uint64_t *ret, struct error *e);

/* ---- differ.c: which keys differ ---- */

/* After all was summed up: fills counts, names and what is shown. */
int differ_find(struct check *c, struct error *e);
bool check_is_equal(const struct check *c);

/* ---- posts.c ---- */

/* Whether the emulated topics have the same posts, equally often: fills what verify has of them. */
int posts_compare(struct verify *v, struct error *e);

/* ---- verdict.c ---- */

int verdict_print(const struct verify *v, bool json, FILE *out, struct error *e);
bool verdict_is_equal(const struct verify *v);
/* The error that says so. Always -1. */
int verdict_differs(const struct verify *v, struct error *e);

#endif
