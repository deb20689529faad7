#include <string.h>

#include "room.h"

/* ---- single values ---- */

/* The first cell of the first row into `ret`; returns 1 if there is no row. */
static int read_value(struct database *db, const struct table *t, struct buffer *ret, struct error *e) {
        MYSQL_RES *result;
        MYSQL_ROW row;

        if (database_query_small(db, &result, e, "read table %s", t->name) < 0)
                return -1;
        row = mysql_fetch_row(result);
        ret->length = 0;
        if (row && row[0])
                buffer_append(ret, row[0], mysql_fetch_lengths(result)[0]);
        mysql_free_result(result);
        return row ? 0 : 1;
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

int table_key_bounds(struct database *db, const struct table *t, struct key *ret_least, struct key *ret_greatest,
                     struct error *e) {
        for (int greatest = 0; greatest < 2; greatest++) {
                int r;

                query_bound(&db->sql, t, greatest);
                r = read_value(db, t, &db->bounds[greatest], e);
                if (r != 0)
                        return r;
        }
        *ret_least = key_in(&db->bounds[0], t);
        *ret_greatest = key_in(&db->bounds[1], t);
        return 0;
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

int table_has_null_keys(struct database *db, const struct table *t, struct error *e) {
        int r;

        if (!t->facts.key_nullable)
                return 0;
        query_null_keys(&db->sql, t);
        r = read_value(db, t, &db->bounds[0], e);
        return r < 0 ? -1 : r == 0;
}

int table_longest_key(struct database *db, const struct table *t, size_t *ret, struct error *e) {
        int r;

        query_longest_key(&db->sql, t);
        r = read_value(db, t, &db->bounds[0], e);
        if (r < 0)
                return -1;
        *ret = r == 0 ? strtoull(buffer_string(&db->bounds[0]), NULL, 10) : 0;
        return 0;
}

/* ---- streams ---- */

/* Runs db->sql, unless building it failed. */
static int start_reader(struct database *db, const struct table *t, int built, unsigned key_cell,
                        struct table_reader **ret, struct error *e) {
        struct table_reader *r = &db->reader;

        if (built < 0) {
                db->sql.length = 0;
                return -1;
        }
        if (database_query(db, e, "read table %s", t->name) < 0)
                return -1;
        *r = (struct table_reader) {
                .db = db,
                .result = mysql_use_result(db->mysql),
                .key_cell = key_cell,
                .strip_zeros = t->key_zerofill,
                .table = t->name,
        };
        if (!r->result)
                return database_error(db, e, "read rows");
        *ret = r;
        return 0;
}

static unsigned key_cell(const struct table *t) {
        return (unsigned) (t->facts.key_column == SIZE_MAX ? t->facts.column_count : t->facts.key_column);
}

int table_read(struct database *db, const struct table *t, const struct key *after, bool from_inclusive,
               const struct key *to, uint64_t limit, struct table_reader **ret, struct error *e) {
        struct range range = { after, to, from_inclusive };

        return start_reader(db, t, query_read(&db->sql, t, &range, limit, e), key_cell(t), ret, e);
}

int table_fetch(struct database *db, const struct table *t, const struct key *keys, size_t count,
                struct table_reader **ret, struct error *e) {
        return start_reader(db, t, query_fetch(&db->sql, t, keys, count, e), key_cell(t), ret, e);
}

int table_common_keys(struct database *db, struct table *const *tables, size_t count, uint64_t limit,
                      struct table_reader **ret, struct error *e) {
        const struct table *first = tables[0];
        int built = query_common_keys(&db->sql, tables, count, limit, &first, e);

        return start_reader(db, first, built, 0, ret, e);
}

int table_next(struct table_reader *r, struct row *ret_row, struct key *ret_key, struct error *e) {
        MYSQL_ROW cells;
        unsigned long *lengths;

        if (r->at_end)
                return 1;
        database_enter(r->db);
        cells = mysql_fetch_row(r->result);
        database_leave(r->db);
        if (__builtin_expect(!cells, 0)) {
                if (mysql_errno(r->db->mysql) != 0) {
                        database_error(r->db, e, "read rows");
                        return error_prefix(e, "table %s: ", r->table);
                }
                r->at_end = true;
                return 1;
        }
        lengths = mysql_fetch_lengths(r->result);
        *ret_row = (struct row) { (const char *const *) cells, lengths };
        *ret_key = (struct key) { cells[r->key_cell], lengths[r->key_cell] };
        if (r->strip_zeros)
                *ret_key = strip_zeros(*ret_key);
        return 0;
}

bool table_reader_close(struct table_reader *r) {
        struct database *db;

        if (!r || !r->result)
                return true;
        db = r->db;
        if (!r->at_end) {               /* freeing would read all that is still to come, else */
                socket_cut(db->socket);
                db->broken = true;
        }
        mysql_free_result(r->result);
        *r = (struct table_reader) {};
        return !db->broken;
}
