#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "emulate/ledger.h"

static char directory[] = "/tmp/pinfeed-ledger-XXXXXX";

static int make_directory(void **state) {
        (void) state;
        strcpy(directory + sizeof directory - 7, "XXXXXX");
        return mkdtemp(directory) ? 0 : -1;
}

static const char *path_of(const char *ending) {
        static char path[256];

        snprintf(path, sizeof path, "%s/emulate-me.%s", directory, ending);
        return path;
}

static int remove_directory(void **state) {
        (void) state;
        unlink(path_of("inflight"));
        unlink(path_of("lock"));
        return rmdir(directory);
}

static struct buffer key_of(const char *bytes, size_t length) {
        struct buffer b = {};

        buffer_append(&b, bytes, length);
        return b;
}

static struct ledger *open_file(void) {
        struct ledger *f;
        struct error e;

        assert_int_equal(ledger_open(directory, "me", &f, &e), 0);
        return f;
}

static void write_text(const char *text) {
        FILE *f = fopen(path_of("inflight"), "w");

        assert_non_null(f);
        fputs(text, f);
        fclose(f);
}

static void ledger_gives_back_any_bytes(void **state) {
        static const char every[] = "\0\n\r\t %25\xff\xc3\xa9'\"\\";
        struct buffer keys[] = { key_of("7528", 4), key_of(every, sizeof every - 1), key_of("", 0), key_of("-1", 2) };
        const struct buffer *left;
        struct ledger *f = open_file();
        struct error e;

        (void) state;
        assert_int_equal(ledger_left(f, &left), 0);
        assert_int_equal(ledger_write(f, keys, 4, true, &e), 0);
        ledger_close(f);
        f = open_file();
        assert_int_equal(ledger_left(f, &left), 4);
        for (size_t i = 0; i < 4; i++) {
                assert_int_equal(left[i].length, keys[i].length);
                if (keys[i].length)
                        assert_memory_equal(left[i].data, keys[i].data, keys[i].length);
                buffer_free(&keys[i]);
        }
        ledger_close(f);
}

/* One, or none. */
static void write_keys(struct ledger *f, size_t count) {
        struct buffer key = key_of("123456", 6);
        struct error e;

        assert_int_equal(ledger_write(f, &key, count, count > 0, &e), 0);
        buffer_free(&key);
}

static void ledger_is_cleared(void **state) {
        const struct buffer *left;
        struct ledger *f = open_file();

        (void) state;
        write_keys(f, 1);
        write_keys(f, 0);
        ledger_close(f);
        f = open_file();
        assert_int_equal(ledger_left(f, &left), 0);
        ledger_close(f);
}

static void expect_keys(size_t count) {
        const struct buffer *left;
        struct ledger *f = open_file();

        assert_int_equal(ledger_left(f, &left), count);
        for (size_t i = 0; i < count; i++)
                assert_memory_equal(left[i].data, "123456", 6);
        ledger_close(f);
}

/* Around a sector, which is where a list is no longer written over the last one, and back. */
static void ledger_holds_what_was_written_last_whatever_its_length(void **state) {
        static const size_t counts[] = { 1, 70, 71, 5000, 3, 69, 70, 1, 72, 71, 70, 0, 71, 2 };
        struct buffer keys[5000];
        struct error e;

        (void) state;
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
                keys[i] = key_of("123456", 6);
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
                struct ledger *f = open_file();

                for (size_t j = 0; j <= i; j++)
                        assert_int_equal(ledger_write(f, keys, counts[j], true, &e), 0);
                ledger_close(f);
                expect_keys(counts[i]);
        }
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
                buffer_free(&keys[i]);
}

static void ledger_makes_a_file_anew_that_somebody_removed(void **state) {
        struct ledger *f = open_file();

        (void) state;
        write_keys(f, 1);
        unlink(path_of("inflight"));
        write_keys(f, 1);
        ledger_close(f);
        expect_keys(1);
}

static void ledger_without_keys_leaves_no_file(void **state) {
        struct ledger *f = open_file();

        (void) state;
        write_keys(f, 1);
        write_keys(f, 0);
        ledger_close(f);
        assert_int_equal(access(path_of("inflight"), F_OK), -1);
}

/* Nothing may be sent by who can't write down what: with a full disk, not at all, however often it is started. */
static void ledger_is_not_opened_on_a_full_disk_and_keeps_what_it_holds(void **state) {
        struct rlimit former, none = { 0, RLIM_INFINITY };
        struct ledger *f;
        struct error e;
        int r;

        (void) state;
        write_text("pinfeed in flight 1\n5\n");
        getrlimit(RLIMIT_FSIZE, &former);
        none.rlim_max = former.rlim_max;
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &none);
        r = ledger_open(directory, "me", &f, &e);
        setrlimit(RLIMIT_FSIZE, &former);
        assert_int_equal(r, -1);
        assert_int_equal(e.class, ERROR_FAILED);
        assert_non_null(strstr(e.hint, "some space left"));
        f = open_file();
        assert_int_equal(ledger_left(f, &(const struct buffer *) { NULL }), 1);
        ledger_close(f);
}

static void ledger_of_one_user_id_is_one_daemons(void **state) {
        struct ledger *f = open_file(), *other;
        struct error e;

        (void) state;
        assert_int_equal(ledger_open(directory, "me", &other, &e), -1);
        assert_int_equal(e.class, ERROR_FAILED);
        assert_non_null(strstr(e.what, "another pinfeed"));
        ledger_close(f);
        ledger_close(open_file());
}

static void ledger_does_not_touch_what_it_does_not_know(void **state) {
        static const char *const texts[] = {
                "", "notes\n", "pinfeed in flight 2\n5\n", "pinfeed in flight 1", "pinfeed in flight 1\n5",
                "pinfeed in flight 1\na b\n", "pinfeed in flight 1\n%4\n", "pinfeed in flight 1\n%4g\n",
                "pinfeed in flight 1\n%ff\n", "pinfeed in flight 1\n5\r\n",
        };

        (void) state;
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                struct ledger *f;
                struct stat before, after;
                struct error e;

                write_text(texts[i]);
                stat(path_of("inflight"), &before);
                assert_int_equal(ledger_open(directory, "me", &f, &e), -1);
                assert_int_equal(e.class, ERROR_REFUSED);
                stat(path_of("inflight"), &after);
                assert_int_equal(before.st_size, after.st_size);
        }
}

static void ledger_refuses_a_directory_that_is_not_there(void **state) {
        struct ledger *f;
        struct error e;

        (void) state;
        assert_int_equal(ledger_open("/nonexistent/pinfeed", "me", &f, &e), -1);
        assert_int_equal(e.class, ERROR_REFUSED);
        assert_non_null(strstr(e.hint, "state_dir"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(ledger_gives_back_any_bytes, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(ledger_is_cleared, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(ledger_holds_what_was_written_last_whatever_its_length, make_directory,
                                                remove_directory),
                cmocka_unit_test_setup_teardown(ledger_makes_a_file_anew_that_somebody_removed, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(ledger_without_keys_leaves_no_file, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(ledger_is_not_opened_on_a_full_disk_and_keeps_what_it_holds,
                                                make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(ledger_of_one_user_id_is_one_daemons, make_directory, remove_directory),
                cmocka_unit_test_setup_teardown(ledger_does_not_touch_what_it_does_not_know, make_directory,
                                                remove_directory),
                cmocka_unit_test(ledger_refuses_a_directory_that_is_not_there),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
