#include "service_child.h"
#include "service/internal.h"

#include <sys/resource.h>
#include <time.h>

static void nap_ms(unsigned ms) {
        struct timespec t = { ms / 1000, (long) (ms % 1000) * 1000000 };

        nanosleep(&t, NULL);
}

/* Runs and logs the error, as main does. */
static int run(struct service *s, const struct service_job *job) {
        struct error e = {};

        if (service_run(s, job, &e) == 0)
                return 0;
        service_log_error(s, SERVICE_ERROR, MESSAGE_FAILED, &e);
        return error_exit_code(&e);
}

static void say(struct service *s, const char *text) {
        service_log(s, SERVICE_INFO, MESSAGE_NOTE, NULL, 0, "%s", text);
}

/* ---- workers that most tests use ---- */

static int work_nothing(struct worker *w, void *arg, struct error *e) {
        (void) w;
        (void) arg;
        (void) e;
        return 0;
}

/* Sleeps in one go until stopped. `arg` is the service. */
static int work_until_stopped(struct worker *w, void *arg, struct error *e) {
        (void) e;
        service_ready(arg);
        say(arg, "working");
        while (worker_sleep_ms(w, 3600 * 1000))
                ;
        say(arg, worker_stopping(w) ? "told to stop" : "woken for nothing");
        return 0;
}

static int work_deaf(struct worker *w, void *arg, struct error *e) {
        (void) w;
        (void) e;
        say(arg, "working");
        while (true)
                nap_ms(1000);
        return 0;
}

static void note_wake(void *arg) {
        say(arg, "wake");
}

/* ---- ends ---- */

static int run_until_stopped(struct service *s) {
        void *args[] = { s };
        struct service_job job = {
                .work = work_until_stopped, .args = args, .count = 1, .wake = note_wake, .arg = s, .stop_timeout_ms = 20000,
        };

        return run(s, &job);
}

static int run_nothing(struct service *s) {
        return run(s, &(struct service_job) { .work = work_nothing, .count = 3, .stop_timeout_ms = 1000 });
}

static void a_run_ends_when_all_workers_have_ended(void **state) {
        struct child c;

        (void) state;
        child_start(&c, run_nothing, CHILD_NOTIFIES);
        assert_int_equal(child_end(&c), 0);
        assert_string_equal(c.err, "");
        assert_string_equal(c.notes, "");
}

static void sigterm_wakes_a_sleeping_worker_and_ends_the_run_well(void **state) {
        struct child c;

        (void) state;
        child_start(&c, run_until_stopped, CHILD_NOTIFIES);
        child_wait_text(&c, c.err, "working");
        kill(c.pid, SIGTERM);
        assert_int_equal(child_end(&c), 0);
        assert_non_null(strstr(c.err, "told to stop"));
        assert_int_equal(child_count(c.err, "wake"), 1);
        assert_string_equal(c.notes, "READY=1|STOPPING=1\nEXTEND_TIMEOUT_USEC=25000000|STATUS=Stopping|");
}

static void sigint_stops_as_well(void **state) {
        struct child c;

        (void) state;
        child_start(&c, run_until_stopped, CHILD_PLAIN);
        child_wait_text(&c, c.err, "working");
        kill(c.pid, SIGINT);
        assert_int_equal(child_end(&c), 0);
        assert_non_null(strstr(c.err, "told to stop"));
}

static void sighup_stops_nothing(void **state) {
        static const unsigned options[] = { CHILD_NOTIFIES, CHILD_PLAIN };
        struct child c;

        (void) state;
        for (size_t i = 0; i < 2; i++) {
                child_start(&c, run_until_stopped, options[i]);
                child_wait_text(&c, c.err, "working");
                kill(c.pid, SIGHUP);
                child_wait_text(&c, c.err, "SIGHUP does nothing");
                assert_null(strstr(c.err, "told to stop"));
                kill(c.pid, SIGTERM);
                assert_int_equal(child_end(&c), 0);
        }
}

static void report_now(void *arg, bool asked) {
        say(arg, asked ? "reported as asked" : "reported");
}

static unsigned read_settings_again(void *arg) {
        say(arg, "read again");
        return 1;
}

static int run_with_settings(struct service *s) {
        void *args[] = { s };
        struct service_job job = {
                .work = work_until_stopped, .args = args, .count = 1, .report = report_now, .report_interval_s = 3600,
                .reload = read_settings_again, .arg = s, .stop_timeout_ms = 20000,
        };

        return run(s, &job);
}

static void sighup_reloads_between_two_notifications_and_changes_the_interval(void **state) {
        struct child c;

        (void) state;
        child_start(&c, run_with_settings, CHILD_NOTIFIES);
        child_wait_text(&c, c.err, "working");
        kill(c.pid, SIGHUP);
        child_wait_text(&c, c.notes, "USEC");
        child_wait_text(&c, strstr(c.notes, "RELOADING=1\nMONOTONIC_USEC="), "|READY=1|");
        assert_int_equal(child_count(c.err, "read again"), 1);
        child_wait_text(&c, c.err, "reported");
        kill(c.pid, SIGTERM);
        assert_int_equal(child_end(&c), 0);
}

static int work_before_ready(struct worker *w, void *arg, struct error *e) {
        (void) e;
        say(arg, "working");
        while (worker_sleep_ms(w, 3600 * 1000))
                ;
        return 0;
}

static int run_before_ready(struct service *s) {
        void *args[] = { s };
        struct service_job job = {
                .work = work_before_ready, .args = args, .count = 1, .reload = read_settings_again, .arg = s,
                .stop_timeout_ms = 20000,
        };

        return run(s, &job);
}

static void a_reload_while_it_starts_is_not_taken_for_the_start_s_end(void **state) {
        struct child c;

        (void) state;
        child_start(&c, run_before_ready, CHILD_NOTIFIES);
        child_wait_text(&c, c.err, "working");
        kill(c.pid, SIGHUP);
        child_wait_text(&c, c.err, "read again");
        kill(c.pid, SIGTERM);
        assert_int_equal(child_end(&c), 0);
        assert_null(strstr(c.notes, "READY=1"));
}

static int run_with_a_rare_report(struct service *s) {
        void *args[] = { s };
        struct service_job job = {
                .work = work_until_stopped, .args = args, .count = 1, .report = report_now, .report_interval_s = 3600, .arg = s,
                .stop_timeout_ms = 20000,
        };

        return run(s, &job);
}

static void sigusr1_reports_now(void **state) {
        struct child c;

        (void) state;
        child_start(&c, run_with_a_rare_report, CHILD_PLAIN);
        child_wait_text(&c, c.err, "working");
        kill(c.pid, SIGUSR1);
        child_wait_text(&c, c.err, "reported as asked");
        kill(c.pid, SIGTERM);
        assert_int_equal(child_end(&c), 0);
        assert_int_equal(child_count(c.err, "reported"), 1);
}

static int work_ten_beats_after_go(struct worker *w, void *arg, struct error *e) {
        (void) e;
        say(arg, "working");
        child_wait_for_go();
        for (int i = 0; i < 10; i++)
                if (!worker_sleep_ms(w, 50))
                        return 0;
        say(arg, "never told to stop");
        return 0;
}

static int run_ten_beats_after_go(struct service *s) {
        void *args[] = { s };

        return run(s, &(struct service_job) {
                .work = work_ten_beats_after_go, .args = args, .count = 1, .stop_timeout_ms = 20000,
        });
}

static void sighup_that_was_ignored_stays_ignored(void **state) {
        struct child c;

        (void) state;
        child_start(&c, run_ten_beats_after_go, CHILD_NOHUP);
        child_wait_text(&c, c.err, "working");
        kill(c.pid, SIGHUP);
        child_go(&c);
        assert_int_equal(child_end(&c), 0);
        assert_non_null(strstr(c.err, "never told to stop"));
}

static int run_deaf(struct service *s) {
        void *args[] = { s };

        return run(s, &(struct service_job) { .work = work_deaf, .args = args, .count = 1, .stop_timeout_ms = 60000 });
}

static void a_second_sigint_ends_at_once(void **state) {
        struct child c;

        (void) state;
        child_start(&c, run_deaf, CHILD_TERMINAL);
        child_wait_text(&c, c.err, "working");
        kill(c.pid, SIGINT);
        child_wait_text(&c, c.err, "Ctrl-C again");
        kill(c.pid, SIGINT);
        assert_int_equal(child_end(&c), 128 + SIGINT);
}

static int run_deaf_briefly(struct service *s) {
        void *args[] = { s };

        return run(s, &(struct service_job) { .work = work_deaf, .args = args, .count = 1, .stop_timeout_ms = 200 });
}

static void a_worker_that_does_not_stop_ends_the_process(void **state) {
        struct child c;

        (void) state;
        child_start(&c, run_deaf_briefly, CHILD_PLAIN);
        child_wait_text(&c, c.err, "working");
        kill(c.pid, SIGTERM);
        assert_int_equal(child_end(&c), 1);
        assert_non_null(strstr(c.err, "pinfeed: error: 1 of 1 workers did not stop within 0.2 s"));
}

/* As if the journal took a line a second from now: that is how long somebody has to wait who lets it be heard. */
static void pretend_a_last_line(void *arg) {
        struct service *s = arg;

        s->logged_us = clock_monotonic_us() + 1000000;
}

static int run_deaf_with_last_words(struct service *s) {
        void *args[] = { s };

        return run(s, &(struct service_job) {
                .work = work_deaf, .args = args, .count = 1, .wake = pretend_a_last_line, .arg = s, .stop_timeout_ms = 100,
        });
}

static void who_leaves_its_workers_behind_waits_until_the_journal_knows_whose_its_last_words_are(void **state) {
        uint64_t said_us;
        struct child c;

        (void) state;
        child_start(&c, run_deaf_with_last_words, CHILD_PLAIN);
        child_wait_text(&c, c.err, "working");
        kill(c.pid, SIGTERM);
        child_wait_text(&c, c.err, "did not stop within");
        said_us = clock_monotonic_us();
        assert_int_equal(child_end(&c), 1);
        assert_true(clock_monotonic_us() - said_us >= 500000);
}

/* ---- errors ---- */

static int work_refused_or_deaf(struct worker *w, void *arg, struct error *e) {
        if (!arg)
                return error_set(e, ERROR_REFUSED, "no such user");
        return work_deaf(w, arg, e);
}

static int run_refused_and_deaf(struct service *s) {
        void *args[] = { s, NULL };

        return run(s, &(struct service_job) {
                .work = work_refused_or_deaf, .args = args, .count = 2, .stop_timeout_ms = 200,
        });
}

static void a_worker_that_does_not_stop_does_not_hide_why_the_run_failed(void **state) {
        struct child c;

        (void) state;
        child_start(&c, run_refused_and_deaf, CHILD_PLAIN);
        assert_int_equal(child_end(&c), 78);
        assert_non_null(strstr(c.err, "pinfeed: error: no such user\n"));
        assert_non_null(strstr(c.err, "1 of 2 workers did not stop"));
}

static int work_fail_or_follow(struct worker *w, void *arg, struct error *e) {
        const char *what = arg;

        if (!what)
                return error_set(e, ERROR_UNREACHABLE, "first");
        while (worker_sleep_ms(w, 3600 * 1000))
                ;
        return error_set(e, ERROR_REFUSED, "%s", what);
}

static int run_two_errors(struct service *s) {
        char second[] = "second", third[] = "third";
        void *args[] = { second, NULL, third };

        return run(s, &(struct service_job) {
                .work = work_fail_or_follow, .args = args, .count = 3, .wake = note_wake, .arg = s,
                .stop_timeout_ms = 20000,
        });
}

static void the_first_error_stops_the_others_and_is_the_one_that_counts(void **state) {
        struct child c;

        (void) state;
        child_start(&c, run_two_errors, CHILD_NOTIFIES);
        assert_int_equal(child_end(&c), 1);
        assert_string_equal(c.err, "pinfeed: wake\npinfeed: error: first\n");
        assert_non_null(strstr(c.notes, "STOPPING=1"));
}

/* ---- notifications ---- */

static int notify_much(struct service *s) {
        for (int i = 0; i < 3; i++) {
                service_status(s, "waiting for\n%s", "Kafka");
                service_ready(s);
        }
        service_status(s, "sending");
        service_status(s, "waiting for Kafka");
        return 0;
}

static void ready_is_sent_once_and_a_status_only_when_it_changes(void **state) {
        struct child c;

        (void) state;
        child_start(&c, notify_much, CHILD_NOTIFIES);
        assert_int_equal(child_end(&c), 0);
        assert_string_equal(c.notes, "STATUS=waiting for Kafka|READY=1|STATUS=sending|STATUS=waiting for Kafka|");
}

/* ---- watchdog ---- */

static void the_watchdog_is_fed_while_a_worker_sleeps(void **state) {
        struct child c;

        (void) state;
        child_start(&c, run_until_stopped, CHILD_WATCHED);
        child_wait_text(&c, c.notes, "WATCHDOG=1|WATCHDOG=1|WATCHDOG=1|WATCHDOG=1|WATCHDOG=1");
        kill(c.pid, SIGTERM);
        assert_int_equal(child_end(&c), 0);
        assert_null(strstr(c.err, "no sign of life"));
}

/* Loses all descriptors but those it has, until it is told to go on. */
static int work_without_descriptors(struct worker *w, void *arg, struct error *e) {
        struct rlimit before, none;

        getrlimit(RLIMIT_NOFILE, &before);
        none = (struct rlimit) { .rlim_cur = 0, .rlim_max = before.rlim_max };
        setrlimit(RLIMIT_NOFILE, &none);
        child_wait_for_go();
        setrlimit(RLIMIT_NOFILE, &before);
        return work_until_stopped(w, arg, e);
}

static int run_without_descriptors(struct service *s) {
        void *args[] = { s };

        return run(s, &(struct service_job) {
                .work = work_without_descriptors, .args = args, .count = 1, .stop_timeout_ms = 20000,
        });
}

static void why_the_watchdog_cannot_be_fed_is_said_once(void **state) {
        struct child c;

        (void) state;
        child_start(&c, run_without_descriptors, CHILD_WATCHED);
        child_wait_text(&c, c.err, "can't tell systemd that pinfeed is alive: Too many open files");
        child_go(&c);
        child_read(&c, 0);
        c.notes[c.notes_length = 0] = 0;
        child_wait_text(&c, c.notes, "WATCHDOG=1|WATCHDOG=1");
        kill(c.pid, SIGTERM);
        assert_int_equal(child_end(&c), 0);
        assert_int_equal(child_count(c.err, "can't tell systemd"), 1);
}

/* Hangs until told to go on; then lives until stopped. */
static int work_hang_and_return(struct worker *w, void *arg, struct error *e) {
        child_wait_for_go();
        return work_until_stopped(w, arg, e);
}

static int run_hang_and_return(struct service *s) {
        void *args[] = { s };

        return run(s, &(struct service_job) {
                .work = work_hang_and_return, .args = args, .count = 1, .stop_timeout_ms = 20000,
        });
}

static void the_watchdog_starves_while_a_worker_hangs_and_is_fed_when_it_returns(void **state) {
        struct child c;
        uint64_t start_us;

        (void) state;
        child_start(&c, run_hang_and_return, CHILD_WATCHED);
        child_wait_text(&c, c.err, "no sign of life");
        child_read(&c, 0);
        c.notes[c.notes_length = 0] = 0;
        for (start_us = clock_monotonic_us(); clock_monotonic_us() - start_us < 500 * 1000;)
                child_read(&c, 50);
        assert_null(strstr(c.notes, "WATCHDOG=1"));
        assert_int_equal(child_count(c.err, "no sign of life"), 1);
        child_wait_text(&c, c.notes, "WATCHDOG=trigger");       /* WatchdogSec counts from the last sign of life */
        child_go(&c);
        child_wait_text(&c, c.notes, "WATCHDOG=1|WATCHDOG=1");
        kill(c.pid, SIGTERM);
        assert_int_equal(child_end(&c), 0);
}

/* ---- timers ---- */

static void note_report(void *arg, bool asked) {
        say(arg, asked ? "asked" : "report");
}

static void note_progress(void *arg) {
        service_progress(arg, "bar");
}

static int run_reporting(struct service *s) {
        void *args[] = { s };

        return run(s, &(struct service_job) {
                .work = work_until_stopped, .args = args, .count = 1, .report = note_report, .report_interval_s = 1,
                .progress = note_progress, .arg = s, .stop_timeout_ms = 20000,
        });
}

static void the_report_comes_each_interval(void **state) {
        uint64_t start_us = clock_monotonic_us();
        struct child c;

        (void) state;
        child_start(&c, run_reporting, CHILD_PLAIN);
        child_wait_text(&c, c.err, "report\npinfeed: report\n");
        assert_true(clock_monotonic_us() - start_us >= 1900 * 1000);
        kill(c.pid, SIGTERM);
        assert_int_equal(child_end(&c), 0);
        assert_null(strstr(c.err, "bar"));
}

static void progress_is_asked_for_on_a_terminal_and_gone_at_the_end(void **state) {
        const char *last = "\r\x1b[J";
        struct child c;

        (void) state;
        child_start(&c, run_reporting, CHILD_TERMINAL);
        child_wait_text(&c, c.err, "bar");
        kill(c.pid, SIGTERM);
        assert_int_equal(child_end(&c), 0);
        assert_string_equal(c.err + c.err_length - strlen(last), last);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_run_ends_when_all_workers_have_ended),
                cmocka_unit_test(sigterm_wakes_a_sleeping_worker_and_ends_the_run_well),
                cmocka_unit_test(sigint_stops_as_well),
                cmocka_unit_test(sighup_stops_nothing),
                cmocka_unit_test(sighup_reloads_between_two_notifications_and_changes_the_interval),
                cmocka_unit_test(a_reload_while_it_starts_is_not_taken_for_the_start_s_end),
                cmocka_unit_test(sigusr1_reports_now),
                cmocka_unit_test(sighup_that_was_ignored_stays_ignored),
                cmocka_unit_test(a_second_sigint_ends_at_once),
                cmocka_unit_test(a_worker_that_does_not_stop_ends_the_process),
                cmocka_unit_test(who_leaves_its_workers_behind_waits_until_the_journal_knows_whose_its_last_words_are),
                cmocka_unit_test(a_worker_that_does_not_stop_does_not_hide_why_the_run_failed),
                cmocka_unit_test(the_first_error_stops_the_others_and_is_the_one_that_counts),
                cmocka_unit_test(ready_is_sent_once_and_a_status_only_when_it_changes),
                cmocka_unit_test(the_watchdog_is_fed_while_a_worker_sleeps),
                cmocka_unit_test(why_the_watchdog_cannot_be_fed_is_said_once),
                cmocka_unit_test(the_watchdog_starves_while_a_worker_hangs_and_is_fed_when_it_returns),
                cmocka_unit_test(the_report_comes_each_interval),
                cmocka_unit_test(progress_is_asked_for_on_a_terminal_and_gone_at_the_end),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
