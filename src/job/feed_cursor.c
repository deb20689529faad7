/* The cursor of a feed: in Kafka, with a copy in the state directory; with exactly_once = no, in that file alone. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "feed.h"

enum {
        CURSOR_TIMEOUT_MS = 30000,
        COMMIT_TIMEOUT_MS = 60000,
        FENCED_LOOK_MS = 10000,
        COPY_EVERY_US = 5000000,
};

/* ---- the file ---- */

static int read_file(struct feed *f, struct cursor *ret, struct error *e) {
        struct buffer bytes = {};
        int version, r = file_read(f->state_path, CURSOR_TEXT_MAX, &bytes);

        if (r < 0) {
                error_set(e, ERROR_REFUSED, "can't read %s: %s", f->state_path, strerror(errno));
                return error_hint(e, "pinfeed keeps how far a replay came there; make it readable for this user.");
        }
        if (r == 0 && cursor_parse(bytes.data, bytes.length, ret, &version) != 0) {
                r = error_set(e, ERROR_REFUSED, "%s is not a cursor of pinfeed", f->state_path);
                error_hint(e, "Move it away; then, if the replay must not begin again, continue with --from.");
        }
        buffer_free(&bytes);
        return r;
}

static int write_file(struct feed *f, struct error *e) {
        struct buffer text = {};
        int r;

        cursor_print(&f->cursor, &text);
        r = file_replace(f->state_path, text.data, text.length);
        buffer_free(&text);
        if (r == 0)
                return 0;
        error_set(e, ERROR_FAILED, "can't write %s: %s", f->state_path, strerror(errno));
        return error_hint(e, "Give the state directory space, or set [pinfeed] state_dir.");
}

/* With transactions the file is a copy only: it lets a later run see that there was a cursor. */
static void copy_to_file(struct feed *f, bool now) {
        uint64_t now_us = clock_monotonic_us();
        struct error e;

        if (!now && now_us - f->copied_us < COPY_EVERY_US)
                return;
        f->copied_us = now_us;
        if (write_file(f, &e) < 0 && !f->copy_failed) {
                f->copy_failed = true;
                error_hint(&e, "The replay goes on: its cursor is in Kafka. But if that one expires, nobody will notice.");
                service_log_error(f->run->session.service, SERVICE_WARNING, MESSAGE_NOTE, &e);
        }
}

/* ---- reading ---- */

static int refuse_foreign(struct feed *f, int version, struct error *e) {
        if (version > 0)
                error_set(e, ERROR_REFUSED, "the cursor in group %s for topic %s has format version %d, which this pinfeed does "
                          "not know", f->run->group, f->stream.config->topic, version);
        else
                error_set(e, ERROR_REFUSED, "group %s has a committed offset for topic %s that is not a cursor of pinfeed: a "
                          "consumer uses this group", f->run->group, f->stream.config->topic);
        return error_hint(e, "Set [replay] group to a group that nobody else uses.");
}

static int parse_committed(struct feed *f, const char *text, struct error *e) {
        int version;

        if (cursor_parse(text, strlen(text), &f->cursor, &version) == 0)
                return 0;
        return refuse_foreign(f, version, e);
}

/* Kafka forgets offsets of groups without members after a while; the file remembers. */
static int refuse_lost(struct feed *f, const struct cursor *copy, struct error *e) {
        const struct cursor_run *run = copy->main.present ? &copy->main : &copy->bounded;
        struct buffer key = {};

        cursor_print_key(&(struct key) { run->last.data, run->last.length }, &key);
        error_set(e, ERROR_REFUSED, "stream %s: Kafka has no cursor in group %s, but %s says that there was one (%llu rows sent, "
                  "last key %s): brokers forget it after offsets.retention.minutes, or the group is another",
                  f->stream.config->name, f->run->group, f->state_path, (unsigned long long) run->rows,
                  run->has_last ? buffer_string(&key) : "none");
        error_hint(e, "To send everything again: --restart. To send only what is missing: look up the last key in the topic and "
                   "use --from with the next one. If the topic is new, remove that file.");
        buffer_free(&key);
        return -1;
}

static int check_lost(struct feed *f, struct error *e) {
        struct cursor copy = {};
        int r = read_file(f, &copy, e);

        if (r == 0 && !f->run->restart && (copy.main.rows > 0 || copy.bounded.rows > 0)
            && !f->run->from && !f->run->to)
                r = refuse_lost(f, &copy, e);
        cursor_free(&copy);
        return r < 0 ? -1 : 0;
}

static int read_committed(struct feed *f, struct error *e) {
        char *text = NULL;
        int64_t offset;
        int r = producer_committed(f->connection.producer, f->run->group, f->stream.config->topic, CURSOR_TIMEOUT_MS, &text,
                                   &offset, e);

        cursor_free(&f->cursor);
        if (r == 0)
                r = parse_committed(f, text, e);
        else if (r == 1)
                r = check_lost(f, e);
        free(text);
        return r;
}

int feed_read_cursor(struct feed *f, struct error *e) {
        int r;

        if (f->run->exactly_once)
                return read_committed(f, e);
        cursor_free(&f->cursor);
        r = read_file(f, &f->cursor, e);
        return r < 0 ? -1 : 0;
}

/* ---- deciding ---- */

static int refuse_changed(struct feed *f, struct error *e) {
        error_set(e, ERROR_REFUSED, "stream %s: table %s, its key, columns or `where` are not what they were when the replay "
                  "began", f->stream.config->name, f->stream.config->table);
        return error_hint(e, "To send everything again in the new form: --restart. Or put the settings and the table back as they "
                          "were.");
}

static void run_reset(struct cursor_run *run) {
        run->rows = 0;
        run->has_last = run->has_to = run->done = false;
        run->restart = false;
}

/* The greatest key now, or --to. An empty table has no bound: nothing is to be sent. */
static int fix_bound(struct feed *f, struct error *e) {
        struct key least, greatest;
        int r;

        f->at->to.length = 0;
        f->at->has_to = true;
        if (f->run->to) {
                buffer_append_string(&f->at->to, f->run->to);
                return 0;
        }
        r = table_key_bounds(f->connection.database, f->stream.table, &least, &greatest, e);
        if (r < 0)
                return -1;
        f->at->has_to = r == 0;
        if (r == 0)
                buffer_append(&f->at->to, greatest.data, greatest.length);
        return 0;
}

int feed_settle_cursor(struct feed *f, struct error *e) {
        const char *fingerprint = table_facts(f->stream.table)->fingerprint;
        bool bounded = f->run->from || f->run->to, fresh, again, changed;
        char id[17] = "";

        f->at = bounded ? &f->cursor.bounded : &f->cursor.main;
        if (bounded)
                cursor_bounded_id(f->run->from, f->run->to, id);
        if (bounded && strcmp(f->at->id, id) != 0)
                f->at->present = false;
        /* A --restart that was killed goes on as that restart, it does not begin once more; this process's own, too. */
        f->found = f->at->present;
        changed = *f->cursor.fingerprint && strcmp(f->cursor.fingerprint, fingerprint) != 0;
        again = f->run->restart && !f->restarted && (changed || !(f->at->present && f->at->restart && !f->at->done));
        if (changed && !again)
                return refuse_changed(f, e);
        fresh = !f->at->present || again;
        if (fresh)
                run_reset(f->at);
        f->at->present = true;
        f->at->restart = f->at->restart || again;
        snprintf(f->at->id, sizeof f->at->id, "%s", id);
        if (changed)    /* what the other run's cursor says is about another table */
                (bounded ? &f->cursor.main : &f->cursor.bounded)->present = false;
        snprintf(f->cursor.fingerprint, sizeof f->cursor.fingerprint, "%s", fingerprint);
        cursor_sign(&f->cursor, f->run->start_ms);
        if (!fresh && !f->at->done && f->at->has_to)
                return 0;               /* an unfinished run keeps its bound */
        f->at->done = false;
        return fix_bound(f, e);
}

/* ---- committing ---- */

static int commit_transaction(struct feed *f, const struct buffer *text, struct error *e) {
        const struct producer_progress progress = {
                .group = f->run->group, .topic = f->stream.config->topic,
                .offset = (int64_t) f->at->rows, .text = text->data,
        };

        return producer_commit(f->connection.producer, &progress, COMMIT_TIMEOUT_MS, e);
}

static int commit_file(struct feed *f, struct error *e) {
        if (producer_flush(f->connection.producer, COMMIT_TIMEOUT_MS) != 0)
                return error_set(e, ERROR_UNREACHABLE, "Kafka did not acknowledge %zu records within %d s: %s",
                                 producer_in_flight(f->connection.producer), COMMIT_TIMEOUT_MS / 1000,
                                 producer_last_reason(f->connection.producer));
        if (f->undelivered)
                return error_set(e, ERROR_FAILED, "Kafka did not take all records");
        return write_file(f, e);
}

int feed_commit(struct feed *f, bool done, struct error *e) {
        struct buffer text = {};
        uint64_t rows = f->open_rows;
        int r;

        f->at->rows += rows;
        if (rows > 0) {
                f->at->last.length = 0;
                buffer_append(&f->at->last, f->last.data, f->last.length);
                f->at->has_last = true;
        }
        f->at->done = done;
        cursor_print(&f->cursor, &text);
        buffer_string(&text);
        if (text.length > CURSOR_TEXT_MAX) {
                buffer_free(&text);
                error_set(e, ERROR_REFUSED, "stream %s: a key is too long for a cursor (%d bytes in all)",
                          f->stream.config->name, CURSOR_TEXT_MAX);
                return error_hint(e, "Set the stream's key to a column with shorter values.");
        }
        r = f->run->exactly_once ? commit_transaction(f, &text, e) : commit_file(f, e);
        buffer_free(&text);
        if (r != 0)
                return r;
        if (f->run->exactly_once && f->at->rows > 0)
                copy_to_file(f, done);
        f->progress.committed += rows;
        f->progress.bytes += f->open_bytes;
        f->progress.transactions += rows > 0;
        f->open = false;
        f->open_rows = f->open_bytes = 0;
        return 0;
}

/* ---- fenced ---- */

int feed_who_fenced(struct feed *f, struct error *e) {
        uint64_t until_us = clock_monotonic_us() + FENCED_LOOK_MS * 1000ull;
        struct cursor now = {};
        bool other = false;

        /* The one who came claims the cursor at once; a transaction that timed out looks the same, and nobody came. */
        while (!other && clock_monotonic_us() < until_us && !worker_stopping(f->connection.worker)) {
                char *text = NULL;
                int64_t offset;
                int version;

                if (producer_committed(f->connection.producer, f->run->group, f->stream.config->topic, 2000, &text, &offset,
                                       &(struct error) {}) == 0)
                        other = cursor_parse(text, strlen(text), &now, &version) == 0 && !cursor_same_writer(&now, &f->cursor);
                free(text);
                if (!other)
                        worker_sleep_ms(f->connection.worker, 200);
        }
        if (other) {
                char since[32];

                clock_format_utc(now.start_ms / 1000, since);
                error_set(e, ERROR_TAKEN_OVER, "stream %s: another pinfeed took over: process %d on %s, started %s",
                          f->stream.config->name, (int) now.pid, now.host, since);
                error_hint(e, "Nothing is lost or doubled: it goes on from the last commit. If that is not wanted, stop it and start "
                           "this one again.");
        }
        cursor_free(&now);
        return other ? 0 : 1;
}
