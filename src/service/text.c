#include "service/internal.h"

/* Bytes of the UTF-8 character at `s`; 0 if there is none, or one that terminals obey instead of showing (C1). */
static size_t character_length(const unsigned char *s) {
        static const struct {
                unsigned char mask, lead;
                size_t length;
                uint32_t least;
        } forms[] = { { 0x80, 0x00, 1, 0x20 }, { 0xe0, 0xc0, 2, 0xa0 }, { 0xf0, 0xe0, 3, 0x800 },
                      { 0xf8, 0xf0, 4, 0x10000 } };

        for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
                uint32_t character = s[0] & (unsigned char) ~forms[i].mask;

                if ((s[0] & forms[i].mask) != forms[i].lead)
                        continue;
                for (size_t k = 1; k < forms[i].length; k++) {
                        if ((s[k] & 0xc0) != 0x80)
                                return 0;
                        character = character << 6 | (s[k] & 0x3f);
                }
                if (character < forms[i].least || character == 0x7f || character > 0x10ffff ||
                    (character >= 0xd800 && character <= 0xdfff))
                        return 0;
                return forms[i].length;
        }
        return 0;
}

void text_flatten(char *text) {
        const unsigned char *from = (unsigned char *) text;
        unsigned char *to = (unsigned char *) text;
        bool gap = false;

        while (*from) {
                size_t length = character_length(from);

                if (*from < 0x20 || *from == 0x7f || (gap && *from == ' ')) {
                        gap = true;
                        from++;
                        continue;
                }
                if (gap && to > (unsigned char *) text && to[-1] != ' ')
                        *to++ = ' ';
                gap = false;
                if (length == 0) {
                        *to++ = '?';
                        from++;
                }
                for (; length > 0; length--)
                        *to++ = *from++;
        }
        *to = 0;
}
