/* Which key, in which order, along which index. */
#include <string.h>

#include "room.h"

int table_choose_key(struct table *t, const struct server_column *key, struct error *e) {
        const struct type *type = type_find(key->type);
        size_t length = type_length(key->type);

        if (type->literal == LITERAL_NONE) {
                error_set(e, ERROR_REFUSED, "column %s of table %s can't be the key: its type is %s", key->name, t->name,
                          key->type);
                return error_hint(e, "A key must have an exact value and order: integers, decimals, text, bytes, dates and "
                                  "times do. Set %s key to another column, or change this one's type.", t->section);
        }
        t->key_literal = type->literal;
        t->facts.key_kind = type->key_kind;
        t->facts.key_nullable = key->nullable;
        t->key_zerofill = catalog_says(key->type, "zerofill");
        t->collation = key->collation ? mem_copy_string(key->collation) : NULL;
        if (type->key_max_bytes)
                t->facts.key_max_bytes = type->key_max_bytes;
        else
                t->facts.key_max_bytes = type->key_kind == KEY_TEXT ? length * 4 : length;
        return 0;
}

/* A collation in which no two texts are equal that differ, ordered as UTF-8's bytes are. */
static bool is_plain_collation(const char *collation) {
        return collation && (strcmp(collation, "utf8mb4_0900_bin") == 0 || strcmp(collation, "utf8mb4_nopad_bin") == 0
                             || strcmp(collation, "utf8mb3_nopad_bin") == 0 || strcmp(collation, "utf8_nopad_bin") == 0);
}

/* Whether a unique index keeps the column's values apart in its own collation. */
static bool is_kept_apart(const struct server_table *s, const char *key) {
        for (size_t i = 0; i < s->index_count; i++)
                if (s->indexes[i].unique && s->indexes[i].count == 1 && s->indexes[i].first
                    && strcasecmp(s->indexes[i].first, key) == 0)
                        return true;
        return false;
}

/* The index to read along: a unique one of the key alone, else one that begins with it, the primary key first. */
static const struct server_index *choose_index(const struct server_table *s, const char *key) {
        const struct server_index *best = NULL;

        for (size_t i = 0; i < s->index_count; i++) {
                const struct server_index *index = &s->indexes[i];

                if (!index->usable || !index->first || strcasecmp(index->first, key) != 0)
                        continue;
                if (index->unique && index->count == 1)
                        return index;
                if (!best || (index->whole && !best->whole))
                        best = index;
        }
        return best;
}

static const struct server_index *primary_key(const struct server_table *s) {
        for (size_t i = 0; i < s->index_count; i++)
                if (strcmp(s->indexes[i].name, "PRIMARY") == 0 && s->indexes[i].whole)
                        return &s->indexes[i];
        return NULL;
}

/* By the key; rows of equal keys by what else stands in the index and by the primary key, so that their order is the
 * same each time and the index still yields it. */
static void build_order(struct table *t, const struct server_table *s, const struct server_index *index,
                        bool kept_apart) {
        const struct server_index *primary = primary_key(s);
        _cleanup_buffer_ struct buffer order = {};

        if (index && index->whole && !kept_apart && !t->key_as_bytes)
                buffer_append(&order, index->columns.data, index->columns.length);
        else
                query_key_order(&order, t);
        if (!kept_apart && primary && primary != index && (!index || index->whole))
                buffer_printf(&order, ", %s", buffer_string(&((struct server_index *) primary)->columns));
        t->order_by = mem_copy_string(buffer_string(&order));
}

static enum key_order find_order(const struct table *t, const struct server_column *key, bool plain) {
        switch (t->key_literal) {
        case LITERAL_INTEGER:
        case LITERAL_DECIMAL:
                return KEY_ORDER_NUMBER;
        case LITERAL_TIME:
                return strcmp(type_find(key->type)->word, "time") == 0 ? KEY_ORDER_UNKNOWN : KEY_ORDER_TIME;
        case LITERAL_TEXT:
                return t->key_as_bytes || plain ? KEY_ORDER_BYTES : KEY_ORDER_UNKNOWN;
        case LITERAL_BYTES:
                return KEY_ORDER_BYTES;
        case LITERAL_ADDRESS:
        case LITERAL_NONE:
                break;
        }
        return KEY_ORDER_UNKNOWN;
}

void table_choose_order(struct table *t, const struct server_table *s, const struct server_column *key) {
        const struct server_index *index = choose_index(s, key->name);
        bool kept_apart = is_kept_apart(s, key->name), text = t->key_literal == LITERAL_TEXT;
        bool plain = is_plain_collation(key->collation);
        _cleanup_buffer_ struct buffer force = {};

        t->facts.key_unique = kept_apart && !key->nullable;
        t->key_as_bytes = text && (!type_find(key->type)->ordered_by_text || (!kept_apart && !plain));
        t->facts.key_order = find_order(t, key, plain);
        t->facts.key_indexed = index != NULL;
        t->key_cardinality = index ? index->cardinality : 0;
        build_order(t, s, index, kept_apart);
        if (index && !t->key_as_bytes) {
                buffer_append_string(&force, " FORCE INDEX (");
                query_identifier(&force, index->name);
                buffer_append_string(&force, ")");
        }
        t->force_index = mem_copy_string(buffer_string(&force));
}
