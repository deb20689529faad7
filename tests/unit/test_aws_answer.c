#include "unit.h"

#include "aws/answer.h"

#define STS(inner) "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>" inner \
        "</AssumeRoleResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleResponse>"
#define KEYS "<AccessKeyId>ASIAX</AccessKeyId><SecretAccessKey>s/e+c=</SecretAccessKey><SessionToken>t&amp;k</SessionToken>"
#define END "<Expiration>2026-11-20T12:15:00Z</Expiration>"

static void times_are_read_with_zone_and_fraction(void **state) {
        static const struct {
                const char *text;
                int64_t epoch_s;
        } good[] = {
                { "2026-11-20T12:15:00Z", 1795176900 },
                { "2026-11-20T12:15:00.123456Z", 1795176900 },
                { "2026-11-20T12:15:00", 1795176900 },
                { "2026-11-20T13:15:00+01:00", 1795176900 },
                { "2026-11-20T06:45:00-0530", 1795176900 },
                { "2100-01-01T00:00:00Z", 4102444800 },
                { "2024-02-29T00:00:00+00:00", 1709164800 },
        };
        static const char *const bad[] = {
                "", "2026-11-20", "2026-11-20T12:15Z", "2026-13-01T00:00:00Z", "2023-02-29T00:00:00Z",
                "2026-11-20T24:00:00Z", "2026-11-20T12:60:00Z", "2026-11-20T12:15:00.Z", "2026-11-20T12:15:00Zx",
                "2026-11-20T12:15:00+1", "1795176900", "26-11-20T12:15:00Z", "2026-11-20T12:15:00+25:00",
        };
        int64_t got;

        (void) state;
        setenv("TZ", "Pacific/Auckland", 1);
        for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
                if (!credentials_time(good[i].text, &got) || got != good[i].epoch_s)
                        fail_msg("%s", good[i].text);
        }
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                if (credentials_time(bad[i], &got))
                        fail_msg("%s", bad[i]);
        unsetenv("TZ");
}

static void metadata_credentials_are_read(void **state) {
        static const char text[] = "{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"ASIAX\","
                "\"SecretAccessKey\":\"secret\",\"Token\":\"token\",\"Expiration\":\"2026-11-20T12:15:00Z\"}";
        struct aws_credentials c = {};
        struct error e;

        (void) state;
        assert_int_equal(answer_metadata(text, strlen(text), &c, &e), 0);
        assert_string_equal(c.access_key_id, "ASIAX");
        assert_string_equal(c.secret_access_key, "secret");
        assert_string_equal(c.session_token, "token");
        assert_true(c.expires_s == 1795176900);
        aws_credentials_wipe(&c);
}

static void a_metadata_code_other_than_success_is_a_refusal(void **state) {
        static const char text[] = "{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"EC2 cannot\\nassume it\"}";
        struct aws_credentials c = {};
        struct answer_reason why;
        struct error e;

        (void) state;
        assert_int_equal(answer_metadata(text, strlen(text), &c, &e), 1);
        answer_reason(text, strlen(text), &why);
        assert_string_equal(why.code, "AssumeRoleUnauthorizedAccess");
        assert_string_equal(why.message, "EC2 cannot assume it");
        assert_null(c.access_key_id);
}

#define TOKEN ",\"Token\":\"t\""
#define ENDS ",\"Expiration\":\"2026-11-20T12:15:00Z\"}"

static void answers_that_cannot_be_used_are_described_not_echoed(void **state) {
        static const char *const texts[] = {
                "", "SECRET", "{\"SecretAccessKey\":\"SECRET", "[\"SECRET\"]", "{}", "\"SECRET\"",
                "{\"AccessKeyId\":\"SECRET\"}", "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":7" TOKEN ENDS,
                "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"SECRET\",\"Token\":\"t\",\"Expiration\":\"SECRET\"}",
                "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"SECRET\",\"Token\":\"t\",\"Expiration\":12}",
                "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"SECRET\",\"Token\":[\"SECRET\"]" ENDS,
                "{\"AccessKeyId\":\"A SECRET\",\"SecretAccessKey\":\"SECRET\"" TOKEN ENDS,
                "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"SECRET\\n\"" TOKEN ENDS,
                "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"SECRET\",\"Token\":\"SECRET SECRET\"" ENDS,
                "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"SECRET\"" TOKEN ENDS " SECRET",
        };

        (void) state;
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                struct aws_credentials c = {};
                struct error e = {};

                if (answer_metadata(texts[i], strlen(texts[i]), &c, &e) != -1 || strstr(e.what, "SECRET")
                    || strstr(e.hint, "SECRET") || !*e.what)
                        fail_msg("%s: %s", texts[i], e.what);
                assert_null(c.access_key_id);
        }
}

static void process_output_needs_version_1_and_may_lack_an_end(void **state) {
        static const char good[] = "{\"Version\":1,\"AccessKeyId\":\"AKIAX\",\"SecretAccessKey\":\"s\"}\n";
        static const char *const bad[] = {
                "{\"AccessKeyId\":\"AKIAX\",\"SecretAccessKey\":\"s\"}",
                "{\"Version\":2,\"AccessKeyId\":\"AKIAX\",\"SecretAccessKey\":\"s\"}",
                "{\"Version\":\"1\",\"AccessKeyId\":\"AKIAX\",\"SecretAccessKey\":\"s\"}",
        };
        struct aws_credentials c = {};
        struct error e;

        (void) state;
        assert_int_equal(answer_process(good, strlen(good), &c, &e), 0);
        assert_true(c.expires_s == INT64_MAX);
        assert_null(c.session_token);
        aws_credentials_wipe(&c);
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
                assert_int_equal(answer_process(bad[i], strlen(bad[i]), &c, &e), -1);
}

static void sts_credentials_are_read(void **state) {
        static const char text[] = "<?xml version=\"1.0\"?>\n" STS("<AssumedRoleUser><Arn>x</Arn></AssumedRoleUser>"
                "<Credentials>" KEYS END "</Credentials><PackedPolicySize>6</PackedPolicySize>");
        struct aws_credentials c = {};
        struct error e;

        (void) state;
        assert_int_equal(answer_sts("AssumeRole", text, strlen(text), &c, &e), 0);
        assert_string_equal(c.access_key_id, "ASIAX");
        assert_string_equal(c.secret_access_key, "s/e+c=");
        assert_string_equal(c.session_token, "t&k");
        assert_true(c.expires_s == 1795176900);
        aws_credentials_wipe(&c);
        assert_int_equal(answer_sts("AssumeRoleWithWebIdentity", text, strlen(text), &c, &e), -1);
}

static void sts_answers_that_cannot_be_used_are_described_not_echoed(void **state) {
        static const char *const texts[] = {
                "", "SECRET", "<html>SECRET</html>", STS("<Credentials>" KEYS "</Credentials>"),
                STS("<Credentials>" KEYS "<Expiration>SECRET</Expiration></Credentials>"),
                STS("<Credentials>" KEYS KEYS END "</Credentials>"),
                STS("<Other>" KEYS END "</Other>"),
                "<!DOCTYPE a [<!ENTITY x \"SECRET\">]><AssumeRoleResponse><AssumeRoleResult>&x;</AssumeRoleResult>"
                "</AssumeRoleResponse>",
                "<!DOCTYPE AssumeRoleResponse>" STS("<Credentials>" KEYS END "</Credentials>"),
                "<AssumeRoleResponse><AssumeRoleResult>&SECRET;</AssumeRoleResult></AssumeRoleResponse>",
                "<a><a><a><a><a><a><a><a><a><a>SECRET</a></a></a></a></a></a></a></a></a></a>",
                "<AssumeRoleResponse><AssumeRoleResult><SECRET>",
        };

        (void) state;
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                struct aws_credentials c = {};
                struct error e = {};

                if (answer_sts("AssumeRole", texts[i], strlen(texts[i]), &c, &e) != -1 || strstr(e.what, "SECRET"))
                        fail_msg("%s: %s", texts[i], e.what);
                assert_null(c.access_key_id);
        }
}

static void an_endless_xml_value_is_refused(void **state) {
        struct buffer b = {};
        struct aws_credentials c = {};
        struct error e;

        (void) state;
        buffer_append_string(&b, "<AssumeRoleResponse><AssumeRoleResult><Credentials><SessionToken>");
        for (int i = 0; i < 10000; i++)
                buffer_append_string(&b, "0123456789");
        buffer_append_string(&b, "</SessionToken></Credentials></AssumeRoleResult></AssumeRoleResponse>");
        assert_int_equal(answer_sts("AssumeRole", b.data, b.length, &c, &e), -1);
        assert_non_null(strstr(e.what, "too long"));
        buffer_free(&b);
}

static void reasons_come_from_xml_and_json_alike(void **state) {
        static const struct {
                const char *text, *code, *message;
        } cases[] = {
                { "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no &lt;way&gt;"
                  "</Message></Error><RequestId>r</RequestId></ErrorResponse>", "AccessDenied", "no <way>" },
                { "{\"code\":\"NotFound\",\"message\":\"no task\"}", "NotFound", "no task" },
                { "{\"Error\":{\"Code\":\"ExpiredToken\",\"Message\":\"late\"}}", "ExpiredToken", "late" },
                { "<html>busy</html>", "", "" },
                { "", "", "" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct answer_reason why;

                answer_reason(cases[i].text, strlen(cases[i].text), &why);
                assert_string_equal(why.code, cases[i].code);
                assert_string_equal(why.message, cases[i].message);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(times_are_read_with_zone_and_fraction),
                cmocka_unit_test(metadata_credentials_are_read),
                cmocka_unit_test(a_metadata_code_other_than_success_is_a_refusal),
                cmocka_unit_test(answers_that_cannot_be_used_are_described_not_echoed),
                cmocka_unit_test(process_output_needs_version_1_and_may_lack_an_end),
                cmocka_unit_test(sts_credentials_are_read),
                cmocka_unit_test(sts_answers_that_cannot_be_used_are_described_not_echoed),
                cmocka_unit_test(an_endless_xml_value_is_refused),
                cmocka_unit_test(reasons_come_from_xml_and_json_alike),
        };

        return cmocka_run_group_tests_name("aws answer", tests, NULL, NULL);
}
