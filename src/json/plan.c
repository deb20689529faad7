#include "pinfeed/json.h"

#include <string.h>

#include "cells.h"

enum {
        PREFIX_BLOCK = 32,      /* a prefix is copied in one piece of this size, if it fits */
        SHORT_TEXT = 4096,
};

struct step {
        enum column_kind kind;
        bool is_text;           /* then its prefix ends in the opening quote */
        uint32_t prefix_start, prefix_length;   /* in json_plan.prefixes */
};

struct json_plan {
        struct buffer prefixes;         /* {"index": ,"title":" … one behind the other, and a block's worth of zeros */
        size_t count, most_bytes;
        struct step steps[];
};

struct json_plan *json_plan_new(const struct column *columns, size_t count) {
        struct json_plan *plan = mem_zero(1, sizeof *plan + count * sizeof *plan->steps);

        plan->count = count;
        plan->most_bytes = SIZE_MAX;
        for (size_t i = 0; i < count; i++) {
                bool is_text = columns[i].kind == COLUMN_TEXT || columns[i].kind == COLUMN_DATETIME;
                size_t start = plan->prefixes.length;

                buffer_append(&plan->prefixes, i == 0 ? "{" : ",", 1);
                json_encode_text(columns[i].name, strlen(columns[i].name), &plan->prefixes);
                buffer_append(&plan->prefixes, ":\"", is_text ? 2 : 1);
                plan->steps[i] = (struct step) {
                        .kind = columns[i].kind,
                        .is_text = is_text,
                        .prefix_start = (uint32_t) start,
                        .prefix_length = (uint32_t) (plan->prefixes.length - start),
                };
        }
        buffer_append(&plan->prefixes, (const char[PREFIX_BLOCK]) {}, PREFIX_BLOCK);
        return plan;
}

void json_plan_limit(struct json_plan *plan, size_t most_bytes) {
        plan->most_bytes = most_bytes;
}

void json_plan_free(struct json_plan *plan) {
        if (plan)
                buffer_free(&plan->prefixes);
        free(plan);
}

/* `to` has room for the prefix and a block. */
static inline char *write_prefix(const struct json_plan *plan, const struct step *step, char *to) {
        const char *prefix = plan->prefixes.data + step->prefix_start;

        if (step->prefix_length <= PREFIX_BLOCK)
                memcpy(to, prefix, PREFIX_BLOCK);
        else
                memcpy(to, prefix, step->prefix_length);
        return to + step->prefix_length;
}

static inline void encode_short_text(const struct json_plan *plan, const struct step *step, const char *cell,
                                     size_t length, struct buffer *out) {
        char *to = json_room(out, step->prefix_length + PREFIX_BLOCK + JSON_TEXT_ROOM(length) + 1);

        to = write_prefix(plan, step, to);
        to = json_write_text(to, &cell, cell + length, cell + length);
        *to++ = '"';
        out->length = (size_t) (to - out->data);
}

static void encode_null(const struct json_plan *plan, const struct step *step, struct buffer *out) {
        char *to = write_prefix(plan, step, json_room(out, step->prefix_length + PREFIX_BLOCK)) - step->is_text;

        memcpy(to, "null", 4);
        out->length = (size_t) (to + 4 - out->data);
}

static void encode_cell(const struct json_plan *plan, const struct step *step, const char *cell, size_t length,
                        struct buffer *out) {
        char *to = write_prefix(plan, step, json_room(out, step->prefix_length + PREFIX_BLOCK)) - step->is_text;

        out->length = (size_t) (to - out->data);
        switch (step->kind) {
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
        size_t start = out->length;

        if (plan->count == 0)
                buffer_append(out, "{", 1);
        for (size_t i = 0; i < plan->count; i++) {
                const struct step *step = &plan->steps[i];

                if (!row->cells[i])
                        encode_null(plan, step, out);
                else if (step->is_text && row->lengths[i] <= SHORT_TEXT)
                        encode_short_text(plan, step, row->cells[i], row->lengths[i], out);
                else {
                        encode_cell(plan, step, row->cells[i], row->lengths[i], out);
                        if (out->length - start > plan->most_bytes)
                                return;
                }
        }
        buffer_append(out, "}", 1);
}
