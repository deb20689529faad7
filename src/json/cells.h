/* The json room's own: one writer for each kind of cell. None of them fails. */
#ifndef JSON_CELLS_H
#define JSON_CELLS_H

#include "pinfeed/base.h"

/* Like buffer_reserve, without a call when there is room. */
static inline char *json_room(struct buffer *out, size_t more) {
        return out->capacity - out->length >= more ? out->data + out->length : buffer_reserve(out, more);
}

/* Room for so many bytes of text: each may need six (\u001f), and whole blocks are written behind the last. */
#define JSON_TEXT_ROOM(length) ((length) * 6 + 32)

/* Writes the characters that begin before `stop`, without quotes, into that much room; the last may reach beyond it, up
 * to `end`. Moves `from`; returns where to go on. */
char *json_write_text(char *to, const char **from, const char *stop, const char *end);

/* What comes out for anything that isn't a number in the server's own notation is a string: never broken JSON. */
void json_write_number(const char *cell, size_t length, bool with_fraction, struct buffer *out);
/* BIT(n): up to eight bytes, big-endian. */
void json_write_bits(const char *cell, size_t length, struct buffer *out);
/* Base64 with padding (RFC 4648), quoted. */
void json_write_bytes(const char *cell, size_t length, struct buffer *out);

#endif
