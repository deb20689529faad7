/* The cursor of a feed: in Kafka, with a copy in the state directory; with exactly_once = no, in that file alone. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "feed.h"
#include "pinfeed/limits.h"

enum {
        COPY_EVERY_US = 5000000,
};

/* ---- the file ---- */

static int read_file(struct feed *f, struct cursor *ret, struct error *e) {
        struct buffer bytes = {};
        int version, r = file_read(f->state_path, FILE_OWN, CURSOR_TEXT_MAX, &bytes);

        if (r < 0 && errno == ENOENT) {
                r = 1;
        } else if (r < 0) {
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

static int write_file(struct feed *f, const struct cursor *c, struct error *e) {
        struct buffer text = {};
        int r;

        cursor_print(c, &text);
        r = file_replace(f->state_path, text.data, text.length);
        buffer_free(&text);
        if (r == 0)
                return 0;
        error_set(e, ERROR_FAILED, "can't write %s: %s", f->state_path, strerror(errno));
        return error_hint(e, "Give the state directory space, or set [pinfeed] state_dir.");
}

/* With transactions the file is a copy only: it lets a later run see that there was a cursor. A main run that Kafka has
 * forgotten stays in it while bounded ones make up for it. */
static void copy_to_file(struct feed *f, bool now) {
        uint64_t now_us = clock_monotonic_us();
        struct cursor both = f->cursor;         /* shares its keys */
        struct error e;

        if (!now && now_us - f->copied_us < COPY_EVERY_US)
                return;
        f->copied_us = now_us;
        if (!both.main.present)
                both.main = f->copy.main;
        if (write_file(f, &both, &e) < 0 && !f->copy_failed) {
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
static int refuse_lost(struct feed *f, const struct cursor_run *run, struct error *e) {
        struct buffer key = {};

        cursor_print_key(&(struct key) { run->last.data, run->last.length }, &key);
        error_set(e, ERROR_REFUSED, "stream %s: Kafka has no cursor in group %s, but %s says that there was one (%llu rows sent, "
                  "last key %s): brokers forget it after offsets.retention.minutes, or the group is another",
                  f->stream.config->name, f->run->group, f->state_path, (unsigned long long) run->rows,
                  run->has_last ? buffer_string(&key) : "none");
        error_hint(e, "To send everything again: --restart. To send only what is missing: look up the last key in the topic and "
                   "use --from with the next one, now and in later runs, too. If the topic is new, remove that file.");
        buffer_free(&key);
        return -1;
}

static bool is_bounded(const struct feed *f) {
        return f->run->from || f->run->to;
}

/* Whether a cursor has the run that is wanted; another pair of bounds is another run. */
static struct cursor_run *find_run(const struct feed *f, struct cursor *c) {
        struct cursor_run *run = is_bounded(f) ? &c->bounded : &c->main;
        char id[17] = "";

        if (is_bounded(f))
                cursor_bounded_id(f->run->from, f->run->to, id);
        return run->present && strcmp(run->id, id) == 0 ? run : NULL;
}

static int check_lost(struct feed *f, struct error *e) {
        const struct cursor_run *run;

        cursor_free(&f->copy);
        if (read_file(f, &f->copy, e) < 0)
                return -1;
        run = find_run(f, &f->copy);
        if (f->run->restart || !run || run->rows == 0 || find_run(f, &f->cursor))
                return 0;
        return refuse_lost(f, run, e);
}

static int read_committed(struct feed *f, struct error *e) {
        char *text = NULL;
        int64_t offset;
        int r = producer_committed(f->connection.producer, f->run->group, f->stream.config->topic, LIMIT_CURSOR_MS, &text,
                                   &offset, e);

        cursor_free(&f->cursor);
        if (r == 0)
                r = parse_committed(f, text, e);
        free(text);
        return r < 0 ? -1 : check_lost(f, e);
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

/* There is room for one bounded run. */
static void say_forgotten(struct feed *f) {
        const struct cursor_run *run = &f->cursor.bounded;
        struct buffer key = {};

        if (f->claimed || !is_bounded(f) || !run->present || run->done || run->rows == 0)
                return;
        cursor_print_key(&(struct key) { run->last.data, run->last.length }, &key);
        service_log(f->run->session.service, SERVICE_WARNING, MESSAGE_NOTE, NULL, 0, "stream %s: a run with other bounds ended "
                    "early, after %llu rows, at key %s. Its place is forgotten now: started again, it will begin anew.",
                    f->stream.config->name, (unsigned long long) run->rows, buffer_string(&key));
        buffer_free(&key);
}

/* A commit whose answer got lost: the cursor knows whether it was done. */
static void settle_doubt(struct feed *f) {
        uint64_t committed = f->at->rows - f->rows_before;

        if (f->doubt_rows > 0 && committed == f->progress.committed + f->doubt_rows) {
                f->progress.bytes += f->doubt_bytes;
                f->progress.transactions++;
        }
        f->doubt_rows = f->doubt_bytes = 0;
        f->progress.committed = f->progress.sent = committed;
}

int feed_settle_cursor(struct feed *f, struct error *e) {
        const char *fingerprint = table_facts(f->stream.table)->fingerprint;
        struct cursor_run *found = find_run(f, &f->cursor);
        const char *former = table_facts(f->stream.table)->former_fingerprint;
        bool changed = *f->cursor.fingerprint && strcmp(f->cursor.fingerprint, fingerprint) != 0
                       && strcmp(f->cursor.fingerprint, former) != 0;
        /* A --restart that was killed goes on as that restart, it does not begin once more; this process's own, too. */
        bool again = f->run->restart && !f->claimed && (changed || !(found && found->restart && !found->done));

        if (changed && !again)
                return refuse_changed(f, e);
        f->at = is_bounded(f) ? &f->cursor.bounded : &f->cursor.main;
        if (!found)
                say_forgotten(f);
        if (!found || again)
                run_reset(f->at);
        f->at->present = true;
        f->at->restart = f->at->restart || again;
        *f->at->id = 0;
        if (is_bounded(f))
                cursor_bounded_id(f->run->from, f->run->to, f->at->id);
        if (changed)    /* what the other run's cursor says is about another table */
                (is_bounded(f) ? &f->cursor.main : &f->cursor.bounded)->present = f->copy.main.present = false;
        snprintf(f->cursor.fingerprint, sizeof f->cursor.fingerprint, "%s", fingerprint);
        if (!f->claimed) {
                f->former.pid = f->cursor.pid;
                f->former.start_ms = f->cursor.start_ms;
                snprintf(f->former.host, sizeof f->former.host, "%s", f->cursor.host);
                f->rows_before = f->at->rows;
        }
        cursor_sign(&f->cursor, f->run->start_ms);
        settle_doubt(f);
        return 0;
}

/* The greatest key now, or --to. An empty table has no bound: nothing is to be sent. An unfinished run keeps its own. */
int feed_settle_bound(struct feed *f, struct error *e) {
        struct key least, greatest;
        int r;

        if (!f->at->done && f->at->has_to)
                return 0;
        if (f->at->done)
                f->at->restart = false;         /* that restart has come to its end; this is another run */
        f->at->done = false;
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

/* ---- committing ---- */

static int commit_transaction(struct feed *f, const char *text, struct error *e) {
        const struct producer_progress progress = {
                .group = f->run->group, .topic = f->stream.config->topic,
                .offset = (int64_t) f->at->rows, .text = text,
        };

        return producer_commit(f->connection.producer, &progress, LIMIT_COMMIT_MS, e);
}

static int commit_file(struct feed *f, struct error *e) {
        uint64_t began_us = clock_monotonic_us();
        bool flushed = producer_flush(f->connection.producer, LIMIT_COMMIT_MS);

        if (producer_poll(f->connection.producer, 0, e) < 0)
                return -1;                      /* a refusal, in its own words */
        if (!flushed)
                return error_set(e, ERROR_UNREACHABLE, "Kafka did not acknowledge %zu records within %u s: %s",
                                 producer_in_flight(f->connection.producer),
                                 (unsigned) ((clock_monotonic_us() - began_us) / 1000000),
                                 producer_last_reason(f->connection.producer));
        if (f->undelivered)
                return error_set(e, ERROR_FAILED, "Kafka did not take all records");
        return write_file(f, &f->cursor, e);
}

static int commit_cursor(struct feed *f, struct error *e) {
        struct buffer text = {};
        int r;

        cursor_print(&f->cursor, &text);
        buffer_string(&text);
        if (text.length > CURSOR_TEXT_MAX) {
                error_set(e, ERROR_REFUSED, "stream %s: a key is too long for a cursor (%d bytes in all)",
                          f->stream.config->name, CURSOR_TEXT_MAX);
                r = error_hint(e, "Set the stream's key to a column with shorter values.");
        } else
                r = f->run->exactly_once ? commit_transaction(f, text.data, e) : commit_file(f, e);
        buffer_free(&text);
        return r;
}

static void exchange_keys(struct buffer *a, struct buffer *b) {
        struct buffer c = *a;

        *a = *b;
        *b = c;
}

/* A cursor that says that what was sent is committed; or, afterwards, that it isn't. */
struct before { bool has_last, done; };

static struct before advance(struct feed *f, bool done) {
        struct before before = { f->at->has_last, f->at->done };

        f->at->rows += f->open_rows;
        if (f->open_rows > 0) {
                exchange_keys(&f->at->last, &f->last);
                f->at->has_last = true;
        }
        f->at->done = done;
        return before;
}

static void go_back(struct feed *f, struct before before) {
        f->at->rows -= f->open_rows;
        if (f->open_rows > 0)
                exchange_keys(&f->at->last, &f->last);
        f->at->has_last = before.has_last;
        f->at->done = before.done;
        f->doubt_rows = f->open_rows;
        f->doubt_bytes = f->open_bytes;
}

int feed_commit(struct feed *f, bool done, struct error *e) {
        struct before before = advance(f, done);
        int r = commit_cursor(f, e);

        if (r != 0) {
                go_back(f, before);
                return r;
        }
        if (f->run->exactly_once && f->at->rows > 0)
                copy_to_file(f, done || worker_stopping(f->connection.worker));
        f->progress.committed += f->open_rows;
        f->progress.bytes += f->open_bytes;
        f->progress.transactions += f->open_rows > 0;
        if (f->open_rows > 0)
                f->lost_rows = 0;
        f->open = false;
        f->open_rows = f->open_bytes = 0;
        return 0;
}

/* ---- somebody else ---- */

static bool look_once(struct feed *f, struct cursor *ret) {
        struct cursor me = {};
        char *text = NULL;
        int64_t offset;
        int version;
        bool other;

        cursor_sign(&me, f->run->start_ms);
        other = producer_committed(f->connection.producer, f->run->group, f->stream.config->topic, 2000, &text, &offset,
                                   &(struct error) {}) == 0
                && cursor_parse(text, strlen(text), ret, &version) == 0 && !cursor_same_writer(ret, &me)
                && (f->claimed || !cursor_same_writer(ret, &f->former));
        free(text);
        return other;
}

bool feed_taken_over(struct feed *f, unsigned look_ms, struct error *e) {
        uint64_t until_us = clock_monotonic_us() + look_ms * 1000ull;
        struct cursor now = {};
        bool other = look_once(f, &now);
        char since[32];

        /* The one who came claims the cursor at once; a transaction that timed out looks the same, and nobody came. */
        while (!other && clock_monotonic_us() < until_us && worker_sleep_ms(f->connection.worker, 200))
                other = look_once(f, &now);
        if (other) {
                clock_format_utc(now.start_ms / 1000, since);
                error_set(e, ERROR_TAKEN_OVER, "stream %s: another pinfeed took over: process %d on %s, started %s",
                          f->stream.config->name, (int) now.pid, now.host, since);
                error_hint(e, "Nothing is lost or doubled: it goes on from the last commit. If that is not wanted, stop it and "
                           "start this one again.");
        }
        cursor_free(&now);
        return other;
}
