/* Roles: in a profile, on top of what was found, by web identity; and what STS answers. */
#include "aws_sources.h"

/* ---- roles ---- */

static void a_role_is_assumed_with_its_source_profile(void **state) {
        struct script *s = *state;

        script_profiles(s, "[profile dev]\nrole_arn = " ARN "\nsource_profile = base\nexternal_id = x/1\n"
                           "duration_seconds = 1800\nrole_session_name = me@home\n", "[base]\n" KEYS("BASE"));
        script_set(s, "AWS_PROFILE", "dev");
        answer(s, (struct answer) { STS_URL, NULL, NULL, 200, STS_ANSWER("AssumeRole", "ROLE"), 0, 0 });
        expect(s, "ROLE", "profile dev (role " ARN ")");
        assert_string_equal(s->last_body, "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012"
                            "%3Arole%2Ffeeder&RoleSessionName=me%40home&ExternalId=x%2F1&DurationSeconds=1800");
        assert_non_null(strstr(s->last_headers, "Authorization: AWS4-HMAC-SHA256 Credential=BASE/20261120/eu-west-1/sts/"
                                                "aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature="));
        assert_non_null(strstr(s->last_headers, "Host: sts.eu-west-1.amazonaws.com\n"));
        assert_null(strstr(s->last_headers, "S3CR3T"));
}

static void roles_hop_over_several_profiles(void **state) {
        struct script *s = *state;

        script_profiles(s, "[profile a]\nrole_arn = " ARN "/a\nsource_profile = b\n"
                           "[profile b]\nrole_arn = " ARN "/b\nsource_profile = c\n"
                           "[profile c]\nrole_arn = " ARN "/c\nsource_profile = d\n" KEYS("C"), "");
        answer(s, (struct answer) { STS_URL, NULL, "feeder%2Fa&", 200, STS_ANSWER("AssumeRole", "A"), 0, 0 });
        answer(s, (struct answer) { STS_URL, NULL, "feeder%2Fb&", 200, STS_ANSWER("AssumeRole", "B"), 0, 0 });
        expect_with(s, &(struct aws_settings) { .profile = "a" }, "A", "profile a (role " ARN "/a)");
        assert_non_null(strstr(s->last_headers, "Credential=B/"));
        assert_non_null(strstr(s->last_headers, "X-Amz-Security-Token: t2"));
        /* The keys of c count before its role: two roles were assumed, not three. */
        assert_int_equal(asked(s, STS_URL), 2);
}

static void a_profile_may_be_its_own_source_but_loops_are_refused(void **state) {
        struct script *s = *state;

        script_profiles(s, "[profile self]\nrole_arn = " ARN "\nsource_profile = self\n" KEYS("SELF")
                           "[profile alone]\nrole_arn = " ARN "\nsource_profile = alone\n"
                           "[profile x]\nrole_arn = " ARN "\nsource_profile = y\n"
                           "[profile y]\nrole_arn = " ARN "\nsource_profile = z\n"
                           "[profile z]\nrole_arn = " ARN "\nsource_profile = x\n", "");
        answer(s, (struct answer) { STS_URL, NULL, NULL, 200, STS_ANSWER("AssumeRole", "ROLE"), 0, 0 });
        expect_with(s, &(struct aws_settings) { .profile = "self" }, "ROLE", "profile self (role " ARN ")");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "alone" }, ERROR_REFUSED, "profile alone", "loop");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "x" }, ERROR_REFUSED, "profile z", "source_profile = x", "loop");
}

static void broken_role_profiles_say_what_is_missing(void **state) {
        struct script *s = *state;

        script_profiles(s, "[profile a]\nrole_arn = " ARN "\n"
                           "[profile b]\nrole_arn = " ARN "\nsource_profile = c\ncredential_source = Environment\n"
                           "[profile c]\nrole_arn = " ARN "\nsource_profile = nowhere\n"
                           "[profile d]\nrole_arn = " ARN "\nsource_profile = empty\n[profile empty]\nregion = x\n"
                           "[profile e]\nrole_arn = " ARN "\ncredential_source = Elsewhere\n"
                           "[profile f]\nrole_arn = " ARN "\ncredential_source = Environment\n"
                           "[profile g]\nrole_arn = " ARN "\ncredential_source = EcsContainer\n"
                           "[profile h]\nweb_identity_token_file = /x\n"
                           "[profile i]\nrole_arn = feeder\nsource_profile = keys\n[profile keys]\n" KEYS("K")
                           "[profile j]\nrole_arn = " ARN "\nsource_profile = keys\nduration_seconds = 1h\n"
                           "[profile k]\nrole_arn = " ARN "\nsource_profile = keys\nrole_session_name = two words\n", "");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "a" }, ERROR_REFUSED, "profile a", "neither source_profile nor");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "b" }, ERROR_REFUSED, "profile b", "both source_profile and");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "c" }, ERROR_REFUSED, "profile c", "nowhere");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "d" }, ERROR_REFUSED, "profile d", "empty", "no credentials");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "e" }, ERROR_REFUSED, "profile e", "credential_source");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "f" }, ERROR_REFUSED, "profile f", "AWS_ACCESS_KEY_ID");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "g" }, ERROR_REFUSED, "profile g",
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "h" }, ERROR_REFUSED, "profile h", "role_arn");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "i" }, ERROR_REFUSED, "profile i", "ARN");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "j" }, ERROR_REFUSED, "profile j", "duration_seconds");
        REFUSE_WITH(s, &(struct aws_settings) { .profile = "k" }, ERROR_REFUSED, "profile k", "role_session_name");
}

static void credential_source_names_where_the_base_comes_from(void **state) {
        struct script *s = *state;

        script_profiles(s, "[profile env]\nrole_arn = " ARN "\ncredential_source = Environment\n"
                           "[profile ec2]\nrole_arn = " ARN "\ncredential_source = Ec2InstanceMetadata\n"
                           "[profile ecs]\nrole_arn = " ARN "\ncredential_source = EcsContainer\n", "");
        answer_imds(s, JSON("IMDS", LATER));
        answer(s, (struct answer) { STS_URL, NULL, NULL, 200, STS_ANSWER("AssumeRole", "ROLE"), 0, 0 });
        answer(s, (struct answer) { "GET http://169.254.170.2/c", NULL, NULL, 200, JSON("CONTAINER", LATER), 0, 0 });
        script_set(s, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c");
        script_set(s, "AWS_ACCESS_KEY_ID", "ENV");
        script_set(s, "AWS_SECRET_ACCESS_KEY", "S3CR3T");
        expect_with(s, &(struct aws_settings) { .profile = "env" }, "ROLE", "profile env (role " ARN ")");
        assert_non_null(strstr(s->last_headers, "Credential=ENV/"));
        expect_with(s, &(struct aws_settings) { .profile = "ec2" }, "ROLE", "profile ec2 (role " ARN ")");
        assert_non_null(strstr(s->last_headers, "Credential=IMDS/"));
        expect_with(s, &(struct aws_settings) { .profile = "ecs" }, "ROLE", "profile ecs (role " ARN ")");
        assert_non_null(strstr(s->last_headers, "Credential=CONTAINER/"));
}

static void a_role_setting_comes_on_top_of_whatever_was_found(void **state) {
        struct script *s = *state;
        const struct aws_settings settings = { .role_arn = ARN, .external_id = "ours" };

        answer_imds(s, JSON("IMDS", LATER));
        answer(s, (struct answer) { STS_URL, NULL, "ExternalId=ours", 200, STS_ANSWER("AssumeRole", "ROLE"), 0, 0 });
        expect_with(s, &settings, "ROLE", "[aws] role_arn (role " ARN ")");
        assert_non_null(strstr(s->last_headers, "Credential=IMDS/"));
        assert_non_null(strstr(s->last_body, "&RoleSessionName=pinfeed&"));
}

static void session_names_are_static_and_the_nearest_setting_counts(void **state) {
        struct script *s = *state;
        const struct aws_settings role = { .role_arn = ARN, .profile = "base" };
        const struct aws_settings named = { .role_arn = ARN, .profile = "base", .session_name = "mine" };
        const struct aws_settings own = { .profile = "dev", .session_name = "mine" };

        script_profiles(s, "[profile dev]\nrole_arn = " ARN "\nsource_profile = base\nrole_session_name = profiles\n",
                        "[base]\n" KEYS("BASE"));
        answer(s, (struct answer) { STS_URL, NULL, NULL, 200, STS_ANSWER("AssumeRole", "ROLE"), 0, 0 });
        expect_with(s, &role, "ROLE", "[aws] role_arn (role " ARN ")");
        assert_non_null(strstr(s->last_body, "&RoleSessionName=pinfeed"));
        s->now_s += 3000;
        expect_with(s, &role, "ROLE", "[aws] role_arn (role " ARN ")");
        assert_non_null(strstr(s->last_body, "&RoleSessionName=pinfeed"));
        script_set(s, "AWS_ROLE_SESSION_NAME", "environments");
        expect_with(s, &role, "ROLE", "[aws] role_arn (role " ARN ")");
        assert_non_null(strstr(s->last_body, "&RoleSessionName=environments"));
        expect_with(s, &named, "ROLE", "[aws] role_arn (role " ARN ")");
        assert_non_null(strstr(s->last_body, "&RoleSessionName=mine"));
        expect_with(s, &(struct aws_settings) { .profile = "dev" }, "ROLE", "profile dev (role " ARN ")");
        assert_non_null(strstr(s->last_body, "&RoleSessionName=profiles"));
        expect_with(s, &own, "ROLE", "profile dev (role " ARN ")");
        assert_non_null(strstr(s->last_body, "&RoleSessionName=mine"));
}

static void sts_refusals_are_passed_on_in_its_own_words(void **state) {
        static const struct {
                int status;
                const char *body;
                enum error_class class;
                const char *words, *hint;
        } cases[] = {
                { 403, STS_ERROR("AccessDenied", "User: u is not authorized"), ERROR_REFUSED,
                  "AccessDenied: User: u is not authorized", "trust policy" },
                { 403, STS_ERROR("InvalidClientTokenId", "invalid"), ERROR_REFUSED, "InvalidClientTokenId", "access key" },
                { 403, STS_ERROR("SignatureDoesNotMatch", "no"), ERROR_REFUSED, "SignatureDoesNotMatch", "clock" },
                { 400, STS_ERROR("Throttling", "Rate exceeded"), ERROR_UNREACHABLE, "Throttling: Rate exceeded", "again" },
                { 503, "<html>S3CR3T</html>", ERROR_UNREACHABLE, "503", "again" },
                { 302, "S3CR3T", ERROR_REFUSED, "302", "AWS_ENDPOINT_URL_STS" },
                { 200, "S3CR3T", ERROR_UNREACHABLE, "not the XML that was expected", "AWS_ENDPOINT_URL_STS" },
        };
        const struct aws_settings settings = { .role_arn = ARN, .profile = "base" };
        struct script *s = *state;

        script_profiles(s, "", "[base]\n" KEYS("BASE"));
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                s->answers[0] = (struct answer) { STS_URL, NULL, NULL, cases[i].status, cases[i].body, 0, 0 };
                s->asked[0] = 0;
                REFUSE_WITH(s, &settings, cases[i].class, "STS", ARN, "[aws] role_arn", cases[i].words, cases[i].hint);
                /* Once more on a 5xx, never on a refusal. */
                assert_int_equal(asked(s, STS_URL), cases[i].status >= 500 ? 2 : 1);
        }
}

static void a_clock_that_is_off_is_said_with_how_much(void **state) {
        const struct aws_settings settings = { .role_arn = ARN, .profile = "base" };
        struct script *s = *state;

        script_profiles(s, "", "[base]\n" KEYS("BASE"));
        s->answers[0] = (struct answer) { STS_URL, NULL, NULL, 403, STS_ERROR("SignatureDoesNotMatch", "Signature expired"),
                                          s->now_s + 425, 0 };
        REFUSE_WITH(s, &settings, ERROR_UNREACHABLE, "7 min 5 s behind AWS's", "chrony");
        s->answers[0].date_s = s->now_s - 3600;
        REFUSE_WITH(s, &settings, ERROR_UNREACHABLE, "60 min 0 s ahead of AWS's", "chrony");
}

static void expired_base_credentials_are_not_used_for_a_role(void **state) {
        struct script *s = *state;
        const struct aws_settings settings = { .role_arn = ARN };

        script_set(s, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/c");
        answer(s, (struct answer) { "GET http://169.254.170.2/c", NULL, NULL, 200, JSON("OLD", "2026-11-20T11:00:00Z"), 0,
                                    0 });
        REFUSE_WITH(s, &settings, ERROR_UNREACHABLE, "container", "expired at 2026-11-20T11:00:00Z");
        assert_int_equal(asked(s, STS_URL), 0);
}

/* ---- STS's address ---- */

static void expect_sts(struct script *s, const char *region, const char *url) {
        const struct aws_settings settings = { .region = region, .role_arn = ARN, .profile = "base" };
        _cleanup_free_ char *request = mem_format("POST %s", url);

        s->answers[0] = (struct answer) { request, NULL, NULL, 200, STS_ANSWER("AssumeRole", "ROLE"), 0, 0 };
        expect_with(s, &settings, "ROLE", "[aws] role_arn (role " ARN ")");
}

static void sts_is_asked_in_the_region_itself_with_its_partitions_suffix(void **state) {
        struct script *s = *state;

        script_profiles(s, "", "[base]\n" KEYS("BASE"));
        expect_sts(s, "ap-southeast-2", "https://sts.ap-southeast-2.amazonaws.com");
        expect_sts(s, "us-east-1", "https://sts.us-east-1.amazonaws.com");
        expect_sts(s, "cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn");
        expect_sts(s, "us-gov-west-1", "https://sts.us-gov-west-1.amazonaws.com");
        expect_sts(s, "us-iso-east-1", "https://sts.us-iso-east-1.c2s.ic.gov");
        expect_sts(s, "us-isob-east-1", "https://sts.us-isob-east-1.sc2s.sgov.gov");
}

static void the_environment_may_name_another_address_of_sts(void **state) {
        struct script *s = *state;

        script_profiles(s, "", "[base]\n" KEYS("BASE"));
        script_set(s, "AWS_ENDPOINT_URL", "https://all");
        expect_sts(s, "us-east-1", "https://all");
        script_set(s, "AWS_ENDPOINT_URL_STS", "http://127.0.0.1:8080/x");
        expect_sts(s, "us-east-1", "http://127.0.0.1:8080/x");
}

static void a_wrong_sts_override_is_named(void **state) {
        struct script *s = *state;
        const struct aws_settings settings = { .role_arn = ARN, .profile = "base" };

        script_profiles(s, "", "[base]\n" KEYS("BASE"));
        script_set(s, "AWS_ENDPOINT_URL_STS", "localhost:4566");
        REFUSE_WITH(s, &settings, ERROR_REFUSED, "AWS_ENDPOINT_URL_STS", "URL");
        script_set(s, "AWS_ENDPOINT_URL_STS", "http://user:S3CR3T@localhost");
        REFUSE_WITH(s, &settings, ERROR_REFUSED, "AWS_ENDPOINT_URL_STS", "URL");
}

static void nothing_secret_goes_to_sts_over_plain_http_beyond_this_machine(void **state) {
        static const char *const urls[] = { "http://sts:8080", "http://10.0.0.1", "http://127.0.0.1.example", "http://[::2]" };
        struct script *s = *state;
        const struct aws_settings by_keys = { .role_arn = ARN, .profile = "base" }, by_token = { .profile = "web" };
        _cleanup_free_ char *config = mem_format("[profile web]\nrole_arn = " ARN "\nweb_identity_token_file = %s\n",
                                                 script_file(s, "token", "S3CR3T"));

        script_profiles(s, config, "[base]\n" KEYS("BASE"));
        for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
                script_set(s, "AWS_ENDPOINT_URL_STS", urls[i]);
                REFUSE_WITH(s, &by_keys, ERROR_REFUSED, "AWS_ENDPOINT_URL_STS", "plain http", "https");
                REFUSE_WITH(s, &by_token, ERROR_REFUSED, "AWS_ENDPOINT_URL_STS", "plain http", "https");
        }
        assert_string_equal(s->asked, "");
}

static void a_private_certificate_store_is_used_for_sts(void **state) {
        struct script *s = *state;
        const struct aws_settings settings = { .role_arn = ARN, .profile = "base" };

        script_profiles(s, "[profile base]\nca_bundle = /p.pem\n", "[base]\n" KEYS("BASE"));
        answer(s, (struct answer) { STS_URL, NULL, NULL, 200, STS_ANSWER("AssumeRole", "ROLE"), 0, 0 });
        expect_with(s, &settings, "ROLE", "[aws] role_arn (role " ARN ")");
        assert_string_equal(s->last_ca, "/p.pem");
        script_set(s, "AWS_CA_BUNDLE", "/e.pem");
        expect_with(s, &settings, "ROLE", "[aws] role_arn (role " ARN ")");
        assert_string_equal(s->last_ca, "/e.pem");
}

/* ---- web identity ---- */

static void web_identity_is_not_signed_and_its_file_is_read_anew(void **state) {
        struct script *s = *state;

        script_set(s, "AWS_WEB_IDENTITY_TOKEN_FILE", script_file(s, "token", "one.two\n"));
        script_set(s, "AWS_ROLE_ARN", ARN);
        script_set(s, "AWS_ROLE_SESSION_NAME", "pod");
        answer(s, (struct answer) { STS_URL, NULL, NULL, 200, STS_ANSWER("AssumeRoleWithWebIdentity", "WEB"), 0, 0 });
        expect(s, "WEB", "AWS_WEB_IDENTITY_TOKEN_FILE (role " ARN ")");
        assert_non_null(strstr(s->last_body, "&RoleSessionName=pod&WebIdentityToken=one.two"));
        assert_null(strstr(s->last_headers, "Authorization"));
        script_file(s, "token", "three");
        expect(s, "WEB", "AWS_WEB_IDENTITY_TOKEN_FILE (role " ARN ")");
        assert_non_null(strstr(s->last_body, "&WebIdentityToken=three"));
        script_file(s, "token", "\n");
        REFUSE(s, ERROR_REFUSED, "AWS_WEB_IDENTITY_TOKEN_FILE", "empty");
}

static void web_identity_of_a_profile_goes_before_its_source_profile(void **state) {
        struct script *s = *state;
        _cleanup_free_ char *config = mem_format("[profile web]\nrole_arn = " ARN "\nsource_profile = base\n"
                                                 "web_identity_token_file = %s\n[profile top]\nrole_arn = " ARN "/top\n"
                                                 "source_profile = web\n", script_file(s, "token", "jwt"));

        script_profiles(s, config, "");
        answer(s, (struct answer) { STS_URL, NULL, "AssumeRoleWithWebIdentity", 200,
                                    STS_ANSWER("AssumeRoleWithWebIdentity", "WEB"), 0, 0 });
        answer(s, (struct answer) { STS_URL, NULL, "Action=AssumeRole&", 200, STS_ANSWER("AssumeRole", "TOP"), 0, 0 });
        expect_with(s, &(struct aws_settings) { .profile = "web" }, "WEB", "profile web (role " ARN ")");
        expect_with(s, &(struct aws_settings) { .profile = "top" }, "TOP", "profile top (role " ARN "/top)");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_role_is_assumed_with_its_source_profile),
                TEST(roles_hop_over_several_profiles),
                TEST(a_profile_may_be_its_own_source_but_loops_are_refused),
                TEST(broken_role_profiles_say_what_is_missing),
                TEST(credential_source_names_where_the_base_comes_from),
                TEST(a_role_setting_comes_on_top_of_whatever_was_found),
                TEST(session_names_are_static_and_the_nearest_setting_counts),
                TEST(sts_refusals_are_passed_on_in_its_own_words),
                TEST(a_clock_that_is_off_is_said_with_how_much),
                TEST(expired_base_credentials_are_not_used_for_a_role),
                TEST(sts_is_asked_in_the_region_itself_with_its_partitions_suffix),
                TEST(the_environment_may_name_another_address_of_sts),
                TEST(a_wrong_sts_override_is_named),
                TEST(nothing_secret_goes_to_sts_over_plain_http_beyond_this_machine),
                TEST(a_private_certificate_store_is_used_for_sts),
                TEST(web_identity_is_not_signed_and_its_file_is_read_anew),
                TEST(web_identity_of_a_profile_goes_before_its_source_profile),
        };

        return cmocka_run_group_tests_name("aws role", tests, NULL, NULL);
}
