/* What workers wait for, in words: one line a cause, however many of them wait for it. */
#include <stdio.h>
#include <string.h>

#include "pinfeed/limits.h"
#include "room.h"

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
                o->shown = false;
                o->why = *why;
                snprintf(o->where, sizeof o->where, "%s", where);
        }
        pthread_mutex_unlock(&s->outage_lock);
        return o;
}

uint64_t outage_due_ms(bool patient, unsigned said, bool again) {
        /* Then every LIMIT_SAY_AGAIN_S. */
        static const unsigned after_ms[] = { LIMIT_SAY_MS, 60000, 600000, 3600000 };
        enum { STEPS = sizeof after_ms / sizeof *after_ms };

        if (said == 0 && patient)       /* nobody watches a daemon start: what passes within three seconds is no warning */
                return again ? after_ms[1] : 2 * LIMIT_SAY_MS;
        if (said < STEPS)
                return after_ms[said];
        return (uint64_t) (said - STEPS + 1) * LIMIT_SAY_AGAIN_S * 1000;
}

/* Another outage of this cause was said lately, and is over. */
static bool is_again(const struct outage *o, uint64_t now_us) {
        return o->said == 0 && o->said_us && now_us - o->said_us < LIMIT_SAY_NEWS_S * 1000000ull;
}

static void say(struct session *s, struct outage *o, uint64_t now_us) {
        uint64_t lasted_ms = (now_us - o->since_us) / 1000;
        char still[48] = "", earlier[96] = "", duration[32];

        clock_format_duration(lasted_ms / 1000, duration);
        if (o->said > 0 || lasted_ms >= 5000)
                snprintf(still, sizeof still, "for %s now: ", duration);
        clock_format_duration((now_us - o->said_us) / 1000000, duration);
        if (o->unsaid)
                snprintf(earlier, sizeof earlier, "after %u short interruption%s in %s, ", o->unsaid,
                         o->unsaid == 1 ? "" : "s", duration);
        if (s->patient)
                service_log(s->service, SERVICE_WARNING, MESSAGE_WAITING, NULL, 0, "%s%s%s; keeps trying. %s", earlier, still,
                            o->why.what, o->why.hint);
        else if (o->said == 0)
                service_log(s->service, SERVICE_NOTICE, MESSAGE_WAITING, NULL, 0, "trying %s for up to %u s (%s)", o->where,
                            s->patience_ms / 1000, o->why.what);
        o->said++;
        o->unsaid = 0;
        o->said_us = now_us;
}

/* The status tells the first of those that last. */
static void show(struct session *s) {
        for (size_t i = 0; i < SESSION_OUTAGES; i++) {
                const struct outage *o = &s->outages[i];
                int64_t lasted_ms = (int64_t) (clock_monotonic_us() - o->since_us) / 1000;

                if (o->shown) {
                        session_waits(s, clock_wall_ms() - lasted_ms, o->why.what);
                        return;
                }
        }
        session_waits(s, 0, NULL);
}

void outage_because(struct session *s, struct outage *o, const struct error *why) {
        pthread_mutex_lock(&s->outage_lock);
        o->why = *why;
        if (o->shown)
                show(s);
        pthread_mutex_unlock(&s->outage_lock);
}

void outage_look(struct session *s) {
        uint64_t now_us = clock_monotonic_us();

        pthread_mutex_lock(&s->outage_lock);
        for (size_t i = 0; i < SESSION_OUTAGES; i++) {
                struct outage *o = &s->outages[i];
                uint64_t lasted_ms = (now_us - o->since_us) / 1000;
                bool again = is_again(o, now_us);

                if (o->waiting == 0 || lasted_ms < outage_due_ms(s->patient, 0, false))
                        continue;
                if (lasted_ms >= outage_due_ms(s->patient, o->said, again)) {
                        say(s, o, now_us);
                        o->said += again;       /* the line that it would have had before */
                } else if (o->shown)
                        continue;
                o->shown = true;
                show(s);
        }
        pthread_mutex_unlock(&s->outage_lock);
}

void outage_end(struct session *s, struct outage *o, bool over) {
        uint64_t now_us = clock_monotonic_us();
        char duration[32];

        pthread_mutex_lock(&s->outage_lock);
        if (--o->waiting == 0 && o->shown) {
                o->shown = false;
                if (over)
                        show(s);
                if (over && o->said > 0) {
                        clock_format_duration((now_us - o->since_us) / 1000000, duration);
                        service_log(s->service, SERVICE_NOTICE, MESSAGE_RESUMED, NULL, 0, "%s again after %s", o->whom, duration);
                        o->said_us = now_us;
                } else if (over)
                        o->unsaid++;
        }
        pthread_mutex_unlock(&s->outage_lock);
}
