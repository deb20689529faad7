/* Transactions against librdkafka's mock cluster, with errors injected into every call that they consist of. */
#include <limits.h>
#include "unit.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>

#include "producer/internal.h"

#define TOPIC "user.pin"
#define GROUP "pinfeed"

/* The numbers of requests in Kafka's protocol. */
enum api {
        API_PRODUCE = 0, API_OFFSET_FETCH = 9, API_FIND_COORDINATOR = 10, API_INIT_PRODUCER_ID = 22, API_ADD_PARTITIONS = 24,
        API_ADD_OFFSETS = 25, API_END_TXN = 26, API_TXN_OFFSET_COMMIT = 28,
};

struct fixture {
        struct producer *p;
        struct producer_topic *topic;
        struct tally tally;
        unsigned undelivered;
        rd_kafka_t *owner;              /* of the cluster */
        rd_kafka_mock_cluster_t *cluster;
        bool stopping;
};

static int alive(void *arg) {
        return ((struct fixture *) arg)->stopping ? 0 : INT_MAX;
}

static void on_report(void *arg, void *tag, const char *reason) {
        struct fixture *f = arg;

        (void) tag;
        f->undelivered += reason != NULL;
}

static void open_producer(struct fixture *f) {
        const char *brokers;
        struct error e = {};

        f->owner = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), NULL, 0);
        assert_non_null(f->owner);
        f->cluster = rd_kafka_mock_cluster_new(f->owner, 1);
        assert_non_null(f->cluster);
        assert_int_equal(rd_kafka_mock_topic_create(f->cluster, TOPIC, 1, 1), 0);
        brokers = rd_kafka_mock_cluster_bootstraps(f->cluster);
        {
                const struct producer_property properties[] = {
                        { "bootstrap.servers", brokers, "test" }, { "security.protocol", "plaintext", "test" },
                        { "retry.backoff.ms", "20", "test" }, { "reconnect.backoff.ms", "20", "test" },
                        { "transaction.timeout.ms", "20000", "test" }, { "socket.timeout.ms", "2000", "test" },
                };
                const struct producer_settings settings = {
                        .properties = properties, .property_count = sizeof properties / sizeof *properties,
                        .transactional_id = "pinfeed.user.pin", .alive = alive, .alive_arg = f,
                        .report = on_report, .report_arg = f,
                };

                if (producer_new(&settings, &f->p, &e) < 0)
                        fail_msg("%s", e.what);
        }
        if (producer_topic(f->p, TOPIC, &f->tally, 10000, &f->topic, &e) < 0)
                fail_msg("%s", e.what);
}

static void close_producer(struct fixture *f) {
        assert_int_equal(producer_destroy(f->p, &(struct error) {}), 0);
        rd_kafka_mock_cluster_destroy(f->cluster);
        rd_kafka_destroy(f->owner);
}

static int setup(void **state) {
        struct fixture *f = mem_zero(1, sizeof *f);

        open_producer(f);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        struct fixture *f = *state;

        if (f->p->stuck)        /* left behind, as the program leaves it to its own end */
                return 0;
        close_producer(f);
        free(f);
        return 0;
}

/* `count` answers to the next requests of this kind carry the error. */
static void inject(struct fixture *f, enum api api, rd_kafka_resp_err_t code, size_t count) {
        rd_kafka_resp_err_t codes[8];

        assert_true(count >= 1 && count <= 8);
        for (size_t i = 0; i < count; i++)
                codes[i] = code;
        rd_kafka_mock_push_request_errors_array(f->cluster, api, count, codes);
}

static int commit(struct fixture *f, int64_t offset, const char *text, int timeout_ms, struct error *e) {
        const struct producer_progress progress = { .group = GROUP, .topic = TOPIC, .offset = offset, .text = text };

        return producer_commit(f->p, &progress, 1, timeout_ms, e);
}

static enum producer_sent send_one(struct fixture *f, struct error *e) {
        const struct producer_new_record record = { .key = "1", .key_length = 1, .value = "{}", .value_length = 2 };
        size_t taken;

        return producer_send(f->p, f->topic, &record, 1, &taken, e);
}

/* A whole transaction of one record. */
static int transact(struct fixture *f, int64_t offset, int timeout_ms, struct error *e) {
        int r = producer_begin(f->p, e);

        if (r == 0)
                r = send_one(f, e);
        return r == 0 ? commit(f, offset, "text", timeout_ms, e) : r;
}

static void init(struct fixture *f) {
        struct error e = {};

        if (producer_init_transactions(f->p, 20000, &e) < 0)
                fail_msg("%s", e.what);
}

/* ---- what passes by itself ---- */

static void passing_errors_are_retried_inside_the_call(void **state) {
        static const struct { enum api api; rd_kafka_resp_err_t code; } errors[] = {
                { API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE },
                { API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_NOT_COORDINATOR },
                { API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS },
                { API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS },
                { API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART },
                { API_PRODUCE, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION },
                { API_PRODUCE, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT },
                { API_PRODUCE, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS },
                { API_ADD_OFFSETS, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE },
                { API_ADD_OFFSETS, RD_KAFKA_RESP_ERR_NOT_COORDINATOR },
                { API_ADD_OFFSETS, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS },
                { API_ADD_OFFSETS, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS },
                { API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE },
                { API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_NOT_COORDINATOR },
                { API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS },
                { API_END_TXN, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE },
                { API_END_TXN, RD_KAFKA_RESP_ERR_NOT_COORDINATOR },
                { API_END_TXN, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS },
                { API_END_TXN, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS },
        };
        struct fixture *f = *state;

        init(f);
        for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
                struct error e = {};
                int r;

                inject(f, errors[i].api, errors[i].code, 3);
                r = transact(f, (int64_t) i, 20000, &e);
                /* A coordinator that is looked for anew costs its connection. */
                if (r != PRODUCER_COMMITTED && r != PRODUCER_COMMITTED_AND_SPENT)
                        fail_msg("request %d, %s: %d, %s", errors[i].api, rd_kafka_err2name(errors[i].code), r, e.what);
                rd_kafka_mock_clear_request_errors(f->cluster, errors[i].api);
        }
        assert_int_equal(f->undelivered, 0);
}

static void init_waits_for_its_coordinator(void **state) {
        static const rd_kafka_resp_err_t codes[] = {
                RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
                RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS,
        };
        struct fixture *f = *state;
        struct error e = {};

        for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
                inject(f, API_INIT_PRODUCER_ID, codes[i], 2);
        init(f);
        assert_int_equal(transact(f, 7, 20000, &e), 0);
}

static void a_broker_that_is_away_for_a_moment_costs_nothing(void **state) {
        struct fixture *f = *state;
        struct error e = {};

        init(f);
        assert_int_equal(producer_begin(f->p, &e), 0);
        assert_int_equal(send_one(f, &e), 0);
        rd_kafka_mock_broker_set_down(f->cluster, 1);
        assert_int_equal(producer_poll(f->p, 300, &e), 0);
        rd_kafka_mock_broker_set_up(f->cluster, 1);
        if (commit(f, 3, "text", 20000, &e) != 0)
                fail_msg("%s", e.what);
}

/* ---- many records ---- */

static void fill(struct producer_new_record *ret, size_t count, size_t bytes) {
        static char value[2 << 20];

        for (size_t i = 0; i < count; i++)
                ret[i] = (struct producer_new_record) { .key = "k", .key_length = 1, .value = value, .value_length = bytes };
}

/* Records of one byte, but for the large one. */
static enum producer_sent send_many(struct fixture *f, size_t count, size_t large, size_t large_bytes, size_t *ret_taken) {
        struct producer_new_record records[200];
        struct error e = {};

        fill(records, count, 1);
        records[large].value_length = large_bytes;
        return producer_send(f->p, f->topic, records, count, ret_taken, &e);
}

static void what_comes_behind_a_record_that_is_too_large_is_not_sent(void **state) {
        struct fixture *f = *state;
        struct error e = {};
        size_t taken;

        init(f);
        assert_int_equal(producer_begin(f->p, &e), 0);
        for (size_t large = 0; large < 200; large = large * 2 + 1) {
                size_t before = producer_in_flight(f->p);

                assert_int_equal(send_many(f, 200, large, 2 << 20, &taken), PRODUCER_TOO_LARGE);
                assert_int_equal(taken, large);
                assert_int_equal(producer_in_flight(f->p), before + large);
        }
        /* One that only just fits goes by itself, and those behind it go, too. */
        assert_int_equal(send_many(f, 200, 70, 999900, &taken), PRODUCER_SENT);
        assert_int_equal(taken, 200);
        if (commit(f, 1, "text", 20000, &e) != 0)
                fail_msg("%s", e.what);
}

static void a_full_queue_takes_the_first_ones_and_later_the_rest(void **state) {
        enum { COUNT = 64, BYTES = 100000 };
        struct fixture *f = *state;
        struct producer_new_record records[COUNT];
        enum producer_sent r;
        struct error e = {};
        size_t sent = 0, taken;
        unsigned full = 0;

        init(f);
        assert_int_equal(producer_begin(f->p, &e), 0);
        fill(records, COUNT, BYTES);
        while ((r = producer_send(f->p, f->topic, records + sent, COUNT - sent, &taken, &e)) == PRODUCER_QUEUE_FULL) {
                sent += taken;
                assert_in_range(sent, 1, COUNT - 1);
                full++;
                assert_int_equal(producer_poll(f->p, 100, &e), 0);
        }
        assert_int_equal(r, PRODUCER_SENT);
        assert_int_equal(sent + taken, COUNT);
        assert_true(full > 0);
        if (commit(f, 1, "text", 20000, &e) != 0)
                fail_msg("%s", e.what);
        assert_int_equal(f->undelivered, 0);
}

/* ---- what does not ---- */

static void time_that_is_up_ends_the_call(void **state) {
        struct fixture *f = *state;
        struct error e = {};
        uint64_t began_us;

        init(f);
        assert_int_equal(producer_begin(f->p, &e), 0);
        assert_int_equal(send_one(f, &e), 0);
        rd_kafka_mock_broker_set_down(f->cluster, 1);
        began_us = clock_monotonic_us();
        assert_int_not_equal(commit(f, 1, "text", 1500, &e), 0);
        assert_true(clock_monotonic_us() - began_us >= 1000000);
        assert_int_equal(e.class, ERROR_UNREACHABLE);
        assert_true(*e.what);
        /* librdkafka's call itself goes on for ever: nobody waits for its handle to end. */
        if (f->p->stuck)
                assert_int_equal(producer_destroy(f->p, &e), -1);
}

/* Adding the cursor wouldn't: nothing ends that call while the group's coordinator can't be found. */
static void a_commit_of_records_that_nobody_takes_comes_back(void **state) {
        struct fixture *f = *state;
        struct error e = {};

        init(f);
        for (int i = 0; i < 100; i++) {
                inject(f, API_PRODUCE, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, 8);
                inject(f, API_FIND_COORDINATOR, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, 8);
        }
        assert_int_equal(transact(f, 1, 1500, &e), PRODUCER_NOT_COMMITTED);
        assert_int_equal(e.class, ERROR_UNREACHABLE);
        assert_false(f->p->stuck);
}

static void init_gives_up_when_the_program_stops(void **state) {
        struct fixture *f = *state;
        struct error e = {};

        rd_kafka_mock_broker_set_down(f->cluster, 1);
        f->stopping = true;
        assert_int_equal(producer_init_transactions(f->p, 60000, &e), -1);
        assert_int_equal(e.class, ERROR_STOPPED);
        f->stopping = false;
}

/* Each with a producer of its own: fatal is fatal. */
static void permanent_errors_say_what_they_are(void **state) {
        static const struct {
                enum api api;
                rd_kafka_resp_err_t code;
                enum error_class class;
                const char *hint;
        } errors[] = {
                { API_INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, ERROR_REFUSED,
                  "kafka-cluster:AlterTransactionalId" },
                { API_INIT_PRODUCER_ID, RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, ERROR_REFUSED,
                  "kafka-cluster:WriteDataIdempotently" },
                { API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, ERROR_REFUSED,
                  "kafka-cluster:WriteData" },
                { API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, ERROR_TAKEN_OVER, "" },
                { API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, ERROR_TAKEN_OVER, "" },
                { API_ADD_OFFSETS, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, ERROR_TAKEN_OVER, "" },
                { API_ADD_OFFSETS, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, ERROR_REFUSED, "kafka-cluster:AlterGroup" },
                { API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, ERROR_REFUSED,
                  "kafka-cluster:AlterGroup" },
                { API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, ERROR_REFUSED,
                  "kafka-cluster:AlterTransactionalId" },
                { API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, ERROR_REFUSED, "kafka-cluster:ReadData" },
                { API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, ERROR_TAKEN_OVER, "" },
                { API_END_TXN, RD_KAFKA_RESP_ERR_PRODUCER_FENCED, ERROR_TAKEN_OVER, "" },
                { API_END_TXN, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, ERROR_TAKEN_OVER, "" },
                { API_END_TXN, RD_KAFKA_RESP_ERR_UNKNOWN, ERROR_TAKEN_OVER, "" },       /* while somebody fences us */
                { API_END_TXN, RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED, ERROR_REFUSED,
                  "kafka-cluster:AlterTransactionalId" },
                { API_PRODUCE, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, ERROR_REFUSED, "kafka-cluster:WriteData" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
                struct fixture f = {};
                struct error e = {};
                int r;

                open_producer(&f);
                inject(&f, errors[i].api, errors[i].code, 1);
                r = producer_init_transactions(f.p, 10000, &e);
                if (r == 0)
                        r = transact(&f, 1, 10000, &e);
                if (r >= 0 || e.class != errors[i].class || !strstr(e.hint, errors[i].hint))
                        fail_msg("request %d, %s: %d, class %d: %s (%s)", errors[i].api, rd_kafka_err2name(errors[i].code), r,
                                 e.class, e.what, e.hint);
                close_producer(&f);
        }
}

/* The cursor is the first that can't be added then. */
static void a_refusal_that_comes_before_the_commit_is_not_the_cursors(void **state) {
        struct fixture *f = *state;
        struct error e = {};

        init(f);
        inject(f, API_ADD_PARTITIONS, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 1);
        assert_int_equal(producer_begin(f->p, &e), 0);
        assert_int_equal(send_one(f, &e), 0);
        while (producer_in_flight(f->p) > 0)
                assert_int_equal(producer_poll(f->p, 100, &e), 0);
        assert_int_equal(commit(f, 1, "text", 10000, &e), PRODUCER_NOT_COMMITTED);
        assert_int_equal(e.class, ERROR_REFUSED);
        assert_non_null(strstr(e.hint, "kafka-cluster:WriteData"));
}

/* What librdkafka wants aborted is aborted, and the next transaction is whole. */
static void an_aborted_transaction_is_followed_by_a_good_one(void **state) {
        struct fixture *f = *state;
        struct error e = {};

        init(f);
        assert_int_equal(transact(f, 1, 20000, &e), 0);
        inject(f, API_TXN_OFFSET_COMMIT, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, 1);
        assert_int_equal(transact(f, 2, 20000, &e), PRODUCER_NOT_COMMITTED);
        assert_true(*e.what);
        producer_abort(f->p, 20000);
        assert_int_equal(transact(f, 2, 20000, &e), 0);
}

/* ---- reading progress back ---- */

/* The mock cluster does not keep what a transaction commits. */
static void commit_as_consumer(struct fixture *f, int64_t offset, const char *text) {
        rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_t *partition = rd_kafka_topic_partition_list_add(offsets, TOPIC, 0);
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        rd_kafka_t *consumer;

        rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(f->cluster), NULL, 0);
        rd_kafka_conf_set(conf, "group.id", GROUP, NULL, 0);
        consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
        assert_non_null(consumer);
        partition->offset = offset;
        partition->metadata = mem_copy_string(text);
        partition->metadata_size = strlen(text);
        assert_int_equal(rd_kafka_commit(consumer, offsets, 0), 0);
        rd_kafka_topic_partition_list_destroy(offsets);
        rd_kafka_destroy(consumer);
}

static enum producer_found committed(struct fixture *f, char **ret_text, struct error *e) {
        return producer_committed(f->p, PRODUCER_READ_STABLE, GROUP, TOPIC, 20000, ret_text, e);
}

static void only_stable_answers_count(void **state) {
        static const rd_kafka_resp_err_t codes[] = {
                RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
                RD_KAFKA_RESP_ERR_NOT_COORDINATOR, RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT,
        };
        struct fixture *f = *state;
        struct error e = {};
        char *text;

        assert_int_equal(committed(f, &text, &e), PRODUCER_NONE);
        commit_as_consumer(f, 5, "the cursor");
        for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
                inject(f, API_OFFSET_FETCH, codes[i], 2);
                if (committed(f, &text, &e) != PRODUCER_FOUND)
                        fail_msg("%s: %s", rd_kafka_err2name(codes[i]), e.what);
                assert_string_equal(text, "the cursor");
                free(text);
        }
}

static void a_group_that_may_not_be_read_is_refused(void **state) {
        struct fixture *f = *state;
        struct error e = {};
        char *text;

        init(f);
        inject(f, API_OFFSET_FETCH, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, 1);
        assert_int_equal(committed(f, &text, &e), PRODUCER_UNREAD);
        assert_int_equal(e.class, ERROR_REFUSED);
        assert_non_null(strstr(e.hint, "kafka-cluster:DescribeGroup"));
}

int main(void) {
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
        const struct CMUnitTest tests[] = {
                TEST(passing_errors_are_retried_inside_the_call),
                TEST(init_waits_for_its_coordinator),
                TEST(a_broker_that_is_away_for_a_moment_costs_nothing),
                TEST(what_comes_behind_a_record_that_is_too_large_is_not_sent),
                TEST(a_full_queue_takes_the_first_ones_and_later_the_rest),
                TEST(time_that_is_up_ends_the_call),
                TEST(a_commit_of_records_that_nobody_takes_comes_back),
                TEST(init_gives_up_when_the_program_stops),
                cmocka_unit_test(permanent_errors_say_what_they_are),
                TEST(a_refusal_that_comes_before_the_commit_is_not_the_cursors),
                TEST(an_aborted_transaction_is_followed_by_a_good_one),
                TEST(only_stable_answers_count),
                TEST(a_group_that_may_not_be_read_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
