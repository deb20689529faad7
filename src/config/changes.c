/* Settings that are read again: what is set differently now, and whether it may change while pinfeed runs. */
#include "config/config.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

int config_load_again(const struct config *c, struct config *ret, struct error *e) {
        const char *path = c->options->config_file;
        struct stat file;

        /* A pipe was read to its end, and would be waited for. */
        if (stat(path, &file) == 0 && !S_ISREG(file.st_mode)) {
                error_set(e, ERROR_REFUSED, "the configuration %s is no file that can be read again", path);
                return errors_add(&ret->problems, e);
        }
        return config_load(ret, c->options, c->needs, e);
}

static void name(struct buffer *out, const char *section, const char *key) {
        buffer_printf(out, "%s%s%s%s", out->length ? ", " : "", section, key ? "." : "", key ? key : "");
}

static bool differs(const struct setting *s, const void *a, const void *b) {
        _cleanup_buffer_ struct buffer one = {}, other = {};

        setting_print(s, a, &one);
        setting_print(s, b, &other);
        return strcmp(buffer_string(&one), buffer_string(&other)) != 0;
}

/* What is made from other settings follows those; what systemd provides ("$VARIABLE") is nobody's setting. */
static bool is_set(const struct config *c, const char *section, const char *key) {
        const char *origin = config_origin(c, section, key);

        return *origin != '$' && strcmp(origin, "default") != 0;
}

/* `section` as in the table, `place` as in the file. */
static void compare(const struct config *a, const void *base_a, const struct config *b, const void *base_b,
                    const char *section, const char *place, bool reload, struct buffer *out) {
        for (const struct setting *s = settings; s->section; s++)
                if (strcmp(s->section, section) == 0 && s->type != SETTING_PROPERTY && s->reload == reload
                    && (is_set(a, place, s->key) || is_set(b, place, s->key)) && differs(s, base_a, base_b))
                        name(out, place, s->key);
}

/* Properties of `b` that `a` has otherwise; `missing`: not at all. */
static void compare_properties(const struct config *a, const struct config *b, bool missing, struct buffer *out) {
        for (size_t i = 0; i < b->kafka_count; i++) {
                const struct config_property *here = &b->kafka[i], *there = config_find_property(a, here->name);

                if (!there || (!missing && strcmp(there->value, here->value) != 0))
                        name(out, "kafka", here->name);
        }
}

static void compare_streams(const struct config *a, const struct config *b, bool missing, bool reload, struct buffer *out) {
        for (size_t i = 0; i < b->stream_count; i++) {
                const struct config_stream *here = &b->streams[i], *there = config_find_stream(a, here->name);
                _cleanup_free_ char *place = mem_format("stream %s", here->name);

                if (there && !missing)
                        compare(a, there, b, here, "stream", place, reload, out);
                else if (!there && !reload)
                        name(out, place, NULL);
        }
}

void config_changes(const struct config *a, const struct config *b, bool reload, struct buffer *out) {
        for (const struct settings_section *s = settings_sections; s->name; s++)
                if (strcmp(s->name, "stream") != 0)
                        compare(a, a, b, b, s->name, s->name, reload, out);
        if (!reload) {
                compare_properties(a, b, false, out);
                compare_properties(b, a, true, out);
        }
        compare_streams(a, b, false, reload, out);
        compare_streams(b, a, true, reload, out);
}
