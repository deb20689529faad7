/* table: MySQL and MariaDB. Connects, describes a table, streams its rows in key order, fetches rows by key.
 *
 * A struct database is one connection; one thread at a time uses it. What it hands out (rows, cells) stays valid
 * until its next call. Every call is bounded by the time-outs in its settings. Errors of class ERROR_UNREACHABLE
 * mean that the connection is gone or was never had: the caller closes it, opens a new one and goes on.
 */
#ifndef PINFEED_TABLE_H
#define PINFEED_TABLE_H

#include "base.h"

struct database;
struct table;
struct table_reader;

struct table_login {
        const char *host, *socket, *user, *database, *ssl_ca;   /* NULL: not set */
        unsigned port;
        const char *password_file;      /* NULL: no password; one trailing newline is not part of it */
        unsigned timeout_ms;            /* for the connect, and for any single read or write */
};

/* Connects with utf8mb4, session time zone UTC, and a session that reads only. Class ERROR_REFUSED for a wrong
 * user, password or database and an unreadable password file; ERROR_UNREACHABLE when nobody answers. */
int database_open(const struct table_login *login, struct database **ret, struct error *e);
void database_close(struct database *db);       /* safe on NULL; does not wait for a server that is gone */
/* From any thread but the one in a call: makes that call (and all later ones) fail soon. For stopping. */
void database_cancel(struct database *db);

struct table_spec {
        const char *name;               /* of the table, in the connection's database */
        const char *key;                /* the key column */
        const char *columns;            /* comma-separated list, or NULL for all of them in table order */
        const char *where;              /* an SQL condition that every row must meet, or NULL */
};

/* How keys are ordered and compared. */
enum key_kind {
        KEY_INTEGER,                    /* signed or unsigned, up to 64 bits, by value */
        KEY_DECIMAL,                    /* exact numbers, by value */
        KEY_TEXT,                       /* text; by the column's own collation if a unique index backs it, else as bytes */
        KEY_BYTES,                      /* binary strings, UUIDs: as bytes (or the type's own order) */
        KEY_TIME,                       /* DATE, DATETIME, TIMESTAMP (in UTC), TIME */
};

/* What table_describe finds. Owned by the table. */
struct table_facts {
        const struct column *columns;   /* those that are sent, in order */
        size_t column_count;
        size_t key_column;              /* index into columns of the key; the key is always read, and SIZE_MAX if it
                                         * is not among the columns that are sent (it then comes last in a row) */
        enum key_kind key_kind;
        bool key_unsigned;
        bool key_nullable;
        bool key_indexed;               /* an index begins with the key column */
        bool key_unique;                /* a unique index consists of the key column alone, which is NOT NULL */
        size_t key_max_bytes;           /* the longest key text possible, in bytes; SIZE_MAX if unknown */
        char fingerprint[33];           /* hex; changes when the table's name, key, where or the columns' names or
                                         * types change */
};

/* Asks the server about a table. ERROR_REFUSED, with what to do, for a table or column that does not exist or may
 * not be read, and for a FLOAT or DOUBLE key. The result does not depend on the connection staying open. */
int table_describe(struct database *db, const struct table_spec *spec, struct table **ret, struct error *e);
const struct table_facts *table_facts(const struct table *t);
void table_free(struct table *t);

/* A key as text: digits for integers, `YYYY-MM-DD HH:MM:SS[.ffffff]` for times, the characters themselves for text,
 * the bytes for binary keys. Always with its length; may contain any byte. */
struct key {
        const char *data;
        size_t length;
};

/* The smallest and the greatest key that is not NULL. Returns 1 for an empty table (nothing is written to ret).
 * The two keys stay valid until the next call on `db`. */
int table_key_bounds(struct database *db, const struct table *t, struct key *ret_least, struct key *ret_greatest,
                     struct error *e);

/* Rows with after < key <= to (each NULL: no bound; from_inclusive: key >= after), counted exactly. */
int table_count(struct database *db, const struct table *t, const struct key *after, bool from_inclusive,
                const struct key *to, uint64_t *ret, struct error *e);

/* Rows whose key is NULL: 1 if there is at least one, else 0. */
int table_has_null_keys(struct database *db, const struct table *t, struct error *e);

/* The longest key that is there now, in bytes; 0 for an empty table. Reads every key. */
int table_longest_key(struct database *db, const struct table *t, size_t *ret, struct error *e);

/* Streams rows with after < key <= to in key order (NULL: no bound; from_inclusive: key >= after) in one query,
 * read row by row from the server. One reader at a time on a connection. `limit` 0: all. */
int table_read(struct database *db, const struct table *t, const struct key *after, bool from_inclusive,
               const struct key *to, uint64_t limit, struct table_reader **ret, struct error *e);
/* Streams rows whose key is one of `keys`, in no promised order; a key that has no row yields none. */
int table_fetch(struct database *db, const struct table *t, const struct key *keys, size_t count,
                struct table_reader **ret, struct error *e);
/* Streams the keys only, in key order, for tables too large to read whole: the first `limit` keys that `tables`
 * (in this connection's database, `count` >= 1) all have in common. */
int table_common_keys(struct database *db, struct table *const *tables, size_t count, uint64_t limit,
                      struct table_reader **ret, struct error *e);

/* The next row: 0 and a row, or 1 at the end. `ret_key` is the row's key (it points into the row). For
 * table_common_keys ret_row is not written. */
int table_next(struct table_reader *r, struct row *ret_row, struct key *ret_key, struct error *e);
/* Ends a reader early or after its end. Early: what the server still has to say is not read; the connection is
 * closed and can only be freed if that would be long. Safe on NULL. Returns whether the connection is still good. */
bool table_reader_close(struct table_reader *r);

/* Key order as the server sees it, for integers, decimals-free: -1, 0, 1. Other kinds are compared as bytes. */
int key_compare(const struct table *t, const struct key *a, const struct key *b);
bool key_equal(const struct key *a, const struct key *b);

#endif
