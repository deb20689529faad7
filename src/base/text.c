#include "pinfeed/base.h"

#include <stdio.h>
#include <string.h>

/* One character, however ill-formed; *ret_bytes of it are taken. 0: a blank, -1: nothing that can be shown. */
static int look_at(const char *s, const char *end, size_t *ret_bytes) {
        const unsigned char *c = (const unsigned char *) s;
        size_t bad;

        *ret_bytes = 1;
        if (*c < 0x80)
                return *c > ' ' && *c != 0x7f;
        /* C1 controls (U+0080 to U+009F) are obeyed by terminals instead of shown. */
        if (!text_sequence(c, (const unsigned char *) end, &bad) || (*c == 0xc2 && c[1] < 0xa0))
                return -1;
        *ret_bytes = text_sequence(c, (const unsigned char *) end, &bad);
        return 1;
}

void text_flatten(const char *s, char *ret, size_t size) {
        const char *end = s + strlen(s);
        size_t n = 0, bytes;
        bool gap = false;

        for (; s < end; s += bytes) {
                int shown = look_at(s, end, &bytes);

                if (shown != 0 && n + gap + bytes >= size)
                        break;
                if (shown != 0 && gap)
                        ret[n++] = ' ';
                if (shown < 0)
                        ret[n++] = '?';
                for (size_t i = 0; shown > 0 && i < bytes; i++)
                        ret[n++] = s[i];
                gap = shown == 0 && n > 0;
        }
        ret[n] = 0;
}

/* ---- hexadecimal and base64 ---- */

void text_hex(const void *bytes, size_t length, const char *digits, struct buffer *out) {
        const unsigned char *from = bytes;
        char *to = buffer_reserve(out, 2 * length + 1);

        for (size_t i = 0; i < length; i++) {
                *to++ = digits[from[i] >> 4];
                *to++ = digits[from[i] & 15];
        }
        out->length += 2 * length;
}

int text_unhex(const char two[static 2], const char *digits) {
        const char *high = memchr(digits, two[0], 16), *low = memchr(digits, two[1], 16);

        return high && low ? (int) ((high - digits) << 4 | (low - digits)) : -1;
}

void text_base64(const void *bytes, size_t length, const char *digits, struct buffer *out) {
        const unsigned char *from = bytes;
        char *to = buffer_reserve(out, (length + 2) / 3 * 4 + 1);

        for (; length >= 3; length -= 3, from += 3) {
                *to++ = digits[from[0] >> 2];
                *to++ = digits[(from[0] & 3) << 4 | from[1] >> 4];
                *to++ = digits[(from[1] & 15) << 2 | from[2] >> 6];
                *to++ = digits[from[2] & 63];
        }
        if (length > 0) {
                unsigned second = length > 1 ? from[1] : 0;

                *to++ = digits[from[0] >> 2];
                *to++ = digits[(from[0] & 3) << 4 | second >> 4];
                if (length > 1)
                        *to++ = digits[(second & 15) << 2];
                for (; digits[64] && length < 3; length++)
                        *to++ = digits[64];
        }
        out->length = (size_t) (to - out->data);
}

/* ---- numbers ---- */

const char *text_count(uint64_t count, char ret[static 32]) {
        char digits[32];
        size_t length = (size_t) snprintf(digits, sizeof digits, "%llu", (unsigned long long) count), n = 0;

        for (size_t i = 0; i < length; i++) {
                if (i && (length - i) % 3 == 0)
                        ret[n++] = ',';
                ret[n++] = digits[i];
        }
        ret[n] = 0;
        return ret;
}

const char *text_bytes(uint64_t bytes, char ret[static 32]) {
        static const char *const units[] = { "kB", "MB", "GB", "TB", "PB", "EB" };
        double value = (double) bytes / 1000;
        size_t unit = 0;

        for (; value >= 999.95 && unit + 1 < sizeof units / sizeof *units; unit++)
                value /= 1000;
        if (bytes < 1000)
                snprintf(ret, 32, "%llu B", (unsigned long long) bytes);
        else
                snprintf(ret, 32, "%.1f %s", value, units[unit]);
        return ret;
}

/* ---- hashes ---- */

void hash_add(struct hash *h, const void *bytes, size_t length) {
        const unsigned char *from = bytes;

        for (size_t i = 0; i < length; i++)
                h->state = (h->state ^ from[i]) * h->prime;
}
