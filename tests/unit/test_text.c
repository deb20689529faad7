#include "unit.h"

#include "pinfeed/base.h"

static const char *const names[] = { "user_id", "bootstrap.servers", "table", "topic", "key", "mysql" };

static const char *nearest(const char *name) {
        return text_nearest(name, names, sizeof names / sizeof *names);
}

static void text_nearest_finds_what_was_meant(void **state) {
        (void) state;
        assert_string_equal(nearest("usr_id"), "user_id");
        assert_string_equal(nearest("user-id"), "user_id");
        assert_string_equal(nearest("USER_ID"), "user_id");
        assert_string_equal(nearest("tabel"), "table");
        assert_string_equal(nearest("bootstrap_server"), "bootstrap.servers");
        assert_string_equal(nearest("MySQL"), "mysql");
        assert_string_equal(nearest("kye"), "key");
}

static void text_nearest_does_not_guess_wildly(void **state) {
        char longest[5000];

        (void) state;
        assert_null(nearest("password"));
        assert_null(nearest("x"));
        assert_null(nearest(""));
        memset(longest, 'x', sizeof longest);
        longest[sizeof longest - 1] = 0;
        assert_null(nearest(longest));
        assert_null(text_nearest("user_id", NULL, 0));
}

static void text_for_messages_is_one_clean_line(void **state) {
        char small[8];

        (void) state;
        text_flatten("a\x1b[31m\r\n\tb", small, sizeof small);
        assert_string_equal(small, "a [31m");
        text_flatten("12345\xc3\xa9\xc3\xa9", small, sizeof small);
        assert_string_equal(small, "12345\xc3\xa9");
        text_flatten("123456\xc3\xa9", small, sizeof small);
        assert_string_equal(small, "123456");
        text_flatten("1\xff\xc3\xe9 \xe2\x82", small, sizeof small);
        assert_string_equal(small, "1??? ??");
        text_flatten("\xed\xa0\x80\xc0\x80", small, sizeof small);
        assert_string_equal(small, "?????");
        text_flatten("1\xe2\x82\xac\xf0\x9f\x98\x80", small, sizeof small);
        assert_string_equal(small, "1\xe2\x82\xac");
}

static void numbers_are_written_for_people(void **state) {
        static const struct { uint64_t number; const char *count, *bytes; } cases[] = {
                { 0, "0", "0 B" }, { 999, "999", "999 B" }, { 1000, "1,000", "1.0 kB" }, { 21783, "21,783", "21.8 kB" },
                { 999949, "999,949", "999.9 kB" }, { 999951, "999,951", "1.0 MB" }, { 1234567890, "1,234,567,890", "1.2 GB" },
                { UINT64_MAX, "18,446,744,073,709,551,615", "18.4 EB" },
        };
        char text[32];

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                assert_string_equal(text_count(cases[i].number, text), cases[i].count);
                assert_string_equal(text_bytes(cases[i].number, text), cases[i].bytes);
        }
}

static void base64_is_that_of_rfc_4648(void **state) {
        static const char *const inputs[] = { "", "f", "fo", "foo", "foob", "\xfb\xff" };
        static const char *const padded[] = { "", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "+/8=" };
        static const char *const for_urls[] = { "", "Zg", "Zm8", "Zm9v", "Zm9vYg", "-_8" };

        (void) state;
        for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
                _cleanup_buffer_ struct buffer a = {}, b = {};

                text_base64(inputs[i], strlen(inputs[i]), TEXT_BASE64, &a);
                text_base64(inputs[i], strlen(inputs[i]), TEXT_BASE64_URL, &b);
                assert_string_equal(buffer_string(&a), padded[i]);
                assert_string_equal(buffer_string(&b), for_urls[i]);
        }
}

static void hexadecimal_digits_are_read_in_one_case_only(void **state) {
        _cleanup_buffer_ struct buffer b = {};

        (void) state;
        text_hex("\0\x9a\xff", 3, TEXT_HEX, &b);
        assert_string_equal(buffer_string(&b), "009aff");
        assert_int_equal(text_unhex("9a", TEXT_HEX), 0x9a);
        assert_int_equal(text_unhex("9A", TEXT_HEX_UPPER), 0x9a);
        assert_int_equal(text_unhex("9A", TEXT_HEX), -1);
        assert_int_equal(text_unhex("g0", TEXT_HEX), -1);
        assert_int_equal(text_unhex("0\0", TEXT_HEX), -1);
}

static void hashes_are_those_of_fnv_1a(void **state) {
        struct hash narrow = HASH_64, wide = HASH_128;

        (void) state;
        /* The draft's own vectors for "foobar". */
        hash_add(&narrow, "foobar", 6);
        assert_true((uint64_t) narrow.state == 0x85944171f73967e8u);
        hash_add(&wide, "foobar", 6);
        assert_true((uint64_t) (wide.state >> 64) == 0x343e1662793c64bfu && (uint64_t) wide.state == 0x6f0d3597ba446f18u);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(text_nearest_finds_what_was_meant),
                cmocka_unit_test(text_nearest_does_not_guess_wildly),
                cmocka_unit_test(text_for_messages_is_one_clean_line),
                cmocka_unit_test(numbers_are_written_for_people),
                cmocka_unit_test(base64_is_that_of_rfc_4648),
                cmocka_unit_test(hexadecimal_digits_are_read_in_one_case_only),
                cmocka_unit_test(hashes_are_those_of_fnv_1a),
        };

        return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
