/* Which offsets a reader of committed records was not handed. */
#include "unit.h"

#include "producer/unseen.h"

/* Whatever is joined: what was not seen lies in gaps, and how much of a gap was not seen is known. */
static void gaps_hold_what_was_not_seen_however_many_there_are(void **state) {
        enum { OFFSETS = 100000 };
        const struct producer_span spans[2] = { { 0, OFFSETS }, { 1000, OFFSETS } };

        (void) state;
        for (int every = 2; every < 2000; every *= 9) {
                bool *covered = mem_zero(2 * OFFSETS, sizeof *covered);
                int64_t hidden = 0, seen = 0;
                struct unseen g = {};

                unseen_begin(&g, spans, 2);
                for (int64_t offset = 0; offset < OFFSETS; offset++)
                        for (int p = 0; p < 2; p++)
                                if (offset >= spans[p].first && offset % every != 0) {
                                        unseen_saw(&g, p, offset);
                                        seen++;
                                }
                unseen_end(&g, spans, 2);
                assert_in_range(g.count, 1, UNSEEN_MOST);
                for (size_t i = 0; i < g.count; i++) {
                        hidden += g.list[i].hidden;
                        for (int64_t offset = g.list[i].from; offset < g.list[i].to; offset++)
                                covered[g.list[i].partition * OFFSETS + offset] = true;
                }
                assert_int_equal(hidden + seen, 2 * OFFSETS - 1000);
                for (int p = 0; p < 2; p++)
                        for (int64_t offset = spans[p].first; offset < OFFSETS; offset += every)
                                assert_true(offset % every != 0 || covered[p * OFFSETS + offset]);
                unseen_free(&g);
                free(covered);
        }
}

static void a_topic_without_gaps_has_none(void **state) {
        const struct producer_span span = { 5, 8 };
        struct unseen g = {};

        (void) state;
        unseen_begin(&g, &span, 1);
        for (int64_t offset = 5; offset < 8; offset++)
                unseen_saw(&g, 0, offset);
        unseen_end(&g, &span, 1);
        assert_int_equal(g.count, 0);
        unseen_free(&g);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(gaps_hold_what_was_not_seen_however_many_there_are),
                cmocka_unit_test(a_topic_without_gaps_has_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
