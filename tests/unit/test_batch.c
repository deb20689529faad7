/* When rows are committed and when they go: time is an argument. */
#include "unit.h"

#include "feed/batch.h"

static void a_batch_is_due_by_rows_bytes_and_time(void **state) {
        const struct batch_limits limits = batch_limits(100, 0);

        (void) state;
        assert_false(batch_is_due(&(struct batch) { .rows = 100 }, &limits, 0));                /* not open */
        assert_true(batch_is_due(&(struct batch) { .open = true, .rows = 100 }, &limits, 0));
        assert_false(batch_is_due(&(struct batch) { .open = true, .rows = 99 }, &limits, 0));
        assert_true(batch_is_due(&(struct batch) { .open = true, .bytes = 256 << 20 }, &limits, 0));
        assert_true(batch_is_due(&(struct batch) { .open = true, .opened_us = 7 }, &limits, 5000007));
        assert_false(batch_is_due(&(struct batch) { .open = true, .opened_us = 7 }, &limits, 5000006));
        /* Never between rows of equal key. */
        assert_false(batch_is_due(&(struct batch) { .open = true, .rows = 1000, .inside = true }, &limits, 1u << 30));
}

static void a_short_transaction_is_closed_in_time(void **state) {
        const struct batch_limits limits = batch_limits(100, 4000000);

        (void) state;
        assert_true(batch_is_due(&(struct batch) { .open = true }, &limits, 1000000));
        assert_false(batch_is_due(&(struct batch) { .open = true }, &limits, 999999));
}

static void a_key_may_not_take_longer_than_a_transaction(void **state) {
        const struct batch_limits limits = batch_limits(100, 4000000);
        struct batch b = {};

        (void) state;
        batch_add(&b, "k", 1, 10, true, false, 1000);
        batch_add(&b, "k", 1, 10, false, false, 2000);
        assert_false(batch_is_too_long(&b, &limits, 3001000));
        assert_true(batch_is_too_long(&b, &limits, 3001001));
        b.blocked_us = 500;                                     /* waiting for Kafka does not count */
        assert_false(batch_is_too_long(&b, &limits, 3001500));
        batch_add(&b, "k", 1, 10, false, true, 4000000);
        assert_false(batch_is_too_long(&b, &limits, 9000000));  /* it is over */
        buffer_free(&b.last);
}

static void a_batch_remembers_its_last_key(void **state) {
        struct batch b = { .open = true };

        (void) state;
        batch_add(&b, "one", 3, 10, true, true, 1);
        batch_add(&b, "two", 3, 20, true, false, 2);
        batch_add(&b, "two", 3, 30, false, false, 3);
        assert_int_equal(b.rows, 3);
        assert_int_equal(b.bytes, 60);
        assert_int_equal(b.last_rows, 2);
        assert_true(b.inside);
        assert_string_equal(buffer_string(&b.last), "two");
        batch_clear(&b);
        assert_true(!b.open && !b.inside && b.rows == 0 && b.bytes == 0);
        /* The key began before: what is sent of it now is what counts. */
        batch_add(&b, "two", 3, 30, false, true, 4);
        assert_int_equal(b.last_rows, 1);
        buffer_free(&b.last);
}

static void the_limiter_spaces_rows(void **state) {
        _Atomic uint64_t next_ns = 0;

        (void) state;
        assert_int_equal(limiter_turn_us(&next_ns, 10, 5000000), 4900000);      /* a tenth of a second may be made up for */
        assert_int_equal(limiter_turn_us(&next_ns, 10, 5000000), 5000000);
        assert_int_equal(limiter_turn_us(&next_ns, 10, 5000000), 5100000);
        assert_int_equal(limiter_turn_us(&next_ns, 10, 5000000), 5200000);
        /* After a pause: no burst. */
        assert_int_equal(limiter_turn_us(&next_ns, 10, 60000000), 59900000);
        assert_int_equal(limiter_turn_us(&next_ns, 10, 60000000), 60000000);
}

static void five_failures_without_progress_are_enough(void **state) {
        const struct error first = { .class = ERROR_FAILED, .what = "the first" }, e = { .class = ERROR_FAILED };
        struct failures f = {};

        (void) state;
        for (int i = 0; i < FAILURES_MOST; i++)
                assert_true(failures_add(&f, 7, i ? &e : &first));
        assert_int_equal(failures_pause_ms(&f), 8000);
        assert_true(failures_add(&f, 8, &e));                   /* something was committed */
        for (int i = 1; i < FAILURES_MOST; i++)
                assert_true(failures_add(&f, 8, &e));
        assert_false(failures_add(&f, 8, &first));
        assert_string_equal(f.first.what, "");                  /* the first since then */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_batch_is_due_by_rows_bytes_and_time),
                cmocka_unit_test(a_short_transaction_is_closed_in_time),
                cmocka_unit_test(a_key_may_not_take_longer_than_a_transaction),
                cmocka_unit_test(a_batch_remembers_its_last_key),
                cmocka_unit_test(the_limiter_spaces_rows),
                cmocka_unit_test(five_failures_without_progress_are_enough),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
