/* config: every setting in one table, every option in another; from them come parsing, --help, the manual and the
 * sample file.
 *
 * The file is INI: `[section]`, `[stream NAME]`, `key = value`. `#` and `;` begin a comment at the start of a line or
 * after white space; a value may be quoted ("…", with \" and \\); lines have no length limit. An empty value means
 * "not set" (the default), also in --set; in [kafka] it is the empty string. A key stands once in a file.
 */
#ifndef PINFEED_CONFIG_H
#define PINFEED_CONFIG_H

#include <stdio.h>

#include "base.h"

#define CONFIG_DEFAULT_FILE "/etc/pinfeed/pinfeed.conf"

struct options;

/* ---- settings --------------------------------------------------------------------------------------------------- */

/* A librdkafka property by its own name; checked by the producer. */
struct config_property {
        char *name, *value;
        char *origin;                   /* "FILE:LINE" or "--set", for errors */
};

struct config_stream {
        char *name;                     /* pin, geo, user, or the user's own */
        char *table, *key, *topic;
        char *columns, *where;          /* NULL: all */
        int partitions;                 /* -1: the cluster's default */
        int replication_factor;         /* -1: the cluster's default */
};

enum config_tls {
        CONFIG_TLS_DEFAULT,                     /* as table has it */
        CONFIG_TLS_PREFER,
        CONFIG_TLS_REQUIRE,
        CONFIG_TLS_VERIFY,
};

/* Strings are NULL when not set and without a default. */
struct config {
        char *user_id;
        unsigned stats_interval_s;
        int log_level;                  /* syslog severity */
        char *state_dir;                /* after config_finish */

        char *mysql_host, *mysql_socket, *mysql_user, *mysql_password_file, *mysql_database, *mysql_ssl_ca;
        unsigned mysql_port;
        int mysql_tls;                          /* enum config_tls */

        struct config_property *kafka;  /* in order; bootstrap.servers among them */
        size_t kafka_count;

        char *aws_region, *aws_profile, *aws_role_arn, *aws_external_id, *aws_session_name;

        double emulate_rate;            /* posts a second */
        uint64_t emulate_posts;         /* 0: no end */
        bool emulate_seeded;            /* after config_finish */
        uint64_t emulate_seed;

        char *replay_group;             /* after config_finish */
        bool replay_group_default;      /* after config_finish: it was not set, but made from user_id */
        bool replay_exactly_once;
        unsigned replay_commit_rows;    /* rows in a transaction, about */
        double replay_rate;             /* rows a second of the whole run; 0: unlimited */

        double follow_interval_s;
        unsigned follow_settle_s;

        struct config_stream *streams;  /* the three, then those that the user added */
        size_t stream_count;

        const struct options *options;  /* what config_load read, NULL before it; and what for */
        unsigned needs;

        struct config_origins *origins; /* where each setting was set, for errors */
        struct errors problems;         /* what the functions below have refused, in order */
};

/* All defaults. Freed with config_free, which wipes Kafka's properties (one may be a password). */
struct config *config_new(void);
void config_free(struct config *c);     /* safe on NULL */

/* All that read settings go on behind a mistake, and add each one to `problems`; they return -1, with their first one,
 * when there were any. Mistakes are of class ERROR_REFUSED, those of the command line of class ERROR_USAGE. */

/* Everything that the command line asks for: the file, each --set, config_finish and config_check_streams; and a look
 * whether the password file is there and others can't read it, if the job needs MySQL. `o` must outlive `c`. */
int config_load(struct config *c, const struct options *o, unsigned needs, struct error *e);
/* The same again while pinfeed runs, into a new `ret`: what `c` was loaded from, unless that can't be read twice. */
int config_load_again(const struct config *c, struct config *ret, struct error *e);
/* Appends what is set differently in `b` than in `a`, as "emulate.rate, kafka.acks": of the settings that may change
 * while pinfeed runs (`reload`), or of the others. Both after config_finish. */
void config_changes(const struct config *a, const struct config *b, bool reload, struct buffer *out);

/* Reads settings from bytes; `origin` names them in errors (a file's name). Errors name file, line, the nearest valid
 * name, and a wrong value if it may be shown. A key set twice in one call is refused; a later call overrides. */
int config_parse(struct config *c, const char *bytes, size_t length, const char *origin, struct error *e);
/* The same for a file. A missing file is refused; returns 1 instead if `may_be_missing`. In a file that others can read
 * no property of [kafka] may be a secret. */
int config_read_file(struct config *c, const char *path, bool may_be_missing, struct error *e);
/* One `SECTION.KEY=VALUE` of the command line (for a stream: `stream NAME.KEY=VALUE`); overrides files. The value is
 * taken as it is: no quotes, no comments. Other users see it, so it may not be a secret. */
int config_set(struct config *c, const char *assignment, struct error *e);

enum config_needs {                     /* what a job talks to */
        CONFIG_NEEDS_KAFKA = 1,         /* user_id and bootstrap.servers must be set */
        CONFIG_NEEDS_MYSQL = 2,         /* host or socket must be set */
};
/* Fills what depends on other settings (topics and the group from user_id, state_dir and password_file from the
 * environment that systemd sets) and checks that what the job needs (enum config_needs, or-ed) is there and that the
 * settings agree with each other. Call once, after everything was read. */
int config_finish(struct config *c, unsigned needs, struct error *e);

/* Where a setting was set ("FILE:LINE", "--set", "$STATE_DIRECTORY"), or "default": for errors about its value.
 * `section` as in the file: "mysql", "kafka", "stream pin". */
const char *config_origin(const struct config *c, const char *section, const char *key);

/* What may be shown of values is decided by these, for every message. Properties of [kafka] that are never shown; those
 * among them with which others could sign in. */
bool config_property_is_hidden(const char *name);
bool config_property_is_secret(const char *name);
/* Appends a value in quotes, at most 80 bytes of it and without control characters; nothing when it may hold a password
 * (there is an @ in it, as in URLs). */
void config_show_value(const char *value, struct buffer *out);

/* The stream of that name, or NULL. */
const struct config_stream *config_find_stream(const struct config *c, const char *name);

/* Hands out every setting, in the table's order, and each property of [kafka]: its section as in the file, its value as
 * text ("": not set), or NULL if that may not be shown, and config_origin. After config_finish. */
typedef void (*config_show_fn)(void *arg, const char *section, const char *key, const char *value, const char *origin);
void config_show(const struct config *c, config_show_fn fn, void *arg);

/* Generated from the table: the sample file (every setting, commented out), and the settings part of the manual
 * (mdoc). */
void config_print_sample(FILE *f);
void config_print_manual(FILE *f);

/* ---- the command line ------------------------------------------------------------------------------------------- */

enum job {
        JOB_EMULATE,                    /* no job option: the daemon */
        JOB_REPLAY,
        JOB_FOLLOW,
        JOB_VERIFY,
        JOB_CHECK,
        JOB_STATUS,
        JOB_CREATE_TOPICS,
        JOB_TOKEN,
        JOB_SHOW_SETTINGS,
        JOB_VERSION,
        JOB_HELP,
};

/* Strings point into argv, but for `streams`, which is owned. */
struct options {
        enum job job;
        const char *config_file;
        bool config_file_named;         /* by --config: then it has to exist */
        const char **sets;              /* for config_set, in order */
        size_t set_count;
        char **streams;                 /* none: all */
        size_t stream_count;
        const char *from, *to;          /* keys, inclusive; NULL: no bound */
        bool restart, dry_run, json;
        bool verbose;
        bool raw;                       /* with --token: nothing but the token */
        const char *as, *show;          /* with --verify; NULL: not given */
};

/* ERROR_USAGE, with the nearest option, for unknown options, arguments that are none, missing or superfluous values,
 * and options that don't go together; an option's value is never echoed. --help wins over everything, also mistakes. Freed with
 * options_free (also after a failure: not needed, harmless). */
int options_parse(int argc, char **argv, struct options *ret, struct error *e);
void options_free(struct options *o);   /* safe on {0} and twice */

/* Whether the options name this stream, or none. */
bool options_want_stream(const struct options *o, const char *name);

/* For a terminal: 80 columns. */
void options_print_help(FILE *f);
/* The same table for the manual (mdoc). */
void options_print_manual(FILE *f);
/* The same table, and that of the settings, as completion: a file that bash sources, one that zsh autoloads. */
void options_print_bash(FILE *f);
void options_print_zsh(FILE *f);

/* Whether the streams that the options name exist (ERROR_USAGE with the nearest one). */
int config_check_streams(const struct config *c, const struct options *o, struct error *e);

#endif
