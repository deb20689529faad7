/* check: the database and its tables. */
#include <inttypes.h>
#include <string.h>

#include "check.h"
#include "pinfeed/emulate.h"

/* More than that is not read whole just to look: it would not be done in seconds. */
enum { CHEAP_ROWS = 200000 };

static const char *const login_hint = "Check [mysql] host and port, that the server runs, and that its security group or "
        "firewall lets this machine in (RDS: inbound TCP 3306).";

/* ---- the way there ---- */

static bool check_reach(struct check *k) {
        const struct config *c = k->session.config;
        const char *host = c->mysql_host ? c->mysql_host : "localhost";
        enum reach reach;
        char address[64];
        struct error e;

        if (c->mysql_socket)
                return true;
        reach = connection_reach(&k->connection, host, c->mysql_port, address, &e);
        if (reach == REACH_NO_NAME) {
                error_hint(&e, "Check [mysql] host, and this machine's DNS.");
                finding_error(k, "mysql.name", "MySQL name", RESULT_FAILED, &e);
                finding_not_tried(k, "mysql.port", "MySQL port", "an address");
                return false;
        }
        finding(k, "mysql.name", "MySQL name", RESULT_OK, NULL, "%s resolves to %s", host, address);
        if (reach == REACH_NO_PORT) {
                error_hint(&e, "%s", login_hint);
                finding_error(k, "mysql.port", "MySQL port", RESULT_FAILED, &e);
                return false;
        }
        finding(k, "mysql.port", "MySQL port", RESULT_OK, NULL, "%u takes connections", c->mysql_port);
        return true;
}

static void check_server(struct check *k) {
        struct database_facts facts;
        char tls[256];
        struct error e;

        if (database_facts(k->connection.database, &facts, &e) < 0) {
                finding_error(k, "mysql.tls", "MySQL TLS", RESULT_NOT_TRIED, &e);
                return;
        }
        finding(k, "mysql.version", "MySQL version", RESULT_OK, NULL, "%s", facts.version);
        database_tls(k->connection.database, tls, sizeof tls);
        finding(k, "mysql.tls", "MySQL TLS", strstr(tls, "insists") ? RESULT_WARN : RESULT_OK, NULL, "%s%s%s", tls,
                *facts.certificate_ends ? ", it ends " : "", facts.certificate_ends);
}

/* ---- tables ---- */

static void check_columns(struct check *k, const struct stream *st) {
        const struct table_facts *facts = table_facts(st->table);
        char hint[512];

        snprintf(hint, sizeof hint, "To make one: CREATE INDEX pinfeed_key ON `%s` (`%s`); (a text column needs a length behind its "
                 "name, such as `%s`(64)).", st->config->table, st->config->key, st->config->key);
        finding(k, "table.columns", st->config->table, RESULT_OK, facts->key_indexed ? NULL : hint, "%zu columns, key %s%s",
                facts->column_count, st->config->key, facts->key_unique ? " with a unique index" : facts->key_indexed
                ? " with an index" : " without an index: held in memory by emulate, sorted by the server for a replay");
}

/* Returns the distinct keys, or UINT64_MAX if they weren't counted. */
static uint64_t check_rows(struct check *k, const struct stream *st) {
        const struct table_facts *facts = table_facts(st->table);
        _cleanup_free_ char *what = mem_format("%s rows", st->config->table);
        char numbers[3][32];
        struct table_keys keys;
        uint64_t estimate;
        struct error e;

        if (table_estimate(k->connection.database, st->table, &estimate, &e) < 0)
                finding_error(k, "table.rows", what, RESULT_NOT_TRIED, &e);
        else if (estimate == UINT64_MAX)
                finding(k, "table.rows", what, RESULT_NOT_TRIED, NULL, "the server has no estimate (a view?)");
        else if (estimate > CHEAP_ROWS)
                finding(k, "table.rows", what, facts->key_unique ? RESULT_OK : RESULT_NOT_TRIED, NULL, "about %s rows%s",
                        text_count(estimate, numbers[0]), facts->key_unique ? ", each key once"
                        : ": too many to look for keys that several of them have");
        else if (table_count_keys(k->connection.database, st->table, &keys, &e) < 0)
                finding_error(k, "table.rows", what, RESULT_NOT_TRIED, &e);
        else {
                bool clean = keys.distinct == keys.rows;

                finding(k, "table.rows", what, clean ? RESULT_OK : RESULT_WARN, clean ? NULL : "A post has one row of a key; a "
                        "replay sends them all but those without a key.", clean ? "%s rows, each key once"
                        : "%s rows, %s without a key, %s whose key another row has, too", text_count(keys.rows, numbers[0]),
                        text_count(keys.rows - keys.with_key, numbers[1]),
                        text_count(keys.with_key - keys.distinct, numbers[2]));
                return keys.distinct;
        }
        return UINT64_MAX;
}

/* ---- posts ---- */

static int count_common(struct check *k, uint64_t *ret, struct error *e) {
        struct table *tables[EMULATE_STREAMS];
        struct table_reader *reader;
        uint64_t count = 0;
        struct row row;
        struct key key;
        int r;

        for (size_t i = 0; i < EMULATE_STREAMS; i++)
                tables[i] = k->streams[i].table;
        if (table_common_keys(k->connection.database, tables, EMULATE_STREAMS, 0, &reader, e) < 0)
                return -1;
        while ((r = table_next(reader, &row, &key, e)) == TABLE_ROW)
                count++;
        table_reader_close(reader);
        *ret = count;
        return r < 0 ? -1 : 0;
}

static void check_whole(struct check *k, const uint64_t *distinct) {
        uint64_t common, most = 0;
        char numbers[EMULATE_STREAMS + 1][32];
        struct error e;

        for (size_t i = 0; i < EMULATE_STREAMS; i++) {
                most = distinct[i] > most ? distinct[i] : most;
                text_count(distinct[i], numbers[i]);
        }
        if (most == UINT64_MAX)
                finding(k, "posts.whole", "posts", RESULT_OK, NULL, "can be drawn; tables too large to count the whole ones");
        else if (count_common(k, &common, &e) < 0)
                finding_error(k, "posts.whole", "posts", RESULT_NOT_TRIED, &e);
        else
                finding(k, "posts.whole", "posts", common < most ? RESULT_WARN : RESULT_OK, common < most
                        ? "Emulate draws whole posts only." : NULL, "%s keys are in all three tables (%s has %s, %s %s, %s %s)",
                        text_count(common, numbers[EMULATE_STREAMS]), k->streams[0].config->table, numbers[0],
                        k->streams[1].config->table, numbers[1], k->streams[2].config->table, numbers[2]);
}

static void check_posts(struct check *k, const uint64_t *distinct) {
        struct error e;

        for (size_t i = 0; i < EMULATE_STREAMS; i++)
                if (!k->streams[i].table) {
                        finding_not_tried(k, "posts.whole", "posts", "the three tables");
                        return;
                }
        if (emulate_can_draw(k->streams, &k->connection, &e) < 0)
                finding_error(k, "posts.whole", "posts", RESULT_FAILED, &e);
        else
                check_whole(k, distinct);
}

void check_mysql(struct check *k) {
        const struct config *config = k->session.config;
        uint64_t *distinct = mem_zero(config->stream_count, sizeof *distinct);
        bool connected = check_reach(k);
        struct error e;

        if (!connected)
                finding_not_tried(k, "mysql.login", "MySQL", "a server that takes connections");
        else if (connection_open_database(&k->connection, &e) < 0) {
                finding_error(k, "mysql.login", "MySQL", RESULT_FAILED, &e);
                connected = false;
        } else {
                finding(k, "mysql.login", "MySQL", RESULT_OK, NULL, "connected to database %s as %s", config->mysql_database,
                        config->mysql_user);
                check_server(k);
        }
        for (size_t i = 0; i < config->stream_count && !check_stopping(k); i++) {
                struct stream *st = &k->streams[i];

                if (!connected)
                        finding_not_tried(k, "table.columns", st->config->table, "MySQL");
                else if (stream_describe(st, &k->connection, &e) < 0)
                        finding_error(k, "table.columns", st->config->table, RESULT_FAILED, &e);
                else {
                        check_columns(k, st);
                        distinct[i] = check_rows(k, st);
                }
        }
        if (!check_stopping(k))
                check_posts(k, distinct);
        free(distinct);
}
