/* What can only be said when everything was read. */
#include "config/config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TOPIC_MOST_BYTES = 249 };

static const char *property(const struct config *c, const char *name) {
        const struct config_property *p = config_find_property(c, name);

        return p && *p->value ? p->value : NULL;
}

/* A setting that must be set isn't: maybe because the whole file is missing. */
static int refuse_unset(const struct config *c, const char *setting, const char *hint, struct error *e) {
        error_set(e, ERROR_REFUSED, "%s isn't set", setting);
        if (c->origins->file && c->origins->file_missing)
                return error_hint(e, "There is no file %.200s: copy the sample, pinfeed.conf.sample, there and fill it in. %s",
                                  c->origins->file, hint);
        return error_hint(e, "%s", hint);
}

static int check_kafka(const struct config *c, struct error *e) {
        if (!c->user_id)
                return refuse_unset(c, "[pinfeed] user_id",
                                    "Set it to your UserId, such as 0ac1babf620d: the part before the dot in the names of "
                                    "your topics (<UserId>.pin), and the name of your IAM user.", e);
        if (!property(c, "bootstrap.servers") && !property(c, "metadata.broker.list"))
                return refuse_unset(c, "[kafka] bootstrap.servers",
                                    "Set it to the brokers of your cluster. In the MSK console, open the cluster, choose "
                                    "\"View client information\", and copy the private endpoint for IAM: host names "
                                    "ending in :9098, separated by commas.", e);
        return 0;
}

static int check_mysql(const struct config *c, struct error *e) {
        if (c->mysql_host || c->mysql_socket)
                return 0;
        return refuse_unset(c, "[mysql] host",
                            "Set it to your database server: for RDS, the Endpoint that the RDS console shows under "
                            "\"Connectivity & security\"; 127.0.0.1 for one on this machine.", e);
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

/* Below systemd the credential; for who types pinfeed --check as root the file that it is made from, which stands
 * beside the configuration. */
static void fill_password_file(struct config *c) {
        const char *credentials = getenv("CREDENTIALS_DIRECTORY"), *slash;

        if (c->mysql_password_file)
                return;
        if (credentials && *credentials
            && take_password_file(c, credentials, strlen(credentials), "$CREDENTIALS_DIRECTORY"))
                return;
        if (!c->origins->file)
                return;
        slash = strrchr(c->origins->file, '/');
        if (slash)
                take_password_file(c, c->origins->file, (size_t) (slash - c->origins->file), c->origins->file);
        else
                take_password_file(c, ".", 1, c->origins->file);
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

static int check_topics_differ(const struct config *c, struct error *e) {
        for (size_t i = 0; i < c->stream_count; i++)
                for (size_t j = 0; j < i; j++) {
                        const struct config_stream *a = &c->streams[j], *b = &c->streams[i];

                        if (!a->topic || !b->topic || strcmp(a->topic, b->topic) != 0)
                                continue;
                        error_set(e, ERROR_REFUSED, "the streams %s and %s have the same topic", a->name, b->name);
                        return error_hint(e, "Each stream needs a topic of its own: its readers expect one kind of row.");
                }
        return 0;
}

int config_finish(struct config *c, unsigned needs, struct error *e) {
        if (needs & CONFIG_NEEDS_KAFKA && check_kafka(c, e) < 0)
                return -1;
        if (needs & CONFIG_NEEDS_MYSQL && check_mysql(c, e) < 0)
                return -1;
        fill_state_dir(c);
        fill_password_file(c);
        c->emulate_seeded = strcmp(config_origin(c, "emulate", "seed"), "default") != 0;
        for (size_t i = 0; i < c->stream_count; i++)
                if (finish_stream(c, &c->streams[i], e) < 0)
                        return -1;
        return check_topics_differ(c, e);
}
