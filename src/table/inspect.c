/* What jobs want to know of a server and its tables beyond what reading them needs. */
#include <stdio.h>
#include <string.h>

#include "room.h"

enum { MOST_CELLS = 3 };

/* The first row of an answer, in text of the caller's; "" for NULL and for what isn't there. */
static int ask_row(struct database *db, size_t cells, char ret[MOST_CELLS][64], struct error *e, const char *doing) {
        struct table_reader *reader;
        MYSQL_ROW row;
        int r;

        if (database_ask(db, cells, &reader, e, "%s", doing) < 0)
                return -1;
        memset(ret, 0, MOST_CELLS * sizeof *ret);
        r = answer_next(reader, &row, e);
        for (size_t i = 0; r == TABLE_ROW && i < cells; i++)
                snprintf(ret[i], sizeof ret[i], "%s", row[i] ? row[i] : "");
        while (r == TABLE_ROW)          /* to its end, else the connection is lost */
                r = answer_next(reader, &row, e);
        table_reader_close(reader);
        return r == TABLE_END ? 0 : -1;
}

static uint64_t number(const char *text) {
        return *text ? strtoull(text, NULL, 10) : UINT64_MAX;
}

int database_facts(struct database *db, struct database_facts *ret, struct error *e) {
        const char *version = mysql_get_server_info(db->mysql);
        char cells[MOST_CELLS][64];

        buffer_append_string(&db->sql, "SHOW SESSION STATUS LIKE 'Ssl_server_not_after'");
        if (ask_row(db, 2, cells, e, "ask when the certificate ends") < 0)
                return -1;
        snprintf(ret->version, sizeof ret->version, "%s", version ? version : "");
        snprintf(ret->certificate_ends, sizeof ret->certificate_ends, "%s", cells[1]);
        return 0;
}

int table_estimate(struct database *db, const struct table *t, uint64_t *ret, struct error *e) {
        char cells[MOST_CELLS][64];

        buffer_append_string(&db->sql, "SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND "
                             "TABLE_NAME = _utf8mb4 X'");
        text_hex(t->name, strlen(t->name), TEXT_HEX, &db->sql);
        buffer_append_string(&db->sql, "'");
        if (ask_row(db, 1, cells, e, "estimate the rows of a table") < 0)
                return -1;
        *ret = number(cells[0]);
        return 0;
}

int table_count_keys(struct database *db, const struct table *t, struct table_keys *ret, struct error *e) {
        char cells[MOST_CELLS][64];
        struct error none;

        buffer_printf(&db->sql, "SELECT COUNT(*), COUNT(%s), COUNT(DISTINCT ", t->quoted_key);
        if (t->key_literal == LITERAL_TEXT)
                query_key_bytes(&db->sql, t->quoted_key);
        else
                buffer_append_string(&db->sql, t->quoted_key);
        buffer_printf(&db->sql, ") FROM %s", t->quoted_name);
        query_where(&db->sql, t, &(struct range) {}, &none);
        if (ask_row(db, 3, cells, e, "count the keys of a table") < 0)
                return -1;
        *ret = (struct table_keys) { number(cells[0]), number(cells[1]), number(cells[2]) };
        return 0;
}

/* Elsewhere there may be transactions that this server does not know: its source's, the other nodes'. Numbers beyond that are
 * made up for those that only read. */
enum database_transactions database_transactions(struct database *db, uint64_t *ret_oldest, uint64_t *ret_newest,
                                                 struct error *e) {
        char cells[MOST_CELLS][64];

        buffer_append_string(&db->sql, "SELECT COALESCE(MIN(id), 0), COALESCE(MAX(id), 0), @@global.read_only OR "
                             "@@global.innodb_read_only OR EXISTS (SELECT 1 FROM information_schema.processlist WHERE "
                             "user = 'system user' AND command <> 'Daemon') FROM (SELECT CAST(trx_id AS UNSIGNED) AS id FROM "
                             "information_schema.innodb_trx) AS t WHERE id BETWEEN 1 AND 281474976710655");
        if (ask_row(db, 3, cells, e, "ask for open transactions") < 0)
                return db->broken || e->class == ERROR_STOPPED ? DATABASE_TRANSACTIONS_FAILED : DATABASE_TRANSACTIONS_HIDDEN;
        if (strcmp(cells[2], "0") != 0)
                return DATABASE_TRANSACTIONS_HIDDEN;
        *ret_oldest = number(cells[0]);
        *ret_newest = number(cells[1]);
        return DATABASE_TRANSACTIONS;
}
