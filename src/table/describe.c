#include <errmsg.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <string.h>

#include "room.h"

/* ---- the server's lists ---- */

struct server_column {
        char *name, *type, *collation;  /* collation NULL: not text */
        bool nullable, invisible;
};

struct server_index {
        char *name;
        struct buffer columns;          /* quoted, separated by ", " */
        char *first;                    /* the first column's name; NULL: an expression or a prefix */
        size_t count;
        bool unique, whole, usable;     /* whole: no prefixes, no expressions, nothing descending; usable: for ordering */
};

struct server_table {
        struct server_column *columns;
        size_t column_count;
        struct server_index *indexes;
        size_t index_count;
};

static void free_server_table(struct server_table *s) {
        for (size_t i = 0; i < s->column_count; i++) {
                free(s->columns[i].name);
                free(s->columns[i].type);
                free(s->columns[i].collation);
        }
        for (size_t i = 0; i < s->index_count; i++) {
                free(s->indexes[i].name);
                free(s->indexes[i].first);
                buffer_free(&s->indexes[i].columns);
        }
        free(s->columns);
        free(s->indexes);
}

/* Columns of SHOW's answers are found by name: the families and versions add some. */
static const char *cell(MYSQL_RES *result, MYSQL_ROW row, const char *name) {
        unsigned count = mysql_num_fields(result);
        MYSQL_FIELD *fields = mysql_fetch_fields(result);

        for (unsigned i = 0; i < count; i++)
                if (strcasecmp(fields[i].name, name) == 0)
                        return row[i];
        return NULL;
}

static bool says(const char *text, const char *word) {
        return text && strcasestr(text, word);
}

static void list_tables(struct database *db, const char *name, struct error *e) {
        struct buffer names = {};
        struct error ignored;
        MYSQL_RES *result;
        MYSQL_ROW row;

        buffer_append_string(&db->sql, "SHOW TABLES");
        if (database_query_small(db, &result, &ignored, "list the tables") < 0)
                return;
        while ((row = mysql_fetch_row(result)) && names.length < 600)
                buffer_printf(&names, "%s%s", names.length ? ", " : "", row[0]);
        if (names.length > 0)
                error_hint(e, "Database %s has the tables %s%s. Check [stream] table ('%s') and [mysql] database.", db->name,
                           buffer_string(&names), row ? ", …" : "", name);
        else
                error_hint(e, "Database %s has no table that account %s may see. Check [mysql] database, and the account's "
                           "rights.", db->name, db->user);
        buffer_free(&names);
        mysql_free_result(result);
}

static int read_columns(struct database *db, const char *table, struct server_table *s, struct error *e) {
        MYSQL_RES *result;
        MYSQL_ROW row;

        buffer_append_string(&db->sql, "SHOW FULL COLUMNS FROM ");
        query_identifier(&db->sql, table);
        if (database_query_small(db, &result, e, "read table %s", table) < 0) {
                if (mysql_errno(db->mysql) == ER_NO_SUCH_TABLE)
                        list_tables(db, table, e);
                return -1;
        }
        s->columns = mem_zero((size_t) mysql_num_rows(result), sizeof *s->columns);
        while ((row = mysql_fetch_row(result))) {
                const char *collation = cell(result, row, "Collation");

                s->columns[s->column_count++] = (struct server_column) {
                        .name = mem_copy_string(cell(result, row, "Field")),
                        .type = mem_copy_string(cell(result, row, "Type")),
                        .collation = collation ? mem_copy_string(collation) : NULL,
                        .nullable = says(cell(result, row, "Null"), "YES"),
                        .invisible = says(cell(result, row, "Extra"), "INVISIBLE"),
                };
        }
        mysql_free_result(result);
        return 0;
}

static struct server_index *index_named(struct server_table *s, const char *name) {
        for (size_t i = 0; i < s->index_count; i++)
                if (strcmp(s->indexes[i].name, name) == 0)
                        return &s->indexes[i];
        s->indexes = mem_resize(s->indexes, (s->index_count + 1) * sizeof *s->indexes);
        s->indexes[s->index_count] = (struct server_index) { .name = mem_copy_string(name), .whole = true, .usable = true };
        return &s->indexes[s->index_count++];
}

/* One row of SHOW INDEX: one column of one index, in order. */
static void add_index_column(struct server_table *s, MYSQL_RES *result, MYSQL_ROW row) {
        struct server_index *index = index_named(s, cell(result, row, "Key_name"));
        const char *column = cell(result, row, "Column_name"), *type = cell(result, row, "Index_type");
        bool whole = column && !cell(result, row, "Sub_part") && !says(cell(result, row, "Collation"), "D");

        index->unique = says(cell(result, row, "Non_unique"), "0");
        if (!says(type, "BTREE") || says(cell(result, row, "Visible"), "NO") || says(cell(result, row, "Ignored"), "YES"))
                index->usable = false;
        if (index->count++ == 0 && column && !cell(result, row, "Sub_part"))
                index->first = mem_copy_string(column);
        index->whole = index->whole && whole;
        if (column) {
                buffer_append_string(&index->columns, index->columns.length ? ", " : "");
                query_identifier(&index->columns, column);
        }
}

/* A view answers with nothing: it works, as a table without an index. */
static int read_indexes(struct database *db, const char *table, struct server_table *s, struct error *e) {
        MYSQL_RES *result;
        MYSQL_ROW row;

        buffer_append_string(&db->sql, "SHOW INDEX FROM ");
        query_identifier(&db->sql, table);
        if (database_query_small(db, &result, e, "read the indexes of table %s", table) < 0)
                return -1;
        while ((row = mysql_fetch_row(result)))
                add_index_column(s, result, row);
        mysql_free_result(result);
        return 0;
}

/* ---- columns ---- */

/* Names of columns are compared without case, as the server does. */
static const struct server_column *find_column(const struct server_table *s, const char *name, size_t length) {
        for (size_t i = 0; i < s->column_count; i++)
                if (strlen(s->columns[i].name) == length && strncasecmp(s->columns[i].name, name, length) == 0)
                        return &s->columns[i];
        return NULL;
}

static int refuse_column(const struct server_table *s, const struct table_spec *spec, const char *setting,
                         const char *name, size_t length, struct error *e) {
        struct buffer names = {};

        for (size_t i = 0; i < s->column_count && names.length < 700; i++)
                buffer_printf(&names, "%s%s", i ? ", " : "", s->columns[i].name);
        error_set(e, ERROR_REFUSED, "table %s has no column '%.*s'", spec->name, (int) length, name);
        error_hint(e, "Check [stream] %s. The table has the columns %s.", setting, buffer_string(&names));
        buffer_free(&names);
        return -1;
}

static void add_column(struct table *t, const struct server_column *from) {
        struct column *to;

        t->columns = mem_resize(t->columns, (t->facts.column_count + 1) * sizeof *t->columns);
        to = &t->columns[t->facts.column_count++];
        *to = (struct column) {
                .name = mem_copy_string(from->name),
                .kind = type_find(from->type)->kind,
                .is_unsigned = says(from->type, "unsigned"),
                .nullable = from->nullable,
        };
}

static bool has_column(const struct table *t, const char *name) {
        for (size_t i = 0; i < t->facts.column_count; i++)
                if (strcmp(t->columns[i].name, name) == 0)
                        return true;
        return false;
}

static int add_listed_columns(struct table *t, const struct server_table *s, const struct table_spec *spec,
                              struct error *e) {
        for (const char *at = spec->columns; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
                const char *name = at + strspn(at, " \t\n");
                size_t length = strcspn(name, ",");
                const struct server_column *column;

                while (length > 0 && strchr(" \t\n", name[length - 1]))
                        length--;
                column = find_column(s, name, length);
                if (!column)
                        return refuse_column(s, spec, "columns", name, length, e);
                if (has_column(t, column->name))
                        return error_set(e, ERROR_REFUSED, "[stream] columns names column %s of table %s twice",
                                         column->name, spec->name);
                add_column(t, column);
        }
        return 0;
}

static int choose_columns(struct table *t, const struct server_table *s, const struct table_spec *spec, struct error *e) {
        if (spec->columns)
                return add_listed_columns(t, s, spec, e);
        for (size_t i = 0; i < s->column_count; i++)
                if (!s->columns[i].invisible)
                        add_column(t, &s->columns[i]);
        return 0;
}

static void build_select_list(struct table *t, const char *key) {
        struct buffer list = {};

        t->facts.key_column = SIZE_MAX;
        for (size_t i = 0; i < t->facts.column_count; i++) {
                buffer_append_string(&list, i ? "," : "");
                query_identifier(&list, t->columns[i].name);
                if (strcmp(t->columns[i].name, key) == 0)
                        t->facts.key_column = i;
        }
        if (t->facts.key_column == SIZE_MAX)
                buffer_printf(&list, "%s%s", list.length ? "," : "", t->quoted_key);
        t->select_list = mem_copy_string(buffer_string(&list));
        buffer_free(&list);
}

/* ---- the key ---- */

static int choose_key(struct table *t, const struct server_column *key, struct error *e) {
        const struct type *type = type_find(key->type);
        size_t length = type_length(key->type);

        if (type->literal == LITERAL_NONE) {
                error_set(e, ERROR_REFUSED, "column %s of table %s can't be the key: its type is %s", key->name, t->name,
                          key->type);
                return error_hint(e, "A key must have an exact value and order: integers, decimals, text, bytes, dates and "
                                  "times do. Set [stream] key to another column, or change this one's type.");
        }
        t->key_literal = type->literal;
        t->facts.key_kind = type->key_kind;
        t->facts.key_unsigned = says(key->type, "unsigned");
        t->facts.key_nullable = key->nullable;
        t->key_zerofill = says(key->type, "zerofill");
        t->key_is_time_of_day = strcmp(type->word, "time") == 0;
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
static void build_order(struct table *t, const struct server_table *s, const struct server_index *index) {
        const struct server_index *primary = primary_key(s);
        struct buffer order = {};

        if (index && index->whole && !t->key_as_bytes)
                buffer_append(&order, index->columns.data, index->columns.length);
        else
                query_key_order(&order, t);
        if (!t->facts.key_unique && primary && primary != index && (!index || index->whole))
                buffer_printf(&order, ", %s", buffer_string(&((struct server_index *) primary)->columns));
        t->order_by = mem_copy_string(buffer_string(&order));
        buffer_free(&order);
}

static void choose_order(struct table *t, const struct server_table *s, const struct server_column *key) {
        const struct server_index *index = choose_index(s, key->name);
        bool kept_apart = is_kept_apart(s, key->name), text = t->key_literal == LITERAL_TEXT;
        struct buffer force = {};

        t->facts.key_unique = kept_apart && !key->nullable;
        t->key_as_bytes = text && (!type_find(key->type)->ordered_by_text
                                   || (!kept_apart && !is_plain_collation(key->collation)));
        t->key_ordered_by_server = t->key_literal == LITERAL_ADDRESS || (text && !t->key_as_bytes);
        t->facts.key_indexed = index != NULL;
        build_order(t, s, index);
        if (index && !t->key_as_bytes) {
                buffer_append_string(&force, " FORCE INDEX (");
                query_identifier(&force, index->name);
                buffer_append_string(&force, ")");
        }
        t->force_index = mem_copy_string(buffer_string(&force));
        buffer_free(&force);
}

/* ---- all together ---- */

/* The widths that integers print with (int(11)) are left out: newer servers no longer have them. */
static void add_type(struct fingerprint *f, const char *type) {
        char text[256];
        const char *close = strchr(type, ')');

        if (type_find(type)->kind == COLUMN_INTEGER && close)
                snprintf(text, sizeof text, "%s%s", type_find(type)->word, close + 1);
        else
                snprintf(text, sizeof text, "%s", type);
        fingerprint_add(f, text);
}

static void take_fingerprint(struct table *t, const struct server_table *s, const struct table_spec *spec) {
        struct fingerprint f;

        fingerprint_begin(&f);
        fingerprint_add(&f, spec->name);
        fingerprint_add(&f, spec->key);
        fingerprint_add(&f, spec->where);
        fingerprint_add(&f, t->key_as_bytes ? "as bytes" : t->collation);
        for (size_t i = 0; i < t->facts.column_count; i++) {
                fingerprint_add(&f, t->columns[i].name);
                add_type(&f, find_column(s, t->columns[i].name, strlen(t->columns[i].name))->type);
        }
        fingerprint_end(&f, t->facts.fingerprint);
}

/* Lets the server read the query without running it: rights on the columns, and the user's condition. */
static int try_query(struct database *db, const struct table *t, struct error *e) {
        MYSQL_RES *result;

        buffer_printf(&db->sql, "SELECT %s FROM %s", t->select_list, t->quoted_name);
        if (t->where)
                buffer_printf(&db->sql, " WHERE (%s\n)", t->where);
        buffer_append_string(&db->sql, " LIMIT 0");
        if (database_query_small(db, &result, e, t->where ? "read table %s where %s" : "read table %s", t->name,
                                 t->where) < 0) {
                if (t->where && e->class == ERROR_FAILED)
                        e->class = ERROR_REFUSED;       /* such as an unknown function */
                return -1;
        }
        mysql_free_result(result);
        return 0;
}

static char *quote(const char *name) {
        struct buffer b = {};

        query_identifier(&b, name);
        return (char *) buffer_string(&b);
}

static int describe(struct database *db, const struct table_spec *spec, struct server_table *s, struct table *t,
                    struct error *e) {
        const struct server_column *key;

        if (read_columns(db, spec->name, s, e) < 0 || read_indexes(db, spec->name, s, e) < 0)
                return -1;
        key = find_column(s, spec->key, strlen(spec->key));
        if (!key)
                return refuse_column(s, spec, "key", spec->key, strlen(spec->key), e);
        t->name = mem_copy_string(spec->name);
        t->quoted_name = quote(spec->name);
        t->quoted_key = quote(key->name);
        t->where = spec->where && *spec->where ? mem_copy_string(spec->where) : NULL;
        if (choose_columns(t, s, spec, e) < 0 || choose_key(t, key, e) < 0)
                return -1;
        build_select_list(t, key->name);
        choose_order(t, s, key);
        take_fingerprint(t, s, spec);
        t->facts.columns = t->columns;
        return try_query(db, t, e);
}

int table_describe(struct database *db, const struct table_spec *spec, struct table **ret, struct error *e) {
        struct server_table s = {};
        struct table *t = mem_zero(1, sizeof *t);
        int r = describe(db, spec, &s, t, e);

        free_server_table(&s);
        if (r < 0)
                table_free(t);
        else
                *ret = t;
        return r;
}

const struct table_facts *table_facts(const struct table *t) {
        return &t->facts;
}

void table_free(struct table *t) {
        if (!t)
                return;
        for (size_t i = 0; i < t->facts.column_count; i++)
                free(t->columns[i].name);
        free(t->columns);
        free(t->name);
        free(t->quoted_name);
        free(t->quoted_key);
        free(t->select_list);
        free(t->order_by);
        free(t->force_index);
        free(t->where);
        free(t->collation);
        free(t);
}
