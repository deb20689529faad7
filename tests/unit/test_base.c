#include "unit.h"

#include <threads.h>

#include "pinfeed/base.h"

static void random_seed_100_repeats_the_old_emulator(void **state) {
        static const unsigned rows[] = { 7528, 2863, 5730, 8304, 8731, 1313, 4315, 10794, 5494, 5069, 2923, 3089 };
        static const unsigned sleeps[] = { 0, 1, 1, 1, 0, 0, 1 };
        struct random r;

        (void) state;
        random_seed(&r, 100);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                uint64_t sleep_s = random_below(&r, 2);

                if (i < sizeof sleeps / sizeof *sleeps)
                        assert_int_equal(sleep_s, sleeps[i]);
                assert_int_equal(random_below(&r, 11001), rows[i]);
        }
}

static void random_agrees_with_cpython_for_wide_seeds_and_widths(void **state) {
        struct random r;

        (void) state;
        /* random.seed(2**40 + 7); getrandbits(64); getrandbits(33); random() */
        random_seed(&r, (1ull << 40) + 7);
        assert_true(random_bits(&r, 64) == 13785699202830676186ull);
        assert_true(random_bits(&r, 33) == 7795006133ull);
        assert_true(random_unit(&r) == 0.9450115087592873);
}

static void random_from_entropy_differs_between_starts(void **state) {
        struct random a, b;

        (void) state;
        random_seed_entropy(&a);
        random_seed_entropy(&b);
        assert_false(random_bits(&a, 64) == random_bits(&b, 64));
}

static void tally_percentiles_are_at_most_an_eighth_too_high(void **state) {
        static struct tally t;
        struct tally_snapshot before, after;

        (void) state;
        tally_delivered(&t, 1, 3600000000);
        tally_read(&t, &before);
        for (unsigned i = 1; i <= 1000; i++) {
                tally_sent(&t);
                tally_delivered(&t, 10, i * 1000);
        }
        tally_failed(&t);
        tally_read(&t, &after);
        assert_int_equal(after.delivered, 1001);
        assert_int_equal(after.bytes, 10001);
        assert_int_equal(after.failed, 1);
        assert_true(tally_latency_ms(&before, &after, 0.5) >= 500 && tally_latency_ms(&before, &after, 0.5) <= 563);
        assert_true(tally_latency_ms(&before, &after, 0.99) >= 990 && tally_latency_ms(&before, &after, 0.99) <= 1115);
        assert_true(tally_latency_ms(NULL, &before, 0.5) >= 3600000);
        assert_true(tally_latency_ms(&after, &after, 0.5) == 0);
}

static void tally_latency_buckets_are_in_order(void **state) {
        double last = 0;

        (void) state;
        for (uint64_t us = 0; us < 100000; us += us < 64 ? 1 : us / 32) {
                static struct tally t;
                struct tally_snapshot s;
                double ms;

                memset(&t, 0, sizeof t);
                tally_delivered(&t, 0, us);
                tally_read(&t, &s);
                ms = tally_latency_ms(NULL, &s, 0.5);
                assert_true(ms * 1000 >= (double) us && ms * 1000 <= (double) us * 1.125 + 1);
                assert_true(ms >= last);
                last = ms;
        }
}

static void error_keeps_class_words_and_exit_code(void **state) {
        struct error e;

        (void) state;
        assert_int_equal(error_set(&e, ERROR_REFUSED, "topic %s is missing", "x.pin"), -1);
        error_hint(&e, "Run %s.", "pinfeed --create-topics");
        error_prefix(&e, "stream %s: ", "pin");
        assert_string_equal(e.what, "stream pin: topic x.pin is missing");
        assert_string_equal(e.hint, "Run pinfeed --create-topics.");
        assert_int_equal(error_exit_code(&e), 78);
}

static void clock_formats_times_past_2038(void **state) {
        char s[32];

        (void) state;
        clock_format_utc(4102444800, s);
        assert_string_equal(s, "2100-01-01T00:00:00Z");
}

static int wait_ms(int64_t ms) {
        struct timespec until = clock_timespec((uint64_t) (clock_wall_ms() + ms) * 1000);
        mtx_t lock;
        cnd_t never;
        int r;

        mtx_init(&lock, mtx_plain);
        cnd_init(&never);
        mtx_lock(&lock);
        r = cnd_timedwait(&never, &lock, &until);
        mtx_unlock(&lock);
        cnd_destroy(&never);
        mtx_destroy(&lock);
        return r;
}

/* That it does so when the clock is set is for a machine to show whose clock can be: tests/service/test_machine.py. */
static void clock_waits_until_a_time_of_day_and_not_at_all_for_one_that_has_passed(void **state) {
        uint64_t since_us = clock_monotonic_us();

        (void) state;
        assert_int_equal(wait_ms(-3600000), thrd_timedout);
        assert_int_equal(wait_ms(30), thrd_timedout);
        assert_true(clock_monotonic_us() - since_us >= 28000);
}

static void buffer_grows_and_keeps_its_bytes(void **state) {
        struct buffer b = {};

        (void) state;
        for (int i = 0; i < 1000; i++)
                buffer_printf(&b, "%d,", i);
        buffer_printf(&b, "%0300d", 7);
        assert_int_equal(b.length, 3890 + 300);
        assert_memory_equal(b.data, "0,1,2,", 6);
        assert_int_equal(strlen(buffer_string(&b)), b.length);
        buffer_free(&b);
        buffer_free(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(random_seed_100_repeats_the_old_emulator),
                cmocka_unit_test(random_agrees_with_cpython_for_wide_seeds_and_widths),
                cmocka_unit_test(random_from_entropy_differs_between_starts),
                cmocka_unit_test(tally_percentiles_are_at_most_an_eighth_too_high),
                cmocka_unit_test(tally_latency_buckets_are_in_order),
                cmocka_unit_test(error_keeps_class_words_and_exit_code),
                cmocka_unit_test(clock_formats_times_past_2038),
                cmocka_unit_test(clock_waits_until_a_time_of_day_and_not_at_all_for_one_that_has_passed),
                cmocka_unit_test(buffer_grows_and_keeps_its_bytes),
        };

        return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
