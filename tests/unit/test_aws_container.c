/* The endpoint of a container's credentials. */
#include "aws_sources.h"

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

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(plain_http_is_for_known_hosts_only),
                TEST(container_tokens_come_from_variable_or_file_read_anew),
                TEST(a_relative_uri_goes_before_a_full_one),
                TEST(container_refusals_are_passed_on),
                TEST(messages_name_the_host_of_a_container_not_its_path),
        };

        return cmocka_run_group_tests_name("aws container", tests, NULL, NULL);
}
