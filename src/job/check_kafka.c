/* check: the brokers, the topics, and what we may do. */
#include <inttypes.h>
#include <string.h>

#include "check.h"
#include "pinfeed/limits.h"

enum { BROKERS = 64, ASK_MS = 5000 };

static const char *const name_hint = "Check the names in [kafka] bootstrap.servers, and this machine's DNS.";
static const char *const port_hint = "Check [kafka] bootstrap.servers, and that the cluster's security group lets this machine "
        "in on its port (MSK with IAM: 9098, from outside AWS: 9198).";

/* ---- brokers ---- */

static bool check_broker(struct check *k, const char *id, const char *what, const char *host, unsigned port,
                         enum result otherwise) {
        char address[64];
        struct error e;
        enum reach reach = connection_reach(&k->connection, host, port, address, &e);

        if (reach == REACH_ANSWERS) {
                finding(k, id, what, RESULT_OK, NULL, "takes connections at %s", address);
                return true;
        }
        error_hint(&e, "%s", reach == REACH_NO_NAME ? name_hint : port_hint);
        finding_error(k, id, what, otherwise, &e);
        return false;
}

/* Whether one of those in bootstrap.servers takes connections; a missing one is no failure then. */
static bool check_bootstrap(struct check *k) {
        const char *servers = producer_bootstrap(k->session.properties, k->session.config->kafka_count);
        _cleanup_free_ char *copy = mem_copy_string(servers ? servers : "");
        bool one = !strchr(copy, ','), reached = false;
        char *rest = copy, *server;

        while ((server = strsep(&rest, ",")) && !check_stopping(k)) {
                char *colon = strrchr(server, ':');
                unsigned port = colon ? (unsigned) strtoul(colon + 1, NULL, 10) : 9092;

                if (colon)
                        *colon = 0;
                server += strspn(server, " [");
                server[strcspn(server, " ]")] = 0;
                if (*server) {
                        _cleanup_free_ char *what = mem_format("Kafka %s:%u", server, port);

                        reached |= check_broker(k, "kafka.bootstrap", what, server, port, one ? RESULT_FAILED : RESULT_WARN);
                }
        }
        if (!reached && !one && !check_stopping(k)) {
                struct error e;

                error_set(&e, ERROR_UNREACHABLE, "none of bootstrap.servers takes connections");
                error_hint(&e, "%s", port_hint);
                finding_error(k, "kafka.bootstrap", "Kafka", RESULT_FAILED, &e);
        }
        return reached;
}

static void check_brokers(struct check *k) {
        struct producer_broker brokers[BROKERS];
        size_t count = 0;
        struct error e;

        if (producer_brokers(k->connection.producer, ASK_MS, brokers, BROKERS, &count, &e) < 0)
                finding_error(k, "kafka.broker", "Kafka brokers", RESULT_NOT_TRIED, &e);
        for (size_t i = 0; i < count && !check_stopping(k); i++) {
                _cleanup_free_ char *what = mem_format("Kafka broker %d, %s:%u", brokers[i].id, brokers[i].host, brokers[i].port);

                check_broker(k, "kafka.broker", what, brokers[i].host, brokers[i].port, RESULT_FAILED);
        }
}

/* ---- topics ---- */

enum { MIN_IN_SYNC, RETENTION, CLEANUP, MAX_BYTES, SETTINGS };

static void check_replicas(struct check *k, const struct stream *st, int least) {
        _cleanup_free_ char *what = mem_format("%s replicas", st->config->topic);
        struct producer_replicas r;
        struct error e;

        if (producer_topic_replicas(k->connection.producer, st->topic, ASK_MS, &r, &e) < 0)
                finding_error(k, "topic.replicas", what, RESULT_NOT_TRIED, &e);
        else if (r.in_sync < least) {
                error_set(&e, ERROR_UNREACHABLE, "%d of %d replicas are in sync, and min.insync.replicas is %d", r.in_sync,
                          r.replicas, least);
                error_hint(&e, "Kafka takes no record until enough brokers are back.");
                finding_error(k, "topic.replicas", what, RESULT_FAILED, &e);
        } else
                finding(k, "topic.replicas", what, r.in_sync < r.replicas ? RESULT_WARN : RESULT_OK, r.in_sync < r.replicas
                        ? "A broker is away, or slow." : NULL, "%d of %d in sync", r.in_sync, r.replicas);
}

static void format_retention(const char *ms, char ret[static 32]) {
        long long s = strtoll(ms, NULL, 10) / 1000;

        if (s >= 2 * 86400)
                snprintf(ret, 32, "%lld days", s / 86400);
        else if (*ms == '-')
                snprintf(ret, 32, "for ever");
        else
                clock_format_duration((uint64_t) s, ret);
}

/* Returns min.insync.replicas, or 0 if it isn't known. */
static int check_settings(struct check *k, const struct stream *st) {
        _cleanup_free_ char *what = mem_format("%s settings", st->config->topic);
        struct producer_topic_setting s[SETTINGS] = {
                { .name = "min.insync.replicas" }, { .name = "retention.ms" }, { .name = "cleanup.policy" },
                { .name = "max.message.bytes" },
        };
        char retention[32], bytes[32];
        struct error e;

        if (producer_topic_settings(k->connection.producer, st->config->topic, ASK_MS, s, SETTINGS, &e) < 0) {
                finding_error(k, "topic.settings", what, RESULT_NOT_TRIED, &e);
                return 0;
        }
        format_retention(s[RETENTION].value, retention);
        finding(k, "topic.settings", what, RESULT_OK, NULL, "min.insync.replicas %s, retention %s, cleanup.policy %s, "
                "max.message.bytes %s", s[MIN_IN_SYNC].value, retention, s[CLEANUP].value,
                text_count(strtoull(s[MAX_BYTES].value, NULL, 10), bytes));
        if (strstr(s[CLEANUP].value, "compact"))
                finding(k, "topic.cleanup_policy", what, RESULT_WARN, "Set the topic's cleanup.policy to delete, unless only the "
                        "last record of each key is wanted.", "the topic is compacted: earlier records of a key are removed");
        if (!producer_fits_topic(k->connection.producer, strtoull(s[MAX_BYTES].value, NULL, 10)))
                finding(k, "topic.max_message_bytes", what, RESULT_WARN, "Raise the topic's max.message.bytes, or set [kafka] "
                        "message.max.bytes to what the topic takes.", "max.message.bytes is less than [kafka] message.max.bytes: "
                        "a record between the two ends a run");
        return (int) strtol(s[MIN_IN_SYNC].value, NULL, 10);
}

static bool check_topic(struct check *k, struct stream *st) {
        char hint[512];
        struct error e;
        int partitions;

        if (producer_topic(k->connection.producer, st->config->topic, &st->tally, LIMIT_TOPIC_MS, &st->topic, &e) < 0) {
                finding_error(k, "topic.partitions", st->config->topic, RESULT_FAILED, &e);
                return false;
        }
        partitions = producer_topic_partitions(st->topic);
        snprintf(hint, sizeof hint, "Whoever reads partition 0 only (the notebooks read partition=0/*.json) misses about %d of %d "
                 "records: use a topic with one, or read all of them.", partitions - 1, partitions);
        finding(k, "topic.partitions", st->config->topic, partitions > 1 ? RESULT_WARN : RESULT_OK, partitions > 1 ? hint : NULL,
                "%d partition%s", partitions, partitions == 1 ? "" : "s");
        check_replicas(k, st, check_settings(k, st));
        return true;
}

/* ---- rights ---- */

static void check_group(struct check *k) {
        const char *group = k->session.config->replay_group;
        struct producer_group g;
        struct error e;

        if (producer_group(k->connection.producer, group, ASK_MS, &g, &e) < 0) {
                finding_error(k, "rights.group", "replay's group", RESULT_WARN, &e);
                finding_not_tried(k, "rights.transactions", "replay's transactions", "the group");
                return;
        }
        finding(k, "rights.group", "replay's group", g.members ? RESULT_WARN : RESULT_OK, g.members ? "A replay refuses a group that "
                "others use: set [replay] group to another." : NULL, "%s can be described, it has %zu member%s", group, g.members,
                g.members == 1 ? "" : "s");
        if (connection_may_transact(&k->connection, k->streams[0].config->topic, &e) < 0)
                finding_error(k, "rights.transactions", "replay's transactions", RESULT_WARN, &e);
        else
                finding(k, "rights.transactions", "replay's transactions", RESULT_OK, NULL, "may begin them and keep the cursor in "
                        "group %s", group);
}

static void check_rights(struct check *k, bool topics) {
        struct error e;

        if (!topics) {
                finding_not_tried(k, "rights.write", "rights", "the topics");
                finding_not_tried(k, "rights.group", "replay's group", "the topics");
                finding_not_tried(k, "rights.transactions", "replay's transactions", "the topics");
                return;
        }
        if (connection_may_write(&k->connection, &e) < 0)
                finding_error(k, "rights.write", "rights", RESULT_FAILED, &e);
        else
                finding(k, "rights.write", "rights", RESULT_OK, NULL, "may write to the topics");
        if (k->session.config->replay_exactly_once && !check_stopping(k))
                check_group(k);
}

void check_kafka(struct check *k) {
        const struct config *config = k->session.config;
        bool topics = true, reached = !check_stopping(k) && check_bootstrap(k), connected = false;
        struct error e;

        if (!reached)
                finding_not_tried(k, "kafka.login", "Kafka", "a broker that takes connections");
        else if (connection_open_producer(&k->connection, NULL, NULL, NULL, &e) < 0)
                finding_error(k, "kafka.login", "Kafka", RESULT_FAILED, &e);
        else {
                finding(k, "kafka.login", "Kafka", RESULT_OK, NULL, "connected");
                connected = true;
                check_brokers(k);
        }
        for (size_t i = 0; i < config->stream_count && !check_stopping(k); i++)
                if (connected)
                        topics &= check_topic(k, &k->streams[i]);
                else
                        finding_not_tried(k, "topic.partitions", config->streams[i].topic, "Kafka");
        if (!check_stopping(k))
                check_rights(k, connected && topics);
}
