/* [kafka]: what is accepted, what is refused, and in which words. Nothing is connected. */
#include "unit.h"

#include "producer/internal.h"

static int check(const char *name, const char *value, struct error *e) {
        const struct producer_property properties[] = {
                { "bootstrap.servers", "b-1.x.c2.kafka.us-east-1.amazonaws.com:9098", "conf:1" },
                { "security.protocol", "plaintext", "conf:2" },
                { name, value, "conf:3" },
        };
        const struct producer_settings settings = { .properties = properties, .property_count = name ? 3 : 2 };

        *e = (struct error) {};
        return producer_check_properties(&settings, e);
}

static void properties_have_defaults_that_fit(void **state) {
        struct error e;

        (void) state;
        assert_int_equal(check(NULL, NULL, &e), 0);
}

/* What a transactional producer's property is, with one of the user's. */
static long transactional(const char *name, const char *user_name, const char *user_value) {
        const struct producer_property property = { user_name, user_value, "here" };
        const struct producer_settings settings = {
                .properties = &property, .property_count = 1, .transactional_id = "t",
        };
        rd_kafka_conf_t *conf;
        struct error e;
        char value[64];
        size_t size = sizeof value;

        assert_int_equal(properties_make(&settings, &conf, &e), 0);
        assert_int_equal(rd_kafka_conf_get(conf, name, value, &size), RD_KAFKA_CONF_OK);
        rd_kafka_conf_destroy(conf);
        return strtol(value, NULL, 10);
}

static void properties_of_transactions_have_room_for_the_largest_record(void **state) {
        const char *const room = "queue.buffering.max.kbytes";

        (void) state;
        assert_int_equal(transactional(room, "client.id", "x"), 4096);
        assert_true(transactional(room, "message.max.bytes", "20000000") >= 2 * 20000000 / 1024);
        assert_int_equal(transactional(room, room, "777"), 777);
        assert_int_equal(transactional("linger.ms", "queue.buffering.max.ms", "5"), 5);
}

static void properties_may_say_what_pinfeed_says(void **state) {
        static const char *const same[][2] = {
                { "acks", "all" }, { "acks", "-1" }, { "request.required.acks", "ALL" }, { "message.timeout.ms", "0" },
                { "delivery.timeout.ms", "0" }, { "retries", "2147483647" }, { "allow.auto.create.topics", "False" },
                { "partitioner", "murmur2_random" }, { "enable.idempotence", "true" }, { "enable.idempotence", "false" },
                { "linger.ms", "0.5" }, { "queue.buffering.max.ms", "7" }, { "client.id", "" }, { "compression.type", "gzip" },
        };
        struct error e;

        (void) state;
        for (size_t i = 0; i < sizeof same / sizeof *same; i++)
                assert_int_equal(check(same[i][0], same[i][1], &e), 0);
}

static void properties_that_break_a_promise_are_refused_with_the_reason(void **state) {
        static const char *const refused[][3] = {
                { "acks", "1", "in-sync replicas" },
                { "request.required.acks", "0", "in-sync replicas" },
                { "message.timeout.ms", "1", "time out into a loss" },
                { "delivery.timeout.ms", "120000", "time out into a loss" },
                { "retries", "0", "given up" },
                { "message.send.max.retries", "5", "given up" },
                { "allow.auto.create.topics", "true", "by accident" },
                { "partitioner", "consistent", "Java" },
                { "transactional.id", "x", "names its transactions" },
                { "enable.gapless.guarantee", "true", "end pinfeed" },
                { "delivery.report.only.error", "true", "counts" },
                { "enable.sasl.oauthbearer.unsecure.jwt", "true", "real tokens" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
                struct error e;

                assert_int_equal(check(refused[i][0], refused[i][1], &e), -1);
                assert_int_equal(e.class, ERROR_REFUSED);
                assert_memory_equal(e.what, "conf:3: ", 8);
                assert_non_null(strstr(e.what, refused[i][0]));         /* as the user called it */
                assert_non_null(strstr(e.what, refused[i][2]));
                assert_non_null(strstr(e.hint, "Remove the line"));
        }
}

static void properties_of_java_clients_get_an_answer(void **state) {
        static const char *const pasted[][3] = {
                { "sasl.mechanism", "AWS_MSK_IAM", "Remove the line" },
                { "sasl.mechanisms", "aws_msk_iam", "Remove the line" },
                { "sasl.jaas.config", "x required awsRoleArn=\"arn\";", "[aws] role_arn" },
                { "sasl.client.callback.handler.class", "x", "Leave it out" },
                { "ssl.truststore.location", "x", "ssl.ca.location" },
                { "key.serializer", "x", "Leave it out" },
                { "bootstrap.servers", "PLAINTEXT://b-1:9092,b-2:9092", "without a scheme" },
                { "metadata.broker.list", "b-1:9092,SASL_SSL://b-2:9098", "without a scheme" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof pasted / sizeof *pasted; i++) {
                struct error e;

                assert_int_equal(check(pasted[i][0], pasted[i][1], &e), -1);
                assert_int_equal(e.class, ERROR_REFUSED);
                assert_non_null(strstr(e.hint, pasted[i][2]));
        }
}

static void properties_that_are_misspelt_are_named(void **state) {
        static const char *const misspelt[][2] = {
                { "linger.msec", "linger.ms" }, { "compresion.codec", "compression.codec" }, { "sasl_username", "sasl.username" },
                { "batch.sise", "batch.size" }, { "socket.timeout", "socket.timeout.ms" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof misspelt / sizeof *misspelt; i++) {
                struct error e;

                assert_int_equal(check(misspelt[i][0], "S3CRET", &e), -1);
                assert_non_null(strstr(e.hint, misspelt[i][1]));
                assert_null(strstr(e.what, "S3CRET"));
                assert_null(strstr(e.hint, "S3CRET"));
        }
}

static void properties_with_wrong_values_are_shown_with_what_fits(void **state) {
        static const char *const wrong[][2] = {
                { "batch.size", "1 .. 2147483647" }, { "compression.codec", "zstd" }, { "enable.idempotence", "true, false" },
                { "socket.keepalive.enable", "true, false" }, { "security.protocol", "sasl_ssl" },
                { "max.in.flight", "1 .. 1000000" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                struct error e;

                assert_int_equal(check(wrong[i][0], "wrong", &e), -1);
                assert_int_equal(e.class, ERROR_REFUSED);
                assert_non_null(strstr(e.hint, wrong[i][1]));
                assert_non_null(strstr(e.what, wrong[i][0]));           /* as the user called it */
                assert_non_null(strstr(e.what, "'wrong'"));
        }
}

static void properties_that_may_hold_secrets_are_never_shown(void **state) {
        static const char *const names[] = { "ssl.key.pem", "ssl.keystore.password", "ssl_certificate.pem", "no.such.property",
                                             "sasl.jaas.config", "ssl.ca.pem" };

        (void) state;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                const struct producer_property p[] = {
                        { "bootstrap.servers", "b:9098", "conf:1" }, { "security.protocol", "ssl", "conf:2" },
                        { names[i], "S3CRET", "conf:3" },
                };
                const struct producer_settings settings = { .properties = p, .property_count = 3 };
                struct error e = {};

                producer_check_properties(&settings, &e);               /* some are accepted as they are */
                assert_null(strstr(e.what, "S3CRET"));
                assert_null(strstr(e.hint, "S3CRET"));
        }
}

/* Each with what is said; NULL: it is accepted. Besides the brokers there is IAM, or what is given. */
static void properties_refuse_brokers_that_cannot_be_meant(void **state) {
        static const char msk[] = "b-1.x.abc123.c2.kafka.eu-west-1.amazonaws.com";
        static const struct { const char *brokers, *protocol, *what, *hint; } cases[] = {
                { "a:9092", NULL, NULL, NULL },
                { "a:9092,b:9093 , c:1", NULL, NULL, NULL },
                { "[::1]:9098", NULL, NULL, NULL },
                { "MSK:9098", NULL, NULL, NULL },
                { "MSK:9198,MSK:9098", NULL, NULL, NULL },
                { "MSK:9092", "PLAINTEXT", NULL, NULL },
                { "MSK:9094", "ssl", NULL, NULL },
                { "a", NULL, "names a broker without a port: 'a'", "9098" },
                { "a:9098,b", NULL, "names a broker without a port: 'b'", "9098" },
                { "a:", NULL, "names a broker without a port: 'a:'", "9098" },
                { "[::1]", NULL, "names a broker without a port: '[::1]'", "9098" },
                { "a:9098 b:9098", NULL, "has a blank in it: 'a:9098 b:9098'", "by commas" },
                { "a:9098;b:9098", NULL, "has a semicolon in it: 'a:9098;b:9098'", "by commas" },
                { "SASL_SSL://a:9098", NULL, "has a scheme", "without a scheme" },
                { "https://me:S3CRET@a:1", NULL, "has a scheme", "without a scheme" },
                { "MSK:2181", NULL, "that does not take IAM: 2181 is ZooKeeper's", "9098, from outside the VPC 9198" },
                { "MSK:9092", NULL, "that does not take IAM: 9092 is", "9098" },
                { "MSK:9098,MSK:9094", NULL, "that does not take IAM: 9094 is", "9098" },
                { "MSK:9096", "sasl_ssl", "that does not take IAM: 9096 is the one for passwords", "9098" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                for (int alias = 0; alias < 2; alias++) {
                        const char *name = alias ? "metadata.broker.list" : "bootstrap.servers";
                        _cleanup_buffer_ struct buffer brokers = {};
                        struct producer_property p[] = {
                                { name, NULL, "conf:1" }, { "security.protocol", cases[i].protocol, "conf:2" },
                        };
                        const struct producer_settings settings = { .properties = p,
                                                                    .property_count = cases[i].protocol ? 2 : 1 };
                        struct error e = {};

                        for (const char *s = cases[i].brokers; *s; s++)
                                if (strncmp(s, "MSK", 3) == 0) {
                                        buffer_append_string(&brokers, msk);
                                        s += 2;
                                } else
                                        buffer_append(&brokers, s, 1);
                        p[0].value = buffer_string(&brokers);
                        assert_int_equal(producer_check_properties(&settings, &e), cases[i].what ? -1 : 0);
                        if (!cases[i].what)
                                continue;
                        if (!strstr(e.what, cases[i].what) || !strstr(e.what, name) || !strstr(e.hint, cases[i].hint))
                                fail_msg("%s: %s (%s)", p[0].value, e.what, e.hint);
                        assert_null(strstr(e.what, "S3CRET"));
                }
}

static void properties_give_no_token_without_tls(void **state) {
        static const struct { const char *name, *value, *mechanism; bool refused; } cases[] = {
                { "security.protocol", "SASL_PLAINTEXT", "OAUTHBEARER", true },
                { "security.protocol", "sasl_plaintext", NULL, true },
                { "security.protocol", "plaintext", "OAUTHBEARER", true },
                { "enable.ssl.certificate.verification", "false", NULL, true },
                { "ssl.endpoint.identification.algorithm", "none", NULL, true },
                { "security.protocol", "plaintext", NULL, false },
                { "security.protocol", "sasl_plaintext", "SCRAM-SHA-512", false },
                { "enable.ssl.certificate.verification", "false", "SCRAM-SHA-512", false },
                { "ssl.endpoint.identification.algorithm", "https", NULL, false },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const struct producer_property p[] = {
                        { cases[i].name, cases[i].value, "conf:1" }, { "sasl.mechanism", cases[i].mechanism, "--set" },
                };
                const struct producer_settings settings = { .properties = p, .property_count = cases[i].mechanism ? 2 : 1 };
                struct error e = {};

                /* SCRAM wants a name and a password, which is another matter. */
                producer_check_properties(&settings, &e);
                assert_true((strstr(e.what, "token") != NULL) == cases[i].refused);
                assert_true(!cases[i].refused || e.class == ERROR_REFUSED);
        }
}

/* A whole client.properties is one mistake, and the answer is what to write instead. */
static void properties_of_a_java_client_with_iam_are_one_mistake(void **state) {
        static const struct producer_property pasted[] = {
                { "security.protocol", "SASL_SSL", "conf:2" }, { "sasl.mechanism", "AWS_MSK_IAM", "conf:3" },
                { "sasl.jaas.config", "software.amazon.msk.auth.iam.IAMLoginModule required "
                  "awsRoleArn=\"arn:aws:iam::584739742957:role/0ac1babf620d-ec2-access-role\" awsProfileName=\"me\";", "conf:4" },
                { "sasl.client.callback.handler.class", "software.amazon.msk.auth.iam.IAMClientCallbackHandler", "conf:5" },
                { "no.such", "x", "conf:6" }, { "acks", "1", "--set" },
        };
        const struct producer_settings settings = { .properties = pasted, .property_count = 6 };
        struct errors problems = {};

        (void) state;
        producer_find_problems(&settings, &problems);
        assert_int_equal(problems.count, 3);
        assert_string_equal(problems.list[0].what, "conf:3: [kafka] sasl.mechanism is a setting of Java clients with IAM, and so are "
                            "sasl.jaas.config, sasl.client.callback.handler.class");
        assert_non_null(strstr(problems.list[0].hint, "write: [aws] role_arn = arn:aws:iam::584739742957:role/"
                               "0ac1babf620d-ec2-access-role, and profile = me."));
        assert_memory_equal(problems.list[1].what, "conf:6: [kafka] no.such is not", 30);
        assert_int_equal(problems.list[1].class, ERROR_REFUSED);
        assert_string_equal(problems.list[2].what, "--set: [kafka] acks can't be set to '1': "
                            "pinfeed waits for all in-sync replicas, or a broker's crash could lose records");
        assert_int_equal(problems.list[2].class, ERROR_USAGE);
        errors_free(&problems);
}

static void properties_that_contradict_one_another_are_found_without_a_broker(void **state) {
        struct error e;

        (void) state;
        assert_int_equal(check("max.in.flight", "10", &e), -1);
        assert_int_equal(e.class, ERROR_REFUSED);
        assert_non_null(strstr(e.what, "max.in.flight"));
        assert_int_equal(check("ssl.ca.location", "/nonexistent", &e), 0);      /* plaintext: it doesn't matter */
}

static void properties_tell_whether_a_token_is_wanted(void **state) {
        static const struct {
                const char *name, *value;
                bool wanted;
        } cases[] = {
                { "client.id", "x", true }, { "security.protocol", "SASL_SSL", true }, { "security.protocol", "PLAINTEXT", false },
                { "security.protocol", "ssl", false }, { "sasl.mechanism", "OAUTHBEARER", true },
                { "sasl.mechanisms", "SCRAM-SHA-512", false }, { "sasl.oauthbearer.method", "oidc", false },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                const struct producer_property p = { cases[i].name, cases[i].value, "conf:1" };

                assert_int_equal(producer_wants_token(&p, 1), cases[i].wanted);
        }
}

static void properties_name_the_brokers_by_either_name(void **state) {
        const struct producer_property p[] = { { "metadata.broker.list", "a:1", "" }, { "bootstrap.servers", "b:2", "" } };

        (void) state;
        assert_string_equal(producer_bootstrap(p, 1), "a:1");
        assert_string_equal(producer_bootstrap(p, 2), "b:2");
        assert_null(producer_bootstrap(p, 0));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(properties_have_defaults_that_fit),
                cmocka_unit_test(properties_of_transactions_have_room_for_the_largest_record),
                cmocka_unit_test(properties_may_say_what_pinfeed_says),
                cmocka_unit_test(properties_that_break_a_promise_are_refused_with_the_reason),
                cmocka_unit_test(properties_of_java_clients_get_an_answer),
                cmocka_unit_test(properties_that_are_misspelt_are_named),
                cmocka_unit_test(properties_with_wrong_values_are_shown_with_what_fits),
                cmocka_unit_test(properties_that_may_hold_secrets_are_never_shown),
                cmocka_unit_test(properties_refuse_brokers_that_cannot_be_meant),
                cmocka_unit_test(properties_give_no_token_without_tls),
                cmocka_unit_test(properties_of_a_java_client_with_iam_are_one_mistake),
                cmocka_unit_test(properties_that_contradict_one_another_are_found_without_a_broker),
                cmocka_unit_test(properties_tell_whether_a_token_is_wanted),
                cmocka_unit_test(properties_name_the_brokers_by_either_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
