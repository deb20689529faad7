#include "config/config.h"

#include <string.h>

struct config_origin *origins_find(const struct config_origins *o, const char *section, const char *key) {
        for (size_t i = 0; i < o->count; i++)
                if (strcmp(o->list[i].section, section) == 0 && strcmp(o->list[i].key, key) == 0)
                        return &o->list[i];
        return NULL;
}

static struct config_origin *add(struct config_origins *o, const char *section, const char *key) {
        if (o->count == o->capacity) {
                o->capacity = o->capacity ? o->capacity * 2 : 16;
                o->list = mem_resize(o->list, o->capacity * sizeof *o->list);
        }
        o->list[o->count] = (struct config_origin) {
                .section = mem_copy_string(section), .key = mem_copy_string(key),
        };
        return &o->list[o->count++];
}

void origins_note(struct config_origins *o, const char *section, const char *key, char *text, size_t line, bool unset) {
        struct config_origin *origin = origins_find(o, section, key);

        if (!origin)
                origin = add(o, section, key);
        free(origin->text);
        origin->text = text;
        origin->line = line;
        origin->reading = o->reading;
        origin->unset = unset;
}

void origins_free(struct config_origins *o) {
        if (!o)
                return;
        for (size_t i = 0; i < o->count; i++) {
                free(o->list[i].section);
                free(o->list[i].key);
                free(o->list[i].text);
        }
        free(o->list);
        free(o->file);
        free(o);
}

int config_first_problem(const struct config *c, size_t before, struct error *e) {
        if (c->problems.count <= before)
                return 0;
        *e = c->problems.list[before < ERRORS_KEPT ? before : ERRORS_KEPT - 1];
        return -1;
}

const char *config_origin(const struct config *c, const char *section, const char *key) {
        const struct config_origin *origin = origins_find(c->origins, section, key);

        return origin && !origin->unset ? origin->text : "default";
}
