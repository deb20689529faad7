#include "db.h"

#include <stdio.h>
#include <unistd.h>

MYSQL *admin;
bool admin_is_mariadb;

int admin_set_up(void **state) {
        (void) state;
        admin = mysql_init(NULL);
        mysql_options(admin, MYSQL_SET_CHARSET_NAME, "utf8mb4");
        if (!mysql_real_connect(admin, NULL, "root", "", NULL, 0, getenv("PINFEED_TEST_MYSQL_SOCKET"), 0)) {
                fprintf(stderr, "%s\n", mysql_error(admin));
                return -1;
        }
        admin_is_mariadb = strstr(mysql_get_server_info(admin), "MariaDB") != NULL;
        admin_run("DROP DATABASE IF EXISTS pinfeed_test");
        admin_run("CREATE DATABASE pinfeed_test CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci");
        admin_run("USE pinfeed_test");
        admin_run("SET time_zone = '+00:00', sql_mode = ''");
        admin_create("seq", "(seq INT PRIMARY KEY)");
        admin_run("INSERT INTO seq VALUES (1)");
        for (int n = 1; n < 1 << 19; n *= 2)
                admin_run("INSERT INTO seq SELECT seq + %d FROM seq", n);
        return 0;
}

int admin_tear_down(void **state) {
        (void) state;
        mysql_close(admin);
        /* An exit would tear down the libraries under a log-in that was given up. */
        for (int i = 0; i < 1000 && database_left_behind(); i++)
                usleep(10000);
        return 0;
}

static void __attribute__((format(printf, 1, 0))) run(const char *format, va_list ap) {
        char *sql;

        assert_true(vasprintf(&sql, format, ap) >= 0);
        if (mysql_query(admin, sql) != 0)
                fail_msg("%s: %s", sql, mysql_error(admin));
        free(sql);
}

void admin_run(const char *format, ...) {
        MYSQL_RES *result;
        va_list ap;

        va_start(ap, format);
        run(format, ap);
        va_end(ap);
        result = mysql_store_result(admin);
        if (result)
                mysql_free_result(result);
}

void admin_create(const char *name, const char *format, ...) {
        char *columns;
        va_list ap;

        va_start(ap, format);
        assert_true(vasprintf(&columns, format, ap) >= 0);
        va_end(ap);
        admin_run("DROP TABLE IF EXISTS %s", name);
        admin_run("CREATE TABLE %s %s", name, columns);
        free(columns);
}

const char *admin_cell(MYSQL_RES *result, MYSQL_ROW row, const char *name) {
        for (unsigned i = 0; i < mysql_num_fields(result); i++)
                if (strcmp(mysql_fetch_fields(result)[i].name, name) == 0)
                        return row[i] ? row[i] : "";
        fail_msg("no column %s", name);
        return "";
}

bool admin_sees_query(const char *words) {
        MYSQL_RES *result;
        MYSQL_ROW row;
        bool seen = false;

        assert_int_equal(mysql_query(admin, "SHOW FULL PROCESSLIST"), 0);
        result = mysql_store_result(admin);
        assert_non_null(result);
        while ((row = mysql_fetch_row(result)))
                seen = seen || strstr(admin_cell(result, row, "Info"), words);
        mysql_free_result(result);
        return seen;
}

char *admin_ask(const char *format, ...) {
        MYSQL_RES *result;
        MYSQL_ROW row;
        char *answer;
        va_list ap;

        va_start(ap, format);
        run(format, ap);
        va_end(ap);
        result = mysql_store_result(admin);
        assert_non_null(result);
        row = mysql_fetch_row(result);
        answer = row && row[0] ? mem_copy_string(row[0]) : NULL;
        mysql_free_result(result);
        return answer;
}

struct database *open_as(const struct table_login *login) {
        uint64_t until_us = clock_monotonic_us() + 30000000;
        struct database *db;
        struct error e;

        while (database_open(login, &db, &e) < 0)
                if (e.class != ERROR_UNREACHABLE || clock_monotonic_us() > until_us)
                        fail_msg("%s (%s)", e.what, e.hint);
        return db;
}

struct database *open_database(unsigned timeout_ms) {
        return open_as(&(struct table_login) { .socket = getenv("PINFEED_TEST_MYSQL_SOCKET"), .user = "root",
                                               .database = "pinfeed_test", .timeout_ms = timeout_ms });
}

char *session_value(struct database *db, const char *query) {
        struct table_reader *r;
        struct error e;
        MYSQL_ROW row;
        char *value;

        buffer_append_string(&db->sql, query);
        if (database_ask(db, 0, &r, &e, "ask") < 0)
                fail_msg("%s", e.what);
        assert_int_equal(answer_next(r, &row, &e), TABLE_ROW);
        value = mem_copy_string(row[mysql_num_fields(r->result) - 1]);
        assert_int_equal(answer_next(r, &row, &e), TABLE_END);
        table_reader_close(r);
        return value;
}

uint64_t rows_touched(struct database *db) {
        static const char *const counters[] = { "key", "next", "rnd", "rnd_next", "first", "last", "prev" };
        uint64_t sum = 0;

        for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
                _cleanup_free_ char *query = mem_format("SHOW SESSION STATUS LIKE 'Handler_read_%s'", counters[i]);
                _cleanup_free_ char *value = session_value(db, query);

                sum += strtoull(value, NULL, 10);
        }
        return sum;
}

struct table *describe(struct database *db, const struct table_spec *spec) {
        struct table *t;
        struct error e;

        if (table_describe(db, spec, &t, &e) < 0)
                fail_msg("%s (%s)", e.what, e.hint);
        return t;
}

struct key key_of(const char *text) {
        return (struct key) { text, strlen(text) };
}

char *read_all(const struct table *t, struct table_reader *r) {
        const struct table_facts *facts = table_facts(t);
        struct json_plan *plan = json_plan_new(facts->columns, facts->column_count);
        struct buffer out = {};
        struct error e;
        struct row row;
        struct key key;
        char *text;
        int n;

        while ((n = table_next(r, &row, &key, &e)) == 0) {
                buffer_append(&out, key.data, key.length);
                buffer_append(&out, "\t", 1);
                json_encode_row(plan, &row, &out);
                buffer_append(&out, "\n", 1);
        }
        if (n < 0)
                fail_msg("%s (%s)", e.what, e.hint);
        assert_true(table_reader_close(r));
        text = mem_copy_bytes(out.data, out.length);
        buffer_free(&out);
        json_plan_free(plan);
        return text;
}

char *read_keys(struct database *db, const struct table *t, const char *after, bool from_inclusive, const char *to,
                uint64_t limit) {
        struct key after_key = key_of(after ? after : ""), to_key = key_of(to ? to : ""), key;
        struct table_reader *r;
        struct buffer out = {};
        struct error e;
        struct row row;
        char *text;
        int n;

        if (table_read(db, t, after ? &after_key : NULL, from_inclusive, to ? &to_key : NULL, limit, &r, &e) < 0)
                fail_msg("%s (%s)", e.what, e.hint);
        while ((n = table_next(r, &row, &key, &e)) == 0) {
                if (out.length > 0)
                        buffer_append(&out, "|", 1);
                buffer_append(&out, key.data, key.length);
        }
        if (n < 0)
                fail_msg("%s (%s)", e.what, e.hint);
        assert_true(table_reader_close(r));
        text = mem_copy_bytes(out.data, out.length);
        buffer_free(&out);
        return text;
}

void write_file(const char *name, const char *text, char ret_path[static 256]) {
        FILE *f;

        snprintf(ret_path, 256, "%s/%s", getenv("PINFEED_TEST_TMP"), name);
        f = fopen(ret_path, "w");
        assert_non_null(f);
        fputs(text, f);
        assert_int_equal(fclose(f), 0);
}

void assert_error_says(const struct error *e, enum error_class class, const char *const *words) {
        if (e->class != class)
                fail_msg("class is %d, not %d: %s", (int) e->class, (int) class, e->what);
        for (; *words; words++)
                if (!strstr(e->what, *words) && !strstr(e->hint, *words))
                        fail_msg("'%s' is not in: %s (%s)", *words, e->what, e->hint);
}
