#include "pinfeed/json.h"

#include <string.h>

#include "cells.h"

struct step {
        enum column_kind kind;
        uint32_t prefix_start, prefix_length;   /* in json_plan.prefixes */
};

struct json_plan {
        struct buffer prefixes;         /* {"index": ,"title": … one behind the other */
        size_t count;
        struct step steps[];
};

struct json_plan *json_plan_new(const struct column *columns, size_t count) {
        struct json_plan *plan = mem_zero(1, sizeof *plan + count * sizeof *plan->steps);

        plan->count = count;
        for (size_t i = 0; i < count; i++) {
                size_t start = plan->prefixes.length;

                buffer_append(&plan->prefixes, i == 0 ? "{" : ",", 1);
                json_encode_text(columns[i].name, strlen(columns[i].name), &plan->prefixes);
                buffer_append(&plan->prefixes, ":", 1);
                plan->steps[i] = (struct step) {
                        .kind = columns[i].kind,
                        .prefix_start = (uint32_t) start,
                        .prefix_length = (uint32_t) (plan->prefixes.length - start),
                };
        }
        return plan;
}

void json_plan_free(struct json_plan *plan) {
        if (plan)
                buffer_free(&plan->prefixes);
        free(plan);
}

static inline void encode_cell(enum column_kind kind, const char *cell, size_t length, struct buffer *out) {
        switch (kind) {
        case COLUMN_INTEGER:
        case COLUMN_DECIMAL:
                json_write_number(cell, length, false, out);
                break;
        case COLUMN_FLOAT:
                json_write_number(cell, length, true, out);
                break;
        case COLUMN_TEXT:
        case COLUMN_DATETIME:
                json_encode_text(cell, length, out);
                break;
        case COLUMN_BYTES:
                json_write_bytes(cell, length, out);
                break;
        case COLUMN_BIT:
                json_write_bits(cell, length, out);
                break;
        }
}

void json_encode_row(const struct json_plan *plan, const struct row *row, struct buffer *out) {
        if (plan->count == 0)
                buffer_append(out, "{", 1);
        for (size_t i = 0; i < plan->count; i++) {
                const struct step *step = &plan->steps[i];

                buffer_append(out, plan->prefixes.data + step->prefix_start, step->prefix_length);
                if (row->cells[i])
                        encode_cell(step->kind, row->cells[i], row->lengths[i], out);
                else
                        buffer_append(out, "null", 4);
        }
        buffer_append(out, "}", 1);
}
