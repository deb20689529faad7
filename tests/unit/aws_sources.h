/* What the tests of all sources of credentials share: scripted answers, and what is to come of them. */
#ifndef TESTS_UNIT_AWS_SOURCES_H
#define TESTS_UNIT_AWS_SOURCES_H

#include "aws_script.h"

#include "aws/source.h"

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

static inline int look(struct script *s, const struct aws_settings *settings, struct aws_credentials *ret, struct error *e) {
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

static inline void expect_with(struct script *s, const struct aws_settings *settings, const char *id, const char *source) {
        struct aws_credentials c;
        struct error e;

        if (look(s, settings, &c, &e) < 0)
                fail_msg("%s. %s", e.what, e.hint);
        assert_string_equal(c.access_key_id, id);
        assert_string_equal(c.source, source);
        aws_credentials_wipe(&c);
}

static inline void expect(struct script *s, const char *id, const char *source) {
        const struct aws_settings settings = {};

        expect_with(s, &settings, id, source);
}

/* `words`: all of them must be in the error or its hint. */
static inline void refuse_with(struct script *s, const struct aws_settings *settings, enum error_class class,
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

static inline void answer(struct script *s, struct answer a) {
        size_t i = 0;

        while (s->answers[i].request)
                i++;
        assert_true(i < SCRIPT_ANSWERS);
        s->answers[i] = a;
}

static inline void answer_imds(struct script *s, const char *body) {
        script_set(s, "AWS_EC2_METADATA_DISABLED", "");
        answer(s, (struct answer) { "PUT " IMDS "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds: 21600", NULL,
                                    200, "T1", 0, 0 });
        answer(s, (struct answer) { "GET " ROLES, TOKEN_HEADER, NULL, 200, "role\n", 0, 0 });
        answer(s, (struct answer) { "GET " ROLES "role", TOKEN_HEADER, NULL, 200, body, 0, 0 });
}

static inline unsigned asked(const struct script *s, const char *request) {
        _cleanup_free_ char *line = mem_format("%s\n", request);
        unsigned n = 0;

        for (const char *p = s->asked; (p = strstr(p, line)); p++)
                n++;
        return n;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, script_setup, script_teardown)

#endif
