/* keys: what is known of the rows and records of some keys, in bounded memory. Values only.
 *
 * A round looks at the buckets from `from` up to `to`. When there is no more room, the upper half of them is left to the
 * next round: what is known of the others is whole.
 */
#ifndef PINFEED_COMPARE_KEYS_H
#define PINFEED_COMPARE_KEYS_H

#include "sums.h"

enum { KEYS_ROWS, KEYS_RECORDS, KEYS_COMMON, KEYS_COUNTS };

struct keys_entry {
        uint64_t key, value;            /* of a key: what its first row hashes to */
        uint32_t counts[KEYS_COUNTS];
        bool used;
        bool pair;                      /* not a key, but another row of it than the first, and how many there are */
        bool matched;                   /* the first row has had its record */
        bool awaited;                   /* a record that is not there is still to come */
};

enum { KEYS_SIZE = 1 << 19 };           /* entries of 32 bytes that are held at once */

struct keys {
        struct keys_entry *slots;
        size_t size, count;             /* size: a power of two */
        uint32_t from, to;
};

void keys_init(struct keys *k, size_t size);
void keys_free(struct keys *k);         /* safe on {0} and twice */
/* A round of the buckets from `from` on; forgets the one before. */
void keys_begin(struct keys *k, uint32_t from);
bool keys_covers(const struct keys *k, const struct digest *d);

/* -1: a single bucket has more rows than there is room for. */
int keys_add_row(struct keys *k, const struct digest *d, bool awaited);
/* After all rows. `repeats`: a row may have any number of records. False: the key has no row. */
bool keys_add_record(struct keys *k, const struct digest *d, bool repeats);
/* Counts a key that has no rows, as -1 does; `which`: of the counts. */
int keys_add(struct keys *k, const struct digest *d, int which);

/* The key's entry, or NULL. */
struct keys_entry *keys_find(const struct keys *k, const struct digest *d);
/* After all records, of an entry's key: whether a row has had its record; whether a record is like a row. */
bool keys_row_is_matched(const struct keys *k, const struct keys_entry *entry, const struct digest *d);
bool keys_is_like_row(const struct keys *k, const struct keys_entry *entry, const struct digest *d);
/* What a key that has rows comes to: adds to `counts`. */
void keys_class(const struct keys_entry *entry, bool repeats, uint64_t counts[static COMPARE_CLASSES]);

#endif
