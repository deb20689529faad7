/* What pinfeed itself has to say about properties of [kafka]: those that would break a promise, those of Java clients,
 * brokers that can't be meant, and tokens that others could read. */
#include <stdio.h>
#include <string.h>

#include "pinfeed/config.h"
#include "internal.h"

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

bool property_same(const char *a, const char *b) {
        if (strcmp(a, b) == 0)
                return true;
        for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
                if ((strcmp(a, aliases[i][0]) == 0 && strcmp(b, aliases[i][1]) == 0)
                    || (strcmp(a, aliases[i][1]) == 0 && strcmp(b, aliases[i][0]) == 0))
                        return true;
        return false;
}

const char *property_value(const struct producer_property *properties, size_t count, const char *name) {
        const char *value = NULL;

        for (size_t i = 0; i < count; i++)
                if (property_same(properties[i].name, name))
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

int property_refuse(const struct producer_property *p, struct error *e, const char *format, ...) {
        char text[sizeof e->what];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof text, format, ap);
        va_end(ap);
        return error_set(e, strcmp(p->origin, "--set") == 0 ? ERROR_USAGE : ERROR_REFUSED, "%s: [kafka] %s %s",
                         p->origin, p->name, text);
}

/* ---- promises ---- */

bool property_equal(const char *a, const char *b) {
        return strcasecmp(a, b) == 0;
}

static int check_promise(const struct producer_property *p, struct error *e) {
        _cleanup_buffer_ struct buffer shown = {};

        for (size_t i = 0; i < sizeof promises / sizeof *promises; i++) {
                if (!property_same(p->name, promises[i].name))
                        continue;
                for (size_t k = 0; k < 4 && promises[i].accepted[k]; k++)
                        if (property_equal(p->value, promises[i].accepted[k]))
                                return 0;
                if (promises[i].accepted[0])
                        config_show_value(p->value, &shown);
                property_refuse(p, e, "can't be set%s%s: %s", shown.length ? " to " : "", buffer_string(&shown),
                                promises[i].reason);
                if (promises[i].accepted[0])
                        return error_hint(e, "Remove the line (pinfeed uses %s).", promises[i].accepted[0]);
                return error_hint(e, "Remove the line.");
        }
        return 0;
}

/* ---- tokens that others could read or ask for ---- */

/* Values with which a token of AWS would not be safe. */
static const struct { const char *name, *value, *reason; } unsafe[] = {
        { "security.protocol", "sasl_plaintext", "the token would go over the network without encryption" },
        { "enable.ssl.certificate.verification", "false", "the token would be given to whoever answers" },
        { "ssl.endpoint.identification.algorithm", "none", "the token would be given to whoever answers" },
};

static int check_token_safety(const struct producer_settings *s, const struct producer_property *p, struct error *e) {
        const char *mechanism = property_value(s->properties, s->property_count, "sasl.mechanisms");

        if (property_same(p->name, "security.protocol") && property_equal(p->value, "plaintext") && mechanism
            && property_equal(mechanism, "OAUTHBEARER")) {
                property_refuse(p, e, "is %s, which sends no token, but the mechanism is OAUTHBEARER", p->value);
                return error_hint(e, "Remove one of the two: security.protocol for Amazon MSK with IAM, the mechanism "
                                     "for a cluster without authentication.");
        }
        for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++)
                if (property_same(p->name, unsafe[i].name) && property_equal(p->value, unsafe[i].value)
                    && producer_wants_token(s->properties, s->property_count)) {
                        property_refuse(p, e, "can't be %s together with AWS tokens: %s", p->value, unsafe[i].reason);
                        return error_hint(e, "Remove the line. A CA of your own is named by ssl.ca.location.");
                }
        return 0;
}

/* ---- Java ---- */

/* What people paste from a Java client.properties, and what to write instead. */
static const struct {
        const char *name, *answer;
} java_names[] = {
        { "sasl.jaas.config", "Leave it out, and write sasl.username and sasl.password if it named some." },
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

static int check_java_name(const struct producer_property *p, struct error *e) {
        for (size_t i = 0; i < sizeof java_names / sizeof *java_names; i++)
                if (strcmp(p->name, java_names[i].name) == 0) {
                        property_refuse(p, e, "is a setting of Java clients, librdkafka has none of that name");
                        return error_hint(e, "%s", java_names[i].answer);
                }
        return 0;
}

/* How a Java client is told to use IAM: a property, and what is in its value. */
static const struct { const char *name, *sign; } java_iam[] = {
        { "sasl.mechanism", "AWS_MSK_IAM" }, { "sasl.jaas.config", "IAMLoginModule" },
        { "sasl.jaas.config", "awsRoleArn" }, { "sasl.client.callback.handler.class", "IAMClientCallbackHandler" },
        { "sasl.login.callback.handler.class", "IAM" },
};

bool property_is_java(const struct producer_property *p) {
        for (size_t i = 0; i < sizeof java_iam / sizeof *java_iam; i++)
                if (property_same(p->name, java_iam[i].name) && strcasestr(p->value, java_iam[i].sign))
                        return true;
        return false;
}

/* The options of IAMLoginModule that are settings here. */
static const char *const java_options[][2] = {
        { "awsRoleArn", "role_arn" }, { "awsRoleExternalId", "external_id" }, { "awsRoleSessionName", "session_name" },
        { "awsProfileName", "profile" },
};

/* Appends the lines that say in pinfeed.conf what `jaas` says, if there are some. */
static void translate_jaas(const char *jaas, struct buffer *out) {
        for (size_t i = 0; i < sizeof java_options / sizeof *java_options; i++) {
                const char *at = strstr(jaas, java_options[i][0]);

                at = at ? at + strlen(java_options[i][0]) : "";
                at += strspn(at, " =");
                at += *at == '"';
                if (strcspn(at, "\"; ") > 0)
                        buffer_printf(out, "%s%s = %.*s", out->length ? ", and " : "[aws] ", java_options[i][1],
                                      (int) strcspn(at, "\"; "), at);
        }
}

int properties_check_java(const struct producer_settings *s, struct error *e) {
        _cleanup_buffer_ struct buffer names = {}, lines = {};
        const struct producer_property *first = NULL;

        for (size_t i = 0; i < s->property_count; i++) {
                const struct producer_property *p = &s->properties[i];

                if (!property_is_java(p))
                        continue;
                if (!first)
                        first = p;
                else
                        buffer_printf(&names, "%s%s", names.length ? ", " : "", p->name);
                if (strcmp(p->name, "sasl.jaas.config") == 0)
                        translate_jaas(p->value, &lines);
        }
        if (!first)
                return 0;
        property_refuse(first, e, "is a setting of Java clients with IAM%s%.500s", names.length ? ", and so are " : "",
                        buffer_string(&names));
        if (!lines.length)
                return error_hint(e, "Remove the lines: pinfeed signs in with IAM by default (mechanism OAUTHBEARER, the "
                                     "same rights and the same port 9098). A role to assume is [aws] role_arn.");
        return error_hint(e, "Remove the lines: pinfeed signs in with IAM by default. In their place write: %.600s.",
                          buffer_string(&lines));
}

/* ---- brokers ---- */

/* What listens on the ports of Amazon MSK where IAM does not. */
static const struct { const char *port, *what; } msk_ports[] = {
        { "2181", "ZooKeeper's" }, { "2182", "ZooKeeper's" }, { "9092", "the one without encryption" },
        { "9094", "the one for client certificates and for no authentication" }, { "9096", "the one for passwords" },
        { "9194", "the one for client certificates" }, { "9196", "the one for passwords" },
};

/* Looks at one broker of the list. */
static int check_broker(const struct producer_settings *s, const struct producer_property *p, const char *broker,
                        struct error *e) {
        const char *colon = strrchr(broker, ':');
        _cleanup_buffer_ struct buffer shown = {};

        config_show_value(broker, &shown);
        if (strstr(broker, "://")) {
                property_refuse(p, e, "has a scheme (something://) in front of a broker: %s", buffer_string(&shown));
                return error_hint(e, "Write host:port, separated by commas and without a scheme: "
                                     "b-1.….amazonaws.com:9098,b-2.…:9098. What the scheme says is security.protocol here; "
                                     "leave it out for MSK with IAM.");
        }
        if (strpbrk(broker, " \t;")) {
                property_refuse(p, e, "has %s in it: %s", strchr(broker, ';') ? "a semicolon" : "a blank",
                                buffer_string(&shown));
                return error_hint(e, "Separate brokers by commas: b-1.….amazonaws.com:9098,b-2.…:9098.");
        }
        if (!colon || !colon[1] || colon[1 + strspn(colon + 1, "0123456789")]) {
                property_refuse(p, e, "names a broker without a port: %s", buffer_string(&shown));
                return error_hint(e, "Write host:port. For Amazon MSK with IAM the port is 9098, from outside the VPC "
                                     "9198.");
        }
        if (!strstr(broker, ".kafka") || !strstr(broker, ".amazonaws.com")
            || !producer_wants_token(s->properties, s->property_count))
                return 0;
        for (size_t i = 0; i < sizeof msk_ports / sizeof *msk_ports; i++)
                if (strcmp(colon + 1, msk_ports[i].port) == 0) {
                        property_refuse(p, e, "names a port of Amazon MSK that does not take IAM: %s is %s",
                                        msk_ports[i].port, msk_ports[i].what);
                        return error_hint(e, "With IAM the port is 9098, from outside the VPC 9198.");
                }
        return 0;
}

static int check_brokers(const struct producer_settings *s, const struct producer_property *p, struct error *e) {
        _cleanup_free_ char *list = NULL;
        char *rest, *broker;

        if (!property_same(p->name, "bootstrap.servers"))
                return 0;
        rest = list = mem_copy_string(p->value);
        while ((broker = strsep(&rest, ","))) {
                /* Blanks around a comma are librdkafka's own to pass over. */
                broker += strspn(broker, " \t");
                for (size_t n = strlen(broker); n > 0 && strchr(" \t", broker[n - 1]); n--)
                        broker[n - 1] = 0;
                if (*broker && check_broker(s, p, broker, e) < 0)
                        return -1;
        }
        return 0;
}

int property_check(const struct producer_settings *s, const struct producer_property *p, struct error *e) {
        if (check_java_name(p, e) < 0 || check_promise(p, e) < 0 || check_brokers(s, p, e) < 0)
                return -1;
        return check_token_safety(s, p, e);
}
