/* What the tests on a real server share (see run): a connection of their own to prepare tables with, and readers. */
#ifndef TESTS_DB_H
#define TESTS_DB_H

#include <mysql.h>

#include "../unit/unit.h"
#include "pinfeed/json.h"
#include "pinfeed/table.h"
#include "table/room.h"

/* The administrator's connection. Any failure fails the test. */
extern MYSQL *admin;
extern bool admin_is_mariadb;
int admin_set_up(void **state);
int admin_tear_down(void **state);
void admin_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Drops the table and creates it as the words in parentheses say. */
void admin_create(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A cell by its column's name; "" for NULL. */
const char *admin_cell(MYSQL_RES *result, MYSQL_ROW row, const char *name);
/* Whether a connection runs a query with these words. */
bool admin_sees_query(const char *words);
/* The first cell of the answer, which the caller frees; NULL if there is no row or it is NULL. */
char *admin_ask(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Fails the test unless it succeeds within 30 s, however little time the log-in leaves each attempt. */
struct database *open_as(const struct table_login *login);
/* As root on the socket. */
struct database *open_database(unsigned timeout_ms);
struct table *describe(struct database *db, const struct table_spec *spec);

/* The last cell of the first row, asked on the connection itself. The caller frees it. */
char *session_value(struct database *db, const char *query);
/* How many rows this connection's queries have touched, in tables and in indexes. */
uint64_t rows_touched(struct database *db);

/* What a reader yields, one line a row: the key, a tab, the row as JSON (or nothing, without columns). Closes it.
 * The caller frees the text. */
char *read_all(const struct table *t, struct table_reader *r);
/* The keys alone, separated by |. */
char *read_keys(struct database *db, const struct table *t, const char *after, bool from_inclusive, const char *to,
                uint64_t limit);
struct key key_of(const char *text);

void write_file(const char *name, const char *text, char ret_path[static 256]);

#define assert_error(e, wanted_class, ...) \
        assert_error_says((e), (wanted_class), (const char *const[]) { __VA_ARGS__, NULL })
/* The class, and each of the words in what or hint. */
void assert_error_says(const struct error *e, enum error_class class, const char *const *words);

#endif
