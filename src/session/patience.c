#include "pinfeed/limits.h"
#include "pinfeed/session.h"

static unsigned ms_since(uint64_t us) {
        return (unsigned) ((clock_monotonic_us() - us) / 1000);
}

/* Sleeps, alive; delivery reports of what was sent before are served meanwhile. */
static int pause_ms(struct connection *c, unsigned ms, struct error *e) {
        uint64_t until_us = clock_monotonic_us() + (uint64_t) ms * 1000;

        if (!c->producer)
                worker_sleep_ms(c->worker, ms);
        while (c->producer && clock_monotonic_us() < until_us && !worker_stopping(c->worker))
                if (producer_poll(c->producer, 50, e) < 0)
                        return -1;
        return worker_stopping(c->worker) ? error_stopped(e) : 0;
}

int patience_wait(struct patience *p, struct error *e) {
        struct session *s = p->connection->session;
        unsigned pause;

        if (worker_stopping(p->connection->worker))
                return error_stopped(e);
        if (e->class != ERROR_UNREACHABLE)
                return -1;
        if (!p->since_us)
                p->since_us = clock_monotonic_us();
        if (!s->patient && ms_since(p->since_us) >= LIMIT_PATIENCE_MS)
                return -1;
        /* The first tries are quiet: a server that restarts is back within a second. */
        if (s->patient && !p->said && ms_since(p->since_us) >= 3000) {
                p->said = true;
                service_log_error(s->service, SERVICE_WARNING, MESSAGE_WAITING, e);
                session_waits(s, "%s", e->what);
        }
        pause = 250u << (p->tries < 6 ? p->tries : 6);
        p->tries++;
        if (pause > LIMIT_PAUSE_MS)
                pause = LIMIT_PAUSE_MS;
        return pause_ms(p->connection, pause, e);
}

void patience_over(struct patience *p) {
        struct session *s = p->connection->session;

        if (p->said) {
                service_log(s->service, SERVICE_NOTICE, MESSAGE_RESUMED, NULL, 0, "%s again after %u s", p->whom,
                            ms_since(p->since_us) / 1000);
                session_waited(s);
        }
        p->said = false;
        p->since_us = 0;
        p->tries = 0;
}

