#include "aws/profile.h"

#include "aws/file.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum {
        FILE_MAX = 1024 * 1024,
        VALUE_MAX = 16 * 1024,          /* of a value that goes on over several lines */
};

struct section {
        bool is_profile;                /* not services, sso-session, plugins, a config file's [name] without "profile" */
        enum profile_file file;
        bool prefixed;                  /* [profile default] replaces [default] */
        char *name;
};

struct property {
        size_t section;
        char *key, *value;              /* a nested value begins with a line break */
};

struct profiles {
        struct section *sections;
        struct property *properties;
        size_t section_count, property_count;
        size_t section_capacity, property_capacity;
};

struct profiles *profiles_new(void) {
        return mem_zero(1, sizeof(struct profiles));
}

void profiles_free(struct profiles *p) {
        if (!p)
                return;
        for (size_t i = 0; i < p->section_count; i++)
                free(p->sections[i].name);
        for (size_t i = 0; i < p->property_count; i++) {
                free(p->properties[i].key);
                mem_free_secret(p->properties[i].value);
        }
        free(p->sections);
        free(p->properties);
        free(p);
}

/* ---- lines ---- */

struct text {
        const char *at;
        size_t length;
};

static bool is_space(char c) {
        return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static struct text trim(struct text t) {
        while (t.length && is_space(t.at[t.length - 1]))
                t.length--;
        while (t.length && is_space(*t.at)) {
                t.at++;
                t.length--;
        }
        return t;
}

/* Ends a value before white space with # or ; behind it. */
static struct text cut_comment(struct text t) {
        for (size_t i = 0; i < t.length; i++)
                if ((t.at[i] == '#' || t.at[i] == ';') && (i == 0 || is_space(t.at[i - 1])))
                        return trim((struct text) { t.at, i });
        return t;
}

static bool equals(struct text t, const char *s) {
        return t.length == strlen(s) && memcmp(t.at, s, t.length) == 0;
}

/* "key = value" -> its two halves; false if it hasn't that form. */
static bool split(struct text line, struct text *ret_key, struct text *ret_value) {
        size_t i = 0;

        while (i < line.length && line.at[i] != '=' && line.at[i] != ':')
                i++;
        if (i == line.length)
                return false;
        *ret_key = trim((struct text) { line.at, i });
        *ret_value = trim((struct text) { line.at + i + 1, line.length - i - 1 });
        return ret_key->length > 0;
}

/* A command may hold # and ; of its own, and the shell knows comments. */
static struct text value_without_comment(struct text key, struct text value) {
        return equals(key, "credential_process") ? value : cut_comment(value);
}

/* ---- sections ---- */

/* "profile dev", "profile 'my dev'" -> the name; false if `t` doesn't begin with that word. */
static bool take_prefix(struct text t, const char *word, struct text *ret) {
        size_t n = strlen(word);

        if (t.length <= n || memcmp(t.at, word, n) != 0 || !is_space(t.at[n]))
                return false;
        t = trim((struct text) { t.at + n, t.length - n });
        if (t.length >= 2 && (*t.at == '"' || *t.at == '\'') && t.at[t.length - 1] == *t.at)
                t = trim((struct text) { t.at + 1, t.length - 2 });
        *ret = t;
        return true;
}

static struct section read_section(enum profile_file file, struct text header) {
        struct section s = { .file = file };
        struct text name = header;

        if (file == PROFILE_CREDENTIALS || equals(header, "default")) {
                s.is_profile = true;
        } else if (take_prefix(header, "profile", &name)) {
                s.is_profile = true;
                s.prefixed = true;
        }
        s.name = mem_copy_bytes(name.at, name.length);
        return s;
}

static void add_section(struct profiles *p, struct section s) {
        if (p->section_count == p->section_capacity) {
                p->section_capacity = p->section_capacity * 2 + 8;
                p->sections = mem_resize(p->sections, p->section_capacity * sizeof *p->sections);
        }
        p->sections[p->section_count++] = s;
}

static void add_property(struct profiles *p, struct text key, struct text value) {
        struct property *new;

        if (p->property_count == p->property_capacity) {
                p->property_capacity = p->property_capacity * 2 + 16;
                p->properties = mem_resize(p->properties, p->property_capacity * sizeof *p->properties);
        }
        new = &p->properties[p->property_count++];
        new->section = p->section_count - 1;
        new->key = mem_copy_bytes(key.at, key.length);
        for (char *c = new->key; *c; c++)
                *c = (char) tolower((unsigned char) *c);
        new->value = mem_copy_bytes(value.at, value.length);
}

static const char *continue_property(struct profiles *p, struct text line) {
        struct property *last = &p->properties[p->property_count - 1];
        char *longer;

        if (strlen(last->value) + line.length > VALUE_MAX)
                return "goes on with a value that is too long";
        longer = mem_format("%s\n%.*s", last->value, (int) line.length, line.at);
        mem_free_secret(last->value);
        last->value = longer;
        return NULL;
}

/* ---- the parser ---- */

struct parser {
        struct profiles *profiles;
        enum profile_file file;
        bool in_section, in_property;
        size_t indent;                  /* of the last property's first line */
};

/* Returns what is wrong with the line, or NULL. */
static const char *parse_line(struct parser *x, struct text line) {
        struct text content = trim(line), key, value;
        size_t indent = (size_t) (content.at - line.at);
        const char *end;

        if (memchr(line.at, 0, line.length))
                return "contains a NUL byte";
        if (!content.length || *content.at == '#' || *content.at == ';')
                return NULL;
        if (x->in_property && indent > x->indent)
                return continue_property(x->profiles, content);
        if (*content.at == '[') {
                end = memchr(content.at, ']', content.length);
                if (!end)
                        return "begins with [ but has no ]";
                add_section(x->profiles, read_section(x->file, trim((struct text) { content.at + 1,
                                                                         (size_t) (end - content.at) - 1 })));
                x->in_section = true;
                x->in_property = false;
                return NULL;
        }
        if (!x->in_section)
                return "stands before the first [section]";
        if (!split(content, &key, &value))
                return "is neither a [section] nor key = value";
        add_property(x->profiles, key, value_without_comment(key, value));
        x->in_property = true;
        x->indent = indent;
        return NULL;
}

int profiles_parse(struct profiles *p, enum profile_file file, const char *bytes, size_t length, const char *origin,
                   struct error *e) {
        struct parser x = { .profiles = p, .file = file };
        const char *end = bytes + length;
        unsigned number = 1;

        if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
                bytes += 3;
        for (const char *next; bytes < end; bytes = next, number++) {
                const char *stop = memchr(bytes, '\n', (size_t) (end - bytes));
                const char *wrong;

                next = stop ? stop + 1 : end;
                wrong = parse_line(&x, (struct text) { bytes, (size_t) ((stop ? stop : end) - bytes) });
                if (wrong) {
                        error_set(e, ERROR_REFUSED, "%s, line %u %s", origin, number, wrong);
                        return error_hint(e, "Correct that line; see \"Configuration and credential file settings\" in "
                                             "the AWS documentation.");
                }
        }
        return 0;
}

/* ---- files ---- */

int profiles_read(struct profiles *p, enum profile_file file, const char *path, struct error *e) {
        _cleanup_secret_ struct buffer bytes = {};

        if (file_read(path, FILE_PROMPT, FILE_MAX, &bytes) == 0)
                return profiles_parse(p, file, bytes.data, bytes.length, path, e);
        if (errno == ENOENT || errno == ENOTDIR)
                return 0;
        error_set(e, ERROR_REFUSED, "%s can't be read: %s", path, strerror(errno));
        return error_hint(e, "Let the user that runs pinfeed read it, or name another file in %s.",
                             file == PROFILE_CONFIG ? "AWS_CONFIG_FILE" : "AWS_SHARED_CREDENTIALS_FILE");
}

/* ---- answers ---- */

static bool is_profile(const struct section *s, const char *profile) {
        return s->is_profile && strcmp(s->name, profile) == 0;
}

bool profiles_has(const struct profiles *p, const char *profile) {
        for (size_t i = 0; i < p->section_count; i++)
                if (is_profile(&p->sections[i], profile))
                        return true;
        return false;
}

/* Whether [profile NAME] is there, which hides a config file's plain [default]. */
static bool has_prefixed(const struct profiles *p, const char *profile) {
        for (size_t i = 0; i < p->section_count; i++)
                if (is_profile(&p->sections[i], profile) && p->sections[i].prefixed)
                        return true;
        return false;
}

static bool is_blank(const char *s) {
        return !s[strspn(s, " \t\r\n\v\f")];
}

const char *profiles_get_from(const struct profiles *p, enum profile_file file, const char *profile,
                              const char *key) {
        bool hidden = file == PROFILE_CONFIG && has_prefixed(p, profile);

        /* Of a setting that is there twice the last counts. */
        for (size_t i = p->property_count; i-- > 0;) {
                const struct property *x = &p->properties[i];
                const struct section *s = &p->sections[x->section];

                if (s->file == file && is_profile(s, profile) && (s->prefixed || !hidden)
                    && strcmp(x->key, key) == 0)
                        return is_blank(x->value) ? NULL : x->value;
        }
        return NULL;
}

const char *profiles_get(const struct profiles *p, const char *profile, const char *key) {
        const char *value = profiles_get_from(p, PROFILE_CREDENTIALS, profile, key);

        return value ? value : profiles_get_from(p, PROFILE_CONFIG, profile, key);
}
