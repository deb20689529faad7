/* Keys as the server orders them, without the server. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "room.h"

/* ---- numbers ---- */

struct number {
        bool negative;
        struct key whole, fraction;     /* without zeros that say nothing */
};

static struct key digits(const char **p, const char *end) {
        struct key ret = { .data = *p };

        while (*p < end && **p >= '0' && **p <= '9')
                ++*p;
        ret.length = (size_t) (*p - ret.data);
        return ret;
}

static bool parse_number(const struct key *key, struct number *ret) {
        const char *p = key->data, *end = key->data + key->length;

        *ret = (struct number) { .negative = p < end && *p == '-' };
        p += ret->negative;
        ret->whole = digits(&p, end);
        if (ret->whole.length == 0)
                return false;
        if (p < end && *p == '.') {
                p++;
                ret->fraction = digits(&p, end);
        }
        while (ret->whole.length > 0 && *ret->whole.data == '0') {
                ret->whole.data++;
                ret->whole.length--;
        }
        while (ret->fraction.length > 0 && ret->fraction.data[ret->fraction.length - 1] == '0')
                ret->fraction.length--;
        if (ret->whole.length + ret->fraction.length == 0)
                ret->negative = false;
        return p == end;
}

static int compare_bytes(const struct key *a, const struct key *b) {
        size_t least = a->length < b->length ? a->length : b->length;
        int r = least > 0 ? memcmp(a->data, b->data, least) : 0;

        return r != 0 ? r : (a->length > b->length) - (a->length < b->length);
}

static int compare_numbers(const struct key *a, const struct key *b) {
        struct number x, y;
        int r;

        parse_number(a, &x);
        parse_number(b, &y);
        if (x.negative != y.negative)
                return x.negative ? -1 : 1;
        if (x.whole.length != y.whole.length)
                r = x.whole.length < y.whole.length ? -1 : 1;
        else
                r = compare_bytes(&x.whole, &y.whole);
        if (r == 0)
                r = compare_bytes(&x.fraction, &y.fraction);
        return x.negative ? -r : r;
}

/* ---- times ---- */

static const char midnight[] = "0000-00-00 00:00:00.000000";

static bool is_time(const struct key *key) {
        size_t most = sizeof midnight - 1;

        if (key->length > most || (key->length != 10 && key->length != 19 && key->length < 21))
                return false;
        for (size_t i = 0; i < key->length; i++)
                if (midnight[i] == '0' ? key->data[i] < '0' || key->data[i] > '9' : key->data[i] != midnight[i])
                        return false;
        return true;
}

/* What one of them doesn't say is zero. */
static int compare_times(const struct key *a, const struct key *b) {
        for (size_t i = 0; i < sizeof midnight - 1; i++) {
                char x = i < a->length ? a->data[i] : midnight[i], y = i < b->length ? b->data[i] : midnight[i];

                if (x != y)
                        return x < y ? -1 : 1;
        }
        return 0;
}

/* MySQL takes the 45th of a 13th month for a wrong setting, MariaDB for another date, and 25 o'clock for no bound. */
bool key_is_no_date(const char *text) {
        struct tm date = {}, same;
        int used = 0;

        if (sscanf(text, "%4d-%2d-%2d%n", &date.tm_year, &date.tm_mon, &date.tm_mday, &used) != 3 || used == 0)
                return false;
        sscanf(text + used, "%*1[ T]%2d:%2d:%2d", &date.tm_hour, &date.tm_min, &date.tm_sec);
        if (date.tm_hour > 23 || date.tm_min > 59 || date.tm_sec > 59)
                return true;
        if (date.tm_mon == 0 || date.tm_mday == 0)      /* zeros may be stored */
                return false;
        date.tm_year -= 1900;
        date.tm_mon--;
        same = date;
        timegm(&same);
        return same.tm_mon != date.tm_mon || same.tm_mday != date.tm_mday;
}

/* ---- all ---- */

bool key_fits(enum key_order order, const struct key *key) {
        struct number number;

        switch (order) {
        case KEY_ORDER_NUMBER:
                return parse_number(key, &number);
        case KEY_ORDER_TIME:
                return is_time(key);
        case KEY_ORDER_BYTES:
                return true;
        case KEY_ORDER_UNKNOWN:
                break;
        }
        return false;
}

int key_compare(enum key_order order, const struct key *a, const struct key *b) {
        switch (order) {
        case KEY_ORDER_NUMBER:
                return compare_numbers(a, b);
        case KEY_ORDER_TIME:
                return compare_times(a, b);
        case KEY_ORDER_BYTES:
        case KEY_ORDER_UNKNOWN:
                break;
        }
        return compare_bytes(a, b);
}

bool key_within(const struct key_bounds *b, const struct key *key) {
        int r;

        if (!b->from && !b->to)
                return true;
        if (!key->data || !key_fits(b->order, key))
                return false;
        r = b->from ? key_compare(b->order, key, b->from) : 1;
        return r > (b->after ? 0 : -1) && (!b->to || key_compare(b->order, key, b->to) <= 0);
}
