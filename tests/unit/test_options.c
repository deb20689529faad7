#include "unit.h"

#include <stdio.h>

#include "pinfeed/config.h"

enum { MOST = 12 };

static int parse(const char *const *arguments, struct options *o, struct error *e) {
        char *argv[MOST + 2] = { (char *) "pinfeed" };
        int argc = 1;

        while (argc <= MOST && arguments[argc - 1]) {
                argv[argc] = (char *) arguments[argc - 1];
                argc++;
        }
        return options_parse(argc, argv, o, e);
}

#define PARSE(o, e, ...) parse((const char *const[MOST + 1]) { __VA_ARGS__ }, o, e)

static void options_without_any_is_the_daemon(void **state) {
        struct options o;
        struct error e = {};

        (void) state;
        assert_int_equal(PARSE(&o, &e, NULL), 0);
        assert_int_equal(o.job, JOB_EMULATE);
        assert_string_equal(o.config_file, "/etc/pinfeed/pinfeed.conf");
        assert_false(o.config_file_named);
        assert_int_equal(o.set_count, 0);
        assert_int_equal(o.stream_count, 0);
        options_free(&o);
        options_free(&o);
}

static void options_of_a_replay_arrive(void **state) {
        struct options o;
        struct error e = {};

        (void) state;
        assert_int_equal(PARSE(&o, &e, "--streams=pin,geo", "--from=-5", "--to", "-1", "--restart", "--dry-run",
                               "--set=mysql.host=a=b", "--set", "replay.rate=2", "--config=x.conf", "--replay"), 0);
        assert_int_equal(o.job, JOB_REPLAY);
        assert_int_equal(o.stream_count, 2);
        assert_string_equal(o.streams[0], "pin");
        assert_string_equal(o.streams[1], "geo");
        assert_string_equal(o.from, "-5");
        assert_string_equal(o.to, "-1");
        assert_true(o.restart && o.dry_run && !o.json);
        assert_int_equal(o.set_count, 2);
        assert_string_equal(o.sets[0], "mysql.host=a=b");
        assert_string_equal(o.sets[1], "replay.rate=2");
        assert_string_equal(o.config_file, "x.conf");
        assert_true(o.config_file_named);
        options_free(&o);
}

static void options_choose_every_job(void **state) {
        static const struct { const char *option; enum job job; } jobs[] = {
                { "--replay", JOB_REPLAY }, { "--follow", JOB_FOLLOW }, { "--verify", JOB_VERIFY }, { "--check", JOB_CHECK },
                { "--create-topics", JOB_CREATE_TOPICS },
                { "--token", JOB_TOKEN }, { "--version", JOB_VERSION }, { "-V", JOB_VERSION }, { "--help", JOB_HELP },
                { "-h", JOB_HELP }, { "--show-settings", JOB_SHOW_SETTINGS },
        };
        struct options o;
        struct error e = {};

        (void) state;
        for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
                assert_int_equal(PARSE(&o, &e, jobs[i].option), 0);
                assert_int_equal(o.job, jobs[i].job);
                options_free(&o);
        }
        assert_int_equal(PARSE(&o, &e, "--nonsense", "--replay", "--token", "--help"), 0);
        assert_int_equal(o.job, JOB_HELP);
        options_free(&o);
}

static void options_have_short_names(void **state) {
        static const char *const forms[][3] = { { "-c", "x.conf", "-v" }, { "-cx.conf", "--verbose" }, { "-v", "-c", "x.conf" } };
        struct options o;
        struct error e = {};

        (void) state;
        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
                assert_int_equal(PARSE(&o, &e, forms[i][0], forms[i][1], forms[i][2]), 0);
                assert_string_equal(o.config_file, "x.conf");
                assert_true(o.config_file_named && o.verbose);
                options_free(&o);
        }
        assert_int_equal(PARSE(&o, &e, "--token", "--raw"), 0);
        assert_true(o.raw && !o.verbose);
        options_free(&o);
}

static void options_refuse_mistakes_and_echo_no_value(void **state) {
        static const struct { const char *a, *b, *what, *hint; } cases[] = {
                { "--relpay", NULL, "there is no option --relpay", "Did you mean --replay?" },
                { "--confg=S3CRET", NULL, "there is no option --confg", "Did you mean --config?" },
                { "-replay", NULL, "there is no option -replay", "Did you mean --replay?" },
                { "--qwertz", NULL, "there is no option --qwertz", "pinfeed --help lists the options." },
                { "--", NULL, "there is no option --", "pinfeed --help lists the options." },
                { "start", NULL, "'start' is not an option",
                  "For the service: systemctl start pinfeed. pinfeed --help lists the options." },
                { "--stop", NULL, "there is no option --stop",
                  "For the service: systemctl stop pinfeed. pinfeed --help lists the options." },
                { "replay", NULL, "'replay' is not an option", "Did you mean --replay?" },
                { "me=S3CRET", NULL, "'me' is not an option", "pinfeed --help lists the options." },
                { "", NULL, "'' is not an option", "pinfeed --help lists the options." },
                { "--set=emulate.rate", "10", "'10' is not an option",
                  "SECTION.KEY=VALUE is one word: quote it, or leave out the blanks around the =." },
                { "--set=emulate.rate=", "10", "'10' is not an option",
                  "SECTION.KEY=VALUE is one word: quote it, or leave out the blanks around the =." },
                { "-x", NULL, "there is no option -x", "pinfeed --help lists the options." },
                { "-x=S3CRET", NULL, "there is no option -x", "pinfeed --help lists the options." },
                { "-Vx", NULL, "there is no option -Vx", "pinfeed --help lists the options." },
                { "-c", NULL, "--config needs a value", "Write --config=FILE." },
                { "-ca", "--config=b", "--config is given twice", "" },
                { "-V", "--check", "--version and --check don't go together", "Each is a job of its own." },
                { "--raw", NULL, "--raw goes with --token only", "" },
                { "--raw", "--check", "--raw goes with --token only", "" },
                { "--replay", "--token", "--replay and --token don't go together", "Each is a job of its own." },
                { "--json", NULL, "--json goes with --replay, --verify, --check, --status, --show-settings only", "" },
                { "--json", "--token", "--json goes with --replay, --verify, --check, --status, --show-settings only", "" },
                { "--from=S3CRET", NULL, "--from goes with --replay, --verify only", "" },
                { "--to=S3CRET", "--check", "--to goes with --replay, --verify only", "" },
                { "--restart", NULL, "--restart goes with --replay only", "" },
                { "--dry-run", NULL, "--dry-run goes with --replay only", "" },
                { "--streams=pin", NULL, "--streams goes with --replay, --follow, --verify only", "" },
                { "--follow", "--from=S3CRET", "--from goes with --replay, --verify only", "" },
                { "--replay", "--from=", "--from needs a value", "Write --from=KEY." },
                { "--replay", "--from", "--from needs a value", "Write --from=KEY." },
                { "--config", "--replay", "--config needs a value", "Write --config=FILE." },
                { "--set=", NULL, "--set needs a value", "Write --set=SECTION.KEY=VALUE." },
                { "--replay=S3CRET", NULL, "--replay takes no value", "" },
                { "--replay", "--dry-run=", "--dry-run takes no value", "" },
                { "--config=S3CRET", "--config=b", "--config is given twice", "" },
                { "--streams=pin,,geo", NULL, "--streams has an empty name", "Write --streams=pin,geo without spaces." },
                { "--streams=pin,", NULL, "--streams has an empty name", "Write --streams=pin,geo without spaces." },
                { "--streams=pin,geo,pin", NULL, "--streams names a stream twice", "" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct options o;
                struct error e = {};

                assert_int_equal(PARSE(&o, &e, cases[i].a, cases[i].b), -1);
                assert_string_equal(e.what, cases[i].what);
                assert_string_equal(e.hint, cases[i].hint);
                assert_int_equal(error_exit_code(&e), 2);
        }
}

static void options_streams_must_exist(void **state) {
        struct config *c = config_new();
        struct options o;
        struct error e = {};

        (void) state;
        assert_int_equal(PARSE(&o, &e, "--replay", "--streams=geo,mine"), 0);
        assert_int_equal(config_check_streams(c, &o, &e), -1);
        assert_string_equal(e.what, "--streams: there is no stream mine");
        assert_string_equal(e.hint, "The streams are pin, geo, user.");
        assert_int_equal(e.class, ERROR_USAGE);
        assert_int_equal(config_set(c, "stream mine.table=t", &e), 0);
        assert_int_equal(config_check_streams(c, &o, &e), 0);
        options_free(&o);
        assert_int_equal(PARSE(&o, &e, "--replay", "--streams=users"), 0);
        assert_int_equal(config_check_streams(c, &o, &e), -1);
        assert_string_equal(e.hint, "Did you mean user?");
        options_free(&o);
        config_free(c);
}

static void options_help_fits_a_terminal(void **state) {
        static const char *const names[] = {
                "--config=FILE", "--set=SECTION.KEY=VALUE", "--replay", "--check", "--create-topics", "--token",
                "--version, -V", "--help, -h", "--streams=", "--from=KEY", "--to=KEY", "--restart", "--dry-run", "--json",
                "--config=FILE, -c", "--verbose, -v", "--show-settings", "--raw",
        };
        char *text = NULL;
        size_t length;
        FILE *f = open_memstream(&text, &length);

        (void) state;
        options_print_help(f);
        fclose(f);
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                assert_non_null(strstr(text, names[i]));
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
                if (strlen(line) >= 80)
                        fail_msg("too wide: %s", line);
        free(text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(options_without_any_is_the_daemon),
                cmocka_unit_test(options_of_a_replay_arrive),
                cmocka_unit_test(options_choose_every_job),
                cmocka_unit_test(options_have_short_names),
                cmocka_unit_test(options_refuse_mistakes_and_echo_no_value),
                cmocka_unit_test(options_streams_must_exist),
                cmocka_unit_test(options_help_fits_a_terminal),
        };

        return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
