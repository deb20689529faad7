#include <stdio.h>
#include <string.h>

#include "room.h"

/* ---- columns ---- */

static int refuse_column(const struct table *t, const struct server_table *s, const char *setting, const char *name,
                         size_t length, struct error *e) {
        _cleanup_buffer_ struct buffer names = {};

        for (size_t i = 0; i < s->column_count && names.length < 700; i++)
                buffer_printf(&names, "%s%s", i ? ", " : "", s->columns[i].name);
        error_set(e, ERROR_REFUSED, "table %s has no column '%.*s'", t->name, (int) length, name);
        return error_hint(e, "Check %s %s. The table has the columns %s.", t->section, setting, buffer_string(&names));
}

static void add_column(struct table *t, const struct server_column *from) {
        struct column *to;

        t->columns = mem_resize(t->columns, (t->facts.column_count + 1) * sizeof *t->columns);
        to = &t->columns[t->facts.column_count++];
        *to = (struct column) {
                .name = mem_copy_string(from->name),
                .kind = type_find(from->type)->kind,
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
                if (length > 2 && *name == '`' && name[length - 1] == '`') {   /* as one would write it in SQL */
                        name++;
                        length -= 2;
                }
                column = catalog_column(s, name, length);
                if (!column)
                        return refuse_column(t, s, "columns", name, length, e);
                if (has_column(t, column->name))
                        return error_set(e, ERROR_REFUSED, "%s columns names column %s of table %s twice", t->section,
                                         column->name, t->name);
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

/* Whether a type has no limit worth the name. */
static bool is_endless(const char *type) {
        static const char *const words[] = { "mediumtext", "longtext", "json", "mediumblob", "longblob" };

        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
                if (strcmp(type_find(type)->word, words[i]) == 0)
                        return true;
        return false;
}

/* One such cell must not fill the memory; what is cut is still too long to be sent. */
static void select_column(struct buffer *list, const struct server_table *s, const char *name, size_t most_bytes) {
        const struct server_column *column = catalog_column(s, name, strlen(name));
        bool cut = most_bytes > 0 && column && is_endless(column->type);

        buffer_append_string(list, cut ? "LEFT(" : "");
        query_identifier(list, name);
        if (cut)
                buffer_printf(list, ", %zu)", most_bytes + 1);
}

static void build_select_list(struct table *t, const struct server_table *s, const struct table_spec *spec,
                              const char *key) {
        _cleanup_buffer_ struct buffer list = {};

        t->facts.key_column = SIZE_MAX;
        for (size_t i = 0; i < t->facts.column_count; i++) {
                buffer_append_string(&list, i ? "," : "");
                if (strcmp(t->columns[i].name, key) == 0)
                        t->facts.key_column = i;
                select_column(&list, s, t->columns[i].name, t->facts.key_column == i ? 0 : spec->cell_max_bytes);
        }
        if (t->facts.key_column == SIZE_MAX)
                buffer_printf(&list, "%s%s", list.length ? "," : "", t->quoted_key);
        t->select_list = mem_copy_string(buffer_string(&list));
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

/* The server is the one that the settings name, host and port as they stand there (a host without regard to case). What a
 * server says about itself is no better: server_uuid is MySQL's alone, and changes when a replica takes over or a snapshot
 * is restored, which goes on under the same name and is the same data. */
static void take_fingerprint(const struct database *db, struct table *t, const struct server_table *s,
                             const struct table_spec *spec) {
        _cleanup_free_ char *host = mem_copy_string(db->place);
        struct fingerprint f;

        fingerprint_begin(&f);
        fingerprint_add(&f, spec->name);
        fingerprint_add(&f, t->quoted_key);         /* as the server spells it */
        fingerprint_add(&f, spec->where);
        fingerprint_add(&f, t->key_as_bytes ? "as bytes" : t->collation);
        for (size_t i = 0; i < t->facts.column_count; i++) {
                fingerprint_add(&f, t->columns[i].name);
                add_type(&f, catalog_column(s, t->columns[i].name, strlen(t->columns[i].name))->type);
        }
        fingerprint_end(&f, t->facts.former_fingerprint);
        for (char *p = host; *p && !db->login.socket; p++)
                *p = *p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p;
        fingerprint_add(&f, host);
        fingerprint_add(&f, db->login.database);
        fingerprint_end(&f, t->facts.fingerprint);
}

/* Lets the server read the query without running it: rights on the columns, and the user's condition. That stands as
 * one argument of three: what is no whole expression ("1) OR (1") is an error here and can't undo the bounds later. */
static int try_query(struct database *db, const struct table *t, struct error *e) {
        struct table_reader *reader;
        MYSQL_ROW row;
        int r;

        buffer_printf(&db->sql, "SELECT %s FROM %s", t->select_list, t->quoted_name);
        if (t->where)
                buffer_printf(&db->sql, " WHERE IF(%s\n, TRUE, FALSE)", t->where);
        buffer_append_string(&db->sql, " LIMIT 0");
        if (database_ask(db, table_cells(t), &reader, e, "read table %s%s%s", t->name, t->where ? " where " : "",
                         t->where ? t->where : "") == 0) {
                while ((r = answer_next(reader, &row, e)) == TABLE_ROW)
                        ;
                table_reader_close(reader);
                return r == TABLE_END ? 0 : -1;
        }
        if (t->where && e->class == ERROR_FAILED && !db->broken) {     /* such as an unknown function */
                e->class = ERROR_REFUSED;
                error_hint(e, "Check %s where.", t->section);
        }
        return -1;
}

static char *quote(const char *name) {
        struct buffer b = {};

        query_identifier(&b, name);
        return (char *) buffer_string(&b);
}

static int describe(struct database *db, const struct table_spec *spec, struct server_table *s, struct table *t,
                    struct error *e) {
        const struct server_column *key;

        if (catalog_read(db, spec->name, s, e) < 0)
                return -1;
        key = catalog_column(s, spec->key, strlen(spec->key));
        if (!key)
                return refuse_column(t, s, "key", spec->key, strlen(spec->key), e);
        t->quoted_name = quote(spec->name);
        t->quoted_key = quote(key->name);
        t->where = spec->where && *spec->where ? mem_copy_string(spec->where) : NULL;
        if (choose_columns(t, s, spec, e) < 0 || table_choose_key(t, key, e) < 0)
                return -1;
        build_select_list(t, s, spec, key->name);
        table_choose_order(t, s, key);
        take_fingerprint(db, t, s, spec);
        t->facts.columns = t->columns;
        return try_query(db, t, e);
}

int table_describe(struct database *db, const struct table_spec *spec, struct table **ret, struct error *e) {
        struct server_table s = {};
        struct table *t = mem_zero(1, sizeof *t);
        int r;

        t->name = mem_copy_string(spec->name);
        t->section = spec->stream ? mem_format("[stream %s]", spec->stream) : mem_copy_string("[stream]");
        db->table = t;
        r = describe(db, spec, &s, t, e);
        db->table = NULL;
        catalog_free(&s);
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
        free(t->section);
        free(t->quoted_name);
        free(t->quoted_key);
        free(t->select_list);
        free(t->order_by);
        free(t->force_index);
        free(t->where);
        free(t->collation);
        free(t);
}
