/* table: MySQL and MariaDB. Connects, describes a table, streams its rows in key order, fetches rows by key.
 *
 * A struct database is one connection; one thread at a time uses it. What it hands out (rows, cells) stays valid
 * until its next call. Errors of class ERROR_UNREACHABLE mean that the connection is gone or was never had, or that the
 * server wants to be asked again later: the caller closes it, opens a new one and goes on. ERROR_STOPPED: `stop` is set.
 *
 * Every call has an end. Sending is bounded by the time-out. An answer may take long (a server that sorts is silent):
 * when the server was silent for the time-out, a thread beside the connection logs in a second time; if that fails too,
 * within two time-outs, the server is gone and the call ends with ERROR_UNREACHABLE. So a frozen server ends a call after
 * two to three time-outs, and a slow one never does, if it sorts for ten hours. `stop` ends a call within half a second.
 *
 * The process must ignore SIGPIPE: TLS writes without a way to say so.
 */
#ifndef PINFEED_TABLE_H
#define PINFEED_TABLE_H

#include <stdio.h>

#include "base.h"

struct database;
struct table;
struct table_reader;

enum table_tls {
        TABLE_TLS_DEFAULT,              /* VERIFY with ssl_ca or on RDS; else PREFER on this machine (a socket, localhost, a
                                         * loopback address), REQUIRE elsewhere */
        TABLE_TLS_PREFER,               /* TLS if the server offers it */
        TABLE_TLS_REQUIRE,              /* TLS or nothing, whoever it is that answers */
        TABLE_TLS_VERIFY,               /* and the certificate must fit the name and be signed by ssl_ca, or by an authority
                                         * that this machine trusts */
};

struct table_login {
        const char *host, *socket, *user, *database, *ssl_ca;   /* NULL: not set */
        unsigned port;
        enum table_tls tls;             /* on a socket nothing is encrypted */
        const char *password_file;      /* NULL: no password; one trailing newline is not part of it */
        size_t max_packet_bytes;        /* the largest row that is taken; 0: 64 MiB */
        unsigned timeout_ms;            /* for connecting, writing, and silence (see above); rounded up to seconds. A
                                         * log-in as a whole may take three times that. */
        void (*alive)(void *arg);       /* NULL, or called some times a second, by this thread or one of the connection's
                                         * own, while a call waits for a server that isn't known to be gone, or calls go
                                         * on; not between calls. What it takes must last until database_close. */
        void *alive_arg;
        const atomic_bool *stop;        /* NULL, or set by another thread: database_open and the call that is under way
                                         * (and all later ones) fail soon. Must last until database_close. */
};

/* Connects with utf8mb4, session time zone UTC, and a session that reads only, over the best TLS that the server has. The
 * password itself goes over TLS or a socket only; without, nothing but proofs of it (mysql_native_password, ed25519,
 * caching_sha2_password of an account that the server remembers). `login` is copied, the password is read anew for each
 * connection and wiped. Class ERROR_REFUSED for a wrong user, password, database or certificate, missing TLS and an
 * unreadable password file; ERROR_UNREACHABLE when nobody answers. */
int database_open(const struct table_login *login, struct database **ret, struct error *e);
/* What protects the connection, and what would better: "TLSv1.3, TLS_AES_256_GCM_SHA384, certificate verified". */
void database_tls(const struct database *db, char *ret, size_t size);
/* Safe on NULL. Does not wait for a server that is gone. */
void database_close(struct database *db);
/* Whether a log-in that was given up still hangs, on a thread that can't be ended: an orderly exit would tear down the
 * libraries that it is in. Any thread. */
bool database_left_behind(void);

/* From now on this connection sees all tables as they are now, as far as they are of InnoDB. */
int database_snapshot(struct database *db, struct error *e);

struct table_spec {
        const char *stream;             /* whose table it is, for hints; NULL: none */
        const char *name;               /* of the table, in the connection's database */
        const char *key;                /* the key column */
        const char *columns;            /* comma-separated list, or NULL for all of them in table order */
        const char *where;              /* an SQL condition that every row must meet, or NULL */
        size_t cell_max_bytes;          /* the server cuts longer texts and blobs (not the key) to somewhat more than that:
                                         * at least a byte, at most four times as much. 0: no limit */
};

/* How keys are ordered and compared. */
enum key_kind {
        KEY_INTEGER,                    /* signed or unsigned, up to 64 bits, by value */
        KEY_DECIMAL,                    /* exact numbers, by value */
        KEY_TEXT,                       /* text; by the column's own collation if a unique index backs it, else as the
                                         * bytes of its UTF-8 (the first 4096 tell two keys apart) */
        KEY_BYTES,                      /* binary strings: as bytes; UUIDs and INETs: in their type's own order */
        KEY_TIME,                       /* DATE, DATETIME, TIMESTAMP (in UTC), TIME */
};

/* How keys compare where that can be told without the server. */
enum key_order {
        KEY_ORDER_UNKNOWN,              /* a collation's, or a type's own */
        KEY_ORDER_NUMBER,
        KEY_ORDER_TIME,                 /* dates, with or without a time of day */
        KEY_ORDER_BYTES,
};

/* What table_describe finds. Owned by the table. */
struct table_facts {
        const struct column *columns;   /* those that are sent, in order */
        size_t column_count;
        size_t key_column;              /* index into columns of the key; the key is always read, and SIZE_MAX if it
                                         * is not among the columns that are sent (it then comes last in a row) */
        enum key_kind key_kind;
        enum key_order key_order;
        bool key_nullable;
        bool key_indexed;               /* an index begins with the key column */
        bool key_unique;                /* a unique index consists of the key column alone, which is NOT NULL */
        size_t key_max_bytes;           /* the longest key text possible, in bytes; SIZE_MAX if unknown */
        char fingerprint[33];           /* hex; changes when the server's name (host and port, or socket, as the log-in has
                                         * them), the database, the table's name, key, where or the columns' names or
                                         * types change */
        char former_fingerprint[33];    /* the same without server and database, as older cursors have it */
};

/* Asks the server about a table or view, and lets it read the columns' names and `where` (nothing is run).
 * ERROR_REFUSED, with what to do, for a table or column that does not exist or may not be read, a wrong `where`, and for
 * a FLOAT, DOUBLE, BIT, JSON or spatial key. The result does not depend on the connection staying open. */
int table_describe(struct database *db, const struct table_spec *spec, struct table **ret, struct error *e);
const struct table_facts *table_facts(const struct table *t);
void table_free(struct table *t);

/* Wherever a key goes in, one that the column can't have (letters in a number) is an ERROR_USAGE; the connection stays
 * as good as it was.
 *
 * A key as text: digits for integers, `YYYY-MM-DD HH:MM:SS[.ffffff]` for times, the characters themselves for text,
 * the bytes for binary keys. Always with its length; may contain any byte. */
struct key {
        const char *data;
        size_t length;
};

enum table_bounds {
        TABLE_BOUNDS_FAILED = -1,
        TABLE_BOUNDS,
        TABLE_EMPTY,                    /* nothing is written to ret */
};
/* The smallest and the greatest key that is not NULL. The two stay valid until the next call on `db`. */
enum table_bounds table_key_bounds(struct database *db, const struct table *t, struct key *ret_least,
                                   struct key *ret_greatest, struct error *e);

/* Rows with after < key <= to (each NULL: no bound; from_inclusive: key >= after), counted exactly. */
int table_count(struct database *db, const struct table *t, const struct key *after, bool from_inclusive,
                const struct key *to, uint64_t *ret, struct error *e);

enum table_null_keys {
        TABLE_NULL_KEYS_FAILED = -1,
        TABLE_NO_NULL_KEYS,
        TABLE_NULL_KEYS,                /* at least one */
};
/* Whether there are rows whose key is NULL. */
enum table_null_keys table_has_null_keys(struct database *db, const struct table *t, struct error *e);

/* The longest key that is there now, in bytes; 0 for an empty table. Reads every key. */
int table_longest_key(struct database *db, const struct table *t, size_t *ret, struct error *e);

/* The numbers, which grow, of the oldest and the newest transaction that has written and is open now, anybody's; 0: there is
 * none. At most a tenth of a second old; a statement that has just begun may be missing. */
enum database_transactions {
        DATABASE_TRANSACTIONS_FAILED = -1,      /* the connection is gone */
        DATABASE_TRANSACTIONS,
        DATABASE_TRANSACTIONS_HIDDEN,           /* the user lacks the right (PROCESS), or there may be more elsewhere: the
                                                 * server is a replica or one of a cluster */
};
enum database_transactions database_transactions(struct database *db, uint64_t *ret_oldest, uint64_t *ret_newest,
                                                 struct error *e);

/* ---- for --check ---- */

struct database_facts {
        char version[96];               /* "10.11.6-MariaDB" */
        char certificate_ends[64];      /* in the server's words; "" if it doesn't say */
};
int database_facts(struct database *db, struct database_facts *ret, struct error *e);

/* How many rows the server believes to have, at once; UINT64_MAX: it doesn't know (views). */
int table_estimate(struct database *db, const struct table *t, uint64_t *ret, struct error *e);

/* Counts exactly; reads every key. */
struct table_keys {
        uint64_t rows, with_key /* that is not NULL */, distinct;
};
int table_count_keys(struct database *db, const struct table *t, struct table_keys *ret, struct error *e);

/* ---- reading ---- */

/* Streams rows with after < key <= to in key order (NULL: no bound; from_inclusive: key >= after) in one query,
 * read row by row from the server. Rows whose key is NULL are left out. Rows of equal key come in the order of the
 * primary key if there is one, else in any. Along an index on the key if there is one (for text: a unique one);
 * otherwise the server sorts before the first row. One reader at a time on a connection; no other call between its start and its close.
 * `limit` 0: all. */
int table_read(struct database *db, const struct table *t, const struct key *after, bool from_inclusive,
               const struct key *to, uint64_t limit, struct table_reader **ret, struct error *e);
/* Keys that are integers. */
struct table_range {
        int64_t first, last;            /* inclusive; INT64_MAX: no upper bound */
};
/* As table_read, of a KEY_INTEGER: rows whose key lies in one of the ranges (count >= 1, some hundreds at most). */
int table_read_ranges(struct database *db, const struct table *t, const struct table_range *ranges, size_t count,
                      uint64_t limit, struct table_reader **ret, struct error *e);
/* Streams rows whose key is one of `keys` (compared exactly: text by its bytes), in no promised order; a key that has no
 * row yields none. Fit for some thousand keys at once; their text must stay below the server's max_allowed_packet. */
int table_fetch(struct database *db, const struct table *t, const struct key *keys, size_t count,
                struct table_reader **ret, struct error *e);
/* Streams the keys only, in key order, for tables too large to read whole: the first `limit` (0: all) keys that `tables`
 * (in this connection's database, `count` >= 1) all have in common, each once. At once if all of them have an index on
 * the key. ERROR_REFUSED if the keys are of different kinds. */
int table_common_keys(struct database *db, struct table *const *tables, size_t count, uint64_t limit,
                      struct table_reader **ret, struct error *e);

enum table_next {
        TABLE_FAILED = -1,
        TABLE_ROW,
        TABLE_END,
};

/* The next row. `ret_key` is its key, never NULL (it points into the row). The rows of table_common_keys hold the key
 * alone. A row larger than max_packet_bytes is ERROR_REFUSED, and the connection is gone. */
enum table_next table_next(struct table_reader *r, struct row *ret_row, struct key *ret_key, struct error *e);
/* Ends a reader. Before TABLE_END: what the server still has to say is not read, and the
 * connection is lost. Safe on NULL. Returns whether the connection is still good; if not, it can only be closed. */
bool table_reader_close(struct table_reader *r);

/* The same bytes; of keys that were read from one column, just those are the same key. */
bool key_equal(const struct key *a, const struct key *b);
/* Whether it can be a key of this order at all; none can of KEY_ORDER_UNKNOWN. */
bool key_fits(enum key_order order, const struct key *key);
/* Whether a text that is meant for a KEY_TIME names a day that no calendar has, or a time that no clock shows. */
bool key_is_no_date(const char *text);
/* As memcmp; of keys that fit. */
int key_compare(enum key_order order, const struct key *a, const struct key *b);

struct key_bounds {
        enum key_order order;
        const struct key *from, *to;    /* NULL: no bound */
        bool after;                     /* `from` itself lies outside */
};
/* What doesn't fit lies outside of any bound. */
bool key_within(const struct key_bounds *bounds, const struct key *key);

/* Prints the room's library, in one line: name and version. */
void table_print_libraries(FILE *f);

#endif
