#include "aws_script.h"

#include "aws/source.h"

static void brokers_names_say_the_region_by_their_suffix(void **state) {
        static const struct {
                const char *brokers, *region;
        } cases[] = {
                { "b-1.demo.abc123.c12.kafka.us-east-1.amazonaws.com:9098", "us-east-1" },
                { "b-1.demo.abc123.c12.kafka.us-east-1.amazonaws.com:9098,b-2.demo.abc123.c12.kafka.us-east-1.amazonaws.com"
                  ":9098", "us-east-1" },
                { " SASL_SSL://b-1-public.demo.abc123.c12.kafka.EU-West-1.amazonaws.com:9198 ", "eu-west-1" },
                { "boot-x.c2.kafka-serverless.ap-southeast-2.amazonaws.com:9098", "ap-southeast-2" },
                { "b-1.demo.abc.c3.kafka.cn-north-1.amazonaws.com.cn:9098", "cn-north-1" },
                { "b-1.demo.abc.c3.kafka.us-gov-west-1.amazonaws.com.:9098", "us-gov-west-1" },
                /* A cluster may be called like a region. */
                { "b-1.kafka.eu-west-1.abc.c12.kafka.us-east-1.amazonaws.com:9098", "us-east-1" },
                { "b-1.us-west-2.abc.c12.kafka.us-east-1.amazonaws.com:9098", "us-east-1" },
                { "localhost:9092,b-1.demo.abc.c12.kafka.us-east-1.amazonaws.com:9098", "us-east-1" },
                { "b-1.kafka.us-east-1.amazonaws.com.example.com:9098", NULL },
                { "kafka.us-east-1.amazonaws.com.evil:9098", NULL },
                { "b-1.kafka-us-east-1.amazonaws.com:9098", NULL },
                { "kafkaXus-east-1.amazonaws.com", NULL },
                { "b-1.mykafka.us-east-1.amazonaws.com:9098", NULL },
                { "amazonaws.com", NULL }, { ".amazonaws.com", NULL }, { "kafka..amazonaws.com", NULL },
                { "localhost:9092", NULL }, { "10.0.0.1:9092", NULL }, { "[::1]:9092", NULL }, { "", NULL }, { ",,", NULL },
        };
        struct error e;

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                _cleanup_free_ char *region = NULL;
                int result = region_of_brokers(cases[i].brokers, &region, &e);

                if (result != (cases[i].region ? 0 : 1) || (region && strcmp(region, cases[i].region) != 0))
                        fail_msg("%s: %d %s", cases[i].brokers, result, region ? region : "");
        }
}

static void brokers_of_two_regions_are_refused(void **state) {
        char *region = NULL;
        struct error e;

        (void) state;
        assert_int_equal(region_of_brokers("b.x.kafka.us-east-1.amazonaws.com,b.x.kafka.us-east-2.amazonaws.com", &region,
                                           &e), -1);
        assert_int_equal(e.class, ERROR_REFUSED);
        assert_non_null(strstr(e.what, "us-east-1"));
        assert_non_null(strstr(e.what, "us-east-2"));
}

static void expect(struct script *s, const struct aws_settings *settings, const char *region, const char *source) {
        struct world world = script_world(s);
        struct lookup l;
        struct error e;

        lookup_begin(&l, &world, settings, -1);
        if (lookup_region(&l, &e) < 0)
                fail_msg("%s", e.what);
        assert_string_equal(l.region, region);
        assert_string_equal(l.region_source, source);
        lookup_end(&l);
}

static void the_nearest_setting_counts_and_is_named(void **state) {
        struct script *s = *state;
        struct aws_settings settings = {
                .region = "eu-north-1", .bootstrap_servers = "b-1.x.c1.kafka.us-east-2.amazonaws.com:9098",
        };

        script_profiles(s, "[profile dev]\nregion = sa-east-1\n", "");
        script_set(s, "AWS_PROFILE", "dev");
        script_set(s, "AWS_DEFAULT_REGION", "us-west-1");
        expect(s, &settings, "eu-north-1", "[aws] region");
        settings.region = NULL;
        expect(s, &settings, "us-east-2", "the brokers' host names");
        settings.bootstrap_servers = "localhost:9092";
        expect(s, &settings, "eu-west-1", "AWS_REGION");
        script_set(s, "AWS_REGION", "");
        expect(s, &settings, "us-west-1", "AWS_DEFAULT_REGION");
        script_set(s, "AWS_DEFAULT_REGION", "");
        expect(s, &settings, "sa-east-1", "profile dev");
        script_profiles(s, "[profile dev]\n", "");
        script_set(s, "AWS_EC2_METADATA_DISABLED", "");
        s->answers[0] = (struct answer) { "PUT http://169.254.169.254/latest/api/token", NULL, NULL, 200, "T", 0, 0 };
        s->answers[1] = (struct answer) { "GET http://169.254.169.254/latest/meta-data/placement/region",
                                          "X-aws-ec2-metadata-token: T", NULL, 200, "ca-central-1", 0, 0 };
        expect(s, &settings, "ca-central-1", "IMDS");
}

static struct error refusal(struct script *s, const struct aws_settings *settings) {
        struct world world = script_world(s);
        struct lookup l;
        struct error e;

        lookup_begin(&l, &world, settings, -1);
        assert_int_equal(lookup_region(&l, &e), -1);
        lookup_end(&l);
        return e;
}

static void refuse(struct script *s, const struct aws_settings *settings, enum error_class class, const char *words) {
        struct error e = refusal(s, settings);

        assert_int_equal(e.class, class);
        if (!strstr(e.what, words) && !strstr(e.hint, words))
                fail_msg("\"%s\" is missing in: %s. %s", words, e.what, e.hint);
}

static void a_region_that_cannot_be_part_of_a_host_name_is_refused(void **state) {
        static const char *const bad[] = {
                "us_east_1", "us-east-1.example.com/", "us-east-1#", "US-EAST-1", "-us", "us-", "us east", "x@y",
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "us-east-1\n",
        };
        struct script *s = *state;

        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                refuse(s, &(struct aws_settings) { .region = bad[i] }, ERROR_REFUSED, "[aws] region");
                script_set(s, "AWS_REGION", bad[i]);
                refuse(s, &(struct aws_settings) {}, ERROR_REFUSED, "AWS_REGION");
        }
}

static void an_availability_zone_is_told_apart_from_its_region(void **state) {
        struct script *s = *state;

        refuse(s, &(struct aws_settings) { .region = "us-east-1a" }, ERROR_REFUSED, "us-east-1a (from [aws] region) is an "
               "availability zone");
        refuse(s, &(struct aws_settings) { .region = "us-east-1a" }, ERROR_REFUSED, "Write us-east-1.");
        script_set(s, "AWS_REGION", "us-west-2-lax-1b");
        refuse(s, &(struct aws_settings) {}, ERROR_REFUSED, "Write us-west-2.");
}

static void no_region_at_all_names_what_to_set(void **state) {
        struct script *s = *state;

        script_set(s, "AWS_REGION", "");
        refuse(s, &(struct aws_settings) {}, ERROR_REFUSED, "AWS_REGION");
        refuse(s, &(struct aws_settings) {}, ERROR_REFUSED, "[aws] region");
        assert_null(strstr(refusal(s, &(struct aws_settings) {}).hint, "AWS_ACCESS_KEY_ID"));
        script_set(s, "AWS_EC2_METADATA_DISABLED", "");
        refuse(s, &(struct aws_settings) {}, ERROR_UNREACHABLE, "AWS_REGION");
        refuse(s, &(struct aws_settings) {}, ERROR_UNREACHABLE, "hop limit");
        script_set(s, "AWS_PROFILE", "nowhere");
        refuse(s, &(struct aws_settings) {}, ERROR_REFUSED, "profile nowhere (from AWS_PROFILE)");
}

/* ---- refused tokens ---- */

static void what_is_known_of_a_refused_token_rules_causes_out(void **state) {
        static const char msk[] = "b-1.a.b.c2.kafka.eu-west-1.amazonaws.com:9098";
        static const struct {
                const char *brokers, *region;
                bool temporary;
                int64_t expires_s, unsynchronised_s;
                bool certain;
                const char *said;
        } cases[] = {
                { "10.0.0.1:9098", "eu-west-1", false, INT64_MAX, 0, false, "a wrong secret key, to a wrong region" },
                { NULL, "eu-west-1", false, INT64_MAX, 0, false, "a wrong secret key, to a wrong region" },
                { msk, "eu-west-1", false, INT64_MAX, 0, false, "a wrong secret key" },
                { msk, "eu-west-1", true, 2000000000, 0, false, "a wrong secret key" },
                { msk, "eu-west-1", true, INT64_MAX, 0, false,
                  "a wrong secret key, to temporary credentials that have expired (when these do, nobody has told)" },
                { msk, "eu-west-1", false, INT64_MAX, 1000000000, false, "a wrong secret key, to a clock that is 5 minutes off "
                  "(this one says 2001-09-09T01:46:40Z, and nothing synchronises it)" },
                { msk, "us-east-1", true, INT64_MAX, 1000000000, true, "The token is signed for region us-east-1 (from [aws] "
                  "region), but the brokers' names say eu-west-1: set [aws] region = eu-west-1, or leave it out" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct aws_status status = {
                        .region_source = "[aws] region", .credentials_expire_s = cases[i].expires_s,
                        .temporary = cases[i].temporary,
                };
                char said[384];

                strcpy(status.region, cases[i].region);
                assert_int_equal(aws_suspect(&status, cases[i].brokers, cases[i].unsynchronised_s, said, sizeof said),
                                 cases[i].certain);
                assert_string_equal(said, cases[i].said);
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, script_setup, script_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(brokers_names_say_the_region_by_their_suffix),
                TEST(brokers_of_two_regions_are_refused),
                TEST(the_nearest_setting_counts_and_is_named),
                TEST(a_region_that_cannot_be_part_of_a_host_name_is_refused),
                TEST(an_availability_zone_is_told_apart_from_its_region),
                TEST(no_region_at_all_names_what_to_set),
                cmocka_unit_test(what_is_known_of_a_refused_token_rules_causes_out),
        };

        return cmocka_run_group_tests_name("aws region", tests, NULL, NULL);
}
