#include "aws/answer.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

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
        if (!json_is_string(value) || !credentials_time(json_string_value(value), ret))
                return error_set(e, ERROR_UNREACHABLE, "the answer's Expiration is not a time (ISO 8601)");
        return 0;
}

static int read_credentials(const json_t *json, const char *token_key, struct aws_credentials *ret, struct error *e) {
        const char *id = get_string(json, "AccessKeyId"), *secret = get_string(json, "SecretAccessKey");
        const char *token = get_string(json, token_key);
        int64_t expires_s;

        if (!id || !secret)
                return error_set(e, ERROR_UNREACHABLE, "the answer has no %s", id ? "SecretAccessKey" : "AccessKeyId");
        if (json_object_get(json, token_key) && !token && !json_is_null(json_object_get(json, token_key))
            && !json_is_string(json_object_get(json, token_key)))
                return error_set(e, ERROR_UNREACHABLE, "the answer's %s is not a string", token_key);
        if (read_expiration(json, &expires_s, e) < 0)
                return -1;
        return credentials_copy(id, secret, token, expires_s, ret, e);
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

enum answer answer_metadata(const char *bytes, size_t length, struct aws_credentials *ret, struct error *e) {
        const char *code;
        json_t *json;
        enum answer result;

        if (load_object(bytes, length, &json, e) < 0)
                return ANSWER_BROKEN;
        code = get_string(json, "Code");
        if (code && strcmp(code, "Success") != 0)
                result = ANSWER_REFUSES;
        else
                result = check_is_temporary(json, e) < 0 || read_credentials(json, "Token", ret, e) < 0 ? ANSWER_BROKEN
                         : ANSWER_GOOD;
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
