/* What librdkafka alone reaches on this machine: records from memory, configured as pinfeed configures it. No database,
 * no progress, no checks: the mark that pinfeed is measured against. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pinfeed/aws.h"
#include "pinfeed/limits.h"
#include "producer/internal.h"

enum { MOST_PROPERTIES = 16, POLL_ROWS = 1000, SAMPLE_BYTES = 64 << 20 };

struct loop {
        rd_kafka_t *rk;
        rd_kafka_topic_t *rkt;
        bool transactional;
        uint64_t rows, commit_rows, undelivered;
        struct buffer text;             /* of the sample */
        struct value {
                char *data;
                size_t length;
        } *values;
        size_t count;
};

static void die(const char *what, const char *why) {
        fprintf(stderr, "loop: %s: %s\n", what, why);
        exit(1);
}

static void die_of(const char *what, rd_kafka_error_t *error) {
        if (error)
                die(what, rd_kafka_error_string(error));
}

/* Each line of the sample is a key, a tab and a value. The keys are not used: there are more records than lines. */
static void load(struct loop *l, const char *path) {
        char *rest, *line, *tab;

        if (file_read(path, FILE_NAMED, SAMPLE_BYTES, &l->text) < 0)
                die(path, strerror(errno));
        buffer_string(&l->text);
        l->values = mem_zero(l->text.length / 2 + 1, sizeof *l->values);
        for (rest = l->text.data; (line = strsep(&rest, "\n")) && (tab = strchr(line, '\t')); l->count++)
                l->values[l->count] = (struct value) { tab + 1, strlen(tab + 1) };
        if (l->count == 0)
                die(path, "has no records");
}

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *arg) {
        struct loop *l = arg;

        (void) rk;
        if (message->err)
                l->undelivered++;
}

static void on_token(rd_kafka_t *rk, const char *config, void *arg) {
        const struct aws_credentials c = {
                .access_key_id = getenv("AWS_ACCESS_KEY_ID"), .secret_access_key = getenv("AWS_SECRET_ACCESS_KEY"),
        };
        char *token, reason[512];
        int64_t expires_ms;
        struct error e;

        (void) config;
        (void) arg;
        if (aws_token_sign(&c, getenv("AWS_REGION"), time(NULL), 900, &token, &expires_ms, &e) < 0)
                die("token", e.what);
        if (rd_kafka_oauthbearer_set_token(rk, token, expires_ms, "pinfeed", NULL, 0, reason, sizeof reason))
                die("token", reason);
        mem_free_secret(token);
}

static void connect_to(struct loop *l, const char *topic, const struct producer_settings *settings) {
        bool by_token = producer_wants_token(settings->properties, settings->property_count);
        rd_kafka_conf_t *conf;
        char reason[512];
        struct error e;

        if (properties_make(settings, &conf, &e) < 0)
                die("properties", e.what);
        rd_kafka_conf_set_opaque(conf, l);
        rd_kafka_conf_set_dr_msg_cb(conf, on_report);
        if (by_token)
                rd_kafka_conf_set_oauthbearer_token_refresh_cb(conf, on_token);
        l->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
        if (!l->rk)
                die("rd_kafka_new", reason);
        if (by_token)
                on_token(l->rk, NULL, NULL);    /* nobody polls while transactions are initialised */
        l->rkt = rd_kafka_topic_new(l->rk, topic, NULL);
        if (l->transactional)
                die_of("init_transactions", rd_kafka_init_transactions(l->rk, LIMIT_INIT_MS));
}

static void send_row(struct loop *l, uint64_t row) {
        const struct value *value = &l->values[row % l->count];
        char key[24];
        size_t length = (size_t) snprintf(key, sizeof key, "%" PRIu64, row);

        while (rd_kafka_produce(l->rkt, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value->data, value->length, key,
                                length, NULL) != 0) {
                if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
                        die("produce", rd_kafka_err2str(rd_kafka_last_error()));
                rd_kafka_poll(l->rk, 100);
        }
        if (row % POLL_ROWS == 0)
                rd_kafka_poll(l->rk, 0);
}

static void send_all(struct loop *l) {
        for (uint64_t row = 0; row < l->rows; row++) {
                if (l->transactional && row % l->commit_rows == 0) {
                        if (row > 0)
                                die_of("commit", rd_kafka_commit_transaction(l->rk, LIMIT_COMMIT_MS));
                        die_of("begin", rd_kafka_begin_transaction(l->rk));
                }
                send_row(l, row);
        }
        if (l->transactional)
                die_of("commit", rd_kafka_commit_transaction(l->rk, LIMIT_COMMIT_MS));
        else if (rd_kafka_flush(l->rk, LIMIT_COMMIT_MS))
                die("flush", "records are left");
        if (l->undelivered)
                die("delivery", "records were not delivered");
}

int main(int argc, char **argv) {
        struct producer_property properties[MOST_PROPERTIES];
        struct producer_settings settings = { .properties = properties };
        struct loop l = {};

        if (argc < 6 || argc > 6 + MOST_PROPERTIES) {
                fputs("usage: loop transactional|idempotent ROWS COMMIT-ROWS TOPIC SAMPLE NAME=VALUE...\n", stderr);
                return 2;
        }
        l.transactional = strcmp(argv[1], "transactional") == 0;
        l.rows = strtoull(argv[2], NULL, 10);
        l.commit_rows = strtoull(argv[3], NULL, 10);
        for (int i = 6; i < argc; i++) {
                char *name = strsep(&argv[i], "=");

                properties[settings.property_count++] = (struct producer_property) { name, argv[i], "argv" };
        }
        settings.transactional_id = l.transactional ? argv[4] : NULL;
        load(&l, argv[5]);
        connect_to(&l, argv[4], &settings);
        send_all(&l);
        rd_kafka_topic_destroy(l.rkt);
        rd_kafka_destroy(l.rk);
        buffer_free(&l.text);
        free(l.values);
        return 0;
}
