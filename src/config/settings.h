/* The table of settings: the one place that knows their names, types, ranges, defaults and explanations. */
#ifndef PINFEED_CONFIG_SETTINGS_H
#define PINFEED_CONFIG_SETTINGS_H

#include "pinfeed/config.h"

enum setting_type {                     /* and what it is stored as */
        SETTING_TEXT,                   /* char *, NULL when not set; `most` bytes of `characters` */
        SETTING_NAME,                   /* char *: a column or a table, without backticks */
        SETTING_PATH,                   /* char * */
        SETTING_HOST,                   /* char * */
        SETTING_REGION,                 /* char * */
        SETTING_UNSIGNED,               /* unsigned, least..most */
        SETTING_COUNT,                  /* int: least..most, or -1 for the cluster's default */
        SETTING_WIDE,                   /* uint64_t, least..most */
        SETTING_REAL,                   /* double, real_least..real_most */
        SETTING_BOOL,                   /* bool */
        SETTING_LOG_LEVEL,              /* int, syslog's severity */
        SETTING_TLS,                    /* int, enum config_tls */
        SETTING_PROPERTY,               /* in [kafka]: described here, stored among the properties */
};

struct setting {
        const char *section;            /* "stream" stands for every [stream NAME] */
        const char *key;
        enum setting_type type;
        bool required;
        size_t offset;                  /* into struct config, or struct config_stream */
        uint64_t least, most;
        double real_least, real_most;
        const char *characters;         /* of a text, as ranges: "A-Za-z0-9._-" (a final - is itself); NULL: any */
        const char *normal;             /* the default as text; NULL: not set */
        const char *normal_words;       /* the default in words, where it isn't one text */
        const char *example;            /* for the sample, where there is no default */
        const char *help;               /* one line */
        const char *details;            /* sentences, or NULL */
        bool hidden;                    /* its value is in no message: people put a secret there by mistake */
        bool reload;                    /* may change while pinfeed runs */
};

struct settings_section {
        const char *name;               /* "stream": [stream NAME] */
        const char *help;               /* sentences */
};

/* In the order of the manual, ended by a NULL name (section). */
extern const struct settings_section settings_sections[];
extern const struct setting settings[];

/* NULL: there is none. */
const struct settings_section *settings_find_section(const char *name);
const struct setting *settings_find(const char *section, const char *key);

/* The three streams that are always there. */
extern const struct settings_stream {
        const char *name, *table, *key;
} settings_streams[3];

/* Letters, digits and . _ - only: a name worth repeating in an error. What isn't one may be a secret on a wrong line. */
bool settings_is_name(const char *name);

/* Words an error for a name that isn't a section or a setting, with what was probably meant. `section`: as in the table,
 * NULL before the first one; `name`: as the user wrote it. */
int settings_refuse_section(const char *name, struct error *e);
int settings_refuse_key(const char *section, const char *name, const char *key, struct error *e);

/* Stores `value` ("": the default) in `base`, a struct config or struct config_stream. The error names the setting,
 * what it accepts, and the value, if that may be shown (config_show_value). */
int setting_assign(const struct setting *s, void *base, const char *value, struct error *e);
/* Stores the defaults of a section (all of them, for the sections of struct config: pass NULL). */
void settings_assign_defaults(const char *section, void *base);
/* The error for a value that isn't accepted; `at`: the character in it that can't be there, or NULL; `reason`: or NULL. */
int setting_refuse(const struct setting *s, const char *value, const char *at, const char *reason, struct error *e);
/* Appends "a whole number from 1 to 65535", as errors and the manual put it, and returns it. */
const char *setting_accepts(const struct setting *s, struct buffer *out);
/* Whether it takes nearly any text, so that an example says more than what is accepted. */
bool setting_is_text(const struct setting *s);
/* Appends the value in force, as a file would have it; nothing for a text that is not set. */
void setting_print(const struct setting *s, const void *base, struct buffer *out);
/* Frees the strings of `base`: a struct config_stream (section "stream"), or a struct config (NULL). */
void settings_free_values(const char *section, void *base);

#endif
