#include "config/ini.h"

#include <string.h>

/* A stretch of the file. */
struct span {
        const char *at, *end;
};

struct parser {
        ini_fn fn;
        void *arg;
        struct buffer section, key, value;
        bool in_section;
        bool lost;              /* below a section line that can't be read */
        size_t line;
};

static bool is_blank(char c) {
        return c == ' ' || c == '\t';
}

static void trim(struct span *s) {
        while (s->at < s->end && is_blank(*s->at))
                s->at++;
        while (s->at < s->end && is_blank(s->end[-1]))
                s->end--;
}

/* Whether a comment begins at `p`; `line` is where the line begins, NULL when `p` is known to be further on. */
static bool is_comment(const char *line, const char *p) {
        return (*p == '#' || *p == ';') && (p == line || is_blank(p[-1]));
}

/* The first `c` before any comment, or NULL. */
static const char *find_before_comment(const char *line, const char *end, char c) {
        for (const char *p = line; p < end && !is_comment(line, p); p++)
                if (*p == c)
                        return p;
        return NULL;
}

static const char *text(struct buffer *b, struct span s) {
        b->length = 0;
        buffer_append(b, s.at, (size_t) (s.end - s.at));
        return buffer_string(b);
}

static int refuse(struct error *e, const char *what) {
        return error_set(e, ERROR_REFUSED, "%s", what);
}

static int deliver(struct parser *p, const char *key, const char *value, struct error *e) {
        struct ini_item item = {
                .section = p->in_section ? buffer_string(&p->section) : NULL,
                .key = key, .value = value, .line = p->line,
        };

        return p->fn(p->arg, &item, e);
}

static int parse_section(struct parser *p, struct span line, struct error *e) {
        const char *close = find_before_comment(line.at, line.end, ']');
        struct span name = { line.at + 1, close }, rest = { close ? close + 1 : NULL, line.end };

        p->lost = true;
        if (!close) {
                refuse(e, "a section's name isn't closed");
                return error_hint(e, "Write [section], or [stream NAME].");
        }
        trim(&rest);
        if (rest.at < rest.end && !is_comment(NULL, rest.at)) {
                refuse(e, "there is text behind a section's name");
                return error_hint(e, "Write the setting on a line of its own, and a space before a comment.");
        }
        trim(&name);
        text(&p->section, name);
        p->in_section = true;
        p->lost = false;
        return deliver(p, NULL, NULL, e);
}

/* `s` begins behind the opening quote. */
static int parse_quoted(struct buffer *value, struct span s, struct error *e) {
        value->length = 0;
        for (; s.at < s.end && *s.at != '"'; s.at++) {
                if (*s.at == '\\' && (++s.at == s.end || (*s.at != '"' && *s.at != '\\'))) {
                        refuse(e, "a quoted value has a backslash before something other than \" or \\");
                        return error_hint(e, "Inside quotes write \\\\ for a backslash and \\\" for a quote.");
                }
                buffer_append(value, s.at, 1);
        }
        if (s.at == s.end) {
                refuse(e, "a quoted value isn't closed");
                return error_hint(e, "End it with \" on the same line.");
        }
        s.at++;
        for (const char *p = s.at; p < s.end && !is_comment(NULL, p); p++)
                if (!is_blank(*p)) {
                        refuse(e, "there is text behind the closing quote of a value");
                        return error_hint(e, "Inside quotes write \\\" for a quote; put a space before a comment.");
                }
        return 0;
}

static int parse_plain(struct buffer *value, struct span s, struct error *e) {
        struct span plain = { s.at, s.at };

        while (plain.end < s.end && !is_comment(NULL, plain.end))
                plain.end++;
        trim(&plain);
        if (plain.at < plain.end && plain.end[-1] == '\\') {
                refuse(e, "a value ends with a backslash");
                return error_hint(e, "A value is one line, however long; there are no continuation lines. Quote the value, "
                                     "with \\\\ for the backslash, if it belongs to it.");
        }
        text(value, plain);
        return 0;
}

static int parse_setting(struct parser *p, struct span line, struct error *e) {
        const char *equals = find_before_comment(line.at, line.end, '=');
        struct span key = { line.at, equals }, value = { equals ? equals + 1 : NULL, line.end };

        if (!equals) {
                refuse(e, "this line has no =");
                return error_hint(e, "Write KEY = VALUE on one line, however long; a comment begins with #.");
        }
        trim(&key);
        if (key.at == key.end)
                return refuse(e, "there is no name before the =");
        while (value.at < value.end && is_blank(*value.at))
                value.at++;
        if (value.at < value.end && *value.at == '"') {
                value.at++;
                if (parse_quoted(&p->value, value, e) < 0)
                        return -1;
        } else if (parse_plain(&p->value, value, e) < 0)
                return -1;
        return deliver(p, text(&p->key, key), buffer_string(&p->value), e);
}

static int check_characters(struct span line, struct error *e) {
        for (const char *p = line.at; p < line.end; p++) {
                unsigned char c = (unsigned char) *p;

                if (c == 0) {
                        refuse(e, "there is a NUL byte in this line");
                        return error_hint(e, "Save the file as UTF-8 text (not UTF-16).");
                }
                if ((c < 0x20 && c != '\t') || c == 0x7f)
                        return refuse(e, "there is a control character in this line");
        }
        return 0;
}

static int parse_line(struct parser *p, struct span line, struct error *e) {
        if (check_characters(line, e) < 0)
                return -1;
        trim(&line);
        if (line.at == line.end || *line.at == '#' || *line.at == ';')
                return 0;
        if (*line.at == '[')
                return parse_section(p, line, e);
        return p->lost ? 0 : parse_setting(p, line, e);
}

static void parse_lines(struct parser *p, struct span file, const char *origin, struct errors *problems) {
        while (file.at < file.end) {
                const char *newline = memchr(file.at, '\n', (size_t) (file.end - file.at));
                struct span line = { file.at, newline ? newline : file.end };
                struct error e;

                p->line++;
                file.at = newline ? newline + 1 : file.end;
                if (line.at < line.end && line.end[-1] == '\r')
                        line.end--;
                if (parse_line(p, line, &e) < 0) {
                        error_prefix(&e, "%s:%zu: ", origin, p->line);
                        errors_add(problems, &e);
                }
        }
}

static void parser_free(struct parser *p) {
        buffer_wipe_and_free(&p->value);
        buffer_wipe_and_free(&p->key);
        buffer_wipe_and_free(&p->section);
}

void ini_parse(const char *bytes, size_t length, const char *origin, ini_fn fn, void *arg, struct errors *problems) {
        _cleanup_(parser_free) struct parser p = { .fn = fn, .arg = arg };
        struct span file = { bytes, bytes + length };

        if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
                file.at += 3;
        /* Room for the longest value beforehand: a buffer that grows leaves copies behind. */
        buffer_reserve(&p.value, length + 1);
        parse_lines(&p, file, origin, problems);
}
