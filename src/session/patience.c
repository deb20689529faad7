#include "pinfeed/limits.h"
#include "room.h"

enum { SLICE_MS = 50 };

/* Sleeps, alive; delivery reports of what was sent before are served meanwhile. */
static int pause_ms(struct connection *c, unsigned ms, struct error *e) {
        uint64_t until_us = clock_monotonic_us() + (uint64_t) ms * 1000;

        while (clock_monotonic_us() < until_us && !worker_stopping(c->worker)) {
                if (!c->producer)
                        worker_sleep_ms(c->worker, SLICE_MS);
                else if (producer_poll(c->producer, SLICE_MS, e) < 0)
                        return -1;
                outage_look(c->session);
        }
        return worker_stopping(c->worker) ? error_stopped(e) : 0;
}

void patience_begin(struct patience *p, const char *where, const struct error *why) {
        if (p->outage)
                return;
        p->since_us = clock_monotonic_us();
        p->tries = 0;
        p->outage = outage_begin(p->connection->session, p->whom, where, p->since_us, why);
}

static void end(struct patience *p, bool over) {
        if (p->outage)
                outage_end(p->connection->session, p->outage, over);
        p->outage = NULL;
}

static bool is_over(const struct patience *p, const struct error *e) {
        const struct session *s = p->connection->session;
        uint64_t waited_ms = (clock_monotonic_us() - p->since_us) / 1000;

        return e->class != ERROR_UNREACHABLE
               || (!s->patient && (waited_ms >= s->patience_ms || (e->vain && p->tries > 0)));
}

static int wait(struct patience *p, struct error *e) {
        unsigned pause;

        if (worker_stopping(p->connection->worker))
                return error_stopped(e);
        if (is_over(p, e))
                return -1;
        outage_because(p->connection->session, p->outage, e);
        /* The first pauses are short: a server that restarts is back within a second. */
        pause = 250u << (p->tries < 6 ? p->tries : 6);
        p->tries++;
        return pause_ms(p->connection, pause < LIMIT_PAUSE_MS ? pause : LIMIT_PAUSE_MS, e);
}

int patience_wait(struct patience *p, struct error *e) {
        patience_begin(p, p->whom, e);
        if (wait(p, e) == 0)
                return 0;
        end(p, false);
        return -1;
}

void patience_over(struct patience *p) {
        end(p, true);
}
