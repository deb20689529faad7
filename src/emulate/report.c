/* What became of the posts: at each interval, and at the end. */
#include "room.h"

/* A post is delivered when it is in all topics, and waits as long as one topic has to acknowledge it. */
static void read_posts(const struct emulate *m, struct tally_snapshot ret_topics[static EMULATE_STREAMS],
                       struct tally_snapshot *ret) {
        uint64_t waiting = 0;

        *ret = (struct tally_snapshot) { .delivered = UINT64_MAX };
        for (size_t i = 0; i < EMULATE_STREAMS; i++) {
                struct tally_snapshot *topic = &ret_topics[i];

                tally_read(&m->streams[i].tally, topic);
                if (topic->delivered < ret->delivered)
                        ret->delivered = topic->delivered;
                if (topic->sent - topic->delivered - topic->failed > waiting)
                        waiting = topic->sent - topic->delivered - topic->failed;
                ret->failed += topic->failed;
                ret->bytes += topic->bytes;
                for (size_t k = 0; k < TALLY_BUCKETS; k++)
                        ret->latency[k] += topic->latency[k];
        }
        ret->sent = ret->delivered + ret->failed + waiting;
}

static void report_left_out(struct emulate *m) {
        uint64_t now = m->too_large, more = now - m->reported.too_large;

        m->reported.too_large = now;
        if (now > 1 && more > 0)
                service_log(m->session.service, SERVICE_WARNING, MESSAGE_NOTE, NULL, 0,
                            "%llu times a post was drawn and left out: a record of it is larger than [kafka] "
                            "message.max.bytes",
                            (unsigned long long) more);
}

static void say_doing(struct emulate *m, const struct tally_snapshot *posts, double per_s) {
        char count[32];

        if (!worker_stopping(m->connection.worker))
                session_does(&m->session, "Sends %g post%s a second: %s so far, %.1f/s lately", m->rate,
                             m->rate == 1 ? "" : "s", text_count(posts->delivered, count), per_s);
}

/* Under the lock. An outage of a day is not told in a line a minute. */
static void report(struct emulate *m, bool asked) {
        struct reported *last = &m->reported;
        uint64_t now_us = clock_monotonic_us();
        double seconds = (double) (now_us - last->at_us) / 1e6;
        struct tally_snapshot topics[EMULATE_STREAMS], posts;

        read_posts(m, topics, &posts);
        say_doing(m, &posts, seconds > 0 ? (double) (posts.delivered - last->posts.delivered) / seconds : 0);
        last->before = last->posts;
        last->before_us = last->at_us;
        last->at_us = now_us;
        if (!asked && posts.delivered == last->posts.delivered && posts.failed == last->posts.failed)
                return;
        service_log_posts(m->session.service, &last->posts, &posts, seconds, (now_us - last->since_us) / 1000000);
        for (size_t i = 0; i < EMULATE_STREAMS; i++) {
                service_log_statistics(m->session.service, m->streams[i].config->topic, &m->streams[i].reported,
                                       &topics[i], seconds);
                m->streams[i].reported = topics[i];
        }
        last->posts = posts;
        report_left_out(m);
}

void emulate_report_begin(struct emulate *m) {
        pthread_mutex_lock(&m->reported.lock);
        m->reported.since_us = m->reported.at_us = m->reported.before_us = clock_monotonic_us();
        pthread_mutex_unlock(&m->reported.lock);
}

void emulate_report(struct emulate *m, bool asked) {
        pthread_mutex_lock(&m->reported.lock);
        if (m->reported.since_us)
                report(m, asked);
        pthread_mutex_unlock(&m->reported.lock);
}

/* The rate is that since the report before the last: of one interval at least, once there was one. */
json_t *emulate_figures(struct emulate *m) {
        struct tally_snapshot topics[EMULATE_STREAMS], posts;
        double seconds, per_s = 0;

        pthread_mutex_lock(&m->reported.lock);
        read_posts(m, topics, &posts);
        seconds = (double) (clock_monotonic_us() - m->reported.before_us) / 1e6;
        if (m->reported.since_us && seconds > 0) {
                per_s = (double) (posts.delivered - m->reported.before.delivered) / seconds;
                say_doing(m, &posts, per_s);
        }
        pthread_mutex_unlock(&m->reported.lock);
        return json_pack("{s:{s:I, s:f, s:I, s:I, s:I}}", "posts", "delivered", (json_int_t) posts.delivered,
                         "per_s", per_s, "failed", (json_int_t) posts.failed,
                         "in_flight", (json_int_t) (posts.sent - posts.delivered - posts.failed),
                         "bytes", (json_int_t) posts.bytes);
}

/* Names the posts that are not in all topics, or may not be. */
static void report_left(struct emulate *m) {
        enum { MOST_NAMED = 10 };
        _cleanup_buffer_ struct buffer names = {};
        size_t left = underway_count(m->underway), named = underway_name(m->underway, MOST_NAMED, &names);

        if (left > 0)
                service_log(m->session.service, SERVICE_WARNING, MESSAGE_NOTE, NULL, 0,
                            "%zu post%s may not be in all topics (%s%s): the next start sends %s again, whole", left,
                            left == 1 ? "" : "s", buffer_string(&names), left > named ? ", ..." : "",
                            left == 1 ? "it" : "them");
}

/* The last line: what was and was not delivered. */
static void report_stopped(struct emulate *m) {
        _cleanup_buffer_ struct buffer line = {};

        for (size_t i = 0; i < EMULATE_STREAMS; i++)
                buffer_printf(&line, "%s%s: %llu of %llu delivered", i ? ", " : "", m->streams[i].config->topic,
                              (unsigned long long) m->streams[i].reported.delivered,
                              (unsigned long long) m->streams[i].reported.sent);
        service_log(m->session.service, SERVICE_INFO, MESSAGE_STOPPED, NULL, 0, "stopped; %s", buffer_string(&line));
}

void emulate_report_end(struct emulate *m) {
        pthread_mutex_lock(&m->reported.lock);
        report(m, true);
        report_left(m);
        report_stopped(m);
        m->reported.since_us = 0;
        pthread_mutex_unlock(&m->reported.lock);
}
