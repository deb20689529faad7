/* What the files of this room share besides the table: origins and places. */
#ifndef PINFEED_CONFIG_CONFIG_H
#define PINFEED_CONFIG_CONFIG_H

#include "config/settings.h"

/* Remembers where a setting was set. `reading` tells one file from the next. */
struct config_origins {
        struct config_origin {
                char *section, *key;
                char *text;             /* "FILE:LINE", "--set", "$VARIABLE" */
                size_t line;            /* 0: not in a file */
                unsigned reading;
                bool unset;             /* set to nothing: the default holds */
        } *list;
        size_t count, capacity;
        unsigned reading;               /* the current one */
        char *file;                     /* the last one that was read, or NULL */
        bool file_missing;              /* which was allowed */
        bool file_public;               /* others may read it */
        size_t understood;              /* of the problems, those that don't hide which setting was meant */
};

/* NULL: never set. */
struct config_origin *origins_find(const struct config_origins *o, const char *section, const char *key);
/* `text` is taken over. */
void origins_note(struct config_origins *o, const char *section, const char *key, char *text, size_t line, bool unset);
void origins_free(struct config_origins *o);

/* Text as mdoc takes it: one sentence a line, no macro at the start of one, backslashes escaped. */
void config_print_mdoc_text(FILE *f, const char *text);

/* Where the sample lies: a path, or where nothing was installed its name. */
const char *config_sample_path(void);
/* Whether a regular file can be read by others than its owner and group. */
bool config_file_is_public(const char *path);

/* After config_finish: adds a problem when the password file isn't there, or others may read it. */
void config_check_password_file(struct config *c);

/* 0 when there are no more than `before` problems; else -1, with the first of those beyond. */
int config_first_problem(const struct config *c, size_t before, struct error *e);

/* NULL: not set. */
const struct config_property *config_find_property(const struct config *c, const char *name);

#endif
