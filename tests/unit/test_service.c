#include "service_child.h"

#include <sys/stat.h>

/* ---- messages ---- */

static void each_kind_of_message_has_its_own_id_and_is_explained_in_the_catalog(void **state) {
        _cleanup_free_ char *catalog = mem_zero(1, 65536);
        FILE *file = fopen("systemd/pinfeed.catalog", "r");

        (void) state;
        assert_non_null(file);
        assert_true(fread(catalog, 1, 65535, file) > 0);
        fclose(file);
        assert_int_equal(child_count(catalog, "\n-- ") + (strncmp(catalog, "-- ", 3) == 0), MESSAGE_KINDS);
        for (int i = 0; i < MESSAGE_KINDS; i++) {
                const char *id = service_message_id((enum service_message) i);
                char entry[64];

                assert_int_equal(strspn(id, "0123456789abcdef"), 32);
                assert_int_equal(strlen(id), 32);
                snprintf(entry, sizeof entry, "-- %s\nSubject: ", id);
                assert_int_equal(child_count(catalog, entry), 1);
        }
}

/* ---- lines ---- */

static int log_some_lines(struct service *s) {
        struct error e;

        service_log(s, SERVICE_INFO, MESSAGE_NOTE, NULL, 0, "plain %d", 1);
        service_log(s, SERVICE_NOTICE, MESSAGE_NOTE, NULL, 0, "noticed");
        service_log(s, SERVICE_WARNING, MESSAGE_NOTE, NULL, 0, "odd");
        service_log(s, SERVICE_DEBUG, MESSAGE_NOTE, NULL, 0, "not shown");
        service_set_log_level(s, SERVICE_DEBUG);
        service_log(s, SERVICE_DEBUG, MESSAGE_NOTE, NULL, 0, "shown now");
        service_set_log_level(s, SERVICE_ERROR);
        service_log(s, SERVICE_WARNING, MESSAGE_NOTE, NULL, 0, "not shown either");
        error_set(&e, ERROR_REFUSED, "it broke");
        service_log_error(s, SERVICE_ERROR, MESSAGE_FAILED, &e);
        error_hint(&e, "Mend it.");
        service_log_error(s, SERVICE_ERROR, MESSAGE_FAILED, &e);
        error_set(&e, ERROR_REFUSED, "it broke, they say.");
        error_hint(&e, "Mend it.");
        service_log_error(s, SERVICE_ERROR, MESSAGE_FAILED, &e);
        return 0;
}

static void lines_are_short_and_name_what_is_wrong_and_respect_the_level(void **state) {
        struct child c;

        (void) state;
        child_start(&c, log_some_lines, CHILD_PLAIN);
        assert_int_equal(child_end(&c), 0);
        assert_string_equal(c.err, "pinfeed: plain 1\n"
                                   "pinfeed: noticed\n"
                                   "pinfeed: warning: odd\n"
                                   "pinfeed: debug: shown now\n"
                                   "pinfeed: error: it broke\n"
                                   "pinfeed: error: it broke. Mend it.\n"
                                   "pinfeed: error: it broke, they say. Mend it.\n");
}

static int log_awkward_text(struct service *s) {
        service_log(s, SERVICE_INFO, MESSAGE_NOTE, NULL, 0, "two\n  lines\r\n");
        service_log(s, SERVICE_INFO, MESSAGE_NOTE, NULL, 0, "\x1b[31mred\x7f\t\tbell\x07");
        service_log(s, SERVICE_INFO, MESSAGE_NOTE, NULL, 0, "é 漢 😀 \xc2\x9b latin1 \xe9t\xe9 cut \xe6\xbc");
        service_log(s, SERVICE_INFO, MESSAGE_NOTE, NULL, 0, "overlong \xc0\x8a surrogate \xed\xa0\x80 %s", "%s");
        service_log(s, SERVICE_INFO, MESSAGE_NOTE, NULL, 0, "%s", "");
        return 0;
}

static void a_line_stays_one_line_and_cannot_command_the_terminal(void **state) {
        struct child c;

        (void) state;
        child_start(&c, log_awkward_text, CHILD_PLAIN);
        assert_int_equal(child_end(&c), 0);
        assert_string_equal(c.err, "pinfeed: two lines\n"
                                   "pinfeed: [31mred bell\n"
                                   "pinfeed: é 漢 😀 ?? latin1 ?t? cut ??\n"
                                   "pinfeed: overlong ?? surrogate ??? %s\n"
                                   "pinfeed: \n");
}

/* ---- the journal (that it takes messages is shown where systemd runs: make check-service) ---- */

/* As if systemd had connected stderr to the journal, or (`off` 1) something else since. */
static struct service *service_of_a_journal(unsigned off) {
        struct stat st;
        char stream[64];

        fstat(STDERR_FILENO, &st);
        snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long) st.st_dev, (unsigned long long) st.st_ino + off);
        setenv("JOURNAL_STREAM", stream, 1);
        return service_new();
}

static int log_to_a_journal_that_is_away(struct service *unused) {
        struct service *s = service_of_a_journal(0);

        (void) unused;
        service_log(s, SERVICE_WARNING, MESSAGE_NOTE, NULL, 0, "odd");
        service_free(s);
        s = service_of_a_journal(1);
        service_log(s, SERVICE_WARNING, MESSAGE_NOTE, NULL, 0, "redirected");
        service_free(s);
        return 0;
}

static void a_line_that_the_journal_does_not_take_is_still_written_with_its_severity(void **state) {
        struct child c;

        (void) state;
        if (access("/run/systemd/journal/socket", F_OK) == 0)
                skip(); /* a real journal would take it */
        child_start(&c, log_to_a_journal_that_is_away, CHILD_PLAIN);
        assert_int_equal(child_end(&c), 0);
        assert_string_equal(c.err, "<4>odd\npinfeed: warning: redirected\n");
}

/* ---- statistics ---- */

static int log_statistics(struct service *plain) {
        static struct tally t;
        struct tally_snapshot start, later;
        struct service *s = service_of_a_journal(0);

        tally_read(&t, &start);
        service_log_statistics(s, "u.pin", NULL, &start, 60);
        service_log_posts(plain, &start, &start, 0, 0);
        for (int i = 0; i < 1000; i++) {
                tally_sent(&t);
                if (i < 990)
                        tally_delivered(&t, 781, i < 900 ? 4000 : 12000);
                else if (i < 995)
                        tally_failed(&t);
        }
        tally_read(&t, &later);
        service_log_statistics(s, "u.pin", &start, &later, 10);
        service_log_statistics(s, "u.pin", &later, &later, 0);
        service_log_posts(plain, &start, &later, 10, 119);
        later.delivered += 1234567;
        later.sent += 1234567;
        service_log_posts(plain, &start, &later, 1000, 7199);
        service_log_posts(plain, &later, &later, 60, 200000);
        service_log_statistics(plain, "u.pin", &start, &later, 10);
        service_free(s);
        return 0;
}

static void a_report_has_totals_and_the_rate_and_latency_of_the_interval(void **state) {
        struct child c;

        (void) state;
        if (access("/run/systemd/journal/socket", F_OK) == 0)
                skip(); /* a real journal would take what is for it */
        child_start(&c, log_statistics, CHILD_PLAIN);
        assert_int_equal(child_end(&c), 0);
        assert_string_equal(c.err,
                            "<6>u.pin: 0 delivered, 0 failed, 0 in flight, 0.0/s, 0 B\n"
                            "pinfeed: posts 0 (+0, 0.0/s), 0 B, 0 failed, 0 waiting, up 0 s\n"
                            "<6>u.pin: 990 delivered, 5 failed, 5 in flight, 99.0/s, 773.2 kB, latency p50 4.1 ms p99 12 ms\n"
                            "<6>u.pin: 990 delivered, 5 failed, 5 in flight, 0.0/s, 773.2 kB\n"
                            "pinfeed: posts 990 (+990, 99.0/s), 773.2 kB, ack p50 4.1 ms p99 12 ms, 5 failed, 5 waiting, "
                            "up 119 s\n"
                            "pinfeed: posts 1,235,557 (+1,235,557, 1235.6/s), 773.2 kB, ack p50 4.1 ms p99 12 ms, 5 failed, "
                            "5 waiting, up 119 min\n"
                            "pinfeed: posts 1,235,557 (+0, 0.0/s), 773.2 kB, 5 failed, 5 waiting, up 2 d\n");
}

/* ---- progress ---- */

static int show_progress(struct service *s) {
        service_progress(s, "first bar\nsecond bar that is longer than forty columns, so it is cut");
        service_log(s, SERVICE_INFO, MESSAGE_NOTE, NULL, 0, "a line above");
        return service_on_terminal(s);
}

static void progress_stays_below_the_lines_of_a_terminal_within_its_width_and_is_taken_away(void **state) {
        struct child c;

        (void) state;
        child_start(&c, show_progress, CHILD_TERMINAL);
        assert_int_equal(child_end(&c), 1);
        assert_string_equal(c.err, "first bar\r\nsecond bar that is longer than forty co"
                                   "\r\x1b[1A\x1b[J"
                                   "pinfeed: a line above\r\n"
                                   "first bar\r\nsecond bar that is longer than forty co"
                                   "\r\x1b[1A\x1b[J");
}

static void progress_writes_nothing_to_a_file(void **state) {
        struct child c;

        (void) state;
        child_start(&c, show_progress, CHILD_PLAIN);
        assert_int_equal(child_end(&c), 0);
        assert_string_equal(c.err, "pinfeed: a line above\n");
}

static int show_much_progress(struct service *s) {
        uint64_t start_us = clock_monotonic_us();
        unsigned shown = 0;
        char text[32];

        while (clock_monotonic_us() - start_us < 500 * 1000) {
                snprintf(text, sizeof text, "bar %u", shown++);
                service_progress(s, text);
        }
        service_log(s, SERVICE_INFO, MESSAGE_NOTE, NULL, 0, "%u asked for", shown);
        return 0;
}

static void progress_is_drawn_ten_times_a_second_at_most(void **state) {
        struct child c;
        unsigned drawn;

        (void) state;
        child_start(&c, show_much_progress, CHILD_TERMINAL);
        assert_int_equal(child_end(&c), 0);
        drawn = child_count(c.err, "bar ");
        if (drawn < 2 || drawn > 7)
                fail_msg("drawn %u times in half a second", drawn);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_kind_of_message_has_its_own_id_and_is_explained_in_the_catalog),
                cmocka_unit_test(lines_are_short_and_name_what_is_wrong_and_respect_the_level),
                cmocka_unit_test(a_line_stays_one_line_and_cannot_command_the_terminal),
                cmocka_unit_test(a_line_that_the_journal_does_not_take_is_still_written_with_its_severity),
                cmocka_unit_test(a_report_has_totals_and_the_rate_and_latency_of_the_interval),
                cmocka_unit_test(progress_stays_below_the_lines_of_a_terminal_within_its_width_and_is_taken_away),
                cmocka_unit_test(progress_writes_nothing_to_a_file),
                cmocka_unit_test(progress_is_drawn_ten_times_a_second_at_most),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
