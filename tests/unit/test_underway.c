/* When the file of posts under way is written and cleared: with a clock of the test's. */
#include "unit.h"

#include <stdio.h>
#include <unistd.h>

#include "emulate/underway.h"

static char directory[] = "/tmp/pinfeed-underway-XXXXXX";

struct fixture {
        struct ledger *ledger;
        struct underway *underway;
        struct error e;
};

static int set_up(void **state) {
        struct fixture *f = mem_zero(1, sizeof *f);

        strcpy(directory + sizeof directory - 7, "XXXXXX");
        if (!mkdtemp(directory) || ledger_open(directory, "me", &f->ledger, &f->e) < 0)
                return -1;
        f->underway = underway_new(f->ledger);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        struct fixture *f = *state;
        char command[64];

        underway_free(f->underway);
        ledger_close(f->ledger);
        free(f);
        snprintf(command, sizeof command, "rm -r %s", directory);
        return system(command);
}

static struct post *add(struct fixture *f, const char *key) {
        return underway_add(f->underway, &(struct key) { key, strlen(key) }, 3);
}

/* The keys in the file, each with a blank behind it. */
static const char *in_file(void) {
        static char text[1024];
        _cleanup_buffer_ struct buffer bytes = {};
        _cleanup_free_ char *path = mem_format("%s/emulate-me.inflight", directory);

        if (file_read(path, FILE_OWN, sizeof text, &bytes) < 0)
                return "";
        snprintf(text, sizeof text, "%s", strchr(buffer_string(&bytes), '\n') + 1);
        text[strcspn(text, " ")] = '\0';
        for (char *p = text; *p; p++)
                if (*p == '\n')
                        *p = ' ';
        return text;
}

static void acknowledge(struct post *post) {
        for (int i = 0; i < 3; i++)
                underway_acknowledged(post);
}

static void a_post_is_in_the_file_until_its_last_acknowledgement(void **state) {
        struct fixture *f = *state;
        struct post *post = add(f, "7");

        assert_int_equal(underway_write(f->underway, 0, &f->e), 0);
        underway_begin(post);
        underway_acknowledged(post);
        underway_acknowledged(post);
        assert_int_equal(underway_clear(f->underway, 10000000, &f->e), 0);
        assert_string_equal(in_file(), "7 ");
        underway_acknowledged(post);
        assert_int_equal(underway_clear(f->underway, 0, &f->e), 0);     /* at once, as nothing else is under way */
        assert_string_equal(in_file(), "");
}

static void while_more_is_under_way_the_file_is_cleared_now_and_then(void **state) {
        struct fixture *f = *state;
        struct post *first = add(f, "1");

        add(f, "2");
        assert_int_equal(underway_write(f->underway, 1000000, &f->e), 0);
        acknowledge(first);
        assert_int_equal(underway_clear(f->underway, 1000000 + UNDERWAY_CLEAR_MS * 1000 - 1, &f->e), 0);
        assert_string_equal(in_file(), "1 2 ");
        assert_int_equal(underway_clear(f->underway, 1000000 + UNDERWAY_CLEAR_MS * 1000, &f->e), 0);
        assert_string_equal(in_file(), "2 ");
}

static void a_post_that_has_begun_is_not_dropped(void **state) {
        struct fixture *f = *state;
        struct post *begun = add(f, "1"), *not_begun = add(f, "2");

        underway_begin(begun);
        underway_drop(begun);
        underway_drop(not_begun);
        underway_drop(not_begun);
        assert_int_equal(underway_count(f->underway), 1);
        assert_int_equal(underway_write(f->underway, 0, &f->e), 0);
        assert_string_equal(in_file(), "1 ");
}

static void while_held_the_file_stays_as_it_is(void **state) {
        struct fixture *f = *state;
        struct post *post = add(f, "1");

        assert_int_equal(underway_write(f->underway, 0, &f->e), 0);
        underway_hold(f->underway, true);
        acknowledge(post);
        assert_int_equal(underway_clear(f->underway, 10000000, &f->e), 0);
        assert_string_equal(in_file(), "1 ");
        underway_hold(f->underway, false);
        assert_int_equal(underway_clear(f->underway, 10000000, &f->e), 0);
        assert_string_equal(in_file(), "");
}

static void what_is_left_to_the_next_run_stays(void **state) {
        struct fixture *f = *state;
        struct post *post = add(f, "1");
        _cleanup_buffer_ struct buffer names = {};

        assert_int_equal(underway_write(f->underway, 0, &f->e), 0);
        underway_leave(f->underway);
        acknowledge(post);
        assert_int_equal(underway_clear(f->underway, 10000000, &f->e), 0);
        assert_string_equal(in_file(), "1 ");
        assert_int_equal(underway_name(f->underway, 10, &names), 1);
        assert_string_equal(buffer_string(&names), "1");
}

static void what_ends_in_another_order_leaves_the_others_in_the_file(void **state) {
        struct fixture *f = *state;
        struct post *posts[4] = { add(f, "1"), add(f, "2"), add(f, "3"), add(f, "4") };

        acknowledge(posts[1]);
        acknowledge(posts[3]);
        underway_drop(posts[3]);
        assert_int_equal(underway_write(f->underway, 0, &f->e), 0);
        assert_string_equal(in_file(), "1 3 ");
        add(f, "5");
        acknowledge(posts[0]);
        assert_int_equal(underway_write(f->underway, 0, &f->e), 0);
        assert_string_equal(in_file(), "5 3 ");
}

static void room_comes_back(void **state) {
        struct fixture *f = *state;
        struct post *post;

        for (size_t i = 1; i < UNDERWAY_MOST; i++)
                add(f, "1");
        post = add(f, "2");
        assert_int_equal(underway_room(f->underway), 0);
        acknowledge(post);
        assert_int_equal(underway_room(f->underway), 1);
}

#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_FILE(a_post_is_in_the_file_until_its_last_acknowledgement),
                WITH_FILE(while_more_is_under_way_the_file_is_cleared_now_and_then),
                WITH_FILE(a_post_that_has_begun_is_not_dropped),
                WITH_FILE(while_held_the_file_stays_as_it_is),
                WITH_FILE(what_is_left_to_the_next_run_stays),
                WITH_FILE(what_ends_in_another_order_leaves_the_others_in_the_file),
                WITH_FILE(room_comes_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
