/* base: what every room shares: errors, buffers, rows, counters, time.
 *
 * Conventions of the whole program:
 *  - A function that can fail returns int: 0 is done, -1 failed (the last argument, a struct error, says why). One that
 *    has more to say returns an enum that names its outcomes. Being told to stop is a failure of class ERROR_STOPPED.
 *  - `ret_` arguments are written only on success.
 *  - An error is worded where it happens and logged once, at the top (main).
 *  - Memory that can't be had ends the process (abort): a restart is the only cure for it.
 *  - Times carry their unit in the name. Monotonic times are for waiting, wall times for tokens and people.
 */
#ifndef PINFEED_BASE_H
#define PINFEED_BASE_H

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* ---- errors ------------------------------------------------------------------------------------------------ */

/* What an error means for the caller, and in the end for the exit code. */
enum error_class {
        ERROR_NONE = 0,
        ERROR_FAILED,           /* exit 1: something broke, a restart may help */
        ERROR_UNREACHABLE,      /* exit 1: nobody answers; a daemon waits and tries again */
        ERROR_USAGE,            /* exit 2: the command line is wrong */
        ERROR_TAKEN_OVER,       /* exit 3: another instance took over */
        ERROR_REFUSED,          /* exit 78: wrong configuration or refused permission; a restart won't help */
        ERROR_STOPPED,          /* told to stop, which is no failure: exit 0, unless the job says otherwise */
};

struct error {
        enum error_class class;
        bool vain;              /* ERROR_UNREACHABLE, and waiting won't help unless something is changed: only a daemon waits */
        char what[1536];        /* what failed and why, in the other side's words; one line, no final period */
        char hint[1024];        /* what to do next: whole sentences; "" when there is nothing to add */
};

/* Words an error; clears an earlier hint. Always returns -1, so that a caller can `return error_set(...)`. */
int error_set(struct error *e, enum error_class class, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Adds what to do next. Always returns -1. */
int error_hint(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Puts words in front of `what`, such as which stream it was. Always returns -1. */
int error_prefix(struct error *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Says that what was under way was left because a stop was asked for. Always returns -1. */
int error_stopped(struct error *e);
/* The class of an error about a file: want of space, memory or descriptors passes, what else there is wants a change. */
enum error_class error_class_of_file(int cause /* errno */);
/* The process's exit code for an error (see enum error_class). */
int error_exit_code(const struct error *e);

/* Several mistakes that are told in one run, such as those of the settings: the first ones are kept, all are counted. */
enum { ERRORS_KEPT = 10 };
struct errors {
        struct error *list;     /* the first ERRORS_KEPT of `count` */
        size_t count;
};
/* Copies an error to the end. Always returns -1. */
int errors_add(struct errors *all, const struct error *e);
void errors_free(struct errors *all);           /* safe on {0} and twice */

/* ---- memory ------------------------------------------------------------------------------------------------ */

/* Like malloc, calloc, realloc and strdup, but never NULL: out of memory aborts. Freed with free(). */
void *mem_alloc(size_t size);
void *mem_zero(size_t count, size_t size);
void *mem_resize(void *p, size_t size);
char *mem_copy_string(const char *s);
/* `length` bytes of `s` and a terminating NUL. */
char *mem_copy_bytes(const void *s, size_t length);
char *mem_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Overwrites memory with zeros in a way that the compiler keeps (for secrets). */
void mem_wipe(void *p, size_t length);

/* Wipes a string and frees it; safe on NULL. */
void mem_free_secret(char *s);

/* Owners' clean-up: `_cleanup_free_ char *s = ...;` frees s when it leaves the scope. */
static inline void mem_free_pointer(void *p) { free(*(void **) p); }
#define _cleanup_(f) __attribute__((cleanup(f)))
static inline void mem_free_secret_pointer(char **s) { mem_free_secret(*s); }
#define _cleanup_free_ _cleanup_(mem_free_pointer)
#define _cleanup_free_secret_ _cleanup_(mem_free_secret_pointer)

/* ---- buffer: bytes that grow, are reused, and remember their length ------------------------------------------ */

/* A buffer may hold a secret: when it grows, nothing stays behind where it was. */
struct buffer {
        char *data;             /* `length` bytes; not NUL-terminated, unless buffer_string() was asked */
        size_t length, capacity;
};

/* Makes room for `more` bytes behind `length` and returns where they go. */
char *buffer_reserve(struct buffer *b, size_t more);
void buffer_append(struct buffer *b, const void *bytes, size_t length);
void buffer_append_string(struct buffer *b, const char *s);
void buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The contents with a NUL behind them (the NUL does not count in `length`). Valid until the next change. */
const char *buffer_string(struct buffer *b);
void buffer_free(struct buffer *b);             /* safe on {0} and twice */
void buffer_wipe_and_free(struct buffer *b);    /* the same for secrets */
#define _cleanup_buffer_ _cleanup_(buffer_free)
#define _cleanup_secret_ _cleanup_(buffer_wipe_and_free)

/* ---- text ------------------------------------------------------------------------------------------------------ */

static inline bool text_is_between(unsigned char c, unsigned char low, unsigned char high) {
        return (unsigned char) (c - low) <= (unsigned char) (high - low);
}

/* The well-formed UTF-8 sequence of more than one byte at `p`: its length, or 0 with `ret_bad` = how many bytes one
 * U+FFFD stands for (the longest start of a sequence, Unicode 3.9 D93b). Table 3-7 of the Unicode standard. Inline, as
 * every row's text comes by here. */
static inline size_t text_sequence(const unsigned char *p, const unsigned char *end, size_t *ret_bad) {
        unsigned char low = 0x80, high = 0xbf;
        size_t length, i;

        *ret_bad = 1;
        if (text_is_between(*p, 0xc2, 0xdf))
                length = 2;
        else if (text_is_between(*p, 0xe0, 0xef))
                length = 3;
        else if (text_is_between(*p, 0xf0, 0xf4))
                length = 4;
        else
                return 0;
        if (*p == 0xe0)
                low = 0xa0;     /* else overlong */
        else if (*p == 0xed)
                high = 0x9f;    /* else a surrogate */
        else if (*p == 0xf0)
                low = 0x90;     /* else overlong */
        else if (*p == 0xf4)
                high = 0x8f;    /* else above U+10FFFF */
        for (i = 1; i < length; i++, low = 0x80, high = 0xbf)
                if (p + i >= end || !text_is_between(p[i], low, high)) {
                        *ret_bad = i;
                        return 0;
                }
        return length;
}

/* One line that may be shown: blanks and control characters become one space, none at the ends; bytes that aren't UTF-8,
 * or that terminals obey, become question marks. Cut between characters to `size` bytes with the NUL. ret may be s. */
void text_flatten(const char *s, char *ret, size_t size);

/* For people: 21783 is "21,783", and so many bytes are "783 B" or "21.8 kB". Return ret. */
const char *text_count(uint64_t count, char ret[static 32]);
const char *text_bytes(uint64_t bytes, char ret[static 32]);

/* Digits for text_hex and text_base64 (RFC 4648, with padding or for URLs without). */
#define TEXT_HEX "0123456789abcdef"
#define TEXT_HEX_UPPER "0123456789ABCDEF"
#define TEXT_BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
#define TEXT_BASE64_URL "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
void text_hex(const void *bytes, size_t length, const char *digits, struct buffer *out);
void text_base64(const void *bytes, size_t length, const char *digits, struct buffer *out);
/* The byte that two of these hexadecimal digits stand for; -1: they aren't. */
int text_unhex(const char two[static 2], const char *digits);

/* The one of `count` names that was probably meant, or NULL if none is near. Letter case, and `-`, `_` and `.` for one
 * another, count for nothing. */
const char *text_nearest(const char *name, const char *const *names, size_t count);

/* ---- hashes: FNV-1a (draft-eastlake-fnv) tells changes apart; nobody forges one against themselves ----------------- */

struct hash {
        unsigned __int128 state, prime;         /* with 64 bits: in the lower half of state */
};
#define HASH_64 ((struct hash) { 0xcbf29ce484222325u, 0x100000001b3u })
#define HASH_128 ((struct hash) { (unsigned __int128) 0x6c62272e07bb0142u << 64 | 0x62b821756295c58du, \
                                  (unsigned __int128) 1 << 88 | 0x13bu })
void hash_add(struct hash *h, const void *bytes, size_t length);

/* ---- threads --------------------------------------------------------------------------------------------------- */

/* Starts a thread that no signal meets. */
void thread_start(pthread_t *ret, void *(*run)(void *arg), void *arg);

/* A library's call that keeps no time limit, on a thread that can be left behind. `arg` is the call's, until call_end
 * returns true. `end`, or NULL, is the last on that thread: if the call was left, `arg` is its own then, else it may
 * not be touched. */
struct call;
struct call *call_start(void (*fn)(void *arg), void (*end)(void *arg, bool left), void *arg);
/* Waits for so long at most. Returns whether it has come back. */
bool call_wait(struct call *c, unsigned ms);
/* Whether it has come back; else it is left behind, with all that it uses. `c` is gone in either case. */
bool call_end(struct call *c);

/* ---- files ----------------------------------------------------------------------------------------------------- */

enum file_kind {
        FILE_NAMED,             /* somebody named it on purpose: it may be a pipe, which is waited for */
        FILE_PROMPT,            /* never waited for, be it a pipe or a terminal */
        FILE_OWN,               /* one of ours in the state directory: a plain file, not a link or what else lies there */
};
/* Appends a file's bytes, at most `limit` of them. -1: errno says why (EFBIG: longer); `out` may hold some then. What
 * file_keep has kept stands in for a file that may not be read. Any thread. */
int file_read(const char *path, enum file_kind kind, size_t limit, struct buffer *out);
/* Replaces one of our own files as a whole: a reader sees the old or the new bytes, and the new ones are on disk when
 * this returns 0. Mode 0600. -1: errno says why; the old file is as it was. `path`.new is used on the way, by one
 * process at a time (else EWOULDBLOCK). */
int file_replace(const char *path, const void *bytes, size_t length);
/* Opens one of our own files, or makes it, and locks it until the descriptor is closed. -1: errno says why; EWOULDBLOCK:
 * somebody else has it. */
int file_lock(const char *path);

/* Before owner_become: remembers what a file holds, up to 1 MiB, if it can be read. Not while other threads run. */
void file_keep(const char *path);
void file_forget(void);         /* wipes what was kept */

/* What root has typed becomes the user that the state directory belongs to, so that neither what lies there nor what the
 * network sends meets root's rights. Not while other threads run. Does nothing for others, or if it is root's. */
int owner_become(const char *directory, struct error *e);
/* What to do about a failure in the state directory: for who may not enter it, or write there (`cause`: EACCES), what all
 * are told, else `otherwise`. Returns -1, as error_hint does. */
int owner_hint(struct error *e, int cause, const char *otherwise);

/* ---- names ------------------------------------------------------------------------------------------------------- */

struct addrinfo;

/* Like getaddrinfo, which has no limit of its own: gives up with EAI_AGAIN when `go_on`, which is asked ten times a second,
 * says so. `ret` is freed with freeaddrinfo. Any thread. */
int resolve_name(const char *host, const char *service, const struct addrinfo *hints, bool (*go_on)(void *arg), void *arg,
                 struct addrinfo **ret);

/* ---- rows ---------------------------------------------------------------------------------------------------- */

/* How a column's text, as the server prints it, becomes JSON. */
enum column_kind {
        COLUMN_INTEGER,         /* digits with an optional sign; leading zeros (ZEROFILL) are dropped */
        COLUMN_DECIMAL,         /* digits and a point, passed on as printed; leading zeros are dropped */
        COLUMN_FLOAT,           /* FLOAT and DOUBLE: as printed, but always with a fraction or an exponent */
        COLUMN_TEXT,            /* UTF-8 text, escaped (also ENUM, SET, UUID, JSON documents, YEAR-less dates, TIME) */
        COLUMN_DATETIME,        /* DATETIME, TIMESTAMP: YYYY-MM-DD HH:MM:SS, a fraction only if the column has one */
        COLUMN_BYTES,           /* binary strings and BLOBs: base64 text */
        COLUMN_BIT,             /* BIT(n): big-endian bytes, printed as an unsigned integer */
};

struct column {
        char *name;             /* as the server names it, UTF-8 */
        enum column_kind kind;
};

/* One row as the client library hands it over; valid until the next row is asked for. */
struct row {
        const char *const *cells;               /* one a column; NULL is SQL's NULL; not NUL-terminated by contract */
        const unsigned long *lengths;           /* bytes of each cell */
};

/* ---- tally: what became of the records of one topic, outside of transactions ------------------------------------- */

/* Latencies are counted in buckets whose width is an eighth of their octave, from 1 us to over an hour. */
enum { TALLY_BUCKETS = 8 * 32 };

/* Written by one worker and its delivery reports, read by the main thread: atomics, never a lock. */
struct tally {
        _Atomic uint64_t sent;          /* records handed to the producer */
        _Atomic uint64_t delivered;     /* acknowledged */
        _Atomic uint64_t failed;        /* reported as not delivered */
        _Atomic uint64_t bytes;         /* of values that were acknowledged */
        _Atomic uint64_t latency[TALLY_BUCKETS];        /* produce to acknowledgement */
};

void tally_sent(struct tally *t);
void tally_unsent(struct tally *t);             /* it was not taken after all */
void tally_delivered(struct tally *t, size_t bytes, uint64_t latency_us);
void tally_failed(struct tally *t);

/* A plain copy at one moment, to subtract and to print. */
struct tally_snapshot {
        uint64_t sent, delivered, failed, bytes;
        uint64_t latency[TALLY_BUCKETS];
};
void tally_read(const struct tally *t, struct tally_snapshot *ret);
/* The latency in milliseconds that `share` (0..1) of the acknowledgements between two snapshots stayed below;
 * 0 when there were none. `earlier` may be NULL (since the start). At most 1/8 too high. */
double tally_latency_ms(const struct tally_snapshot *earlier, const struct tally_snapshot *later, double share);

/* ---- time ------------------------------------------------------------------------------------------------------ */

uint64_t clock_monotonic_us(void);
int64_t clock_wall_ms(void);            /* since 1970, UTC */
/* A monotonic moment as pthread_cond_clockwait(…, CLOCK_MONOTONIC, …) and its like want it. */
struct timespec clock_timespec(uint64_t monotonic_us);
/* Milliseconds until a monotonic moment, rounded up; 0 when it has passed, never more than `most_ms`: the time limit of
 * one slice of a longer wait. */
int clock_left_ms(uint64_t until_us, int most_ms);
/* `YYYY-MM-DDTHH:MM:SSZ`, 20 characters for the years 0 to 9999; safe past 2038. */
void clock_format_utc(int64_t epoch_s, char ret[static 32]);
/* "12 s", "3 min 05 s", "2 h 40 min"; whole minutes and hours without the rest. */
void clock_format_duration(uint64_t seconds, char ret[static 32]);

/* ---- random: CPython's generator, so that a seed repeats what the old emulator sent ------------------------------ */

struct random {
        uint32_t state[624];
        unsigned at;
};
/* As CPython's random.seed(int): MT19937's init_by_array over the 32-bit words of |seed|, least significant first. */
void random_seed(struct random *r, uint64_t seed);
/* From the kernel's entropy: no two starts alike. */
void random_seed_entropy(struct random *r);
/* As CPython's random.getrandbits(bits), 1 <= bits <= 64. */
uint64_t random_bits(struct random *r, unsigned bits);
/* Uniform in 0 <= x < bound, bound > 0; as CPython's randrange(bound): getrandbits with rejection. */
uint64_t random_below(struct random *r, uint64_t bound);
/* Uniform in 0 <= x < 1 with 53 bits; as CPython's random.random(). */
double random_unit(struct random *r);

#endif
