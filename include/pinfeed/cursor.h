/* cursor: how far a replay is, as the text that is committed with its records.
 *
 * Format (version 1): one JSON object, at most 4,096 bytes (the brokers' offset.metadata.max.bytes):
 *   {"pinfeed":1,"table":FINGERPRINT,"writer":{"host":H,"pid":P,"start":MS},
 *    "main":{"rows":N,"last":KEY|null,"to":KEY|null,"restart":BOOL,"done":BOOL},
 *    "bounded":{"id":HEX, … as main …},                               (only if there was such a run)
 *    "earlier":[ … bounded ones, the newest first, as many as fit … ]}
 * KEY is the key's text, or "0x" and its bytes in hex when it isn't plain UTF-8 or begins with "0x". A run may have
 * "table", if its table was another then, "again", which restart it is or was of, "followed", if a follow has sent some of
 * its rows, and "gaps", the keys below `last` that a follow still looks for (feed/gaps.h). A file says "topic" and "cluster".
 */
#ifndef PINFEED_CURSOR_H
#define PINFEED_CURSOR_H

#include <sys/types.h>

#include "table.h"

enum {
        CURSOR_TEXT_MAX = 4096,
        CURSOR_FILE_MAX = CURSOR_TEXT_MAX + 512,
        /* The longest key of which four fit, each byte doubled at worst. */
        CURSOR_KEY_MAX = 430,
        CURSOR_EARLIER = 7,
};

/* Where one run is: the main one, or one bounded by --from and --to. */
struct cursor_run {
        bool present;
        uint64_t rows;                  /* sent since the run's beginning */
        bool has_last, has_to;
        struct buffer last;             /* the last key sent; everything up to it was */
        struct buffer to;               /* the run's upper bound, inclusive */
        bool restart;                   /* begun with --restart */
        bool done;                      /* the upper bound was reached */
        char id[17];                    /* of a bounded run: from --from and --to; "" for the main one */
        char again[33];                 /* the last --restart that it took part in; "": none is known */
        char fingerprint[33];           /* of its table; "": the cursor's */
        bool followed;                  /* rows may have come late, out of key order */
        struct buffer gaps;             /* as text; only a follow reads and changes it */
};

struct cursor {
        char fingerprint[33];
        char host[65];                  /* the writer */
        pid_t pid;
        int64_t start_ms;
        char topic[250], cluster[65];   /* "": not said */
        struct cursor_run main, bounded, earlier[CURSOR_EARLIER];
        size_t earlier_count;
};

enum cursor_text { CURSOR_READ = 0, CURSOR_FOREIGN };
/* CURSOR_FOREIGN: the text is not a cursor of pinfeed, or of a version that is too new (*ret_version, else 0). Frees what
 * was in `c` before. */
enum cursor_text cursor_parse(const char *text, size_t length, struct cursor *c, int *ret_version);
/* Appends the text; of at most `limit` bytes, if leaving out earlier runs does it. */
void cursor_print(const struct cursor *c, size_t limit, struct buffer *out);
void cursor_free(struct cursor *c);             /* safe on {0} and twice */

/* The run of that id, or NULL. */
struct cursor_run *cursor_find(struct cursor *c, const char *id);
/* The same, as the main or the bounded run; made, or fetched from the earlier ones, if it isn't. What is bounded now
 * becomes an earlier one then. */
struct cursor_run *cursor_take(struct cursor *c, const char *id);
/* What a run's table was. */
const char *cursor_fingerprint(const struct cursor *c, const struct cursor_run *run);
/* Begins it from nothing. */
void cursor_reset(struct cursor_run *run);

/* Who runs: this host, process and its start. */
void cursor_sign(struct cursor *c, int64_t start_ms);
bool cursor_same_writer(const struct cursor *a, const struct cursor *b);

/* The id of a bounded run: 16 hex digits; NULL: no bound. */
void cursor_bounded_id(const char *from, const char *to, char ret[static 17]);

/* A key as it stands in the text: readable for people, too. */
void cursor_print_key(const struct key *key, struct buffer *out);
/* The reverse; -1 if it is malformed. */
int cursor_parse_key(const char *text, size_t length, struct buffer *ret);

#endif
