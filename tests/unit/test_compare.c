/* What decides whether a topic is its table: hashes and their sums, keys, and whole comparisons in memory. */
#include "unit.h"

#include <stdio.h>

#include "compare/own.h"

static struct digest digest_of(const char *key, const char *value, size_t length) {
        static struct compare_secret secret;
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
                        uint64_t counts[COMPARE_CLASSES] = {};
                        struct digest d;
                        struct keys k;

                        keys_init(&k, 64);
                        keys_begin(&k, 0);
                        for (const char *v = classes[i].rows; *v; v++) {
                                d = digest("key", (char[]) { *v, 0 });
                                assert_int_equal(keys_add_row(&k, &d, false), 0);
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
                        assert_int_equal(counts[COMPARE_MISSING], repeats ? 0 : classes[i].missing);
                        assert_int_equal(counts[COMPARE_DOUBLED], repeats ? 0 : classes[i].doubled);
                        assert_int_equal(counts[COMPARE_ALTERED], repeats ? classes[i].altered_if_repeated : classes[i].altered);
                        keys_free(&k);
                }
}

/* Each key is in one round, whole, however many there are. */
static void keys_that_do_not_fit_are_left_to_later_rounds(void **state) {
        enum { ROWS = 5000, SIZE = 256 };
        uint64_t counts[COMPARE_CLASSES] = {};
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
                                        assert_int_equal(keys_add_row(&k, &d, false), 0);
                                else
                                        assert_true(keys_add_record(&k, &d, false));
                        }
                for (size_t n = 0; n < k.size; n++)
                        if (k.slots[n].used)
                                keys_class(&k.slots[n], false, counts);
        }
        assert_in_range(rounds, ROWS / SIZE, ROWS / 32);
        assert_int_equal(counts[COMPARE_ALTERED], ROWS / 5);
        assert_int_equal(counts[COMPARE_MISSING] + counts[COMPARE_DOUBLED], 0);
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
                        r = keys_add_row(&k, &d, false);
                else
                        keys_begin(&k, sums_bucket(&d));
        }
        assert_int_equal(r, -1);
        keys_free(&k);
}

/* ---- a comparison ---- */

struct pair {
        const char *key, *value;
};
struct memory {
        struct compare *compare;
        const struct pair *rows, *records;
        atomic_uint round;
};

static int hand_out_rows(void *arg, struct error *e) {
        struct memory *m = arg;
        int r = 0;

        for (const struct pair *p = m->rows; p->key && r == 0; p++)
                r = compare_row(m->compare, p->key, strlen(p->key), p->value, strlen(p->value), e);
        return r;
}

static int hand_out_records(void *arg, struct error *e) {
        struct memory *m = arg;

        (void) e;
        for (const struct pair *p = m->records; p->key || p->value; p++)
                compare_record(m->compare, p->key, p->key ? strlen(p->key) : 0, p->value, p->value ? strlen(p->value) : 0);
        return 0;
}

static int hand_out_both(void *arg, struct error *e) {
        return hand_out_rows(arg, e) < 0 ? -1 : hand_out_records(arg, e);
}

static bool is_6(void *arg, const char *key, size_t length) {
        (void) arg;
        return length == 1 && *key == '6';
}

static void run(struct memory *m, const struct compare_secret *secret, bool repeats, bool counts_keys) {
        struct error e;

        m->compare = compare_new(&(struct compare_sides) {
                .name = "t", .secret = secret, .rows = hand_out_rows, .records = hand_out_records, .both = hand_out_both, .is_awaited = is_6,
                .arg = m, .ret_round = &m->round, .show = 5, .repeats = repeats, .counts_keys = counts_keys,
        });
        assert_int_equal(compare_run(m->compare, &e), 0);
}

static void assert_named(const struct compare_names *n, const char *expected) {
        _cleanup_buffer_ struct buffer text = {};

        for (size_t i = 0; i < n->count; i++)
                buffer_printf(&text, "%s%.*s", i ? " " : "", (int) n->list[i].length, n->none[i] ? "-" : n->list[i].data);
        assert_string_equal(buffer_string(&text), expected);
}

static void each_difference_is_counted_and_named(void **state) {
        _cleanup_free_ struct compare_secret *secret = compare_secret_new();
        struct memory m = {
                .rows = (const struct pair[]) { { "1", "a" }, { "2", "b" }, { "3", "c" }, { "4", "d" }, { "6", "f" }, {} },
                .records = (const struct pair[]) { { "1", "a" }, { "2", "b" }, { "2", "b" }, { "3", "x" }, { "5", "e" },
                                                   { "", NULL }, { NULL, "y" }, {} },
        };
        const struct compare_result *found;

        (void) state;
        run(&m, secret, false, false);
        found = compare_result(m.compare);
        assert_int_equal(found->rows, 5);
        assert_int_equal(found->records, 7);
        for (int i = 0; i < COMPARE_CLASSES; i++)
                assert_int_equal(found->counts[i], i == COMPARE_FOREIGN ? 3 : 1);
        assert_named(&found->names[COMPARE_MISSING], "4");
        assert_named(&found->names[COMPARE_DOUBLED], "2");
        assert_named(&found->names[COMPARE_ALTERED], "3");
        assert_named(&found->names[COMPARE_AWAITED], "6");
        assert_int_equal(found->names[COMPARE_FOREIGN].count, 3);
        assert_int_equal(found->shown_count, 1);
        assert_memory_equal(found->shown[0].row.data, "c", 1);
        assert_memory_equal(found->shown[0].record.data, "x", 1);
        assert_int_equal(m.round, 1);
        compare_free(m.compare);
}

/* Not the first row of the key and the first record that is another. */
static void of_rows_of_one_key_the_one_that_was_altered_is_shown(void **state) {
        static const struct {
                struct pair rows[4], records[4];
                const char *row, *record;
        } cases[] = {
                { { { "1", "a" }, { "1", "b" }, {} }, { { "1", "a" }, { "1", "x" }, {} }, "b", "x" },
                { { { "1", "a" }, { "1", "b" }, { "1", "b" }, {} }, { { "1", "b" }, { "1", "x" }, { "1", "b" }, {} }, "a", "x" },
                { { { "1", "a" }, { "1", "a" }, {} }, { { "1", "x" }, { "1", "a" }, {} }, "a", "x" },
                { { { "1", "a" }, { "1", "b" }, {} }, { { "1", "a" }, { "1", "a" }, {} }, "b", "a" },
        };
        _cleanup_free_ struct compare_secret *secret = compare_secret_new();

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct memory m = { .rows = cases[i].rows, .records = cases[i].records };
                const struct compare_result *found;

                run(&m, secret, false, false);
                found = compare_result(m.compare);
                assert_int_equal(found->counts[COMPARE_ALTERED], 1);
                assert_int_equal(found->shown_count, 1);
                assert_memory_equal(found->shown[0].row.data, cases[i].row, 1);
                assert_int_equal(found->shown[0].record.length, 1);
                assert_memory_equal(found->shown[0].record.data, cases[i].record, 1);
                compare_free(m.compare);
        }
}

static void what_is_equal_is_read_once(void **state) {
        _cleanup_free_ struct compare_secret *secret = compare_secret_new();
        const struct pair same[] = { { "1", "a" }, { "2", "b" }, {} };
        struct memory m = { .rows = same, .records = same };

        (void) state;
        run(&m, secret, false, false);
        for (int i = 0; i < COMPARE_CLASSES; i++)
                assert_int_equal(compare_result(m.compare)->counts[i], 0);
        assert_int_equal(m.round, 0);
        compare_free(m.compare);
}

static void keys_that_are_not_equally_often_in_all_topics_are_named(void **state) {
        static const struct pair rows[] = { { "1", "a" }, { "2", "b" }, { "3", "c" }, {} };
        static const struct pair records[3][6] = {
                { { "1", "a" }, { "2", "b" }, { "3", "c" }, { "3", "c" } }, { { "3", "c" }, { "1", "a" }, { "3", "c" }, { "2", "b" } },
                { { "1", "a" }, { "2", "b" }, { "3", "c" }, { "2", "b" } },
        };
        _cleanup_free_ struct compare_secret *secret = compare_secret_new();
        struct memory m[3] = {};
        struct compare *all[3];
        struct compare_uneven uneven = {};
        struct error e;

        (void) state;
        for (int i = 0; i < 3; i++) {
                m[i].rows = rows;
                m[i].records = records[i];
                run(&m[i], secret, true, true);
                all[i] = m[i].compare;
                assert_int_equal(compare_result(all[i])->counts[COMPARE_ALTERED], 0);
        }
        assert_int_equal(compare_keys(all, 2, &uneven, &e), 0);
        assert_int_equal(uneven.count, 0);
        assert_int_equal(compare_keys(all, 3, &uneven, &e), 0);
        assert_int_equal(uneven.count, 2);
        assert_named(&uneven.names, "2 3");
        compare_names_free(&uneven.names);
        for (int i = 0; i < 3; i++)
                compare_free(all[i]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_hash_is_siphash),
                cmocka_unit_test(values_that_differ_have_other_digests),
                cmocka_unit_test(sums_are_equal_for_the_same_records_in_any_order_and_for_no_others),
                cmocka_unit_test(a_keys_rows_and_records_are_told_apart_by_value),
                cmocka_unit_test(keys_that_do_not_fit_are_left_to_later_rounds),
                cmocka_unit_test(one_bucket_of_too_many_rows_is_refused),
                cmocka_unit_test(each_difference_is_counted_and_named),
                cmocka_unit_test(of_rows_of_one_key_the_one_that_was_altered_is_shown),
                cmocka_unit_test(what_is_equal_is_read_once),
                cmocka_unit_test(keys_that_are_not_equally_often_in_all_topics_are_named),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
