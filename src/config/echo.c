/* What may be shown of a value, which is decided here and nowhere else, and the error for a wrong one. */
#include "config/settings.h"

#include <fnmatch.h>
#include <string.h>
#include <unistd.h>

enum { SHOWN_MOST = 80 };

/* Properties of librdkafka, also of versions to come, whose values are never shown. */
static const struct {
        const char *pattern;
        bool secret;                    /* whoever reads it can act as us */
} hidden[] = {
        { "*password*", true }, { "*passphrase*", true }, { "*secret*", true }, { "*key.pem", true },
        { "sasl.oauthbearer.config", true }, { "sasl.jaas.config", false }, { "*.pem", false },
};

bool config_property_is_hidden(const char *name) {
        for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
                if (fnmatch(hidden[i].pattern, name, FNM_CASEFOLD) == 0)
                        return true;
        return false;
}

bool config_property_is_secret(const char *name) {
        for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
                if (hidden[i].secret && fnmatch(hidden[i].pattern, name, FNM_CASEFOLD) == 0)
                        return true;
        return false;
}

void config_show_value(const char *value, struct buffer *out) {
        size_t length = strnlen(value, SHOWN_MOST + 1);

        /* mysql://me:secret@host */
        if (strchr(value, '@'))
                return;
        if (length > SHOWN_MOST)
                while (length > 0 && ((unsigned char) value[--length] & 0xc0) == 0x80)
                        ;
        buffer_append_string(out, "'");
        for (size_t i = 0; i < length; i++)
                buffer_append(out, (unsigned char) value[i] < 0x20 || value[i] == 0x7f ? "?" : &value[i], 1);
        buffer_append_string(out, value[length] ? "...'" : "'");
}

/* ---- all of them ---- */

static void show_section(const struct config *c, const char *section, const char *name, const void *base,
                         config_show_fn fn, void *arg) {
        for (const struct setting *s = settings; s->section; s++) {
                _cleanup_buffer_ struct buffer value = {};
                const char *origin = config_origin(c, name, s->key);

                if (strcmp(s->section, section) != 0 || s->type == SETTING_PROPERTY)
                        continue;
                /* A number that has no default and was not set is 0, which is no value. */
                if (setting_is_text(s) || s->normal || strcmp(origin, "default") != 0)
                        setting_print(s, base, &value);
                fn(arg, name, s->key, s->hidden && access(buffer_string(&value), F_OK) < 0 && value.length > 0 ? NULL
                   : buffer_string(&value), origin);
        }
}

void config_show(const struct config *c, config_show_fn fn, void *arg) {
        for (const struct settings_section *s = settings_sections; s->name; s++) {
                if (strcmp(s->name, "kafka") == 0)
                        for (size_t i = 0; i < c->kafka_count; i++) {
                                const struct config_property *p = &c->kafka[i];

                                fn(arg, "kafka", p->name, config_property_is_hidden(p->name) ? NULL : p->value, p->origin);
                        }
                if (strcmp(s->name, "stream") != 0)
                        show_section(c, s->name, s->name, c, fn, arg);
        }
        for (size_t i = 0; i < c->stream_count; i++) {
                _cleanup_free_ char *name = mem_format("stream %s", c->streams[i].name);

                show_section(c, "stream", name, &c->streams[i], fn, arg);
        }
}

/* ---- a wrong value of a setting ---- */

/* What people leave in a value, and what to do about it. */
static const struct { const char *characters, *hint; } leftovers[] = {
        { "<>", "Put your own in the place of the words in <>, the brackets included." },
        { "#;", "A comment needs a space in front of its # or ;." },
        { "'\"`\xe2", "Write it without quotes." },             /* typographic ones begin with E2 */
};

static void describe_character(const char *at, struct buffer *out) {
        int length = 1;

        while (((unsigned char) at[length] & 0xc0) == 0x80)
                length++;
        if (*at == ' ')
                buffer_append_string(out, "a blank");
        else if ((unsigned char) *at < 0x20 || *at == 0x7f)
                buffer_append_string(out, "a control character");
        else
                buffer_printf(out, "'%.*s'", length, at);
        buffer_append_string(out, " can't be in it");
}

int setting_refuse(const struct setting *s, const char *value, const char *at, const char *reason, struct error *e) {
        _cleanup_buffer_ struct buffer accepts = {}, shown = {}, why = {};

        if (reason)
                buffer_append_string(&why, reason);
        else if (at && !s->hidden)
                describe_character(at, &why);
        if (!s->hidden)
                config_show_value(value, &shown);
        error_set(e, ERROR_REFUSED, "%s must be %s%s%s%s%s", s->key, setting_accepts(s, &accepts),
                  shown.length ? ", not " : "", buffer_string(&shown), why.length ? ": " : "", buffer_string(&why));
        for (size_t i = 0; at && i < sizeof leftovers / sizeof *leftovers; i++)
                if (strpbrk(value, leftovers[i].characters))
                        return error_hint(e, "%s", leftovers[i].hint);
        return -1;
}
