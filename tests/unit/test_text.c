#include "unit.h"

#include "pinfeed/base.h"

static const char *const names[] = { "user_id", "bootstrap.servers", "table", "topic", "key", "mysql" };

static const char *nearest(const char *name) {
        return text_nearest(name, names, sizeof names / sizeof *names);
}

static void text_nearest_finds_what_was_meant(void **state) {
        (void) state;
        assert_string_equal(nearest("usr_id"), "user_id");
        assert_string_equal(nearest("user-id"), "user_id");
        assert_string_equal(nearest("USER_ID"), "user_id");
        assert_string_equal(nearest("tabel"), "table");
        assert_string_equal(nearest("bootstrap_server"), "bootstrap.servers");
        assert_string_equal(nearest("MySQL"), "mysql");
        assert_string_equal(nearest("kye"), "key");
}

static void text_nearest_does_not_guess_wildly(void **state) {
        char longest[5000];

        (void) state;
        assert_null(nearest("password"));
        assert_null(nearest("x"));
        assert_null(nearest(""));
        memset(longest, 'x', sizeof longest);
        longest[sizeof longest - 1] = 0;
        assert_null(nearest(longest));
        assert_null(text_nearest("user_id", NULL, 0));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(text_nearest_finds_what_was_meant),
                cmocka_unit_test(text_nearest_does_not_guess_wildly),
        };

        return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
