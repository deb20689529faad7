/* How credentials are kept, refreshed early and outlived, and how long tokens last. */
#include "aws_script.h"

#include <pthread.h>

#define URL "http://localhost/c"

/* A container whose credentials end at a chosen moment; status 0: it does not answer. */
static void provide(struct script *s, const char *id, int64_t expires_s, int status) {
        static char body[512];
        char utc[32];

        clock_format_utc(expires_s, utc);
        snprintf(body, sizeof body, "{\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"%s\"}", id,
                 utc);
        s->answers[0] = (struct answer) { "GET " URL, NULL, NULL, status, body, 0, 0 };
}

static struct aws *begin(struct script *s) {
        struct world world = script_world(s);

        script_set(s, "AWS_CONTAINER_CREDENTIALS_FULL_URI", URL);
        return aws_new_in(&world, &(struct aws_settings) {}, script_log, s);
}

/* Seconds that a new token lasts. */
static int64_t token(struct script *s, struct aws *a) {
        struct error e;
        int64_t expires_ms;
        char *text;

        if (aws_token(a, &text, &expires_ms, &e) < 0)
                fail_msg("%s", e.what);
        free(text);
        assert_int_equal(expires_ms % 1000, 0);
        return expires_ms / 1000 - s->now_s;
}

static void no_token(struct aws *a, enum error_class class, const char *words) {
        struct error e;
        int64_t expires_ms;
        char *text;

        assert_int_equal(aws_token(a, &text, &expires_ms, &e), -1);
        if (!strstr(e.what, words))
                fail_msg("\"%s\" is missing in: %s", words, e.what);
        assert_int_equal(e.class, class);
}

static unsigned lookups(const struct script *s) {
        unsigned n = 0;

        for (const char *p = s->asked; (p = strstr(p, "GET ")); p++)
                n++;
        return n;
}

static const char *used(struct aws *a) {
        static struct aws_status status;

        aws_status(a, &status);
        return status.access_key_id;
}

static void tokens_last_15_minutes_but_never_longer_than_the_credentials(void **state) {
        static const struct {
                int64_t left, lifetime;
        } cases[] = { { 86400, 900 }, { 901, 900 }, { 900, 900 }, { 899, 899 }, { 60, 60 }, { 3, 3 }, { 1, 1 } };
        struct script *s = *state;

        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct aws *a = begin(s);

                provide(s, "A", s->now_s + cases[i].left, 200);
                assert_int_equal(token(s, a), cases[i].lifetime);
                aws_free(a);
        }
}

static void credentials_that_have_expired_give_an_error(void **state) {
        struct script *s = *state;
        struct aws *a = begin(s);

        provide(s, "A", s->now_s, 200);
        no_token(a, ERROR_UNREACHABLE, "expired at 2026-11-20T12:00:00Z");
        aws_free(a);
}

static void one_lookup_serves_many_tokens_while_credentials_are_fresh(void **state) {
        struct script *s = *state;
        struct aws *a = begin(s);

        provide(s, "A", s->now_s + 6 * 3600, 200);
        for (int i = 0; i < 25; i++, s->now_s += 720)
                token(s, a);
        assert_int_equal(lookups(s), 1);
        aws_free(a);
}

/* librdkafka asks at 80% of a token's lifetime. */
static void credentials_are_replaced_well_before_they_end(void **state) {
        struct script *s = *state;
        struct aws *a = begin(s);
        int64_t end_s = s->now_s + 3600;

        provide(s, "A", end_s, 200);
        s->now_s += token(s, a) * 8 / 10;
        provide(s, "B", end_s + 3600, 200);
        for (int64_t lifetime = token(s, a); strcmp(used(a), "A") == 0; lifetime = token(s, a))
                s->now_s += lifetime * 8 / 10;
        assert_true(end_s - s->now_s >= 300);
        assert_int_equal(lookups(s), 2);
        aws_free(a);
}

static void short_credentials_are_asked_for_with_each_token_but_not_each_producer(void **state) {
        struct script *s = *state;
        struct aws *a = begin(s);

        provide(s, "A", s->now_s + 40, 200);
        token(s, a);
        token(s, a);
        token(s, a);
        assert_int_equal(lookups(s), 1);
        s->now_s += 32;
        provide(s, "B", s->now_s + 40, 200);
        token(s, a);
        assert_string_equal(used(a), "B");
        assert_int_equal(lookups(s), 2);
        aws_free(a);
}

static void a_failing_refresh_keeps_what_is_valid_warns_once_and_says_when_it_is_over(void **state) {
        struct script *s = *state;
        struct aws *a = begin(s);
        struct aws_status status;
        int64_t end_s = s->now_s + 1200;

        provide(s, "A", end_s, 200);
        token(s, a);
        assert_non_null(strstr(s->log, "5 AWS credentials from container (AWS_CONTAINER_CREDENTIALS_FULL_URI), access key A, "
                                       "valid until 2026-11-20T12:20:00Z; region eu-west-1 (from AWS_REGION)\n"));
        provide(s, "B", end_s, 0);
        s->log[0] = 0;
        s->now_s += 720;
        while (s->now_s < end_s - 2) {
                int64_t lifetime = token(s, a);

                assert_true(s->now_s + lifetime <= end_s);
                assert_string_equal(used(a), "A");
                s->now_s += lifetime * 8 / 10 ? lifetime * 8 / 10 : 1;
        }
        assert_non_null(strstr(s->log, "4 AWS credentials can't be refreshed, those from container (AWS_CONTAINER_CREDENTIALS_"
                                       "FULL_URI) are valid for another 8 min 0 s: "));
        assert_null(strstr(strchr(s->log, '\n') + 1, "\n"));
        aws_status(a, &status);
        assert_true(lookups(s) >= 4);
        assert_non_null(strstr(status.last_error.what, "did not answer"));
        s->now_s = end_s;
        no_token(a, ERROR_UNREACHABLE, "did not answer");
        assert_null(strstr(strchr(s->log, '\n') + 1, "\n"));

        provide(s, "B", s->now_s + 7200, 200);
        assert_int_equal(token(s, a), 900);
        assert_string_equal(used(a), "B");
        assert_non_null(strstr(s->log, "\n5 AWS credentials are refreshed again: from container"));
        aws_free(a);
}

/* Whoever reloads has changed something: at once, whatever the credentials are still good for. */
static void renewed_settings_hold_from_the_next_token_on_and_the_former_until_they_work(void **state) {
        struct script *s = *state;
        struct aws *a = begin(s);
        struct aws_status status;

        provide(s, "A", s->now_s + 6 * 3600, 200);
        token(s, a);
        provide(s, "B", s->now_s + 6 * 3600, 0);
        aws_renew(a, &(struct aws_settings) { .region = "eu-central-1" });
        token(s, a);
        assert_string_equal(used(a), "A");
        assert_non_null(strstr(s->log, "4 AWS credentials can't be refreshed"));
        aws_status(a, &status);
        assert_string_equal(status.region, "eu-west-1");

        provide(s, "B", s->now_s + 6 * 3600, 200);
        s->now_s += 60;
        token(s, a);
        assert_string_equal(used(a), "B");
        aws_status(a, &status);
        assert_string_equal(status.region, "eu-central-1");
        assert_string_equal(status.region_source, "[aws] region");
        aws_free(a);
}

static void a_failing_refresh_is_tried_again_with_growing_pauses(void **state) {
        struct script *s = *state;
        struct aws *a = begin(s);
        unsigned after_first;

        provide(s, "A", s->now_s + 1000, 200);
        token(s, a);
        provide(s, "A", 0, 0);
        s->now_s += 300;
        token(s, a);
        after_first = lookups(s);
        s->now_s += 5;
        token(s, a);
        assert_int_equal(lookups(s), after_first);
        s->now_s += 15;
        token(s, a);
        assert_true(lookups(s) > after_first);
        after_first = lookups(s);
        s->now_s += 15;
        token(s, a);
        assert_int_equal(lookups(s), after_first);
        s->now_s += 30;
        /* While it fails, tokens are shorter, so that the next attempt comes soon. */
        assert_true(token(s, a) <= 300);
        assert_true(lookups(s) > after_first);
        aws_free(a);
}

static void a_clock_that_is_set_neither_stops_nor_hurries_the_next_attempt(void **state) {
        struct script *s = *state;
        struct aws *a = begin(s);
        unsigned before;

        provide(s, "A", s->now_s + 1000, 200);
        token(s, a);
        provide(s, "A", 0, 0);
        s->now_s += 300;
        token(s, a);
        before = lookups(s);
        script_set_clock(s, -3600);
        s->now_s += 20;
        token(s, a);
        assert_true(lookups(s) > before);
        before = lookups(s);
        script_set_clock(s, 3600);
        s->now_s += 5;
        token(s, a);
        assert_int_equal(lookups(s), before);
        aws_free(a);
}

static void keys_that_never_expire_are_read_again_and_kept_when_their_file_breaks(void **state) {
        struct script *s = *state;
        struct world world = script_world(s);
        struct aws *a;
        struct aws_status status;

        script_profiles(s, "", "[default]\naws_access_key_id=ONE\naws_secret_access_key=s\n");
        a = aws_new_in(&world, &(struct aws_settings) {}, script_log, s);
        assert_int_equal(token(s, a), 900);
        aws_status(a, &status);
        assert_true(status.credentials_expire_s == INT64_MAX);
        script_file(s, "credentials", "[default]\naws_access_key_id=TWO\naws_secret_access_key=s\n");
        s->now_s += 720;
        token(s, a);
        assert_string_equal(used(a), "TWO");
        script_file(s, "credentials", "[default]\nhalf a li");
        s->now_s += 720;
        token(s, a);
        assert_string_equal(used(a), "TWO");
        assert_non_null(strstr(s->log, "4 AWS credentials can't be read again"));
        assert_null(strstr(s->log, "half"));
        aws_free(a);
}

static void a_clock_that_is_off_gives_no_token_but_how_much(void **state) {
        struct script *s = *state;
        struct world world = script_world(s);
        struct aws *a;

        script_set(s, "AWS_EC2_METADATA_DISABLED", "");
        s->answers[0] = (struct answer) { "PUT http://169.254.169.254/latest/api/token", NULL, NULL, 200, "T",
                                          s->now_s - 600, 0 };
        s->answers[1] = (struct answer) { "GET http://169.254.169.254/latest/meta-data/iam/security-credentials/", NULL, NULL,
                                          200, "r", s->now_s - 600, 0 };
        s->answers[2] = (struct answer) { "GET http://169.254.169.254/latest/meta-data/iam/security-credentials/r", NULL,
                                          NULL, 200, "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\","
                                          "\"Expiration\":\"2026-11-20T18:00:00Z\"}", s->now_s - 600, 0 };
        a = aws_new_in(&world, &(struct aws_settings) {}, script_log, s);
        no_token(a, ERROR_UNREACHABLE, "this machine's clock is 10 min 0 s ahead of AWS's");
        for (int i = 0; i < 3; i++)
                s->answers[i].date_s = s->now_s - 200;
        assert_int_equal(token(s, a), 900);
        aws_free(a);
}

static void after_cancel_there_are_no_tokens(void **state) {
        struct script *s = *state;
        struct aws *a = begin(s);

        provide(s, "A", s->now_s + 3600, 200);
        token(s, a);
        aws_cancel(a);
        no_token(a, ERROR_STOPPED, "stopped");
        aws_free(a);
}

/* ---- several producers ---- */

struct gate {
        struct script *script;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        bool open;
        unsigned inside;
};

static int gated_exchange(void *arg, const struct http_request *r, struct http_answer *ret, struct error *e) {
        struct gate *g = arg;
        int result;

        pthread_mutex_lock(&g->lock);
        g->inside++;
        pthread_cond_broadcast(&g->changed);
        while (!g->open)
                pthread_cond_wait(&g->changed, &g->lock);
        result = script_exchange(g->script, r, ret, e);
        pthread_mutex_unlock(&g->lock);
        return result;
}

static const char *gated_env(void *arg, const char *name) {
        return script_env(((struct gate *) arg)->script, name);
}

static int64_t gated_now_s(void *arg) {
        return script_now_s(((struct gate *) arg)->script);
}

static bool gated_pause(void *arg, int cancel_fd, unsigned ms) {
        (void) arg;
        (void) cancel_fd;
        (void) ms;
        return true;
}

static void *ask(void *arg) {
        struct error e;
        int64_t expires_ms;
        char *text = NULL;

        if (aws_token(arg, &text, &expires_ms, &e) == 0)
                free(text);
        return text;
}

static void let_in(struct gate *g) {
        pthread_mutex_lock(&g->lock);
        g->open = true;
        pthread_cond_broadcast(&g->changed);
        pthread_mutex_unlock(&g->lock);
}

static uint64_t gated_monotonic_us(void *arg) {
        return script_monotonic_us(((struct gate *) arg)->script);
}

static struct aws *begin_gated(struct gate *g) {
        const struct world world = {
                .arg = g, .env = gated_env, .now_s = gated_now_s, .monotonic_us = gated_monotonic_us,
                .jitter = script_jitter, .exchange = gated_exchange, .pause = gated_pause,
        };

        script_set(g->script, "AWS_CONTAINER_CREDENTIALS_FULL_URI", URL);
        return aws_new_in(&world, &(struct aws_settings) {}, NULL, NULL);
}

static void wait_inside(struct gate *g) {
        pthread_mutex_lock(&g->lock);
        while (g->inside == 0)
                pthread_cond_wait(&g->changed, &g->lock);
        pthread_mutex_unlock(&g->lock);
}

static void producers_share_one_lookup_and_the_status_never_waits(void **state) {
        struct gate g = { *state, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0 };
        struct aws *a = begin_gated(&g);
        struct aws_status status;
        pthread_t threads[3];
        void *token_of;

        provide(g.script, "A", g.script->now_s + 3600, 200);
        for (int i = 0; i < 3; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, ask, a), 0);
        wait_inside(&g);
        aws_status(a, &status);
        assert_int_equal(status.tokens, 0);
        let_in(&g);
        for (int i = 0; i < 3; i++) {
                pthread_join(threads[i], &token_of);
                assert_non_null(token_of);
        }
        aws_status(a, &status);
        assert_int_equal(status.tokens, 3);
        assert_int_equal(lookups(g.script), 1);
        aws_free(a);
}

static void who_still_has_valid_credentials_does_not_wait_for_a_refresh(void **state) {
        struct gate g = { *state, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, true, 0 };
        struct aws *a = begin_gated(&g);
        pthread_t thread;
        void *token_of = ask(a);

        (void) token_of;
        provide(g.script, "A", g.script->now_s + 250, 200);
        assert_non_null(ask(a));
        g.script->now_s += 60;
        pthread_mutex_lock(&g.lock);
        g.open = false;
        g.inside = 0;
        pthread_mutex_unlock(&g.lock);
        assert_int_equal(pthread_create(&thread, NULL, ask, a), 0);
        wait_inside(&g);
        assert_non_null(ask(a));
        let_in(&g);
        pthread_join(thread, &token_of);
        assert_non_null(token_of);
        aws_free(a);
}

static void who_waited_for_a_lookup_that_failed_fails_with_it(void **state) {
        struct gate g = { *state, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0 };
        struct aws *a = begin_gated(&g);
        pthread_t threads[3];
        void *token_of;

        provide(g.script, "A", 0, 403);
        for (int i = 0; i < 3; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, ask, a), 0);
        wait_inside(&g);
        let_in(&g);
        for (int i = 0; i < 3; i++) {
                pthread_join(threads[i], &token_of);
                assert_null(token_of);
        }
        /* A thread that began only after the failure looks for itself. */
        assert_in_range(lookups(g.script), 1, 3);
        aws_free(a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, script_setup, script_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(tokens_last_15_minutes_but_never_longer_than_the_credentials),
                TEST(credentials_that_have_expired_give_an_error),
                TEST(one_lookup_serves_many_tokens_while_credentials_are_fresh),
                TEST(credentials_are_replaced_well_before_they_end),
                TEST(short_credentials_are_asked_for_with_each_token_but_not_each_producer),
                TEST(a_failing_refresh_keeps_what_is_valid_warns_once_and_says_when_it_is_over),
                TEST(renewed_settings_hold_from_the_next_token_on_and_the_former_until_they_work),
                TEST(a_failing_refresh_is_tried_again_with_growing_pauses),
                TEST(a_clock_that_is_set_neither_stops_nor_hurries_the_next_attempt),
                TEST(keys_that_never_expire_are_read_again_and_kept_when_their_file_breaks),
                TEST(a_clock_that_is_off_gives_no_token_but_how_much),
                TEST(after_cancel_there_are_no_tokens),
                TEST(producers_share_one_lookup_and_the_status_never_waits),
                TEST(who_still_has_valid_credentials_does_not_wait_for_a_refresh),
                TEST(who_waited_for_a_lookup_that_failed_fails_with_it),
        };

        alarm(60);      /* a producer that waits for ever is a failure */
        return cmocka_run_group_tests_name("aws refresh", tests, NULL, NULL);
}
