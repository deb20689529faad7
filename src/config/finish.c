/* What can only be said when everything was read. */
#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOPIC_MOST_BYTES = 249 };

#ifndef PINFEED_DOCDIR
#define PINFEED_DOCDIR "/usr/local/share/doc/pinfeed"
#endif

const char *config_sample_path(void) {
        static const char *const paths[] = {
                PINFEED_DOCDIR "/pinfeed.conf.sample", "/usr/local/share/doc/pinfeed/pinfeed.conf.sample",
                "/usr/share/doc/pinfeed/pinfeed.conf.sample",
        };

        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
                if (access(paths[i], F_OK) == 0)
                        return paths[i];
        return "pinfeed.conf.sample (make manual makes it)";
}

bool config_file_is_public(const char *path) {
        struct stat file;

        return stat(path, &file) == 0 && S_ISREG(file.st_mode) && file.st_mode & S_IROTH;
}

/* A setting that must be set isn't: maybe because the whole file is missing. Nothing is said when it was tried: on a line
 * that could not be understood, or with a wrong value. */
static void refuse_unset(struct config *c, const char *section, const char *key, const char *hint) {
        const struct config_origin *tried = origins_find(c->origins, section, key);
        struct error e;

        if (c->problems.count > c->origins->understood
            || (tried && !tried->unset && strcmp(section, "kafka") != 0))
                return;
        error_set(&e, ERROR_REFUSED, "[%s] %s isn't set", section, key);
        if (c->origins->file && c->origins->file_missing) {
                c->origins->file_missing = false;               /* said once */
                error_hint(&e, "There is no file %.200s: copy the sample, %s, there and fill it in. %s", c->origins->file,
                           config_sample_path(), hint);
        } else
                error_hint(&e, "%s", hint);
        errors_add(&c->problems, &e);
        c->origins->understood++;
}

/* Also by a name that is misspelt: the producer's check of all names answers that. */
static bool names_brokers(const struct config *c) {
        static const char *const names[] = { "bootstrap.servers", "metadata.broker.list", "brokers" };

        for (size_t i = 0; i < c->kafka_count; i++)
                if (*c->kafka[i].value && text_nearest(c->kafka[i].name, names, 3))
                        return true;
        return false;
}

static void check_kafka(struct config *c) {
        if (!c->user_id)
                refuse_unset(c, "pinfeed", "user_id",
                             "Set it to your UserId, such as 0ac1babf620d: the part before the dot in the names of "
                             "your topics (<UserId>.pin), and the name of your IAM user.");
        if (!names_brokers(c))
                refuse_unset(c, "kafka", "bootstrap.servers",
                             "Set it to the brokers of your cluster. In the MSK console, open the cluster, choose "
                             "\"View client information\", and copy the private endpoint for IAM: host names "
                             "ending in :9098, separated by commas.");
}

static void check_mysql(struct config *c) {
        if (!c->mysql_host && !c->mysql_socket)
                refuse_unset(c, "mysql", "host",
                             "Set it to your database server: for RDS, the Endpoint that the RDS console shows under "
                             "\"Connectivity & security\"; 127.0.0.1 for one on this machine.");
}

/* ---- what systemd provides ---- */

static void fill_state_dir(struct config *c) {
        const char *state = getenv("STATE_DIRECTORY");

        if (c->state_dir)
                return;
        if (!state || !*state || *state == ':') {
                c->state_dir = mem_copy_string("/var/lib/pinfeed");
                return;
        }
        c->state_dir = mem_copy_bytes(state, strcspn(state, ":"));
        origins_note(c->origins, "pinfeed", "state_dir", mem_copy_string("$STATE_DIRECTORY"), 0, false);
}

/* Takes the file mysql-password of a directory, if it is there, even if it can't be read: then the error will say so. */
static bool take_password_file(struct config *c, const char *directory, size_t length, const char *origin) {
        char *path = mem_format("%.*s/mysql-password", (int) length, directory);

        if (access(path, F_OK) < 0) {
                free(path);
                return false;
        }
        c->mysql_password_file = path;
        origins_note(c->origins, "mysql", "password_file", mem_copy_string(origin), 0, false);
        return true;
}

/* Below systemd the credential, and once reloaded what stands in for it, as systemd makes credentials at the start only.
 * For who types pinfeed --check as root the file that they are made from, which stands beside the configuration. */
static void fill_password_file(struct config *c) {
        static const char *const variables[] = { "$RELOADED_CREDENTIALS_DIRECTORY", "$CREDENTIALS_DIRECTORY" };
        const char *file = c->origins->file, *slash = file ? strrchr(file, '/') : NULL;
        size_t length = slash ? (size_t) (slash - file) : 1;
        const char *beside = slash ? file : ".";
        char *named = c->mysql_password_file;

        /* Who names the file that systemd has handed over means that: only root can read it where it lies. */
        if (named && (strncmp(named, beside, length) != 0 || strcmp(named + length, "/mysql-password") != 0
                      || access(named, R_OK) == 0 || errno != EACCES))
                return;
        for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
                const char *directory = getenv(variables[i] + 1);

                if (directory && *directory && take_password_file(c, directory, strlen(directory), variables[i])) {
                        free(named);
                        return;
                }
        }
        if (file && !named)
                take_password_file(c, beside, length, file);
}

/* What is set there and is no file may be the password itself. */
void config_check_password_file(struct config *c) {
        const char *path = c->mysql_password_file, *origin = config_origin(c, "mysql", "password_file");
        struct error e;

        if (!path || (access(path, F_OK) == 0 && !config_file_is_public(path)))
                return;
        if (access(path, F_OK) < 0) {
                error_set(&e, strcmp(origin, "--set") == 0 ? ERROR_USAGE : ERROR_REFUSED,
                          "%s: [mysql] password_file names no file that can be found: %s", origin, strerror(errno));
                error_hint(&e, "What is set isn't shown, as it may be the password itself: that belongs into a file that "
                               "only root can read, such as /etc/pinfeed/mysql-password, and this is the file's path.");
        } else {
                error_set(&e, ERROR_REFUSED, "other users can read the password in %s", path);
                error_hint(&e, "Type: chmod o-rwx %s", path);
        }
        errors_add(&c->problems, &e);
}

/* ---- streams ---- */

static const struct settings_stream *find_standard(const char *name) {
        for (size_t i = 0; i < sizeof settings_streams / sizeof *settings_streams; i++)
                if (strcmp(settings_streams[i].name, name) == 0)
                        return &settings_streams[i];
        return NULL;
}

static int refuse_incomplete(const struct config_stream *s, const char *key, struct error *e) {
        const char *names[sizeof settings_streams / sizeof *settings_streams], *nearest;
        size_t count = sizeof names / sizeof *names;

        for (size_t i = 0; i < count; i++)
                names[i] = settings_streams[i].name;
        nearest = text_nearest(s->name, names, count);
        error_set(e, ERROR_REFUSED, "[stream %s] %s isn't set", s->name, key);
        if (nearest)
                return error_hint(e, "A stream of your own needs a table and a key. Or did you mean [stream %s]?", nearest);
        return error_hint(e, "A stream of your own needs a table, and a key: the column that identifies a row.");
}

static int finish_stream(const struct config *c, struct config_stream *s, struct error *e) {
        const struct settings_stream *standard = find_standard(s->name);

        if (!s->table && standard)
                s->table = mem_copy_string(standard->table);
        if (!s->key && standard)
                s->key = mem_copy_string(standard->key);
        if (!s->table || !s->key)
                return refuse_incomplete(s, s->table ? "key" : "table", e);
        if (!s->topic && c->user_id)
                s->topic = mem_format("%s.%s", c->user_id, s->name);
        if (s->topic && strlen(s->topic) > TOPIC_MOST_BYTES) {
                error_set(e, ERROR_REFUSED, "the topic of stream %s, <user_id>.%s, is longer than Kafka's %d characters",
                          s->name, s->name, TOPIC_MOST_BYTES);
                return error_hint(e, "Set [stream %s] topic.", s->name);
        }
        return 0;
}

static void check_topics_differ(struct config *c) {
        for (size_t i = 0; i < c->stream_count; i++)
                for (size_t j = 0; j < i; j++) {
                        const struct config_stream *a = &c->streams[j], *b = &c->streams[i];
                        struct error e;

                        if (!a->topic || !b->topic || strcmp(a->topic, b->topic) != 0)
                                continue;
                        error_set(&e, ERROR_REFUSED, "the streams %s and %s have the same topic", a->name, b->name);
                        error_hint(&e, "Each stream needs a topic of its own: its readers expect one kind of row.");
                        errors_add(&c->problems, &e);
                }
}

int config_finish(struct config *c, unsigned needs, struct error *e) {
        size_t before = c->problems.count;

        if (needs & CONFIG_NEEDS_KAFKA)
                check_kafka(c);
        if (needs & CONFIG_NEEDS_MYSQL)
                check_mysql(c);
        fill_state_dir(c);
        fill_password_file(c);
        c->emulate_seeded = strcmp(config_origin(c, "emulate", "seed"), "default") != 0;
        c->replay_group_default = !c->replay_group;
        if (!c->replay_group && c->user_id)
                c->replay_group = mem_format("pinfeed.%s", c->user_id);
        for (size_t i = 0; i < c->stream_count; i++)
                if (finish_stream(c, &c->streams[i], e) < 0)
                        errors_add(&c->problems, e);
        check_topics_differ(c);
        return config_first_problem(c, before, e);
}
