/* The [kafka] section: pinfeed's defaults and the user's properties.
 *
 * Names, ranges and kinds come from librdkafka's own list (rd_kafka_conf_properties_show), so that they fit the
 * library that is installed. */
#include <stdio.h>
#include <string.h>

#include "pinfeed/config.h"
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

/* Defaults; a user's property overrides them. */
static const char *const defaults[][2] = {
        { "client.id", "pinfeed" },
        { "security.protocol", "sasl_ssl" },
        { "sasl.mechanisms", "OAUTHBEARER" },
        { "ssl.endpoint.identification.algorithm", "https" },
        { "enable.idempotence", "true" },
        { "compression.codec", "lz4" },
        { "allow.auto.create.topics", "false" },
        { "request.required.acks", "all" },
        { "partitioner", "murmur2_random" },
        { "socket.keepalive.enable", "true" },
        /* Under TLS a request waited 40 ms for the acknowledgement of the packet before it. */
        { "socket.nagle.disable", "true" },
        /* A frozen broker is noticed after this long. */
        { "socket.timeout.ms", "20000" },
        /* MSK limits new connections (4/s on the smallest brokers). */
        { "reconnect.backoff.ms", "1000" },
        { "reconnect.backoff.max.ms", "5000" },
        /* Memory is bounded by this, for each producer. */
        { "queue.buffering.max.kbytes", "65536" },
        /* The end of each handle would wait up to a second for metrics that nobody asked for. */
        { "enable.metrics.push", "false" },
};

/* ---- one property ---- */

static int refuse_name(const struct known_list *list, const struct producer_property *p, struct error *e) {
        _cleanup_free_ const char **names = mem_alloc(list->count * sizeof *names);
        const char *nearest;
        size_t count = 0;

        for (size_t i = 0; i < list->count; i++)
                if (known_is_settable(&list->items[i]))
                        names[count++] = list->items[i].name;
        nearest = strcmp(p->name, "brokers") == 0 || strcmp(p->name, "broker") == 0 ? "bootstrap.servers"
                  : text_nearest(p->name, names, count);
        property_refuse(p, e, "is not a property of librdkafka %s", rd_kafka_version_str());
        if (nearest)
                error_hint(e, "Did you mean %s?", nearest);
        else
                error_hint(e, "librdkafka's CONFIGURATION.md lists them all.");
        return -1;
}

static int refuse_value(const struct known *k, const struct producer_property *p, struct error *e) {
        _cleanup_buffer_ struct buffer shown = {};

        if (!config_property_is_hidden(p->name))
                config_show_value(p->value, &shown);
        property_refuse(p, e, "has a value that librdkafka does not accept%s%s", shown.length ? ": " : "",
                        buffer_string(&shown));
        if (*k->range)
                return error_hint(e, "It takes %s: %s.", strcmp(k->type, "integer") == 0 ? "a number" : "one of these",
                                  k->range);
        return error_hint(e, "It takes a value of this kind: %s.", k->type);
}

static int set_property(rd_kafka_conf_t *conf, const struct known_list *list, const struct producer_settings *s,
                        const struct producer_property *p, struct error *e) {
        const struct known *k = known_find(list, p->name);
        char reason[256];

        if (property_check(s, p, e) < 0)
                return -1;
        if (!k || !known_is_settable(k))
                return refuse_name(list, p, e);
        /* In a transaction it is bounded by transaction.timeout.ms: what times out is aborted and sent again. */
        if (s->transactional_id && property_same(p->name, "message.timeout.ms"))
                return 0;
        /* `reason` would echo the value, which may be a secret. */
        if (rd_kafka_conf_set(conf, p->name, p->value, reason, sizeof reason) != RD_KAFKA_CONF_OK)
                return refuse_value(k, p, e);
        return 0;
}

/* ---- all of them ---- */

static bool is_newer(const char *name) {
        return strcmp(name, "enable.metrics.push") == 0         /* 2.5 */
               || strcmp(name, "fetch.queue.backoff.ms") == 0;  /* 2.2 */
}

void property_set(rd_kafka_conf_t *conf, const char *name, const char *value) {
        char reason[256];
        rd_kafka_conf_res_t r = rd_kafka_conf_set(conf, name, value, reason, sizeof reason);

        if (r != RD_KAFKA_CONF_OK && !(r == RD_KAFKA_CONF_UNKNOWN && is_newer(name)))
                abort();        /* every version since 2.0 knows the others */
}

static void set_default(rd_kafka_conf_t *conf, const struct producer_settings *s, const char *name, const char *value) {
        if (!property_value(s->properties, s->property_count, name))
                property_set(conf, name, value);
}

/* As of 2.8 librdkafka has one request of a partition in flight when it is idempotent, and its thread spins until the answer
 * comes if anything in the queue is older than linger.ms. A queue that is sent sooner than that saves 40 % of the CPU;
 * whoever commits, flushes. There has to be room for the largest record. */
static void set_bulk_defaults(rd_kafka_conf_t *conf, const struct producer_settings *s) {
        size_t kbytes = 4 * producer_message_max_bytes(s->properties, s->property_count) / 1024;
        char text[32];

        snprintf(text, sizeof text, "%zu", kbytes < 4096 ? 4096 : kbytes);
        set_default(conf, s, "queue.buffering.max.kbytes", text);
        set_default(conf, s, "linger.ms", "200");
}

static void set_defaults(rd_kafka_conf_t *conf, const struct producer_settings *s) {
        const char *idempotence = property_value(s->properties, s->property_count, "enable.idempotence");

        for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
                set_default(conf, s, defaults[i][0], defaults[i][1]);
        if (s->transactional_id) {
                set_default(conf, s, "transactional.id", s->transactional_id);
                /* How long a dead instance can hold up the topic's read_committed readers. */
                set_default(conf, s, "transaction.timeout.ms", "30000");
                set_bulk_defaults(conf, s);
        } else
                set_default(conf, s, "message.timeout.ms", "0");
        /* Without sequence numbers only one request at a time keeps the order. */
        if (idempotence && !property_equal(idempotence, "true") && !s->transactional_id)
                set_default(conf, s, "max.in.flight.requests.per.connection", "1");
}

/* Sets the user's properties; each that is refused is added to `problems`. */
static void set_properties(rd_kafka_conf_t *conf, const struct producer_settings *s, struct errors *problems) {
        struct known_list list;
        struct error e;

        if (properties_check_java(s, &e) < 0)
                errors_add(problems, &e);
        known_load(&list);
        for (size_t i = 0; i < s->property_count; i++)
                if (!property_is_java(&s->properties[i]) && set_property(conf, &list, s, &s->properties[i], &e) < 0)
                        errors_add(problems, &e);
        known_free(&list);
}

int properties_make(const struct producer_settings *s, rd_kafka_conf_t **ret, struct error *e) {
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        _cleanup_(errors_free) struct errors problems = {};

        set_properties(conf, s, &problems);
        if (problems.count > 0) {
                rd_kafka_conf_destroy(conf);
                *e = problems.list[0];
                return -1;
        }
        set_defaults(conf, s);
        /* An idempotent producer asks for its id at once, and is refused for good without the right to write. */
        if (s->sends_nothing)
                property_set(conf, "enable.idempotence", "false");
        *ret = conf;
        return 0;
}

void producer_find_problems(const struct producer_settings *s, struct errors *problems) {
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        size_t before = problems->count;
        struct error e;

        set_properties(conf, s, problems);
        rd_kafka_conf_destroy(conf);
        if (problems->count == before && producer_check_properties(s, &e) < 0)
                errors_add(problems, &e);
}

bool producer_wants_token(const struct producer_property *properties, size_t count) {
        const char *protocol = property_value(properties, count, "security.protocol");
        const char *mechanism = property_value(properties, count, "sasl.mechanisms");
        const char *method = property_value(properties, count, "sasl.oauthbearer.method");

        return (!protocol || strncasecmp(protocol, "sasl_", 5) == 0)
               && (!mechanism || property_equal(mechanism, "OAUTHBEARER"))
               && (!method || !property_equal(method, "oidc"));
}

size_t producer_message_max_bytes(const struct producer_property *properties, size_t count) {
        const char *set = property_value(properties, count, "message.max.bytes");

        return set ? strtoul(set, NULL, 10) : 1000000;  /* librdkafka's own default */
}

const char *producer_bootstrap(const struct producer_property *properties, size_t count) {
        return property_value(properties, count, "bootstrap.servers");
}
