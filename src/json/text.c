#include "pinfeed/json.h"

#include <string.h>

#include "cells.h"

enum {
        BLOCK = 16,             /* bytes looked at in one step */
        CHUNK = 4096,           /* bytes that room is made for at once: a huge cell doesn't take six times its size */
};

typedef signed char block __attribute__((vector_size(BLOCK)));

static inline unsigned first_byte_set(uint64_t word) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        return (unsigned) __builtin_ctzll(word) / 8;
#else
        return (unsigned) __builtin_clzll(word) / 8;
#endif
}

/* How many bytes at the start of a block are plain: no control character, no byte above 0x7f (negative, so below a space
 * as well), no quote and no backslash. */
static inline unsigned plain_in_block(const char *from) {
        uint64_t halves[2];
        block bytes, special;

        memcpy(&bytes, from, BLOCK);
        special = (block) ((bytes < ' ') | (bytes == '"') | (bytes == '\\'));
        memcpy(halves, &special, sizeof halves);
        if (__builtin_expect((halves[0] | halves[1]) == 0, 1))
                return BLOCK;
        return halves[0] ? first_byte_set(halves[0]) : 8 + first_byte_set(halves[1]);
}

/* Copies a block if all of it is plain. */
static inline bool copy_whole_block(char *to, const char *from) {
        if (plain_in_block(from) < BLOCK)
                return false;
        memcpy(to, from, BLOCK);
        return true;
}

/* The same for eight bytes (the bit tricks of "Hacker's Delight", 6-1). */
static inline bool copy_whole_word(char *to, const char *from) {
        const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
        uint64_t word, quote, backslash;

        memcpy(&word, from, sizeof word);
        quote = word ^ ones * '"';
        backslash = word ^ ones * '\\';
        if ((word | ((word - ones * ' ') | (quote - ones) | (backslash - ones))) & high)
                return false;
        memcpy(to, &word, sizeof word);
        return true;
}

static char *write_escape(char *to, unsigned char c) {
        static const char short_names[32] = { ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't' };
        char name = c < 32 ? short_names[c] : (char) c;

        *to++ = '\\';
        if (name) {
                *to++ = name;
                return to;
        }
        memcpy(to, "u00", 3);
        to[3] = TEXT_HEX[c >> 4];
        to[4] = TEXT_HEX[c & 15];
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
        length = text_sequence((const unsigned char *) *from, (const unsigned char *) end, &bad);
        if (length) {
                for (size_t i = 0; i < length; i++)
                        (*to)[i] = (*from)[i];
                *to += length;
                *from += length;
        } else {
                memcpy(*to, "\xef\xbf\xbd", 3);
                *to += 3;
                *from += bad;
        }
}

char *json_write_text(char *to, const char **from_pointer, const char *stop, const char *end) {
        const char *start = *from_pointer, *from = start;

        while (stop - from >= BLOCK) {
                unsigned plain = plain_in_block(from);

                memcpy(to, from, BLOCK);
                to += plain;
                from += plain;
                if (plain == BLOCK)
                        continue;
                do      /* foreign scripts come in runs */
                        write_character(&to, &from, end);
                while (from < stop && (unsigned char) *from >= 0x80);
        }
        if (stop - from >= 8 && copy_whole_word(to, from)) {
                to += 8;
                from += 8;
        }
        /* The last bytes, together with those before them: if all are plain, those were copied as they are. */
        if (from < stop && ((stop - start >= BLOCK && copy_whole_block(to + (stop - from) - BLOCK, stop - BLOCK))
                            || (stop - start >= 8 && stop - from < 8 && copy_whole_word(to + (stop - from) - 8, stop - 8)))) {
                to += stop - from;
                from = stop;
        }
        while (from < stop)
                write_character(&to, &from, end);
        *from_pointer = from;
        return to;
}

void json_encode_text(const char *text, size_t length, struct buffer *out) {
        const char *end = text + length;
        char *to;

        buffer_append(out, "\"", 1);
        while (text < end) {
                const char *stop = end - text > CHUNK ? text + CHUNK : end;

                to = json_room(out, JSON_TEXT_ROOM((size_t) (stop - text)));
                to = json_write_text(to, &text, stop, end);
                out->length = (size_t) (to - out->data);
        }
        buffer_append(out, "\"", 1);
}
