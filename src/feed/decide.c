#include "decide.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool differs(const char *a, const char *b) {
        return *a && *b && strcmp(a, b) != 0;
}

static bool is_elsewhere(const struct cursor *c, const struct decide_wanted *w) {
        return differs(c->topic, w->topic) || differs(c->cluster, w->cluster);
}

static bool has_changed(const struct cursor *c, const struct cursor_run *run, const struct decide_wanted *w) {
        const char *fingerprint = cursor_fingerprint(c, run);

        return differs(fingerprint, w->fingerprint)
               && !(w->old_fingerprint && strcmp(fingerprint, w->old_fingerprint) == 0);
}

/* Within one restart rows only grow in number. */
static bool is_older(const struct cursor *c, const struct cursor_run *run, const struct cursor *copy,
                     const struct cursor_run *copied) {
        return copied && copied->rows > run->rows && strcmp(copied->again, run->again) == 0
               && copied->restart == run->restart && c->start_ms <= copy->start_ms;
}

/* A --restart that was interrupted goes on as that restart, it does not begin once more. (One without a name is of an
 * earlier version.) */
static bool is_of_restart(const struct cursor_run *run, const char *restart) {
        return *run->again ? strcmp(run->again, restart) == 0 : run->restart && !run->done;
}

static enum decision decide_known(struct cursor *cursor, const struct cursor_run *run, const struct decide_wanted *w) {
        if (!run)
                return DECIDE_REFUSE_LOST;
        if (has_changed(cursor, run, w))
                return DECIDE_REFUSE_CHANGED;
        return run->rows < w->rows ? DECIDE_REFUSE_OLDER : DECIDE_RESUME;
}

enum decision decide(struct cursor *cursor, struct cursor *copy, const struct decide_wanted *w) {
        const struct cursor_run *run = cursor_find(cursor, w->id);
        const struct cursor_run *copied = is_elsewhere(copy, w) ? NULL : cursor_find(copy, w->id);

        if (w->claimed)
                return decide_known(cursor, run, w);
        if (w->restart && !(run && is_of_restart(run, w->restart) && !has_changed(cursor, run, w)
                            && !is_elsewhere(cursor, w)))
                return run || copied ? DECIDE_RESTART : DECIDE_BEGIN;
        if (is_elsewhere(cursor, w))
                return DECIDE_REFUSE_ELSEWHERE;
        if (!run && copied && copied->rows > 0)
                return DECIDE_REFUSE_LOST;
        if (!run)
                return DECIDE_BEGIN;
        if (has_changed(cursor, run, w))
                return DECIDE_REFUSE_CHANGED;
        return !w->restart && is_older(cursor, run, copy, copied) ? DECIDE_REFUSE_OLDER : DECIDE_RESUME;
}

/* ---- several streams ---- */

static int64_t began_ms(const char *restart) {
        return (int64_t) strtoull(restart + 9, NULL, 16);
}

static bool is_of_streams(const struct cursor_run *run, const char *streams) {
        return run && strncmp(run->again, streams, 8) == 0 && run->again[8] == '-';
}

/* Whether a stream has still something to do in that restart; -1: it was given up, as somebody replayed otherwise. */
static int is_left(struct cursor *c, const char *id, const char *restart) {
        const struct cursor_run *run = cursor_find(c, id);

        if (run && strcmp(run->again, restart) == 0)
                return run->restart && !run->done;
        return c->start_ms > began_ms(restart) ? -1 : 1;
}

void decide_restart(struct cursor *const *cursors, size_t count, const char *id, const char *streams, int64_t start_ms,
                    char ret[static 33]) {
        const char *newest = NULL;
        int left = 0;

        for (size_t i = 0; i < count; i++) {
                const struct cursor_run *run = cursor_find(cursors[i], id);

                if (is_of_streams(run, streams) && (!newest || began_ms(run->again) > began_ms(newest)))
                        newest = run->again;
        }
        for (size_t i = 0; newest && i < count && left >= 0; i++) {
                int more = is_left(cursors[i], id, newest);

                left = more < 0 ? -1 : left + more;
        }
        if (newest && left > 0)
                snprintf(ret, 33, "%s", newest);
        else
                snprintf(ret, 33, "%s-%" PRIx64, streams, (uint64_t) start_ms);
}
