#include "unit.h"

#include <jansson.h>
#include <stdio.h>

#include "pinfeed/json.h"

/* The JSON of one text, as a string that the caller frees. */
static char *text_of(const char *text, size_t length) {
        struct buffer b = {};
        char *copy;

        json_encode_text(text, length, &b);
        copy = mem_copy_bytes(b.data, b.length);
        buffer_free(&b);
        return copy;
}

#define assert_text(text, expected) \
        do { \
                _cleanup_free_ char *got_ = text_of((text), sizeof(text) - 1); \
                assert_string_equal(got_, (expected)); \
        } while (0)

static char *row_of(const struct column *columns, size_t count, const char *const *cells, const unsigned long *lengths) {
        struct json_plan *plan = json_plan_new(columns, count);
        struct buffer b = {};
        char *copy;

        json_encode_row(plan, &(struct row) { cells, lengths }, &b);
        copy = mem_copy_bytes(b.data, b.length);
        buffer_free(&b);
        json_plan_free(plan);
        return copy;
}

static char *cell_of(enum column_kind kind, const char *cell, size_t length) {
        struct column column = { .name = (char *) "c", .kind = kind };

        return row_of(&column, 1, (const char *const[]) { cell }, (const unsigned long[]) { length });
}

#define assert_cell(kind, cell, expected) \
        do { \
                _cleanup_free_ char *got_ = cell_of((kind), (cell), sizeof(cell) - 1); \
                assert_string_equal(got_, "{\"c\":" expected "}"); \
        } while (0)

static void text_escapes_what_json_wants_escaped_and_nothing_else(void **state) {
        (void) state;
        assert_text("", "\"\"");
        assert_text("plain / text \x7f", "\"plain / text \x7f\"");
        assert_text("a\"b\\c", "\"a\\\"b\\\\c\"");
        assert_text("\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"");
        assert_text("\0\1\x1f\x0b", "\"\\u0000\\u0001\\u001f\\u000b\"");
        assert_text("Café 東京 \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb \xc2\xa0",
                    "\"Café 東京 \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb \xc2\xa0\"");
}

#define R "\xef\xbf\xbd"

static void text_that_is_not_utf8_becomes_replacement_characters(void **state) {
        (void) state;
        assert_text("\x80", "\"" R "\"");
        assert_text("a\xff" "b", "\"a" R "b\"");
        assert_text("\xc0\xaf", "\"" R R "\"");                         /* overlong / */
        assert_text("\xe0\x80\xaf", "\"" R R R "\"");
        assert_text("\xf0\x80\x80\xaf", "\"" R R R R "\"");
        assert_text("\xed\xa0\x80", "\"" R R R "\"");                   /* U+D800 */
        assert_text("\xed\x9f\xbf", "\"\xed\x9f\xbf\"");
        assert_text("\xf4\x8f\xbf\xbf", "\"\xf4\x8f\xbf\xbf\"");        /* U+10FFFF */
        assert_text("\xf4\x90\x80\x80", "\"" R R R R "\"");
        assert_text("\xf5\x80", "\"" R R "\"");
        assert_text("\xe2\x82", "\"" R "\"");                           /* cut off: one for what there is */
        assert_text("\xe2\x82\"", "\"" R "\\\"\"");
        assert_text("\xf0\x9f\x91", "\"" R "\"");
        assert_text("\xf0\x9f\x91x", "\"" R "x\"");
        assert_text("\xc3", "\"" R "\"");
}

/* Every awkward piece at every distance from a block's and a chunk's edge. */
static void text_is_the_same_wherever_it_stands(void **state) {
        static const struct {
                const char *piece, *json;
        } pieces[] = {
                { "\"", "\\\"" }, { "\n", "\\n" }, { "\x01", "\\u0001" }, { "é", "é" }, { "東", "東" },
                { "\xf0\x9f\x91\xa9", "\xf0\x9f\x91\xa9" }, { "\xff", R }, { "\xe2\x82", R }, { "\x7f", "\x7f" },
        };
        static const size_t around[] = { 0, 4096 - 20, 8192 - 20 };

        (void) state;
        for (size_t a = 0; a < sizeof around / sizeof *around; a++)
                for (size_t before = around[a]; before < around[a] + 40; before++)
                        for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
                                size_t after = before % 23;
                                _cleanup_free_ char *text = mem_format("%0*d%s%0*d", (int) before + 1, 0,
                                                                       pieces[i].piece, (int) after + 1, 0);
                                _cleanup_free_ char *expected = mem_format("\"%0*d%s%0*d\"", (int) before + 1, 0,
                                                                           pieces[i].json, (int) after + 1, 0);
                                _cleanup_free_ char *got = text_of(text, strlen(text));

                                assert_string_equal(got, expected);
                        }
}

static void text_reads_nothing_behind_its_end(void **state) {
        (void) state;
        for (size_t n = 0; n < 70; n++) {
                char *exact = malloc(n ? n : 1);        /* the sanitizer watches both its ends */
                char *got;

                memset(exact, 0xe2, n);
                got = text_of(exact, n);
                assert_int_equal(strlen(got), 2 + 3 * n);
                free(got);
                free(exact);
        }
}

static void numbers_are_passed_on_without_leading_zeros(void **state) {
        (void) state;
        assert_cell(COLUMN_INTEGER, "0", "0");
        assert_cell(COLUMN_INTEGER, "-9223372036854775808", "-9223372036854775808");
        assert_cell(COLUMN_INTEGER, "18446744073709551615", "18446744073709551615");
        assert_cell(COLUMN_INTEGER, "00042", "42");
        assert_cell(COLUMN_INTEGER, "00000", "0");
        assert_cell(COLUMN_DECIMAL, "0.50", "0.50");
        assert_cell(COLUMN_DECIMAL, "-0.05", "-0.05");
        assert_cell(COLUMN_DECIMAL, "00000005.00", "5.00");
        assert_cell(COLUMN_DECIMAL, "00000000.00", "0.00");
        assert_cell(COLUMN_DECIMAL, "99999999999999999999999999999999999.999999999999999999999999999999",
                    "99999999999999999999999999999999999.999999999999999999999999999999");
}

static void floats_always_have_a_fraction_or_an_exponent(void **state) {
        (void) state;
        assert_cell(COLUMN_FLOAT, "5", "5.0");
        assert_cell(COLUMN_FLOAT, "-0", "-0.0");
        assert_cell(COLUMN_FLOAT, "16777200", "16777200.0");
        assert_cell(COLUMN_FLOAT, "-0.375174", "-0.375174");
        assert_cell(COLUMN_FLOAT, "1e20", "1e20");
        assert_cell(COLUMN_FLOAT, "-1.5e-300", "-1.5e-300");
        assert_cell(COLUMN_FLOAT, "1.2345678901234568e17", "1.2345678901234568e17");
        assert_cell(COLUMN_FLOAT, "05.0000", "5.0000");
        assert_cell(COLUMN_FLOAT, "0000000000000000001e20", "1e20");
}

static void what_is_no_number_becomes_a_string_rather_than_broken_json(void **state) {
        (void) state;
        assert_cell(COLUMN_INTEGER, "", "\"\"");
        assert_cell(COLUMN_INTEGER, "-", "\"-\"");
        assert_cell(COLUMN_INTEGER, "1x", "\"1x\"");
        assert_cell(COLUMN_FLOAT, "nan", "\"nan\"");
        assert_cell(COLUMN_FLOAT, "1e", "\"1e\"");
        assert_cell(COLUMN_FLOAT, "1.", "\"1.\"");
        assert_cell(COLUMN_DECIMAL, ".5", "\".5\"");
}

static void bits_are_unsigned_integers_and_bytes_are_base64(void **state) {
        (void) state;
        assert_cell(COLUMN_BIT, "\0", "0");
        assert_cell(COLUMN_BIT, "\x01\x02", "258");
        assert_cell(COLUMN_BIT, "\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615");
        assert_cell(COLUMN_BYTES, "", "\"\"");
        assert_cell(COLUMN_BYTES, "f", "\"Zg==\"");
        assert_cell(COLUMN_BYTES, "fo", "\"Zm8=\"");
        assert_cell(COLUMN_BYTES, "foo", "\"Zm9v\"");
        assert_cell(COLUMN_BYTES, "foob", "\"Zm9vYg==\"");
        assert_cell(COLUMN_BYTES, "\xfb\xff\xfe\0", "\"+//+AA==\"");
}

static void row_is_one_object_in_column_order_with_nulls(void **state) {
        struct column columns[] = {
                { .name = (char *) "index", .kind = COLUMN_INTEGER },
                { .name = (char *) "a \"b\"\n", .kind = COLUMN_TEXT },
                { .name = (char *) "when", .kind = COLUMN_DATETIME },
                { .name = (char *) "f", .kind = COLUMN_FLOAT },
        };
        _cleanup_free_ char *full = row_of(columns, 4, (const char *const[]) { "7", "x", "2020-04-27 13:34:16", "3" },
                                           (const unsigned long[]) { 1, 1, 19, 1 });
        _cleanup_free_ char *nulls = row_of(columns, 4, (const char *const[]) { NULL, NULL, NULL, NULL },
                                            (const unsigned long[]) { 0, 0, 0, 0 });
        _cleanup_free_ char *nothing = row_of(columns, 0, NULL, NULL);

        (void) state;
        assert_string_equal(full, "{\"index\":7,\"a \\\"b\\\"\\n\":\"x\",\"when\":\"2020-04-27 13:34:16\",\"f\":3.0}");
        assert_string_equal(nulls, "{\"index\":null,\"a \\\"b\\\"\\n\":null,\"when\":null,\"f\":null}");
        assert_string_equal(nothing, "{}");
}

static void rows_of_any_width_are_whole(void **state) {
        static const size_t widths[] = { 0, 1, 7, 8, 15, 16, 17, 28, 29, 30, 31, 32, 33, 100, 4095, 4096, 4097, 10000 };

        (void) state;
        for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
                for (size_t j = 0; j < sizeof widths / sizeof *widths; j++) {
                        _cleanup_free_ char *name = mem_format("%0*d", (int) widths[i] + 1, 0);
                        _cleanup_free_ char *value = mem_format("%0*d", (int) widths[j] + 1, 0);
                        struct column columns[] = { { .name = name, .kind = COLUMN_TEXT },
                                                    { .name = name, .kind = COLUMN_BIT },
                                                    { .name = name, .kind = COLUMN_TEXT } };
                        _cleanup_free_ char *got = row_of(columns, 3, (const char *const[]) { value, "\1", NULL },
                                                          (const unsigned long[]) { widths[j] + 1, 1, 0 });
                        _cleanup_free_ char *expected = mem_format("{\"%s\":\"%s\",\"%s\":1,\"%s\":null}", name, value,
                                                                   name, name);

                        assert_string_equal(got, expected);
                }
}

/* jansson, another hand's parser, reads back the same characters: each code point of Unicode, and random mixtures. */
static void another_parser_reads_back_the_same_text(void **state) {
        struct buffer text = {}, json = {};
        struct random r;

        (void) state;
        random_seed(&r, 5);
        for (unsigned round = 0; round < 3000; round++) {
                json_t *parsed;

                text.length = json.length = 0;
                for (uint64_t n = random_below(&r, 80); n > 0; n--) {
                        uint32_t c = (uint32_t) random_below(&r, round % 3 == 0 ? 0x110000 : round % 3 == 1 ? 0x80 : 0x900);

                        if (c >= 0xd800 && c < 0xe000)
                                continue;
                        if (c < 0x80)
                                buffer_printf(&text, "%c", (int) c);
                        else if (c < 0x800)
                                buffer_printf(&text, "%c%c", (int) (0xc0 | c >> 6), (int) (0x80 | (c & 63)));
                        else if (c < 0x10000)
                                buffer_printf(&text, "%c%c%c", (int) (0xe0 | c >> 12), (int) (0x80 | (c >> 6 & 63)),
                                              (int) (0x80 | (c & 63)));
                        else
                                buffer_printf(&text, "%c%c%c%c", (int) (0xf0 | c >> 18), (int) (0x80 | (c >> 12 & 63)),
                                              (int) (0x80 | (c >> 6 & 63)), (int) (0x80 | (c & 63)));
                }
                json_encode_text(text.data, text.length, &json);
                parsed = json_loadb(json.data, json.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
                assert_non_null(parsed);
                assert_int_equal(json_string_length(parsed), text.length);
                assert_memory_equal(json_string_value(parsed), text.length ? text.data : "", text.length);
                json_decref(parsed);
        }
        buffer_free(&text);
        buffer_free(&json);
}

static void encoding_stops_where_a_row_is_too_large_anyway(void **state) {
        enum { CELL = 100000, CELLS = 20, LIMIT = 50000 };
        const struct column column = { .name = (char *) (uintptr_t) "c", .kind = COLUMN_TEXT };
        _cleanup_free_ char *cell = mem_alloc(CELL);
        _cleanup_buffer_ struct buffer b = {};
        struct column columns[CELLS];
        const char *cells[CELLS];
        unsigned long lengths[CELLS];
        struct json_plan *plan;

        (void) state;
        memset(cell, 1, CELL);          /* each byte becomes six */
        for (size_t i = 0; i < CELLS; i++) {
                columns[i] = column;
                cells[i] = cell;
                lengths[i] = CELL;
        }
        plan = json_plan_new(columns, CELLS);
        json_plan_limit(plan, LIMIT);
        json_encode_row(plan, &(struct row) { cells, lengths }, &b);
        assert_in_range(b.length, LIMIT + 1, LIMIT + 6 * CELL + 100);
        json_plan_free(plan);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(text_escapes_what_json_wants_escaped_and_nothing_else),
                cmocka_unit_test(text_that_is_not_utf8_becomes_replacement_characters),
                cmocka_unit_test(text_is_the_same_wherever_it_stands),
                cmocka_unit_test(text_reads_nothing_behind_its_end),
                cmocka_unit_test(numbers_are_passed_on_without_leading_zeros),
                cmocka_unit_test(floats_always_have_a_fraction_or_an_exponent),
                cmocka_unit_test(what_is_no_number_becomes_a_string_rather_than_broken_json),
                cmocka_unit_test(bits_are_unsigned_integers_and_bytes_are_base64),
                cmocka_unit_test(encoding_stops_where_a_row_is_too_large_anyway),
                cmocka_unit_test(row_is_one_object_in_column_order_with_nulls),
                cmocka_unit_test(rows_of_any_width_are_whole),
                cmocka_unit_test(another_parser_reads_back_the_same_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
