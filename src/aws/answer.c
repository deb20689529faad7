#include "aws/answer.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- time ---- */

static bool digits(const char **s, unsigned count, int *ret) {
        *ret = 0;
        for (unsigned i = 0; i < count; i++, (*s)++) {
                if (!isdigit((unsigned char) **s))
                        return false;
                *ret = *ret * 10 + (**s - '0');
        }
        return true;
}

static bool literal(const char **s, const char *one_of) {
        if (!**s || !strchr(one_of, **s))
                return false;
        (*s)++;
        return true;
}

/* "Z", "+01:00", "-0530", or nothing: seconds east of UTC. */
static bool time_zone(const char *s, int *ret_s) {
        int hours = 0, minutes = 0, sign = *s == '-' ? -1 : 1;

        *ret_s = 0;
        if (!*s || strcmp(s, "Z") == 0 || strcmp(s, "z") == 0)
                return true;
        if (!literal(&s, "+-") || !digits(&s, 2, &hours))
                return false;
        literal(&s, ":");
        if (*s && !digits(&s, 2, &minutes))
                return false;
        *ret_s = sign * (hours * 3600 + minutes * 60);
        return !*s && hours < 24 && minutes < 60;
}

bool answer_time(const char *s, int64_t *ret_s) {
        struct tm tm = {}, same;
        time_t t;
        int zone;

        if (!digits(&s, 4, &tm.tm_year) || !literal(&s, "-") || !digits(&s, 2, &tm.tm_mon) || !literal(&s, "-")
            || !digits(&s, 2, &tm.tm_mday) || !literal(&s, "Tt ") || !digits(&s, 2, &tm.tm_hour) || !literal(&s, ":")
            || !digits(&s, 2, &tm.tm_min) || !literal(&s, ":") || !digits(&s, 2, &tm.tm_sec))
                return false;
        if (literal(&s, ".,")) {
                if (!isdigit((unsigned char) *s))
                        return false;
                s += strspn(s, "0123456789");
        }
        if (!time_zone(s, &zone))
                return false;
        tm.tm_year -= 1900;
        tm.tm_mon -= 1;
        same = tm;
        t = timegm(&same);
        /* timegm makes the 31st of February a day in March. */
        if (same.tm_mon != tm.tm_mon || same.tm_mday != tm.tm_mday || same.tm_hour != tm.tm_hour
            || same.tm_min != tm.tm_min || (same.tm_sec != tm.tm_sec && tm.tm_sec != 60))
                return false;
        *ret_s = (int64_t) t - zone;
        return true;
}

/* ---- credentials ---- */

static bool consists_of(const char *s, size_t max, bool (*good)(unsigned char c)) {
        size_t n = 0;

        for (; s[n]; n++)
                if (n == max || !good((unsigned char) s[n]))
                        return false;
        return n > 0;
}

static bool good_in_id(unsigned char c) {
        return isalnum(c) || c == '-' || c == '_';
}

static bool good_in_secret(unsigned char c) {
        return c > 0x20 && c < 0x7f;
}

int answer_check(const struct aws_credentials *c, struct error *e) {
        enum { ID_MAX = 128, SECRET_MAX = 1024, TOKEN_MAX = 64 * 1024 };

        if (!consists_of(c->access_key_id, ID_MAX, good_in_id))
                error_set(e, ERROR_REFUSED, "the access key id is not one (letters and digits, at most 128)");
        else if (!consists_of(c->secret_access_key, SECRET_MAX, good_in_secret))
                error_set(e, ERROR_REFUSED, "the secret access key has characters that can't be in one, or is too long");
        else if (c->session_token && !consists_of(c->session_token, TOKEN_MAX, good_in_secret))
                error_set(e, ERROR_REFUSED, "the session token has characters that can't be in one, or is too long");
        else
                return 0;
        return error_hint(e, "Check for quotes, blanks, line breaks and comments that became part of the value.");
}

/* ---- JSON ---- */

/* jansson frees its strings as they are. */
static void wipe_json(json_t *json) {
        const char *key;
        json_t *value;

        json_object_foreach(json, key, value)
                if (json_is_string(value))
                        mem_wipe((char *) (uintptr_t) json_string_value(value), json_string_length(value));
        json_decref(json);
}

static int load_object(const char *bytes, size_t length, json_t **ret, struct error *e) {
        json_error_t at;
        json_t *json;

        if (!length)
                return error_set(e, ERROR_UNREACHABLE, "the answer is empty");
        json = json_loadb(bytes, length, 0, &at);
        if (!json)      /* jansson's own words quote the text */
                return error_set(e, ERROR_UNREACHABLE, "the answer is not JSON (line %d, column %d, of %zu bytes)",
                                 at.line, at.column, length);
        if (!json_is_object(json)) {
                wipe_json(json);
                return error_set(e, ERROR_UNREACHABLE, "the answer is JSON, but not an object");
        }
        *ret = json;
        return 0;
}

static const char *get_string(const json_t *json, const char *key) {
        const char *s = json_string_value(json_object_get(json, key));

        return s && *s ? s : NULL;
}

static int read_expiration(const json_t *json, int64_t *ret, struct error *e) {
        const json_t *value = json_object_get(json, "Expiration");

        *ret = INT64_MAX;
        if (!value || json_is_null(value))
                return 0;
        if (!json_is_string(value) || !answer_time(json_string_value(value), ret))
                return error_set(e, ERROR_UNREACHABLE, "the answer's Expiration is not a time (ISO 8601)");
        return 0;
}

static int read_credentials(const json_t *json, const char *token_key, struct aws_credentials *ret, struct error *e) {
        const char *id = get_string(json, "AccessKeyId"), *secret = get_string(json, "SecretAccessKey");
        const char *token = get_string(json, token_key);
        struct aws_credentials c = {};

        if (!id || !secret)
                return error_set(e, ERROR_UNREACHABLE, "the answer has no %s", id ? "SecretAccessKey" : "AccessKeyId");
        if (json_object_get(json, token_key) && !token && !json_is_null(json_object_get(json, token_key))
            && !json_is_string(json_object_get(json, token_key)))
                return error_set(e, ERROR_UNREACHABLE, "the answer's %s is not a string", token_key);
        if (read_expiration(json, &c.expires_s, e) < 0)
                return -1;
        c.access_key_id = mem_copy_string(id);
        c.secret_access_key = mem_copy_string(secret);
        c.session_token = token ? mem_copy_string(token) : NULL;
        if (answer_check(&c, e) < 0) {
                aws_credentials_wipe(&c);
                return -1;
        }
        *ret = c;
        return 0;
}

/* Those of a role always end and have a token: without one, every request would be refused, or never renewed. */
static int check_is_temporary(const json_t *json, struct error *e) {
        static const char *const keys[] = { "AccessKeyId", "SecretAccessKey", "Token", "Expiration" };

        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
                const json_t *value = json_object_get(json, keys[i]);

                if (!value || json_is_null(value) || (json_is_string(value) && !json_string_length(value)))
                        return error_set(e, ERROR_UNREACHABLE, "the answer has no %s", keys[i]);
        }
        return 0;
}

int answer_metadata(const char *bytes, size_t length, struct aws_credentials *ret, struct error *e) {
        const char *code;
        json_t *json;
        int result;

        if (load_object(bytes, length, &json, e) < 0)
                return -1;
        code = get_string(json, "Code");
        if (code && strcmp(code, "Success") != 0)
                result = 1;
        else
                result = check_is_temporary(json, e) < 0 ? -1 : read_credentials(json, "Token", ret, e);
        wipe_json(json);
        return result;
}

int answer_process(const char *bytes, size_t length, struct aws_credentials *ret, struct error *e) {
        json_t *json;
        int result;

        if (load_object(bytes, length, &json, e) < 0)
                return -1;
        if (json_integer_value(json_object_get(json, "Version")) != 1)
                result = error_set(e, ERROR_REFUSED, "the answer has no \"Version\": 1");
        else
                result = read_credentials(json, "SessionToken", ret, e);
        wipe_json(json);
        return result;
}

/* ---- reasons ---- */

/* {"Code", "Message"}, {"code", "message"}, or an STS error as JSON. */
static bool json_reason(const char *bytes, size_t length, struct answer_reason *ret) {
        json_error_t at;
        json_t *json = json_loadb(bytes, length, 0, &at);
        const json_t *inner = json_object_get(json, "Error");
        const char *code, *message;

        if (!json)
                return false;
        inner = json_is_object(inner) ? inner : json;
        code = get_string(inner, "Code");
        message = get_string(inner, "Message");
        code = code ? code : get_string(inner, "code");
        message = message ? message : get_string(inner, "message");
        text_flatten(code ? code : "", ret->code, sizeof ret->code);
        text_flatten(message ? message : "", ret->message, sizeof ret->message);
        wipe_json(json);
        return true;
}

void answer_reason(const char *bytes, size_t length, struct answer_reason *ret) {
        *ret = (struct answer_reason) {};
        if (!json_reason(bytes, length, ret))
                answer_xml_reason(bytes, length, ret);
}
