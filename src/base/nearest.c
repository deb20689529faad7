#include "pinfeed/base.h"

#include <string.h>

enum { LONGEST = 64 };          /* longer names are not compared */

static char folded(char c) {
        if (c >= 'A' && c <= 'Z')
                return (char) (c - 'A' + 'a');
        return c == '-' || c == '.' ? '_' : c;
}

static unsigned min3(unsigned a, unsigned b, unsigned c) {
        unsigned least = a < b ? a : b;

        return least < c ? least : c;
}

/* Edits that turn `a` into `b`: insert, delete, replace, swap neighbours (optimal string alignment). */
static unsigned edits(const char *a, size_t a_length, const char *b, size_t b_length) {
        unsigned rows[3][LONGEST + 1];
        unsigned *before = rows[0], *last = rows[1], *now = rows[2];

        for (unsigned j = 0; j <= b_length; j++)
                last[j] = j;
        for (unsigned i = 1; i <= a_length; i++) {
                unsigned *spare = before;

                now[0] = i;
                for (unsigned j = 1; j <= b_length; j++) {
                        char x = folded(a[i - 1]), y = folded(b[j - 1]);

                        now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + (x != y));
                        if (i > 1 && j > 1 && x == folded(b[j - 2]) && folded(a[i - 2]) == y && before[j - 2] + 1 < now[j])
                                now[j] = before[j - 2] + 1;
                }
                before = last;
                last = now;
                now = spare;
        }
        return last[b_length];
}

const char *text_nearest(const char *name, const char *const *names, size_t count) {
        size_t length = strnlen(name, LONGEST + 1);
        const char *nearest = NULL;
        unsigned least = 0;

        if (length == 0 || length > LONGEST)
                return NULL;
        for (size_t i = 0; i < count; i++) {
                size_t other = strnlen(names[i], LONGEST + 1);
                unsigned distance;

                if (other == 0 || other > LONGEST)
                        continue;
                distance = edits(name, length, names[i], other);
                /* A third of the letters wrong is still a slip; more is another word. */
                if (distance * 3 <= (length > other ? length : other) && (!nearest || distance < least)) {
                        nearest = names[i];
                        least = distance;
                }
        }
        return nearest;
}
