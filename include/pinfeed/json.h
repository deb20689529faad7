/* json: a row -> one JSON object.
 *
 * A plan is compiled once per table: every name is escaped beforehand, every column's kind is looked up once.
 * Encoding writes into a buffer that the caller reuses, and allocates nothing once that buffer has grown.
 */
#ifndef PINFEED_JSON_H
#define PINFEED_JSON_H

#include "base.h"

struct json_plan;

/* `columns` in the order in which they appear in the object; copied. Never fails. Freed with json_plan_free. */
struct json_plan *json_plan_new(const struct column *columns, size_t count);
void json_plan_free(struct json_plan *plan);

/* Encoding stops once a row's object is longer than this, and leaves it cut: for a caller to whom such a row is too large
 * anyway. No limit until then. */
void json_plan_limit(struct json_plan *plan, size_t most_bytes);

/* Appends the row as one object without white space: {"index":1,"title":"…"}. Text comes out as valid UTF-8
 * (RFC 8259), whatever came in: a byte sequence that isn't UTF-8 becomes U+FFFD. */
void json_encode_row(const struct json_plan *plan, const struct row *row, struct buffer *out);

/* Appends one JSON string, with its quotes. */
void json_encode_text(const char *text, size_t length, struct buffer *out);

#endif
