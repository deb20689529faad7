#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "room.h"

static bool same_collation(const struct table *a, const struct table *b) {
        return a->collation && b->collation ? strcmp(a->collation, b->collation) == 0 : a->collation == b->collation;
}

/* Keys of different collations, or of none that keeps them apart, are compared by the bytes of their UTF-8. */
static bool must_compare_bytes(struct table *const *tables, size_t count) {
        for (size_t i = 0; i < count; i++)
                if (tables[i]->key_as_bytes
                    || (tables[i]->key_literal == LITERAL_TEXT && !same_collation(tables[0], tables[i])))
                        return true;
        return false;
}

/* The table to read in key order: one with an index, and of these the one with the fewest keys. */
static size_t choose_first(struct table *const *tables, size_t count) {
        size_t best = 0;

        for (size_t i = 1; i < count; i++)
                if (tables[i]->facts.key_indexed
                    && (!tables[best]->facts.key_indexed || tables[i]->key_cardinality < tables[best]->key_cardinality))
                        best = i;
        return best;
}

/* (SELECT `key` AS k FROM `table` WHERE …): a scope of its own, so that nobody's `where` sees another's columns. */
static void add_keys_of(struct buffer *sql, const struct table *t, bool as_bytes) {
        struct error none;

        buffer_append_string(sql, "(SELECT ");
        if (as_bytes)
                query_key_bytes(sql, t->quoted_key);
        else
                buffer_append_string(sql, t->quoted_key);
        buffer_printf(sql, " AS k FROM %s", t->quoted_name);
        query_where(sql, t, &(struct range) {}, &none);
        buffer_append(sql, ")", 1);
}

/* A table whose key is unique is joined: that is one look-up in its index a key. The collation finds the key, and its
 * bytes decide. */
static void add_join(struct buffer *sql, const struct table *t, size_t i, bool as_bytes) {
        buffer_append_string(sql, " JOIN ");
        add_keys_of(sql, t, as_bytes);
        buffer_printf(sql, " AS s%zu ON s%zu.k = s.k", i, i);
        if (t->key_literal == LITERAL_TEXT && !as_bytes) {
                char name[32];

                snprintf(name, sizeof name, "s%zu.k", i);
                buffer_append_string(sql, " AND ");
                query_key_bytes(sql, name);
                buffer_append_string(sql, " = ");
                query_key_bytes(sql, "s.k");
        }
}

/* One table is read in key order and the others are looked up: with indexes, the first keys come at once, however large
 * the tables. A table whose key isn't unique is asked whether it has the key, so that a key comes once. */
int query_common_keys(struct buffer *sql, struct table *const *tables, size_t count, uint64_t limit,
                      const struct table **ret_first, struct error *e) {
        bool as_bytes = must_compare_bytes(tables, count);
        size_t first = choose_first(tables, count);

        for (size_t i = 1; i < count; i++)
                if (tables[i]->facts.key_kind != tables[0]->facts.key_kind)
                        return error_set(e, ERROR_REFUSED, "the keys of tables %s and %s are of different kinds and can't "
                                         "have values in common", tables[0]->name, tables[i]->name);
        buffer_printf(sql, "SELECT STRAIGHT_JOIN %ss.k FROM ", tables[first]->facts.key_unique ? "" : "DISTINCT ");
        add_keys_of(sql, tables[first], as_bytes);
        buffer_append_string(sql, " AS s");
        for (size_t i = 0; i < count; i++)
                if (i != first && tables[i]->facts.key_unique)
                        add_join(sql, tables[i], i, as_bytes);
        buffer_append_string(sql, " WHERE TRUE");
        for (size_t i = 0; i < count; i++)
                if (i != first && !tables[i]->facts.key_unique) {
                        buffer_append_string(sql, " AND s.k IN ");
                        add_keys_of(sql, tables[i], as_bytes);
                }
        buffer_append_string(sql, " ORDER BY s.k");
        if (limit > 0)
                buffer_printf(sql, " LIMIT %" PRIu64, limit);
        *ret_first = tables[first];
        return 0;
}
