/* Which identity is found, from where, and what is said when none is. */
#include "aws_script.h"

#include "aws/source.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>

#define IMDS "http://169.254.169.254"
#define ROLES IMDS "/latest/meta-data/iam/security-credentials/"
#define TOKEN_HEADER "X-aws-ec2-metadata-token: T1"
#define STS_URL "POST https://sts.eu-west-1.amazonaws.com"
#define ARN "arn:aws:iam::123456789012:role/feeder"
#define JSON(id, end) "{\"Code\":\"Success\",\"AccessKeyId\":\"" id "\",\"SecretAccessKey\":\"s\",\"Token\":\"t\"," \
        "\"Expiration\":\"" end "\"}"
#define LATER "2026-11-20T13:00:00Z"
#define STS_ANSWER(action, id) "<" action "Response xmlns=\"x\"><" action "Result><Credentials><AccessKeyId>" id \
        "</AccessKeyId><SecretAccessKey>s2</SecretAccessKey><SessionToken>t2</SessionToken><Expiration>" LATER \
        "</Expiration></Credentials></" action "Result></" action "Response>"
#define STS_ERROR(code, message) "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>" code "</Code><Message>" \
        message "</Message></Error></ErrorResponse>"
#define KEYS(id) "aws_access_key_id=" id "\naws_secret_access_key=S3CR3T\n"

/* ---- asking ---- */

static int look(struct script *s, const struct aws_settings *settings, struct aws_credentials *ret, struct error *e) {
        struct world world = script_world(s);
        struct lookup l;
        int result;

        *e = (struct error) {};
        *ret = (struct aws_credentials) {};
        lookup_begin(&l, &world, settings, -1);
        result = lookup_identity(&l, ret, e);
        lookup_end(&l);
        assert_true(result == 0 || result == -1);
        return result;
}

static void expect_with(struct script *s, const struct aws_settings *settings, const char *id, const char *source) {
        struct aws_credentials c;
        struct error e;

        if (look(s, settings, &c, &e) < 0)
                fail_msg("%s. %s", e.what, e.hint);
        assert_string_equal(c.access_key_id, id);
        assert_string_equal(c.source, source);
        aws_credentials_wipe(&c);
}

static void expect(struct script *s, const char *id, const char *source) {
        const struct aws_settings settings = {};

        expect_with(s, &settings, id, source);
}

/* `words`: all of them must be in the error or its hint. */
static void refuse_with(struct script *s, const struct aws_settings *settings, enum error_class class,
                        const char *const words[]) {
        struct aws_credentials c;
        struct error e;

        assert_int_equal(look(s, settings, &c, &e), -1);
        if (e.class != class)
                fail_msg("class %d: %s", e.class, e.what);
        for (; *words; words++)
                if (!strstr(e.what, *words) && !strstr(e.hint, *words))
                        fail_msg("\"%s\" is missing in: %s. %s", *words, e.what, e.hint);
        if (strstr(e.what, "S3CR3T") || strstr(e.hint, "S3CR3T"))
                fail_msg("a secret is in: %s. %s", e.what, e.hint);
        assert_true(*e.hint != 0);
}

#define REFUSE(s, class, ...) refuse_with((s), &(struct aws_settings) {}, (class), (const char *const[]) { __VA_ARGS__, NULL })
#define REFUSE_WITH(s, settings, class, ...) \
        refuse_with((s), (settings), (class), (const char *const[]) { __VA_ARGS__, NULL })

static void answer(struct script *s, struct answer a) {
        size_t i = 0;

        while (s->answers[i].request)
                i++;
        assert_true(i < SCRIPT_ANSWERS);
        s->answers[i] = a;
}

static void answer_imds(struct script *s, const char *body) {
        script_set(s, "AWS_EC2_METADATA_DISABLED", "");
        answer(s, (struct answer) { "PUT " IMDS "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 21600", NULL,
                                    200, "T1", 0, 0 });
        answer(s, (struct answer) { "GET " ROLES, TOKEN_HEADER, NULL, 200, "role\n", 0, 0 });
        answer(s, (struct answer) { "GET " ROLES "role", TOKEN_HEADER, NULL, 200, body, 0, 0 });
}

static unsigned asked(const struct script *s, const char *request) {
        _cleanup_free_ char *line = mem_format("%s\n", request);
        unsigned n = 0;

        for (const char *p = s->asked; (p = strstr(p, line)); p++)
                n++;
        return n;
}

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

/* ---- containers ---- */

static void plain_http_is_for_known_hosts_only(void **state) {
        static const char *const good[] = {
                "http://localhost/c", "http://127.0.0.1:80/c", "http://127.9.9.9/c", "http://[::1]:1/c",
                "http://169.254.170.2/c", "http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/c",
                "https://example.com/c", "http://LOCALHOST/c",
        };
        static const char *const bad[] = {
                "http://example.com/c", "http://169.254.170.3/c", "http://localhost.example.com/c", "http://[::2]/c",
                "http://128.0.0.1/c", "http://169.254.169.254/c",
        };
        static const char *const no_urls[] = { "ftp://localhost/c", "localhost/c", "/c", "http://a:S3CR3T@localhost/c",
                                               "http://" };
        struct script *s = *state;

        for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
                _cleanup_free_ char *request = mem_format("GET %s", good[i]);

                script_set(s, "AWS_CONTAINER_CREDENTIALS_FULL_URI", good[i]);
                s->answers[0] = (struct answer) { request, NULL, NULL, 200, JSON("C", LATER), 0, 0 };
                expect(s, "C", "container (AWS_CONTAINER_CREDENTIALS_FULL_URI)");
        }
        s->asked[0] = 0;
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                script_set(s, "AWS_CONTAINER_CREDENTIALS_FULL_URI", bad[i]);
                REFUSE(s, ERROR_REFUSED, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "plain http");
        }
        for (size_t i = 0; i < sizeof no_urls / sizeof *no_urls; i++) {
                script_set(s, "AWS_CONTAINER_CREDENTIALS_FULL_URI", no_urls[i]);
                REFUSE(s, ERROR_REFUSED, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "URL");
        }
        assert_string_equal(s->asked, "");
}

static void container_tokens_come_from_variable_or_file_read_anew(void **state) {
        struct script *s = *state;

        script_set(s, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost/c");
        answer(s, (struct answer) { "GET http://localhost/c", NULL, NULL, 200, JSON("C", LATER), 0, 0 });
        expect(s, "C", "container (AWS_CONTAINER_CREDENTIALS_FULL_URI)");
        assert_null(strstr(s->last_headers, "Authorization"));
        script_set(s, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc");
        expect(s, "C", "container (AWS_CONTAINER_CREDENTIALS_FULL_URI)");
        assert_non_null(strstr(s->last_headers, "Authorization: Basic abc\n"));
        script_set(s, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", script_file(s, "token", "first\n"));
        expect(s, "C", "container (AWS_CONTAINER_CREDENTIALS_FULL_URI)");
        assert_non_null(strstr(s->last_headers, "Authorization: first\n"));
        script_file(s, "token", "second");
        expect(s, "C", "container (AWS_CONTAINER_CREDENTIALS_FULL_URI)");
        assert_non_null(strstr(s->last_headers, "Authorization: second\n"));
        script_file(s, "token", "Basic abc\n");
        expect(s, "C", "container (AWS_CONTAINER_CREDENTIALS_FULL_URI)");
        assert_non_null(strstr(s->last_headers, "Authorization: Basic abc\n"));
        script_file(s, "token", "a\r\nX: S3CR3T");
        REFUSE(s, ERROR_REFUSED, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        script_set(s, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "");
        script_set(s, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "a\r\nX: S3CR3T");
        REFUSE(s, ERROR_REFUSED, "AWS_CONTAINER_AUTHORIZATION_TOKEN", "line break");
}

static void a_relative_uri_goes_before_a_full_one(void **state) {
        struct script *s = *state;

        script_set(s, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost/c");
        script_set(s, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x?y=1");
        answer(s, (struct answer) { "GET http://169.254.170.2/v2/x?y=1", NULL, NULL, 200, JSON("R", LATER), 0, 0 });
        expect(s, "R", "container (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI)");
        script_set(s, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@evil/x");
        REFUSE(s, ERROR_REFUSED, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
}

static void container_refusals_are_passed_on(void **state) {
        struct script *s = *state;

        script_set(s, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost/c");
        s->answers[0] = (struct answer) { "GET http://localhost/c", NULL, NULL, 401,
                                          "{\"code\":\"AccessDenied\",\"message\":\"bad token\"}", 0, 0 };
        REFUSE(s, ERROR_REFUSED, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "401", "AccessDenied", "bad token",
               "AWS_CONTAINER_AUTHORIZATION_TOKEN");
        assert_int_equal(asked(s, "GET http://localhost/c"), 1);
        s->answers[0] = (struct answer) { "GET http://localhost/c", NULL, NULL, 500, "S3CR3T", 0, 1 };
        s->answers[1] = (struct answer) { "GET http://localhost/c", NULL, NULL, 200, JSON("C", LATER), 0, 0 };
        s->used[0] = 0;
        expect(s, "C", "container (AWS_CONTAINER_CREDENTIALS_FULL_URI)");
        s->answers[0] = (struct answer) { "GET http://localhost/c", NULL, NULL, 200, "S3CR3T", 0, 0 };
        REFUSE(s, ERROR_UNREACHABLE, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "not JSON");
        s->answers[0].body = "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S3CR3T\",\"Token\":\"S3CR3T\"}";
        REFUSE(s, ERROR_UNREACHABLE, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "the answer has no Expiration");
        s->answers[0].body = "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S3CR3T\",\"Expiration\":\"" LATER "\"}";
        REFUSE(s, ERROR_UNREACHABLE, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "the answer has no Token");
}

static void messages_name_the_host_of_a_container_not_its_path(void **state) {
        static const struct answer answers[] = {
                { "GET http://[::1]:80/S3CR3T?S3CR3T", NULL, NULL, 0, NULL, 0, 0 },
                { "GET http://[::1]:80/S3CR3T?S3CR3T", NULL, NULL, 404, "", 0, 0 },
                { "GET http://[::1]:80/S3CR3T?S3CR3T", NULL, NULL, 200, "", 0, 0 },
        };
        struct script *s = *state;

        script_set(s, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://[::1]:80/S3CR3T?S3CR3T");
        for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
                s->answers[0] = answers[i];
                REFUSE(s, i == 1 ? ERROR_REFUSED : ERROR_UNREACHABLE, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://[::1]");
        }
}

/* ---- IMDS ---- */

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

/* ---- credential_process ---- */

#define OUTPUT "{\\\"Version\\\":1,\\\"AccessKeyId\\\":\\\"PROC\\\",\\\"SecretAccessKey\\\":\\\"$S\\\"}"

static void a_command_runs_through_the_shell_and_goes_on_over_lines(void **state) {
        struct script *s = *state;

        script_profiles(s, "[default]\ncredential_process = S=abc;\n   printf '%s\\n' \"" OUTPUT "\" | cat # comment\n", "");
        expect(s, "PROC", "credential_process of profile default");
}

static void a_command_has_no_terminal_and_no_file_of_ours(void **state) {
        struct script *s = *state;
        int fd = dup(1);

        script_profiles(s, "[default]\ncredential_process = [ \"$(ls /proc/self/fd | wc -l)\" -le 4 ] && [ -z \"$(cat)\" ] "
                           "&& S=x && echo \"" OUTPUT "\"\n", "");
        assert_true(fd >= 3);
        expect(s, "PROC", "credential_process of profile default");
        close(fd);
}

static void a_command_inherits_our_environment_without_its_secrets(void **state) {
        static const char *const secrets[] = {
                "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        };
        struct script *s = *state;

        for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
                assert_int_equal(setenv(secrets[i], "INHERITED", 1), 0);
        assert_int_equal(setenv("AWS_REGION", "passed-on", 1), 0);
        script_profiles(s, "[default]\ncredential_process = ! env | grep -q INHERITED && [ $AWS_REGION = passed-on ] && S=x "
                           "&& echo \"" OUTPUT "\"\n", "");
        expect(s, "PROC", "credential_process of profile default");
        for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
                unsetenv(secrets[i]);
        unsetenv("AWS_REGION");
}

static void a_command_that_fails_is_named_with_its_last_words(void **state) {
        struct script *s = *state;

        script_profiles(s, "[default]\ncredential_process = echo S3CR3T; echo one >&2; printf 'token "
                           "\\033[1mlapsed\\n' >&2; exit 4\n", "");
        REFUSE(s, ERROR_UNREACHABLE, "credential_process of profile default", "exit status 4", "token [1mlapsed");
}

static void a_command_cannot_carry_secrets_into_a_message(void **state) {
        static const char *const commands[] = {
                "echo '{\"SecretAccessKey\": \"S3CR3T\"}'", "echo '{\"sessionToken\": \"S3CR3T\"}'",
                "echo ACCESSKEYID=S3CR3T", "echo + AWS_SECRET_ACCESS_KEY=S3CR3T", "printf 'sessionToken:\\nS3CR3T\\n'",
                /* The name lies before what is kept of it. */
                "printf 'SessionToken: %09999dS3CR3T' 0", "printf 'SessionToken: %05000dS3CR3T' 0; printf '%05000dS3CR3T' 0",
        };
        struct script *s = *state;

        for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
                _cleanup_free_ char *config = mem_format("[default]\ncredential_process = (%s) >&2; exit 4\n", commands[i]);

                script_profiles(s, config, "");
                REFUSE(s, ERROR_UNREACHABLE, "credential_process of profile default", "exit status 4)");
        }
}

static void commands_that_cannot_do_better_are_refused(void **state) {
        struct script *s = *state;

        script_profiles(s, "[default]\ncredential_process = /nonexistent/helper --x\n", "");
        REFUSE(s, ERROR_REFUSED, "credential_process of profile default", "exit status 127", "not found");
        script_profiles(s, "[default]\ncredential_process = echo S3CR3T\n", "");
        REFUSE(s, ERROR_REFUSED, "credential_process of profile default", "not JSON", "Version");
        script_profiles(s, "[default]\ncredential_process = true\n", "");
        REFUSE(s, ERROR_REFUSED, "credential_process of profile default", "empty");
        script_profiles(s, "[default]\ncredential_process = kill -9 $$\n", "");
        REFUSE(s, ERROR_UNREACHABLE, "credential_process of profile default", "signal 9");
        script_profiles(s, "[default]\ncredential_process = yes S3CR3T\n", "");
        REFUSE(s, ERROR_REFUSED, "credential_process of profile default", "more than");
}

static void a_child_that_a_command_leaves_behind_is_not_waited_for(void **state) {
        struct script *s = *state;
        time_t before = time(NULL);

        script_profiles(s, "[default]\ncredential_process = sleep 20 & S=x; echo \"" OUTPUT "\"; echo $! >&2\n", "");
        expect(s, "PROC", "credential_process of profile default");
        assert_true(time(NULL) - before < 10);
}

static void a_command_that_floods_stderr_does_no_harm(void **state) {
        struct script *s = *state;

        script_profiles(s, "[default]\ncredential_process = head -c 1000000 /dev/zero >&2; echo last >&2; exit 1\n", "");
        REFUSE(s, ERROR_UNREACHABLE, "credential_process of profile default", "exit status 1");
}

static bool is_zombie(int pid) {
        _cleanup_free_ char *path = mem_format("/proc/%d/stat", pid);
        FILE *f = fopen(path, "r");
        char state = 'Z';

        if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
                state = 'Z';
        if (f)
                fclose(f);
        return state == 'Z';
}

/* Runs "sleep 30" and a child of its own, with a deadline and a descriptor to cancel by; how it was refused. */
static void cut_off(struct script *s, uint64_t deadline_us, int cancel_fd, const char *words) {
        struct world world = script_world(s);
        _cleanup_free_ char *line = mem_format("sleep 30 & echo $! $$ >%s; wait", script_file(s, "token", ""));
        const uint64_t began_us = clock_monotonic_us();
        const struct aws_settings settings = {};
        struct aws_credentials c;
        int pids[2] = {};
        struct lookup l;
        struct error e;
        FILE *f;

        lookup_begin(&l, &world, &settings, cancel_fd);
        l.deadline_us = deadline_us;
        assert_int_equal(source_process(&l, line, "the command", &c, &e), -1);
        lookup_end(&l);
        assert_true(clock_monotonic_us() - began_us < 5000000);
        assert_int_equal(e.class, ERROR_UNREACHABLE);
        assert_non_null(strstr(e.what, words));
        line[strlen(line) - strlen("; wait")] = 0;
        f = fopen(strchr(line, '>') + 1, "r");
        assert_non_null(f);
        if (fscanf(f, "%d %d", &pids[0], &pids[1]) == 2) {
                assert_int_equal(kill(pids[1], 0), -1);
                /* The child may still have to be collected by whoever collects orphans. */
                for (int i = 0; i < 500 && kill(pids[0], 0) == 0; i++)
                        if (usleep(10000) < 0 || is_zombie(pids[0]))
                                break;
                assert_true(kill(pids[0], 0) < 0 || is_zombie(pids[0]));
        }
        fclose(f);
}

static void a_command_ends_with_its_children_at_the_deadline_or_when_cancelled(void **state) {
        uint64_t one = 1;
        int fd = eventfd(0, 0);

        cut_off(*state, clock_monotonic_us() + 400000, fd, "did not end in time");
        assert_int_equal(write(fd, &one, sizeof one), sizeof one);
        cut_off(*state, clock_monotonic_us() + 20000000, fd, "stopped");
        close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, script_setup, script_teardown)

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
                TEST(plain_http_is_for_known_hosts_only),
                TEST(container_tokens_come_from_variable_or_file_read_anew),
                TEST(a_relative_uri_goes_before_a_full_one),
                TEST(container_refusals_are_passed_on),
                TEST(messages_name_the_host_of_a_container_not_its_path),
                TEST(imds_asks_for_a_new_session_token_on_401),
                TEST(imds_401_for_ever_ends),
                TEST(imds_is_asked_once_more_on_5xx),
                TEST(imds_faults_name_imds),
                TEST(imds_role_that_changes_in_between_is_asked_for_again),
                TEST(imds_credentials_that_expired_are_asked_for_again_never_used),
                TEST(imds_addresses_are_those_of_settings_and_family),
                TEST(a_command_runs_through_the_shell_and_goes_on_over_lines),
                TEST(a_command_has_no_terminal_and_no_file_of_ours),
                TEST(a_command_inherits_our_environment_without_its_secrets),
                TEST(a_command_that_fails_is_named_with_its_last_words),
                TEST(a_command_cannot_carry_secrets_into_a_message),
                TEST(commands_that_cannot_do_better_are_refused),
                TEST(a_child_that_a_command_leaves_behind_is_not_waited_for),
                TEST(a_command_that_floods_stderr_does_no_harm),
                TEST(a_command_ends_with_its_children_at_the_deadline_or_when_cancelled),
        };

        return cmocka_run_group_tests_name("aws chain", tests, NULL, NULL);
}
