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
        [REASON_WRITE] = { "kafka-cluster:WriteData and kafka-cluster:DescribeTopic", NULL },
        [REASON_CREATE_TOPIC] = { "kafka-cluster:CreateTopic", "ask whoever owns the cluster to create the topic" },
        [REASON_IDEMPOTENCE] = { "kafka-cluster:WriteDataIdempotently (on the cluster)",
                                 "set [kafka] enable.idempotence = false and accept repeats after a lost connection" },
        [REASON_TRANSACTION] = { "kafka-cluster:DescribeTransactionalId and kafka-cluster:AlterTransactionalId (on the "
                                 "transactional id), and kafka-cluster:WriteDataIdempotently (on the cluster)",
                                 "set [replay] exactly_once = no and accept repeats after a crash" },
        [REASON_GROUP] = { "kafka-cluster:AlterGroup and kafka-cluster:DescribeGroup (on the group), and "
                           "kafka-cluster:ReadData (on the topic)",
                           "set [replay] group to a group that your policy names, or set [replay] exactly_once = no" },
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

static void hint_rights(const struct producer *p, struct error *e, enum reason_action action) {
        char identity[384] = "", used[400] = "";

        if (p->identity)
                p->identity(p->token_arg, identity, sizeof identity);
        if (*identity)
                snprintf(used, sizeof used, " (used: %s)", identity);
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
                return action == REASON_WRITE ? REASON_IDEMPOTENCE : action;
        case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
                return REASON_CONNECT;
        }
        return action;
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
