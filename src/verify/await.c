/* Rows that a follow has still to send: is there one that does? */
#include "own.h"
#include "pinfeed/feed.h"

enum { PAUSE_MS = 1000 };

static bool is_due(const struct check *c) {
        return c->cursor.main.followed && compare_result(c->compare)->counts[COMPARE_AWAITED] > 0;
}

static bool goes_on(const struct check *c, const struct cursor_run *now) {
        const struct compare_names *names = &compare_result(c->compare)->names[COMPARE_AWAITED];

        for (size_t i = 0; i < names->count; i++)
                if (feed_goes_on(&c->cursor.main, now, &(struct key) { names->list[i].data, names->list[i].length }))
                        return true;
        return false;
}

static int look(const struct check *c, bool *ret_goes_on, struct error *e) {
        struct cursor now = {};
        int r = feed_look(&c->verify->connection, c->stream.config, &now, e);

        *ret_goes_on = r == 0 && goes_on(c, &now.main);
        cursor_free(&now);
        return r;
}

static double since_snapshot_s(const struct check *c) {
        return (double) (clock_monotonic_us() - c->verify->snapshot_us) / 1e6;
}

/* The rows were there at the snapshot: a follow has sent some of them since, or does within its time. What was compared
 * stands, also if the cursor can't be read any more. */
static int await_one(struct check *c, struct error *e) {
        double most_s = feed_follow_takes_s(c->verify->session.config, &c->cursor.main);
        struct worker *worker = c->verify->connection.worker;
        struct error why;

        for (;;) {
                bool on;
                int r = look(c, &on, &why);

                c->unsent_s = on ? 0 : since_snapshot_s(c);
                c->awaits = c->unsent_s > 0 && c->unsent_s < most_s;
                if (!c->awaits) {
                        if (r < 0)
                                session_note(&c->verify->session, c->stream.config, SERVICE_WARNING, "whether a follow goes on "
                                             "can't be known: %s", why.what);
                        return 0;
                }
                session_does(&c->verify->session, "Waits up to %.0f s for a follow to go on with %s", most_s,
                             c->stream.config->topic);
                if (!worker_sleep_ms(worker, PAUSE_MS))
                        return error_stopped(e);
        }
}

int await_follow(struct verify *v, struct error *e) {
        for (size_t i = 0; i < v->count; i++)
                if (is_due(&v->checks[i]))
                        v->checks[i].unsent_s = since_snapshot_s(&v->checks[i]);
        for (size_t i = 0; i < v->count; i++)
                if (is_due(&v->checks[i]) && await_one(&v->checks[i], e) < 0)
                        return -1;
        return 0;
}
