/* [kafka]: what is accepted, what is refused, and in which words. Nothing is connected. */
#include "unit.h"

#include "pinfeed/producer.h"

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

static void properties_with_wrong_values_say_what_fits_and_echo_nothing(void **state) {
        static const char *const wrong[][2] = {
                { "batch.size", "1 .. 2147483647" }, { "compression.codec", "zstd" }, { "enable.idempotence", "true, false" },
                { "socket.keepalive.enable", "true, false" }, { "security.protocol", "sasl_ssl" },
                { "max.in.flight", "1 .. 1000000" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                struct error e;

                assert_int_equal(check(wrong[i][0], "S3CRET", &e), -1);
                assert_int_equal(e.class, ERROR_REFUSED);
                assert_non_null(strstr(e.hint, wrong[i][1]));
                assert_null(strstr(e.what, "S3CRET"));
                assert_null(strstr(e.hint, "S3CRET"));
        }
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
                cmocka_unit_test(properties_may_say_what_pinfeed_says),
                cmocka_unit_test(properties_that_break_a_promise_are_refused_with_the_reason),
                cmocka_unit_test(properties_of_java_clients_get_an_answer),
                cmocka_unit_test(properties_that_are_misspelt_are_named),
                cmocka_unit_test(properties_with_wrong_values_say_what_fits_and_echo_nothing),
                cmocka_unit_test(properties_that_contradict_one_another_are_found_without_a_broker),
                cmocka_unit_test(properties_tell_whether_a_token_is_wanted),
                cmocka_unit_test(properties_name_the_brokers_by_either_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
