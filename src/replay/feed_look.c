/* What a feed looks at before its rows and after them: keys, group, how many rows, what is there already. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "feed.h"
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
        if (table_count(f->connection.database, f->stream.table, &key, true, &key, &count, e) < 0)
                return error_prefix(e, "%s: ", option);
        return 0;
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
        return r;
}

int feed_check_group(struct feed *f, struct error *e) {
        size_t members;

        if (!f->run->exactly_once)
                return 0;
        if (producer_group_members(f->connection.producer, f->run->group, LIMIT_GROUP_MS, &members, e) < 0)
                return -1;
        if (members == 0)
                return 0;
        error_set(e, ERROR_REFUSED, "group %s has %zu live members: a consumer's next commit would erase the replay's cursor",
                  f->run->group, members);
        return error_hint(e, "Set [replay] group to a group that nobody consumes with.");
}

void feed_range(const struct feed *f, struct feed_range *ret) {
        bool from = !f->at->has_last && f->run->from;

        *ret = (struct feed_range) { .to = { f->at->to.data, f->at->to.length }, .inclusive = from };
        if (from)
                ret->bound = (struct key) { f->run->from, strlen(f->run->from) };
        else
                ret->bound = (struct key) { f->at->last.data, f->at->last.length };
        ret->lower = from || f->at->has_last ? &ret->bound : NULL;
}

int feed_count(struct feed *f, struct error *e) {
        struct feed_range range;
        uint64_t count = 0;

        if (f->progress.total != UINT64_MAX)
                return 0;               /* an earlier attempt did */
        feed_range(f, &range);
        if (f->at->has_to) {
                if (table_count(f->connection.database, f->stream.table, range.lower, range.inclusive, &range.to, &count, e) < 0)
                        return -1;
        }
        f->progress.total = f->progress.committed + count;
        return 0;
}

int feed_announce(struct feed *f, struct error *e) {
        struct service *service = f->run->session.service;
        const struct service_field field = { "PINFEED_TOPIC", f->stream.config->topic };
        uint64_t extent;

        if (f->announced)
                return 0;
        if (f->at->has_last) {
                cursor_print_key(&(struct key) { f->at->last.data, f->at->last.length }, &f->resumed_from);
                f->has_resumed_from = true;
                service_log(service, SERVICE_INFO, MESSAGE_STARTED, &field, 1, "replays %s to %s: goes on after key %s (%llu rows were "
                            "sent before), %llu rows to send", f->stream.config->table, f->stream.config->topic,
                            buffer_string(&f->resumed_from), (unsigned long long) f->at->rows,
                            (unsigned long long) f->progress.total);
                f->announced = true;
                return 0;
        }
        if (producer_topic_extent(f->connection.producer, f->stream.topic, LIMIT_GROUP_MS, &extent, e) < 0)
                return -1;
        service_log(service, SERVICE_INFO, MESSAGE_STARTED, &field, 1, "replays %s to %s: begins %s, %llu rows to send",
                    f->stream.config->table, f->stream.config->topic,
                    f->run->restart ? "again from the first key (--restart): readers will see every row once more"
                                    : f->run->from ? "at --from" : "at the first key",
                    (unsigned long long) f->progress.total);
        if (extent > 0)
                service_log(service, SERVICE_NOTICE, MESSAGE_NOTE, &field, 1, "topic %s already holds %llu records that are not of this "
                            "replay: they stay where they are", f->stream.config->topic, (unsigned long long) extent);
        f->announced = true;
        return 0;
}

static void warn(struct feed *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void warn(struct feed *f, const char *format, ...) {
        const struct service_field field = { "PINFEED_TOPIC", f->stream.config->topic };
        char line[512];
        va_list ap;

        va_start(ap, format);
        vsnprintf(line, sizeof line, format, ap);
        va_end(ap);
        service_log(f->run->session.service, SERVICE_WARNING, MESSAGE_NOTE, &field, 1, "stream %s: %s",
                    f->stream.config->name, line);
}

/* Rows that came in below the cursor: keys that don't grow, or commits that were late. */
int feed_count_missed(struct feed *f, struct error *e) {
        struct key last = { f->at->last.data, f->at->last.length };
        struct key from = { f->run->from, f->run->from ? strlen(f->run->from) : 0 };
        uint64_t count;
        int r;

        if (!f->at->has_last)
                return 0;
        if (table_count(f->connection.database, f->stream.table, f->run->from ? &from : NULL, true, &last, &count, e) < 0)
                return -1;
        f->missed = count > f->at->rows ? count - f->at->rows : 0;
        if (f->missed > 0)
                warn(f, "%llu rows appeared below the cursor after it had passed (keys that don't grow, or late commits) and "
                     "were not sent. To send them: --from and --to around their keys, or --restart for everything.",
                     (unsigned long long) f->missed);
        r = table_has_null_keys(f->connection.database, f->stream.table, e);
        if (r == 1)
                warn(f, "rows whose key is NULL appeared since the beginning; they were not sent.");
        return r < 0 ? -1 : 0;
}
