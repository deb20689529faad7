/* Which identity is found, in which order, and what is said when none is. */
#include "aws_sources.h"

/* ---- order ---- */

static void sources_are_asked_in_the_sdks_order(void **state) {
        struct script *s = *state;

        answer_imds(s, JSON("IMDS", LATER));
        expect(s, "IMDS", "IMDS (role role)");
        script_set(s, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c");
        answer(s, (struct answer) { "GET http://169.254.170.2/c", NULL, NULL, 200, JSON("CONTAINER", LATER), 0, 0 });
        expect(s, "CONTAINER", "container (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI)");
        script_set(s, "AWS_WEB_IDENTITY_TOKEN_FILE", script_file(s, "token", "jwt\n"));
        script_set(s, "AWS_ROLE_ARN", ARN);
        answer(s, (struct answer) { STS_URL, NULL, "Action=AssumeRoleWithWebIdentity&", 200,
                                    STS_ANSWER("AssumeRoleWithWebIdentity", "WEB"), 0, 0 });
        expect(s, "WEB", "AWS_WEB_IDENTITY_TOKEN_FILE (role " ARN ")");
        script_profiles(s, "", "[default]\n" KEYS("DEFAULT") "[dev]\n" KEYS("DEV"));
        expect(s, "DEFAULT", "profile default");
        script_set(s, "AWS_PROFILE", "dev");
        expect(s, "DEV", "profile dev");
        script_set(s, "AWS_ACCESS_KEY_ID", "ENV");
        script_set(s, "AWS_SECRET_ACCESS_KEY", "S3CR3T");
        expect(s, "ENV", "environment (AWS_ACCESS_KEY_ID)");
        expect_with(s, &(struct aws_settings) { .profile = "dev" }, "DEV", "profile dev");
        expect_with(s, &(struct aws_settings) { .profile = "default" }, "DEFAULT", "profile default");
}

static void a_profile_without_credentials_leaves_them_to_the_next_source(void **state) {
        struct script *s = *state;

        answer_imds(s, JSON("IMDS", LATER));
        script_profiles(s, "[profile dev]\nregion = us-east-2\n", "");
        script_set(s, "AWS_PROFILE", "dev");
        expect(s, "IMDS", "IMDS (role role)");
}

static void a_broken_source_never_falls_through(void **state) {
        struct script *s = *state;

        answer_imds(s, JSON("IMDS", LATER));
        script_set(s, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/c");
        REFUSE(s, ERROR_UNREACHABLE, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9 ");
        script_set(s, "AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/jwt");
        REFUSE(s, ERROR_REFUSED, "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN");
        script_set(s, "AWS_ROLE_ARN", ARN);
        REFUSE(s, ERROR_REFUSED, "AWS_WEB_IDENTITY_TOKEN_FILE", "/nonexistent/jwt", "No such file");
        script_profiles(s, "[default]\ncredential_process = exit 3\n", "");
        REFUSE(s, ERROR_UNREACHABLE, "credential_process", "profile default", "exit status 3");
        script_profiles(s, "", "[default]\naws_access_key_id = X\n");
        REFUSE(s, ERROR_REFUSED, "profile default", "no aws_secret_access_key");
        script_set(s, "AWS_PROFILE", "other");
        REFUSE(s, ERROR_REFUSED, "profile other", "AWS_PROFILE", "neither the config nor the credentials file");
        script_set(s, "AWS_SECRET_ACCESS_KEY", "S3CR3T");
        REFUSE(s, ERROR_REFUSED, "AWS_SECRET_ACCESS_KEY is set, but AWS_ACCESS_KEY_ID is not");
        assert_int_equal(asked(s, "GET " ROLES), 0);
}

static void a_missing_region_does_not_hide_a_broken_identity(void **state) {
        struct script *s = *state;

        script_set(s, "AWS_REGION", "");
        script_set(s, "AWS_EC2_METADATA_DISABLED", "");
        script_profiles(s, "[profile sso]\nsso_account_id = 1\nsso_role_name = x\n[profile web]\nrole_arn = " ARN "\n"
                           "web_identity_token_file = /nonexistent/jwt\n", "[half]\naws_access_key_id = X\n");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "sso" }, ERROR_REFUSED, "profile sso", "SSO");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "half" }, ERROR_REFUSED, "profile half", "no aws_secret_access_key");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "web" }, ERROR_REFUSED, "profile web", "/nonexistent/jwt");
        script_set(s, "AWS_PROFILE", "nope");
        REFUSE(s, ERROR_REFUSED, "profile nope", "AWS_PROFILE");
        script_set(s, "AWS_PROFILE", "");
        script_set(s, "AWS_ACCESS_KEY_ID", "ENV");
        REFUSE(s, ERROR_REFUSED, "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not");
        assert_string_equal(s->asked, "");
}

static void a_region_from_imds_is_asked_for_before_sts(void **state) {
        struct script *s = *state;

        script_set(s, "AWS_REGION", "");
        script_profiles(s, "", "[base]\n" KEYS("BASE"));
        answer_imds(s, "");
        answer(s, (struct answer) { "GET " IMDS "/latest/meta-data/placement/region", NULL, NULL, 200, "eu-west-1", 0, 0 });
        answer(s, (struct answer) { STS_URL, NULL, NULL, 200, STS_ANSWER("AssumeRole", "ROLE"), 0, 0 });
        expect_with(s, &(struct aws_settings) { .role_arn = ARN, .profile = "base" }, "ROLE", "[aws] role_arn (role " ARN ")");
        expect_with(s, &(struct aws_settings) { .profile = "base" }, "BASE", "profile base");
        s->answers[3].status = 404;
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "base" }, ERROR_REFUSED, "region", "IMDS", "AWS_REGION");
}

static void blank_variables_count_as_unset(void **state) {
        struct script *s = *state;

        script_set(s, "AWS_ACCESS_KEY_ID", "");
        script_set(s, "AWS_SECRET_ACCESS_KEY", "  ");
        script_set(s, "AWS_CONTAINER_CREDENTIALS_FULL_URI", " ");
        script_set(s, "AWS_PROFILE", "");
        script_profiles(s, "", "[default]\n" KEYS("DEFAULT"));
        expect(s, "DEFAULT", "profile default");
}

static void no_credentials_at_all_says_where_they_were_sought(void **state) {
        struct script *s = *state;

        REFUSE(s, ERROR_REFUSED, "environment", "profile default", "IMDS", "AWS_EC2_METADATA_DISABLED", "AWS_PROFILE");
        script_set(s, "AWS_EC2_METADATA_DISABLED", "");
        REFUSE(s, ERROR_UNREACHABLE, "IMDS at http://169.254.169.254", "no answer", "hop limit", "AWS_EC2_METADATA_DISABLED",
               "AWS_PROFILE");
}

/* ---- environment and static profiles ---- */

static void environment_keys_may_have_a_session_token(void **state) {
        struct script *s = *state;
        struct aws_credentials c;
        struct error e;

        script_set(s, "AWS_ACCESS_KEY_ID", "ENV");
        script_set(s, "AWS_SECRET_ACCESS_KEY", "S3CR3T");
        script_set(s, "AWS_SESSION_TOKEN", "tok/en==");
        assert_int_equal(look(s, &(struct aws_settings) {}, &c, &e), 0);
        assert_string_equal(c.session_token, "tok/en==");
        assert_true(c.expires_s == INT64_MAX);
        aws_credentials_wipe(&c);
        script_set(s, "AWS_SECRET_ACCESS_KEY", "\"S3CR3T\" # quoted");
        REFUSE(s, ERROR_REFUSED, "environment", "AWS_ACCESS_KEY_ID", "quotes");
}

static void environment_keys_end_when_the_environment_says(void **state) {
        struct script *s = *state;
        struct aws_credentials c;
        struct error e;

        script_set(s, "AWS_ACCESS_KEY_ID", "ENV");
        script_set(s, "AWS_SECRET_ACCESS_KEY", "S3CR3T");
        script_set(s, "AWS_CREDENTIAL_EXPIRATION", "2026-11-20T12:01:00+00:00");
        assert_int_equal(look(s, &(struct aws_settings) {}, &c, &e), 0);
        assert_true(c.expires_s == s->now_s + 60);
        aws_credentials_wipe(&c);
        s->now_s += 60;
        REFUSE(s, ERROR_REFUSED, "AWS_CREDENTIAL_EXPIRATION", "expired at 2026-11-20T12:01:00Z", "to new ones");
        script_set(s, "AWS_CREDENTIAL_EXPIRATION", "tomorrow");
        REFUSE(s, ERROR_REFUSED, "AWS_CREDENTIAL_EXPIRATION", "not a time");
}

static void a_temporary_key_without_its_token_is_refused_at_once(void **state) {
        const struct aws_settings of_command = { .profile = "command" };
        struct script *s = *state;

        script_profiles(s, "[profile command]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"ASIAX\","
                           "\"SecretAccessKey\":\"S3CR3T\"}'\n", "[default]\n" KEYS("ASIAX"));
        REFUSE(s, ERROR_REFUSED, "profile default", "ASIA", "aws_session_token");
        REFUSE_WITH(s, &of_command, ERROR_REFUSED, "profile command", "ASIA", "SessionToken");
        script_set(s, "AWS_ACCESS_KEY_ID", "ASIAX");
        script_set(s, "AWS_SECRET_ACCESS_KEY", "S3CR3T");
        REFUSE(s, ERROR_REFUSED, "environment", "ASIA", "AWS_SESSION_TOKEN");
        script_set(s, "AWS_SESSION_TOKEN", "T");
        expect(s, "ASIAX", "environment (AWS_ACCESS_KEY_ID)");
}

static void keys_from_two_files_are_not_mixed(void **state) {
        struct script *s = *state;
        struct aws_credentials c;
        struct error e;

        script_profiles(s, "[default]\naws_access_key_id=A\naws_secret_access_key=b\naws_session_token=old\n",
                        "[default]\naws_access_key_id=C\naws_secret_access_key=d\n");
        assert_int_equal(look(s, &(struct aws_settings) {}, &c, &e), 0);
        assert_string_equal(c.access_key_id, "C");
        assert_string_equal(c.secret_access_key, "d");
        assert_null(c.session_token);
        aws_credentials_wipe(&c);
}

static void files_are_found_in_the_home_directory(void **state) {
        struct script *s = *state;

        script_file(s, "credentials", "[default]\n" KEYS("HOME"));
        script_set(s, "HOME", s->directory);
        script_set(s, "AWS_SHARED_CREDENTIALS_FILE", "~/credentials");
        expect(s, "HOME", "profile default");
}

static void a_malformed_file_is_named_and_not_echoed(void **state) {
        struct script *s = *state;

        script_profiles(s, "[default]\nregion=x\n", "[default]\nS3CR3T\n");
        REFUSE(s, ERROR_REFUSED, "/credentials, line 2");
}

static void what_is_not_supported_is_named(void **state) {
        struct script *s = *state;

        script_profiles(s, "[profile a]\nsso_session = x\nsso_account_id = 1\n[profile b]\nsso_start_url = x\n"
                           "[profile c]\nrole_arn = " ARN "\nsource_profile = a\n[profile d]\nlogin_session = x\n"
                           "[profile e]\nrole_arn = " ARN "\nsource_profile = d\nmfa_serial = m\n", "");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "a" }, ERROR_REFUSED, "profile a", "SSO");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "b" }, ERROR_REFUSED, "profile b", "SSO");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "c" }, ERROR_REFUSED, "profile c", "profile a", "SSO");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "d" }, ERROR_REFUSED, "profile d", "login_session");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "e" }, ERROR_REFUSED, "profile e", "MFA");
}

static void half_of_sso_beside_another_source_does_not_count(void **state) {
        struct script *s = *state;

        script_profiles(s, "[default]\nsso_session = x\n[profile start]\nsso_start_url = x\n"
                           "[profile whole]\nsso_account_id = 1\nsso_role_name = x\n",
                        "[default]\n" KEYS("DEFAULT") "[start]\n" KEYS("START") "[whole]\n" KEYS("WHOLE"));
        expect(s, "DEFAULT", "profile default");
        expect_with(s, &(struct aws_settings) { .profile = "start" }, "START", "profile start");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "whole" }, ERROR_REFUSED, "profile whole", "SSO");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(sources_are_asked_in_the_sdks_order),
                TEST(a_profile_without_credentials_leaves_them_to_the_next_source),
                TEST(a_broken_source_never_falls_through),
                TEST(a_missing_region_does_not_hide_a_broken_identity),
                TEST(a_region_from_imds_is_asked_for_before_sts),
                TEST(blank_variables_count_as_unset),
                TEST(no_credentials_at_all_says_where_they_were_sought),
                TEST(environment_keys_may_have_a_session_token),
                TEST(environment_keys_end_when_the_environment_says),
                TEST(a_temporary_key_without_its_token_is_refused_at_once),
                TEST(keys_from_two_files_are_not_mixed),
                TEST(files_are_found_in_the_home_directory),
                TEST(a_malformed_file_is_named_and_not_echoed),
                TEST(what_is_not_supported_is_named),
                TEST(half_of_sso_beside_another_source_does_not_count),
        };

        return cmocka_run_group_tests_name("aws chain", tests, NULL, NULL);
}
