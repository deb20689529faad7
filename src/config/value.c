/* Texts become values of the settings' types, and values become text again: one row a type. */
#include "config/settings.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* What is wrong with a text. */
struct flaw {
        const char *at;         /* the first character that can't be there, or NULL */
        const char *reason;     /* or NULL: what is accepted says it all */
};

struct choice { const char *name; unsigned value; };    /* of a value's names the first is printed */

static const struct choice log_levels[] = {
        { "error", 3 }, { "warning", 4 }, { "notice", 5 }, { "info", 6 }, { "debug", 7 }, {},
};

static const struct choice tls[] = {
        { "verify", CONFIG_TLS_VERIFY }, { "require", CONFIG_TLS_REQUIRE }, { "prefer", CONFIG_TLS_PREFER }, {},
};

static const struct choice bools[] = {
        { "yes", true }, { "true", true }, { "on", true }, { "1", true },
        { "no", false }, { "false", false }, { "off", false }, { "0", false }, {},
};

/* ---- numbers and choices: false when the text is none ---- */

static bool parse_whole(const struct setting *s, const char *text, uint64_t *ret, struct flaw *ret_flaw) {
        uint64_t n = 0;

        for (const char *p = text; *p; p++) {
                unsigned digit = (unsigned char) *p - (unsigned) '0';

                if (digit > 9) {
                        ret_flaw->at = p > text ? p : NULL;     /* a word is no number with a slip in it */
                        return false;
                }
                if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, digit, &n))
                        return false;
        }
        if (n < s->least || n > s->most)
                return false;
        *ret = n;
        return true;
}

static bool parse_real(const struct setting *s, const char *text, double *ret, struct flaw *ret_flaw) {
        size_t length = *text == '+' || *text == '-' ? 0 : strspn(text, "0123456789.eE+-");
        char *end;
        double x;

        /* Neither signs, nor hexadecimal, nor inf and nan: strtod takes them all. (The locale is "C": nobody sets it.) */
        if (text[length]) {
                ret_flaw->at = length > 0 ? text + length : NULL;
                return false;
        }
        x = strtod(text, &end);
        if (end == text || *end || !isfinite(x) || x < s->real_least || x > s->real_most)
                return false;
        *ret = x;
        return true;
}

static bool parse_choice(const struct choice *choices, const char *text, uint64_t *ret) {
        for (const struct choice *c = choices; c->name; c++)
                if (strcasecmp(text, c->name) == 0) {
                        *ret = c->value;
                        return true;
                }
        return false;
}

/* ---- texts ---- */

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

static struct flaw find_character(const char *ranges, const char *text) {
        for (const char *p = text; *p; p++)
                if ((unsigned char) *p < 0x20 || *p == 0x7f || (ranges && !in_ranges(ranges, *p)))
                        return (struct flaw) { .at = p };
        return (struct flaw) {};
}

static struct flaw check_words(const struct setting *s, const char *text) {
        if (s->characters && (strcmp(text, ".") == 0 || strcmp(text, "..") == 0))
                return (struct flaw) { .reason = "it can't be dots only" };
        return (struct flaw) {};
}

static struct flaw check_name(const struct setting *s, const char *text) {
        (void) s;
        return (struct flaw) { .at = strchr(text, '`') };
}

static struct flaw check_path(const struct setting *s, const char *text) {
        (void) s;
        return (struct flaw) { .reason = *text == '~' ? "~ is not expanded: write the path in full" : NULL };
}

static struct flaw check_host(const struct setting *s, const char *text) {
        const char *colon = strchr(text, ':');

        (void) s;
        if (strstr(text, "://"))
                return (struct flaw) { .reason = "leave out the scheme" };
        if (strpbrk(text, "@/"))
                return (struct flaw) { .reason = "only the host's name belongs here" };
        if (colon && !strchr(colon + 1, ':'))
                return (struct flaw) { .reason = "the port belongs in the setting port" };
        return find_character("A-Za-z0-9._:%-", text);
}

static struct flaw check_region(const struct setting *s, const char *text) {
        size_t length = strlen(text);

        (void) s;
        if (*text == '-' || text[length - 1] == '-')
                return (struct flaw) { .reason = "it begins or ends with a hyphen" };
        if (length > 2 && in_ranges("0-9", text[length - 2]) && in_ranges("a-z", text[length - 1]))
                return (struct flaw) { .reason = "an availability zone has a letter at its end, its region has none" };
        return (struct flaw) {};
}

/* ---- what is accepted, in words ---- */

static void describe_words(const struct setting *s, struct buffer *out) {
        if (s->characters)
                buffer_printf(out, "%" PRIu64 " to %" PRIu64 " characters of %s", s->least, s->most, s->characters);
        else
                buffer_printf(out, "text of at most %" PRIu64 " bytes", s->most);
}

static void describe_path(const struct setting *s, struct buffer *out) {
        buffer_append_string(out, "a path");
        if (s->most)
                buffer_printf(out, " of at most %" PRIu64 " bytes", s->most);
}

static void describe_whole(const struct setting *s, struct buffer *out) {
        buffer_printf(out, "a whole number from %" PRIu64 " to %" PRIu64, s->least, s->most);
        if (s->type == SETTING_COUNT)
                buffer_append_string(out, ", or -1 for the cluster's default");
}

static void describe_real(const struct setting *s, struct buffer *out) {
        buffer_printf(out, "a number from %.10g to %.10g", s->real_least, s->real_most);
}

/* ---- the types ---- */

static const struct type {
        struct flaw (*check)(const struct setting *s, const char *text);        /* of a text: what else is wrong */
        size_t size;                    /* of a whole number or a choice, as it is stored */
        const struct choice *choices;
        const char *accepts;            /* NULL: `describe` says it */
        void (*describe)(const struct setting *s, struct buffer *out);
} types[] = {
        [SETTING_TEXT] = { .check = check_words, .describe = describe_words },
        [SETTING_NAME] = { .check = check_name, .accepts = "a name without backticks" },
        [SETTING_PATH] = { .check = check_path, .describe = describe_path },
        [SETTING_HOST] = { .check = check_host, .accepts = "a host name or an address, without scheme or port" },
        [SETTING_REGION] = { .check = check_region, .accepts = "small letters, digits and hyphens, as in eu-west-1" },
        [SETTING_UNSIGNED] = { .size = sizeof(unsigned), .describe = describe_whole },
        [SETTING_COUNT] = { .size = sizeof(int), .describe = describe_whole },
        [SETTING_WIDE] = { .size = sizeof(uint64_t), .describe = describe_whole },
        [SETTING_REAL] = { .describe = describe_real },
        [SETTING_BOOL] = { .size = sizeof(bool), .choices = bools, .accepts = "yes or no" },
        [SETTING_TLS] = { .size = sizeof(int), .choices = tls, .accepts = "verify, require or prefer" },
        [SETTING_LOG_LEVEL] = { .size = sizeof(int), .choices = log_levels,
                                .accepts = "error, warning, notice, info or debug" },
        [SETTING_PROPERTY] = { .accepts = "text" },
};

bool setting_is_text(const struct setting *s) {
        return types[s->type].check || s->type == SETTING_PROPERTY;
}

const char *setting_accepts(const struct setting *s, struct buffer *out) {
        if (types[s->type].describe)
                types[s->type].describe(s, out);
        else
                buffer_append_string(out, types[s->type].accepts);
        return buffer_string(out);
}

/* ---- storing ---- */

static void store_whole(const struct type *type, void *at, uint64_t n) {
        if (type->size == sizeof(uint64_t))
                *(uint64_t *) at = n;
        else if (type->size == sizeof(unsigned))
                *(unsigned *) at = (unsigned) n;
        else
                *(bool *) at = n;
}

static uint64_t load_whole(const struct type *type, const void *at) {
        if (type->size == sizeof(uint64_t))
                return *(const uint64_t *) at;
        return type->size == sizeof(unsigned) ? *(const unsigned *) at : *(const bool *) at;
}

static bool store_text(const struct setting *s, const char *text, char **at, struct flaw *ret_flaw) {
        size_t length = strlen(text);

        *ret_flaw = find_character(s->characters, text);
        if (!ret_flaw->at && (length < s->least || (s->most && length > s->most)))
                ret_flaw->reason = "its length is wrong";
        if (!ret_flaw->at && !ret_flaw->reason)
                *ret_flaw = types[s->type].check(s, text);
        if (ret_flaw->at || ret_flaw->reason)
                return false;
        free(*at);
        *at = mem_copy_string(text);
        return true;
}

static bool store(const struct setting *s, const char *text, void *at, struct flaw *ret_flaw) {
        const struct type *type = &types[s->type];
        uint64_t n = (uint64_t) -1;

        if (type->check)
                return store_text(s, text, at, ret_flaw);
        if (s->type == SETTING_REAL)
                return parse_real(s, text, at, ret_flaw);
        if (type->choices ? !parse_choice(type->choices, text, &n)
            : !(s->type == SETTING_COUNT && strcmp(text, "-1") == 0) && !parse_whole(s, text, &n, ret_flaw))
                return false;
        store_whole(type, at, n);
        return true;
}

static void assign_default(const struct setting *s, void *at) {
        const struct type *type = &types[s->type];
        struct flaw flaw;

        if (type->check) {
                free(*(char **) at);
                *(char **) at = NULL;
        } else if (s->type == SETTING_REAL)
                *(double *) at = 0;
        else
                store_whole(type, at, 0);
        if (s->normal && !store(s, s->normal, at, &flaw))
                abort();                /* the table itself is wrong */
}

void setting_print(const struct setting *s, const void *base, struct buffer *out) {
        const void *at = (const char *) base + s->offset;
        const struct type *type = &types[s->type];
        const struct choice *c = type->choices;

        if (type->check)
                buffer_append_string(out, *(char *const *) at ? *(char *const *) at : "");
        else if (s->type == SETTING_REAL)
                buffer_printf(out, "%.10g", *(const double *) at);
        else if (s->type == SETTING_COUNT)
                buffer_printf(out, "%d", *(const int *) at);
        else if (!c)
                buffer_printf(out, "%" PRIu64, load_whole(type, at));
        else {
                while (c->value != load_whole(type, at))
                        c++;
                buffer_append_string(out, c->name ? c->name : "");      /* 0: not set */
        }
}

int setting_assign(const struct setting *s, void *base, const char *value, struct error *e) {
        void *at = (char *) base + s->offset;
        struct flaw flaw = {};

        if (!*value)
                assign_default(s, at);
        else if (!store(s, value, at, &flaw))
                return setting_refuse(s, value, flaw.at, flaw.reason, e);
        return 0;
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
                if (is_stored_in(s, section) && types[s->type].check)
                        free(*(char **) ((char *) base + s->offset));
}
