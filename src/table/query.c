#include <inttypes.h>
#include <string.h>

#include "room.h"

bool key_equal(const struct key *a, const struct key *b) {
        return a->length == b->length && (a->length == 0 || memcmp(a->data, b->data, a->length) == 0);
}

/* ---- names and literals ---- */

void query_identifier(struct buffer *sql, const char *name) {
        buffer_append(sql, "`", 1);
        for (; *name; name++)
                buffer_append(sql, *name == '`' ? "``" : name, *name == '`' ? 2 : 1);
        buffer_append(sql, "`", 1);
}

/* As X'…', which needs no escaping and can't be broken out of. */
static void add_hex(struct buffer *sql, const struct key *key) {
        buffer_append_string(sql, "X'");
        text_hex(key->data, key->length, TEXT_HEX_UPPER, sql);
        buffer_append(sql, "'", 1);
}

static size_t skip_digits(const struct key *key, size_t at) {
        while (at < key->length && key->data[at] >= '0' && key->data[at] <= '9')
                at++;
        return at;
}

static bool is_number(const struct key *key, bool with_point) {
        size_t start = key->length > 0 && key->data[0] == '-', at = skip_digits(key, start);

        if (at == start || key->length > 100)
                return false;
        if (with_point && at + 1 < key->length && key->data[at] == '.')
                at = skip_digits(key, at + 1);
        return at == key->length;
}

static bool consists_of(const struct key *key, const char *allowed) {
        if (key->length == 0 || key->length > 64)
                return false;
        for (size_t i = 0; i < key->length; i++)
                if (key->data[i] == 0 || !strchr(allowed, key->data[i]))
                        return false;
        return true;
}

static int refuse_key(const struct table *t, const struct key *key, const char *expected, struct error *e) {
        return error_set(e, ERROR_USAGE, "'%.*s' can't be a key of table %s: %s is expected",
                         (int) (key->length < 64 ? key->length : 64), key->data, t->name, expected);
}

static void add_quoted(struct buffer *sql, const struct key *key) {
        buffer_append(sql, "'", 1);
        buffer_append(sql, key->data, key->length);
        buffer_append(sql, "'", 1);
}

int query_key(struct buffer *sql, const struct table *t, const struct key *key, bool as_bytes, struct error *e) {
        switch (t->key_literal) {
        case LITERAL_INTEGER:
                if (!is_number(key, false))
                        return refuse_key(t, key, "an integer", e);
                buffer_append(sql, key->data, key->length);
                return 0;
        case LITERAL_DECIMAL:
                if (!is_number(key, true))
                        return refuse_key(t, key, "a number", e);
                buffer_append(sql, key->data, key->length);
                return 0;
        case LITERAL_TIME:
                if (!consists_of(key, "0123456789-:. T"))
                        return refuse_key(t, key, "a time as in 2020-04-27 13:34:16", e);
                add_quoted(sql, key);
                return 0;
        case LITERAL_ADDRESS:
                if (!consists_of(key, "0123456789abcdefABCDEF-:."))
                        return refuse_key(t, key, "a UUID or an address", e);
                add_quoted(sql, key);
                return 0;
        case LITERAL_TEXT:
                if (!as_bytes)
                        buffer_append_string(sql, "_utf8mb4 ");
                add_hex(sql, key);
                return 0;
        case LITERAL_BYTES:
        case LITERAL_NONE:
                break;
        }
        add_hex(sql, key);
        return 0;
}

/* ---- conditions ---- */

void query_key_bytes(struct buffer *sql, const char *expression) {
        buffer_printf(sql, "CAST(CONVERT(%s USING utf8mb4) AS BINARY)", expression);
}

void query_key_order(struct buffer *sql, const struct table *t) {
        if (t->key_as_bytes)
                query_key_bytes(sql, t->quoted_key);
        else
                buffer_append_string(sql, t->quoted_key);
}

static int add_comparison(struct buffer *sql, const struct table *t, const char *operator, const struct key *key,
                          struct error *e) {
        buffer_append_string(sql, " AND ");
        query_key_order(sql, t);
        buffer_append_string(sql, operator);
        return query_key(sql, t, key, t->key_as_bytes, e);
}

/* The user's own words stand in parentheses, and a line of their own: they may end in a comment. */
static void add_condition(struct buffer *sql, const struct table *t) {
        if (t->where)
                buffer_printf(sql, " AND (%s\n)", t->where);
}

int query_where(struct buffer *sql, const struct table *t, const struct range *range, struct error *e) {
        buffer_append_string(sql, " WHERE ");
        if (t->facts.key_nullable)
                buffer_printf(sql, "%s IS NOT NULL", t->quoted_key);
        else
                buffer_append_string(sql, "TRUE");
        if (range->after && add_comparison(sql, t, range->from_inclusive ? " >= " : " > ", range->after, e) < 0)
                return -1;
        if (range->to && add_comparison(sql, t, " <= ", range->to, e) < 0)
                return -1;
        add_condition(sql, t);
        return 0;
}

/* ---- queries ---- */

int query_read(struct buffer *sql, const struct table *t, const struct range *range, uint64_t limit, struct error *e) {
        buffer_printf(sql, "SELECT %s FROM %s%s", t->select_list, t->quoted_name, t->force_index);
        if (query_where(sql, t, range, e) < 0)
                return -1;
        buffer_printf(sql, " ORDER BY %s", t->order_by);
        if (limit > 0)
                buffer_printf(sql, " LIMIT %" PRIu64, limit);
        return 0;
}

int query_ranges(struct buffer *sql, const struct table *t, const struct table_range *ranges, size_t count, uint64_t limit) {
        buffer_printf(sql, "SELECT %s FROM %s%s WHERE (", t->select_list, t->quoted_name, t->force_index);
        for (size_t i = 0; i < count; i++) {
                buffer_printf(sql, "%s%s>=%" PRId64, i ? " OR " : "", t->quoted_key, ranges[i].first);
                if (ranges[i].last < INT64_MAX)
                        buffer_printf(sql, " AND %s<=%" PRId64, t->quoted_key, ranges[i].last);
        }
        buffer_append(sql, ")", 1);
        add_condition(sql, t);
        buffer_printf(sql, " ORDER BY %s", t->order_by);
        if (limit > 0)
                buffer_printf(sql, " LIMIT %" PRIu64, limit);
        return 0;
}

static int add_in_list(struct buffer *sql, const struct table *t, const struct key *keys, size_t count, bool as_bytes,
                       struct error *e) {
        buffer_append_string(sql, " IN (");
        for (size_t i = 0; i < count; i++) {
                if (i > 0)
                        buffer_append(sql, ",", 1);
                if (query_key(sql, t, &keys[i], as_bytes, e) < 0)
                        return -1;
        }
        buffer_append(sql, ")", 1);
        return 0;
}

/* Text is looked up in the column's own collation, which an index knows, and then compared exactly. */
int query_fetch(struct buffer *sql, const struct table *t, const struct key *keys, size_t count, struct error *e) {
        buffer_printf(sql, "SELECT %s FROM %s WHERE ", t->select_list, t->quoted_name);
        if (count == 0)
                buffer_append_string(sql, "FALSE");
        else {
                buffer_append_string(sql, t->quoted_key);
                if (add_in_list(sql, t, keys, count, false, e) < 0)
                        return -1;
                if (t->key_literal == LITERAL_TEXT) {
                        buffer_append_string(sql, " AND ");
                        query_key_bytes(sql, t->quoted_key);
                        if (add_in_list(sql, t, keys, count, true, e) < 0)
                                return -1;
                }
        }
        add_condition(sql, t);
        return 0;
}

int query_count(struct buffer *sql, const struct table *t, const struct range *range, struct error *e) {
        buffer_printf(sql, "SELECT COUNT(*) FROM %s", t->quoted_name);
        return query_where(sql, t, range, e);
}

void query_bound(struct buffer *sql, const struct table *t, bool greatest) {
        struct error none;

        buffer_printf(sql, "SELECT %s FROM %s%s", t->quoted_key, t->quoted_name, t->force_index);
        query_where(sql, t, &(struct range) {}, &none);
        buffer_append_string(sql, " ORDER BY ");
        query_key_order(sql, t);
        buffer_append_string(sql, greatest ? " DESC LIMIT 1" : " LIMIT 1");
}

void query_null_keys(struct buffer *sql, const struct table *t) {
        buffer_printf(sql, "SELECT 1 FROM %s WHERE %s IS NULL", t->quoted_name, t->quoted_key);
        add_condition(sql, t);
        buffer_append_string(sql, " LIMIT 1");
}

void query_longest_key(struct buffer *sql, const struct table *t) {
        buffer_printf(sql, t->facts.key_kind == KEY_TEXT ? "SELECT MAX(LENGTH(CONVERT(%s USING utf8mb4))) FROM %s WHERE TRUE"
                                                         : "SELECT MAX(LENGTH(%s)) FROM %s WHERE TRUE",
                      t->quoted_key, t->quoted_name);
        add_condition(sql, t);
}
