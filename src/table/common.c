#include <inttypes.h>
#include <string.h>

#include "room.h"

static bool same_collation(const struct table *a, const struct table *b) {
        return a->collation && b->collation ? strcmp(a->collation, b->collation) == 0 : a->collation == b->collation;
}

/* (SELECT `key` AS k FROM `table` WHERE …): a scope of its own, so that nobody's `where` sees another's columns. */
static void add_keys_of(struct buffer *sql, const struct table *t, bool as_bytes) {
        struct error none;

        buffer_append_string(sql, "(SELECT ");
        if (as_bytes)
                buffer_printf(sql, "CAST(CONVERT(%s USING utf8mb4) AS BINARY)", t->quoted_key);
        else
                buffer_append_string(sql, t->quoted_key);
        buffer_printf(sql, " AS k FROM %s", t->quoted_name);
        query_where(sql, t, &(struct range) {}, &none);
        buffer_append(sql, ")", 1);
}

/* Texts are the same key if their bytes are; the collation's equality only helps an index to find them. */
static void add_text_match(struct buffer *sql, size_t i) {
        buffer_printf(sql, " AND CAST(CONVERT(s%zu.k USING utf8mb4) AS BINARY) = "
                      "CAST(CONVERT(s0.k USING utf8mb4) AS BINARY)", i);
}

/* The first table is read in key order and the others are looked up: with indexes, the first keys come at once, however
 * large the tables. A table whose key isn't unique, or has no index, is asked whether it has the key. */
int query_common_keys(struct buffer *sql, struct table *const *tables, size_t count, uint64_t limit, struct error *e) {
        bool text = tables[0]->key_literal == LITERAL_TEXT, as_bytes = tables[0]->key_as_bytes;

        for (size_t i = 1; i < count; i++) {
                if (tables[i]->facts.key_kind != tables[0]->facts.key_kind)
                        return error_set(e, ERROR_REFUSED, "the keys of tables %s and %s are of different kinds and can't "
                                         "have values in common", tables[0]->name, tables[i]->name);
                as_bytes = as_bytes || tables[i]->key_as_bytes || (text && !same_collation(tables[0], tables[i]));
        }
        buffer_printf(sql, "SELECT STRAIGHT_JOIN %ss0.k FROM ", tables[0]->facts.key_unique ? "" : "DISTINCT ");
        add_keys_of(sql, tables[0], as_bytes);
        buffer_append_string(sql, " AS s0");
        for (size_t i = 1; i < count; i++)
                if (tables[i]->facts.key_unique) {
                        buffer_append_string(sql, " JOIN ");
                        add_keys_of(sql, tables[i], as_bytes);
                        buffer_printf(sql, " AS s%zu ON s%zu.k = s0.k", i, i);
                        if (text && !as_bytes)
                                add_text_match(sql, i);
                }
        buffer_append_string(sql, " WHERE TRUE");
        for (size_t i = 1; i < count; i++)
                if (!tables[i]->facts.key_unique) {
                        buffer_append_string(sql, " AND s0.k IN ");
                        add_keys_of(sql, tables[i], as_bytes);
                }
        buffer_append_string(sql, " ORDER BY s0.k");
        if (limit > 0)
                buffer_printf(sql, " LIMIT %" PRIu64, limit);
        return 0;
}
