#include "gaps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool settling_look(struct settling *s, const struct transactions *t, uint64_t settle_us, uint64_t now_us) {
        uint64_t waited_us = now_us - s->since_us;

        if (s->settled || !t->known)
                return s->settled = s->settled || waited_us >= settle_us;
        if (!s->barred && waited_us >= GAPS_UNLISTED_US) {
                s->barred = true;
                s->barrier = t->newest;
        }
        return s->settled = s->barred && (t->oldest == 0 || t->oldest > s->barrier);
}

void gaps_begin(struct gaps *g) {
        g->count = g->text_length = 0;
        g->frontier = g->horizon = GAPS_NOTHING_SENT;
}

void gaps_free(struct gaps *g) {
        free(g->list);
        *g = (struct gaps) {};
}

/* ---- text ---- */

static uint64_t distance(int64_t from, int64_t to) {
        return (uint64_t) to - (uint64_t) from;
}

/* Of the range at `i`, at most GAPS_RANGE_MAX bytes. */
static int print_range(const struct gaps *g, size_t i, char ret[static GAPS_RANGE_MAX + 1]) {
        const struct gap *gap = &g->list[i];
        char first[24], more[24] = "";

        if (i == 0)
                snprintf(first, sizeof first, "%" PRId64, gap->first);
        else
                snprintf(first, sizeof first, "%" PRIu64, distance(g->list[i - 1].last, gap->first));
        if (gap->last > gap->first)
                snprintf(more, sizeof more, "+%" PRIu64, distance(gap->first, gap->last));
        return snprintf(ret, GAPS_RANGE_MAX + 1, "%s%s%s", i ? "," : "", first, more);
}

void gaps_print(const struct gaps *g, struct buffer *out) {
        char text[GAPS_RANGE_MAX + 1];

        for (size_t i = 0; i < g->count; i++)
                buffer_append(out, text, (size_t) print_range(g, i, text));
}

static void measure(struct gaps *g) {
        char text[GAPS_RANGE_MAX + 1];

        g->text_length = 0;
        for (size_t i = 0; i < g->count; i++)
                g->text_length += (size_t) print_range(g, i, text);
}

int gaps_parse_key(const char *text, size_t length, int64_t *ret) {
        char digits[24], *end;
        long long key;

        if (length == 0 || length >= sizeof digits)
                return -1;
        memcpy(digits, text, length);
        digits[length] = 0;
        errno = 0;
        key = strtoll(digits, &end, 10);
        if (errno != 0 || *end || end == digits || strspn(digits, "-0123456789") != length)
                return -1;
        *ret = key;
        return 0;
}

/* Digits and nothing else, up to one of `stops` or the end; NULL: there are none, or too many. */
static const char *parse_distance(const char *p, uint64_t *ret) {
        char *end;

        errno = 0;
        *ret = strtoull(p, &end, 10);
        return *p >= '0' && *p <= '9' && errno == 0 ? end : NULL;
}

static int advance(int64_t from, uint64_t by, int64_t *ret) {
        if (by > distance(from, INT64_MAX))
                return -1;
        *ret = (int64_t) ((uint64_t) from + by);
        return 0;
}

static void insert(struct gaps *g, size_t at, int64_t first, int64_t last, const struct settling *settling) {
        if (g->count == g->capacity) {
                g->capacity = g->capacity ? 2 * g->capacity : 64;
                g->list = mem_resize(g->list, g->capacity * sizeof *g->list);
        }
        if (at < g->count)
                memmove(&g->list[at + 1], &g->list[at], (g->count - at) * sizeof *g->list);
        g->list[at] = (struct gap) { first, last, *settling };
        g->count++;
}

static int parse_ranges(struct gaps *g, const char *p, const struct settling *settling) {
        int64_t first, last = 0;
        uint64_t by, more;

        for (bool is_first = true; *p || !is_first; is_first = false) {
                if (is_first) {
                        size_t length = strcspn(p, "+,");

                        if (gaps_parse_key(p, length, &first) < 0)
                                return -1;
                        p += length;
                } else if (!(p = parse_distance(p, &by)) || by < 2 || advance(last, by, &first) < 0)
                        return -1;
                more = 0;
                if (*p == '+' && !(p = parse_distance(p + 1, &more)))
                        return -1;
                if (advance(first, more, &last) < 0 || last >= g->frontier)
                        return -1;
                insert(g, g->count, first, last, settling);
                if (!*p)
                        return 0;
                if (*p++ != ',')
                        return -1;
        }
        return 0;
}

int gaps_parse(struct gaps *g, int64_t frontier, const char *text, size_t length, uint64_t now_us) {
        _cleanup_free_ char *copy = mem_copy_bytes(length ? text : "", length);

        gaps_begin(g);
        g->frontier = frontier;
        if (strlen(copy) == length && parse_ranges(g, copy, &(struct settling) { .since_us = now_us }) == 0) {
                measure(g);
                return 0;
        }
        gaps_begin(g);
        return -1;
}

/* ---- keys ---- */

static bool has_room(const struct gaps *g) {
        return g->text_length + GAPS_RANGE_MAX <= GAPS_TEXT_MAX;
}

/* The first range that ends at the key or behind it. */
static size_t find(const struct gaps *g, int64_t key) {
        size_t low = 0, high = g->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (g->list[middle].last < key)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

/* What is missing between the frontier and a key beyond it, and not settled. */
static bool leaves_gap(const struct gaps *g, int64_t key, int64_t *ret_first) {
        int64_t settled = g->frontier > g->horizon ? g->frontier : g->horizon;

        if (key <= settled || key - 1 == settled)
                return false;
        *ret_first = settled + 1;
        return true;
}

enum gaps_verdict gaps_judge(const struct gaps *g, int64_t key) {
        size_t at;
        int64_t first;

        if (key > g->frontier)
                return !leaves_gap(g, key, &first) || has_room(g) ? GAPS_SEND : GAPS_WAIT;
        at = find(g, key);
        if (at == g->count || g->list[at].first > key)
                return GAPS_KNOWN;
        return g->list[at].settling.settled || g->list[at].first == key || g->list[at].last == key || has_room(g)
               ? GAPS_SEND : GAPS_WAIT;
}

static void give_up(struct gaps *g, int64_t first, int64_t last) {
        if (first > INT64_MIN + 1)
                g->unused += distance(first, last) + 1;
}

static void remove_range(struct gaps *g, size_t at) {
        memmove(&g->list[at], &g->list[at + 1], (g->count - at - 1) * sizeof *g->list);
        g->count--;
}

/* Rows come in the order of their keys: what is settled and lies before this one is not there. */
static void hit(struct gaps *g, size_t at, int64_t key) {
        struct gap *gap = &g->list[at];
        struct gap whole = *gap;

        if (whole.settling.settled && whole.first < key)
                give_up(g, whole.first, key - 1);
        if (whole.last == key && (whole.first == key || whole.settling.settled))
                remove_range(g, at);
        else if (whole.last == key)
                gap->last = key - 1;
        else {
                gap->first = key + 1;
                if (!whole.settling.settled && whole.first < key)
                        insert(g, at, whole.first, key - 1, &whole.settling);
        }
}

void gaps_sent(struct gaps *g, int64_t key, uint64_t now_us) {
        int64_t first;
        size_t at;

        if (key <= g->frontier) {
                at = find(g, key);
                if (at == g->count || g->list[at].first > key)
                        return;
                hit(g, at, key);
        } else {
                bool leaves = leaves_gap(g, key, &first);

                g->frontier = key;
                if (!leaves)
                        return;
                insert(g, g->count, first, key - 1, &(struct settling) { .since_us = now_us });
        }
        measure(g);
}

size_t gaps_settle(struct gaps *g, const struct transactions *t, uint64_t settle_us, uint64_t now_us) {
        size_t left = 0;

        for (size_t i = 0; i < g->count; i++)
                left += !settling_look(&g->list[i].settling, t, settle_us, now_us);
        return left;
}

bool gaps_forget_settled(struct gaps *g) {
        size_t kept = 0;

        for (size_t i = 0; i < g->count; i++)
                if (g->list[i].settling.settled)
                        give_up(g, g->list[i].first, g->list[i].last);
                else
                        g->list[kept++] = g->list[i];
        if (kept == g->count)
                return false;
        g->count = kept;
        measure(g);
        return true;
}

uint64_t gaps_keys(const struct gaps *g) {
        uint64_t keys = 0;

        for (size_t i = 0; i < g->count; i++)
                if (g->list[i].first > INT64_MIN + 1)
                        keys += distance(g->list[i].first, g->list[i].last) + 1;
        return keys;
}
