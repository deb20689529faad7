/* A query and the beginning of its answer. */
#include <stdio.h>

#include "room.h"

/* Of an answer that is read whole: the catalog of the largest table is smaller. */
enum { SMALL_BYTES = 8 << 20 };

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

/* Sends the query in db->sql and waits for the first of its answer. */
static int run_query(struct database *db, struct error *e, const char *doing) {
        size_t length = db->sql.length;
        int r;

        db->sql.length = 0;             /* the next query begins anew */
        if (login_stopped(&db->login))
                return error_stopped(e);
        if (db->broken)
                return error_set(e, ERROR_UNREACHABLE, "can't %s: the connection to MySQL at %s was closed", doing,
                                 db->place);
        if (db->reader.result)
                return error_set(e, ERROR_FAILED, "can't %s: another query of this connection is still being read", doing);
        database_tick(db);
        r = mysql_real_query(db->mysql, db->sql.data, length);
        database_tick(db);
        return r == 0 ? 0 : database_error(db, e, doing);
}

int database_query(struct database *db, struct error *e, const char *doing, ...) {
        char text[256];
        va_list ap;

        va_start(ap, doing);
        vsnprintf(text, sizeof text, doing, ap);
        va_end(ap);
        return run_query(db, e, text);
}

int database_refuse(struct database *db, struct error *e, const char *format, ...) {
        char text[256];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof text, format, ap);
        va_end(ap);
        socket_cut(db->socket);
        db->broken = true;
        return error_set(e, ERROR_FAILED, "MySQL at %s answers with %s: that is no answer of a MySQL server", db->place, text);
}

int database_ask(struct database *db, size_t cells, struct table_reader **ret, struct error *e, const char *doing, ...) {
        char text[256];
        va_list ap;

        va_start(ap, doing);
        vsnprintf(text, sizeof text, doing, ap);
        va_end(ap);
        if (run_query(db, e, text) < 0)
                return -1;
        db->reader = (struct table_reader) { .db = db, .result = mysql_use_result(db->mysql), .small_bytes = SMALL_BYTES };
        if (!db->reader.result)
                return mysql_errno(db->mysql) ? database_error(db, e, text) : database_refuse(db, e, "no rows");
        if (cells > 0 && mysql_num_fields(db->reader.result) != cells) {
                database_refuse(db, e, "%u columns instead of %zu", mysql_num_fields(db->reader.result), cells);
                table_reader_close(&db->reader);
                return -1;
        }
        *ret = &db->reader;
        return 0;
}
