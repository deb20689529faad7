#include "unit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/settings.h"

#define MINIMAL "[pinfeed]\nuser_id = 0ac1babf620d\n[mysql]\nhost = db.example\n[kafka]\nbootstrap.servers = b:9098\n"

static const unsigned everything = CONFIG_NEEDS_KAFKA | CONFIG_NEEDS_MYSQL;

static int parse(struct config *c, const char *text, struct error *e) {
        return config_parse(c, text, strlen(text), "FILE", e);
}

/* Nothing of this test's surroundings may decide what is found. */
static int clear_environment(void **state) {
        (void) state;
        unsetenv("STATE_DIRECTORY");
        unsetenv("CREDENTIALS_DIRECTORY");
        unsetenv("RELOADED_CREDENTIALS_DIRECTORY");
        return 0;
}

static struct config *parsed(const char *text) {
        struct config *c = config_new();
        struct error e = {};

        if (parse(c, text, &e) < 0)
                fail_msg("%s (%s)", e.what, e.hint);
        return c;
}

static struct config *finished(const char *text) {
        struct config *c = parsed(text);
        struct error e = {};

        if (config_finish(c, everything, &e) < 0)
                fail_msg("%s (%s)", e.what, e.hint);
        return c;
}

static void config_defaults_are_those_of_the_design(void **state) {
        struct config *c = finished(MINIMAL);
        static const char *const streams[][4] = {
                { "pin", "pinterest_data", "index", "0ac1babf620d.pin" },
                { "geo", "geolocation_data", "ind", "0ac1babf620d.geo" },
                { "user", "user_data", "ind", "0ac1babf620d.user" },
        };

        (void) state;
        assert_string_equal(c->user_id, "0ac1babf620d");
        assert_int_equal(c->stats_interval_s, 60);
        assert_int_equal(c->log_level, 6);
        assert_string_equal(c->state_dir, "/var/lib/pinfeed");
        assert_int_equal(c->mysql_port, 3306);
        assert_string_equal(c->mysql_user, "pinfeed");
        assert_string_equal(c->mysql_database, "pinterest_data");
        assert_null(c->mysql_password_file);
        assert_null(c->mysql_socket);
        assert_null(c->mysql_ssl_ca);
        assert_null(c->aws_region);
        assert_true(c->emulate_rate == 1);
        assert_true(c->emulate_posts == 0);
        assert_false(c->emulate_seeded);
        assert_string_equal(c->replay_group, "pinfeed.0ac1babf620d");
        assert_true(c->replay_group_default);
        assert_true(c->replay_exactly_once);
        assert_true(c->replay_rate == 0);
        assert_true(c->follow_interval_s == 1);
        assert_int_equal(c->follow_settle_s, 60);
        assert_int_equal(c->stream_count, 3);
        for (size_t i = 0; i < 3; i++) {
                assert_string_equal(c->streams[i].name, streams[i][0]);
                assert_string_equal(c->streams[i].table, streams[i][1]);
                assert_string_equal(c->streams[i].key, streams[i][2]);
                assert_string_equal(c->streams[i].topic, streams[i][3]);
                assert_null(c->streams[i].columns);
                assert_null(c->streams[i].where);
                assert_int_equal(c->streams[i].partitions, 1);
                assert_int_equal(c->streams[i].replication_factor, -1);
        }
        config_free(c);
}

static void config_reads_every_setting(void **state) {
        struct config *c = finished(
                "[pinfeed]\nuser_id = u_1\nstats_interval = 5\nlog_level = Debug\nstate_dir = /tmp/x\n"
                "[mysql]\nhost = 127.0.0.1\nport = 3307\nsocket = /run/s.sock\nuser = me\npassword_file = /p\ntls = Require\n"
                "database = d\nssl_ca = /ca.pem\n"
                "[kafka]\nbootstrap.servers = a:1,b:2\nlinger.ms = 5\nsasl.password = \"x # y\"\nempty =\n"
                "[aws]\nregion = eu-west-1\nprofile = p\nrole_arn = arn:aws:iam::123456789012:role/x\nexternal_id = e-1\n"
                "session_name = s1\n"
                "[emulate]\nrate = 2.5e3\nposts = 1000000000000\nseed = 0\n"
                "[replay]\ngroup = students\nexactly_once = OFF\nrate = .5\n"
                "[follow]\ninterval = 0.25\nsettle = 3600\n"
                "[stream pin]\ncolumns = index, title\nwhere = `index` < 10\npartitions = 3\nreplication_factor = 2\n"
                "[stream  mine]\ntable = t\nkey = k\ntopic = other\npartitions = -1\n");

        (void) state;
        assert_int_equal(c->stats_interval_s, 5);
        assert_int_equal(c->log_level, 7);
        assert_string_equal(c->state_dir, "/tmp/x");
        assert_string_equal(c->mysql_host, "127.0.0.1");
        assert_int_equal(c->mysql_port, 3307);
        assert_string_equal(c->mysql_socket, "/run/s.sock");
        assert_string_equal(c->mysql_user, "me");
        assert_string_equal(c->mysql_password_file, "/p");
        assert_int_equal(c->mysql_tls, CONFIG_TLS_REQUIRE);
        assert_string_equal(c->mysql_database, "d");
        assert_string_equal(c->mysql_ssl_ca, "/ca.pem");
        assert_int_equal(c->kafka_count, 4);
        assert_string_equal(c->kafka[0].name, "bootstrap.servers");
        assert_string_equal(c->kafka[1].name, "linger.ms");
        assert_string_equal(c->kafka[1].value, "5");
        assert_string_equal(c->kafka[1].origin, "FILE:17");
        assert_string_equal(c->kafka[2].value, "x # y");
        assert_string_equal(c->kafka[3].value, "");
        assert_string_equal(c->aws_region, "eu-west-1");
        assert_string_equal(c->aws_profile, "p");
        assert_string_equal(c->aws_role_arn, "arn:aws:iam::123456789012:role/x");
        assert_string_equal(c->aws_external_id, "e-1");
        assert_string_equal(c->aws_session_name, "s1");
        assert_true(c->emulate_rate == 2500);
        assert_true(c->emulate_posts == 1000000000000);
        assert_true(c->emulate_seeded && c->emulate_seed == 0);
        assert_string_equal(c->replay_group, "students");
        assert_false(c->replay_group_default);
        assert_false(c->replay_exactly_once);
        assert_true(c->replay_rate == 0.5);
        assert_true(c->follow_interval_s == 0.25);
        assert_int_equal(c->follow_settle_s, 3600);
        assert_string_equal(c->streams[0].columns, "index, title");
        assert_string_equal(c->streams[0].where, "`index` < 10");
        assert_int_equal(c->streams[0].partitions, 3);
        assert_int_equal(c->streams[0].replication_factor, 2);
        assert_int_equal(c->stream_count, 4);
        assert_string_equal(c->streams[3].name, "mine");
        assert_string_equal(c->streams[3].topic, "other");
        assert_int_equal(c->streams[3].partitions, -1);
        config_free(c);
}

static void config_takes_a_three_broker_bootstrap_whole(void **state) {
        static const char servers[] =
                "b-1.pinterestmskcluster.w8g8jt.c12.kafka.us-east-1.amazonaws.com:9098,"
                "b-2.pinterestmskcluster.w8g8jt.c12.kafka.us-east-1.amazonaws.com:9098,"
                "b-3.pinterestmskcluster.w8g8jt.c12.kafka.us-east-1.amazonaws.com:9098";
        char text[1024];
        struct config *c;

        (void) state;
        snprintf(text, sizeof text, "[kafka]\nbootstrap.servers=%s   # from the console\n", servers);
        c = parsed(text);
        assert_string_equal(c->kafka[0].value, servers);
        config_free(c);
}

/* `text` is refused with `what`, and `hint` is part of the hint; S3CRET, in whatever value, is never shown. */
static void assert_refused(const char *text, const char *what, const char *hint) {
        struct config *c = config_new();
        struct error e = {};

        assert_int_equal(parse(c, text, &e), -1);
        assert_string_equal(e.what, what);
        if (hint && !strstr(e.hint, hint))
                fail_msg("the hint for «%s» is «%s», without «%s»", what, e.hint, hint);
        assert_null(strstr(e.hint, "S3CRET"));
        assert_int_equal(e.class, ERROR_REFUSED);
        config_free(c);
}

static void config_refuses_unknown_names_and_says_which_was_meant(void **state) {
        (void) state;
        assert_refused("[pinfeed]\nusr_id = S3CRET\n", "FILE:2: there is no setting usr_id in [pinfeed]",
                       "Did you mean user_id?");
        assert_refused("[pinfeed]\nbootstrap.servers = S3CRET\n",
                       "FILE:2: there is no setting bootstrap.servers in [pinfeed]", "belongs in [kafka]");
        assert_refused("[pinfeed]\nbootstrap_server = S3CRET\n",
                       "FILE:2: there is no setting bootstrap_server in [pinfeed]", "bootstrap.servers in [kafka]");
        assert_refused("[mysql]\nregion = S3CRET\n", "FILE:2: there is no setting region in [mysql]", "belongs in [aws]");
        assert_refused("[pinfeed]\nrate = S3CRET\n", "FILE:2: there is no setting rate in [pinfeed]",
                       "belongs in [emulate] or [replay]");
        assert_refused("[mysql]\npassword = S3CRET\n", "FILE:2: there is no setting password in [mysql]",
                       "can read");
        assert_refused("[aws]\naws_secret_access_key = S3CRET\n",
                       "FILE:2: there is no setting aws_secret_access_key in [aws]", "credentials file");
        assert_refused("[aws]\nlinger.ms = S3CRET\n", "FILE:2: there is no setting linger.ms in [aws]",
                       "properties belong in [kafka]");
        assert_refused("[emulate]\nqwertz = S3CRET\n", "FILE:2: there is no setting qwertz in [emulate]",
                       "are rate, posts, seed");
        assert_refused("[stream pin]\ntabel = S3CRET\n", "FILE:2: there is no setting tabel in [stream pin]",
                       "Did you mean table?");
        assert_refused("user_id = S3CRET\n", "FILE:1: user_id stands before the first [section]", "belongs in [pinfeed]");
        assert_refused("security.protocol=S3CRET\n", "FILE:1: security.protocol stands before the first [section]",
                       "belong in [kafka]");
        assert_refused("[mysq]\n", "FILE:1: there is no section [mysq]", "Did you mean [mysql]?");
        assert_refused("[Kafka]\n", "FILE:1: there is no section [Kafka]", "Did you mean [kafka]?");
        assert_refused("[streams]\n", "FILE:1: there is no section [streams]", "Did you mean [stream NAME]?");
        assert_refused("[qwertz]\n", "FILE:1: there is no section [qwertz]", "[pinfeed] [mysql] [kafka]");
        assert_refused("[]\n", "FILE:1: there is no section of this name", NULL);
        assert_refused("[stream]\n", "FILE:1: a stream's section needs a name of 1 to 64 letters, digits, _ or -",
                       "[stream pin]");
        assert_refused("[stream a.b]\n", "FILE:1: a stream's section needs a name of 1 to 64 letters, digits, _ or -", NULL);
        assert_refused("[kafka]\nmy S3CRET word = 1\n", "FILE:2: a setting's name may hold letters, digits, and . _ - only",
                       NULL);
        assert_refused("[mysql]\nS3CRET!=1\n", "FILE:2: a setting's name may hold letters, digits, and . _ - only", NULL);
}

static void config_refuses_wrong_values_with_what_is_accepted(void **state) {
        static const char *const names[][2] = { { "pinfeed", "user_id" }, { "stream x", "topic" } };

        (void) state;
        assert_refused("[mysql]\nport = none\n", "FILE:2: [mysql] port must be a whole number from 1 to 65535, not 'none'", NULL);
        assert_refused("[mysql]\nport = 0\n", "FILE:2: [mysql] port must be a whole number from 1 to 65535, not '0'", NULL);
        assert_refused("[mysql]\nport = 65536\n", "FILE:2: [mysql] port must be a whole number from 1 to 65535, not '65536'", NULL);
        assert_refused("[mysql]\nport = -1\n", "FILE:2: [mysql] port must be a whole number from 1 to 65535, not '-1'", NULL);
        assert_refused("[mysql]\nport = 3306 3307\n", "FILE:2: [mysql] port must be a whole number from 1 to 65535, not '3306 3307': a blank can't be in it", NULL);
        assert_refused("[emulate]\nseed = 18446744073709551616\n", "FILE:2: [emulate] seed must be a whole number from 0 to "
                       "18446744073709551615, not '18446744073709551616'", NULL);
        assert_refused("[emulate]\nseed = 99999999999999999999\n", "FILE:2: [emulate] seed must be a whole number from 0 to "
                       "18446744073709551615, not '99999999999999999999'", NULL);
        assert_refused("[emulate]\nposts = 0\n",
                       "FILE:2: [emulate] posts must be a whole number from 1 to 1000000000000, not '0'", NULL);
        assert_refused("[mysql]\ntls = yes\n", "FILE:2: [mysql] tls must be verify, require or prefer, not 'yes'", NULL);
        assert_refused("[pinfeed]\nlog_level = loud\n",
                       "FILE:2: [pinfeed] log_level must be error, warning, notice, info or debug, not 'loud'", NULL);
        assert_refused("[replay]\nexactly_once = maybe\n",
                       "FILE:2: [replay] exactly_once must be yes or no, not 'maybe'", NULL);
        assert_refused("[follow]\ninterval = 0\n", "FILE:2: [follow] interval must be a number from 0.05 to 3600, not '0'", NULL);
        assert_refused("[stream x]\npartitions = 0\n",
                       "FILE:2: [stream x] partitions must be a whole number from 1 to 10000, or -1 for the cluster's default, "
                       "not '0'", NULL);
        assert_refused("[aws]\nregion = EU-WEST-1\n",
                       "FILE:2: [aws] region must be small letters, digits and hyphens, as in eu-west-1, "
                       "not 'EU-WEST-1': 'E' can't be in it", NULL);
        assert_refused("[aws]\nregion = eu-\n", "FILE:2: [aws] region must be small letters, digits and hyphens, "
                       "as in eu-west-1, not 'eu-': it begins or ends with a hyphen", NULL);
        assert_refused("[aws]\nregion = us-east-1a\n", "FILE:2: [aws] region must be small letters, digits and hyphens, "
                       "as in eu-west-1, not 'us-east-1a': an availability zone has a letter at its end, its region has none",
                       NULL);
        assert_refused("[mysql]\nhost = db.example:3306\n", "FILE:2: [mysql] host must be a host name or an address, "
                       "without scheme or port, not 'db.example:3306': the port belongs in the setting port", NULL);
        assert_refused("[mysql]\nhost = mysql://me:S3CRET@db\n", "FILE:2: [mysql] host must be a host name or an address, "
                       "without scheme or port: leave out the scheme", NULL);
        assert_refused("[stream x]\nkey = `index`\n",
                       "FILE:2: [stream x] key must be a name without backticks, not '`index`': '`' can't be in it",
                       "without quotes");
        assert_refused("[mysql]\nport = 3306# x\n", "FILE:2: [mysql] port must be a whole number from 1 to 65535, "
                       "not '3306# x': '#' can't be in it", "needs a space");
        assert_refused("[pinfeed]\nuser_id = <UserId>\n", "FILE:2: [pinfeed] user_id must be 1 to 200 characters of "
                       "A-Za-z0-9._-, not '<UserId>': '<' can't be in it", "Put your own");
        assert_refused("[pinfeed]\nuser_id = a b\n", "FILE:2: [pinfeed] user_id must be 1 to 200 characters of "
                       "A-Za-z0-9._-, not 'a b': a blank can't be in it", NULL);
        assert_refused("[pinfeed]\nuser_id = “ab”\n", "FILE:2: [pinfeed] user_id must be 1 to 200 characters of "
                       "A-Za-z0-9._-, not '“ab”': '“' can't be in it", "without quotes");
        assert_refused("[mysql]\nssl_ca = ~/ca.pem\n",
                       "FILE:2: [mysql] ssl_ca must be a path, not '~/ca.pem': ~ is not expanded: write the path in full", NULL);
        for (size_t i = 0; i < 2; i++) {
                static const char *const bad[] = { "a b", "x!", "..", ".", "\xc3\xa9" };

                for (size_t j = 0; j < sizeof bad / sizeof *bad; j++) {
                        char text[256];
                        struct config *c = config_new();
                        struct error e = {};

                        snprintf(text, sizeof text, "[%s]\n%s = \"%s\"\n", names[i][0], names[i][1], bad[j]);
                        assert_int_equal(parse(c, text, &e), -1);
                        assert_non_null(strstr(e.what, "characters of A-Za-z0-9._-"));
                        assert_non_null(strstr(e.what, bad[j]));
                        config_free(c);
                }
        }
}

static void config_takes_rates_but_no_tricks(void **state) {
        static const char *const good[] = { "1", "0.001", "1e3", "1000000", "2.50", "1E+2", ".5" };
        static const char *const bad[] = { "0", "0.0009", "-1", "+1", "inf", "nan", "1e999", "0x10", "1,5", "1 000", "1e",
                                           ".", "e", "1000001", "five" };
        struct error e = {};

        (void) state;
        for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
                char set[64];
                struct config *c = config_new();

                snprintf(set, sizeof set, "emulate.rate=%s", good[i]);
                assert_int_equal(config_set(c, set, &e), 0);
                config_free(c);
        }
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                char set[64];
                struct config *c = config_new();

                snprintf(set, sizeof set, "emulate.rate=%s", bad[i]);
                assert_int_equal(config_set(c, set, &e), -1);
                assert_memory_equal(e.what, "--set: [emulate] rate must be a number from 0.001 to 1000000, not '", 66);
                assert_int_equal(e.class, ERROR_USAGE);
                config_free(c);
        }
}

/* A password may be set where its file's path belongs, or stand in a URL; other wrong values are shown. */
static void config_shows_a_wrong_value_unless_it_may_be_a_secret(void **state) {
        static const char *const bad[] = { "S3CRET\x1b", "`S3CRET:9`@/\x7f" };

        (void) state;
        for (const struct setting *s = settings; s->section; s++)
                for (size_t i = 0; i < sizeof bad / sizeof *bad && s->type != SETTING_PROPERTY; i++) {
                        const char *section = strcmp(s->section, "stream") == 0 ? "stream x" : s->section;
                        _cleanup_free_ char *set = mem_format("%s.%s=%s", section, s->key, bad[i]);
                        bool shown = i == 0 && strcmp(s->key, "password_file") != 0;
                        struct config *c = config_new();
                        struct error e = {};

                        assert_int_equal(config_set(c, set, &e), -1);
                        assert_int_equal(e.class, ERROR_USAGE);
                        assert_non_null(strstr(e.what, s->key));
                        assert_true((strstr(e.what, "not 'S3CRET?'") != NULL) == shown);
                        assert_true((strstr(e.what, "S3CRET") != NULL) == shown);
                        assert_null(strstr(e.hint, "S3CRET"));
                        assert_null(strchr(e.what, '\x1b'));
                        config_free(c);
                }
}

static void config_knows_which_properties_are_never_shown(void **state) {
        static const struct { const char *name; bool hidden, secret; } cases[] = {
                { "sasl.password", true, true }, { "ssl.key.password", true, true }, { "ssl.keystore.password", true, true },
                { "sasl.oauthbearer.client.secret", true, true }, { "ssl.key.pem", true, true },
                { "sasl.oauthbearer.config", true, true }, { "sasl.jaas.config", true, false },
                { "ssl.ca.pem", true, false }, { "ssl.certificate.pem", true, false }, { "ssl.key.location", false, false },
                { "linger.ms", false, false }, { "bootstrap.servers", false, false },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                assert_int_equal(config_property_is_hidden(cases[i].name), cases[i].hidden);
                assert_int_equal(config_property_is_secret(cases[i].name), cases[i].secret);
        }
}

static void config_shows_long_values_in_part(void **state) {
        _cleanup_buffer_ struct buffer b = {};
        char text[200];

        (void) state;
        memset(text, 'x', sizeof text);
        memcpy(text + 79, "\xc3\xa9", 2);
        text[199] = 0;
        config_show_value(text, &b);
        assert_int_equal(b.length, 1 + 79 + 4);
        assert_string_equal(buffer_string(&b) + 80, "...'");
}

/* Nobody else may read what holds a secret: not a file, not the command line. */
static void config_refuses_secrets_that_others_can_see(void **state) {
        static const char *const names[] = { "sasl.password", "ssl.key.pem", "ssl.key.password", "ssl.keystore.password",
                                             "sasl.oauthbearer.client.secret" };

        (void) state;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                static const mode_t modes[] = { 0644, 0604, 0640, 0600 };
                _cleanup_free_ char *set = mem_format("kafka.%s=S3CRET", names[i]);

                for (size_t m = 0; m < sizeof modes / sizeof *modes; m++) {
                        char path[] = "/tmp/test_config.XXXXXX";
                        struct config *c = config_new();
                        struct error e = {};
                        int fd = mkstemp(path);

                        dprintf(fd, "[kafka]\nlinger.ms = 5\n%s = S3CRET\nacks = all\n", names[i]);
                        assert_int_equal(fchmod(fd, modes[m]), 0);
                        close(fd);
                        assert_int_equal(config_read_file(c, path, false, &e), modes[m] & 04 ? -1 : 0);
                        assert_int_equal(c->kafka_count, modes[m] & 04 ? 2 : 3);
                        if (modes[m] & 04) {
                                _cleanup_free_ char *place = mem_format("%s:3: [kafka] %s is a secret", path, names[i]);

                                assert_memory_equal(e.what, place, strlen(place));
                                assert_non_null(strstr(e.hint, "chmod o-rwx"));
                                assert_null(strstr(e.what, "S3CRET"));
                                assert_int_equal(e.class, ERROR_REFUSED);
                        }
                        assert_int_equal(config_set(c, set, &e), -1);
                        assert_int_equal(e.class, ERROR_USAGE);
                        assert_non_null(strstr(e.what, "command line"));
                        assert_null(strstr(e.what, "S3CRET"));
                        config_free(c);
                        unlink(path);
                }
        }
}

static void config_tells_all_mistakes_in_one_run(void **state) {
        static const char *const told[] = {
                "FILE:2: [pinfeed] user_id must be", "FILE:3: there is no setting stats_intervall in [pinfeed]",
                "FILE:4: there is no section [mysq]", "FILE:7: this line has no =", "FILE:8: [emulate] rate must be",
                "FILE:11: [mysql] port is set twice", "--set: [mysql] port must be", "the streams pin and geo have the same topic",
        };
        struct config *c = config_new();
        struct error e = {};

        (void) state;
        assert_int_equal(parse(c, "[pinfeed]\nuser_id = a/b\nstats_intervall = 5\n[mysq]\nhost = h\n[emulate]\nrate 5\n"
                               "rate = fast\n[mysql]\nport = 1\nport = 2\n[stream pin]\ntopic = t\n[stream geo]\ntopic = t\n",
                               &e), -1);
        assert_string_equal(e.what, c->problems.list[0].what);
        assert_int_equal(config_set(c, "mysql.port=x", &e), -1);
        /* What isn't set may stand on one of the lines that could not be understood. */
        assert_int_equal(config_finish(c, everything, &e), -1);
        assert_int_equal(c->problems.count, sizeof told / sizeof *told);
        for (size_t i = 0; i < c->problems.count; i++)
                assert_memory_equal(c->problems.list[i].what, told[i], strlen(told[i]));
        config_free(c);
}

static void config_says_what_is_not_set_besides_wrong_values_but_not_about_them(void **state) {
        struct config *c = config_new();
        struct error e = {};

        (void) state;
        assert_int_equal(parse(c, "[pinfeed]\nuser_id = a/b\n[emulate]\nrate = fast\n", &e), -1);
        assert_int_equal(config_finish(c, everything, &e), -1);
        assert_int_equal(c->problems.count, 4);
        assert_string_equal(c->problems.list[2].what, "[kafka] bootstrap.servers isn't set");
        assert_string_equal(c->problems.list[3].what, "[mysql] host isn't set");
        config_free(c);
}

static void config_keeps_ten_mistakes_and_counts_the_rest(void **state) {
        _cleanup_buffer_ struct buffer b = {};
        struct config *c = config_new();
        struct error e = {};

        (void) state;
        for (int i = 0; i < 1000; i++)
                buffer_printf(&b, "word%d\n", i);
        assert_int_equal(config_parse(c, b.data, b.length, "FILE", &e), -1);
        assert_int_equal(c->problems.count, 1000);
        assert_string_equal(c->problems.list[ERRORS_KEPT - 1].what, "FILE:10: this line has no =");
        config_free(c);
}

static void config_refuses_a_key_set_twice_in_one_file(void **state) {
        struct config *c;
        struct error e = {};

        (void) state;
        assert_refused("[mysql]\nport = 1\n[aws]\n[mysql]\nport = 2\n",
                       "FILE:5: [mysql] port is set twice: on line 2 already", "Keep one");
        assert_refused("[kafka]\nlinger.ms = S3CRET\nlinger.ms = S3CRET\n",
                       "FILE:3: [kafka] linger.ms is set twice: on line 2 already", NULL);
        assert_refused("[stream pin]\ntopic = a\n[stream  pin]\ntopic = b\n",
                       "FILE:4: [stream pin] topic is set twice: on line 2 already", NULL);
        /* The same key elsewhere, or in a later file, is another matter. */
        c = parsed("[emulate]\nrate = 1\n[replay]\nrate = 2\n");
        assert_int_equal(parse(c, "[emulate]\nrate = 3\n", &e), 0);
        assert_true(c->emulate_rate == 3);
        config_free(c);
}

static void config_set_overrides_the_file(void **state) {
        struct config *c = parsed(MINIMAL "linger.ms = 5\n[stream pin]\ntopic = a\n[emulate]\nseed = 7\n");
        struct error e = {};

        (void) state;
        assert_string_equal(config_origin(c, "mysql", "host"), "FILE:4");
        assert_string_equal(config_origin(c, "mysql", "port"), "default");
        assert_int_equal(config_set(c, "mysql.host=h", &e), 0);
        assert_int_equal(config_set(c, "mysql.host=a # b", &e), -1);
        assert_int_equal(config_set(c, "mysql.host=other", &e), 0);
        assert_int_equal(config_set(c, "kafka.linger.ms=9", &e), 0);
        assert_int_equal(config_set(c, "kafka.acks=a=\"b\" # c", &e), 0);
        assert_int_equal(config_set(c, "stream pin.topic=b", &e), 0);
        assert_int_equal(config_set(c, "stream new.table=t", &e), 0);
        assert_int_equal(config_set(c, "emulate.seed=", &e), 0);
        assert_string_equal(c->mysql_host, "other");
        assert_string_equal(config_origin(c, "mysql", "host"), "--set");
        assert_int_equal(c->kafka_count, 3);
        assert_string_equal(c->kafka[1].name, "linger.ms");
        assert_string_equal(c->kafka[1].value, "9");
        assert_string_equal(c->kafka[1].origin, "--set");
        assert_string_equal(c->kafka[2].value, "a=\"b\" # c");
        assert_string_equal(c->streams[0].topic, "b");
        assert_string_equal(config_origin(c, "stream pin", "topic"), "--set");
        assert_string_equal(c->streams[3].table, "t");
        assert_string_equal(config_origin(c, "emulate", "seed"), "default");
        assert_int_equal(config_set(c, "stream new.key=k", &e), 0);
        assert_int_equal(config_finish(c, everything, &e), 0);
        assert_false(c->emulate_seeded);
        config_free(c);
}

static void config_set_refuses_what_is_no_assignment(void **state) {
        static const char *const bad[] = { "", "S3CRET", "mysql.host", "mysql=S3CRET", "=S3CRET", ".x=S3CRET",
                                           "mysql.=S3CRET", "mysql=a.b" };
        struct config *c = config_new();
        struct error e = {};

        (void) state;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                assert_int_equal(config_set(c, bad[i], &e), -1);
                assert_int_equal(e.class, ERROR_USAGE);
                assert_null(strstr(e.what, "S3CRET"));
        }
        assert_int_equal(config_set(c, "mysql.prot=S3CRET", &e), -1);
        assert_int_equal(e.class, ERROR_USAGE);
        assert_string_equal(e.what, "--set: there is no setting prot in [mysql]");
        assert_string_equal(e.hint, "Did you mean port?");
        config_free(c);
}

static void assert_unfinished(const char *text, unsigned needs, const char *what, const char *hint) {
        struct config *c = parsed(text);
        struct error e = {};

        assert_int_equal(config_finish(c, needs, &e), -1);
        for (size_t i = 0; i < c->problems.count && strcmp(e.what, what) != 0; i++)
                e = c->problems.list[i];
        assert_string_equal(e.what, what);
        if (!strstr(e.hint, hint))
                fail_msg("the hint for «%s» is «%s»", what, e.hint);
        assert_int_equal(e.class, ERROR_REFUSED);
        config_free(c);
}

static void config_finish_says_what_is_missing(void **state) {
        struct config *c;
        struct error e = {};

        (void) state;
        assert_unfinished("", everything, "[pinfeed] user_id isn't set", "0ac1babf620d");
        assert_unfinished("[pinfeed]\nuser_id = u\n", everything, "[kafka] bootstrap.servers isn't set", "9098");
        assert_unfinished("[pinfeed]\nuser_id = u\n[kafka]\nbootstrap.servers =\n", everything,
                          "[kafka] bootstrap.servers isn't set", "9098");
        /* The answer to a name that is nearly right is the producer's. */
        assert_unfinished("[pinfeed]\nuser_id = u\n[kafka]\nbootstrap.server = a\n", everything, "[mysql] host isn't set",
                          "RDS");
        assert_unfinished("[pinfeed]\nuser_id = u\n[kafka]\nbootstrap.servers = a\n", everything, "[mysql] host isn't set",
                          "RDS");
        assert_unfinished(MINIMAL "[stream mine]\n", everything, "[stream mine] table isn't set", "a table, and a key");
        assert_unfinished(MINIMAL "[stream pinn]\ntable = t\n", everything, "[stream pinn] key isn't set", "[stream pin]?");
        assert_unfinished(MINIMAL "[stream geo]\ntopic = 0ac1babf620d.pin\n", everything,
                          "the streams pin and geo have the same topic", "of its own");
        c = parsed("[pinfeed]\nuser_id = u\n[kafka]\nmetadata.broker.list = a\n");
        assert_int_equal(config_finish(c, CONFIG_NEEDS_KAFKA, &e), 0);
        config_free(c);
        c = parsed("");
        assert_int_equal(config_finish(c, 0, &e), 0);
        config_free(c);
}

static void config_finish_refuses_a_topic_that_kafka_would(void **state) {
        char text[1024], user[201];

        (void) state;
        memset(user, 'u', 200);
        user[200] = 0;
        snprintf(text, sizeof text, "[pinfeed]\nuser_id = %s\n[kafka]\nbootstrap.servers = a\n[stream %.60s]\n"
                 "table = t\nkey = k\n", user, user);
        assert_refused("[pinfeed]\nuser_id = a/b\n",
                       "FILE:2: [pinfeed] user_id must be 1 to 200 characters of A-Za-z0-9._-, not 'a/b': '/' can't be in it",
                       NULL);
        {
                struct config *c = parsed(text);
                struct error e = {};

                assert_int_equal(config_finish(c, CONFIG_NEEDS_KAFKA, &e), -1);
                assert_non_null(strstr(e.what, "longer than Kafka's 249"));
                config_free(c);
        }
}

static void config_finish_takes_what_systemd_provides(void **state) {
        char directory[] = "/tmp/test_config.XXXXXX";
        _cleanup_free_ char *file = NULL;
        struct config *c;

        (void) state;
        assert_non_null(mkdtemp(directory));
        file = mem_format("%s/mysql-password", directory);
        setenv("STATE_DIRECTORY", "/state/one:/state/two", 1);
        setenv("CREDENTIALS_DIRECTORY", directory, 1);
        c = finished(MINIMAL);
        assert_string_equal(c->state_dir, "/state/one");
        assert_string_equal(config_origin(c, "pinfeed", "state_dir"), "$STATE_DIRECTORY");
        assert_null(c->mysql_password_file);
        config_free(c);

        fclose(fopen(file, "w"));
        c = finished(MINIMAL);
        assert_string_equal(c->mysql_password_file, file);
        assert_string_equal(config_origin(c, "mysql", "password_file"), "$CREDENTIALS_DIRECTORY");
        config_free(c);

        c = finished(MINIMAL "[pinfeed]\nstate_dir = /mine\n[mysql]\npassword_file = /p\n");
        assert_string_equal(c->state_dir, "/mine");
        assert_string_equal(c->mysql_password_file, "/p");
        config_free(c);

        setenv("RELOADED_CREDENTIALS_DIRECTORY", directory, 1);
        c = finished(MINIMAL);
        assert_string_equal(config_origin(c, "mysql", "password_file"), "$RELOADED_CREDENTIALS_DIRECTORY");
        config_free(c);
        unlink(file);
        rmdir(directory);
        clear_environment(NULL);
}

/* What config_changes says of two texts. */
static void assert_changes(const char *before, const char *now, const char *reload, const char *restart) {
        struct config *a = finished(before), *b = finished(now);

        for (int i = 0; i < 2; i++) {
                _cleanup_buffer_ struct buffer names = {};

                config_changes(a, b, i == 0, &names);
                assert_string_equal(buffer_string(&names), i == 0 ? reload : restart);
        }
        config_free(a);
        config_free(b);
}

static void config_changes_tell_what_a_reload_applies_from_what_wants_a_restart(void **state) {
        (void) state;
        assert_changes(MINIMAL, MINIMAL, "", "");
        assert_changes(MINIMAL "[emulate]\nrate = 1\n", MINIMAL, "", "");
        assert_changes(MINIMAL, MINIMAL "[emulate]\nrate = 2\nseed = 1\n[mysql]\npassword_file = /p\n",
                       "mysql.password_file, emulate.rate", "emulate.seed");
        assert_changes(MINIMAL "[aws]\nprofile = a\n[pinfeed]\nlog_level = debug\n", MINIMAL "[aws]\nprofile = b\n",
                       "pinfeed.log_level, aws.profile", "");
        assert_changes(MINIMAL "[kafka]\nlinger.ms = 5\nacks = all\n", MINIMAL "[kafka]\nlinger.ms = 6\nretries = 1\n",
                       "", "kafka.linger.ms, kafka.retries, kafka.acks");
        assert_changes(MINIMAL "[stream a]\ntable = t\nkey = k\n", MINIMAL "[stream b]\ntable = t\nkey = k\n"
                       "[stream pin]\nwhere = 1\n", "", "stream pin.where, stream b, stream a");
        /* The topics and the group follow it. */
        assert_changes(MINIMAL, "[pinfeed]\nuser_id = other\n[mysql]\nhost = db.example\n[kafka]\nbootstrap.servers = "
                       "b:9098\n", "", "pinfeed.user_id");
}

static void config_finish_finds_the_password_file_beside_the_configuration(void **state) {
        char directory[] = "/tmp/test_config.XXXXXX";
        _cleanup_free_ char *password = NULL, *file = NULL;
        struct config *c = config_new();
        struct error e = {};
        FILE *f;

        (void) state;
        assert_non_null(mkdtemp(directory));
        password = mem_format("%s/mysql-password", directory);
        file = mem_format("%s/pinfeed.conf", directory);
        f = fopen(file, "w");
        fputs(MINIMAL, f);
        fclose(f);
        assert_int_equal(config_read_file(c, file, false, &e), 0);
        assert_int_equal(config_finish(c, everything, &e), 0);
        assert_null(c->mysql_password_file);
        config_free(c);

        fclose(fopen(password, "w"));
        c = config_new();
        assert_int_equal(config_read_file(c, file, false, &e), 0);
        assert_int_equal(config_finish(c, everything, &e), 0);
        assert_string_equal(c->mysql_password_file, password);
        assert_string_equal(config_origin(c, "mysql", "password_file"), file);
        config_free(c);
        unlink(password);
        unlink(file);
        rmdir(directory);
}

static void config_empty_value_means_the_default(void **state) {
        struct config *c = finished(MINIMAL "[pinfeed]\nstats_interval =\nlog_level =   # later\n[stream pin]\ntopic = \"\"\n"
                                    "[replay]\nrate =\n[emulate]\nseed =\n");

        (void) state;
        assert_int_equal(c->stats_interval_s, 60);
        assert_int_equal(c->log_level, 6);
        assert_string_equal(c->streams[0].topic, "0ac1babf620d.pin");
        assert_string_equal(config_origin(c, "replay", "rate"), "default");
        assert_false(c->emulate_seeded);
        config_free(c);
}

/* The names are the producer's to judge; what was pasted arrives as it was, in order. */
static void config_keeps_a_pasted_java_properties_file(void **state) {
        struct config *c = parsed(
                "[kafka]\n"
                "# Sets up TLS for encryption and SASL for authN.\n"
                "security.protocol = SASL_SSL\n"
                "sasl.mechanism=AWS_MSK_IAM\n"
                "sasl.jaas.config = software.amazon.msk.auth.iam.IAMLoginModule required "
                "awsRoleArn=\"arn:aws:iam::584739742957:role/0ac1babf620d-ec2-access-role\";\n"
                "sasl.client.callback.handler.class = software.amazon.msk.auth.iam.IAMClientCallbackHandler\r\n");

        (void) state;
        assert_int_equal(c->kafka_count, 4);
        assert_string_equal(c->kafka[2].value, "software.amazon.msk.auth.iam.IAMLoginModule required "
                            "awsRoleArn=\"arn:aws:iam::584739742957:role/0ac1babf620d-ec2-access-role\";");
        assert_string_equal(c->kafka[3].value, "software.amazon.msk.auth.iam.IAMClientCallbackHandler");
        assert_string_equal(c->kafka[3].origin, "FILE:6");
        config_free(c);
}

static void config_read_file_says_what_is_wrong_with_it(void **state) {
        char path[] = "/tmp/test_config.XXXXXX";
        struct config *c = config_new();
        struct error e = {};
        int fd = mkstemp(path);
        FILE *f = fdopen(fd, "w");

        (void) state;
        for (int i = 0; i < 5000; i++)
                fprintf(f, "# a line of a file that is larger than what is read at once\n");
        fputs("[mysql]\nport = 17\n", f);
        fclose(f);
        assert_int_equal(config_read_file(c, path, false, &e), 0);
        assert_int_equal(c->mysql_port, 17);
        unlink(path);
        assert_int_equal(config_read_file(c, path, true, &e), 1);
        assert_int_equal(config_finish(c, everything, &e), -1);
        assert_string_equal(e.what, "[pinfeed] user_id isn't set");
        assert_non_null(strstr(e.hint, path));
        assert_non_null(strstr(e.hint, "0ac1babf620d"));
        assert_int_equal(config_read_file(c, path, false, &e), -1);
        assert_int_equal(e.class, ERROR_REFUSED);
        assert_non_null(strstr(e.what, path));
        assert_non_null(strstr(e.hint, "sample"));
        assert_int_equal(config_read_file(c, "/", true, &e), -1);
        assert_string_equal(e.what, "can't read the configuration /: Is a directory");
        config_free(c);
}

/* ---- what is generated ---- */

static char *printed(void (*print)(FILE *)) {
        char *text = NULL;
        size_t length;
        FILE *f = open_memstream(&text, &length);

        print(f);
        fclose(f);
        return text;
}

static void config_sample_is_all_comments_and_valid(void **state) {
        _cleanup_free_ char *sample = printed(config_print_sample);
        struct config *c = parsed(sample), *bare = config_new();

        (void) state;
        assert_int_equal(c->kafka_count, 0);
        assert_int_equal(c->stream_count, 3);
        assert_null(c->user_id);
        assert_int_equal(c->mysql_port, bare->mysql_port);
        for (char *line = strtok(sample, "\n"); line; line = strtok(NULL, "\n")) {
                assert_true(line[0] == '#' || line[0] == '[');
                /* Examples stand on one line, however long; sentences don't. */
                assert_true(strlen(line) <= 90 || strncmp(line, "#bootstrap", 10) == 0);
        }
        config_free(c);
        config_free(bare);
}

/* Every line `#key = value` loses its #: all that the sample shows is accepted, and all settings are shown. */
static void config_sample_uncommented_is_a_complete_configuration(void **state) {
        _cleanup_free_ char *sample = printed(config_print_sample);
        struct config *c;

        (void) state;
        for (char *p = sample; *p; p++)
                if (*p == '#' && (p == sample || p[-1] == '\n') && p[1] != ' ' && p[1] != '\n')
                        *p = ' ';
        c = finished(sample);
        for (const struct setting *s = settings; s->section; s++)
                assert_string_not_equal(config_origin(c, strcmp(s->section, "stream") == 0 ? "stream mine" : s->section,
                                                      s->key), "default");
        config_free(c);
}

static void config_manual_explains_every_setting(void **state) {
        _cleanup_free_ char *manual = printed(config_print_manual);

        (void) state;
        for (const struct setting *s = settings; s->section; s++) {
                _cleanup_free_ char *item = mem_format(".It Ic %s\n", s->key);

                assert_non_null(strstr(manual, item));
                assert_true(strlen(s->help) <= 88);
                assert_true(s->help[strlen(s->help) - 1] == '.');
                assert_true(s->normal || s->example);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(config_defaults_are_those_of_the_design),
                cmocka_unit_test(config_reads_every_setting),
                cmocka_unit_test(config_takes_a_three_broker_bootstrap_whole),
                cmocka_unit_test(config_refuses_unknown_names_and_says_which_was_meant),
                cmocka_unit_test(config_refuses_wrong_values_with_what_is_accepted),
                cmocka_unit_test(config_takes_rates_but_no_tricks),
                cmocka_unit_test(config_shows_a_wrong_value_unless_it_may_be_a_secret),
                cmocka_unit_test(config_knows_which_properties_are_never_shown),
                cmocka_unit_test(config_shows_long_values_in_part),
                cmocka_unit_test(config_refuses_secrets_that_others_can_see),
                cmocka_unit_test(config_tells_all_mistakes_in_one_run),
                cmocka_unit_test(config_says_what_is_not_set_besides_wrong_values_but_not_about_them),
                cmocka_unit_test(config_keeps_ten_mistakes_and_counts_the_rest),
                cmocka_unit_test(config_refuses_a_key_set_twice_in_one_file),
                cmocka_unit_test(config_set_overrides_the_file),
                cmocka_unit_test(config_set_refuses_what_is_no_assignment),
                cmocka_unit_test(config_finish_says_what_is_missing),
                cmocka_unit_test(config_finish_refuses_a_topic_that_kafka_would),
                cmocka_unit_test(config_finish_takes_what_systemd_provides),
                cmocka_unit_test(config_changes_tell_what_a_reload_applies_from_what_wants_a_restart),
                cmocka_unit_test(config_finish_finds_the_password_file_beside_the_configuration),
                cmocka_unit_test(config_empty_value_means_the_default),
                cmocka_unit_test(config_keeps_a_pasted_java_properties_file),
                cmocka_unit_test(config_read_file_says_what_is_wrong_with_it),
                cmocka_unit_test(config_sample_is_all_comments_and_valid),
                cmocka_unit_test(config_sample_uncommented_is_a_complete_configuration),
                cmocka_unit_test(config_manual_explains_every_setting),
        };

        return cmocka_run_group_tests_name("config", tests, clear_environment, NULL);
}
