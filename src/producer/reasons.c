/* What Kafka's refusals mean: class, and the IAM action (or setting) that is missing. */
#include <stdio.h>
#include <string.h>

#include "internal.h"

/* Actions as AWS names them: "IAM access control" in the Amazon MSK Developer Guide. */
static const struct {
        const char *rights;             /* IAM actions */
        const char *instead;            /* another way out, or NULL */
} actions[] = {
        [REASON_CONNECT] = { "kafka-cluster:Connect", NULL },
        [REASON_DESCRIBE_TOPIC] = { "kafka-cluster:DescribeTopic", NULL },
        [REASON_DESCRIBE_SETTINGS] = { "kafka-cluster:DescribeTopicDynamicConfiguration", NULL },
        [REASON_WRITE] = { "kafka-cluster:WriteData and kafka-cluster:DescribeTopic", NULL },
        [REASON_READ] = { "kafka-cluster:ReadData", NULL },
        [REASON_CREATE_TOPIC] = { "kafka-cluster:CreateTopic", "ask whoever owns the cluster to create the topic" },
        [REASON_IDEMPOTENCE] = { "kafka-cluster:WriteDataIdempotently (on the cluster)",
                                 "set [kafka] enable.idempotence = false and accept repeats after a lost connection" },
        [REASON_TRANSACTION] = { "kafka-cluster:DescribeTransactionalId and kafka-cluster:AlterTransactionalId (on the "
                                 "transactional id), and kafka-cluster:WriteDataIdempotently (on the cluster)",
                                 "set [replay] exactly_once = no and accept repeats after a crash" },
        [REASON_GROUP] = { "kafka-cluster:AlterGroup and kafka-cluster:DescribeGroup (on the group), and "
                           "kafka-cluster:ReadData (on the topic)",
                           "set [replay] group to a group that your policy names, or set [replay] exactly_once = no" },
        [REASON_CURSOR] = { "kafka-cluster:WriteData, kafka-cluster:DescribeTopic and kafka-cluster:ReadData (on the topic)",
                            "set [replay] exactly_once = no, which needs no ReadData" },
};

bool reason_is_refusal(rd_kafka_resp_err_t code) {
        switch ((int) code) {
        case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
        case RD_KAFKA_RESP_ERR_SECURITY_DISABLED:
        case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
                return true;
        }
        return false;
}

bool reason_passes(rd_kafka_resp_err_t code) {
        switch ((int) code) {
        case RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT:
        case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
        case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
        case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
        case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
        case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
        case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
        case RD_KAFKA_RESP_ERR__TRANSPORT:
        case RD_KAFKA_RESP_ERR__RESOLVE:
        case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        case RD_KAFKA_RESP_ERR__TIMED_OUT:
        case RD_KAFKA_RESP_ERR__WAIT_COORD:
                return true;
        }
        return false;
}

static void hint_rights(const struct producer *p, struct error *e, enum reason_action action) {
        char identity[384] = "", used[400] = "", cause[384] = "a wrong secret key, to a wrong region";

        if (p->settings.identity)
                p->settings.identity(p->settings.credentials, identity, sizeof identity);
        if (*identity)
                snprintf(used, sizeof used, " (used: %s)", identity);
        if (action == REASON_CONNECT && p->by_token) {
                if (p->settings.suspect && p->settings.suspect(p->settings.credentials, cause, sizeof cause))
                        error_hint(e, "%s%s.", cause, used);
                else
                        error_hint(e, "Kafka says the same to %s, and to missing rights: check these%s, and add %s to the policy of "
                                      "the role.", cause, used, actions[action].rights);
                return;
        }
        if (action == REASON_CONNECT) {
                error_hint(e, "Check the user name and the password in [kafka].");
                return;
        }
        error_hint(e, "Add %s to the policy of the role%s%s%s.", actions[action].rights, used,
                   actions[action].instead ? ", or " : "", actions[action].instead ? actions[action].instead : "");
}

/* Some codes say by themselves what is missing. */
static enum reason_action action_of(rd_kafka_resp_err_t code, enum reason_action action) {
        switch ((int) code) {
        case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
                return REASON_GROUP;
        case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
                return REASON_TRANSACTION;
        case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
                return action == REASON_WRITE || action == REASON_CURSOR ? REASON_IDEMPOTENCE : action;
        case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
                return REASON_CONNECT;
        }
        return action;
}

/* What to do about codes that aren't about rights. */
static const struct {
        rd_kafka_resp_err_t code;
        const char *hint;
} hints[] = {
        { RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "Raise the topic's max.message.bytes, or set [kafka] message.max.bytes to what "
          "the topic takes: records that are larger are then left out, and said to be." },
        { RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, "Was the topic deleted? `pinfeed --create-topics` creates it." },
        { RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, "Was the topic deleted? `pinfeed --create-topics` creates it." },
        { RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "Was the topic deleted? `pinfeed --create-topics` creates it." },
        { RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT, "Set [kafka] transaction.timeout.ms to what the brokers allow "
          "(their transaction.max.timeout.ms) or less." },
        { RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE, "Set [kafka] compression.codec to one that the brokers know." },
};

static const struct mismatch mismatches[] = {
        { "Failed to resolve", "", "Check the name in [kafka] bootstrap.servers, and this machine's DNS." },
        { "connecting to a SSL listener", "the port speaks TLS, and [kafka] security.protocol asks for none: ",
          "Remove [kafka] security.protocol (the default is sasl_ssl), or name a port without TLS (MSK: 9092)." },
        { "connecting to a PLAINTEXT", "the port speaks no TLS, and [kafka] security.protocol asks for it: ",
          "Name a TLS port in [kafka] bootstrap.servers (MSK with IAM: 9098), or set security.protocol = plaintext." },
        { "unexpected eof while reading", "the port speaks no TLS, or hung up, and [kafka] security.protocol asks for TLS: ",
          "Name a TLS port in [kafka] bootstrap.servers (MSK with IAM: 9098), or set security.protocol = plaintext." },
};

const struct mismatch *reason_mismatch(const char *text) {
        for (size_t i = 0; i < sizeof mismatches / sizeof *mismatches; i++)
                if (strstr(text, mismatches[i].words))
                        return &mismatches[i];
        return NULL;
}

static enum error_class class_of(rd_kafka_resp_err_t code) {
        if (reason_is_refusal(code))
                return ERROR_REFUSED;
        switch ((int) code) {
        case RD_KAFKA_RESP_ERR__FENCED:
        case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
        case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
                return ERROR_TAKEN_OVER;
        case RD_KAFKA_RESP_ERR__TRANSPORT:
        case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        case RD_KAFKA_RESP_ERR__RESOLVE:
        case RD_KAFKA_RESP_ERR__TIMED_OUT:
        case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
                return ERROR_UNREACHABLE;
        /* The same record would meet the same answer after a restart. */
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        case RD_KAFKA_RESP_ERR_INVALID_RECORD:
        case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
        case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
        case RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE:
                return ERROR_REFUSED;
        }
        return ERROR_FAILED;
}

int reason_set(const struct producer *p, struct error *e, enum reason_action action, rd_kafka_resp_err_t code,
               const char *text, const char *what, ...) {
        char words[512];
        va_list ap;

        va_start(ap, what);
        vsnprintf(words, sizeof words, what, ap);
        va_end(ap);
        error_set(e, class_of(code), "%s: %s", words, text && *text ? text : rd_kafka_err2str(code));
        if (reason_is_refusal(code))
                hint_rights(p, e, action_of(code, action));
        for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
                if (hints[i].code == code)
                        error_hint(e, "%s", hints[i].hint);
        return -1;
}

void producer_fail(struct producer *p, const struct error *e) {
        if (p->failed)
                return;
        p->failed = true;
        p->failure = *e;
}

bool producer_fatal(struct producer *p, struct error *e) {
        char text[512];
        rd_kafka_resp_err_t code = rd_kafka_fatal_error(p->rk, text, sizeof text);

        if (!code)
                return false;
        reason_set(p, e, p->transactional ? REASON_TRANSACTION : REASON_WRITE, code, text, "Kafka");
        return true;
}
