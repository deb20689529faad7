#include <string.h>

#include "room.h"

bool key_equal(const struct key *a, const struct key *b) {
        return a->length == b->length && (a->length == 0 || memcmp(a->data, b->data, a->length) == 0);
}

static int compare_bytes(const struct key *a, const struct key *b) {
        size_t common = a->length < b->length ? a->length : b->length;
        int r = common ? memcmp(a->data, b->data, common) : 0;

        return r ? r : (a->length > b->length) - (a->length < b->length);
}

/* A signed number's parts: "-0012.50" -> negative, "12", "5". */
struct number {
        bool negative;
        struct key whole, fraction;
};

static struct number take_apart(const struct key *key) {
        struct number n = {};
        const char *p = key->data, *end = key->data + key->length, *point;

        if (p < end && *p == '-') {
                n.negative = true;
                p++;
        }
        while (p < end && *p == '0')
                p++;
        point = p < end ? memchr(p, '.', (size_t) (end - p)) : NULL;
        n.whole = (struct key) { p, (size_t) ((point ? point : end) - p) };
        if (point) {
                while (end > point + 1 && end[-1] == '0')
                        end--;
                n.fraction = (struct key) { point + 1, (size_t) (end - point - 1) };
        }
        if (n.whole.length == 0 && n.fraction.length == 0)
                n.negative = false;     /* -0 is 0 */
        return n;
}

static int compare_numbers(const struct key *a, const struct key *b) {
        struct number x = take_apart(a), y = take_apart(b);
        int r;

        if (x.negative != y.negative)
                return x.negative ? -1 : 1;
        r = (x.whole.length > y.whole.length) - (x.whole.length < y.whole.length);
        if (r == 0)
                r = compare_bytes(&x.whole, &y.whole);
        if (r == 0)
                r = compare_bytes(&x.fraction, &y.fraction);
        return x.negative ? -r : r;
}

/* -838:59:59.5: the hours are a number, the rest has a fixed form. */
static int compare_times_of_day(const struct key *a, const struct key *b) {
        const char *colon_a = memchr(a->data, ':', a->length), *colon_b = memchr(b->data, ':', b->length);
        bool negative = a->length > 0 && *a->data == '-', other = b->length > 0 && *b->data == '-';
        struct key hours_a, hours_b, rest_a, rest_b;
        int r;

        if (!colon_a || !colon_b)
                return compare_bytes(a, b);
        if (negative != other)
                return negative ? -1 : 1;
        hours_a = (struct key) { a->data + negative, (size_t) (colon_a - a->data) - negative };
        hours_b = (struct key) { b->data + negative, (size_t) (colon_b - b->data) - negative };
        rest_a = (struct key) { colon_a, a->length - (size_t) (colon_a - a->data) };
        rest_b = (struct key) { colon_b, b->length - (size_t) (colon_b - b->data) };
        r = compare_numbers(&hours_a, &hours_b);
        if (r == 0)
                r = compare_bytes(&rest_a, &rest_b);
        return negative ? -r : r;
}

int key_compare(const struct table *t, const struct key *a, const struct key *b) {
        switch (t->facts.key_kind) {
        case KEY_INTEGER:
        case KEY_DECIMAL:
                return compare_numbers(a, b);
        case KEY_TIME:
                return t->key_is_time_of_day ? compare_times_of_day(a, b) : compare_bytes(a, b);
        case KEY_TEXT:
        case KEY_BYTES:
                break;
        }
        return compare_bytes(a, b);
}
