#include "unit.h"

#include "pinfeed/aws.h"

#include <openssl/evp.h>

static struct aws_credentials example(const char *token) {
        return (struct aws_credentials) {
                .access_key_id = (char *) "AKIDEXAMPLE",
                .secret_access_key = (char *) "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                .session_token = (char *) token,
                .expires_s = INT64_MAX,
        };
}

/* base64url without padding -> text; the caller frees it. */
static char *decode(const char *token) {
        size_t n = strlen(token);
        char *padded = mem_alloc(n + 5), *text = mem_zero(1, n + 5);
        int length;

        memcpy(padded, token, n + 1);
        for (size_t i = 0; i < n; i++)
                padded[i] = token[i] == '-' ? '+' : token[i] == '_' ? '/' : token[i];
        while (n % 4)
                padded[n++] = '=';
        length = EVP_DecodeBlock((unsigned char *) text, (unsigned char *) padded, (int) n);
        assert_true(length >= 0);
        text[strlen(token) * 3 / 4] = 0;
        free(padded);
        return text;
}

static void token_has_the_known_signature(void **state) {
        struct aws_credentials c = example(NULL);
        _cleanup_free_ char *token = NULL, *url = NULL;
        int64_t expires_ms;
        struct error e;

        (void) state;
        assert_int_equal(aws_token_sign(&c, "us-east-1", 1440938160, 900, &token, &expires_ms, &e), 0);
        assert_true(expires_ms == 1440939060000);
        assert_null(strpbrk(token, "+/="));
        url = decode(token);
        assert_string_equal(url,
                "https://kafka.us-east-1.amazonaws.com/?Action=kafka-cluster%3AConnect"
                "&X-Amz-Algorithm=AWS4-HMAC-SHA256"
                "&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fkafka-cluster%2Faws4_request"
                "&X-Amz-Date=20150830T123600Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host"
                "&X-Amz-Signature=c413a83bc64a339e31a5e5e9ed99d778ff843206b427540cafa5122c01e3e993"
                "&User-Agent=pinfeed%2F" PINFEED_VERSION);
}

static void token_carries_the_session_token_inside_the_signed_query(void **state) {
        struct aws_credentials c = example("a+b/c==");
        _cleanup_free_ char *token = NULL, *url = NULL;
        int64_t expires_ms;
        struct error e;

        (void) state;
        assert_int_equal(aws_token_sign(&c, "eu-west-1", 1440938160, 60, &token, &expires_ms, &e), 0);
        assert_true(expires_ms == 1440938220000);
        url = decode(token);
        assert_non_null(strstr(url, "&X-Amz-Expires=60&X-Amz-Security-Token=a%2Bb%2Fc%3D%3D&X-Amz-SignedHeaders=host"
                                    "&X-Amz-Signature="));
        assert_non_null(strstr(url, "https://kafka.eu-west-1.amazonaws.com/?"));
}

static void token_times_are_64_bit_milliseconds_of_utc(void **state) {
        struct aws_credentials c = example(NULL);
        _cleanup_free_ char *token = NULL, *url = NULL;
        int64_t expires_ms;
        struct error e;

        (void) state;
        setenv("TZ", "Asia/Kathmandu", 1);
        assert_int_equal(aws_token_sign(&c, "us-east-1", 4102444800, 900, &token, &expires_ms, &e), 0);
        unsetenv("TZ");
        assert_true(expires_ms == 4102445700000);
        url = decode(token);
        assert_non_null(strstr(url, "X-Amz-Date=21000101T000000Z"));
}

static void token_is_never_signed_for_no_time_or_too_long(void **state) {
        struct aws_credentials c = example(NULL);
        char *token = NULL;
        int64_t expires_ms;
        struct error e;

        (void) state;
        assert_int_equal(aws_token_sign(&c, "us-east-1", 1440938160, 0, &token, &expires_ms, &e), -1);
        assert_int_equal(aws_token_sign(&c, "us-east-1", 1440938160, 901, &token, &expires_ms, &e), -1);
        assert_null(token);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(token_has_the_known_signature),
                cmocka_unit_test(token_carries_the_session_token_inside_the_signed_query),
                cmocka_unit_test(token_times_are_64_bit_milliseconds_of_utc),
                cmocka_unit_test(token_is_never_signed_for_no_time_or_too_long),
        };

        return cmocka_run_group_tests_name("aws token", tests, NULL, NULL);
}
