/* Describing tables and reading rows, on a real server. */
#include "db.h"

#include <stdio.h>
#include <unistd.h>

/* ---- columns ---- */

/* In front of what only one family knows. */
#define MARIADB "MARIADB "
#define ORACLE "ORACLE "

/* The definition to use on this server; NULL: it doesn't know such a thing. */
static const char *known_here(const char *definition) {
        bool mariadb = strncmp(definition, MARIADB, strlen(MARIADB)) == 0;
        bool oracle = strncmp(definition, ORACLE, strlen(ORACLE)) == 0;

        if (mariadb || oracle)
                return mariadb == admin_is_mariadb ? strchr(definition, ' ') + 1 : NULL;
        return definition;
}

/* One row of every kind of column: its definition, the value, and the JSON that must come out. */
static const struct {
        const char *type, *value, *json;
} kinds[] = {
        { "TINYINT", "-128", "-128" },
        { "BOOL", "TRUE", "1" },
        { "SMALLINT UNSIGNED", "65535", "65535" },
        { "MEDIUMINT", "-8388608", "-8388608" },
        { "INT(5) ZEROFILL", "42", "42" },
        { "BIGINT", "-9223372036854775808", "-9223372036854775808" },
        { "BIGINT UNSIGNED", "18446744073709551615", "18446744073709551615" },
        { "YEAR", "2020", "2020" },
        { "YEAR", "'0000'", "0" },
        { "DECIMAL(10,2)", "-0.5", "-0.50" },
        { "DECIMAL(10,2) ZEROFILL", "5", "5.00" },
        { "DECIMAL(65,30)", "12345678901234567890123456789012345.123456789012345678901234567890",
          "12345678901234567890123456789012345.123456789012345678901234567890" },
        { "FLOAT", "-0.375174", "-0.375174" },
        { "FLOAT", "5", "5.0" },
        { "FLOAT", "16777217", "16777200.0" },
        { "FLOAT(7,4) ZEROFILL", "5", "5.0000" },
        { "DOUBLE", "1e20", "1e20" },
        { "DOUBLE", "1e-20", "1e-20" },
        { "DOUBLE", "0.1", "0.1" },
        { "DOUBLE", "123456789012345678", "1.2345678901234568e17" },
        { "BIT(1)", "b'1'", "1" },
        { "BIT(64)", "b'1111111111111111111111111111111111111111111111111111111111111111'", "18446744073709551615" },
        { "CHAR(10)", "'a  '", "\"a\"" },
        { "VARCHAR(10)", "'a  '", "\"a  \"" },
        { "VARCHAR(10)", "''", "\"\"" },
        { "VARCHAR(60)", "'\\\" \\\\ / \\n\\t\\r\\b\\0\\Z'", "\"\\\" \\\\ / \\n\\t\\r\\b\\u0000\\u001a\"" },
        { "VARCHAR(60) CHARACTER SET latin1", "'Café ÿ'", "\"Café ÿ\"" },
        { "VARCHAR(60) CHARACTER SET utf16", "'Ж東'", "\"Ж東\"" },
        { "TEXT", "'👩\xe2\x80\x8d💻 …\xc2\xa0'", "\"👩\xe2\x80\x8d💻 …\xc2\xa0\"" },
        { "LONGTEXT", "REPEAT('x', 20)", "\"xxxxxxxxxxxxxxxxxxxx\"" },
        { "ENUM('a','b')", "'b'", "\"b\"" },
        { "SET('x','y','z')", "'z,x'", "\"x,z\"" },
        { "JSON", "'{\"a\": [1, \"é\"]}'", "\"{\\\"a\\\": [1, \\\"é\\\"]}\"" },
        { "DATE", "'2020-04-27'", "\"2020-04-27\"" },
        { "DATE", "'0000-00-00'", "\"0000-00-00\"" },
        { "TIME", "'-838:59:59'", "\"-838:59:59\"" },
        { "TIME(3)", "'1:02:03.5'", "\"01:02:03.500\"" },
        { "DATETIME", "'2020-04-27 13:34:16'", "\"2020-04-27 13:34:16\"" },
        { "DATETIME(6)", "'2020-04-27 13:34:16.5'", "\"2020-04-27 13:34:16.500000\"" },
        { "TIMESTAMP NULL", "'2020-04-27 13:34:16'", "\"2020-04-27 13:34:16\"" },
        { "BINARY(4)", "'ab'", "\"YWIAAA==\"" },
        { "VARBINARY(4)", "X'00FF'", "\"AP8=\"" },
        { "BLOB", "''", "\"\"" },
        { MARIADB "UUID", "'6CCD780C-BABA-1026-9564-5B8C656024DB'", "\"6ccd780c-baba-1026-9564-5b8c656024db\"" },
        { MARIADB "INET6", "'2001:DB8::1'", "\"2001:db8::1\"" },
        { "POINT", "NULL", "null" },
        { "INT", "NULL", "null" },
        { "TEXT", "NULL", "null" },
};

static void every_kind_of_column_becomes_the_expected_json(void **state) {
        struct database *db = open_database(10000);
        struct table_reader *r;
        struct error e;

        (void) state;
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
                _cleanup_free_ char *expected = mem_format("7\t{\"k\":7,\"c\":%s}\n", kinds[i].json);
                const char *type = known_here(kinds[i].type);
                _cleanup_free_ char *got = NULL;
                struct table *t;

                if (!type)
                        continue;
                admin_create("kinds", "(k INT PRIMARY KEY, c %s)", type);
                admin_run("INSERT INTO kinds VALUES (7, %s)", kinds[i].value);
                t = describe(db, &(struct table_spec) { .name = "kinds", .key = "k" });
                assert_int_equal(table_read(db, t, NULL, false, NULL, 0, &r, &e), 0);
                got = read_all(t, r);
                if (strcmp(got, expected) != 0)
                        fail_msg("%s: %s, not %s", kinds[i].type, got, expected);
                table_free(t);
        }
        database_close(db);
}

static void columns_come_in_table_order_or_as_listed(void **state) {
        struct database *db = open_database(10000);
        struct table_reader *r;
        struct table *t;
        struct error e;
        char *got;

        (void) state;
        admin_create("listed", "(`index` INT PRIMARY KEY, `a b` TEXT, `we``ird, 1` INT, "
                  "hidden INT DEFAULT 5 INVISIBLE)");
        admin_run("INSERT INTO listed VALUES (1, 'x', 2)");

        t = describe(db, &(struct table_spec) { .name = "listed", .key = "INDEX" });
        assert_int_equal(table_facts(t)->key_column, 0);
        assert_int_equal(table_read(db, t, NULL, false, NULL, 0, &r, &e), 0);
        got = read_all(t, r);
        assert_string_equal(got, "1\t{\"index\":1,\"a b\":\"x\",\"we`ird, 1\":2}\n");
        free(got);
        table_free(t);

        t = describe(db, &(struct table_spec) { .name = "listed", .key = "index", .columns = " hidden , `a b`" });
        assert_true(table_facts(t)->key_column == SIZE_MAX);
        assert_int_equal(table_facts(t)->column_count, 2);
        assert_int_equal(table_read(db, t, NULL, false, NULL, 0, &r, &e), 0);
        got = read_all(t, r);
        assert_string_equal(got, "1\t{\"hidden\":5,\"a b\":\"x\"}\n");
        free(got);
        table_free(t);
        database_close(db);
}

static void timestamps_are_utc_whatever_the_server_thinks(void **state) {
        struct table_reader *r;
        struct database *db;
        struct table *t;
        struct error e;
        char *got;

        (void) state;
        admin_create("stamps", "(k INT PRIMARY KEY, at TIMESTAMP NULL)");
        admin_run("INSERT INTO stamps VALUES (1, '2020-10-25 00:30:00'), (2, '2020-10-25 01:30:00')");
        admin_run("SET GLOBAL time_zone = '-07:30'");
        db = open_database(10000);
        t = describe(db, &(struct table_spec) { .name = "stamps", .key = "k" });
        assert_int_equal(table_read(db, t, NULL, false, NULL, 0, &r, &e), 0);
        got = read_all(t, r);
        admin_run("SET GLOBAL time_zone = 'SYSTEM'");
        assert_string_equal(got, "1\t{\"k\":1,\"at\":\"2020-10-25 00:30:00\"}\n"
                            "2\t{\"k\":2,\"at\":\"2020-10-25 01:30:00\"}\n");
        free(got);
        table_free(t);
        database_close(db);
}

/* ---- keys ---- */

static const struct {
        const char *definition, *values;
        enum key_kind kind;
        const char *order;              /* NULL: any, as long as nothing is skipped */
} key_tables[] = {
        { "k INT PRIMARY KEY", "(0),(-1),(5),(2147483647),(-2147483648)", KEY_INTEGER, "-2147483648|-1|0|5|2147483647" },
        { "k INT", "(3),(0),(-7),(10),(9)", KEY_INTEGER, "-7|0|3|9|10" },
        { "k INT(6) ZEROFILL PRIMARY KEY", "(0),(42),(100)", KEY_INTEGER, "0|42|100" },
        { "k BIGINT UNSIGNED PRIMARY KEY", "(9223372036854775807),(9223372036854775808),(18446744073709551615),(0)",
          KEY_INTEGER, "0|9223372036854775807|9223372036854775808|18446744073709551615" },
        { "k DECIMAL(20,5), KEY(k)", "(1.5),(-1.5),(1.50001),(0),(99999999999.99999)", KEY_DECIMAL,
          "-1.50000|0.00000|1.50000|1.50001|99999999999.99999" },
        { "k YEAR PRIMARY KEY", "(2020),(1999),(2155)", KEY_INTEGER, "1999|2020|2155" },
        { "k VARCHAR(40)", "('A'),('a'),('á'),('a '),(''),('z'),('ß'),('ss'),('Z'),('👩'),('\\n'),('a\\0'),('b\\'\\\\')",
          KEY_TEXT, NULL },
        { "k VARCHAR(40), KEY(k)", "('A'),('a'),('á'),('a '),('b'),('B')", KEY_TEXT, "A|B|a|a |b|á" },
        { "k VARCHAR(40) PRIMARY KEY", "('b'),('A'),('c'),('Z'),('á '),(''),('b\\''),('東'),('👩')", KEY_TEXT, NULL },
        { "k VARCHAR(40) CHARACTER SET latin1 PRIMARY KEY", "('b'),('A'),('c'),('Z'),('ÿ')", KEY_TEXT, NULL },
        { "k VARCHAR(40) CHARACTER SET latin1", "('b'),('A'),('a'),('ÿ'),('ä'),('a ')", KEY_TEXT, "A|a|a |b|ä|ÿ" },
        { "k VARCHAR(40) COLLATE utf8mb4_bin", "('b'),('a'),('a '),('a\\t'),('A')", KEY_TEXT, NULL },
        { MARIADB "k VARCHAR(40) COLLATE utf8mb4_nopad_bin, KEY(k)", "('b'),('a'),('a '),('A')", KEY_TEXT, "A|a|a |b" },
        { ORACLE "k VARCHAR(40) COLLATE utf8mb4_0900_bin, KEY(k)", "('b'),('a'),('a '),('A')", KEY_TEXT, "A|a|a |b" },
        { ORACLE "k VARCHAR(40) COLLATE utf8mb4_0900_ai_ci PRIMARY KEY", "('b'),('a'),('a '),('Á'),('')", KEY_TEXT, NULL },
        { "k CHAR(36) PRIMARY KEY", "(UUID()),(UUID()),(UUID()),(UUID()),(UUID())", KEY_TEXT, NULL },
        { "k TEXT", "('b'),('a'),('A'),(REPEAT('x',1000)),(REPEAT('X',1000))", KEY_TEXT, NULL },
        { "k ENUM('z','y','x') PRIMARY KEY", "('x'),('y'),('z')", KEY_TEXT, "x|y|z" },
        { "k BINARY(3) PRIMARY KEY", "('b'),('a'),('A'),('ab'),(X'FFFE00')", KEY_BYTES, NULL },
        { "k VARBINARY(10), KEY(k)", "('b'),('a'),('A'),('a '),(''),(X'FF'),(X'00'),('\\'')", KEY_BYTES, NULL },
        { MARIADB "k UUID PRIMARY KEY", "('00000000-0000-1000-8000-000000000002'),('ffffffff-0000-1000-8000-000000000001'),"
          "('6ccd780c-baba-1026-9564-5b8c656024db'),('6ccd780c-baba-4026-9564-5b8c656024db')", KEY_BYTES, NULL },
        { MARIADB "k UUID", "('00000000-0000-1000-8000-000000000002'),('ffffffff-0000-1000-8000-000000000001'),"
          "('6ccd780c-baba-1026-9564-5b8c656024db'),('6ccd780c-baba-4026-9564-5b8c656024db')", KEY_BYTES, NULL },
        { MARIADB "k INET6 PRIMARY KEY", "('::1'),('2001:db8::1'),('::ffff:10.0.0.1'),('fe80::1')", KEY_BYTES, NULL },
        { "k DATE PRIMARY KEY", "('2020-01-02'),('1999-12-31'),('0000-00-00')", KEY_TIME,
          "0000-00-00|1999-12-31|2020-01-02" },
        { "k DATETIME(6), KEY(k)", "('2020-01-02 03:04:05.000001'),('2020-01-02 03:04:05'),('1999-12-31')", KEY_TIME,
          "1999-12-31 00:00:00.000000|2020-01-02 03:04:05.000000|2020-01-02 03:04:05.000001" },
        { "k TIMESTAMP NOT NULL DEFAULT 0", "('2020-10-25 00:30:00'),('2020-10-25 01:30:00'),('2020-03-29 02:30:00')",
          KEY_TIME, "2020-03-29 02:30:00|2020-10-25 00:30:00|2020-10-25 01:30:00" },
        { "k TIME(1) PRIMARY KEY", "('10:00:00'),('9:00:00'),('-100:00:00'),('838:59:59'),('-9:00:00.5')", KEY_TIME,
          "-100:00:00.0|-09:00:00.5|09:00:00.0|10:00:00.0|838:59:59.0" },
};

struct keys {
        char *text;
        struct key key[32];
        size_t count;
};

/* Whole, as the server streams them: with their lengths, since a key may hold any byte. */
static struct keys keys_of(struct database *db, const struct table *t, const struct key *after, bool from_inclusive,
                           const struct key *to) {
        struct keys keys = {};
        struct buffer b = {};
        struct table_reader *r;
        struct error e;
        struct row row;
        struct key key;
        const char *at;
        int n;

        if (table_read(db, t, after, from_inclusive, to, 0, &r, &e) < 0)
                fail_msg("%s", e.what);
        while ((n = table_next(r, &row, &key, &e)) == 0) {
                assert_true(keys.count < 32);
                keys.key[keys.count++].length = key.length;
                buffer_append(&b, key.data, key.length);
        }
        assert_int_equal(n, 1);
        assert_true(table_reader_close(r));
        keys.text = mem_copy_bytes(b.data, b.length);
        at = keys.text;
        for (size_t i = 0; i < keys.count; at += keys.key[i++].length)
                keys.key[i].data = at;
        buffer_free(&b);
        return keys;
}

static void assert_same_keys(const struct keys *all, size_t from, size_t to, const struct keys *got) {
        assert_int_equal(got->count, to - from);
        for (size_t i = 0; i < got->count; i++)
                assert_true(key_equal(&got->key[i], &all->key[from + i]));
}

static void check_key_table(struct database *db, const struct table *t, size_t rows) {
        struct keys all = keys_of(db, t, NULL, false, NULL);
        struct key least, greatest;
        uint64_t count;
        struct error e;

        assert_int_equal(all.count, rows);
        assert_int_equal(table_key_bounds(db, t, &least, &greatest, &e), TABLE_BOUNDS);
        assert_true(key_equal(&least, &all.key[0]));
        assert_true(key_equal(&greatest, &all.key[rows - 1]));
        for (size_t i = 0; i < rows; i++) {
                struct keys rest = keys_of(db, t, &all.key[i], false, NULL);
                struct keys start = keys_of(db, t, NULL, false, &all.key[i]);
                struct keys one = keys_of(db, t, &all.key[i], true, &all.key[i]);
                struct table_reader *r;
                struct row row;
                struct key key;

                assert_same_keys(&all, i + 1, rows, &rest);
                assert_same_keys(&all, 0, i + 1, &start);
                assert_same_keys(&all, i, i + 1, &one);
                assert_int_equal(table_count(db, t, &all.key[i], false, NULL, &count, &e), 0);
                assert_int_equal(count, rows - i - 1);
                assert_int_equal(table_fetch(db, t, &all.key[i], 1, &r, &e), 0);
                assert_int_equal(table_next(r, &row, &key, &e), 0);
                assert_true(key_equal(&key, &all.key[i]));
                assert_int_equal(table_next(r, &row, &key, &e), 1);
                table_reader_close(r);
                assert_true(all.key[i].length <= table_facts(t)->key_max_bytes);
                free(rest.text);
                free(start.text);
                free(one.text);
        }
        free(all.text);
}

static void every_kind_of_key_goes_on_after_any_key_without_gap_or_repeat(void **state) {
        struct database *db = open_database(10000);

        (void) state;
        for (size_t i = 0; i < sizeof key_tables / sizeof *key_tables; i++) {
                const char *definition = known_here(key_tables[i].definition);
                _cleanup_free_ char *rows = NULL, *order = NULL;
                struct table *t;

                if (!definition)
                        continue;
                print_message("  %s\n", definition);
                admin_create("keyed", "(filler INT DEFAULT 1, %s)", definition);
                admin_run("INSERT IGNORE INTO keyed (k) VALUES %s", key_tables[i].values);
                rows = admin_ask("SELECT COUNT(*) FROM keyed");
                t = describe(db, &(struct table_spec) { .name = "keyed", .key = "k" });
                assert_int_equal(table_facts(t)->key_kind, key_tables[i].kind);
                check_key_table(db, t, (size_t) atoi(rows));
                if (key_tables[i].order) {
                        order = read_keys(db, t, NULL, false, NULL, 0);
                        assert_string_equal(order, key_tables[i].order);
                }
                table_free(t);
        }
        database_close(db);
}

static void long_text_keys_are_ordered_to_their_last_byte(void **state) {
        struct database *db = open_database(10000);
        struct table *t;

        (void) state;
        admin_create("keyed", "(k VARCHAR(900))");
        for (int i = 0; i < 10; i++)
                admin_run("INSERT INTO keyed VALUES (CONCAT(REPEAT('東', 880), '%d')), (CONCAT(REPEAT('東', 880), 'x%d'))",
                          (i * 7) % 10, (i * 3) % 10);
        t = describe(db, &(struct table_spec) { .name = "keyed", .key = "k" });
        check_key_table(db, t, 20);
        table_free(t);
        database_close(db);
}

static void null_keys_are_found_and_never_read(void **state) {
        struct database *db = open_database(10000);
        struct key least, greatest;
        struct table *t;
        struct error e;
        char *keys;

        (void) state;
        admin_create("keyed", "(k INT, c INT, UNIQUE (k))");
        t = describe(db, &(struct table_spec) { .name = "keyed", .key = "k", .where = "c < 3" });
        assert_int_equal(table_key_bounds(db, t, &least, &greatest, &e), TABLE_EMPTY);
        assert_int_equal(table_has_null_keys(db, t, &e), TABLE_NO_NULL_KEYS);
        admin_run("INSERT INTO keyed VALUES (NULL, 3)");
        assert_int_equal(table_has_null_keys(db, t, &e), TABLE_NO_NULL_KEYS);
        assert_int_equal(table_key_bounds(db, t, &least, &greatest, &e), TABLE_EMPTY);
        admin_run("INSERT INTO keyed VALUES (NULL, 1), (2, 1), (1, 1), (3, 3)");
        assert_int_equal(table_has_null_keys(db, t, &e), TABLE_NULL_KEYS);
        assert_true(table_facts(t)->key_nullable && table_facts(t)->key_indexed && !table_facts(t)->key_unique);
        keys = read_keys(db, t, NULL, false, NULL, 0);
        assert_string_equal(keys, "1|2");
        free(keys);
        table_free(t);
        database_close(db);
}

static void the_longest_key_is_measured_in_bytes_of_utf8(void **state) {
        struct database *db = open_database(10000);
        struct error e;
        size_t longest;
        struct table *t;

        (void) state;
        admin_create("keyed", "(k TEXT CHARACTER SET latin1, c INT)");
        t = describe(db, &(struct table_spec) { .name = "keyed", .key = "k", .where = "c = 1" });
        assert_int_equal(table_longest_key(db, t, &longest, &e), 0);
        assert_int_equal(longest, 0);
        admin_run("INSERT INTO keyed VALUES ('ab', 1), (NULL, 1), ('äöü', 1), ('longer than that', 2)");
        assert_int_equal(table_longest_key(db, t, &longest, &e), 0);
        assert_int_equal(longest, 6);
        table_free(t);
        database_close(db);
}

static void keys_that_cannot_be_are_refused_before_they_reach_the_server(void **state) {
        static const struct {
                const char *type, *key;
        } wrong[] = {
                { "INT", "" }, { "INT", "abc" }, { "INT", "1 OR 1" }, { "INT", "1.5" }, { "INT", "-" },
                { "DECIMAL(5,2)", "1.5.5" }, { "DECIMAL(5,2)", "1e5" },
                { "DATETIME", "2020' OR '1" }, { "DATETIME", "" },
                { MARIADB "UUID", "x' OR '1" },
        };
        struct database *db = open_database(10000);
        struct table_reader *r;
        struct error e;

        (void) state;
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                const char *type = known_here(wrong[i].type);
                struct key key = key_of(wrong[i].key);
                struct table *t;
                uint64_t count;
                char *none;

                if (!type)
                        continue;
                admin_create("keyed", "(k %s)", type);
                t = describe(db, &(struct table_spec) { .name = "keyed", .key = "k" });
                assert_int_equal(table_read(db, t, &key, false, NULL, 0, &r, &e), -1);
                assert_error(&e, ERROR_USAGE, "keyed", wrong[i].key);
                assert_int_equal(table_fetch(db, t, &key, 1, &r, &e), -1);
                assert_int_equal(table_count(db, t, NULL, false, &key, &count, &e), -1);
                none = read_keys(db, t, NULL, false, NULL, 0);          /* and the connection is as good as before */
                assert_string_equal(none, "");
                free(none);
                table_free(t);
        }
        database_close(db);
}

/* ---- queries ---- */

static void where_keeps_to_itself(void **state) {
        static const char *const good[] = { "c = 1", "c = 0 OR c = 1", "c = 1 -- a comment", "c = 1 # another", "c IN (1,2)" };
        struct database *db = open_database(10000);
        struct key last = key_of("2");
        struct error e;

        (void) state;
        admin_create("keyed", "(k INT PRIMARY KEY, c INT)");
        admin_run("INSERT INTO keyed VALUES (1, 1), (2, 1), (3, 1), (4, 5)");
        for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
                struct table *t = describe(db, &(struct table_spec) { .name = "keyed", .key = "k", .where = good[i] });
                char *keys = read_keys(db, t, "1", false, NULL, 0);
                uint64_t count;

                assert_string_equal(keys, "2|3");
                assert_int_equal(table_count(db, t, NULL, false, &last, &count, &e), 0);
                assert_int_equal(count, 2);
                free(keys);
                table_free(t);
        }
        database_close(db);
}

static void refusals_say_what_to_do(void **state) {
        static const struct {
                struct table_spec spec;
                const char *words[3];
        } refused[] = {
                { { .name = "pin", .key = "k" }, { "pinfeed_test.pin", "keyed", "[stream pin] table" } },
                { { .name = "keyed", .key = "ind" }, { "no column 'ind'", "k, c, f", "[stream pin] key" } },
                { { .name = "keyed", .key = "k", .columns = "k, title" }, { "no column 'title'", "[stream pin] columns", "f" } },
                { { .name = "keyed", .key = "k", .columns = "k,k" }, { "[stream pin] columns", "twice", "table keyed" } },
                { { .name = "keyed", .key = "k", .columns = "k,," }, { "no column ''", "k, c, f", "columns" } },
                { { .name = "keyed", .key = "f" }, { "float", "can't be the key", "[stream pin] key" } },
                { { .name = "keyed", .key = "k", .where = "ind = 5" }, { "ind", "where", "1054" } },
                { { .name = "keyed", .key = "k", .where = "c = = 5" }, { "c = = 5", "[stream pin] columns and where", "1064" } },
                { { .name = "keyed", .key = "k", .where = "1) OR (1" }, { "1) OR (1", "where", "1064" } },
                { { .name = "keyed", .key = "k", .where = "c; DROP TABLE keyed" }, { "where", "where", "1064" } },
                { { .name = "keyed", .key = "k", .where = "nope(5)" }, { "nope", "[stream pin] where", "1305" } },
        };
        struct database *db = open_database(10000);
        struct table *t;
        struct error e;

        (void) state;
        admin_create("keyed", "(k INT PRIMARY KEY, c INT, f FLOAT)");
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
                struct table_spec spec = refused[i].spec;

                spec.stream = "pin";
                assert_int_equal(table_describe(db, &spec, &t, &e), -1);
                assert_error(&e, ERROR_REFUSED, refused[i].words[0], refused[i].words[1], refused[i].words[2]);
        }
        database_close(db);
}

static void session_reads_only(void **state) {
        struct database *db = open_database(10000);
        struct error e;

        (void) state;
        admin_create("keyed", "(k INT PRIMARY KEY)");
        buffer_append_string(&db->sql, "INSERT INTO keyed VALUES (1)");
        assert_int_equal(database_query(db, &e, "write"), -1);
        assert_error(&e, ERROR_FAILED, "READ ONLY");
        database_close(db);
}

/* What EXPLAIN says of the reading query: "type/key/extra". */
static char *explain(const struct table *t, const char *after, const char *to) {
        struct key after_key = key_of(after ? after : ""), to_key = key_of(to ? to : "");
        struct buffer sql = {};
        struct error e;
        MYSQL_RES *result;
        MYSQL_ROW row;
        char *answer;

        buffer_append_string(&sql, "EXPLAIN FORMAT=TRADITIONAL ");
        assert_int_equal(query_read(&sql, t, &(struct range) { after ? &after_key : NULL, to ? &to_key : NULL, false }, 0,
                                    &e), 0);
        if (mysql_query(admin, buffer_string(&sql)) != 0)
                fail_msg("%s: %s", sql.data, mysql_error(admin));
        result = mysql_store_result(admin);
        row = mysql_fetch_row(result);
        answer = mem_format("%s/%s/%s", admin_cell(result, row, "type"), admin_cell(result, row, "key"),
                            admin_cell(result, row, "Extra"));
        mysql_free_result(result);
        buffer_free(&sql);
        return answer;
}

static void indexes_are_used_for_order_and_range(void **state) {
        static const struct {
                const char *keys, *after, *index;
                bool unique;
        } tables[] = {
                { "i INT PRIMARY KEY, k INT, UNIQUE u (k)", "5", "u", false },
                { "k INT PRIMARY KEY, i INT", "5", "PRIMARY", true },
                { "k INT, i INT PRIMARY KEY, KEY plain (k)", "5", "plain", false },
                { "k INT NOT NULL, i INT, KEY pair (k, i)", "5", "pair", false },
                { "i INT, k INT, PRIMARY KEY (k, i)", "5", "PRIMARY", false },
                { "k VARCHAR(36) PRIMARY KEY, i INT", "00000005", "PRIMARY", true },
                { "k VARCHAR(36) CHARACTER SET latin1 PRIMARY KEY, i INT", "00000005", "PRIMARY", true },
                { "k VARCHAR(36) COLLATE utf8mb4_unicode_ci PRIMARY KEY, i INT", "00000005", "PRIMARY", true },
                { "k DATETIME NOT NULL, i INT, KEY dt (k)", "2020-01-01 00:00:00", "dt", false },
                { "k DECIMAL(20,2) NOT NULL, i INT, KEY de (k)", "5.00", "de", false },
                { "k BINARY(8) PRIMARY KEY, i INT", "00000005", "PRIMARY", true },
                { MARIADB "k UUID PRIMARY KEY, i INT", "00000000-0000-1000-8000-000000000005", "PRIMARY", true },
        };
        struct database *db = open_database(10000);

        (void) state;
        for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
                const char *definition = known_here(tables[i].keys);
                _cleanup_free_ char *whole = NULL, *range = NULL;
                struct table *t;

                if (!definition)
                        continue;
                print_message("  %s\n", definition);
                admin_create("keyed", "(filler VARCHAR(200), %s)", definition);
                admin_run("INSERT INTO keyed (k, i, filler) SELECT %s, seq, REPEAT('x', 200) FROM seq WHERE seq <= 2000",
                          strstr(tables[i].keys, "DATETIME") ? "'2020-01-01' + INTERVAL seq SECOND"
                          : strstr(tables[i].keys, "UUID") ? "CONCAT('00000000-0000-1000-8000-', LPAD(seq, 12, '0'))"
                          : "LPAD(seq, 8, '0')");
                admin_run("ANALYZE TABLE keyed");
                t = describe(db, &(struct table_spec) { .name = "keyed", .key = "k" });
                assert_true(table_facts(t)->key_indexed);
                assert_int_equal(table_facts(t)->key_unique, tables[i].unique);
                whole = explain(t, NULL, NULL);
                range = explain(t, tables[i].after, NULL);
                if (strstr(whole, "filesort") || !strstr(whole, tables[i].index))
                        fail_msg("whole table: %s", whole);
                if (strstr(range, "filesort") || !strstr(range, tables[i].index) || strncmp(range, "range/", 6) != 0)
                        fail_msg("range: %s", range);
                table_free(t);
        }
        database_close(db);
}

static void indexes_that_do_not_order_the_key_do_not_count(void **state) {
        static const char *const tables[] = {
                "k INT, i INT, KEY (i, k)", "k VARCHAR(36), i INT, KEY (k(4))", "k TEXT, i INT, FULLTEXT (k)",
                MARIADB "k INT, i INT, KEY (k) IGNORED", ORACLE "k INT, i INT, KEY (k) INVISIBLE", "k INT, i INT",
        };
        struct database *db = open_database(10000);
        struct table *t;
        char *keys;

        (void) state;
        for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
                if (!known_here(tables[i]))
                        continue;
                admin_create("keyed", "(%s)", known_here(tables[i]));
                admin_run("INSERT INTO keyed VALUES (2, 1), (1, 2)");
                t = describe(db, &(struct table_spec) { .name = "keyed", .key = "k" });
                assert_false(table_facts(t)->key_indexed);
                keys = read_keys(db, t, NULL, false, NULL, 0);
                assert_string_equal(keys, "1|2");
                free(keys);
                table_free(t);
        }
        admin_run("CREATE OR REPLACE VIEW seen AS SELECT k, i FROM keyed");
        t = describe(db, &(struct table_spec) { .name = "seen", .key = "k" });
        assert_false(table_facts(t)->key_indexed);
        keys = read_keys(db, t, "1", false, NULL, 0);
        assert_string_equal(keys, "2");
        free(keys);
        table_free(t);
        database_close(db);
}

static void rows_of_equal_keys_keep_their_order(void **state) {
        struct database *db = open_database(10000);
        struct table_reader *r;
        struct table *t;
        struct error e;
        char *first, *again;

        (void) state;
        admin_create("keyed", "(id INT PRIMARY KEY, k INT)");
        admin_run("INSERT INTO keyed SELECT 5000 - seq, seq %% 3 FROM seq WHERE seq <= 3000");
        t = describe(db, &(struct table_spec) { .name = "keyed", .key = "k" });
        assert_int_equal(table_read(db, t, NULL, false, NULL, 0, &r, &e), 0);
        first = read_all(t, r);
        table_free(t);
        admin_run("ALTER TABLE keyed ADD KEY (k)");             /* another plan, the same order */
        t = describe(db, &(struct table_spec) { .name = "keyed", .key = "k" });
        assert_int_equal(table_read(db, t, NULL, false, NULL, 0, &r, &e), 0);
        again = read_all(t, r);
        table_free(t);
        assert_string_equal(first, again);
        free(first);
        free(again);
        database_close(db);
}

static void fetch_yields_the_rows_of_the_keys_and_no_others(void **state) {
        struct database *db = open_database(10000);
        struct table_reader *r;
        struct key keys[5000];
        char texts[5000][8];
        uint64_t before;
        struct table *t;
        struct error e;
        struct row row;
        struct key key;
        size_t rows = 0;
        char *got;

        (void) state;
        admin_create("keyed", "(k VARCHAR(20), c INT, KEY (k))");
        admin_run("INSERT INTO keyed VALUES ('a', 1), ('A', 2), ('a ', 3), ('á', 4), ('a', 5), ('b', 6), (NULL, 7)");
        t = describe(db, &(struct table_spec) { .name = "keyed", .key = "k", .columns = "c", .where = "c <> 6" });
        assert_int_equal(table_fetch(db, t, (struct key[]) { { "a", 1 }, { "b", 1 }, { "nope", 4 } }, 3, &r, &e), 0);
        got = read_all(t, r);
        assert_true(strcmp(got, "a\t{\"c\":1}\na\t{\"c\":5}\n") == 0 || strcmp(got, "a\t{\"c\":5}\na\t{\"c\":1}\n") == 0);
        free(got);
        assert_int_equal(table_fetch(db, t, NULL, 0, &r, &e), 0);
        assert_int_equal(table_next(r, &row, &key, &e), 1);
        table_reader_close(r);
        table_free(t);

        admin_create("keyed", "(k INT PRIMARY KEY)");
        admin_run("INSERT INTO keyed SELECT seq FROM seq WHERE seq <= 20000");
        t = describe(db, &(struct table_spec) { .name = "keyed", .key = "k" });
        for (int i = 0; i < 5000; i++) {
                snprintf(texts[i], sizeof texts[i], "%d", i * 5);       /* 0 to 24995; 0 and those above 20000 are missing */
                keys[i] = key_of(texts[i]);
        }
        before = rows_touched(db);
        assert_int_equal(table_fetch(db, t, keys, 5000, &r, &e), 0);
        while (table_next(r, &row, &key, &e) == 0)
                rows++;
        assert_int_equal(rows, 4000);
        assert_true(table_reader_close(r));
        assert_true(rows_touched(db) - before >= 4000 && rows_touched(db) - before <= 11000);        /* looked up, not searched for */
        table_free(t);
        database_close(db);
}

/* ---- keys in common ---- */

static char *common_keys(struct database *db, struct table *const *tables, size_t count, uint64_t limit) {
        struct table_reader *r;
        struct buffer out = {};
        struct error e;
        struct row row;
        struct key key;
        char *text;
        int n;

        if (table_common_keys(db, tables, count, limit, &r, &e) < 0)
                fail_msg("%s (%s)", e.what, e.hint);
        while ((n = table_next(r, &row, &key, &e)) == 0)
                buffer_printf(&out, "%s%.*s", out.length ? "|" : "", (int) key.length, key.data);
        if (n < 0)
                fail_msg("%s", e.what);
        assert_true(table_reader_close(r));
        text = mem_copy_string(buffer_string(&out));
        buffer_free(&out);
        return text;
}

static void the_server_cuts_what_is_too_long_to_be_taken(void **state) {
        struct database *db = open_database(10000);
        struct table_reader *r;
        struct error e;
        struct table *t;
        struct row row;
        struct key key;

        (void) state;
        admin_create("huge", "(k INT PRIMARY KEY, a LONGTEXT, b MEDIUMBLOB, c TEXT, d LONGTEXT)");
        admin_run("INSERT INTO huge VALUES (1, REPEAT('東', 5000), REPEAT('x', 5000), REPEAT('y', 5000), 'short')");
        t = describe(db, &(struct table_spec) { .name = "huge", .key = "k", .cell_max_bytes = 1000 });
        assert_int_equal(table_read(db, t, NULL, false, NULL, 0, &r, &e), 0);
        assert_int_equal(table_next(r, &row, &key, &e), TABLE_ROW);
        assert_int_equal(row.lengths[1], 3003);         /* 1,001 characters: too long in any case */
        assert_int_equal(row.lengths[2], 1001);
        assert_int_equal(row.lengths[3], 5000);         /* a TEXT has a limit of its own */
        assert_int_equal(row.lengths[4], 5);
        assert_int_equal(table_next(r, &row, &key, &e), TABLE_END);
        table_reader_close(r);
        table_free(t);
        database_close(db);
}

static void common_keys_are_those_of_all_tables_once_and_in_order(void **state) {
        static const struct {
                const char *a, *b, *c, *expected, *first_two;
                const char *values[3];
        } cases[] = {
                { "INT PRIMARY KEY", "INT PRIMARY KEY", "INT PRIMARY KEY", "-1|2|10", "-1|2",
                  { "(10),(2),(3),(-1)", "(-1),(2),(10),(4)", "(10),(5),(2),(-1)" } },
                { "INT", "BIGINT", "INT, KEY(k)", "-1|2|10", "-1|2",
                  { "(10),(2),(2),(3),(-1),(NULL)", "(-1),(-1),(2),(10),(NULL)", "(10),(10),(2),(-1),(NULL)" } },
                { "INT PRIMARY KEY", "INT(4) ZEROFILL", "DECIMAL(5)", NULL, NULL, { "(1)", "(1)", "(1)" } },
                { "VARCHAR(10)", "VARCHAR(10) PRIMARY KEY", "TEXT", "A|b|é", "A|b",
                  { "('A'),('a'),('b'),('b '),('é'),('É')", "('A'),('b'),('é')", "('A'),('á'),('b'),('é')" } },
                { "VARCHAR(10) PRIMARY KEY", "VARCHAR(10) PRIMARY KEY", "VARCHAR(10) PRIMARY KEY", "b|c", "b|c",
                  { "('A'),('c'),('b')", "('a'),('b'),('c')", "('b'),('c'),('a')" } },
                { "VARCHAR(10) PRIMARY KEY", "VARCHAR(10) CHARACTER SET latin1 PRIMARY KEY",
                  "VARCHAR(10) COLLATE utf8mb4_bin PRIMARY KEY", "b|é", "b|é",
                  { "('A'),('é'),('b')", "('a'),('b'),('é')", "('b'),('é'),('a')" } },
        };
        struct database *db = open_database(10000);

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const char *types[3] = { cases[i].a, cases[i].b, cases[i].c };
                struct table *tables[3];
                struct table_reader *r;
                struct error e;
                char *keys;

                for (int j = 0; j < 3; j++) {
                        char name[8];

                        snprintf(name, sizeof name, "c%d", j);
                        admin_create(name, "(filler INT DEFAULT 1, k %s)", types[j]);
                        admin_run("INSERT INTO %s (k) VALUES %s", name, cases[i].values[j]);
                        tables[j] = describe(db, &(struct table_spec) { .name = name, .key = "k" });
                }
                if (cases[i].expected) {
                        keys = common_keys(db, tables, 3, 0);
                        assert_string_equal(keys, cases[i].expected);
                        free(keys);
                        keys = common_keys(db, tables, 3, 2);
                        assert_string_equal(keys, cases[i].first_two);
                        free(keys);
                } else {
                        assert_int_equal(table_common_keys(db, tables, 3, 0, &r, &e), -1);
                        assert_error(&e, ERROR_REFUSED, "c0", "c2");
                }
                for (int j = 0; j < 3; j++)
                        table_free(tables[j]);
        }
        database_close(db);
}

static void common_keys_respect_each_where_and_the_same_table_twice(void **state) {
        struct database *db = open_database(10000);
        struct table *tables[2];
        char *keys;

        (void) state;
        admin_create("keyed", "(k INT PRIMARY KEY, c INT)");
        admin_run("INSERT INTO keyed VALUES (1, 1), (2, 2), (3, 3), (4, 4)");
        tables[0] = describe(db, &(struct table_spec) { .name = "keyed", .key = "k", .where = "keyed.c > 1" });
        tables[1] = describe(db, &(struct table_spec) { .name = "keyed", .key = "k", .where = "c < 4 OR keyed.k = 1 # x" });
        keys = common_keys(db, tables, 2, 0);
        assert_string_equal(keys, "2|3");
        free(keys);
        keys = common_keys(db, tables, 1, 0);
        assert_string_equal(keys, "2|3|4");
        free(keys);
        table_free(tables[0]);
        table_free(tables[1]);
        database_close(db);
}

static void common_keys_of_large_tables_come_at_once(void **state) {
        struct database *db = open_database(60000);
        struct table *tables[4];
        uint64_t before;
        char *keys;

        (void) state;
        for (int i = 0; i < 3; i++) {
                char name[8];

                snprintf(name, sizeof name, "big%d", i);
                admin_create(name, "(k INT PRIMARY KEY)");
                admin_run("INSERT INTO %s SELECT seq * %d FROM seq WHERE seq <= 300000", name, i + 1);
                admin_run("ANALYZE TABLE %s", name);
                tables[i] = describe(db, &(struct table_spec) { .name = name, .key = "k" });
        }
        before = rows_touched(db);
        keys = common_keys(db, tables, 3, 5);
        assert_string_equal(keys, "6|12|18|24|30");
        assert_true(rows_touched(db) - before >= 5 && rows_touched(db) - before <= 500);
        free(keys);

        /* However they are ordered, the smallest one leads. */
        admin_create("small", "(k INT PRIMARY KEY)");
        admin_run("INSERT INTO small VALUES (299994), (299995), (6000000)");
        admin_run("ANALYZE TABLE small");
        tables[3] = describe(db, &(struct table_spec) { .name = "small", .key = "k" });
        before = rows_touched(db);
        keys = common_keys(db, tables, 4, 0);
        assert_string_equal(keys, "299994");
        assert_true(rows_touched(db) - before >= 3 && rows_touched(db) - before <= 500);
        free(keys);
        for (int i = 0; i < 4; i++)
                table_free(tables[i]);
        database_close(db);
}

/* ---- fingerprint ---- */

static void fingerprint_changes_with_what_it_stands_for_and_nothing_else(void **state) {
        static const char *const base = "k INT PRIMARY KEY, a VARCHAR(10), b INT";
        static const struct {
                const char *columns;
                struct table_spec spec;
                bool same;
        } cases[] = {
                { "k INT PRIMARY KEY, a VARCHAR(10), b INT", { .name = "keyed", .key = "k" }, true },
                { "k INT PRIMARY KEY, a VARCHAR(10), b INT, KEY (b)", { .name = "keyed", .key = "k" }, true },
                { "k INT(7) PRIMARY KEY, a VARCHAR(10), b INT(3)", { .name = "keyed", .key = "K" }, true },
                { "k INT PRIMARY KEY, a VARCHAR(11), b INT", { .name = "keyed", .key = "k" }, false },
                { "k INT PRIMARY KEY, b INT, a VARCHAR(10)", { .name = "keyed", .key = "k" }, false },
                { "k INT PRIMARY KEY, aa VARCHAR(10), b INT", { .name = "keyed", .key = "k" }, false },
                { "k BIGINT PRIMARY KEY, a VARCHAR(10), b INT", { .name = "keyed", .key = "k" }, false },
                { "k INT UNSIGNED PRIMARY KEY, a VARCHAR(10), b INT", { .name = "keyed", .key = "k" }, false },
                { "k INT PRIMARY KEY, a VARCHAR(10), b INT", { .name = "keyed", .key = "b" }, false },
                { "k INT PRIMARY KEY, a VARCHAR(10), b INT", { .name = "keyed", .key = "k", .where = "b = 1" }, false },
                { "k INT PRIMARY KEY, a VARCHAR(10), b INT", { .name = "keyed", .key = "k", .columns = "k,a" }, false },
                { "k INT PRIMARY KEY, a VARCHAR(10), b INT", { .name = "keyed", .key = "k", .columns = "k, a, b" }, true },
        };
        struct database *db = open_database(10000);
        char expected[33];
        struct table *t;

        (void) state;
        admin_create("keyed", "(%s)", base);
        t = describe(db, &(struct table_spec) { .name = "keyed", .key = "k" });
        strcpy(expected, table_facts(t)->fingerprint);
        assert_int_equal(strspn(expected, "0123456789abcdef"), 32);
        table_free(t);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                admin_create("keyed", "(%s)", cases[i].columns);
                t = describe(db, &cases[i].spec);
                if ((strcmp(expected, table_facts(t)->fingerprint) == 0) != cases[i].same)
                        fail_msg("%s", cases[i].columns);
                table_free(t);
        }
        database_close(db);
}

static struct table_facts facts_at(struct table_login login) {
        struct table_facts facts;
        struct database *db;
        struct table *t;

        login.user = "finger";
        db = open_as(&login);
        t = describe(db, &(struct table_spec) { .name = "finger", .key = "k" });
        facts = *table_facts(t);
        table_free(t);
        database_close(db);
        return facts;
}

static void fingerprint_changes_with_server_and_database(void **state) {
        unsigned port = (unsigned) atoi(getenv("PINFEED_TEST_MYSQL_PORT"));
        const struct {
                struct table_login login;
                bool same;
        } cases[] = {
                { { .host = "localhost", .port = port, .database = "pinfeed_test" }, true },
                { { .host = "LocalHost", .port = port, .database = "pinfeed_test" }, true },
                { { .host = "127.0.0.1", .port = port, .database = "pinfeed_test" }, false },
                { { .host = "localhost", .port = port, .database = "pinfeed_other" }, false },
                { { .socket = getenv("PINFEED_TEST_MYSQL_SOCKET"), .database = "pinfeed_test" }, false },
        };
        struct table_facts first;

        (void) state;
        admin_run("DROP DATABASE IF EXISTS pinfeed_other");
        admin_run("CREATE DATABASE pinfeed_other CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci");
        admin_create("finger", "(k INT PRIMARY KEY)");
        admin_create("pinfeed_other.finger", "(k INT PRIMARY KEY)");
        admin_run("DROP USER IF EXISTS finger@'%%'");
        admin_run("CREATE USER finger@'%%'");
        admin_run("GRANT SELECT ON *.* TO finger@'%%'");
        first = facts_at(cases[0].login);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct table_facts facts = facts_at(cases[i].login);

                if ((strcmp(first.fingerprint, facts.fingerprint) == 0) != cases[i].same)
                        fail_msg("case %zu", i);
                assert_string_equal(facts.former_fingerprint, first.former_fingerprint);
        }
}

/* ---- what a follow asks ---- */

static void ranges_yield_their_rows_along_the_index(void **state) {
        static const struct table_range ranges[] = { { INT64_MIN + 1, 2 }, { 5, 5 }, { 100, 200 }, { 1990, INT64_MAX } };
        struct database *db = open_database(10000);
        struct table_reader *reader;
        struct table *t;
        struct error e;

        (void) state;
        admin_create("ranged", "(k BIGINT UNSIGNED PRIMARY KEY, filler VARCHAR(200))");
        admin_run("INSERT INTO ranged SELECT seq, REPEAT('x', 200) FROM seq WHERE seq <= 2000 AND seq NOT IN (150, 1995)");
        admin_run("ANALYZE TABLE ranged");
        t = describe(db, &(struct table_spec) { .name = "ranged", .key = "k", .columns = "k", .where = "k <> 5 -- but" });
        for (uint64_t limit = 0; limit <= 3; limit += 3) {
                uint64_t touched = rows_touched(db);
                _cleanup_free_ char *rows = NULL;
                size_t count = 0;

                if (table_read_ranges(db, t, ranges, sizeof ranges / sizeof *ranges, limit, &reader, &e) < 0)
                        fail_msg("%s", e.what);
                rows = read_all(t, reader);
                for (const char *p = rows; (p = strchr(p, '\n')); p++)
                        count++;
                assert_int_equal(count, limit ? limit : 2 + 100 + 10);
                assert_true(strncmp(rows, "1\t", 2) == 0);
                if (rows_touched(db) - touched > 200)
                        fail_msg("%llu rows were touched", (unsigned long long) (rows_touched(db) - touched));
        }
        table_free(t);
        database_close(db);
}

static enum database_transactions transactions(struct database *db, uint64_t *ret_oldest, uint64_t *ret_newest) {
        struct error e;

        usleep(300000);                 /* the server shows what was so a tenth of a second ago */
        return database_transactions(db, ret_oldest, ret_newest, &e);
}

static void open_transactions_are_seen_from_their_first_row_on(void **state) {
        struct database *db = open_database(10000), *reader = open_database(10000);
        uint64_t oldest, newest, first;

        (void) state;
        admin_create("opened", "(k INT PRIMARY KEY) ENGINE=InnoDB");
        assert_int_equal(transactions(db, &oldest, &newest), DATABASE_TRANSACTIONS);
        assert_true(oldest == 0 && newest == 0);
        free(session_value(reader, "SELECT COUNT(*) FROM opened"));             /* who only reads doesn't count */
        admin_run("BEGIN");
        admin_run("INSERT INTO opened VALUES (1)");
        assert_int_equal(transactions(db, &oldest, &newest), DATABASE_TRANSACTIONS);
        assert_true(oldest > 0 && oldest == newest);
        first = oldest;
        admin_run("ROLLBACK");
        assert_int_equal(transactions(db, &oldest, &newest), DATABASE_TRANSACTIONS);
        assert_true(oldest == 0 && newest == 0);
        admin_run("BEGIN");
        admin_run("INSERT INTO opened VALUES (2)");
        assert_int_equal(transactions(db, &oldest, &newest), DATABASE_TRANSACTIONS);
        assert_true(oldest > first);
        admin_run("COMMIT");
        database_close(reader);
        database_close(db);
}

static void transactions_are_hidden_on_a_replica_and_without_the_right(void **state) {
        struct table_login login = { .host = "127.0.0.1", .port = (unsigned) atoi(getenv("PINFEED_TEST_MYSQL_PORT")),
                                     .user = "nosy", .database = "pinfeed_test", .timeout_ms = 10000 };
        struct database *db = open_database(10000), *nosy;
        uint64_t oldest, newest;

        (void) state;
        admin_run("DROP USER IF EXISTS nosy@'%%'");
        admin_run("CREATE USER nosy@'%%'");
        admin_run("GRANT SELECT ON *.* TO nosy@'%%'");
        nosy = open_as(&login);
        assert_int_equal(transactions(nosy, &oldest, &newest), DATABASE_TRANSACTIONS_HIDDEN);
        free(session_value(nosy, "SELECT 1"));          /* the connection is as good as before */
        database_close(nosy);
        assert_int_equal(transactions(db, &oldest, &newest), DATABASE_TRANSACTIONS);
        admin_run("SET GLOBAL read_only = 1");
        assert_int_equal(transactions(db, &oldest, &newest), DATABASE_TRANSACTIONS_HIDDEN);
        admin_run("SET GLOBAL read_only = 0");
        database_close(db);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_kind_of_column_becomes_the_expected_json),
                cmocka_unit_test(columns_come_in_table_order_or_as_listed),
                cmocka_unit_test(timestamps_are_utc_whatever_the_server_thinks),
                cmocka_unit_test(every_kind_of_key_goes_on_after_any_key_without_gap_or_repeat),
                cmocka_unit_test(long_text_keys_are_ordered_to_their_last_byte),
                cmocka_unit_test(null_keys_are_found_and_never_read),
                cmocka_unit_test(the_longest_key_is_measured_in_bytes_of_utf8),
                cmocka_unit_test(keys_that_cannot_be_are_refused_before_they_reach_the_server),
                cmocka_unit_test(where_keeps_to_itself),
                cmocka_unit_test(refusals_say_what_to_do),
                cmocka_unit_test(session_reads_only),
                cmocka_unit_test(indexes_are_used_for_order_and_range),
                cmocka_unit_test(indexes_that_do_not_order_the_key_do_not_count),
                cmocka_unit_test(rows_of_equal_keys_keep_their_order),
                cmocka_unit_test(fetch_yields_the_rows_of_the_keys_and_no_others),
                cmocka_unit_test(the_server_cuts_what_is_too_long_to_be_taken),
                cmocka_unit_test(common_keys_are_those_of_all_tables_once_and_in_order),
                cmocka_unit_test(common_keys_respect_each_where_and_the_same_table_twice),
                cmocka_unit_test(common_keys_of_large_tables_come_at_once),
                cmocka_unit_test(fingerprint_changes_with_what_it_stands_for_and_nothing_else),
                cmocka_unit_test(fingerprint_changes_with_server_and_database),
                cmocka_unit_test(ranges_yield_their_rows_along_the_index),
                cmocka_unit_test(open_transactions_are_seen_from_their_first_row_on),
                cmocka_unit_test(transactions_are_hidden_on_a_replica_and_without_the_right),
        };

        return cmocka_run_group_tests(tests, admin_set_up, admin_tear_down);
}
