/* The [kafka] section: pinfeed's defaults, the user's properties, and those that would break a promise.
 *
 * Names, ranges and kinds come from librdkafka's own list (rd_kafka_conf_properties_show), so that they fit the
 * library that is installed. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

/* ---- librdkafka's list of properties ---- */

struct known {
        char *name, *scope, *range, *type;
};

struct known_list {
        struct known *items;
        size_t count;
        char *text;
};

static char *trim(char *s) {
        char *end;

        while (*s == ' ')
                s++;
        end = s + strlen(s);
        while (end > s && (end[-1] == ' ' || end[-1] == '\n'))
                *--end = 0;
        return s;
}

/* A line is `name | scope | range | default | importance | description <br>*Type: kind*`. */
static bool known_parse_line(char *line, struct known *ret) {
        char *fields[5], *type;

        type = strstr(line, "*Type: ");
        if (!type)
                return false;
        for (size_t i = 0; i < 5; i++) {
                fields[i] = strsep(&line, "|");
                if (!line)
                        return false;
        }
        type += strlen("*Type: ");
        type[strcspn(type, "*")] = 0;
        *ret = (struct known) {
                .name = trim(fields[0]), .scope = trim(fields[1]), .range = trim(fields[2]), .type = trim(type),
        };
        return true;
}

static void known_load(struct known_list *ret) {
        size_t size;
        FILE *f = open_memstream(&ret->text, &size);
        char *rest, *line;

        if (!f)
                abort();
        rd_kafka_conf_properties_show(f);
        fclose(f);
        ret->items = mem_zero(size / 32 + 1, sizeof *ret->items);
        ret->count = 0;
        rest = ret->text;
        while ((line = strsep(&rest, "\n")))
                if (known_parse_line(line, &ret->items[ret->count]))
                        ret->count++;
}

static void known_free(struct known_list *list) {
        free(list->items);
        free(list->text);
}

static const struct known *known_find(const struct known_list *list, const char *name) {
        for (size_t i = 0; i < list->count; i++)
                if (strcmp(list->items[i].name, name) == 0)
                        return &list->items[i];
        return NULL;
}

static bool known_is_settable(const struct known *k) {
        return strncmp(k->type, "see dedicated", 13) != 0;
}

/* ---- what pinfeed decides itself ---- */

/* Two names for one property, for those that are looked at here. */
static const char *const aliases[][2] = {
        { "acks", "request.required.acks" },
        { "bootstrap.servers", "metadata.broker.list" },
        { "delivery.timeout.ms", "message.timeout.ms" },
        { "retries", "message.send.max.retries" },
        { "sasl.mechanism", "sasl.mechanisms" },
        { "compression.codec", "compression.type" },
        { "linger.ms", "queue.buffering.max.ms" },
};

static bool same_property(const char *a, const char *b) {
        if (strcmp(a, b) == 0)
                return true;
        for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
                if ((strcmp(a, aliases[i][0]) == 0 && strcmp(b, aliases[i][1]) == 0)
                    || (strcmp(a, aliases[i][1]) == 0 && strcmp(b, aliases[i][0]) == 0))
                        return true;
        return false;
}

static const char *property_value(const struct producer_property *properties, size_t count, const char *name) {
        const char *value = NULL;

        for (size_t i = 0; i < count; i++)
                if (same_property(properties[i].name, name))
                        value = properties[i].value;
        return value;
}

/* Properties with which a promise would not hold; only the values named here are accepted. */
static const struct {
        const char *name;
        const char *accepted[4];        /* none: it can't be set at all */
        const char *reason;
} promises[] = {
        { "request.required.acks", { "all", "-1" },
          "pinfeed waits for all in-sync replicas, or a broker's crash could lose records" },
        { "message.timeout.ms", { "0" },
          "a record must not time out into a loss; pinfeed waits for Kafka instead" },
        { "message.send.max.retries", { "2147483647" },
          "a record must not be given up after some retries; pinfeed waits for Kafka instead" },
        { "allow.auto.create.topics", { "false" },
          "no topic is created by accident; pinfeed --create-topics creates them" },
        { "partitioner", { "murmur2_random" },
          "a key has to go to the partition to which Java clients send it" },
        { "delivery.report.only.error", { "false" },
          "pinfeed counts acknowledgements" },
        { "enable.sasl.oauthbearer.unsecure.jwt", { "false" },
          "pinfeed signs real tokens" },
        { "transactional.id", {},
          "pinfeed names its transactions after [replay] group, the user id and the stream" },
        { "enable.gapless.guarantee", { "false" },
          "an error that Kafka recovers from would end pinfeed" },
        { "log.queue", { "false" },
          "nobody reads that queue" },
        { "enable.background_event", { "false" },
          "delivery reports would go elsewhere" },
};

/* What people paste from a Java client.properties, and what to write instead. */
static const struct {
        const char *name, *answer;
} java_names[] = {
        { "sasl.jaas.config", "Leave it out: pinfeed signs in as the AWS SDKs would on this machine. What awsRoleArn "
                              "did there is [aws] role_arn here, awsProfileName is [aws] profile." },
        { "sasl.client.callback.handler.class", "Leave it out: pinfeed signs the tokens itself." },
        { "sasl.login.callback.handler.class", "Leave it out: pinfeed signs the tokens itself." },
        { "ssl.truststore.location", "Leave it out for Amazon MSK, whose certificates the system's CAs vouch for; "
                                     "else set ssl.ca.location to a PEM file." },
        { "ssl.truststore.password", "Leave it out; ssl.ca.location takes a PEM file, which has no password." },
        { "ssl.truststore.type", "Leave it out; ssl.ca.location takes a PEM file." },
        { "key.serializer", "Leave it out: keys are the key column's text." },
        { "value.serializer", "Leave it out: values are JSON." },
        { "key.converter", "Leave it out: it belongs to the S3 sink's worker." },
        { "value.converter", "Leave it out: it belongs to the S3 sink's worker." },
        { "buffer.memory", "Write queue.buffering.max.kbytes (in kilobytes)." },
        { "max.block.ms", "Leave it out: pinfeed waits for Kafka as long as it takes." },
        { "max.request.size", "Write message.max.bytes." },
        { "max.in.flight.requests", "Write max.in.flight.requests.per.connection." },
};

/* Defaults; a user's property overrides them. */
static const char *const defaults[][2] = {
        { "client.id", "pinfeed" },
        { "security.protocol", "sasl_ssl" },
        { "sasl.mechanisms", "OAUTHBEARER" },
        { "enable.idempotence", "true" },
        { "compression.codec", "lz4" },
        { "allow.auto.create.topics", "false" },
        { "request.required.acks", "all" },
        { "partitioner", "murmur2_random" },
        { "socket.keepalive.enable", "true" },
        /* A frozen broker is noticed after this long. */
        { "socket.timeout.ms", "20000" },
        /* MSK limits new connections (4/s on the smallest brokers). */
        { "reconnect.backoff.ms", "1000" },
        { "reconnect.backoff.max.ms", "5000" },
        /* Sessions that end with their token, and idle connections, are closed by the broker: no news. */
        { "log.connection.close", "false" },
        /* Memory is bounded by this, for each producer. */
        { "queue.buffering.max.kbytes", "65536" },
};

/* ---- one property ---- */

static bool equal_word(const char *a, const char *b) {
        return strcasecmp(a, b) == 0;
}

static int check_promise(const struct producer_property *p, struct error *e) {
        for (size_t i = 0; i < sizeof promises / sizeof *promises; i++) {
                if (!same_property(p->name, promises[i].name))
                        continue;
                for (size_t k = 0; k < 4 && promises[i].accepted[k]; k++)
                        if (equal_word(p->value, promises[i].accepted[k]))
                                return 0;
                error_set(e, ERROR_REFUSED, "%s: [kafka] %s can't be %s: %s", p->origin, p->name,
                          promises[i].accepted[0] ? "set to this" : "set", promises[i].reason);
                if (promises[i].accepted[0])
                        return error_hint(e, "Remove the line (pinfeed uses %s).", promises[i].accepted[0]);
                return error_hint(e, "Remove the line.");
        }
        return 0;
}

/* `SCHEME://host:port` among the brokers, as Java tools print it. */
static int check_brokers(const struct producer_property *p, struct error *e) {
        const char *scheme;

        if (!same_property(p->name, "bootstrap.servers"))
                return 0;
        scheme = strstr(p->value, "://");
        if (!scheme)
                return 0;
        error_set(e, ERROR_REFUSED, "%s: [kafka] %s has a scheme (something://) in front of a broker", p->origin, p->name);
        return error_hint(e, "Write host:port, separated by commas and without a scheme: b-1.….amazonaws.com:9098,b-2.…:9098. "
                             "What the scheme says is security.protocol here; leave it out for MSK with IAM.");
}

static int check_mechanism(const struct producer_property *p, struct error *e) {
        if (!same_property(p->name, "sasl.mechanism") || !equal_word(p->value, "AWS_MSK_IAM"))
                return 0;
        error_set(e, ERROR_REFUSED, "%s: [kafka] %s: AWS_MSK_IAM is the Java client's name for IAM", p->origin, p->name);
        return error_hint(e, "Remove the line: pinfeed signs in with IAM by default (mechanism OAUTHBEARER, the same rights "
                             "and the same port 9098).");
}

static int refuse_name(const struct known_list *list, const struct producer_property *p, struct error *e) {
        const char **names = mem_alloc(list->count * sizeof *names), *nearest;
        size_t count = 0;

        for (size_t i = 0; i < sizeof java_names / sizeof *java_names; i++)
                if (strcmp(p->name, java_names[i].name) == 0) {
                        free(names);
                        error_set(e, ERROR_REFUSED, "%s: [kafka] %s is a setting of Java clients, librdkafka has none of "
                                  "that name", p->origin, p->name);
                        return error_hint(e, "%s", java_names[i].answer);
                }
        for (size_t i = 0; i < list->count; i++)
                if (known_is_settable(&list->items[i]))
                        names[count++] = list->items[i].name;
        nearest = text_nearest(p->name, names, count);
        error_set(e, ERROR_REFUSED, "%s: [kafka] %s is not a property of librdkafka %s", p->origin, p->name,
                  rd_kafka_version_str());
        if (nearest)
                error_hint(e, "Did you mean %s?", nearest);
        else
                error_hint(e, "librdkafka's CONFIGURATION.md lists them all.");
        free(names);
        return -1;
}

static int refuse_value(const struct known *k, const struct producer_property *p, struct error *e) {
        error_set(e, ERROR_REFUSED, "%s: [kafka] %s has a value that librdkafka does not accept", p->origin, p->name);
        if (*k->range)
                return error_hint(e, "It takes %s: %s.", strcmp(k->type, "integer") == 0 ? "a number" : "one of these",
                                  k->range);
        return error_hint(e, "It takes a value of this kind: %s.", k->type);
}

static int set_property(rd_kafka_conf_t *conf, const struct known_list *list, const struct producer_property *p,
                        bool transactional, struct error *e) {
        const struct known *k = known_find(list, p->name);
        char reason[256];

        if (!k || !known_is_settable(k))
                return refuse_name(list, p, e);
        if (check_promise(p, e) < 0 || check_brokers(p, e) < 0 || check_mechanism(p, e) < 0)
                return -1;
        /* In a transaction it is bounded by transaction.timeout.ms: what times out is aborted and sent again. */
        if (transactional && same_property(p->name, "message.timeout.ms"))
                return 0;
        /* `reason` would echo the value, which may be a secret. */
        if (rd_kafka_conf_set(conf, p->name, p->value, reason, sizeof reason) != RD_KAFKA_CONF_OK)
                return refuse_value(k, p, e);
        return 0;
}

/* ---- all of them ---- */

static void set_default(rd_kafka_conf_t *conf, const struct producer_settings *s, const char *name, const char *value) {
        char reason[256];

        if (property_value(s->properties, s->property_count, name))
                return;
        if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) != RD_KAFKA_CONF_OK)
                abort();        /* every version since 2.0 knows them */
}

static void set_defaults(rd_kafka_conf_t *conf, const struct producer_settings *s) {
        const char *idempotence = property_value(s->properties, s->property_count, "enable.idempotence");

        for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
                set_default(conf, s, defaults[i][0], defaults[i][1]);
        if (s->transactional_id) {
                set_default(conf, s, "transactional.id", s->transactional_id);
                /* How long a dead instance can hold up the topic's read_committed readers. */
                set_default(conf, s, "transaction.timeout.ms", "30000");
        } else
                set_default(conf, s, "message.timeout.ms", "0");
        /* Without sequence numbers only one request at a time keeps the order. */
        if (idempotence && !equal_word(idempotence, "true") && !s->transactional_id)
                set_default(conf, s, "max.in.flight.requests.per.connection", "1");
}

int properties_make(const struct producer_settings *s, rd_kafka_conf_t **ret, struct error *e) {
        struct known_list list;
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        int r = 0;

        known_load(&list);
        for (size_t i = 0; i < s->property_count && r == 0; i++)
                r = set_property(conf, &list, &s->properties[i], s->transactional_id != NULL, e);
        known_free(&list);
        if (r < 0) {
                rd_kafka_conf_destroy(conf);
                return -1;
        }
        set_defaults(conf, s);
        *ret = conf;
        return 0;
}

bool producer_wants_token(const struct producer_property *properties, size_t count) {
        const char *protocol = property_value(properties, count, "security.protocol");
        const char *mechanism = property_value(properties, count, "sasl.mechanisms");
        const char *method = property_value(properties, count, "sasl.oauthbearer.method");

        return (!protocol || strncasecmp(protocol, "sasl_", 5) == 0)
               && (!mechanism || equal_word(mechanism, "OAUTHBEARER"))
               && (!method || !equal_word(method, "oidc"));
}

const char *producer_bootstrap(const struct producer_property *properties, size_t count) {
        return property_value(properties, count, "bootstrap.servers");
}
