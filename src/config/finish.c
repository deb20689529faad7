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

static int check_kafka(const struct config *c, struct error *e) {
        if (!c->user_id) {
                error_set(e, ERROR_REFUSED, "[pinfeed] user_id isn't set");
                return error_hint(e, "Set it to your UserId, such as 0ac1babf620d: the part before the dot in the names of "
                                     "your topics (<UserId>.pin), and the name of your IAM user.");
        }
        if (!property(c, "bootstrap.servers") && !property(c, "metadata.broker.list")) {
                error_set(e, ERROR_REFUSED, "[kafka] bootstrap.servers isn't set");
                return error_hint(e, "Set it to the brokers of your cluster. In the MSK console, open the cluster, choose "
                                     "\"View client information\", and copy the private endpoint for IAM: host names "
                                     "ending in :9098, separated by commas.");
        }
        return 0;
}

static int check_mysql(const struct config *c, struct error *e) {
        if (c->mysql_host || c->mysql_socket)
                return 0;
        error_set(e, ERROR_REFUSED, "[mysql] host isn't set");
        return error_hint(e, "Set it to your database server: for RDS, the Endpoint that the RDS console shows under "
                             "\"Connectivity & security\"; 127.0.0.1 for one on this machine.");
}

/* Stores a value that comes from the environment. */
static void fill(struct config *c, char **member, const char *key, char *value, const char *variable) {
        *member = value;
        origins_note(c->origins, strcmp(key, "state_dir") == 0 ? "pinfeed" : "mysql", key, mem_copy_string(variable), 0,
                     false);
}

static void fill_from_environment(struct config *c) {
        const char *state = getenv("STATE_DIRECTORY"), *credentials = getenv("CREDENTIALS_DIRECTORY");

        if (!c->state_dir && state && *state && *state != ':')
                fill(c, &c->state_dir, "state_dir", mem_copy_bytes(state, strcspn(state, ":")), "$STATE_DIRECTORY");
        if (!c->state_dir)
                c->state_dir = mem_copy_string("/var/lib/pinfeed");
        if (!c->mysql_password_file && credentials && *credentials) {
                char *path = mem_format("%s/mysql-password", credentials);

                if (access(path, F_OK) == 0)
                        fill(c, &c->mysql_password_file, "password_file", path, "$CREDENTIALS_DIRECTORY");
                else
                        free(path);
        }
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
        fill_from_environment(c);
        c->emulate_seeded = strcmp(config_origin(c, "emulate", "seed"), "default") != 0;
        for (size_t i = 0; i < c->stream_count; i++)
                if (finish_stream(c, &c->streams[i], e) < 0)
                        return -1;
        return check_topics_differ(c, e);
}
