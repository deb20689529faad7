/* What comes of it: JSON, or a table for people. Main thread, after the worker. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "own.h"

/* What is counted, in the order in which it is printed; the classes first. */
enum { OUT_OF_ORDER = COMPARE_CLASSES, ABORTED, FIGURES };

/* What is awaited is one if nobody sends it. */
static bool is_difference(const struct check *c, int figure) {
        return figure == COMPARE_AWAITED ? c->unsent_s > 0 : figure != ABORTED;
}

struct figure {
        const char *name;
        bool told;                      /* else it can't be said, or means nothing */
        uint64_t count;
        const struct compare_names *keys;
};

static void figures_of(const struct check *c, struct figure ret[static FIGURES]) {
        static const char *const names[FIGURES] = { "missing", "doubled", "altered", "foreign", "awaited", "out_of_order", "aborted" };
        static const struct compare_names none = {};
        const struct compare_result *result = compare_result(c->compare);
        const bool emulated = c->kind == VERIFY_EMULATED, untold[FIGURES] = {
                [COMPARE_MISSING] = emulated || c->untold, [COMPARE_DOUBLED] = emulated,
                [COMPARE_AWAITED] = !c->cursor.main.followed,
                [OUT_OF_ORDER] = c->kind != VERIFY_REPLAYED || c->bounds.order == KEY_ORDER_UNKNOWN,
        };

        for (int i = 0; i < FIGURES; i++) {
                bool is_class = i < COMPARE_CLASSES;
                uint64_t count = is_class ? result->counts[i] : i == ABORTED ? c->aborted : c->out_of_order;

                ret[i] = (struct figure) {
                        names[i], !untold[i], untold[i] ? 0 : count, is_class && !untold[i] ? &result->names[i] : &none,
                };
        }
}

static bool is_equal(const struct check *c) {
        struct figure figures[FIGURES];
        bool equal = true;

        figures_of(c, figures);
        for (int i = 0; i < FIGURES; i++)
                equal = equal && (!is_difference(c, i) || figures[i].count == 0);
        return equal;
}

bool verdict_is_equal(const struct verify *v) {
        bool equal = v->uneven.count == 0;

        for (size_t i = 0; i < v->count; i++)
                equal = equal && is_equal(&v->checks[i]);
        return equal;
}

/* ---- JSON ---- */

static json_t *print_key(const struct buffer *key) {
        _cleanup_buffer_ struct buffer text = {};

        cursor_print_key(&(struct key) { key->data, key->length }, &text);
        return json_stringn(text.length ? text.data : "", text.length);
}

static json_t *print_names(const struct compare_names *n) {
        json_t *list = json_array();

        for (size_t i = 0; i < n->count; i++)
                json_array_append_new(list, n->none[i] ? json_null() : print_key(&n->list[i]));
        return list;
}

/* What isn't UTF-8 is told in the same words as a key. */
static json_t *print_text(const struct buffer *text) {
        json_t *string = json_stringn(text->length ? text->data : "", text->length);

        return string ? string : print_key(text);
}

static json_t *print_shown(const struct compare_result *result) {
        json_t *list = json_array();

        for (size_t i = 0; i < result->shown_count; i++)
                json_array_append_new(list, json_pack("{s:o, s:o, s:o}", "key", print_key(&result->shown[i].key),
                                                      "row", print_text(&result->shown[i].row),
                                                      "record", print_text(&result->shown[i].record)));
        return list;
}

static json_t *print_check(const struct check *c, bool show) {
        const struct compare_result *result = compare_result(c->compare);
        json_t *keys = json_object(), *object;
        struct figure figures[FIGURES];

        object = json_pack("{s:s, s:s, s:b, s:I, s:I}", "topic", c->stream.config->topic, "as",
                           verify_kinds[c->kind], "equal", is_equal(c),
                           "rows", (json_int_t) result->rows, "records", (json_int_t) result->records);
        figures_of(c, figures);
        for (int i = 0; i < FIGURES; i++) {
                if (i == COMPARE_AWAITED && !figures[i].told)
                        continue;
                json_object_set_new(object, figures[i].name,
                                    figures[i].told ? json_integer((json_int_t) figures[i].count) : json_null());
                if (i < COMPARE_CLASSES)
                        json_object_set_new(keys, figures[i].name, print_names(figures[i].keys));
        }
        if (figures[COMPARE_AWAITED].told)
                json_object_set_new(object, "follow_goes_on",
                                    figures[COMPARE_AWAITED].count > 0 ? json_boolean(c->unsent_s == 0) : json_null());
        json_object_set_new(object, "log_start", json_integer(c->log_start));
        json_object_set_new(object, "compared_from", c->is_cut && !c->untold ? print_key(&c->cut) : json_null());
        json_object_set_new(object, "first_keys", keys);
        if (show)
                json_object_set_new(object, "shown", print_shown(result));
        json_object_set_new(object, "seconds", json_real((double) c->took_us / 1e6));
        return object;
}

static json_t *describe(const struct verify *v) {
        json_t *streams = json_object(), *object;
        uint64_t rows = 0, records = 0;

        for (size_t i = 0; i < v->count; i++) {
                const struct compare_result *result = compare_result(v->checks[i].compare);

                json_object_set_new(streams, v->checks[i].stream.config->name, print_check(&v->checks[i], v->show > 0));
                rows += result->rows;
                records += result->records;
        }
        object = json_pack("{s:b, s:o, s:{s:I, s:I, s:f}}", "equal", verdict_is_equal(v), "streams", streams, "totals",
                           "rows", (json_int_t) rows, "records", (json_int_t) records,
                           "seconds", (double) (clock_monotonic_us() - v->began_us) / 1e6);
        if (v->topics_of_posts >= 2)
                json_object_set_new(object, "posts", json_pack("{s:b, s:I, s:o}", "equal", v->uneven.count == 0, "differ",
                                                               (json_int_t) v->uneven.count, "first_keys",
                                                               print_names(&v->uneven.names)));
        return object;
}

/* ---- for people ---- */

/* Anybody may have written it: in one line, and without what a terminal obeys. */
static void write_text(const struct buffer *text, FILE *out) {
        const unsigned char *p = (const unsigned char *) text->data;

        for (size_t i = 0; i < text->length; i++)
                if (p[i] < ' ' || p[i] == 0x7f)
                        fprintf(out, "\\x%02x", p[i]);
                else if (p[i] == 0xc2 && i + 1 < text->length && text_is_between(p[i + 1], 0x80, 0x9f))
                        fprintf(out, "\\u%04x", p[++i]);
                else
                        putc(p[i], out);
}

static void write_key(const struct buffer *key, FILE *out) {
        _cleanup_buffer_ struct buffer text = {};

        cursor_print_key(&(struct key) { key->data, key->length }, &text);
        write_text(&text, out);
}

static void print_line(const char *what, const struct compare_names *n, uint64_t count, FILE *out) {
        if (count == 0)
                return;
        fprintf(out, "%s:", what);
        for (size_t i = 0; i < n->count; i++) {
                fputs(i ? ", " : " ", out);
                if (n->none[i])
                        fputs("(no key)", out);
                else
                        write_key(&n->list[i], out);
        }
        fprintf(out, "%s\n", count > n->count ? ", ..." : "");
}

static void print_row(const struct check *c, FILE *out) {
        const struct compare_result *result = compare_result(c->compare);
        struct figure figures[FIGURES];

        figures_of(c, figures);
        fprintf(out, "%-6s%10" PRIu64 "%10" PRIu64, c->stream.config->name, result->rows, result->records);
        for (int i = 0; i < FIGURES; i++)
                if (i == COMPARE_AWAITED)
                        continue;       /* its line below says it, if there are any */
                else if (figures[i].told)
                        fprintf(out, "%8" PRIu64, figures[i].count);
                else
                        fprintf(out, "%8s", "-");
        fprintf(out, "%6.1f\n", (double) c->took_us / 1e6);
}

static void print_keys(const struct check *c, FILE *out) {
        const struct compare_result *result = compare_result(c->compare);
        struct figure figures[FIGURES];

        figures_of(c, figures);
        for (int i = 0; i < COMPARE_CLASSES; i++) {
                _cleanup_free_ char *what = mem_format("%s, %s", c->stream.config->name, figures[i].name);

                print_line(what, figures[i].keys, figures[i].count, out);
        }
        for (size_t i = 0; i < result->shown_count; i++) {
                const struct compare_shown *s = &result->shown[i];

                fprintf(out, "%s, ", c->stream.config->name);
                write_key(&s->key, out);
                fputs("\n  row    ", out);
                write_text(&s->row, out);
                fputs("\n  record ", out);
                write_text(&s->record, out);
                putc('\n', out);
        }
}

static void print_table(const struct verify *v, FILE *out) {
        fprintf(out, "%-6s%10s%10s%8s%8s%8s%8s%8s%8s%6s\n", "stream", "rows", "records", "missing", "doubled", "altered",
                "foreign", "order", "aborted", "s");
        for (size_t i = 0; i < v->count; i++)
                print_row(&v->checks[i], out);
        for (size_t i = 0; i < v->count; i++)
                print_keys(&v->checks[i], out);
        print_line("not equally often in all topics", &v->uneven.names, v->uneven.count, out);
}

/* ---- both ---- */

int verdict_print(const struct verify *v, bool json, FILE *out, struct error *e) {
        if (json)
                return session_print_json(describe(v), out, e);
        print_table(v, out);
        return session_printed(out, e);
}

static void add_differences(const struct check *c, struct buffer *words) {
        struct figure figures[FIGURES];

        figures_of(c, figures);
        for (int i = 0; i < FIGURES; i++) {
                if (!is_difference(c, i) || figures[i].count == 0)
                        continue;
                buffer_printf(words, "%s%s: %" PRIu64 " %s", words->length ? ", " : "", c->stream.config->name, figures[i].count,
                              figures[i].name);
                if (i == COMPARE_AWAITED)
                        buffer_printf(words, " (none sent within %.0f s)", c->unsent_s);
        }
}

/* Of what was compared. */
static void add_all_differences(const struct verify *v, struct buffer *words) {
        for (size_t i = 0; i < v->count; i++)
                if (v->checks[i].done)
                        add_differences(&v->checks[i], words);
        if (v->uneven.count > 0)
                buffer_printf(words, "%s%" PRIu64 " posts are not equally often in all topics",
                              words->length ? ", " : "", v->uneven.count);
}

int verdict_differs(const struct verify *v, struct error *e) {
        _cleanup_buffer_ struct buffer words = {};
        bool unsent = false;

        add_all_differences(v, &words);
        for (size_t i = 0; i < v->count; i++)
                unsent = unsent || v->checks[i].unsent_s > 0;
        error_set(e, ERROR_FAILED, "the topics are not what the tables are: %s", buffer_string(&words));
        return error_hint(e, "%sThe manual says what each may come from. --show=N shows rows whose record differs.",
                          unsent ? "Does a follow run? `pinfeed --status`, where it should, says so; `systemctl start "
                                   "pinfeed-follow` starts it. " : "");
}

int verdict_stopped(const struct verify *v, struct error *e) {
        _cleanup_buffer_ struct buffer words = {};
        size_t done = 0;

        for (size_t i = 0; i < v->count; i++)
                done += v->checks[i].done;
        add_all_differences(v, &words);
        if (v->compared)
                return error_set(e, ERROR_STOPPED, "stopped while it waited for a follow to go on: %s",
                                 buffer_string(&words));
        if (done == 0)
                return error_set(e, ERROR_STOPPED, "stopped before a topic was compared: nothing is known");
        return error_set(e, ERROR_STOPPED, "stopped after %zu of %zu topics: %s", done, v->count,
                         words.length ? buffer_string(&words) : "nothing differs so far");
}
