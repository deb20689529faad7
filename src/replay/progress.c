#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SMOOTH_S = 5, BAR_LEAST = 8, BAR_MOST = 24, NARROW = 60 };

void pace_update(struct pace *p, uint64_t count, uint64_t now_us) {
        double seconds = (double) (now_us - p->at_us) / 1e6, lately;

        if (p->at_us && seconds > 0) {
                lately = count > p->count ? (double) (count - p->count) / seconds : 0;
                p->per_s += (lately - p->per_s) * (p->per_s > 0 ? 1 - exp(-seconds / SMOOTH_S) : 1);
        }
        p->at_us = now_us;
        p->count = count;
}

uint64_t pace_left_s(const struct pace *p, uint64_t total) {
        return p->per_s > 0 && total > p->count ? (uint64_t) ((double) (total - p->count) / p->per_s + 0.5) : 0;
}

/* The next number, unless the line has no room for it, or for one before it. */
static void add(struct buffer *line, unsigned columns, bool *full, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

static void add(struct buffer *line, unsigned columns, bool *full, const char *format, ...) {
        char text[96];
        va_list ap;

        va_start(ap, format);
        *full |= line->length + (size_t) vsnprintf(text, sizeof text, format, ap) > columns;
        va_end(ap);
        if (!*full)
                buffer_append_string(line, text);
}

static unsigned percent(uint64_t part, uint64_t total) {
        return total ? (unsigned) ((double) part / (double) total * 100) : 100;
}

static void add_core(const struct progress *p, unsigned columns, bool *full, struct buffer *line) {
        bool narrow = columns < NARROW, flows = !p->finished && p->per_s > 0;
        char sent[32], total[32], rate[32], left[32];

        if (!p->known && p->sent == 0) {
                add(line, columns, full, "looks where to begin");
                return;
        }
        if (!p->known)
                add(line, columns, full, narrow ? "%s" : "%s rows", text_count(p->sent, sent));
        else {
                add(line, columns, full, narrow ? "%3u%%" : "%3u %%", percent(p->sent, p->total));
                add(line, columns, full, narrow ? " %s/%s" : "  %s of %s", text_count(p->sent, sent), text_count(p->total, total));
        }
        if (flows)
                add(line, columns, full, narrow ? " %s/s" : ", %s/s", text_count((uint64_t) (p->per_s + 0.5), rate));
        clock_format_duration(p->left_s, left);
        if (flows && p->known && p->left_s)
                add(line, columns, full, narrow ? " %s" : ", %s left", left);
}

static void add_rest(const struct progress *p, unsigned columns, bool *full, struct buffer *line) {
        const char *comma = columns < NARROW ? "" : ",";
        char committed[32], bytes[32];

        if (p->committed < p->sent)
                add(line, columns, full, "%s %s committed", comma, text_count(p->committed, committed));
        if (p->bytes)
                add(line, columns, full, "%s %s", comma, text_bytes(p->bytes, bytes));
}

static void print_bar(const struct progress *p, unsigned width, struct buffer *out) {
        unsigned committed = p->known ? percent(p->committed, p->total) * width / 100 : 0;
        unsigned sent = p->known ? percent(p->sent, p->total) * width / 100 : 0;

        buffer_append_string(out, "[");
        for (unsigned i = 0; i < width; i++)
                buffer_append(out, i < committed ? "#" : i < sent ? "=" : ".", 1);
        buffer_append_string(out, "] ");
}

/* The streams go side by side: what takes longest is left. */
static struct progress sum(const struct progress *streams, size_t count) {
        struct progress all = { .name = "total", .known = true, .finished = true };

        for (size_t i = 0; i < count; i++) {
                all.known &= streams[i].known;
                all.finished &= streams[i].finished;
                all.total += streams[i].total;
                all.sent += streams[i].sent;
                all.committed += streams[i].committed;
                all.bytes += streams[i].bytes;
                all.per_s += streams[i].finished ? 0 : streams[i].per_s;
                all.left_s = streams[i].left_s > all.left_s ? streams[i].left_s : all.left_s;
        }
        return all;
}

static unsigned longest_name(const struct progress *streams, size_t count) {
        size_t longest = count > 1 ? strlen("total") : 1;

        for (size_t i = 0; i < count; i++)
                longest = strlen(streams[i].name) > longest ? strlen(streams[i].name) : longest;
        return longest < 20 ? (unsigned) longest : 20;
}

/* As wide as the longest line leaves room for; 0: too little. */
static unsigned bar_width(const struct progress *streams, size_t count, unsigned name_width, unsigned columns) {
        size_t longest = 0;

        for (size_t i = 0; i < count; i++) {
                _cleanup_buffer_ struct buffer line = {};

                add_core(&streams[i], columns, &(bool) { false }, &line);
                longest = line.length > longest ? line.length : longest;
        }
        longest += name_width + 4;
        if (columns < longest + BAR_LEAST)
                return 0;
        return columns - longest < BAR_MOST ? (unsigned) (columns - longest) : BAR_MOST;
}

static void print_line(const struct progress *p, unsigned name_width, unsigned bar, unsigned columns, struct buffer *out) {
        _cleanup_buffer_ struct buffer line = {};
        bool full = false;

        buffer_printf(&line, "%-*.*s ", (int) name_width, (int) name_width, p->name);
        if (bar)
                print_bar(p, bar, &line);
        add_core(p, columns, &full, &line);
        add_rest(p, columns, &full, &line);
        buffer_append(out, line.data, line.length);
}

void progress_print(const struct progress *streams, size_t count, unsigned columns, struct buffer *out) {
        unsigned name_width = longest_name(streams, count);
        unsigned bar = bar_width(streams, count, name_width, columns);
        struct progress all = sum(streams, count);

        for (size_t i = 0; i < count; i++) {
                buffer_append_string(out, i ? "\n" : "");
                print_line(&streams[i], name_width, bar, columns, out);
        }
        if (count > 1) {
                buffer_append_string(out, "\n");
                print_line(&all, name_width, 0, columns, out);
        }
}
