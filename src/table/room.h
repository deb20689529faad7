/* The table room's own: what its files share. */
#ifndef TABLE_ROOM_H
#define TABLE_ROOM_H

#include <mysql.h>
#include <pthread.h>

#include "pinfeed/table.h"

/* ---- connect.c ------------------------------------------------------------------------------------------------ */

struct table_reader {
        struct database *db;
        MYSQL_RES *result;              /* NULL: closed */
        unsigned key_cell;
        bool strip_zeros;               /* the key is a ZEROFILL integer */
        bool at_end;
        size_t small_bytes;             /* what an answer that is read whole may still have */
        const struct table *table;      /* for errors; NULL: none */
};

struct database {
        MYSQL *mysql;
        struct table_login login;       /* its strings are owned */
        char *place;                    /* "db.example:3306", for errors */
        const struct table *table;      /* the one that is asked about, for hints; NULL: none */
        int socket;                     /* a duplicate, so that cancelling never meets a number used anew */
        bool is_mariadb;
        bool broken;
        _Atomic uint64_t calls;         /* odd: a call that may wait for the server is under way */
        _Atomic bool gave_up;           /* the guard cut the connection */
        struct guard *guard;
        struct buffer sql;
        struct buffer bounds[2];
        struct table_reader reader;     /* one at a time */
};

/* Before and after whatever may wait for the server; tells the guard that something moves. Only the owner's thread writes. */
static inline void database_tick(struct database *db) {
        atomic_store_explicit(&db->calls, atomic_load_explicit(&db->calls, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* ---- ask.c: table_reader_close, too ------------------------------------------------------------------------- */

/* Runs db->sql; `doing` completes "can't …". The result, if any, is still to be fetched. */
int database_query(struct database *db, struct error *e, const char *doing, ...)
        __attribute__((format(printf, 3, 4)));
/* The same, and begins to read the answer, which must have so many columns (0: any). */
int database_ask(struct database *db, size_t cells, struct table_reader **ret, struct error *e, const char *doing, ...)
        __attribute__((format(printf, 5, 6)));
/* Ends a connection whose answer ("no rows") can't be. Always returns -1. */
int database_refuse(struct database *db, struct error *e, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- read.c ---------------------------------------------------------------------------------------------------- */

size_t table_cells(const struct table *t);      /* how many columns a row has, as it is read */
/* The next row of a small answer, which is refused past some MiB. A cell may be NULL, and ends with a NUL. */
int answer_next(struct table_reader *r, MYSQL_ROW *ret, struct error *e);

/* ---- login.c --------------------------------------------------------------------------------------------------- */

/* With what isn't set filled in. `to` owns its strings. */
void login_copy(struct table_login *to, const struct table_login *from);
void login_free(struct table_login *login);
char *login_place(const struct table_login *login);     /* the caller frees it */
bool login_stopped(const struct table_login *login);
bool login_is_local(const struct table_login *login);   /* no network is between */
enum table_tls login_lowest_tls(const struct table_login *login);       /* what the log-in never goes below */
bool login_is_verified(MYSQL *mysql);                   /* if there is TLS: whether the certificate was verified */
/* The handle is logged in, or has an error. -1 (ERROR_REFUSED) if the password can't be read, or TLS is missing. May wait
 * without an end, see attempt.c. */
int login_run(const struct table_login *login, MYSQL **ret, struct error *e);

/* ---- plugin.c -------------------------------------------------------------------------------------------------- */

/* Once, before the first log-in: loads what may log in, for nothing is loaded later; the password itself never goes over a
 * connection that isn't encrypted. */
void plugin_take_care(void);
const char *plugin_allowed(void);       /* MariaDB's library only: those that may log in */

/* ---- attempt.c ------------------------------------------------------------------------------------------------- */

/* login_run within a limit, alive, and given up within 50 ms of a stop or of `unwanted` (may be NULL). -1: ERROR_REFUSED
 * if the password can't be read, ERROR_UNREACHABLE if it was given up. */
int database_log_in(const struct table_login *login, unsigned limit_ms, const atomic_bool *unwanted, MYSQL **ret,
                    struct error *e);

/* ---- guard.c --------------------------------------------------------------------------------------------------- */

struct guard;
/* Ends a connection from any thread: calls in it fail. Its close will be a reset: a server whose query has more to say
 * would hold its snapshot and its locks until its time-out, else. */
void socket_cut(int socket);
/* Watches `calls` and login->stop; tells login->alive, or cuts `socket` (and sets `gave_up`, if it is the server that is
 * gone). `login` must outlive the guard. */
struct guard *guard_start(const struct table_login *login, int socket, _Atomic uint64_t *calls, _Atomic bool *gave_up);
void guard_stop(struct guard *g);       /* safe on NULL */

/* ---- errors.c -------------------------------------------------------------------------------------------------- */

#define HINT_TLS "Let the server offer TLS. If the network between is your own, or the server on this machine, [mysql] " \
        "tls = prefer goes without."
enum { CLIENT_AUTH_PLUGIN_ERROR = 2061 };       /* that not every version of the two families' headers knows */

/* Words the connection's last error; a connection that is gone is marked as broken. Always returns -1. */
int database_error(struct database *db, struct error *e, const char *doing);
/* Whether the client library's own errors (nobody there, cut off) include this number. */
bool is_client_error(unsigned number);

/* ---- types.c --------------------------------------------------------------------------------------------------- */

/* How a key is written into SQL. */
enum key_literal {
        LITERAL_NONE,                   /* such a column can't be a key */
        LITERAL_INTEGER,
        LITERAL_DECIMAL,
        LITERAL_TEXT,                   /* _utf8mb4 X'…' */
        LITERAL_BYTES,                  /* X'…' */
        LITERAL_TIME,                   /* '2020-04-27 13:34:16' */
        LITERAL_ADDRESS,                /* '…' of hexadecimal digits, - : and . */
};

struct type {
        const char *word;               /* the first word of the server's type text */
        enum column_kind kind;
        enum key_literal literal;
        enum key_kind key_kind;
        size_t key_max_bytes;           /* 0: the number in parentheses; SIZE_MAX: unknown */
        bool ordered_by_text;           /* its own order is that of its text (an ENUM's isn't) */
};

/* From the server's text, such as "int(10) unsigned". Never NULL: an unknown type is text. */
const struct type *type_find(const char *text);
/* The number in parentheses, or 0. */
size_t type_length(const char *text);

/* ---- query.c: pure; appends SQL to a buffer ----------------------------------------------------------------------- */

struct table {
        struct table_facts facts;
        struct column *columns;
        char *name;
        char *section;                  /* "[stream pin]", for hints */
        char *quoted_name;              /* `pinterest_data` */
        char *quoted_key;               /* `index` */
        char *select_list;              /* the columns, and the key behind them if it is not among them */
        char *order_by;                 /* begins with the key's order */
        char *force_index;              /* " FORCE INDEX (`PRIMARY`)" or "" */
        char *where;                    /* NULL: none */
        enum key_literal key_literal;
        bool key_as_bytes;              /* text that is ordered and compared as its UTF-8 bytes */
        bool key_zerofill;
        char *collation;                /* of the key; NULL if it is not text */
        uint64_t key_cardinality;       /* the index's estimate of how many keys there are; 0 without one */
};

void query_identifier(struct buffer *sql, const char *name);
/* Text as the bytes of its UTF-8: no collation makes two keys equal or pads them. */
void query_key_bytes(struct buffer *sql, const char *expression);
void query_key_order(struct buffer *sql, const struct table *t);
/* ERROR_USAGE if the key can't be one of this table. `as_bytes`: for comparing with query_key_order. */
int query_key(struct buffer *sql, const struct table *t, const struct key *key, bool as_bytes, struct error *e);

struct range {
        const struct key *after, *to;
        bool from_inclusive;
};
/* " WHERE …": the range, the table's own condition, and no NULL key. */
int query_where(struct buffer *sql, const struct table *t, const struct range *range, struct error *e);
int query_read(struct buffer *sql, const struct table *t, const struct range *range, uint64_t limit, struct error *e);
int query_ranges(struct buffer *sql, const struct table *t, const struct table_range *ranges, size_t count, uint64_t limit);
int query_fetch(struct buffer *sql, const struct table *t, const struct key *keys, size_t count, struct error *e);
int query_count(struct buffer *sql, const struct table *t, const struct range *range, struct error *e);
void query_bound(struct buffer *sql, const struct table *t, bool greatest);
void query_null_keys(struct buffer *sql, const struct table *t);
void query_longest_key(struct buffer *sql, const struct table *t);
/* `ret_first`: whose key the answer holds. */
int query_common_keys(struct buffer *sql, struct table *const *tables, size_t count, uint64_t limit,
                      const struct table **ret_first, struct error *e);

/* ---- catalog.c ------------------------------------------------------------------------------------------------- */

struct server_column {
        char *name, *type, *collation;  /* collation NULL: not text */
        bool nullable, invisible;
};

struct server_index {
        char *name;
        struct buffer columns;          /* quoted, separated by ", " */
        char *first;                    /* the first column's name; NULL: an expression or a prefix */
        size_t count;
        uint64_t cardinality;           /* of the first column; an estimate */
        bool unique, whole, usable;     /* whole: no prefixes, no expressions, nothing descending; usable: for ordering */
};

struct server_table {
        struct server_column *columns;
        size_t column_count;
        struct server_index *indexes;
        size_t index_count;
};

/* Freed with catalog_free, also after an error. */
int catalog_read(struct database *db, const char *table, struct server_table *s, struct error *e);
void catalog_free(struct server_table *s);
/* By its name without regard to case, as the server compares; NULL: there is none. */
const struct server_column *catalog_column(const struct server_table *s, const char *name, size_t length);
bool catalog_says(const char *text, const char *word);

/* ---- order.c --------------------------------------------------------------------------------------------------- */

/* ERROR_REFUSED for a column that can't be a key. */
int table_choose_key(struct table *t, const struct server_column *key, struct error *e);
void table_choose_order(struct table *t, const struct server_table *s, const struct server_column *key);

/* ---- fingerprint.c ------------------------------------------------------------------------------------ */

struct fingerprint {
        struct hash hash;
};
void fingerprint_begin(struct fingerprint *f);
/* A string with its end, so that "a","b" is not "ab"; NULL is not "". */
void fingerprint_add(struct fingerprint *f, const char *text);
void fingerprint_end(const struct fingerprint *f, char ret[static 33]);

#endif
