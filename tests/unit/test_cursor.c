#include "unit.h"

#include <stdio.h>
#include <unistd.h>

#include "feed/gaps.h"
#include "pinfeed/cursor.h"

static void set(struct buffer *b, const char *bytes, size_t length) {
        b->length = 0;
        buffer_append(b, bytes, length);
}

static void fill_run(struct cursor_run *run, const char *last, size_t last_length, const char *to, size_t to_length) {
        run->present = run->has_last = run->has_to = true;
        run->rows = 17;
        set(&run->last, last, last_length);
        set(&run->to, to, to_length);
}

static void assert_same_bytes(const struct buffer *a, const char *bytes, size_t length) {
        assert_int_equal(a->length, length);
        if (length > 0)
                assert_memory_equal(a->data, bytes, length);
}

static int parse(const char *text, struct cursor *ret, int *ret_version) {
        return cursor_parse(text, strlen(text), ret, ret_version);
}

/* ---- text ---- */

static void cursor_text_is_the_documented_format(void **state) {
        struct cursor c = { .fingerprint = "00ff", .host = "ip-10-0-0-1", .pid = 42, .start_ms = 1700000000123 };
        struct buffer text = {};

        (void) state;
        fill_run(&c.main, "2863", 4, "11153", 5);
        c.bounded.present = true;
        c.bounded.done = true;
        strcpy(c.bounded.id, "0123456789abcdef");
        cursor_print(&c, CURSOR_TEXT_MAX, &text);
        assert_string_equal(buffer_string(&text),
                            "{\"pinfeed\":1,\"table\":\"00ff\",\"writer\":{\"host\":\"ip-10-0-0-1\",\"pid\":42,"
                            "\"start\":1700000000123},"
                            "\"main\":{\"rows\":17,\"last\":\"2863\",\"to\":\"11153\",\"restart\":false,\"done\":false},"
                            "\"bounded\":{\"id\":\"0123456789abcdef\",\"rows\":0,\"last\":null,\"to\":null,"
                            "\"restart\":false,\"done\":true}}");
        buffer_free(&text);
        cursor_free(&c);
}

static void cursor_reads_back_what_it_printed(void **state) {
        static const struct { const char *bytes; size_t length; } keys[] = {
                { "0", 1 }, { "-5", 2 }, { "", 0 }, { "18446744073709551615", 20 }, { "2020-01-01 00:00:00.000001", 26 },
                { "0x41", 4 }, { "0x", 2 }, { "\0\1\xff", 3 }, { "\xc3\xa9", 2 }, { "a\"b\\c/", 6 }, { "tab\there", 8 },
                { "\x7f", 1 }, { "\xf0\x9f\x98\x80", 4 }, { "\xed\xa0\x80", 3 }, { " ", 1 },
        };

        (void) state;
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
                struct cursor c = { .fingerprint = "f", .host = "h", .pid = 1, .start_ms = 2 }, again = {};
                struct buffer text = {};
                int version;

                fill_run(&c.main, keys[i].bytes, keys[i].length, "z", 1);
                fill_run(&c.bounded, "a", 1, keys[i].bytes, keys[i].length);
                strcpy(c.bounded.id, "0123456789abcdef");
                c.main.restart = true;
                set(&c.main.gaps, "7,3+2", 5);
                c.main.followed = true;
                c.bounded.rows = UINT64_MAX / 2;
                cursor_print(&c, CURSOR_TEXT_MAX, &text);
                assert_int_equal(cursor_parse(text.data, text.length, &again, &version), 0);
                assert_true(cursor_same_writer(&c, &again));
                assert_same_bytes(&again.main.last, keys[i].bytes, keys[i].length);
                assert_same_bytes(&again.bounded.to, keys[i].bytes, keys[i].length);
                assert_same_bytes(&again.main.gaps, "7,3+2", 5);
                assert_int_equal(again.bounded.gaps.length, 0);
                assert_true(again.main.followed);
                assert_true(again.main.restart && !again.main.done && again.main.rows == 17);
                assert_true(again.bounded.rows == UINT64_MAX / 2);
                assert_string_equal(again.bounded.id, c.bounded.id);
                buffer_free(&text);
                cursor_free(&c);
                cursor_free(&again);
        }
}

static void an_earlier_follow_is_known_by_what_it_left_out(void **state) {
        static const struct {
                const char *run;
                bool followed;
        } cases[] = {
                { "\"last\":\"9\",\"to\":null,\"restart\":false,\"done\":false", true },
                { "\"last\":\"9\",\"to\":\"9\",\"restart\":false,\"done\":true,\"gaps\":\"7\"", true },
                { "\"last\":\"9\",\"to\":\"9\",\"restart\":false,\"done\":true", false },
                { "\"last\":\"9\",\"to\":\"12\",\"restart\":false,\"done\":false", false },
                { "\"last\":null,\"to\":null,\"restart\":false,\"done\":false", false },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                _cleanup_free_ char *text = mem_format("{\"pinfeed\":1,\"table\":\"f\",\"writer\":{\"host\":\"h\",\"pid\":1,"
                                                       "\"start\":2},\"main\":{\"rows\":3,%s}}", cases[i].run);
                struct cursor c = {};
                int version;

                assert_int_equal(cursor_parse(text, strlen(text), &c, &version), CURSOR_READ);
                assert_int_equal(c.main.followed, cases[i].followed);
                cursor_free(&c);
        }
}

/* gaps.h promises no more than half as much again. */
static void cursor_has_room_for_all_gaps_of_integer_keys(void **state) {
        struct cursor c = { .fingerprint = "0123456789abcdef0123456789abcdef", .pid = 4194304, .start_ms = 1700000000123 };
        struct buffer text = {};

        (void) state;
        memset(c.host, 'h', sizeof c.host - 1);
        fill_run(&c.main, "-9223372036854775808", 20, "-9223372036854775808", 20);
        fill_run(&c.bounded, "-9223372036854775808", 20, "-9223372036854775808", 20);
        c.main.rows = c.bounded.rows = INT64_MAX;
        strcpy(c.bounded.id, "0123456789abcdef");
        strcpy(c.main.again, "01234567-0123456789abcdef");
        strcpy(c.bounded.again, "01234567-0123456789abcdef");
        strcpy(c.bounded.fingerprint, "fedcba9876543210fedcba9876543210");
        while (c.main.gaps.length < GAPS_TEXT_MAX * 3 / 2)
                buffer_append(&c.main.gaps, "9", 1);
        cursor_print(&c, CURSOR_TEXT_MAX, &text);
        assert_in_range(text.length, GAPS_TEXT_MAX * 3 / 2, CURSOR_TEXT_MAX);
        buffer_free(&text);
        cursor_free(&c);
}

/* Whatever four keys of the greatest length there are, and whoever writes: it fits into the offset's metadata. */
static void longest_keys_fit(void **state) {
        static const char bytes[] = { '"', '\\', '\n', '\xff', '\0', 'x', '\x7f' };
        char key[CURSOR_KEY_MAX];

        (void) state;
        for (size_t i = 0; i < sizeof bytes; i++) {
                struct cursor c = { .pid = 4194304, .start_ms = INT64_MAX };
                struct buffer text = {};

                memset(c.fingerprint, 'f', sizeof c.fingerprint - 1);
                memset(c.host, 'h', sizeof c.host - 1);
                memset(c.bounded.id, '0', sizeof c.bounded.id - 1);
                memset(key, bytes[i], sizeof key);
                fill_run(&c.main, key, sizeof key, key, sizeof key);
                fill_run(&c.bounded, key, sizeof key, key, sizeof key);
                c.main.rows = c.bounded.rows = INT64_MAX;
                cursor_print(&c, CURSOR_TEXT_MAX, &text);
                assert_true(text.length >= 1 && text.length <= CURSOR_TEXT_MAX);
                buffer_free(&text);
                cursor_free(&c);
        }
}

static void other_texts_are_no_cursor(void **state) {
        static const char *const texts[] = {
                "", "x", "null", "[]", "{}", "{\"pinfeed\":\"1\"}", "some consumer's metadata",
                "{\"pinfeed\":1}",
                "{\"pinfeed\":1,\"table\":\"f\",\"writer\":{}}",
                "{\"pinfeed\":1,\"table\":\"f\",\"writer\":{\"host\":\"h\",\"pid\":1,\"start\":2},\"main\":{}}",
                "{\"pinfeed\":1,\"table\":\"f\",\"writer\":{\"host\":\"h\",\"pid\":1,\"start\":2},\"main\":"
                "{\"rows\":-1,\"last\":null,\"to\":null}}",
                "{\"pinfeed\":1,\"table\":\"f\",\"writer\":{\"host\":\"h\",\"pid\":1,\"start\":2},\"main\":"
                "{\"rows\":1,\"last\":\"0x4\",\"to\":null}}",
                "{\"pinfeed\":1,\"table\":\"f\",\"writer\":{\"host\":\"h\",\"pid\":1,\"start\":2},\"main\":"
                "{\"rows\":1,\"last\":5,\"to\":null}}",
                "{\"pinfeed\":1,\"table\":\"f\",\"writer\":{\"host\":\"h\",\"pid\":1,\"start\":2},\"bounded\":"
                "{\"rows\":1,\"last\":null,\"to\":null,\"id\":\"short\"}}",
                "{\"pinfeed\":1,\"pinfeed\":1,\"table\":\"f\",\"writer\":{\"host\":\"h\",\"pid\":1,\"start\":2}}",
        };
        struct cursor c = {};
        int version;

        (void) state;
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                if (parse(texts[i], &c, &version) != 1)
                        fail_msg("taken for a cursor: %s", texts[i]);
                assert_false(c.main.present);
                cursor_free(&c);
        }
}

static void a_newer_format_is_named(void **state) {
        struct cursor c = {};
        int version;

        (void) state;
        assert_int_equal(parse("{\"pinfeed\":2,\"whatever\":true}", &c, &version), 1);
        assert_int_equal(version, 2);
        assert_int_equal(parse("{\"other\":2}", &c, &version), 1);
        assert_int_equal(version, 0);
}

/* ---- keys ---- */

static void keys_are_readable_or_hex(void **state) {
        static const struct { const char *bytes; size_t length; const char *text; } keys[] = {
                { "-5", 2, "-5" }, { "", 0, "" }, { "0x5", 3, "0x307835" }, { "\0", 1, "0x00" }, { "\xff", 1, "0xff" },
                { "\xc3\xa9", 2, "\xc3\xa9" }, { "a\n", 2, "0x610a" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
                struct buffer text = {}, again = {};

                cursor_print_key(&(struct key) { keys[i].bytes, keys[i].length }, &text);
                assert_string_equal(buffer_string(&text), keys[i].text);
                assert_int_equal(cursor_parse_key(text.data, text.length, &again), 0);
                assert_same_bytes(&again, keys[i].bytes, keys[i].length);
                buffer_free(&text);
                buffer_free(&again);
        }
}

static void malformed_hex_is_refused(void **state) {
        static const char *const texts[] = { "0x0", "0xzz", "0xFF", "0x1g" };
        struct buffer key = {};

        (void) state;
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
                assert_int_equal(cursor_parse_key(texts[i], strlen(texts[i]), &key), -1);
        buffer_free(&key);
}

/* ---- who and which ---- */

static void bounded_ids_tell_bounds_apart(void **state) {
        static const struct { const char *from, *to; } bounds[] = {
                { "1", NULL }, { NULL, "1" }, { "1", "1" }, { "1", "11" }, { "11", "1" }, { "1t1", NULL }, { "", NULL },
                { NULL, "" }, { "", "" }, { "1", "" },
        };
        char ids[sizeof bounds / sizeof *bounds][17], again[17];

        (void) state;
        for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
                cursor_bounded_id(bounds[i].from, bounds[i].to, ids[i]);
                assert_int_equal(strlen(ids[i]), 16);
                cursor_bounded_id(bounds[i].from, bounds[i].to, again);
                assert_string_equal(ids[i], again);
                for (size_t k = 0; k < i; k++)
                        assert_string_not_equal(ids[i], ids[k]);
        }
        /* Written into cursors that are out there: it stays what it is. */
        cursor_bounded_id("20", "29", again);
        assert_string_equal(again, "d4b495f0c7e77b46");
}

static void a_writer_is_host_process_and_start(void **state) {
        struct cursor a = {}, b = {};

        (void) state;
        cursor_sign(&a, 1000);
        assert_int_equal(a.pid, getpid());
        assert_true(*a.host);
        cursor_sign(&b, 1000);
        assert_true(cursor_same_writer(&a, &b));
        cursor_sign(&b, 1001);
        assert_false(cursor_same_writer(&a, &b));
        b = a;
        b.pid++;
        assert_false(cursor_same_writer(&a, &b));
        b = a;
        b.host[0]++;
        assert_false(cursor_same_writer(&a, &b));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(cursor_text_is_the_documented_format),
                cmocka_unit_test(cursor_reads_back_what_it_printed),
                cmocka_unit_test(an_earlier_follow_is_known_by_what_it_left_out),
                cmocka_unit_test(cursor_has_room_for_all_gaps_of_integer_keys),
                cmocka_unit_test(longest_keys_fit),
                cmocka_unit_test(other_texts_are_no_cursor),
                cmocka_unit_test(a_newer_format_is_named),
                cmocka_unit_test(keys_are_readable_or_hex),
                cmocka_unit_test(malformed_hex_is_refused),
                cmocka_unit_test(bounded_ids_tell_bounds_apart),
                cmocka_unit_test(a_writer_is_host_process_and_start),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
