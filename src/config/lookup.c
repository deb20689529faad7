/* Names of sections and settings: finding them, and wording what was probably meant instead. */
#include "config/settings.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { MOST_NAMES = 64 };

/* Names that other programs use for what is called otherwise here. */
static const struct {
        const char *key;
        const char *hint;
} advice[] = {
        { "password", "A password doesn't belong in this file: put it into a file that only root can read, such as "
                      "/etc/pinfeed/mysql-password, and name that in [mysql] password_file if it is elsewhere." },
        { "passwd", "Put the password into a file that only root can read, and name that in [mysql] password_file." },
        { "username", "It is called user, in [mysql]." },
        { "db", "It is called database, in [mysql]." },
        { "schema", "It is called database, in [mysql]." },
        { "brokers", "It is called bootstrap.servers, in [kafka]." },
        { "broker", "It is called bootstrap.servers, in [kafka]." },
        { "access_key", "Access keys don't belong in this file: see [aws] profile." },
        { "secret_key", "Access keys don't belong in this file: see [aws] profile." },
        { "aws_access_key_id", "Access keys belong in the AWS credentials file: see [aws] profile." },
        { "aws_secret_access_key", "Access keys belong in the AWS credentials file: see [aws] profile." },
        { "aws_session_token", "Access keys belong in the AWS credentials file: see [aws] profile." },
};

const struct settings_section *settings_find_section(const char *name) {
        for (const struct settings_section *s = settings_sections; s->name; s++)
                if (strcmp(s->name, name) == 0)
                        return s;
        return NULL;
}

const struct setting *settings_find(const char *section, const char *key) {
        for (const struct setting *s = settings; s->section; s++)
                if (strcmp(s->section, section) == 0 && strcmp(s->key, key) == 0)
                        return s;
        return NULL;
}

/* "[mysql]", "[stream NAME]" */
static const char *bracketed(const char *section, char buffer[static 64]) {
        snprintf(buffer, 64, strcmp(section, "stream") == 0 ? "[%s NAME]" : "[%s]", section);
        return buffer;
}

bool settings_is_name(const char *name) {
        size_t length = strnlen(name, 65);

        if (length == 0 || length > 64)
                return false;
        for (const char *p = name; *p; p++)
                if (!isalnum((unsigned char) *p) && !strchr("._-", *p))
                        return false;
        return true;
}

int settings_refuse_section(const char *name, struct error *e) {
        const char *names[MOST_NAMES], *nearest;
        char buffer[64];
        _cleanup_buffer_ struct buffer list = {};
        size_t count = 0;

        for (const struct settings_section *s = settings_sections; s->name; s++) {
                buffer_printf(&list, "%s%s", count ? " " : "", bracketed(s->name, buffer));
                names[count++] = s->name;
        }
        if (settings_is_name(name))
                error_set(e, ERROR_REFUSED, "there is no section [%s]", name);
        else
                error_set(e, ERROR_REFUSED, "there is no section of this name");
        nearest = text_nearest(name, names, count);
        if (nearest)
                error_hint(e, "Did you mean %s?", bracketed(nearest, buffer));
        else
                error_hint(e, "The sections are %s.", buffer_string(&list));
        return -1;
}

/* The nearest key of a section; NULL: of all sections. */
static const struct setting *nearest_setting(const char *section, const char *key) {
        const char *names[MOST_NAMES] = {}, *nearest;
        const struct setting *which[MOST_NAMES];
        size_t count = 0;

        for (const struct setting *s = settings; s->section; s++)
                if (!section || strcmp(s->section, section) == 0) {
                        which[count] = s;
                        names[count++] = s->key;
                }
        nearest = text_nearest(key, names, count);
        for (size_t i = 0; i < count; i++)
                if (names[i] == nearest)
                        return which[i];
        return NULL;
}

static const char *find_advice(const char *key) {
        for (size_t i = 0; i < sizeof advice / sizeof *advice; i++)
                if (strcasecmp(advice[i].key, key) == 0)
                        return advice[i].hint;
        return NULL;
}

static void hint_keys_of(const char *section, struct error *e) {
        _cleanup_buffer_ struct buffer list = {};
        char buffer[64];

        for (const struct setting *s = settings; s->section; s++)
                if (strcmp(s->section, section) == 0)
                        buffer_printf(&list, "%s%s", list.length ? ", " : "", s->key);
        error_hint(e, "The settings of %s are %s.", bracketed(section, buffer), buffer_string(&list));
}

/* Says where else a setting of exactly this name belongs. */
static bool hint_other_sections(const char *key, struct error *e) {
        _cleanup_buffer_ struct buffer list = {};
        char buffer[64];

        for (const struct setting *s = settings; s->section; s++)
                if (strcmp(s->key, key) == 0)
                        buffer_printf(&list, "%s%s", list.length ? " or " : "", bracketed(s->section, buffer));
        if (list.length)
                error_hint(e, "%s belongs in %s.", key, buffer_string(&list));
        return list.length > 0;
}

static void hint_key(const char *section, const char *key, struct error *e) {
        const struct setting *here = section ? nearest_setting(section, key) : NULL;
        const struct setting *elsewhere = nearest_setting(NULL, key);
        char buffer[64];

        if (hint_other_sections(key, e))
                return;
        if (find_advice(key))
                error_hint(e, "%s", find_advice(key));
        else if (here)
                error_hint(e, "Did you mean %s?", here->key);
        else if (elsewhere)
                error_hint(e, "Did you mean %s in %s?", elsewhere->key, bracketed(elsewhere->section, buffer));
        else if (strchr(key, '.'))
                error_hint(e, "Kafka properties belong in [kafka].");
        else if (section)
                hint_keys_of(section, e);
        else
                error_hint(e, "Settings stand below the [section] that they belong to.");
}

int settings_refuse_key(const char *section, const char *name, const char *key, struct error *e) {
        if (!settings_is_name(key)) {
                error_set(e, ERROR_REFUSED, "a setting's name may hold letters, digits, and . _ - only");
                return error_hint(e, "Write KEY = VALUE, each setting on a line of its own.");
        }
        if (section)
                error_set(e, ERROR_REFUSED, "there is no setting %s in [%s]", key, name);
        else
                error_set(e, ERROR_REFUSED, "%s stands before the first [section]", key);
        hint_key(section, key, e);
        return -1;
}
