/* What --check wants to know of a server and its tables beyond what reading them needs. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "room.h"

static void keep(char *ret, size_t size, const char *text) {
        snprintf(ret, size, "%s", text ? text : "");
}

/* Runs db->sql and hands over each row of a small answer. */
static int each_row(struct database *db, size_t cells, void (*take)(void *arg, MYSQL_ROW row), void *arg, struct error *e,
                    const char *doing) {
        struct table_reader *reader;
        MYSQL_ROW row;
        int r;

        if (database_ask(db, cells, &reader, e, "%s", doing) < 0)
                return -1;
        while ((r = answer_next(reader, &row, e)) == TABLE_ROW)
                take(arg, row);
        table_reader_close(reader);
        return r == TABLE_END ? 0 : -1;
}

static void take_fact(void *arg, MYSQL_ROW row) {
        struct database_facts *facts = arg;

        if (row[0] && strcasecmp(row[0], "Ssl_version") == 0)
                keep(facts->tls_version, sizeof facts->tls_version, row[1]);
        else
                keep(facts->certificate_ends, sizeof facts->certificate_ends, row[1]);
}

int database_facts(struct database *db, struct database_facts *ret, struct error *e) {
        struct database_facts facts = {};

        keep(facts.version, sizeof facts.version, mysql_get_server_info(db->mysql));
        buffer_append_string(&db->sql, "SHOW SESSION STATUS WHERE Variable_name IN ('Ssl_version', 'Ssl_server_not_after')");
        if (each_row(db, 2, take_fact, &facts, e, "ask about TLS") < 0)
                return -1;
        *ret = facts;
        return 0;
}

static uint64_t number(const char *text) {
        return text ? strtoull(text, NULL, 10) : UINT64_MAX;
}

static void take_number(void *arg, MYSQL_ROW row) {
        *(uint64_t *) arg = number(row[0]);
}

int table_estimate(struct database *db, const struct table *t, uint64_t *ret, struct error *e) {
        uint64_t rows = UINT64_MAX;

        buffer_append_string(&db->sql, "SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND "
                             "TABLE_NAME = _utf8mb4 X'");
        text_hex(t->name, strlen(t->name), TEXT_HEX, &db->sql);
        buffer_append_string(&db->sql, "'");
        if (each_row(db, 1, take_number, &rows, e, "estimate a table's rows") < 0)
                return error_prefix(e, "table %s: ", t->name);
        *ret = rows;
        return 0;
}

static void take_keys(void *arg, MYSQL_ROW row) {
        *(struct table_keys *) arg = (struct table_keys) {
                .rows = number(row[0]), .with_key = number(row[1]), .distinct = number(row[2]),
        };
}

int table_count_keys(struct database *db, const struct table *t, struct table_keys *ret, struct error *e) {
        struct table_keys keys = {};
        struct error none;

        buffer_printf(&db->sql, "SELECT COUNT(*), COUNT(%s), COUNT(DISTINCT ", t->quoted_key);
        if (t->key_literal == LITERAL_TEXT)
                query_key_bytes(&db->sql, t->quoted_key);
        else
                buffer_append_string(&db->sql, t->quoted_key);
        buffer_printf(&db->sql, ") FROM %s", t->quoted_name);
        query_where(&db->sql, t, &(struct range) {}, &none);
        if (each_row(db, 3, take_keys, &keys, e, "count a table's keys") < 0)
                return error_prefix(e, "table %s: ", t->name);
        *ret = keys;
        return 0;
}
