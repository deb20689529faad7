/* config: every setting in one table; from it come parsing, --help, the man page and the sample file.
 *
 * The file is INI: `[section]`, `[stream NAME]`, `key = value`. `#` and `;` begin a comment at the start of a line or
 * after white space; a value may be quoted ("…", with \" and \\); lines have no length limit.
 */
#ifndef PINFEED_CONFIG_H
#define PINFEED_CONFIG_H

#include <stdio.h>

#include "base.h"

#define CONFIG_DEFAULT_FILE "/etc/pinfeed/pinfeed.conf"

/* A librdkafka property by its own name; checked by the producer. */
struct config_property {
        char *name, *value;
        char *origin;                   /* "FILE:LINE" or "--set", for errors */
};

struct config_stream {
        char *name;                     /* pin, geo, user, or the user's own */
        char *table, *key, *topic;
        char *columns, *where;          /* NULL: all */
        int partitions;                 /* default 1 */
        int replication_factor;         /* -1: the cluster's default */
};

struct config {
        char *user_id;
        unsigned stats_interval_s;
        int log_level;                  /* syslog severity */
        char *state_dir;

        char *mysql_host, *mysql_socket, *mysql_user, *mysql_password_file, *mysql_database, *mysql_ssl_ca;
        unsigned mysql_port;

        struct config_property *kafka;  /* bootstrap.servers among them */
        size_t kafka_count;

        char *aws_region, *aws_profile, *aws_role_arn, *aws_external_id, *aws_session_name;

        double emulate_rate;            /* posts a second */
        uint64_t emulate_posts;         /* 0: no end */
        bool emulate_seeded;
        uint64_t emulate_seed;

        char *replay_group;
        bool replay_exactly_once;
        double replay_rate;             /* rows a second of the whole run; 0: unlimited */

        struct config_stream *streams;  /* the three, then those that the user added */
        size_t stream_count;

        struct config_origins *origins; /* where each setting was set, for errors */
};

/* All defaults. Freed with config_free. */
struct config *config_new(void);
void config_free(struct config *c);

/* Reads settings from bytes; `origin` names them in errors (a file's name). ERROR_REFUSED with file, line and the
 * nearest valid name; a value is never echoed. A key set twice in one file is refused. */
int config_parse(struct config *c, const char *bytes, size_t length, const char *origin, struct error *e);
/* The same for a file. A missing file is ERROR_REFUSED; returns 1 instead if `may_be_missing`. */
int config_read_file(struct config *c, const char *path, bool may_be_missing, struct error *e);
/* One `SECTION.KEY=VALUE` of the command line (for a stream: `stream NAME.KEY=VALUE`); overrides files.
 * ERROR_REFUSED like config_parse; ERROR_USAGE if it hasn't that form. */
int config_set(struct config *c, const char *assignment, struct error *e);
/* Fills what depends on other settings (topics from user_id, state_dir and password_file from the environment that
 * systemd sets) and checks what must be there for talking to MySQL and Kafka. Call once, after everything was read. */
int config_finish(struct config *c, struct error *e);

/* Where a setting was set, or "default": for errors about its value. */
const char *config_origin(const struct config *c, const char *section, const char *key);

/* The nearest of `count` names, or NULL if none is near. */
const char *config_nearest(const char *name, const char *const *names, size_t count);

/* Generated from the table: the sample file (every setting, commented out), and the settings part of the man page
 * (mdoc). */
void config_print_sample(FILE *f);
void config_print_manual(FILE *f);

#endif
