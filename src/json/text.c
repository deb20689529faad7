#include "pinfeed/json.h"

#include <string.h>

enum {
        BLOCK = 16,             /* bytes looked at in one step */
        CHUNK = 4096,           /* bytes that memory is reserved for at once: a huge cell doesn't reserve six times */
        LONGEST_ESCAPE = 6,     /* \u001f */
        LONGEST_SEQUENCE = 4,   /* of UTF-8 */
};

typedef signed char block __attribute__((vector_size(BLOCK)));

/* Copies a block, wanted or not, and says whether nothing in it needs a closer look: no control character, no byte
 * above 0x7f (negative, so below a space as well), no quote and no backslash. */
static inline bool copy_if_plain(char *to, const char *from) {
        uint64_t halves[2];
        block bytes, special;

        memcpy(&bytes, from, BLOCK);
        memcpy(to, &bytes, BLOCK);
        special = (block) ((bytes < ' ') | (bytes == '"') | (bytes == '\\'));
        memcpy(halves, &special, sizeof halves);
        return (halves[0] | halves[1]) == 0;
}

static inline bool is_between(unsigned char c, unsigned char low, unsigned char high) {
        return (unsigned char) (c - low) <= (unsigned char) (high - low);
}

/* The well-formed sequence at `p`: its length, or 0 with `ret_bad` = how many bytes one U+FFFD stands for (the longest
 * start of a sequence, Unicode 3.9 D93b). Table 3-7 of the Unicode standard. */
static size_t sequence_length(const unsigned char *p, const unsigned char *end, size_t *ret_bad) {
        unsigned char low = 0x80, high = 0xbf;
        size_t length, i;

        *ret_bad = 1;
        if (is_between(*p, 0xc2, 0xdf))
                length = 2;
        else if (is_between(*p, 0xe0, 0xef))
                length = 3;
        else if (is_between(*p, 0xf0, 0xf4))
                length = 4;
        else
                return 0;
        if (*p == 0xe0)
                low = 0xa0;     /* else overlong */
        else if (*p == 0xed)
                high = 0x9f;    /* else a surrogate */
        else if (*p == 0xf0)
                low = 0x90;     /* else overlong */
        else if (*p == 0xf4)
                high = 0x8f;    /* else above U+10FFFF */
        for (i = 1; i < length; i++, low = 0x80, high = 0xbf)
                if (p + i >= end || !is_between(p[i], low, high)) {
                        *ret_bad = i;
                        return 0;
                }
        return length;
}

static char *write_escape(char *to, unsigned char c) {
        static const char short_names[32] = { ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't' };
        static const char hex[] = "0123456789abcdef";
        char name = c < 32 ? short_names[c] : (char) c;

        *to++ = '\\';
        if (name) {
                *to++ = name;
                return to;
        }
        memcpy(to, "u00", 3);
        to[3] = hex[c >> 4];
        to[4] = hex[c & 15];
        return to + 5;
}

/* One character, or one ill-formed piece. Moves both pointers. */
static inline void write_character(char **to, const char **from, const char *end) {
        unsigned char c = (unsigned char) **from;
        size_t length, bad;

        if (c < 0x80) {
                if (c < ' ' || c == '"' || c == '\\')
                        *to = write_escape(*to, c);
                else
                        *(*to)++ = (char) c;
                ++*from;
                return;
        }
        length = sequence_length((const unsigned char *) *from, (const unsigned char *) end, &bad);
        memcpy(*to, length ? *from : "\xef\xbf\xbd", length ? length : 3);
        *to += length ? length : 3;
        *from += length ? length : bad;
}

/* Writes the characters that begin before `stop`; the last may reach beyond it, up to `end`. */
static const char *write_chunk(const char *from, const char *stop, const char *end, struct buffer *out) {
        size_t room = (size_t) (stop - from) * LONGEST_ESCAPE + LONGEST_SEQUENCE + BLOCK;
        char *to = buffer_reserve(out, room);

        while (from < stop) {
                const char *look_until = stop;

                if (stop - from >= BLOCK) {
                        if (copy_if_plain(to, from)) {
                                to += BLOCK;
                                from += BLOCK;
                                continue;
                        }
                        look_until = from + BLOCK;
                }
                while (from < look_until)
                        write_character(&to, &from, end);
        }
        out->length = (size_t) (to - out->data);
        return from;
}

void json_encode_text(const char *text, size_t length, struct buffer *out) {
        const char *end = text + length;

        buffer_append(out, "\"", 1);
        while (text < end)
                text = write_chunk(text, end - text > CHUNK ? text + CHUNK : end, end, out);
        buffer_append(out, "\"", 1);
}
