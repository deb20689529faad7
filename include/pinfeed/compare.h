/* compare: what differs between rows and records, told by their keys and values alone, in bounded memory.
 *
 * Both sides are summed up, each row and each record as a keyed 128-bit hash, by buckets of their keys: where the sums are
 * equal, so are the rows and records, in whatever order. Only keys whose buckets differ are read again, in as many rounds
 * as memory asks for: 16 MiB, beside 8 for the sums of a comparison that runs.
 */
#ifndef PINFEED_COMPARE_H
#define PINFEED_COMPARE_H

#include "base.h"

/* What a key's rows and records are to each other. */
enum compare_class {
        COMPARE_MISSING,                /* rows without a record */
        COMPARE_DOUBLED,                /* records beyond a row's first */
        COMPARE_ALTERED,                /* rows whose record differs */
        COMPARE_FOREIGN,                /* records without a row, or without a key or a value */
        COMPARE_AWAITED,                /* rows without a record which is still to come, as the caller says */
        COMPARE_CLASSES
};

enum { COMPARE_NAMED = 10, COMPARE_SHOWN_MOST = 100 };

/* The first keys of a class, each once. */
struct compare_names {
        struct buffer list[COMPARE_NAMED];
        bool none[COMPARE_NAMED];       /* a record without a key */
        size_t count;
};
void compare_names_free(struct compare_names *n);       /* safe on {0}; then there are none */

/* A row whose record differs, and the first such record. */
struct compare_shown {
        struct buffer key, row, record;
        uint64_t hash;                  /* of the key */
        bool complete;                  /* the record was found, and is none of another row of the key */
};

struct compare_result {
        uint64_t rows, records;         /* how many were compared */
        uint64_t counts[COMPARE_CLASSES];
        struct compare_names names[COMPARE_CLASSES];
        struct compare_shown shown[COMPARE_SHOWN_MOST];
        size_t shown_count;
};

/* What digests depend on: drawn anew for each run, so that nobody can make two values that look the same. */
struct compare_secret;
struct compare_secret *compare_secret_new(void);        /* freed with free() */

struct compare_sides {
        const char *name;               /* the stream's, for errors */
        const struct compare_secret *secret;
        /* Hand every row to compare_row and every record to compare_record: the same ones each time, of which there will be
         * several. `both`: at once; one thread for each side. -1 with an error. */
        int (*rows)(void *arg, struct error *e);
        int (*records)(void *arg, struct error *e);
        int (*both)(void *arg, struct error *e);
        /* Whether a row's record is still to come, if it has none; NULL: none is. */
        bool (*is_awaited)(void *arg, const char *key, size_t length);
        void *arg;
        atomic_uint *ret_round;         /* which round it is that looks for keys; 0: everything is summed up */
        size_t show;                    /* so many of the altered rows, at most COMPARE_SHOWN_MOST */
        bool repeats;                   /* a row may have any number of records, and none: only ALTERED and FOREIGN are told */
        bool counts_keys;               /* for compare_keys */
};

struct compare;
struct compare *compare_new(const struct compare_sides *sides);        /* copied */
void compare_free(struct compare *c);   /* safe on NULL */
/* ERROR_REFUSED: too many rows have the same key to tell them apart; else what the sides failed with. */
int compare_run(struct compare *c, struct error *e);
/* What has come of it so far. */
const struct compare_result *compare_result(const struct compare *c);

/* From within the sides' functions; copied. -1 ends them. */
int compare_row(struct compare *c, const char *key, size_t key_length, const char *value, size_t value_length, struct error *e);
/* A key or value that the record doesn't have is NULL. */
void compare_record(struct compare *c, const char *key, size_t key_length, const char *value, size_t value_length);

/* Keys that are not equally often in the records of all of them. */
enum { COMPARE_KEYS_MOST = 3 };
struct compare_uneven {
        uint64_t count;
        struct compare_names names;
};
/* After each of them has run, with counts_keys and the same secret. 2 <= count <= COMPARE_KEYS_MOST. */
int compare_keys(struct compare *const *all, size_t count, struct compare_uneven *ret, struct error *e);

#endif
