/* What decides whether a topic is its table: hashes and their sums, keys, bounds, and gaps. */
#include "unit.h"

#include <stdio.h>

#include "verify/own.h"

static struct digest digest_of(const char *key, const char *value, size_t length) {
        static struct sums_secret secret;
        const struct sums none = {};
        struct random random;
        struct digest d;

        if (secret.key[0] == 0) {
                random_seed(&random, 1);
                sums_draw_secret(&random, &secret);
        }
        sums_digest(&secret, &none, key, strlen(key), value, length, &d);
        return d;
}

static struct digest digest(const char *key, const char *value) {
        return digest_of(key, value, strlen(value));
}

/* ---- hashes ---- */

static void the_hash_is_siphash(void **state) {
        /* As `openssl mac -macopt c-rounds:1 -macopt d-rounds:3 -macopt size:16 SIPHASH` says. */
        static const struct {
                size_t length;
                const char *hex;
        } known[] = {
                { 0, "e77ebcb22788a5befd62db6add303001" }, { 1, "fc6f370460d3eda85e0573cc2b2ff063" },
                { 9, "81ddb8042cf33994f4720e0094137c42" },
        };
        const uint64_t key[] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };

        (void) state;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
                _cleanup_buffer_ struct buffer hex = {};
                uint64_t hash[2];

                sums_hash(key, "\0\1\2\3\4\5\6\7\10", known[i].length, hash);
                text_hex(hash, sizeof hash, TEXT_HEX, &hex);
                assert_string_equal(buffer_string(&hex), known[i].hex);
        }
}

/* One bit at any place, a byte of any value at the end, and whole blocks that change places. */
static void values_that_differ_have_other_digests(void **state) {
        enum { BLOCK = SUMS_WORDS * sizeof(uint64_t), MOST = 2 * BLOCK + 20 };
        static const size_t lengths[] = { 1, 15, 16, 17, 750, BLOCK - 1, BLOCK, BLOCK + 1, MOST };
        char value[MOST + 1] = {};
        struct digest first, second;

        (void) state;
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
                struct digest whole = digest_of("1", value, lengths[i]), other;

                for (size_t at = 0; at < lengths[i]; at++)
                        for (int bit = 0; bit < 8; bit++) {
                                value[at] = (char) (1 << bit);
                                other = digest_of("1", value, lengths[i]);
                                assert_memory_not_equal(whole.both, other.both, sizeof whole.both);
                                value[at] = 0;
                        }
                other = digest_of("1", value, lengths[i] + 1);
                assert_memory_not_equal(whole.both, other.both, sizeof whole.both);
        }
        value[0] = 'x';
        first = digest_of("1", value, MOST);
        value[0] = 0;
        value[BLOCK] = 'x';
        second = digest_of("1", value, MOST);
        assert_memory_not_equal(first.both, second.both, sizeof first.both);
}

static void sums_are_equal_for_the_same_records_in_any_order_and_for_no_others(void **state) {
        static const struct {
                const char *records[4][2];
                bool equal;
        } cases[] = {
                { { { "1", "a" }, { "2", "b" }, { "3", "c" } }, true },
                { { { "3", "c" }, { "1", "a" }, { "2", "b" } }, true },
                { { { "1", "b" }, { "2", "a" }, { "3", "c" } }, false },        /* bytes that changed places */
                { { { "1", "a" }, { "2", "b" } }, false },
                { { { "1", "a" }, { "2", "b" }, { "3", "c" }, { "3", "c" } }, false },
                { { { "1", "a" }, { "2", "b" }, { "3c", "" } }, false },
        };
        struct sums all[sizeof cases / sizeof *cases];

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                sums_init(&all[i]);
                for (size_t n = 0; n < 4 && cases[i].records[n][0]; n++) {
                        struct digest d = digest(cases[i].records[n][0], cases[i].records[n][1]);

                        sums_add(&all[i], &d);
                }
                assert_int_equal(sums_equal(&all[0], &all[i]), cases[i].equal);
        }
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                sums_free(&all[i]);
}

/* ---- keys ---- */

/* Rows and records of one key, by their values. */
static const struct {
        const char *rows, *records;
        uint64_t missing, doubled, altered;
        uint64_t altered_if_repeated;
} classes[] = {
        { "a", "a", 0, 0, 0, 0 },
        { "a", "", 1, 0, 0, 0 },
        { "a", "b", 0, 0, 1, 1 },
        { "a", "aa", 0, 1, 0, 0 },
        { "a", "ba", 0, 1, 0, 1 },
        { "a", "bb", 0, 1, 1, 1 },
        { "ab", "ba", 0, 0, 0, 0 },
        { "aab", "aba", 0, 0, 0, 0 },
        { "aab", "abb", 0, 0, 1, 0 },
        { "ab", "b", 1, 0, 0, 0 },
        { "abc", "xc", 1, 0, 1, 1 },
        { "ab", "xyz", 0, 1, 2, 2 },
        { "aa", "aaaa", 0, 2, 0, 0 },
};

static void a_keys_rows_and_records_are_told_apart_by_value(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
                for (int repeats = 0; repeats < 2; repeats++) {
                        uint64_t counts[VERIFY_CLASSES] = {};
                        struct digest d;
                        struct keys k;

                        keys_init(&k, 64);
                        keys_begin(&k, 0);
                        for (const char *v = classes[i].rows; *v; v++) {
                                d = digest("key", (char[]) { *v, 0 });
                                assert_int_equal(keys_add_row(&k, &d), 0);
                        }
                        for (const char *v = classes[i].records; *v; v++) {
                                d = digest("key", (char[]) { *v, 0 });
                                assert_true(keys_add_record(&k, &d, repeats));
                        }
                        d = digest("other key", "a");
                        assert_false(keys_add_record(&k, &d, repeats));
                        for (size_t n = 0; n < k.size; n++)
                                if (k.slots[n].used)
                                        keys_class(&k.slots[n], repeats, counts);
                        assert_int_equal(counts[VERIFY_MISSING], repeats ? 0 : classes[i].missing);
                        assert_int_equal(counts[VERIFY_DOUBLED], repeats ? 0 : classes[i].doubled);
                        assert_int_equal(counts[VERIFY_ALTERED], repeats ? classes[i].altered_if_repeated : classes[i].altered);
                        keys_free(&k);
                }
}

/* Each key is in one round, whole, however many there are. */
static void keys_that_do_not_fit_are_left_to_later_rounds(void **state) {
        enum { ROWS = 5000, SIZE = 256 };
        uint64_t counts[VERIFY_CLASSES] = {};
        unsigned rounds = 0;
        struct keys k;

        (void) state;
        keys_init(&k, SIZE);
        for (uint32_t from = 0; from < SUMS_BUCKETS; from = k.to, rounds++) {
                keys_begin(&k, from);
                for (int side = 0; side < 2; side++)
                        for (int i = 0; i < ROWS; i++) {
                                char key[16];
                                struct digest d;

                                snprintf(key, sizeof key, "%d", i);
                                d = digest(key, side && i % 5 == 0 ? "another" : "value");
                                if (!keys_covers(&k, &d))
                                        continue;
                                if (side == 0)
                                        assert_int_equal(keys_add_row(&k, &d), 0);
                                else
                                        assert_true(keys_add_record(&k, &d, false));
                        }
                for (size_t n = 0; n < k.size; n++)
                        if (k.slots[n].used)
                                keys_class(&k.slots[n], false, counts);
        }
        assert_in_range(rounds, ROWS / SIZE, ROWS / 32);
        assert_int_equal(counts[VERIFY_ALTERED], ROWS / 5);
        assert_int_equal(counts[VERIFY_MISSING] + counts[VERIFY_DOUBLED], 0);
        keys_free(&k);
}

static void one_bucket_of_too_many_rows_is_refused(void **state) {
        struct keys k;
        int r = 0;

        (void) state;
        keys_init(&k, 64);
        keys_begin(&k, 0);
        for (int i = 0; i < 1000 && r == 0; i++) {
                char value[16];
                struct digest d;

                snprintf(value, sizeof value, "%d", i);
                d = digest("the same", value);
                if (keys_covers(&k, &d))
                        r = keys_add_row(&k, &d);
                else
                        keys_begin(&k, sums_bucket(&d));
        }
        assert_int_equal(r, -1);
        keys_free(&k);
}

/* ---- bounds ---- */

static void bounds_are_inclusive_unless_the_lower_one_is_not(void **state) {
        struct key from = { "10", 2 }, to = { "20", 2 };
        struct bounds bounds = { .order = KEY_ORDER_NUMBER, .from = &from, .to = &to };

        (void) state;
        for (int i = 0; i < 30; i++) {
                char text[8];

                snprintf(text, sizeof text, "%d", i);
                bounds.after = false;
                assert_int_equal(bounds_hold(&bounds, &(struct key) { text, strlen(text) }), i >= 10 && i <= 20);
                bounds.after = true;
                assert_int_equal(bounds_hold(&bounds, &(struct key) { text, strlen(text) }), i > 10 && i <= 20);
        }
        assert_false(bounds_hold(&bounds, &(struct key) { "x", 1 }));
        assert_false(bounds_hold(&bounds, &(struct key) {}));
        assert_true(bounds_hold(&(struct bounds) {}, &(struct key) {}));
}

/* ---- gaps ---- */

/* Whatever is joined: what was not seen lies in gaps, and how much of a gap was not seen is known. */
static void gaps_hold_what_was_not_seen_however_many_there_are(void **state) {
        enum { OFFSETS = 100000 };
        const struct producer_span spans[2] = { { 0, OFFSETS }, { 1000, OFFSETS } };

        (void) state;
        for (int every = 2; every < 2000; every *= 9) {
                bool *covered = mem_zero(2 * OFFSETS, sizeof *covered);
                int64_t hidden = 0, seen = 0;
                struct unseen g;

                unseen_init(&g, spans, 2);
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
        struct unseen g;

        (void) state;
        unseen_init(&g, &span, 1);
        for (int64_t offset = 5; offset < 8; offset++)
                unseen_saw(&g, 0, offset);
        unseen_end(&g, &span, 1);
        assert_int_equal(g.count, 0);
        unseen_free(&g);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_hash_is_siphash),
                cmocka_unit_test(values_that_differ_have_other_digests),
                cmocka_unit_test(sums_are_equal_for_the_same_records_in_any_order_and_for_no_others),
                cmocka_unit_test(a_keys_rows_and_records_are_told_apart_by_value),
                cmocka_unit_test(keys_that_do_not_fit_are_left_to_later_rounds),
                cmocka_unit_test(one_bucket_of_too_many_rows_is_refused),
                cmocka_unit_test(bounds_are_inclusive_unless_the_lower_one_is_not),
                cmocka_unit_test(gaps_hold_what_was_not_seen_however_many_there_are),
                cmocka_unit_test(a_topic_without_gaps_has_none),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
