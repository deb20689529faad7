/* What a feed looks at before its rows and after them: keys, group, how many rows, what is there already. */
#include <stdio.h>
#include <string.h>

#include "own.h"
#include "pinfeed/limits.h"

/* ---- before the rows ---- */

/* Says so; -1. Rows with a NULL key have no place in key order. */
static int refuse_null_keys(struct feed *f, struct error *e) {
        error_set(e, ERROR_REFUSED, "table %s has rows whose key %s is NULL: they have no place in key order",
                  f->stream.config->table, f->stream.config->key);
        return error_hint(e, "Set the stream's key to another column, or leave them out: where = `%s` IS NOT NULL",
                          f->stream.config->key);
}

static int check_lengths(struct feed *f, struct error *e) {
        size_t longest = table_facts(f->stream.table)->key_max_bytes;

        if (longest <= CURSOR_KEY_MAX)
                return 0;
        if (table_longest_key(f->connection.database, f->stream.table, &longest, e) < 0)
                return -1;
        if (longest <= CURSOR_KEY_MAX)
                return 0;
        error_set(e, ERROR_REFUSED, "table %s: keys of up to %zu bytes don't fit into a cursor (a key may have %d)",
                  f->stream.config->table, longest, CURSOR_KEY_MAX);
        return error_hint(e, "Set the stream's key to a column with shorter values.");
}

/* --from and --to are words of a user: refused before anybody is fenced. */
static int check_bound(struct feed *f, const char *option, const char *text, struct error *e) {
        struct key key = { text, text ? strlen(text) : 0 };
        uint64_t count;

        if (!text)
                return 0;
        if (key.length > CURSOR_KEY_MAX)
                return error_set(e, ERROR_USAGE, "%s: a key may have %d bytes", option, CURSOR_KEY_MAX);
        if (table_facts(f->stream.table)->key_kind == KEY_TIME && key_is_no_date(text))
                return error_set(e, ERROR_USAGE, "%s: there is no such date as %s", option, text);
        if (table_count(f->connection.database, f->stream.table, &key, true, &key, &count, e) < 0)
                return error_prefix(e, "%s: ", option);
        return 0;
}

/* Of keys that a double can't tell apart, nothing is said. A long double would: on ARM by functions with which zig links
 * a stack guard that is the same in every process. */
static int check_order(struct feed *f, struct error *e) {
        enum key_kind kind = table_facts(f->stream.table)->key_kind;

        if (!f->run->from || !f->run->to || (kind != KEY_INTEGER && kind != KEY_DECIMAL)
            || strtod(f->run->from, NULL) <= strtod(f->run->to, NULL))
                return 0;
        return error_set(e, ERROR_USAGE, "--from=%s lies beyond --to=%s: nothing would be sent", f->run->from, f->run->to);
}

int feed_check_keys(struct feed *f, struct error *e) {
        int r = 0;

        if (table_facts(f->stream.table)->key_nullable) {
                r = table_has_null_keys(f->connection.database, f->stream.table, e);
        }
        if (r != 0)
                return r < 0 ? -1 : refuse_null_keys(f, e);
        if (check_lengths(f, e) < 0)
                return -1;
        r = check_bound(f, "--from", f->run->from, e);
        if (r == 0)
                r = check_bound(f, "--to", f->run->to, e);
        return r == 0 ? check_order(f, e) : r;
}

int feed_check_group(struct feed *f, struct error *e) {
        struct producer_group group;

        if (!f->place.exactly_once)
                return 0;
        if (producer_group(f->connection.producer, f->place.group, LIMIT_GROUP_MS, &group, e) < 0)
                return -1;
        if (group.members == 0)
                return 0;
        error_set(e, ERROR_REFUSED, "group %s has %zu live members: a consumer's next commit would erase the replay's cursor",
                  f->place.group, group.members);
        return error_hint(e, "Set [replay] group to a group that nobody consumes with.");
}

/* ---- which rows ---- */

/* The greatest key now, or --to. An empty table has no bound: nothing is to be sent. An unfinished run keeps its own. */
int feed_settle_bound(struct feed *f, struct error *e) {
        struct cursor_run *at = f->place.at;
        struct key least, greatest;
        int r;

        if (!at->done && at->has_to)
                return 0;
        if (at->done)
                at->restart = false;            /* that restart has come to its end; this is another run */
        at->done = false;
        at->to.length = 0;
        at->has_to = true;
        if (f->run->to) {
                buffer_append_string(&at->to, f->run->to);
                return 0;
        }
        r = table_key_bounds(f->connection.database, f->stream.table, &least, &greatest, e);
        if (r < 0)
                return -1;
        at->has_to = r == 0;
        if (r == 0)
                buffer_append(&at->to, greatest.data, greatest.length);
        return 0;
}

void feed_range(const struct feed *f, struct feed_range *ret) {
        const struct cursor_run *at = f->place.at;
        bool from = !at->has_last && f->run->from;

        *ret = (struct feed_range) { .to = { at->to.data, at->to.length }, .inclusive = from };
        if (from)
                ret->bound = (struct key) { f->run->from, strlen(f->run->from) };
        else
                ret->bound = (struct key) { at->last.data, at->last.length };
        ret->lower = from || at->has_last ? &ret->bound : NULL;
}

static void on_counted(void *arg, uint64_t rows) {
        struct feed *f = arg;

        f->progress.total = f->rows_at_count + rows;
}

int feed_begin_count(struct feed *f, struct error *e) {
        struct feed_range range;

        (void) e;
        if (f->progress.total != UINT64_MAX || f->count.under_way)
                return 0;
        f->rows_at_count = f->progress.committed;
        feed_range(f, &range);
        if (f->place.at->has_to)
                count_start(&f->count, f->stream.table, range.lower, range.inclusive, &range.to, on_counted, f);
        else
                on_counted(f, 0);
        return 0;
}

/* ---- what is said ---- */

/* Records of somebody else are no news; that there is no cursor may be. */
static int say_what_is_there(struct feed *f, struct error *e) {
        const struct service_field field = { "PINFEED_TOPIC", f->stream.config->topic };
        struct service *service = f->run->session.service;
        uint64_t extent;

        if (producer_topic_extent(f->connection.producer, f->stream.topic, LIMIT_GROUP_MS, &extent, e) < 0)
                return -1;
        if (extent == 0)
                return 0;
        if (f->place.found || f->run->restart || f->run->from)
                service_log(service, SERVICE_NOTICE, MESSAGE_NOTE, &field, 1, "topic %s already holds up to %llu records: they "
                            "stay where they are", f->stream.config->topic, (unsigned long long) extent);
        else
                service_log(service, SERVICE_WARNING, MESSAGE_NOTE, &field, 1, "topic %s already holds up to %llu records, and "
                            "there is no cursor: they are somebody else's (emulated posts, for example), or an earlier replay's "
                            "whose cursor is gone; then rows are sent again now. To send only what is missing: stop this, look "
                            "up the last key in the topic, and use --from with the next one.", f->stream.config->topic,
                            (unsigned long long) extent);
        return 0;
}

static void say_start(struct feed *f, const char *where) {
        const struct service_field field = { "PINFEED_TOPIC", f->stream.config->topic };

        service_log(f->run->session.service, SERVICE_INFO, MESSAGE_STARTED, &field, 1, "%s %s to %s: %s",
                    f->run->follows ? "follows" : "replays", f->stream.config->table, f->stream.config->topic, where);
}

static void say_begin(struct feed *f) {
        if (f->run->restart)
                say_start(f, "begins again from the first key (--restart): readers will see every row once more");
        else
                say_start(f, f->run->from ? "begins at --from" : "begins at the first key");
}

static void say_resume(struct feed *f) {
        const struct cursor_run *at = f->place.at;
        _cleanup_buffer_ struct buffer where = {};
        char rows[32];

        cursor_print_key(&(struct key) { at->last.data, at->last.length }, &f->result.resumed_from);
        f->result.has_resumed_from = true;
        buffer_printf(&where, "goes on after key %s (%s rows were sent before)", buffer_string(&f->result.resumed_from),
                      text_count(at->rows, rows));
        say_start(f, buffer_string(&where));
}

int feed_announce(struct feed *f, struct error *e) {
        if (f->progress.begun)
                return 0;
        if (f->place.at->has_last)
                say_resume(f);
        else {
                say_begin(f);
                if (say_what_is_there(f, e) < 0)
                        return -1;
        }
        f->progress.begun = true;
        return 0;
}

/* Whether so many rows were sent as there can be keys from the least one on: then a count of those that are there now, for
 * which the server reads every one of them, could not find more. With a `where` the least one may be as far to seek. */
static bool no_key_is_left(struct feed *f, const struct key *from, const struct key *last) {
        const struct table_facts *facts = table_facts(f->stream.table);
        struct key least, greatest;
        int64_t first, begin, end;

        if (facts->key_kind != KEY_INTEGER || !facts->key_unique || f->stream.config->where
            || table_key_bounds(f->connection.database, f->stream.table, &least, &greatest, &(struct error) {}) != TABLE_BOUNDS
            || gaps_parse_key(least.data, least.length, &first) < 0 || gaps_parse_key(last->data, last->length, &end) < 0)
                return false;
        if (from && gaps_parse_key(from->data, from->length, &begin) == 0 && begin > first)
                first = begin;
        return first > end || (uint64_t) end - (uint64_t) first < f->place.at->rows;
}

/* Rows that came in below the cursor: keys that don't grow, or commits that were late. Rows that were sent and deleted
 * since hide as many of them. */
int feed_count_missed(struct feed *f, struct error *e) {
        const struct cursor_run *at = f->place.at;
        const char *text = f->run->from;
        const struct key last = { at->last.data, at->last.length }, *from = text ? &(struct key) { text, strlen(text) } : NULL;
        enum table_null_keys null_keys;
        uint64_t count;

        if (!at->has_last || no_key_is_left(f, from, &last))
                return 0;
        if (table_count(f->connection.database, f->stream.table, from, true, &last, &count, e) < 0)
                return -1;
        f->result.missed = count > at->rows ? count - at->rows : 0;
        if (f->result.missed > 0)
                session_note(&f->run->session, f->stream.config, SERVICE_WARNING,
                             "at least %llu row%s appeared below the cursor after it had passed (keys that don't grow, or late "
                             "commits) and %s not sent. To send them: --from and --to around their keys, or --restart for "
                             "everything.", (unsigned long long) f->result.missed, f->result.missed == 1 ? "" : "s",
                             f->result.missed == 1 ? "was" : "were");
        null_keys = table_has_null_keys(f->connection.database, f->stream.table, e);
        if (null_keys == TABLE_NULL_KEYS)
                session_note(&f->run->session, f->stream.config, SERVICE_WARNING,
                             "rows whose key is NULL appeared since the beginning; they were not sent.");
        return null_keys == TABLE_NULL_KEYS_FAILED ? -1 : 0;
}
