/* Instance metadata: the role of an EC2 instance. */
#include "aws_sources.h"

static void imds_asks_for_a_new_session_token_on_401(void **state) {
        struct script *s = *state;

        script_set(s, "AWS_EC2_METADATA_DISABLED", "");
        answer(s, (struct answer) { "PUT " IMDS "/latest/api/token", NULL, NULL, 200, "T0", 0, 1 });
        answer(s, (struct answer) { "GET " ROLES, "X-aws-ec2-metadata-token: T0", NULL, 401, "", 0, 0 });
        answer_imds(s, JSON("IMDS", LATER));
        expect(s, "IMDS", "IMDS (role role)");
        assert_int_equal(asked(s, "PUT " IMDS "/latest/api/token"), 2);
}

static void imds_401_for_ever_ends(void **state) {
        struct script *s = *state;

        script_set(s, "AWS_EC2_METADATA_DISABLED", "");
        answer(s, (struct answer) { "PUT " IMDS "/latest/api/token", NULL, NULL, 200, "T0", 0, 0 });
        answer(s, (struct answer) { "GET " ROLES, NULL, NULL, 401, "", 0, 0 });
        REFUSE(s, ERROR_REFUSED, "IMDS", "401");
        assert_int_equal(asked(s, "GET " ROLES), 2);
}

static void imds_is_asked_once_more_on_5xx(void **state) {
        struct script *s = *state;

        answer(s, (struct answer) { "PUT " IMDS "/latest/api/token", NULL, NULL, 503, "", 0, 1 });
        answer(s, (struct answer) { "GET " ROLES, NULL, NULL, 500, "", 0, 1 });
        answer(s, (struct answer) { "GET " ROLES "role", NULL, NULL, 0, "", 0, 1 });
        answer_imds(s, JSON("IMDS", LATER));
        expect(s, "IMDS", "IMDS (role role)");
}

static void imds_faults_name_imds(void **state) {
        struct script *s = *state;

        answer_imds(s, "{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"EC2 cannot assume the role\"}");
        REFUSE(s, ERROR_REFUSED, "IMDS", "role", "AssumeRoleUnauthorizedAccess", "EC2 cannot assume the role",
               "trust policy");
        s->answers[2].body = "{\"Code\":\"Failed\"}";
        REFUSE(s, ERROR_UNREACHABLE, "IMDS", "Failed");
        s->answers[2].body = "{\"SecretAccessKey\":\"S3CR3T";
        REFUSE(s, ERROR_UNREACHABLE, "IMDS", "not JSON", "AWS_PROFILE");
        s->answers[2].body = "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S3CR3T\",\"Token\":\"S3CR3T\"}";
        REFUSE(s, ERROR_UNREACHABLE, "IMDS", "the answer has no Expiration");
        s->answers[1].status = 404;
        REFUSE(s, ERROR_REFUSED, "no IAM role", "IMDS", "instance profile", "AWS_PROFILE");
        s->answers[1] = (struct answer) { "GET " ROLES, NULL, NULL, 200, "<html>\n", 0, 0 };
        REFUSE(s, ERROR_UNREACHABLE, "IMDS");
        s->answers[0].status = 403;
        REFUSE(s, ERROR_REFUSED, "IMDS", "403", "hop limit", "AWS_EC2_METADATA_DISABLED");
        s->answers[0] = (struct answer) { "PUT " IMDS "/latest/api/token", NULL, NULL, 200, "a b\r\nS3CR3T", 0, 0 };
        REFUSE(s, ERROR_UNREACHABLE, "IMDS");
}

static void imds_role_that_changes_in_between_is_asked_for_again(void **state) {
        struct script *s = *state;

        answer(s, (struct answer) { "GET " ROLES, NULL, NULL, 200, "old", 0, 1 });
        answer(s, (struct answer) { "GET " ROLES "old", NULL, NULL, 404, "", 0, 0 });
        answer_imds(s, JSON("IMDS", LATER));
        expect(s, "IMDS", "IMDS (role role)");
}

static void imds_credentials_that_expired_are_asked_for_again_never_used(void **state) {
        struct script *s = *state;

        answer(s, (struct answer) { "GET " ROLES "role", NULL, NULL, 200, JSON("OLD", "2026-11-20T11:59:00Z"), 0, 1 });
        answer_imds(s, JSON("IMDS", LATER));
        expect(s, "IMDS", "IMDS (role role)");
        s->now_s += 7200;
        REFUSE(s, ERROR_UNREACHABLE, "IMDS", "expired at " LATER);
        s->answers[1].date_s = s->now_s - 7200;
        REFUSE(s, ERROR_UNREACHABLE, "IMDS", "expired at " LATER, "120 min 0 s ahead of AWS's");
}

static void imds_addresses_are_those_of_settings_and_family(void **state) {
        struct script *s = *state;

        script_set(s, "AWS_EC2_METADATA_DISABLED", "");
        script_profiles(s, "[default]\nec2_metadata_service_endpoint_mode = IPv6\n", "");
        REFUSE(s, ERROR_UNREACHABLE, "http://[fd00:ec2::254]");
        script_set(s, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipv4");
        REFUSE(s, ERROR_UNREACHABLE, IMDS);
        script_set(s, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "ipx");
        REFUSE(s, ERROR_REFUSED, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
        script_profiles(s, "[default]\nec2_metadata_service_endpoint = http://profile:1/\n", "");
        REFUSE(s, ERROR_UNREACHABLE, "IMDS at http://profile:1)");
        script_set(s, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://variable:1");
        REFUSE(s, ERROR_UNREACHABLE, "IMDS at http://variable:1)");
        script_set(s, "AWS_EC2_METADATA_SERVICE_ENDPOINT", "variable");
        REFUSE(s, ERROR_REFUSED, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(imds_asks_for_a_new_session_token_on_401),
                TEST(imds_401_for_ever_ends),
                TEST(imds_is_asked_once_more_on_5xx),
                TEST(imds_faults_name_imds),
                TEST(imds_role_that_changes_in_between_is_asked_for_again),
                TEST(imds_credentials_that_expired_are_asked_for_again_never_used),
                TEST(imds_addresses_are_those_of_settings_and_family),
        };

        return cmocka_run_group_tests_name("aws imds", tests, NULL, NULL);
}
