/* What the files of this room share. */
#ifndef PINFEED_COMPARE_OWN_H
#define PINFEED_COMPARE_OWN_H

#include "keys.h"

/* Valid until the next one. */
struct item {
        const char *key, *value;
        size_t key_length, value_length;
        struct digest digest;
};
/* -1: too many rows of one key. */
typedef int (*row_fn)(struct compare *c, const struct item *item);
typedef void (*record_fn)(struct compare *c, const struct item *item);

/* What one of the two threads counts, in a cache line of its own. */
struct side {
        struct sums sums;
        uint64_t count;
        char apart[64];
};

struct compare {
        struct compare_sides sides;
        struct compare_result result;
        struct side rows, records;
        uint64_t *key_sums;             /* sums of the records' keys alone, by bucket; NULL: nobody wants to know */
        struct keys keys;               /* of one round at a time */
        struct posts *posts;            /* posts.c: while keys are compared; and which one of them it is */
        int post;
        row_fn take_row;                /* what becomes of a row and a record in this reading */
        record_fn take_record;
};

void names_add(struct compare_names *n, const char *key, size_t length);

#endif
