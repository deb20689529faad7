/* What an earlier run left under way is sent again, whole, or named if that can't be. */
#include "room.h"

enum { MOST_NAMED = 10 };

struct resend {
        size_t sent, lost;
        struct buffer why;              /* the first of those that are lost, each with the reason */
};

static void lose(struct resend *s, const struct key *key, const struct stream *too_large, size_t bytes) {
        if (s->lost++ >= MOST_NAMED)
                return;
        buffer_printf(&s->why, "%s%.*s (", s->lost > 1 ? ", " : "", (int) key->length, key->data);
        if (too_large)
                buffer_printf(&s->why, "too large: its record for %s has %zu bytes, more than [kafka] "
                              "message.max.bytes allows)",
                              too_large->config->topic, bytes);
        else
                buffer_append_string(&s->why, "no row in all three tables any more)");
}

static int resend_chunk(struct emulate *m, const struct buffer *left, size_t count, struct resend *s, struct error *e) {
        struct key keys[DRAW_BATCH];
        struct post_rows rows[DRAW_BATCH];
        size_t bytes = 0;

        emulate_batch_clear(m);
        for (size_t i = 0; i < count; i++)
                keys[i] = (struct key) { left[i].data, left[i].length };
        if (emulate_fetch(m, keys, count, rows, e) < 0)
                return -1;
        for (size_t i = 0; i < count; i++) {
                const struct stream *too_large = emulate_too_large(m, &keys[i], &rows[i], &bytes);

                if (rows[i].complete && !too_large)
                        emulate_batch_add(m, &keys[i], &rows[i]);
                else
                        lose(s, &keys[i], rows[i].complete ? too_large : NULL, bytes);
        }
        if (emulate_wait_for_room(m, m->batch.keys.count, e) < 0)
                return -1;
        emulate_batch_take(m);
        for (size_t i = 0; i < m->batch.keys.count; i++, s->sent++)
                if (emulate_send_post(m, i, e) < 0)
                        return -1;
        return 0;
}

static void say(struct emulate *m, struct resend *s, size_t count) {
        if (s->sent > 0)
                service_log(m->session.service, SERVICE_NOTICE, MESSAGE_RESENT, NULL, 0,
                            "sent %zu post%s again that %s under way when the last run ended", s->sent,
                            s->sent == 1 ? "" : "s", s->sent == 1 ? "was" : "were");
        if (s->lost > 0)
                service_log(m->session.service, SERVICE_WARNING, MESSAGE_RESENT, NULL, 0,
                            "%zu of %zu posts that were under way when the last run ended can't be sent again and may "
                            "be in some of the topics %s, %s and %s only: %s%s",
                            s->lost, count, m->streams[0].config->topic, m->streams[1].config->topic,
                            m->streams[2].config->topic, buffer_string(&s->why), s->lost > MOST_NAMED ? ", ..." : "");
}

int emulate_resend(struct emulate *m, struct error *e) {
        const struct buffer *left;
        size_t count = ledger_left(m->ledger, &left);
        struct resend s = {};
        int r = 0;

        underway_hold(m->underway, true);
        for (size_t i = 0; i < count && r == 0; i += DRAW_BATCH)
                r = resend_chunk(m, left + i, count - i < DRAW_BATCH ? count - i : DRAW_BATCH, &s, e);
        if (r == 0) {
                underway_hold(m->underway, false);
                say(m, &s, count);
        }
        buffer_free(&s.why);
        return r;
}
