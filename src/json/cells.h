/* The json room's own: one writer for each kind of cell. Each appends to `out` and never fails. */
#ifndef JSON_CELLS_H
#define JSON_CELLS_H

#include "pinfeed/base.h"

/* What comes out for anything that isn't a number in the server's own notation is a string: never broken JSON. */
void json_write_number(const char *cell, size_t length, bool with_fraction, struct buffer *out);
/* BIT(n): up to eight bytes, big-endian. */
void json_write_bits(const char *cell, size_t length, struct buffer *out);
/* Base64 with padding (RFC 4648), quoted. */
void json_write_bytes(const char *cell, size_t length, struct buffer *out);

#endif
