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
static const char *cell(struct table_reader *r, MYSQL_ROW row, const char *name) {
        unsigned count = mysql_num_fields(r->result);
        MYSQL_FIELD *fields = mysql_fetch_fields(r->result);

        for (unsigned i = 0; i < count; i++)
                if (fields[i].name && strcasecmp(fields[i].name, name) == 0)
                        return row[i];
        return NULL;
}

bool catalog_says(const char *text, const char *word) {
        return text && strcasestr(text, word);
}

static void list_tables(struct database *db, struct error *e) {
        _cleanup_buffer_ struct buffer names = {};
        struct table_reader *reader;
        struct error ignored;
        MYSQL_ROW row;
        bool more = false;

        buffer_append_string(&db->sql, "SHOW TABLES");
        if (database_ask(db, 1, &reader, &ignored, "list the tables") < 0)
                return;
        while (answer_next(reader, &row, &ignored) == TABLE_ROW) {
                more = names.length >= 600;
                if (!more && row[0])
                        buffer_printf(&names, "%s%.100s", names.length ? ", " : "", row[0]);
        }
        table_reader_close(reader);
        if (names.length > 0)
                error_hint(e, "Database %s has the tables %s%s. Check %s table ('%s') and [mysql] database.", db->login.database,
                           buffer_string(&names), more ? ", …" : "", db->table->section, db->table->name);
        else
                error_hint(e, "Database %s has no table that account %s may see. Check [mysql] database, and the account's "
                           "rights.", db->login.database, db->login.user);
}

static int add_column(struct server_table *s, struct table_reader *r, MYSQL_ROW row, struct error *e) {
        const char *name = cell(r, row, "Field"), *type = cell(r, row, "Type"), *collation = cell(r, row, "Collation");

        if (!name || !type)
                return database_refuse(r->db, e, "a column without a name or a type");
        s->columns = mem_resize(s->columns, (s->column_count + 1) * sizeof *s->columns);
        s->columns[s->column_count++] = (struct server_column) {
                .name = mem_copy_string(name),
                .type = mem_copy_string(type),
                .collation = collation ? mem_copy_string(collation) : NULL,
                .nullable = catalog_says(cell(r, row, "Null"), "YES"),
                .invisible = catalog_says(cell(r, row, "Extra"), "INVISIBLE"),
        };
        return 0;
}

/* Reads the answer to db->sql, a row at a time. */
static int read_answer(struct database *db, struct server_table *s, struct error *e, const char *doing,
                       int (*add)(struct server_table *s, struct table_reader *r, MYSQL_ROW row, struct error *e)) {
        struct table_reader *reader;
        MYSQL_ROW row;
        int r;

        if (database_ask(db, 0, &reader, e, "%s", doing) < 0)
                return -1;
        while ((r = answer_next(reader, &row, e)) == TABLE_ROW)
                if (add(s, reader, row, e) < 0)
                        break;
        table_reader_close(reader);
        return r == TABLE_END ? 0 : -1;
}

static int read_columns(struct database *db, const char *table, struct server_table *s, struct error *e) {
        _cleanup_free_ char *doing = mem_format("read table %.128s", table);

        buffer_append_string(&db->sql, "SHOW FULL COLUMNS FROM ");
        query_identifier(&db->sql, table);
        if (read_answer(db, s, e, doing, add_column) == 0)
                return 0;
        if (!db->broken && mysql_errno(db->mysql) == ER_NO_SUCH_TABLE)
                list_tables(db, e);
        return -1;
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
static int add_index_column(struct server_table *s, struct table_reader *r, MYSQL_ROW row, struct error *e) {
        const char *name = cell(r, row, "Key_name"), *column = cell(r, row, "Column_name"), *type = cell(r, row, "Index_type");
        bool whole = column && !cell(r, row, "Sub_part") && !catalog_says(cell(r, row, "Collation"), "D");
        struct server_index *index;

        if (!name)
                return database_refuse(r->db, e, "an index without a name");
        index = index_named(s, name);
        index->unique = catalog_says(cell(r, row, "Non_unique"), "0");
        if (!catalog_says(type, "BTREE") || catalog_says(cell(r, row, "Visible"), "NO") || catalog_says(cell(r, row, "Ignored"), "YES"))
                index->usable = false;
        if (index->count++ == 0 && column && !cell(r, row, "Sub_part")) {
                const char *cardinality = cell(r, row, "Cardinality");

                index->first = mem_copy_string(column);
                index->cardinality = cardinality ? strtoull(cardinality, NULL, 10) : 0;
        }
        index->whole = index->whole && whole;
        if (column) {
                buffer_append_string(&index->columns, index->columns.length ? ", " : "");
                query_identifier(&index->columns, column);
        }
        return 0;
}

/* A view answers with nothing: it works, as a table without an index. */
static int read_indexes(struct database *db, const char *table, struct server_table *s, struct error *e) {
        _cleanup_free_ char *doing = mem_format("read the indexes of table %.128s", table);

        buffer_append_string(&db->sql, "SHOW INDEX FROM ");
        query_identifier(&db->sql, table);
        return read_answer(db, s, e, doing, add_index_column);
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
