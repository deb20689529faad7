#include "unit.h"

#include "feed/gaps.h"
#include "pinfeed/feed.h"

enum { S = 1000000, SETTLE = 60 * S };

static const struct transactions hidden = {};

/* Sends the keys that may be sent, as one look brings them. */
static void look(struct gaps *g, const int64_t *keys, size_t count, uint64_t now_us) {
        for (size_t i = 0; i < count; i++)
                if (gaps_judge(g, keys[i]) == GAPS_SEND)
                        gaps_sent(g, keys[i], now_us);
}
#define LOOK(g, now_us, ...) look(g, (int64_t[]) { __VA_ARGS__ }, sizeof (int64_t[]) { __VA_ARGS__ } / sizeof(int64_t), now_us)

static void assert_text(const struct gaps *g, const char *expected) {
        struct buffer text = {};

        gaps_print(g, &text);
        assert_string_equal(buffer_string(&text), expected);
        assert_int_equal(g->text_length, text.length);
        buffer_free(&text);
}

static void begin_after(struct gaps *g, int64_t frontier) {
        assert_int_equal(gaps_parse(g, frontier, "", 0, 0), 0);
}

/* ---- what is missing ---- */

static void keys_that_a_look_does_not_bring_are_missing(void **state) {
        struct gaps g = {};

        (void) state;
        begin_after(&g, 10);
        LOOK(&g, 0, 11, 12);
        assert_text(&g, "");
        LOOK(&g, 0, 14, 20, 21, 23);
        assert_text(&g, "13,2+4,3");
        assert_int_equal(gaps_keys(&g), 7);
        assert_int_equal(g.frontier, 23);
        gaps_free(&g);
}

static void what_turns_up_is_sent_once(void **state) {
        struct gaps g = {};

        (void) state;
        begin_after(&g, 10);
        LOOK(&g, 0, 20);
        LOOK(&g, 0, 11, 15, 19);
        assert_text(&g, "12+2,2+2");
        assert_int_equal(gaps_judge(&g, 15), GAPS_KNOWN);
        assert_int_equal(gaps_judge(&g, 20), GAPS_KNOWN);
        LOOK(&g, 0, 12, 13, 14, 16, 17, 18);
        assert_text(&g, "");
        assert_int_equal(g.frontier, 20);
        assert_int_equal(g.unused, 0);
        gaps_free(&g);
}

static void before_the_first_row_of_all_others_may_come(void **state) {
        struct gaps g = {};

        (void) state;
        gaps_begin(&g);
        LOOK(&g, 0, 3);
        assert_int_equal(gaps_judge(&g, 1), GAPS_SEND);
        assert_int_equal(gaps_keys(&g), 0);
        LOOK(&g, 0, 1);
        assert_int_equal(gaps_judge(&g, 2), GAPS_SEND);
        gaps_free(&g);
}

static void below_the_horizon_nothing_is_missing(void **state) {
        struct gaps g = {};

        (void) state;
        begin_after(&g, 10);
        g.horizon = 100;
        LOOK(&g, 0, 20, 50, 103);
        assert_text(&g, "101+1");
        gaps_free(&g);
}

/* ---- how long ---- */

static void a_gap_lasts_for_the_time_where_transactions_are_hidden(void **state) {
        struct gaps g = {};

        (void) state;
        begin_after(&g, 10);
        LOOK(&g, 1 * S, 12);
        assert_int_equal(gaps_settle(&g, &hidden, SETTLE, 60 * S), 1);
        gaps_forget_settled(&g);
        assert_text(&g, "11");
        assert_int_equal(gaps_settle(&g, &hidden, SETTLE, 61 * S), 0);
        assert_text(&g, "11");          /* until a look has begun after that */
        gaps_forget_settled(&g);
        assert_text(&g, "");
        assert_int_equal(g.unused, 1);
        assert_int_equal(gaps_judge(&g, 11), GAPS_KNOWN);
        gaps_free(&g);
}

static void a_row_that_comes_with_the_last_look_is_sent(void **state) {
        struct gaps g = {};

        (void) state;
        begin_after(&g, 10);
        LOOK(&g, 0, 20);
        gaps_settle(&g, &hidden, SETTLE, 60 * S);
        LOOK(&g, 60 * S, 13, 17);
        assert_text(&g, "18+1");
        gaps_forget_settled(&g);
        assert_text(&g, "");
        assert_int_equal(g.unused, 7);
        gaps_free(&g);
}

static void settling_follows_the_transactions_that_were_open(void **state) {
        static const struct {
                const char *what;
                struct { uint64_t at_s, oldest, newest; bool settled; } steps[4];
        } cases[] = {
                { "nobody was there", { { 1, 0, 0, false }, { 2, 0, 0, true } } },
                { "it ends long before the time is over", { { 2, 7, 9, false }, { 3, 8, 12, false }, { 4, 10, 12, true } } },
                { "it lasts longer than the time", { { 2, 7, 7, false }, { 61, 7, 90, false }, { 500, 7, 99, false },
                                                     { 501, 8, 99, true } } },
                { "who comes later is not waited for", { { 2, 7, 7, false }, { 3, 8, 8, true } } },
                { "who began before it was listed is", { { 0, 0, 0, false }, { 2, 7, 7, false }, { 3, 0, 0, true } } },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct settling s = {};

                for (size_t j = 0; j < 4 && (j == 0 || cases[i].steps[j].at_s); j++) {
                        struct transactions t = { true, cases[i].steps[j].oldest, cases[i].steps[j].newest };

                        if (settling_look(&s, &t, SETTLE, cases[i].steps[j].at_s * S) != cases[i].steps[j].settled)
                                fail_msg("%s: step %zu", cases[i].what, j);
                }
        }
}

/* ---- how many ---- */

static void when_too_much_is_missing_the_frontier_waits(void **state) {
        struct gaps g = {};
        int64_t key = 1000000000000000000, frontier;
        struct buffer text = {};

        (void) state;
        begin_after(&g, key);
        while (gaps_judge(&g, key += 1000003) == GAPS_SEND)
                gaps_sent(&g, key, 0);
        frontier = g.frontier;
        assert_in_range(g.count, 100, GAPS_TEXT_MAX);
        gaps_print(&g, &text);
        assert_in_range(text.length, GAPS_TEXT_MAX - GAPS_RANGE_MAX, GAPS_TEXT_MAX);
        /* What leaves no gap goes on; what makes two of one has to wait; its end may go. */
        assert_int_equal(gaps_judge(&g, frontier + 1), GAPS_SEND);
        assert_int_equal(gaps_judge(&g, frontier + 2), GAPS_WAIT);
        assert_int_equal(gaps_judge(&g, g.list[5].first + 1), GAPS_WAIT);
        assert_int_equal(gaps_judge(&g, g.list[5].first), GAPS_SEND);
        gaps_settle(&g, &hidden, SETTLE, SETTLE);
        assert_int_equal(gaps_judge(&g, g.list[5].first + 1), GAPS_SEND);
        gaps_forget_settled(&g);
        assert_int_equal(gaps_judge(&g, frontier + 2), GAPS_SEND);
        buffer_free(&text);
        gaps_free(&g);
}

/* Whatever is sent in whichever order: the text stays within its bound, and what is neither sent nor in it was given up. */
static void no_key_is_forgotten(void **state) {
        enum { KEYS = 4000 };
        struct random random;
        struct gaps g = {};
        bool sent[KEYS] = {};

        (void) state;
        random_seed(&random, 5);
        gaps_begin(&g);
        for (unsigned n = 0; n < 20 * KEYS; n++) {
                int64_t key = (int64_t) random_below(&random, KEYS);
                enum gaps_verdict v = gaps_judge(&g, key);

                if (v == GAPS_KNOWN && !sent[key])
                        fail_msg("key %lld is lost", (long long) key);
                if (v == GAPS_SEND && sent[key])
                        fail_msg("key %lld is sent twice", (long long) key);
                if (v == GAPS_SEND) {
                        gaps_sent(&g, key, 0);
                        sent[key] = true;
                }
                assert_in_range(g.text_length, 0, GAPS_TEXT_MAX * 3 / 2);
        }
        gaps_free(&g);
}

/* ---- text ---- */

static void text_is_read_back_as_it_was_printed(void **state) {
        static const char *const texts[] = {
                "", "7,3+2,40", "7+2", "-9223372036854775807+9223372036854775807", "-5,2,2+7", "9223372036854775806",
        };

        (void) state;
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                struct gaps g = {};

                assert_int_equal(gaps_parse(&g, INT64_MAX, texts[i], strlen(texts[i]), 0), 0);
                assert_text(&g, texts[i]);
                gaps_free(&g);
        }
}

static void text_that_is_none_is_refused(void **state) {
        static const struct { const char *text; int64_t frontier; } cases[] = {
                { "x", 100 }, { "7,", 100 }, { "7,1", 100 }, { "7,0", 100 }, { "7,-3", 100 }, { "7+", 100 }, { "7 ,3", 100 },
                { "7,3+2", 11 }, { "7", 7 }, { "9223372036854775807", INT64_MAX }, { "5,18446744073709551615", INT64_MAX },
                { "5,99999999999999999999", INT64_MAX }, { ",7", 100 }, { "7,3+2,40,", 100 }, { "--7", 100 },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct gaps g = {};

                if (gaps_parse(&g, cases[i].frontier, cases[i].text, strlen(cases[i].text), 0) == 0)
                        fail_msg("%s is taken", cases[i].text);
                assert_int_equal(g.count, 0);
                gaps_free(&g);
        }
}

static void keys_are_integers_that_fit(void **state) {
        static const struct { const char *text; int result; int64_t key; } cases[] = {
                { "0", 0, 0 }, { "-12", 0, -12 }, { "9223372036854775807", 0, INT64_MAX }, { "9223372036854775808", -1, 0 },
                { "18446744073709551615", -1, 0 }, { "", -1, 0 }, { " 5", -1, 0 }, { "5a", -1, 0 }, { "-", -1, 0 },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                int64_t key = 0;

                assert_int_equal(gaps_parse_key(cases[i].text, strlen(cases[i].text), &key), cases[i].result);
                assert_true(key == cases[i].key);
        }
}

/* ---- what a cursor still has to send ---- */

static void rows_beyond_a_follows_last_key_and_in_its_gaps_are_awaited(void **state) {
        static const struct {
                const char *last, *gaps;
                bool goes_on;           /* a replay went on from there */
                const char *key;
                bool awaited;
        } cases[] = {
                { NULL, "", false, "5", true },
                { "20", "", false, "20", false },
                { "20", "", false, "21", true },
                { "20", "", true, "21", false },
                { "20", "7,3+2", false, "7", true },
                { "20", "7,3+2", false, "8", false },
                { "20", "7,3+2", false, "12", true },
                { "20", "7,3+2", true, "12", true },
                { "20", "7,3+2", false, "13", false },
                { "20", "", false, "x", false },
                { "20", "x", false, "21", false },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct cursor_run run = { .has_last = cases[i].last, .has_to = cases[i].goes_on, .followed = true };

                if (cases[i].last)
                        buffer_append_string(&run.last, cases[i].last);
                buffer_append_string(&run.gaps, cases[i].gaps);
                assert_int_equal(feed_awaits(&run, &(struct key) { cases[i].key, strlen(cases[i].key) }), cases[i].awaited);
                buffer_free(&run.last);
                buffer_free(&run.gaps);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(keys_that_a_look_does_not_bring_are_missing),
                cmocka_unit_test(what_turns_up_is_sent_once),
                cmocka_unit_test(before_the_first_row_of_all_others_may_come),
                cmocka_unit_test(below_the_horizon_nothing_is_missing),
                cmocka_unit_test(a_gap_lasts_for_the_time_where_transactions_are_hidden),
                cmocka_unit_test(a_row_that_comes_with_the_last_look_is_sent),
                cmocka_unit_test(settling_follows_the_transactions_that_were_open),
                cmocka_unit_test(when_too_much_is_missing_the_frontier_waits),
                cmocka_unit_test(no_key_is_forgotten),
                cmocka_unit_test(text_is_read_back_as_it_was_printed),
                cmocka_unit_test(text_that_is_none_is_refused),
                cmocka_unit_test(keys_are_integers_that_fit),
                cmocka_unit_test(rows_beyond_a_follows_last_key_and_in_its_gaps_are_awaited),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
