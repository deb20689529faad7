#include "unit.h"

#include "pinfeed/limits.h"
#include "session/room.h"

/* Lines that one outage of so long costs. */
static unsigned lines(bool patient, uint64_t lasted_s, bool again) {
        unsigned said = 0;

        while (outage_due_ms(patient, said, again) <= lasted_s * 1000)
                said += said == 0 && again ? 2 : 1;
        return said;
}

static void an_outage_of_a_day_is_a_handful_of_lines(void **state) {
        static const struct {
                uint64_t lasted_s;
                unsigned lines;
        } cases[] = { { 2, 0 }, { 3, 1 }, { 59, 1 }, { 60, 2 }, { 600, 3 }, { 3600, 4 }, { 86399, 4 }, { 86400, 5 }, { 3 * 86400, 7 } };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                assert_int_equal(lines(true, cases[i].lasted_s, false), cases[i].lines);
}

static void what_was_said_lately_is_said_again_only_if_it_lasts_for_a_minute(void **state) {
        (void) state;
        assert_int_equal(lines(true, 59, true), 0);
        assert_int_equal(lines(true, 60, true), 2);     /* the one that it was spared counts */
        assert_int_equal(lines(true, 599, true), 2);
        assert_int_equal(lines(true, 600, true), 3);
}

static void a_job_that_somebody_watches_says_sooner_what_it_waits_for(void **state) {
        (void) state;
        assert_int_equal(outage_due_ms(false, 0, false), LIMIT_SAY_MS);
        assert_int_equal(outage_due_ms(true, 0, false), 2 * LIMIT_SAY_MS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_outage_of_a_day_is_a_handful_of_lines),
                cmocka_unit_test(what_was_said_lately_is_said_again_only_if_it_lasts_for_a_minute),
                cmocka_unit_test(a_job_that_somebody_watches_says_sooner_what_it_waits_for),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
