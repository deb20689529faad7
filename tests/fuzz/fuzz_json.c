/* Whatever bytes come in, what comes out is one JSON string that another parser reads, and for text that is UTF-8 it
 * reads back the same. */
#include <jansson.h>
#include <string.h>

#include "pinfeed/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each kind of cell, with the same bytes. */
static void check_kinds(const char *bytes, size_t size) {
        struct buffer out = {};

        for (int kind = COLUMN_INTEGER; kind <= COLUMN_BIT; kind++) {
                struct column column = { .name = (char *) "c", .kind = (enum column_kind) kind };
                struct json_plan *plan = json_plan_new(&column, 1);
                json_error_t error;
                json_t *parsed;

                out.length = 0;
                json_encode_row(plan, &(struct row) { &bytes, &(unsigned long) { size } }, &out);
                parsed = json_loadb(out.data, out.length, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
                if (!json_is_object(parsed) && json_error_code(&error) != json_error_numeric_overflow)
                        abort();
                json_decref(parsed);
                json_plan_free(plan);
        }
        buffer_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct buffer out = {};
        json_t *parsed, *same;

        json_encode_text((const char *) data, size, &out);
        parsed = json_loadb(out.data, out.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        if (!json_is_string(parsed))
                abort();
        same = json_stringn((const char *) data, size);         /* NULL unless it is UTF-8 */
        if (same && !json_equal(parsed, same))
                abort();
        json_decref(same);
        json_decref(parsed);
        buffer_free(&out);
        check_kinds((const char *) data, size);
        return 0;
}
