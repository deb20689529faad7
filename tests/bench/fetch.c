/* What reading and encoding alone take: pinfeed's rows without Kafka. Prints how many there were and their bytes; with
 * AFTER the rows above that key instead, each as its key, a tab and the record's value. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pinfeed/json.h"
#include "pinfeed/limits.h"
#include "pinfeed/table.h"

static void die(const struct error *e) {
        fprintf(stderr, "fetch: %s\n", e->what);
        exit(1);
}

static void print_rows(struct table_reader *reader, const struct json_plan *plan, bool show) {
        _cleanup_buffer_ struct buffer json = {};
        uint64_t rows = 0, bytes = 0;
        enum table_next next;
        struct error e;
        struct row row;
        struct key key;

        while ((next = table_next(reader, &row, &key, &e)) == TABLE_ROW) {
                json.length = 0;
                json_encode_row(plan, &row, &json);
                rows++;
                bytes += json.length;
                if (show)
                        printf("%.*s\t%s\n", (int) key.length, key.data, buffer_string(&json));
        }
        if (next == TABLE_FAILED)
                die(&e);
        if (!show)
                printf("%" PRIu64 " %" PRIu64 "\n", rows, bytes);
}

int main(int argc, char **argv) {
        struct table_login login = { .host = "127.0.0.1", .timeout_ms = LIMIT_DATABASE_MS };
        struct table_spec spec = {};
        struct table_reader *reader;
        struct json_plan *plan;
        struct database *db;
        struct table *table;
        struct key after;
        struct error e;

        if (argc < 7 || argc > 8) {
                fputs("usage: fetch PORT USER PASSWORD-FILE DATABASE TABLE KEY [AFTER]\n", stderr);
                return 2;
        }
        login.port = (unsigned) atoi(argv[1]);
        login.user = argv[2];
        login.password_file = argv[3];
        login.database = argv[4];
        spec.name = argv[5];
        spec.key = argv[6];
        if (argc == 8)
                after = (struct key) { argv[7], strlen(argv[7]) };
        if (database_open(&login, &db, &e) < 0 || table_describe(db, &spec, &table, &e) < 0
            || table_read(db, table, argc == 8 ? &after : NULL, false, NULL, 0, &reader, &e) < 0)
                die(&e);
        plan = json_plan_new(table_facts(table)->columns, table_facts(table)->column_count);
        print_rows(reader, plan, argc == 8);
        table_reader_close(reader);
        json_plan_free(plan);
        table_free(table);
        database_close(db);
        return fflush(stdout) == 0 ? 0 : 1;
}
