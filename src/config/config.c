#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/ini.h"

enum { FILE_MOST_BYTES = 16 << 20, STREAM_NAME_MOST = 64 };

/* ---- the whole ---- */

static struct config_stream *add_stream(struct config *c, const char *name) {
        struct config_stream *s;

        c->streams = mem_resize(c->streams, (c->stream_count + 1) * sizeof *c->streams);
        s = &c->streams[c->stream_count++];
        *s = (struct config_stream) { .name = mem_copy_string(name) };
        settings_assign_defaults("stream", s);
        return s;
}

struct config *config_new(void) {
        struct config *c = mem_zero(1, sizeof *c);

        c->origins = mem_zero(1, sizeof *c->origins);
        settings_assign_defaults(NULL, c);
        for (size_t i = 0; i < sizeof settings_streams / sizeof *settings_streams; i++)
                add_stream(c, settings_streams[i].name);
        return c;
}

static void free_property(struct config_property *p) {
        mem_wipe(p->value, strlen(p->value));
        free(p->name);
        free(p->value);
        free(p->origin);
}

void config_free(struct config *c) {
        if (!c)
                return;
        settings_free_values(NULL, c);
        for (size_t i = 0; i < c->kafka_count; i++)
                free_property(&c->kafka[i]);
        free(c->kafka);
        for (size_t i = 0; i < c->stream_count; i++) {
                settings_free_values("stream", &c->streams[i]);
                free(c->streams[i].name);
        }
        free(c->streams);
        origins_free(c->origins);
        errors_free(&c->problems);
        free(c);
}

const struct config_stream *config_find_stream(const struct config *c, const char *name) {
        for (size_t i = 0; i < c->stream_count; i++)
                if (strcmp(c->streams[i].name, name) == 0)
                        return &c->streams[i];
        return NULL;
}

const struct config_property *config_find_property(const struct config *c, const char *name) {
        for (size_t i = 0; i < c->kafka_count; i++)
                if (strcmp(c->kafka[i].name, name) == 0)
                        return &c->kafka[i];
        return NULL;
}

/* ---- places: what a section's name stands for ---- */

struct place {
        const char *section;                    /* as in the table: "mysql", "stream" */
        char name[STREAM_NAME_MOST + 8];        /* as in the file, in one spelling: "mysql", "stream pin" */
        void *base;                             /* struct config or struct config_stream */
};

static bool is_stream_name(const char *name) {
        size_t length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

        return length > 0 && length <= STREAM_NAME_MOST && !name[length];
}

static int find_stream_place(struct config *c, const char *name, struct place *ret, struct error *e) {
        struct config_stream *stream;

        name += strspn(name, " \t");
        if (!is_stream_name(name)) {
                error_set(e, ERROR_REFUSED, "a stream's section needs a name of 1 to %d letters, digits, _ or -",
                          STREAM_NAME_MOST);
                return error_hint(e, "Write [stream pin], for example.");
        }
        stream = (struct config_stream *) config_find_stream(c, name);
        *ret = (struct place) { .section = "stream", .base = stream ? stream : add_stream(c, name) };
        snprintf(ret->name, sizeof ret->name, "stream %s", name);
        return 0;
}

/* `ret->name` is what a setting's place is called; it may be a stream that is added here. */
static int find_place(struct config *c, const char *name, struct place *ret, struct error *e) {
        const struct settings_section *section;

        if (strncmp(name, "stream", 6) == 0 && (!name[6] || name[6] == ' ' || name[6] == '\t'))
                return find_stream_place(c, name + 6, ret, e);
        section = settings_find_section(name);
        if (!section)
                return settings_refuse_section(name, e);
        *ret = (struct place) { .section = section->name, .base = c };
        snprintf(ret->name, sizeof ret->name, "%s", section->name);
        return 0;
}

/* ---- one setting ---- */

static void set_property(struct config *c, const char *name, const char *value, const char *origin) {
        struct config_property *p = (struct config_property *) config_find_property(c, name);

        if (!p) {
                c->kafka = mem_resize(c->kafka, (c->kafka_count + 1) * sizeof *c->kafka);
                p = &c->kafka[c->kafka_count++];
                p->name = mem_copy_string(name);
        } else {
                mem_wipe(p->value, strlen(p->value));
                free(p->value);
                free(p->origin);
        }
        p->value = mem_copy_string(value);
        p->origin = mem_copy_string(origin);
}

/* What others can see holds no secret. */
static int check_secrecy(const struct config *c, const char *key, size_t line, struct error *e) {
        if (!config_property_is_secret(key) || (line && !c->origins->file_public))
                return 0;
        if (!line) {
                error_set(e, ERROR_REFUSED, "[kafka] %s is a secret, and other users can see a command line", key);
                return error_hint(e, "Set it in the configuration file, and let nobody else read that.");
        }
        error_set(e, ERROR_REFUSED, "[kafka] %s is a secret, and other users can read this file", key);
        return error_hint(e, "Type: chmod o-rwx %s (the service reads it as a member of the group pinfeed: chgrp "
                          "pinfeed %s).", c->origins->file, c->origins->file);
}

/* Stores one setting that stands at `origin` (and, in a file, on `line`). */
static int set(struct config *c, const struct place *place, const char *key, const char *value, const char *origin,
               size_t line, struct error *e) {
        const struct config_origin *earlier = origins_find(c->origins, place->name, key);
        bool is_property = strcmp(place->section, "kafka") == 0;
        const struct setting *s = settings_find(place->section, key);

        if (!s && !(is_property && settings_is_name(key)))
                return settings_refuse_key(place->section, place->name, key, e);
        if (line && earlier && earlier->reading == c->origins->reading) {
                error_set(e, ERROR_REFUSED, "[%s] %.100s is set twice: on line %zu already", place->name, key,
                          earlier->line);
                return error_hint(e, "Keep one of the two.");
        }
        origins_note(c->origins, place->name, key, mem_copy_string(origin), line, !is_property && !*value);
        if (is_property ? check_secrecy(c, key, line, e) < 0 : setting_assign(s, place->base, value, e) < 0) {
                c->origins->understood++;
                return is_property ? -1 : error_prefix(e, "[%s] ", place->name);
        }
        if (is_property)
                set_property(c, key, value, origin);
        return 0;
}

/* ---- files ---- */

struct reading {
        struct config *config;
        const char *origin;
        bool before_sections;           /* it was said that settings stand there */
};

static int take_item(void *arg, const struct ini_item *item, struct error *e) {
        struct reading *r = arg;
        _cleanup_free_ char *origin = NULL;
        struct place place;

        if (!item->section) {
                bool said = r->before_sections;

                r->before_sections = true;
                return said ? 0 : settings_refuse_key(NULL, NULL, item->key, e);
        }
        /* A section that isn't one is refused where it begins. */
        if (find_place(r->config, item->section, &place, e) < 0)
                return item->key ? 0 : -1;
        if (!item->key)
                return 0;
        origin = mem_format("%s:%zu", r->origin, item->line);
        return set(r->config, &place, item->key, item->value, origin, item->line, e);
}

int config_parse(struct config *c, const char *bytes, size_t length, const char *origin, struct error *e) {
        struct reading r = { c, origin, false };
        size_t before = c->problems.count;

        c->origins->reading++;
        ini_parse(bytes, length, origin, take_item, &r, &c->problems);
        return config_first_problem(c, before, e);
}

static int refuse_file(const char *path, int cause, struct error *e) {
        if (cause == EFBIG)
                return error_set(e, ERROR_REFUSED, "the configuration %s is larger than 16 MiB", path);
        error_set(e, ERROR_REFUSED, "can't read the configuration %s: %s", path, strerror(cause));
        if (cause == ENOENT)
                error_hint(e, "Copy the sample, %s, there and fill it in, or name another file with --config=FILE.",
                           config_sample_path());
        if (cause == EACCES)
                error_hint(e, "The user that pinfeed runs as must be able to read it.");
        return -1;
}

int config_read_file(struct config *c, const char *path, bool may_be_missing, struct error *e) {
        _cleanup_secret_ struct buffer b = {};
        int cause = file_read(path, FILE_NAMED, FILE_MOST_BYTES, &b) < 0 ? errno : 0;

        c->origins->file_missing = cause == ENOENT;
        if (cause != 0 && !(cause == ENOENT && may_be_missing)) {
                refuse_file(path, cause, e);
                return errors_add(&c->problems, e);
        }
        free(c->origins->file);
        c->origins->file = mem_copy_string(path);
        c->origins->file_public = config_file_is_public(path);
        return cause == ENOENT ? 1 : config_parse(c, b.data, b.length, path, e);
}

/* ---- the command line ---- */

static int set_assignment(struct config *c, const char *assignment, struct error *e) {
        const char *dot = strchr(assignment, '.'), *equals = strchr(assignment, '=');
        _cleanup_free_ char *section = NULL, *key = NULL;
        struct place place;

        if (!dot || !equals || dot > equals || dot == assignment || dot + 1 == equals) {
                error_set(e, ERROR_REFUSED, "--set wants SECTION.KEY=VALUE");
                return error_hint(e, "For example --set=emulate.rate=10 or --set='stream pin.topic=test'.");
        }
        section = mem_copy_bytes(assignment, (size_t) (dot - assignment));
        key = mem_copy_bytes(dot + 1, (size_t) (equals - dot - 1));
        c->origins->reading++;
        if (find_place(c, section, &place, e) < 0 || set(c, &place, key, equals + 1, "--set", 0, e) < 0)
                return error_prefix(e, "--set: ");
        return 0;
}

int config_set(struct config *c, const char *assignment, struct error *e) {
        if (set_assignment(c, assignment, e) == 0)
                return 0;
        e->class = ERROR_USAGE;
        return errors_add(&c->problems, e);
}

static int refuse_stream(const struct config *c, const char *name, struct error *e) {
        _cleanup_free_ const char **names = mem_alloc(c->stream_count * sizeof *names);
        _cleanup_buffer_ struct buffer list = {};
        const char *nearest;

        for (size_t i = 0; i < c->stream_count; i++) {
                names[i] = c->streams[i].name;
                buffer_printf(&list, "%s%s", i ? ", " : "", names[i]);
        }
        nearest = text_nearest(name, names, c->stream_count);
        error_set(e, ERROR_USAGE, "--streams: there is no stream %.64s", name);
        if (nearest)
                error_hint(e, "Did you mean %s?", nearest);
        else
                error_hint(e, "The streams are %.500s.", buffer_string(&list));
        return -1;
}

int config_check_streams(const struct config *c, const struct options *o, struct error *e) {
        for (size_t i = 0; i < o->stream_count; i++)
                if (!config_find_stream(c, o->streams[i]))
                        return refuse_stream(c, o->streams[i], e);
        return 0;
}

int config_load(struct config *c, const struct options *o, unsigned needs, struct error *e) {
        bool may_be_missing = !o->config_file_named && (needs == 0 || o->set_count > 0);

        c->options = o;
        c->needs = needs;
        if (config_read_file(c, o->config_file, may_be_missing, e) < 0 && !c->origins->file)
                return -1;
        for (size_t i = 0; i < o->set_count; i++)
                config_set(c, o->sets[i], e);
        if (o->verbose)
                config_set(c, "pinfeed.log_level=debug", e);
        config_finish(c, needs, e);
        if (needs & CONFIG_NEEDS_MYSQL)
                config_check_password_file(c);
        if (config_check_streams(c, o, e) < 0)
                errors_add(&c->problems, e);
        return config_first_problem(c, 0, e);
}
