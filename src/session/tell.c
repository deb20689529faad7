/* What a daemon tells of itself. */
#include <string.h>
#include <unistd.h>

#include "pinfeed/session.h"

static json_t *utc(int64_t ms) {
        char text[32];

        clock_format_utc(ms / 1000, text);
        return json_string(text);
}

/* The other side's words are in it. */
static json_t *flat(const char *text) {
        char line[2048];

        text_flatten(text, line, sizeof line);
        return json_string(line);
}

/* {NAME: the text, WHEN: a time}, or null. */
static json_t *said(const char *name, const char *text, const char *when, int64_t ms) {
        return text && *text ? json_pack("{s:o, s:o}", name, flat(text), when, utc(ms)) : json_null();
}

char *session_tell_path(const struct config *config, const char *job) {
        return mem_format("%s/%s-%s.socket", config->state_dir, job, config->user_id);
}

void session_tell(struct session *s, json_t *figures, struct buffer *out) {
        int64_t complained_ms;
        _cleanup_free_ char *complaint = service_complaint(s->service, &complained_ms), *text = NULL;
        json_t *told;

        pthread_mutex_lock(&s->lock);
        told = json_pack("{s:i, s:s, s:o, s:o, s:o, s:o}", "pid", (int) getpid(), "version", PINFEED_VERSION,
                         "up_since", utc(s->started_ms), "doing", flat(s->doing),
                         "waiting", said("for", s->waiting, "since", s->waiting_ms),
                         "last_error", said("text", complaint, "at", complained_ms));
        pthread_mutex_unlock(&s->lock);
        json_object_update_new(told, figures);
        text = json_dumps(told, JSON_COMPACT);
        json_decref(told);
        buffer_append_string(out, text ? text : "");
}
