#include "place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pinfeed/limits.h"

enum {
        COPY_EVERY_US = 5000000,
};

/* ---- the file ---- */

static char *path_of(const char *directory, char *name) {
        char *path;

        for (char *c = name; *c; c++)
                if (*c == '/')
                        *c = '_';       /* a group may have any name */
        path = mem_format("%s/replay-%s", directory, name);
        free(name);
        return path;
}

/* Not after the group: who tries another one is to find it, too. A topic's name has no @. */
void place_init(struct place *p, struct connection *c, const struct config_stream *stream, int64_t start_ms) {
        const struct config *config = c->session->config;
        const char *former = config->replay_group_default ? PLACE_FORMER_GROUP : config->replay_group;

        *p = (struct place) {
                .connection = c, .stream = stream, .group = config->replay_group, .start_ms = start_ms,
                .exactly_once = config->replay_exactly_once, .lock_fd = -1,
        };
        p->path = path_of(config->state_dir, mem_format("%s@%s.cursor", stream->name, stream->topic));
        p->old_path = path_of(config->state_dir, mem_format("%s.%s.%s.cursor", former, config->user_id, stream->name));
}

void place_free(struct place *p) {
        if (p->lock_fd >= 0)
                close(p->lock_fd);
        cursor_free(&p->cursor);
        cursor_free(&p->copy);
        free(p->path);
        free(p->old_path);
        free(p->cluster);
}

static int unwritable(const char *path, enum error_class class, struct error *e) {
        int cause = errno;

        error_set(e, class, "can't write %s: %s", path, strerror(cause));
        return owner_hint(e, cause, "Give the state directory space, or set [pinfeed] state_dir.");
}

int place_lock(struct place *p, struct error *e) {
        _cleanup_free_ char *path = mem_format("%s.lock", p->path);

        if (p->exactly_once || p->lock_fd >= 0)
                return 0;
        p->lock_fd = file_lock(path);
        if (p->lock_fd >= 0)
                return 0;
        if (errno != EWOULDBLOCK)
                return unwritable(path, error_class_of_file(errno), e);
        error_set(e, ERROR_FAILED, "stream %s: another pinfeed replays to topic %s (it holds %s)", p->stream->name,
                  p->stream->topic, path);
        return error_hint(e, "Stop it first.");
}

static int read_file(const struct place *p, struct cursor *ret, struct error *e) {
        _cleanup_buffer_ struct buffer bytes = {};
        const char *path = p->path;
        int version, r = file_read(path, FILE_OWN, CURSOR_FILE_MAX, &bytes);

        if (r < 0 && errno == ENOENT)
                r = file_read(path = p->old_path, FILE_OWN, CURSOR_FILE_MAX, &bytes);
        if (r < 0 && errno == ENOENT)
                return 0;
        if (r < 0) {
                int cause = errno;

                error_set(e, error_class_of_file(cause), "can't read %s: %s", path, strerror(cause));
                return owner_hint(e, cause, "pinfeed keeps how far a replay came there; make it readable for this user.");
        }
        if (cursor_parse(bytes.data, bytes.length, ret, &version) == CURSOR_READ)
                return 0;
        error_set(e, ERROR_REFUSED, "%s is not a cursor of pinfeed", path);
        return error_hint(e, "Move it away; then, if the replay must not begin again, continue with --from.");
}

/* The file says which topic of which cluster it is about. */
static int write_file(struct place *p, const struct cursor *c, struct error *e) {
        _cleanup_buffer_ struct buffer text = {};
        struct cursor located = *c;     /* shares its keys */

        snprintf(located.topic, sizeof located.topic, "%s", p->stream->topic);
        snprintf(located.cluster, sizeof located.cluster, "%s", p->cluster ? p->cluster : c->cluster);
        cursor_print(&located, CURSOR_FILE_MAX, &text);
        if (file_replace(p->path, text.data, text.length) < 0)
                return unwritable(p->path, ERROR_FAILED, e);
        unlink(p->old_path);
        return 0;
}

/* With transactions the file is a copy only. A main run that Kafka has forgotten stays in it while bounded ones make up
 * for it. */
static void write_copy(struct place *p, bool now) {
        struct service *service = p->connection->session->service;
        uint64_t now_us = clock_monotonic_us();
        struct cursor both = p->cursor;         /* shares its keys */
        struct error e;

        if (p->at->rows == 0 || (!now && now_us - p->copied_us < COPY_EVERY_US))
                return;
        p->copied_us = now_us;
        if (!both.main.present)
                both.main = p->copy.main;
        if (write_file(p, &both, &e) < 0 && !p->copy_failed) {
                p->copy_failed = true;
                error_hint(&e, "The replay goes on: its cursor is in Kafka. But if that one expires, nobody will notice.");
                service_log_error(service, SERVICE_WARNING, MESSAGE_NOTE, &e);
        }
}

/* ---- loading ---- */

static int read_committed(struct place *p, enum producer_read how, const struct place *of, struct cursor *ret,
                          struct error *e) {
        _cleanup_free_ char *text = NULL;
        int version;

        cursor_free(ret);
        switch (producer_committed(p->connection->producer, how, of->group, of->stream->topic, LIMIT_CURSOR_MS, &text, e)) {
        case PRODUCER_UNREAD:
                return -1;
        case PRODUCER_NONE:
                return 0;
        case PRODUCER_FOUND:
                break;
        }
        if (cursor_parse(text, strlen(text), ret, &version) == CURSOR_READ)
                return 0;
        return place_refuse_foreign(p, version, e);
}

/* An earlier version kept it in a group that all users shared. Whoever may not read that one has nothing there. */
static int read_former(struct place *p, struct error *e) {
        struct producer *producer = p->connection->producer;
        _cleanup_free_ char *text = NULL;
        struct producer_group group;
        int version;

        /* Reading it without the right to would wait for a coordinator until the time is up. */
        if (producer_group(producer, PLACE_FORMER_GROUP, LIMIT_GROUP_MS, &group, e) < 0)
                return e->class == ERROR_REFUSED ? 0 : -1;
        if (!group.exists)
                return 0;
        switch (producer_committed(producer, PRODUCER_READ_STABLE, PLACE_FORMER_GROUP, p->stream->topic,
                                   LIMIT_CURSOR_MS, &text, e)) {
        case PRODUCER_UNREAD:
                return e->class == ERROR_REFUSED ? 0 : -1;
        case PRODUCER_NONE:
                return 0;
        case PRODUCER_FOUND:
                break;
        }
        p->moving = cursor_parse(text, strlen(text), &p->cursor, &version) == CURSOR_READ;
        if (p->moving)
                service_log(p->connection->session->service, SERVICE_NOTICE, MESSAGE_NOTE, NULL, 0, "stream %s: the cursor in "
                            "group %s, where earlier versions kept it, goes to group %s now", p->stream->name,
                            PLACE_FORMER_GROUP, p->group);
        return 0;
}

int place_peek(struct place *p, const struct place *of, struct cursor *ret, struct error *e) {
        return of->exactly_once ? read_committed(p, PRODUCER_READ_NEWEST, of, ret, e) : read_file(of, ret, e);
}

int place_load(struct place *p, struct error *e) {
        p->at = NULL;
        if (!p->cluster)
                p->cluster = producer_cluster(p->connection->producer, LIMIT_CONNECT_MS);
        cursor_free(&p->cursor);
        if (!p->exactly_once)
                return read_file(p, &p->cursor, e);
        p->moving = false;
        if (read_committed(p, PRODUCER_READ_STABLE, p, &p->cursor, e) < 0)
                return -1;
        if (!*p->cursor.fingerprint && p->connection->session->config->replay_group_default && read_former(p, e) < 0)
                return -1;
        cursor_free(&p->copy);
        return read_file(p, &p->copy, e);
}

/* ---- settling ---- */

/* There is room for some bounded runs. */
static void say_aside(struct place *p, const struct decide_wanted *w) {
        const struct cursor_run *run = &p->cursor.bounded;
        _cleanup_buffer_ struct buffer key = {};

        if (p->claimed || !*w->id || !run->present || run->done || run->rows == 0 || strcmp(run->id, w->id) == 0)
                return;
        cursor_print_key(&(struct key) { run->last.data, run->last.length }, &key);
        service_log(p->connection->session->service, SERVICE_NOTICE, MESSAGE_NOTE, NULL, 0, "stream %s: a run with other "
                    "bounds ended early, after %llu rows, at key %s. Started again with those bounds, it goes on there.",
                    p->stream->name, (unsigned long long) run->rows, buffer_string(&key));
}

static void say_dropped(struct place *p, const struct decide_wanted *w) {
        if (!*w->id || p->claimed || cursor_find(&p->cursor, w->id) || p->cursor.earlier_count < CURSOR_EARLIER)
                return;
        service_log(p->connection->session->service, SERVICE_WARNING, MESSAGE_NOTE, NULL, 0, "stream %s: only the last %d "
                    "runs with bounds are remembered: if one with these was made before, its rows are sent again.",
                    p->stream->name, CURSOR_EARLIER + 1);
}

static void begin_here(struct place *p, const struct decide_wanted *w, bool from_start) {
        const struct cursor before = { .pid = p->cursor.pid, .start_ms = p->cursor.start_ms };

        say_aside(p, w);
        say_dropped(p, w);
        p->found = p->found || *p->cursor.fingerprint || *p->copy.fingerprint;
        p->at = cursor_take(&p->cursor, w->id);
        if (from_start) {
                cursor_reset(p->at);
                p->at->restart = w->restart != NULL;
                snprintf(p->at->again, sizeof p->at->again, "%s", w->restart ? w->restart : "");
        }
        snprintf(p->at->fingerprint, sizeof p->at->fingerprint, "%s", w->fingerprint);
        snprintf(p->cursor.fingerprint, sizeof p->cursor.fingerprint, "%s", w->fingerprint);
        if (!p->claimed) {
                p->former = before;
                snprintf(p->former.host, sizeof p->former.host, "%s", p->cursor.host);
                p->rows_before = p->at->rows;
        }
        cursor_sign(&p->cursor, p->start_ms);
}

int place_settle(struct place *p, const struct decide_wanted *wanted, struct error *e) {
        struct decide_wanted w = *wanted;
        enum decision decision;

        w.topic = p->stream->topic;
        w.cluster = p->cluster ? p->cluster : "";
        w.claimed = p->claimed;
        w.rows = p->rows_known;
        decision = decide(&p->cursor, &p->copy, &w);
        switch (decision) {
        case DECIDE_BEGIN:
        case DECIDE_RESTART:
                begin_here(p, &w, true);
                return 0;
        case DECIDE_RESUME:
                begin_here(p, &w, false);
                return 0;
        case DECIDE_REFUSE_CHANGED:
        case DECIDE_REFUSE_LOST:
        case DECIDE_REFUSE_OLDER:
        case DECIDE_REFUSE_ELSEWHERE:
                break;
        }
        return place_refuse(p, decision, w.id, e);
}

/* ---- committing ---- */

static enum place_commit commit_to_file(struct place *p, struct error *e) {
        struct producer *producer = p->connection->producer;
        uint64_t began_us = clock_monotonic_us();
        bool flushed = producer_flush(producer, LIMIT_COMMIT_MS);

        if (producer_poll(producer, 0, e) < 0)
                return PLACE_FAILED;                    /* a refusal, in its own words */
        if (!flushed)
                error_set(e, ERROR_UNREACHABLE, "Kafka did not acknowledge %zu records within %u s: %s",
                          producer_in_flight(producer), (unsigned) ((clock_monotonic_us() - began_us) / 1000000),
                          producer_last_reason(producer));
        else if (p->undelivered)
                error_set(e, ERROR_FAILED, "Kafka did not take all records");
        return flushed && !p->undelivered && write_file(p, &p->cursor, e) == 0 ? PLACE_COMMITTED : PLACE_FAILED;
}

static enum place_commit commit_to_kafka(struct place *p, const struct batch *b, struct error *e) {
        _cleanup_buffer_ struct buffer text = {};
        /* What is left in the former group says so to an earlier version, which refuses it. */
        struct producer_progress progress[] = {
                { .group = p->group, .topic = p->stream->topic, .offset = (int64_t) p->at->rows },
                { .group = PLACE_FORMER_GROUP, .topic = p->stream->topic, .text = "{\"pinfeed\":2,\"moved\":true}" },
        };

        cursor_print(&p->cursor, CURSOR_TEXT_MAX, &text);
        if (text.length > CURSOR_TEXT_MAX) {
                error_set(e, ERROR_REFUSED, "stream %s: a key is too long for a cursor (%d bytes in all)", p->stream->name,
                          CURSOR_TEXT_MAX);
                return error_hint(e, "Set the stream's key to a column with shorter values."), PLACE_FAILED;
        }
        progress[0].text = buffer_string(&text);
        switch (producer_commit(p->connection->producer, progress, p->moving ? 2 : 1, LIMIT_COMMIT_MS, e)) {
        case PRODUCER_COMMITTED:
                return PLACE_COMMITTED;
        case PRODUCER_COMMITTED_AND_SPENT:
                return PLACE_SPENT;
        case PRODUCER_IN_DOUBT:
                p->doubt_rows = b->rows;
                p->doubt_bytes = b->bytes;
                break;
        case PRODUCER_NOT_COMMITTED:
                break;
        }
        return PLACE_FAILED;
}

static void exchange(struct buffer *a, struct buffer *b) {
        struct buffer c = *a;

        *a = *b;
        *b = c;
}

/* The cursor says that the batch is committed; and once more, that it isn't. */
static void advance(struct place *p, struct batch *b, bool has_last, bool done, int direction) {
        p->at->rows += (uint64_t) ((int64_t) b->rows * direction);
        if (b->rows > 0)
                exchange(&p->at->last, &b->last);
        p->at->has_last = has_last;
        p->at->done = done;
}

enum place_commit place_commit(struct place *p, struct batch *b, bool done, struct error *e) {
        bool had_last = p->at->has_last, was_done = p->at->done;
        enum place_commit r;

        advance(p, b, had_last || b->rows > 0, done, 1);
        r = p->exactly_once ? commit_to_kafka(p, b, e) : commit_to_file(p, e);
        if (r == PLACE_FAILED) {
                advance(p, b, had_last, was_done, -1);
                return r;
        }
        p->claimed = true;
        p->moving = false;
        p->rows_known = p->at->rows;
        if (p->exactly_once)
                write_copy(p, done || worker_stopping(p->connection->worker));
        return r;
}

/* ---- somebody else ---- */

static int taken_over(struct place *p, const struct cursor *by, struct error *e) {
        char since[32];

        clock_format_utc(by->start_ms / 1000, since);
        error_set(e, ERROR_TAKEN_OVER, "stream %s: another pinfeed took over: process %d on %s, started %s",
                  p->stream->name, (int) by->pid, by->host, since);
        return error_hint(e, "Nothing is lost or doubled: it goes on from the last commit. If that is not wanted, stop it and "
                          "start this one again.");
}

int place_is_ours(struct place *p, struct error *e) {
        struct cursor now = {}, me = {};
        int r = read_committed(p, PRODUCER_READ_NEWEST, p, &now, e);

        cursor_sign(&me, p->start_ms);
        if (r == 0 && *now.fingerprint && !cursor_same_writer(&now, &me)
            && (p->claimed || !cursor_same_writer(&now, &p->former)))
                r = taken_over(p, &now, e);
        cursor_free(&now);
        return r;
}

/* Whoever came signs the cursor at once, with a pause for whatever has to be ended first. */
int place_check_fenced(struct place *p, struct error *e) {
        enum { LOOKS = 6, PAUSE_MS = 2500 };
        int r = -1;

        for (unsigned i = 0; i < LOOKS; i++) {
                r = place_is_ours(p, e);
                if (r < 0 && (e->class == ERROR_TAKEN_OVER || e->class == ERROR_STOPPED))
                        return -1;
                if (i + 1 < LOOKS && !worker_sleep_ms(p->connection->worker, PAUSE_MS))
                        return error_stopped(e);
        }
        if (r == 0)
                return 0;
        error_prefix(e, "stream %s: its transactions were ended, by another pinfeed or because one took too long; which, can't "
                     "be known: ", p->stream->name);
        e->class = ERROR_TAKEN_OVER;
        return error_hint(e, "Nothing is lost or doubled. If no other pinfeed replays this stream, start this one again: it "
                          "goes on after the last commit.");
}
