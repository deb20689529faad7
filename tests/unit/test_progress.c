#include "unit.h"

#include "replay/progress.h"

/* ---- lines ---- */

static const struct progress three[] = {
        { .name = "pin", .known = true, .total = 68000, .sent = 25840, .committed = 18000, .bytes = 12400000, .per_s = 11145,
          .left_s = 4 },
        { .name = "geo", .known = true, .total = 68000, .sent = 68000, .committed = 68000, .bytes = 9000000, .finished = true },
        { .name = "user", .known = true, .total = 68000, .sent = 1000, .per_s = 500, .left_s = 134 },
};

static void lines_are(const struct progress *streams, size_t count, unsigned columns, const char *expected) {
        struct buffer lines = {};

        progress_print(streams, count, columns, &lines);
        assert_string_equal(buffer_string(&lines), expected);
        buffer_free(&lines);
}

static void eighty_columns_have_bars_and_numbers(void **state) {
        (void) state;
        lines_are(three, 3, 79,
                  "pin   [######===...............]  38 %  25,840 of 68,000, 11,145/s, 4 s left\n"
                  "geo   [########################] 100 %  68,000 of 68,000, 9.0 MB\n"
                  "user  [........................]   1 %  1,000 of 68,000, 500/s, 2 min 14 s left\n"
                  "total  46 %  94,840 of 204,000, 11,645/s, 2 min 14 s left, 86,000 committed");
}

static void forty_columns_keep_the_numbers_and_drop_the_bars(void **state) {
        (void) state;
        lines_are(three, 3, 39,
                  "pin    38% 25,840/68,000 11,145/s 4 s\n"
                  "geo   100% 68,000/68,000 9.0 MB\n"
                  "user    1% 1,000/68,000 500/s\n"
                  "total  46% 94,840/204,000 11,645/s");
}

static void a_wide_line_has_all_numbers(void **state) {
        (void) state;
        lines_are(three, 1, 119, "pin [######===...............]  38 %  25,840 of 68,000, 11,145/s, 4 s left, "
                  "18,000 committed, 12.4 MB");
}

static void a_line_says_what_is_not_known_yet(void **state) {
        const struct progress unknown = { .name = "pin" }, uncounted = {
                .name = "pin", .total = 412000, .sent = 412000, .committed = 400000, .per_s = 240000,
        };

        (void) state;
        lines_are(&unknown, 1, 79, "pin [........................] looks where to begin");
        lines_are(&uncounted, 1, 79, "pin [........................] 412,000 rows, 240,000/s, 400,000 committed");
        lines_are(&uncounted, 1, 39, "pin [...............] 412,000 240,000/s");
}

static void nothing_to_send_is_all_of_it(void **state) {
        const struct progress nothing = { .name = "pin", .known = true, .finished = true };

        (void) state;
        lines_are(&nothing, 1, 79, "pin [########################] 100 %  0 of 0");
}

static void no_line_is_longer_than_the_terminal_is_wide(void **state) {
        const struct progress huge[] = {
                { .name = "a-stream-with-a-very-long-name", .known = true, .total = UINT64_MAX / 4, .sent = UINT64_MAX / 5,
                  .committed = 1, .bytes = UINT64_MAX, .per_s = 1e9, .left_s = 1 << 30 },
                { .name = "b" },
        };

        (void) state;
        for (unsigned columns = 25; columns < 200; columns++) {
                struct buffer lines = {};
                char *line, *rest;

                progress_print(huge, 2, columns, &lines);
                buffer_string(&lines);
                for (rest = lines.data; (line = strsep(&rest, "\n"));)
                        assert_in_range(strlen(line), 1, columns);
                buffer_free(&lines);
        }
}

/* ---- pace ---- */

enum { SECOND_US = 1000000 };

static void a_pace_follows_what_is_sent_without_its_jumps(void **state) {
        struct pace p = {};
        uint64_t now_us = 7 * SECOND_US, count = 5000;

        (void) state;
        pace_update(&p, count, now_us);                 /* what was there before is no growth */
        assert_true(p.per_s == 0 && pace_left_s(&p, 10000) == 0);
        for (unsigned i = 0; i < 100; i++)
                pace_update(&p, count += 200, now_us += SECOND_US / 5);
        assert_in_range((uint64_t) p.per_s, 999, 1001);
        assert_int_equal(pace_left_s(&p, count + 3000), 3);
        pace_update(&p, count, now_us += SECOND_US / 5);                /* a pause */
        assert_in_range((uint64_t) p.per_s, 900, 999);
        pace_update(&p, count - 1000, now_us += SECOND_US / 5);         /* a recovery goes back */
        assert_in_range((uint64_t) p.per_s, 850, 999);
        pace_update(&p, count + 1000, now_us + 3600ull * SECOND_US);    /* after a long time only the present counts */
        assert_in_range((uint64_t) p.per_s, 0, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(eighty_columns_have_bars_and_numbers),
                cmocka_unit_test(forty_columns_keep_the_numbers_and_drop_the_bars),
                cmocka_unit_test(a_wide_line_has_all_numbers),
                cmocka_unit_test(a_line_says_what_is_not_known_yet),
                cmocka_unit_test(nothing_to_send_is_all_of_it),
                cmocka_unit_test(no_line_is_longer_than_the_terminal_is_wide),
                cmocka_unit_test(a_pace_follows_what_is_sent_without_its_jumps),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
