#include "cells.h"

#include <inttypes.h>
#include <string.h>

#include "pinfeed/json.h"

static size_t count_digits(const char *s, const char *end) {
        const char *p = s;

        while (p < end && (unsigned char) (*p - '0') < 10)
                p++;
        return (size_t) (p - s);
}

/* Whether `s` continues a number's digits in RFC 8259's grammar: a fraction, an exponent, both or neither. */
static bool is_rest_of_number(const char *s, const char *end, bool *ret_plain) {
        size_t n;

        *ret_plain = s == end;
        if (s < end && *s == '.') {
                n = count_digits(s + 1, end);
                if (n == 0)
                        return false;
                s += 1 + n;
        }
        if (s < end && (*s == 'e' || *s == 'E')) {
                s++;
                if (s < end && (*s == '+' || *s == '-'))
                        s++;
                n = count_digits(s, end);
                if (n == 0)
                        return false;
                s += n;
        }
        return s == end;
}

void json_write_number(const char *cell, size_t length, bool with_fraction, struct buffer *out) {
        const char *end = cell + length, *digits = cell;
        bool negative = length > 0 && *cell == '-', plain;
        size_t n;
        char *to;

        digits += negative;
        n = count_digits(digits, end);
        if (n == 0 || !is_rest_of_number(digits + n, end, &plain)) {
                json_encode_text(cell, length, out);
                return;
        }
        while (n > 1 && *digits == '0') {       /* ZEROFILL */
                digits++;
                n--;
        }
        to = json_room(out, length + 3);
        if (negative)
                *to++ = '-';
        memcpy(to, digits, (size_t) (end - digits));
        to += end - digits;
        if (with_fraction && plain) {
                memcpy(to, ".0", 2);
                to += 2;
        }
        out->length = (size_t) (to - out->data);
}

void json_write_bits(const char *cell, size_t length, struct buffer *out) {
        uint64_t value = 0;

        for (size_t i = 0; i < length; i++)
                value = value << 8 | (unsigned char) cell[i];
        buffer_printf(out, "%" PRIu64, value);
}

void json_write_bytes(const char *cell, size_t length, struct buffer *out) {
        buffer_append(out, "\"", 1);
        text_base64(cell, length, TEXT_BASE64, out);
        buffer_append(out, "\"", 1);
}
