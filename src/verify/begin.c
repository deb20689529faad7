/* Before anything is summed up: what is compared, and from where on. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "own.h"
#include "pinfeed/feed.h"
#include "pinfeed/limits.h"

const char *const verify_kinds[VERIFY_KINDS] = { "replay", "follow", "emulation" };

int begin_kind(const char *text, enum verify_kind *ret, struct error *e) {
        for (int i = 0; i < VERIFY_KINDS; i++)
                if (strcmp(text, verify_kinds[i]) == 0) {
                        *ret = (enum verify_kind) i;
                        return 0;
                }
        return error_set(e, ERROR_USAGE, "--as takes replay, follow or emulation");
}

/* As the user says, or as a cursor says. */
static int find_kind(struct check *c, struct error *e) {
        struct error cause;

        if (c->verify->options->as)
                return begin_kind(c->verify->options->as, &c->kind, e);
        if (feed_look(&c->verify->connection, c->stream.config, &c->cursor, e) < 0) {
                cause = *e;
                return error_hint(e, "%s Or say with --as what has filled the topics: then no cursor is looked for.", cause.hint);
        }
        c->kind = !*c->cursor.fingerprint ? VERIFY_EMULATED : c->cursor.main.followed ? VERIFY_FOLLOWED : VERIFY_REPLAYED;
        if (c->kind == VERIFY_EMULATED)
                session_note(&c->verify->session, c->stream.config, SERVICE_NOTICE, "no replay has left a cursor: its topic is "
                             "taken for emulated posts (--as=replay says otherwise)");
        return 0;
}

static int check_bound(struct check *c, const char *option, const char *text, struct key *ret, const struct key **ret_bound,
                       struct error *e) {
        *ret = (struct key) { text, text ? strlen(text) : 0 };
        if (!text)
                return 0;
        if (c->bounds.order == KEY_ORDER_UNKNOWN) {
                error_set(e, ERROR_USAGE, "%s: the keys of table %s have an order that only the server knows", option,
                          c->stream.config->table);
                return error_hint(e, "Verify the whole table, or set a `where` for the stream.");
        }
        if (!key_fits(c->bounds.order, ret))
                return error_set(e, ERROR_USAGE, "%s: '%.64s' can't be a key of table %s", option, text,
                                 c->stream.config->table);
        if (c->bounds.order == KEY_ORDER_TIME && key_is_no_date(text))
                return error_set(e, ERROR_USAGE, "%s: there is no such date as %s", option, text);
        *ret_bound = ret;
        return 0;
}

static int check_bounds(struct check *c, struct error *e) {
        const struct options *o = c->verify->options;

        if (check_bound(c, "--from", o->from, &c->from, &c->bounds.from, e) < 0
            || check_bound(c, "--to", o->to, &c->to, &c->bounds.to, e) < 0)
                return -1;
        if (o->from && o->to && key_compare(c->bounds.order, &c->from, &c->to) > 0)
                return error_set(e, ERROR_USAGE, "--from=%s lies beyond --to=%s: nothing would be compared", o->from,
                                 o->to);
        return 0;
}

int begin_check(struct check *c, struct error *e) {
        struct connection *connection = &c->verify->connection;

        if (stream_describe(&c->stream, connection, e) < 0
            || producer_topic(connection->producer, c->stream.config->topic, &c->stream.tally, LIMIT_TOPIC_MS,
                              &c->stream.topic, e) < 0
            || find_kind(c, e) < 0)
                return -1;
        c->partitions = producer_topic_partitions(c->stream.topic);
        c->spans = mem_zero((size_t) c->partitions, sizeof *c->spans);
        c->previous = mem_zero((size_t) c->partitions, sizeof *c->previous);
        c->bounds.order = table_facts(c->stream.table)->key_order;
        if (check_bounds(c, e) < 0)
                return -1;
        switch (table_has_null_keys(connection->database, c->stream.table, e)) {
        case TABLE_NULL_KEYS_FAILED:
                return -1;
        case TABLE_NULL_KEYS:
                session_note(&c->verify->session, c->stream.config, SERVICE_WARNING, "rows whose key is NULL are left out: they "
                             "can't be sent");
                break;
        case TABLE_NO_NULL_KEYS:
                break;
        }
        return 0;
}

/* ---- topics whose beginning is gone ---- */

/* Rows that come late to a follow, at once, more or less: so many records a partition may begin with smaller keys than
 * records that are gone had. */
enum { LATE_MOST = 100 };

static void cut_from(struct check *c, const struct producer_record *record) {
        struct key key = { record->key, record->key_length }, cut = { c->cut.data, c->cut.length };

        if (c->is_cut && key_compare(c->bounds.order, &key, &cut) <= 0)
                return;
        c->cut.length = 0;
        buffer_append(&c->cut, record->key, record->key_length);
        buffer_string(&c->cut);
        c->is_cut = true;
}

/* The greatest of the first keys that the cut partitions have left: what is above it was not cut. */
static int read_first_keys(struct check *c, const struct producer_span *spans, struct error *e) {
        _cleanup_free_ int *seen = mem_zero((size_t) c->partitions, sizeof *seen);
        int most = c->kind == VERIFY_FOLLOWED ? LATE_MOST : 1, wanted = 0;
        struct producer_record record;
        enum producer_next r = PRODUCER_RECORD;

        for (int i = 0; i < c->partitions; i++)
                wanted += c->spans[i].first > 0;
        if (producer_reader_begin(c->verify->reader, c->stream.topic, spans, e) < 0)
                return -1;
        while (wanted > 0 && (r = producer_reader_next(c->verify->reader, &record, e)) == PRODUCER_RECORD) {
                int *count = &seen[record.partition];

                if (*count == most || !record_has_key(c, &record))
                        continue;
                cut_from(c, &record);
                wanted -= ++*count == most;
        }
        for (int i = 0; i < c->partitions; i++)
                c->untold = c->untold || (c->spans[i].first > 0 && seen[i] == 0);
        return r == PRODUCER_NEXT_FAILED ? -1 : 0;
}

/* After a replay, records before the first one that is left had smaller keys: both sides are compared from there on. */
int begin_cut(struct check *c, struct error *e) {
        _cleanup_free_ struct producer_span *spans = mem_zero((size_t) c->partitions, sizeof *spans);

        for (int i = 0; i < c->partitions; i++)
                if (c->spans[i].first > 0)
                        spans[i] = c->spans[i];
        if (c->log_start == 0 || c->kind == VERIFY_EMULATED)
                return 0;
        c->untold = c->bounds.order == KEY_ORDER_UNKNOWN;
        if (!c->untold && read_first_keys(c, spans, e) < 0)
                return -1;
        if (c->untold) {
                session_note(&c->verify->session, c->stream.config, SERVICE_WARNING, "the topic's first records are gone, up to "
                             "offset %" PRId64 ": which rows are missing can't be told", c->log_start);
                return 0;
        }
        if (c->bounds.from
            && key_compare(c->bounds.order, c->bounds.from, &(struct key) { c->cut.data, c->cut.length }) > 0) {
                c->is_cut = false;
                return 0;
        }
        session_note(&c->verify->session, c->stream.config, SERVICE_WARNING, "the topic's first records are gone, up to offset %"
                     PRId64 ": it is compared from key %s on", c->log_start, c->cut.data);
        c->from = (struct key) { c->cut.data, c->cut.length };
        c->bounds.from = &c->from;
        c->bounds.after = !table_facts(c->stream.table)->key_unique;    /* some of its records may be gone */
        return 0;
}
