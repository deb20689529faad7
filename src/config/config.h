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
};

/* NULL: never set. */
struct config_origin *origins_find(const struct config_origins *o, const char *section, const char *key);
/* `text` is taken over. */
void origins_note(struct config_origins *o, const char *section, const char *key, char *text, size_t line, bool unset);
void origins_free(struct config_origins *o);

/* Text as mdoc takes it: one sentence a line, no macro at the start of one, backslashes escaped. */
void config_print_mdoc_text(FILE *f, const char *text);

/* NULL: not set. */
const struct config_property *config_find_property(const struct config *c, const char *name);

#endif
