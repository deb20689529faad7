#include <string.h>

#include "room.h"

/* ---- rows ---- */

/* TABLE_ROW and a row, or TABLE_END. */
static int fetch(struct table_reader *r, MYSQL_ROW *ret, struct error *e) {
        if (r->at_end)
                return TABLE_END;
        database_tick(r->db);
        *ret = mysql_fetch_row(r->result);
        database_tick(r->db);
        if (__builtin_expect(*ret != NULL, 1))
                return TABLE_ROW;
        if (mysql_errno(r->db->mysql) != 0) {
                database_error(r->db, e, "read rows");
                r->at_end = !r->db->broken;             /* the server's refusal comes in place of the end */
                return r->table ? error_prefix(e, "table %s: ", r->table->name) : -1;
        }
        r->at_end = true;
        return TABLE_END;
}

int answer_next(struct table_reader *r, MYSQL_ROW *ret, struct error *e) {
        unsigned count = mysql_num_fields(r->result);
        int x = fetch(r, ret, e);

        for (unsigned i = 0; x == TABLE_ROW && i < count; i++) {
                size_t length = mysql_fetch_lengths(r->result)[i] + sizeof(char *);

                if (length > r->small_bytes)
                        return database_refuse(r->db, e, "a description without an end");
                r->small_bytes -= length;
        }
        return x;
}

/* ---- single values ---- */

/* The first cell of the first row into `ret`; TABLE_END if there is no row. */
static int read_value(struct database *db, const struct table *t, struct buffer *ret, struct error *e) {
        struct table_reader *reader;
        MYSQL_ROW row;
        int r;

        if (database_ask(db, 1, &reader, e, "read table %s", t->name) < 0)
                return -1;
        ret->length = 0;
        r = answer_next(reader, &row, e);
        if (r == TABLE_ROW) {
                if (row[0])
                        buffer_append(ret, row[0], mysql_fetch_lengths(reader->result)[0]);
                while ((r = answer_next(reader, &row, e)) == TABLE_ROW)
                        ;               /* there is but one */
                r = r < 0 ? -1 : TABLE_ROW;
        }
        table_reader_close(reader);
        return r;
}

/* A ZEROFILL integer's zeros are for the eye. */
static inline struct key strip_zeros(struct key key) {
        while (key.length > 1 && *key.data == '0') {
                key.data++;
                key.length--;
        }
        return key;
}

static struct key key_in(struct buffer *b, const struct table *t) {
        struct key key = { buffer_string(b), b->length };

        return t->key_zerofill ? strip_zeros(key) : key;
}

enum table_bounds table_key_bounds(struct database *db, const struct table *t, struct key *ret_least,
                                   struct key *ret_greatest, struct error *e) {
        for (int greatest = 0; greatest < 2; greatest++) {
                int r;

                query_bound(&db->sql, t, greatest);
                r = read_value(db, t, &db->bounds[greatest], e);
                if (r != TABLE_ROW)
                        return r == TABLE_END ? TABLE_EMPTY : TABLE_BOUNDS_FAILED;
        }
        *ret_least = key_in(&db->bounds[0], t);
        *ret_greatest = key_in(&db->bounds[1], t);
        return TABLE_BOUNDS;
}

int table_count(struct database *db, const struct table *t, const struct key *after, bool from_inclusive,
                const struct key *to, uint64_t *ret, struct error *e) {
        if (query_count(&db->sql, t, &(struct range) { after, to, from_inclusive }, e) < 0) {
                db->sql.length = 0;
                return -1;
        }
        if (read_value(db, t, &db->bounds[0], e) < 0)
                return -1;
        *ret = strtoull(buffer_string(&db->bounds[0]), NULL, 10);
        return 0;
}

enum table_null_keys table_has_null_keys(struct database *db, const struct table *t, struct error *e) {
        int r;

        if (!t->facts.key_nullable)
                return TABLE_NO_NULL_KEYS;
        query_null_keys(&db->sql, t);
        r = read_value(db, t, &db->bounds[0], e);
        return r < 0 ? TABLE_NULL_KEYS_FAILED : r == TABLE_ROW ? TABLE_NULL_KEYS : TABLE_NO_NULL_KEYS;
}

int table_longest_key(struct database *db, const struct table *t, size_t *ret, struct error *e) {
        int r;

        query_longest_key(&db->sql, t);
        r = read_value(db, t, &db->bounds[0], e);
        if (r < 0)
                return -1;
        *ret = r == TABLE_ROW ? strtoull(buffer_string(&db->bounds[0]), NULL, 10) : 0;
        return 0;
}

/* ---- streams ---- */

/* Runs db->sql, unless building it failed. */
static int start_reader(struct database *db, const struct table *t, int built, size_t cells, unsigned key_cell,
                        struct table_reader **ret, struct error *e) {
        if (built < 0) {
                db->sql.length = 0;
                return -1;
        }
        if (database_ask(db, cells, ret, e, "read table %s", t->name) < 0)
                return -1;
        (*ret)->key_cell = key_cell;
        (*ret)->strip_zeros = t->key_zerofill;
        (*ret)->table = t;
        return 0;
}

size_t table_cells(const struct table *t) {
        return t->facts.column_count + (t->facts.key_column == SIZE_MAX);
}

static unsigned key_cell(const struct table *t) {
        return (unsigned) (t->facts.key_column == SIZE_MAX ? t->facts.column_count : t->facts.key_column);
}

int table_read(struct database *db, const struct table *t, const struct key *after, bool from_inclusive,
               const struct key *to, uint64_t limit, struct table_reader **ret, struct error *e) {
        struct range range = { after, to, from_inclusive };

        return start_reader(db, t, query_read(&db->sql, t, &range, limit, e), table_cells(t), key_cell(t), ret, e);
}

int table_read_ranges(struct database *db, const struct table *t, const struct table_range *ranges, size_t count,
                      uint64_t limit, struct table_reader **ret, struct error *e) {
        return start_reader(db, t, query_ranges(&db->sql, t, ranges, count, limit), table_cells(t), key_cell(t), ret, e);
}

int table_fetch(struct database *db, const struct table *t, const struct key *keys, size_t count,
                struct table_reader **ret, struct error *e) {
        return start_reader(db, t, query_fetch(&db->sql, t, keys, count, e), table_cells(t), key_cell(t), ret, e);
}

int table_common_keys(struct database *db, struct table *const *tables, size_t count, uint64_t limit,
                      struct table_reader **ret, struct error *e) {
        const struct table *first = tables[0];
        int built = query_common_keys(&db->sql, tables, count, limit, &first, e);

        return start_reader(db, first, built, 1, 0, ret, e);
}

enum table_next table_next(struct table_reader *r, struct row *ret_row, struct key *ret_key, struct error *e) {
        unsigned long *lengths;
        MYSQL_ROW cells;
        int x = fetch(r, &cells, e);

        if (__builtin_expect(x != TABLE_ROW, 0))
                return x;
        if (!cells[r->key_cell])
                return database_refuse(r->db, e, "a row of table %s without a key", r->table->name);
        lengths = mysql_fetch_lengths(r->result);
        *ret_row = (struct row) { (const char *const *) cells, lengths };
        *ret_key = (struct key) { cells[r->key_cell], lengths[r->key_cell] };
        if (r->strip_zeros)
                *ret_key = strip_zeros(*ret_key);
        return TABLE_ROW;
}
