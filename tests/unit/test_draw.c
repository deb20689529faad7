/* Which posts are drawn, after which pauses, and how many at once: without a server, a clock or luck. */
#include "unit.h"

#include <stdio.h>

#include "emulate/draw.h"

static struct draw *new_draw(uint64_t seed, double rate) {
        struct draw *d = mem_zero(1, sizeof *d);

        random_seed(&d->random, seed);
        d->rate = rate;
        return d;
}

static void end_draw(struct draw *d) {
        draw_done(d);
        free(d);
}

static void list_numbers(struct pool *pool, int count) {
        char text[24];

        for (int i = 0; i < count; i++)
                key_list_add(&pool->list, &(struct key) { text, (size_t) snprintf(text, sizeof text, "%d", i) });
}

static long long number_of(const struct key *key) {
        char text[32] = "";

        assert_true(key->length < sizeof text);
        memcpy(text, key->data, key->length);
        return strtoll(text, NULL, 10);
}

/* random.seed(100), then randrange(0, 2) and randint(0, 11000) in turns, as CPython 3 draws them. */
static void a_seed_repeats_the_old_emulator(void **state) {
        static const int keys[] = { 7528, 2863, 5730, 8304, 8731, 1313, 4315, 10794, 5494, 5069, 2923, 3089 };
        enum { COUNT = sizeof keys / sizeof *keys };
        struct draw *d = new_draw(100, 2);
        uint64_t pauses_us[COUNT];
        const struct key *drawn;
        size_t count;

        (void) state;
        d->seeded = true;
        list_numbers(&d->pool, DRAW_SEEDED_OFFSETS);
        draw_round(d, COUNT, pauses_us, &drawn, &count);
        assert_int_equal(count, COUNT);
        for (size_t i = 0; i < COUNT; i++) {
                assert_int_equal(number_of(&drawn[i]), keys[i]);
                assert_true(pauses_us[i] == 0 || pauses_us[i] == 1000000);
        }
        end_draw(d);
}

static void a_seed_draws_offsets_past_the_end_of_a_short_list_again(void **state) {
        struct draw *d = new_draw(100, 2);
        const struct key *drawn;
        size_t count;

        (void) state;
        d->seeded = true;
        list_numbers(&d->pool, 3);
        draw_more(d, 100, &drawn, &count);
        for (size_t i = 0; i < count; i++)
                assert_in_range(number_of(&drawn[i]), 0, 2);
        end_draw(d);
}

static void pauses_are_on_average_one_by_the_rate(void **state) {
        enum { COUNT = 4000 };
        struct draw *d = new_draw(1, 50);
        uint64_t *pauses_us = mem_alloc(COUNT * sizeof *pauses_us), sum_us = 0;
        const struct key *drawn;
        size_t count;

        (void) state;
        list_numbers(&d->pool, 10);
        draw_round(d, COUNT, pauses_us, &drawn, &count);
        for (size_t i = 0; i < COUNT; i++) {
                assert_in_range(pauses_us[i], 0, 40000);
                sum_us += pauses_us[i];
        }
        assert_in_range(sum_us / COUNT, 19000, 21000);
        free(pauses_us);
        end_draw(d);
}

static void numbers_come_from_the_whole_range_and_from_nowhere_else(void **state) {
        static const struct { __int128 least, greatest; } ranges[] = {
                { 0, 0 }, { -3, 3 }, { INT64_MIN, INT64_MAX }, { 0, UINT64_MAX },
                { (__int128) UINT64_MAX - 2, UINT64_MAX },
        };

        (void) state;
        for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
                struct draw *d = new_draw(7, 1);
                bool first = false, last = false;
                __int128 span;

                d->pool = (struct pool) { .least = ranges[i].least, .greatest = ranges[i].greatest, .hit_share = 1 };
                span = d->pool.greatest - d->pool.least;
                for (int n = 0; n < 1000; n++) {
                        const struct key *key = draw_numbers(d, 1);
                        char text[32] = "";
                        __int128 number;

                        memcpy(text, key->data, key->length);
                        number = *text == '-' ? (__int128) strtoll(text, NULL, 10)
                                              : (__int128) strtoull(text, NULL, 10);
                        assert_true(number >= ranges[i].least && number <= ranges[i].greatest);
                        first |= number - ranges[i].least <= span / 8;
                        last |= ranges[i].greatest - number <= span / 8;
                }
                assert_true(first && last);
                end_draw(d);
        }
}

static void more_numbers_are_tried_the_rarer_posts_are(void **state) {
        static const struct { double hit_share; size_t wanted, tried; } cases[] = {
                { 1, 10, 10 }, { 0.5, 10, 28 }, { 0.01, 10, 1204 }, { 0.0002, 500, DRAW_AT_ONCE },
                { 0, 1, DRAW_AT_ONCE },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct draw *d = new_draw(1, 1);
                const struct key *drawn;
                size_t count;

                d->pool = (struct pool) { .least = 1, .greatest = 1000000, .hit_share = cases[i].hit_share };
                draw_more(d, cases[i].wanted, &drawn, &count);
                assert_int_equal(count, cases[i].tried);
                end_draw(d);
        }
}

static void as_many_posts_are_drawn_at_once_as_are_due_in_a_moment(void **state) {
        static const struct { double rate; uint64_t left; size_t size; } cases[] = {
                { 80, UINT64_MAX, 4 }, { 81, UINT64_MAX, 5 }, { 1000, UINT64_MAX, 50 }, { 1e6, UINT64_MAX, DRAW_BATCH },
                { 1e6, 7, 7 },
                /* a few at a low rate, within seconds */
                { 20, UINT64_MAX, 4 }, { 1, UINT64_MAX, 4 }, { 0.6, UINT64_MAX, 2 }, { 0.4, UINT64_MAX, 1 },
                { 0.001, UINT64_MAX, 1 }, { 1, 1, 1 },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                assert_int_equal(draw_batch_size(cases[i].rate, cases[i].left), cases[i].size);
}

static void a_short_lag_is_caught_up_with_and_an_outage_is_not(void **state) {
        (void) state;
        assert_int_equal(draw_schedule(5000000, 5000000), 5000000);
        assert_int_equal(draw_schedule(5000000, 6000000), 5000000);
        assert_int_equal(draw_schedule(5000000, 6000001), 6000001);
        assert_int_equal(draw_schedule(5000000, 4000000), 5000000);    /* the next post lies ahead */
}

static void a_list_finds_all_places_of_a_key_the_first_one_first(void **state) {
        static const char *const keys[] = { "7", "12", "", "7", "a", "7", "13" };
        struct key_list list = {};
        const struct key seven = { "7", 1 }, none = { "8", 1 };
        static const size_t places[] = { 0, 3, 5 };
        size_t at;

        (void) state;
        key_list_sort(&list);
        assert_false(key_list_is(&list, key_list_seek(&list, &seven), &seven));
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
                key_list_add(&list, &(struct key) { keys[i], strlen(keys[i]) });
        key_list_sort(&list);
        at = key_list_seek(&list, &seven);
        for (size_t i = 0; i < 3; i++) {
                assert_true(key_list_is(&list, at + i, &seven));
                assert_int_equal(list.sorted[at + i], places[i]);
        }
        assert_false(key_list_is(&list, at + 3, &seven));
        assert_false(key_list_is(&list, key_list_seek(&list, &none), &none));
        key_list_free(&list);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_seed_repeats_the_old_emulator),
                cmocka_unit_test(a_seed_draws_offsets_past_the_end_of_a_short_list_again),
                cmocka_unit_test(pauses_are_on_average_one_by_the_rate),
                cmocka_unit_test(numbers_come_from_the_whole_range_and_from_nowhere_else),
                cmocka_unit_test(more_numbers_are_tried_the_rarer_posts_are),
                cmocka_unit_test(as_many_posts_are_drawn_at_once_as_are_due_in_a_moment),
                cmocka_unit_test(a_short_lag_is_caught_up_with_and_an_outage_is_not),
                cmocka_unit_test(a_list_finds_all_places_of_a_key_the_first_one_first),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
