/* Texts become values of the settings' types. No error here may repeat the text: it may be a secret. */
#include "config/settings.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct { const char *name; int severity; } log_levels[] = {
        { "error", 3 }, { "warning", 4 }, { "notice", 5 }, { "info", 6 }, { "debug", 7 },
};

static const struct { const char *name; bool value; } bools[] = {
        { "yes", true }, { "true", true }, { "on", true }, { "1", true },
        { "no", false }, { "false", false }, { "off", false }, { "0", false },
};

/* ---- what is accepted, in words ---- */

const char *setting_accepts(const struct setting *s, char *buffer, size_t size) {
        switch (s->type) {
        case SETTING_TEXT:
                if (s->characters)
                        snprintf(buffer, size, "%" PRIu64 " to %" PRIu64 " characters of %s", s->least, s->most,
                                 s->characters);
                else
                        snprintf(buffer, size, "text of at most %" PRIu64 " bytes", s->most);
                break;
        case SETTING_NAME:
                snprintf(buffer, size, "a name without backticks");
                break;
        case SETTING_PATH:
                if (s->most)
                        snprintf(buffer, size, "a path of at most %" PRIu64 " bytes", s->most);
                else
                        snprintf(buffer, size, "a path");
                break;
        case SETTING_LABEL:
                snprintf(buffer, size, "small letters, digits and hyphens, as in eu-west-1");
                break;
        case SETTING_HOST:
                snprintf(buffer, size, "a host name or an address, without scheme or port");
                break;
        case SETTING_UNSIGNED:
        case SETTING_WIDE:
                snprintf(buffer, size, "a whole number from %" PRIu64 " to %" PRIu64, s->least, s->most);
                break;
        case SETTING_COUNT:
                snprintf(buffer, size, "a whole number from %" PRIu64 " to %" PRIu64 ", or -1 for the cluster's default",
                         s->least, s->most);
                break;
        case SETTING_REAL:
                snprintf(buffer, size, "a number from %.10g to %.10g", s->real_least, s->real_most);
                break;
        case SETTING_BOOL:
                snprintf(buffer, size, "yes or no");
                break;
        case SETTING_LOG_LEVEL:
                snprintf(buffer, size, "error, warning, notice, info or debug");
                break;
        case SETTING_PROPERTY:
                snprintf(buffer, size, "text");
                break;
        }
        return buffer;
}

/* ---- numbers and choices: false when the text is none ---- */

static bool parse_whole(const char *text, uint64_t least, uint64_t most, uint64_t *ret) {
        uint64_t n = 0;

        if (!*text)
                return false;
        for (; *text; text++) {
                unsigned digit = (unsigned char) *text - (unsigned) '0';

                if (digit > 9 || __builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, digit, &n))
                        return false;
        }
        if (n < least || n > most)
                return false;
        *ret = n;
        return true;
}

static bool parse_real(const char *text, double least, double most, double *ret) {
        char *end;
        double x;

        /* Neither signs, nor hexadecimal, nor inf and nan: strtod takes them all. (The locale is "C": nobody sets it.) */
        if (strspn(text, "0123456789.eE+-") != strlen(text) || *text == '+' || *text == '-')
                return false;
        x = strtod(text, &end);
        if (end == text || *end || !isfinite(x) || x < least || x > most)
                return false;
        *ret = x;
        return true;
}

static bool parse_bool(const char *text, bool *ret) {
        for (size_t i = 0; i < sizeof bools / sizeof *bools; i++)
                if (strcasecmp(text, bools[i].name) == 0) {
                        *ret = bools[i].value;
                        return true;
                }
        return false;
}

static bool parse_log_level(const char *text, int *ret) {
        for (size_t i = 0; i < sizeof log_levels / sizeof *log_levels; i++)
                if (strcasecmp(text, log_levels[i].name) == 0) {
                        *ret = log_levels[i].severity;
                        return true;
                }
        return false;
}

static bool parse_number(const struct setting *s, void *at, const char *text) {
        uint64_t whole;

        switch (s->type) {
        case SETTING_COUNT:
                if (strcmp(text, "-1") == 0) {
                        *(int *) at = -1;
                        return true;
                }
                if (!parse_whole(text, s->least, s->most, &whole))
                        return false;
                *(int *) at = (int) whole;
                return true;
        case SETTING_UNSIGNED:
                if (!parse_whole(text, s->least, s->most, &whole))
                        return false;
                *(unsigned *) at = (unsigned) whole;
                return true;
        case SETTING_WIDE:
                return parse_whole(text, s->least, s->most, at);
        case SETTING_REAL:
                return parse_real(text, s->real_least, s->real_most, at);
        case SETTING_BOOL:
                return parse_bool(text, at);
        case SETTING_LOG_LEVEL:
                return parse_log_level(text, at);
        default:
                return false;
        }
}

/* ---- texts: NULL, or why not ---- */

static bool in_ranges(const char *ranges, char c) {
        for (const char *r = ranges; *r; r++) {
                if (r[1] == '-' && r[2]) {
                        if (c >= r[0] && c <= r[2])
                                return true;
                        r += 2;
                } else if (c == *r)
                        return true;
        }
        return false;
}

static const char *why_not_text(const struct setting *s, const char *text) {
        size_t length = strlen(text);

        if (length < s->least || (s->most && length > s->most))
                return "its length is wrong";
        for (const char *p = text; *p; p++) {
                if ((unsigned char) *p < 0x20 || *p == 0x7f)
                        return "it holds a control character";
                if (s->characters && !in_ranges(s->characters, *p))
                        return "it holds another character";
        }
        return NULL;
}

static const char *why_not_host(const char *text) {
        const char *colon = strchr(text, ':');

        if (strstr(text, "://"))
                return "leave out the scheme";
        if (strchr(text, '@') || strchr(text, '/'))
                return "only the host's name belongs here";
        if (colon && !strchr(colon + 1, ':'))
                return "the port belongs in the setting port";
        for (const char *p = text; *p; p++)
                if (!in_ranges("A-Za-z0-9._:%-", *p))
                        return "it holds another character";
        return NULL;
}

static const char *why_not(const struct setting *s, const char *text) {
        const char *reason = why_not_text(s, text);

        if (reason)
                return reason;
        if (s->type == SETTING_HOST)
                return why_not_host(text);
        if (s->type == SETTING_LABEL && (*text == '-' || text[strlen(text) - 1] == '-'))
                return "it begins or ends with a hyphen";
        if (s->characters && (strcmp(text, ".") == 0 || strcmp(text, "..") == 0))
                return "it can't be dots only";
        if (s->type == SETTING_NAME && strchr(text, '`'))
                return "leave out the backticks";
        if (s->type == SETTING_PATH && *text == '~')
                return "~ is not expanded: write the path in full";
        return NULL;
}

/* ---- storing ---- */

static bool is_text(const struct setting *s) {
        switch (s->type) {
        case SETTING_TEXT:
        case SETTING_NAME:
        case SETTING_PATH:
        case SETTING_HOST:
        case SETTING_LABEL:
                return true;
        default:
                return false;
        }
}

static size_t size_of(const struct setting *s) {
        switch (s->type) {
        case SETTING_UNSIGNED:
                return sizeof(unsigned);
        case SETTING_COUNT:
        case SETTING_LOG_LEVEL:
                return sizeof(int);
        case SETTING_WIDE:
                return sizeof(uint64_t);
        case SETTING_REAL:
                return sizeof(double);
        case SETTING_BOOL:
                return sizeof(bool);
        default:
                return sizeof(char *);
        }
}

static void assign_default(const struct setting *s, void *at) {
        if (is_text(s)) {
                free(*(char **) at);
                *(char **) at = s->normal ? mem_copy_string(s->normal) : NULL;
        } else if (s->type != SETTING_PROPERTY) {
                memset(at, 0, size_of(s));
                if (s->normal && !parse_number(s, at, s->normal))
                        abort();        /* the table itself is wrong */
        }
}

static int refuse(const struct setting *s, const char *reason, struct error *e) {
        char accepts[256];

        setting_accepts(s, accepts, sizeof accepts);
        return error_set(e, ERROR_REFUSED, "%s must be %s%s%s", s->key, accepts, reason ? ": " : "", reason ? reason : "");
}

int setting_assign(const struct setting *s, void *base, const char *value, struct error *e) {
        void *at = (char *) base + s->offset;

        if (!*value) {
                assign_default(s, at);
                return 0;
        }
        if (is_text(s)) {
                const char *reason = why_not(s, value);

                if (reason)
                        return refuse(s, reason, e);
                free(*(char **) at);
                *(char **) at = mem_copy_string(value);
                return 0;
        }
        return parse_number(s, at, value) ? 0 : refuse(s, NULL, e);
}

/* Whether a setting is stored in the struct that `section` (NULL: struct config) stands for. */
static bool is_stored_in(const struct setting *s, const char *section) {
        bool in_stream = strcmp(s->section, "stream") == 0;

        return section ? in_stream : !in_stream && s->type != SETTING_PROPERTY;
}

void settings_assign_defaults(const char *section, void *base) {
        for (const struct setting *s = settings; s->section; s++)
                if (is_stored_in(s, section))
                        assign_default(s, (char *) base + s->offset);
}

void settings_free_values(const char *section, void *base) {
        for (const struct setting *s = settings; s->section; s++)
                if (is_stored_in(s, section) && is_text(s))
                        free(*(char **) ((char *) base + s->offset));
}
