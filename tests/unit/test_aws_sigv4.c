/* AWS's published test suite for Signature Version 4: requests as they are after normalising, and the signatures that
 * they must have (date 20150830T123600Z, region us-east-1, service "service"). */
#include "unit.h"

#include "aws/sigv4.h"

#define UNRESERVED "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define LONG_TOKEN "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8" \
        "YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQc" \
        "HNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxB" \
        "A=="

static const char date[] = "20150830T123600Z";

struct vector {
        const char *name, *method, *path;
        struct sigv4_pair query[3], headers[3];         /* headers beside host and x-amz-date */
        const char *body, *signature;
};

static const struct vector vectors[] = {
        { "get-vanilla", "GET", "/", {}, {}, "",
          "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
        { "get-vanilla-empty-query-key", "GET", "/", { { "Param1", "value1" } }, {}, "",
          "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb" },
        { "get-vanilla-query-order-encoded", "GET", "/",
          { { "Param-3", "Value3" }, { "Param", "Value2" }, { "\xe1\x88\xb4", "Value1" } }, {}, "",
          "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac" },
        { "get-vanilla-query-order-key-case", "GET", "/", { { "Param2", "value2" }, { "Param1", "value1" } }, {}, "",
          "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" },
        { "get-vanilla-query-order-key", "GET", "/", { { "Param1", "value2" }, { "Param1", "Value1" } }, {}, "",
          "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1" },
        { "get-vanilla-query-order-value", "GET", "/", { { "Param1", "value2" }, { "Param1", "value1" } }, {}, "",
          "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694" },
        { "get-vanilla-query-unreserved", "GET", "/", { { UNRESERVED, UNRESERVED } }, {}, "",
          "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197" },
        { "get-vanilla-utf8-query", "GET", "/", { { "\xe1\x88\xb4", "bar" } }, {}, "",
          "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04" },
        { "get-unreserved", "GET", "/" UNRESERVED, {}, {}, "",
          "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f" },
        { "get-utf8", "GET", "/%E1%88%B4", {}, {}, "",
          "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85" },
        { "get-space", "GET", "/example%20space/", {}, {}, "",
          "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741" },
        { "get-header-key-duplicate", "GET", "/", {}, { { "my-header1", "value2,value2,value1" } }, "",
          "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea" },
        { "get-header-value-multiline", "GET", "/", {}, { { "my-header1", "value1   value2      value3" } }, "",
          "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd" },
        { "get-header-value-trim", "GET", "/", {}, { { "my-header1", "value1" }, { "my-header2", "\"a   b   c\"" } }, "",
          "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736" },
        { "get-vanilla-with-session-token", "GET", "/", {},
          { { "x-amz-security-token", "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267" } }, "",
          "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8" },
        { "post-vanilla", "POST", "/", {}, {}, "",
          "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
        { "post-vanilla-query", "POST", "/", { { "Param1", "value1" } }, {}, "",
          "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11" },
        { "post-header-value-case", "POST", "/", {}, { { "my-header1", "VALUE1" } }, "",
          "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d" },
        { "post-sts-header-before", "POST", "/", {}, { { "x-amz-security-token", LONG_TOKEN } }, "",
          "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead" },
        { "post-x-www-form-urlencoded", "POST", "/", {}, { { "content-type", "application/x-www-form-urlencoded" } },
          "Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a" },
        { "post-x-www-form-urlencoded-parameters", "POST", "/", {},
          { { "content-type", "application/x-www-form-urlencoded; charset=utf8" } }, "Param1=value1",
          "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe" },
};

static size_t count(const struct sigv4_pair pairs[static 3]) {
        size_t n = 0;

        while (n < 3 && pairs[n].name)
                n++;
        return n;
}

/* Host and date among the vector's own headers, in the order of their names. */
static size_t all_headers(const struct vector *v, struct sigv4_pair ret[static 5]) {
        size_t n = count(v->headers), used = 0, i = 0;
        const struct sigv4_pair both[] = { { "host", "example.amazonaws.com" }, { "x-amz-date", date } };

        for (size_t k = 0; k < 2; k++) {
                while (i < n && strcmp(v->headers[i].name, both[k].name) < 0)
                        ret[used++] = v->headers[i++];
                ret[used++] = both[k];
        }
        while (i < n)
                ret[used++] = v->headers[i++];
        return used;
}

static void signatures_are_those_of_the_published_suite(void **state) {
        const struct aws_credentials c = {
                .access_key_id = (char *) "AKIDEXAMPLE",
                .secret_access_key = (char *) "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        };

        (void) state;
        for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
                const struct vector *v = &vectors[i];
                struct sigv4_pair headers[5];
                const struct sigv4_request r = {
                        .method = v->method, .path = v->path, .query = v->query, .query_count = count(v->query),
                        .headers = headers, .header_count = all_headers(v, headers),
                        .body = v->body, .body_length = strlen(v->body),
                };
                _cleanup_free_ char *authorization = sigv4_authorization(&r, &c, date, "us-east-1", "service");
                struct buffer expected = {};

                buffer_printf(&expected, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                              "SignedHeaders=");
                sigv4_signed_headers(&r, &expected);
                buffer_printf(&expected, ", Signature=%s", v->signature);
                if (strcmp(authorization, buffer_string(&expected)) != 0)
                        fail_msg("%s: %s", v->name, authorization);
                buffer_free(&expected);
        }
}

static void parameters_are_sorted_by_name_even_when_one_begins_like_another(void **state) {
        const struct sigv4_pair query[] = { { "ab", "1" }, { "a", "2" }, { "a-b", "3" }, { "a", "1&=" } };
        const struct sigv4_request r = { .query = query, .query_count = 4 };
        struct buffer out = {};

        (void) state;
        sigv4_query(&r, &out);
        assert_string_equal(buffer_string(&out), "a=1%26%3D&a=2&a-b=3&ab=1");
        buffer_free(&out);
}

static void dates_are_utc_past_2038(void **state) {
        char text[SIGV4_DATE_SIZE];

        (void) state;
        setenv("TZ", "America/New_York", 1);
        sigv4_date(4102444799, text);
        unsetenv("TZ");
        assert_string_equal(text, "20991231T235959Z");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(signatures_are_those_of_the_published_suite),
                cmocka_unit_test(parameters_are_sorted_by_name_even_when_one_begins_like_another),
                cmocka_unit_test(dates_are_utc_past_2038),
        };

        return cmocka_run_group_tests_name("aws sigv4", tests, NULL, NULL);
}
