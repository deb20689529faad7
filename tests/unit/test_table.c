/* The parts of the table room that need no server. tests/db has the others. */
#include "unit.h"

#include "table/room.h"

static struct table integer_table(void) {
        return (struct table) {
                .facts = { .key_kind = KEY_INTEGER },
                .name = (char *) "pin", .quoted_name = (char *) "`pin`", .quoted_key = (char *) "`index`",
                .select_list = (char *) "`index`,`title`", .order_by = (char *) "`index`",
                .force_index = (char *) " FORCE INDEX (`PRIMARY`)", .key_literal = LITERAL_INTEGER,
        };
}

static struct key key_of(const char *text) {
        return (struct key) { text, strlen(text) };
}

#define assert_sql(call, expected) \
        do { \
                struct buffer sql = {}; \
                assert_int_equal((call), 0); \
                assert_string_equal(buffer_string(&sql), (expected)); \
                buffer_free(&sql); \
        } while (0)

/* ---- logging in ---- */

static void tls_is_verified_on_rds_and_required_beyond_this_machine(void **state) {
        static const struct {
                struct table_login login;
                enum table_tls lowest;
        } cases[] = {
                { { .host = "pin.c0ffee.eu-west-1.rds.amazonaws.com" }, TABLE_TLS_VERIFY },
                { { .host = "PIN.C0FFEE.EU-WEST-1.RDS.AMAZONAWS.COM" }, TABLE_TLS_VERIFY },
                { { .host = "pin.cluster-c0ffee.rds.cn-north-1.rds.amazonaws.com.cn" }, TABLE_TLS_VERIFY },
                { { .host = "rds.amazonaws.com.example" }, TABLE_TLS_REQUIRE },
                { { .host = "notrds.amazonaws.com" }, TABLE_TLS_REQUIRE },
                { { .host = "db.example" }, TABLE_TLS_REQUIRE },
                { { .host = "10.0.0.7" }, TABLE_TLS_REQUIRE },
                { { .host = "localhost.example" }, TABLE_TLS_REQUIRE },
                { { .host = "127.0.0.1.example" }, TABLE_TLS_REQUIRE },
                { { .host = "localhost" }, TABLE_TLS_PREFER },
                { { .host = "127.1.2.3" }, TABLE_TLS_PREFER },
                { { .host = "::1" }, TABLE_TLS_PREFER },
                { { .host = "db.example", .socket = "/run/mysqld/mysqld.sock" }, TABLE_TLS_PREFER },
                /* ssl_ca says that it is to be verified */
                { { .host = "localhost", .ssl_ca = "/ca.pem" }, TABLE_TLS_VERIFY },
                { { .host = "db.example", .ssl_ca = "/ca.pem" }, TABLE_TLS_VERIFY },
                /* what is set is what counts */
                { { .host = "pin.c0ffee.eu-west-1.rds.amazonaws.com", .tls = TABLE_TLS_PREFER }, TABLE_TLS_PREFER },
                { { .host = "db.example", .ssl_ca = "/ca.pem", .tls = TABLE_TLS_REQUIRE }, TABLE_TLS_REQUIRE },
                { { .host = "localhost", .tls = TABLE_TLS_VERIFY }, TABLE_TLS_VERIFY },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                if (login_lowest_tls(&cases[i].login) != cases[i].lowest)
                        fail_msg("%s (case %zu): %d", cases[i].login.host, i, login_lowest_tls(&cases[i].login));
}

/* ---- SQL ---- */

static void identifiers_cannot_be_broken_out_of(void **state) {
        struct buffer sql = {};

        (void) state;
        query_identifier(&sql, "a`b``; DROP");
        assert_string_equal(buffer_string(&sql), "`a``b````; DROP`");
        buffer_free(&sql);
}

static void read_query_has_bounds_condition_order_and_limit(void **state) {
        struct table t = integer_table();
        struct key after = key_of("-5"), to = key_of("18446744073709551615");
        struct range none = {}, both = { &after, &to, false }, from = { &after, NULL, true };
        struct error e;

        (void) state;
        assert_sql(query_read(&sql, &t, &none, 0, &e),
                   "SELECT `index`,`title` FROM `pin` FORCE INDEX (`PRIMARY`) WHERE TRUE ORDER BY `index`");
        t.where = (char *) "a = 1 OR b = 2 -- x";
        assert_sql(query_read(&sql, &t, &both, 10, &e),
                   "SELECT `index`,`title` FROM `pin` FORCE INDEX (`PRIMARY`) WHERE TRUE AND `index` > -5 AND "
                   "`index` <= 18446744073709551615 AND (a = 1 OR b = 2 -- x\n) ORDER BY `index` LIMIT 10");
        t.where = NULL;
        t.facts.key_nullable = true;
        assert_sql(query_read(&sql, &t, &from, 0, &e),
                   "SELECT `index`,`title` FROM `pin` FORCE INDEX (`PRIMARY`) WHERE `index` IS NOT NULL AND `index` >= -5 "
                   "ORDER BY `index`");
}

static void text_keys_are_hexadecimal_literals(void **state) {
        struct table t = integer_table();
        struct key key = { "a'\0\\é", 6 }, empty = key_of("");
        struct error e;

        (void) state;
        t.key_literal = LITERAL_TEXT;
        assert_sql(query_key(&sql, &t, &key, false, &e), "_utf8mb4 X'6127005CC3A9'");
        assert_sql(query_key(&sql, &t, &key, true, &e), "X'6127005CC3A9'");
        assert_sql(query_key(&sql, &t, &empty, false, &e), "_utf8mb4 X''");
        t.key_literal = LITERAL_BYTES;
        assert_sql(query_key(&sql, &t, &key, false, &e), "X'6127005CC3A9'");
}

static void text_without_a_unique_index_is_compared_as_bytes(void **state) {
        struct table t = integer_table();
        struct key after = key_of("A");
        struct error e;

        (void) state;
        t.key_literal = LITERAL_TEXT;
        t.key_as_bytes = true;
        assert_sql(query_count(&sql, &t, &(struct range) { &after, NULL, false }, &e),
                   "SELECT COUNT(*) FROM `pin` WHERE TRUE AND CAST(CONVERT(`index` USING utf8mb4) AS BINARY) > X'41'");
        assert_sql(query_fetch(&sql, &t, &after, 1, &e),
                   "SELECT `index`,`title` FROM `pin` WHERE `index` IN (_utf8mb4 X'41') AND "
                   "CAST(CONVERT(`index` USING utf8mb4) AS BINARY) IN (X'41')");
}

static void a_key_that_is_none_never_becomes_sql(void **state) {
        static const struct {
                enum key_literal literal;
                const char *key;
                size_t length;
        } wrong[] = {
                { LITERAL_INTEGER, "", 0 }, { LITERAL_INTEGER, "-", 1 }, { LITERAL_INTEGER, "1;", 2 },
                { LITERAL_INTEGER, "1\0" "2", 3 }, { LITERAL_INTEGER, "0x10", 4 }, { LITERAL_INTEGER, "1.0", 3 },
                { LITERAL_INTEGER, " 1", 2 }, { LITERAL_INTEGER, "+1", 2 },
                { LITERAL_DECIMAL, "1.", 2 }, { LITERAL_DECIMAL, ".5", 2 }, { LITERAL_DECIMAL, "1.5.", 4 },
                { LITERAL_DECIMAL, "1e5", 3 },
                { LITERAL_TIME, "", 0 }, { LITERAL_TIME, "2020-01-01'", 11 }, { LITERAL_TIME, "2020\\", 5 },
                { LITERAL_TIME, "2020\0", 5 }, { LITERAL_ADDRESS, "g", 1 }, { LITERAL_ADDRESS, "'", 1 },
        };
        struct table t = integer_table();
        struct buffer sql = {};
        struct error e;

        (void) state;
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                struct key key = { wrong[i].key, wrong[i].length };

                t.key_literal = wrong[i].literal;
                assert_int_equal(query_key(&sql, &t, &key, false, &e), -1);
                assert_int_equal(e.class, ERROR_USAGE);
        }
        buffer_free(&sql);
}

/* ---- types and fingerprints ---- */

static void types_are_known_by_their_first_word(void **state) {
        (void) state;
        assert_int_equal(type_find("int(10) unsigned zerofill")->kind, COLUMN_INTEGER);
        assert_int_equal(type_find("INT")->kind, COLUMN_INTEGER);
        assert_int_equal(type_find("double unsigned")->kind, COLUMN_FLOAT);
        assert_int_equal(type_find("enum('int','b')")->kind, COLUMN_TEXT);
        assert_int_equal(type_find("datetime(6)")->kind, COLUMN_DATETIME);
        assert_int_equal(type_find("date")->kind, COLUMN_TEXT);
        assert_int_equal(type_find("something new(3)")->kind, COLUMN_TEXT);
        assert_int_equal(type_find("something new(3)")->literal, LITERAL_NONE);
        assert_int_equal(type_length("varchar(36)"), 36);
        assert_int_equal(type_length("text"), 0);
}

static void fingerprints_tell_lists_apart(void **state) {
        static const char *const lists[][3] = { { "ab", "c", "" }, { "a", "bc", "" }, { "a", "b", "c" }, { "abc", "", "" },
                                                { "abc", NULL, "" }, { NULL, NULL, NULL } };
        char prints[6][33];

        (void) state;
        for (int i = 0; i < 6; i++) {
                struct fingerprint f;

                fingerprint_begin(&f);
                for (int j = 0; j < 3; j++)
                        fingerprint_add(&f, lists[i][j]);
                fingerprint_end(&f, prints[i]);
                for (int j = 0; j < i; j++)
                        assert_string_not_equal(prints[i], prints[j]);
        }
        /* Cursors hold it: it must be the same in every version. */
        assert_string_equal(prints[2], "f4ca0125ce03acf7f48c545a3999d26e");
}

/* ---- order ---- */

static const struct {
        enum key_order order;
        const char *a, *b;
        int r;
} orders[] = {
        { KEY_ORDER_NUMBER, "9", "10", -1 }, { KEY_ORDER_NUMBER, "-9", "-10", 1 }, { KEY_ORDER_NUMBER, "-1", "0", -1 },
        { KEY_ORDER_NUMBER, "007", "7", 0 }, { KEY_ORDER_NUMBER, "-0.00", "0", 0 }, { KEY_ORDER_NUMBER, "1.5", "1.50", 0 },
        { KEY_ORDER_NUMBER, "1.05", "1.5", -1 }, { KEY_ORDER_NUMBER, "-1.05", "-1.5", 1 },
        { KEY_ORDER_NUMBER, "18446744073709551615", "9223372036854775808", 1 }, { KEY_ORDER_NUMBER, "0.1", "1", -1 },
        { KEY_ORDER_TIME, "2020-01-02", "2020-01-02 00:00:00", 0 }, { KEY_ORDER_TIME, "2020-01-02", "2020-01-02 00:00:00.001", -1 },
        { KEY_ORDER_TIME, "2020-01-02 10:00:00", "2020-01-02 09:59:59.999999", 1 },
        { KEY_ORDER_BYTES, "", "a", -1 }, { KEY_ORDER_BYTES, "ab", "a", 1 }, { KEY_ORDER_BYTES, "\x7f", "\xff", -1 },
};

static void keys_are_ordered_as_the_server_orders_them(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
                struct key a = { orders[i].a, strlen(orders[i].a) }, b = { orders[i].b, strlen(orders[i].b) };
                int r;

                assert_true(key_fits(orders[i].order, &a) && key_fits(orders[i].order, &b));
                r = key_compare(orders[i].order, &a, &b);
                assert_int_equal((r > 0) - (r < 0), orders[i].r);
                r = key_compare(orders[i].order, &b, &a);
                assert_int_equal((r > 0) - (r < 0), -orders[i].r);
        }
}

static void what_can_not_be_a_key_does_not_fit(void **state) {
        static const struct {
                enum key_order order;
                const char *text;
        } wrong[] = {
                { KEY_ORDER_NUMBER, "" }, { KEY_ORDER_NUMBER, "-" }, { KEY_ORDER_NUMBER, "1x" }, { KEY_ORDER_NUMBER, "1.2.3" }, { KEY_ORDER_NUMBER, " 1" },
                { KEY_ORDER_TIME, "2020-1-2" }, { KEY_ORDER_TIME, "2020-01-02T10:00:00" }, { KEY_ORDER_TIME, "2020-01-02 10:00" },
                { KEY_ORDER_UNKNOWN, "a" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
                assert_false(key_fits(wrong[i].order, &(struct key) { wrong[i].text, strlen(wrong[i].text) }));
}

static void bounds_are_inclusive_unless_the_lower_one_is_not(void **state) {
        struct key from = { "10", 2 }, to = { "20", 2 };
        struct key_bounds bounds = { .order = KEY_ORDER_NUMBER, .from = &from, .to = &to };

        (void) state;
        for (int i = 0; i < 30; i++) {
                char text[8];

                snprintf(text, sizeof text, "%d", i);
                bounds.after = false;
                assert_int_equal(key_within(&bounds, &(struct key) { text, strlen(text) }), i >= 10 && i <= 20);
                bounds.after = true;
                assert_int_equal(key_within(&bounds, &(struct key) { text, strlen(text) }), i > 10 && i <= 20);
        }
        assert_false(key_within(&bounds, &(struct key) { "x", 1 }));
        assert_false(key_within(&bounds, &(struct key) {}));
        assert_true(key_within(&(struct key_bounds) {}, &(struct key) {}));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(tls_is_verified_on_rds_and_required_beyond_this_machine),
                cmocka_unit_test(identifiers_cannot_be_broken_out_of),
                cmocka_unit_test(read_query_has_bounds_condition_order_and_limit),
                cmocka_unit_test(text_keys_are_hexadecimal_literals),
                cmocka_unit_test(text_without_a_unique_index_is_compared_as_bytes),
                cmocka_unit_test(a_key_that_is_none_never_becomes_sql),
                cmocka_unit_test(types_are_known_by_their_first_word),
                cmocka_unit_test(fingerprints_tell_lists_apart),
                cmocka_unit_test(keys_are_ordered_as_the_server_orders_them),
                cmocka_unit_test(what_can_not_be_a_key_does_not_fit),
                cmocka_unit_test(bounds_are_inclusive_unless_the_lower_one_is_not),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
