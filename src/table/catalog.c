/* What the server says about a table. SHOW resolves names as a query would, and refuses in the same words. */
#include <mysqld_error.h>
#include <string.h>

#include "room.h"

void catalog_free(struct server_table *s) {
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

bool catalog_says(const char *text, const char *word) {
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
                error_hint(e, "Database %s has the tables %s%s. Check [stream] table ('%s') and [mysql] database.", db->login.database,
                           buffer_string(&names), row ? ", …" : "", name);
        else
                error_hint(e, "Database %s has no table that account %s may see. Check [mysql] database, and the account's "
                           "rights.", db->login.database, db->login.user);
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
                        .nullable = catalog_says(cell(result, row, "Null"), "YES"),
                        .invisible = catalog_says(cell(result, row, "Extra"), "INVISIBLE"),
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
        bool whole = column && !cell(result, row, "Sub_part") && !catalog_says(cell(result, row, "Collation"), "D");

        index->unique = catalog_says(cell(result, row, "Non_unique"), "0");
        if (!catalog_says(type, "BTREE") || catalog_says(cell(result, row, "Visible"), "NO") || catalog_says(cell(result, row, "Ignored"), "YES"))
                index->usable = false;
        if (index->count++ == 0 && column && !cell(result, row, "Sub_part")) {
                const char *cardinality = cell(result, row, "Cardinality");

                index->first = mem_copy_string(column);
                index->cardinality = cardinality ? strtoull(cardinality, NULL, 10) : 0;
        }
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

int catalog_read(struct database *db, const char *table, struct server_table *s, struct error *e) {
        return read_columns(db, table, s, e) < 0 || read_indexes(db, table, s, e) < 0 ? -1 : 0;
}

const struct server_column *catalog_column(const struct server_table *s, const char *name, size_t length) {
        for (size_t i = 0; i < s->column_count; i++)
                if (strlen(s->columns[i].name) == length && strncasecmp(s->columns[i].name, name, length) == 0)
                        return &s->columns[i];
        return NULL;
}
