/* What credentials from any source have in common. */
#include "aws/credentials.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

void aws_credentials_wipe(struct aws_credentials *c) {
        mem_free_secret(c->access_key_id);
        mem_free_secret(c->secret_access_key);
        mem_free_secret(c->session_token);
        free(c->source);
        *c = (struct aws_credentials) {};
}

/* ---- when they end ---- */

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

bool credentials_time(const char *s, int64_t *ret_s) {
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

/* ---- what they look like ---- */

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

int credentials_check(const char *id, const char *secret, const char *token, struct error *e) {
        enum { ID_MAX = 128, SECRET_MAX = 1024, TOKEN_MAX = 64 * 1024 };

        if (!consists_of(id, ID_MAX, good_in_id))
                error_set(e, ERROR_REFUSED, "the access key id is not one (letters and digits, at most 128)");
        else if (!consists_of(secret, SECRET_MAX, good_in_secret))
                error_set(e, ERROR_REFUSED, "the secret access key has characters that can't be in one, or is too long");
        else if (token && !consists_of(token, TOKEN_MAX, good_in_secret))
                error_set(e, ERROR_REFUSED, "the session token has characters that can't be in one, or is too long");
        else if (!token && strncmp(id, "ASIA", 4) == 0) {
                error_set(e, ERROR_REFUSED, "the access key id begins with ASIA, so it is a temporary one, and its session "
                          "token is missing");
                return error_hint(e, "Write the token that came with it beside it: aws_session_token in a profile, "
                                  "AWS_SESSION_TOKEN in the environment, SessionToken in a credential_process's answer.");
        } else
                return 0;
        return error_hint(e, "Check for quotes, blanks, line breaks and comments that became part of the value.");
}

int credentials_copy(const char *id, const char *secret, const char *token, int64_t expires_s,
                     struct aws_credentials *ret, struct error *e) {
        if (credentials_check(id, secret, token, e) < 0)
                return -1;
        *ret = (struct aws_credentials) {
                .access_key_id = mem_copy_string(id), .secret_access_key = mem_copy_string(secret),
                .session_token = token ? mem_copy_string(token) : NULL, .expires_s = expires_s,
        };
        return 0;
}
