/* What workers wait for, in words: one line a cause, however many of them wait for it. */
#include <stdio.h>
#include <string.h>

#include "pinfeed/limits.h"
#include "room.h"

/* After how long it is said, and said again; then every LIMIT_SAY_AGAIN_S. */
static const unsigned said_after_ms[] = { LIMIT_SAY_MS, 60000, 600000, LIMIT_SAY_AGAIN_S * 1000 };

static struct outage *find(struct session *s, const char *whom) {
        for (size_t i = 0; i < SESSION_OUTAGES; i++)
                if (!s->outages[i].whom || strcmp(s->outages[i].whom, whom) == 0)
                        return &s->outages[i];
        abort();                        /* there are no more words than that */
}

struct outage *outage_begin(struct session *s, const char *whom, const char *where, uint64_t since_us,
                            const struct error *why) {
        struct outage *o;

        pthread_mutex_lock(&s->outage_lock);
        o = find(s, whom);
        if (o->waiting++ == 0) {
                o->whom = whom;
                o->since_us = since_us;
                o->said = 0;
                o->why = *why;
                snprintf(o->where, sizeof o->where, "%s", where);
        }
        pthread_mutex_unlock(&s->outage_lock);
        return o;
}

void outage_because(struct session *s, struct outage *o, const struct error *why) {
        pthread_mutex_lock(&s->outage_lock);
        o->why = *why;
        pthread_mutex_unlock(&s->outage_lock);
}

/* Nobody watches a daemon start: what passes within three seconds is no warning in its journal. */
static uint64_t due_ms(const struct session *s, const struct outage *o) {
        enum { STEPS = sizeof said_after_ms / sizeof *said_after_ms };

        if (o->said == 0 && s->patient)
                return 2 * LIMIT_SAY_MS;
        if (o->said < STEPS)
                return said_after_ms[o->said];
        return said_after_ms[STEPS - 1] + (uint64_t) (o->said - STEPS + 1) * LIMIT_SAY_AGAIN_S * 1000;
}

static void say(struct session *s, const struct outage *o, uint64_t lasted_ms) {
        char still[48] = "", duration[32];

        clock_format_duration(lasted_ms / 1000, duration);
        if (o->said > 0 || lasted_ms >= 5000)
                snprintf(still, sizeof still, "for %s now: ", duration);
        if (s->patient)
                service_log(s->service, SERVICE_WARNING, MESSAGE_WAITING, NULL, 0, "%s%s; keeps trying. %s", still, o->why.what,
                            o->why.hint);
        else if (o->said == 0)
                service_log(s->service, SERVICE_NOTICE, MESSAGE_WAITING, NULL, 0, "trying %s for up to %u s (%s)", o->where,
                            s->patience_ms / 1000, o->why.what);
        session_waits(s, clock_wall_ms() - (int64_t) lasted_ms, o->why.what);
}

void outage_look(struct session *s) {
        pthread_mutex_lock(&s->outage_lock);
        for (size_t i = 0; i < SESSION_OUTAGES; i++) {
                struct outage *o = &s->outages[i];
                uint64_t lasted_ms = (clock_monotonic_us() - o->since_us) / 1000;

                if (o->waiting == 0 || lasted_ms < due_ms(s, o))
                        continue;
                say(s, o, lasted_ms);
                o->said++;
        }
        pthread_mutex_unlock(&s->outage_lock);
}

void outage_end(struct session *s, struct outage *o, bool over) {
        char duration[32];

        pthread_mutex_lock(&s->outage_lock);
        if (--o->waiting == 0 && o->said > 0 && over) {
                clock_format_duration((clock_monotonic_us() - o->since_us) / 1000000, duration);
                service_log(s->service, SERVICE_NOTICE, MESSAGE_RESUMED, NULL, 0, "%s again after %s", o->whom, duration);
                session_waited(s);
        }
        pthread_mutex_unlock(&s->outage_lock);
}
