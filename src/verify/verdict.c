/* What comes of it: JSON, or a table for people. Main thread, after the worker. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "own.h"

bool verdict_is_equal(const struct verify *v) {
        bool equal = v->posts_differ == 0;

        for (size_t i = 0; i < v->count; i++)
                equal = equal && check_is_equal(&v->checks[i]);
        return equal;
}

/* What is counted, in the order in which it is printed; the classes first. */
enum { FIGURES = VERIFY_CLASSES + 2 };
struct figure {
        const char *name;
        bool told;                      /* else it can't be said, or means nothing */
        uint64_t count;
};

static void figures_of(const struct check *c, struct figure ret[static FIGURES]) {
        static const char *const names[FIGURES] = { "missing", "doubled", "altered", "foreign", "out_of_order", "aborted" };
        bool emulated = c->kind == VERIFY_EMULATED;

        for (int i = 0; i < FIGURES; i++)
                ret[i] = (struct figure) { names[i], true, i < VERIFY_CLASSES ? c->counts[i] : c->out_of_order };
        ret[VERIFY_MISSING].told = !emulated && !c->untold;
        ret[VERIFY_DOUBLED].told = !emulated;
        ret[VERIFY_CLASSES].told = c->kind == VERIFY_REPLAYED && c->bounds.order != KEY_ORDER_UNKNOWN;
        ret[VERIFY_CLASSES + 1].count = c->aborted;
}

/* ---- JSON ---- */

static json_t *print_names(const struct names *n) {
        json_t *list = json_array();

        for (size_t i = 0; i < n->count; i++)
                json_array_append_new(list, n->none[i] ? json_null() : json_stringn(n->list[i].data, n->list[i].length));
        return list;
}

/* What isn't UTF-8 is told in the same words as a key. */
static json_t *print_text(const struct buffer *text) {
        json_t *string = json_stringn(text->length ? text->data : "", text->length);
        _cleanup_buffer_ struct buffer hex = {};

        if (string)
                return string;
        cursor_print_key(&(struct key) { text->data, text->length }, &hex);
        return json_stringn(hex.data, hex.length);
}

static json_t *print_shown(const struct check *c) {
        json_t *list = json_array();

        for (size_t i = 0; i < c->shown_count; i++)
                json_array_append_new(list, json_pack("{s:o, s:o, s:o}", "key", print_text(&c->shown[i].name),
                                                      "row", print_text(&c->shown[i].row),
                                                      "record", print_text(&c->shown[i].record)));
        return list;
}

static json_t *print_check(const struct check *c, bool show) {
        json_t *keys = json_object(), *object;
        struct figure figures[FIGURES];

        object = json_pack("{s:s, s:s, s:b, s:I, s:I}", "topic", c->stream.config->topic, "as",
                           verify_kinds[c->kind], "equal", check_is_equal(c),
                           "rows", (json_int_t) c->rows.count, "records", (json_int_t) c->records.count);
        figures_of(c, figures);
        for (int i = 0; i < FIGURES; i++)
                json_object_set_new(object, figures[i].name,
                                    figures[i].told ? json_integer((json_int_t) figures[i].count) : json_null());
        for (int i = 0; i < VERIFY_CLASSES; i++)
                json_object_set_new(keys, figures[i].name, print_names(&c->names[i]));
        json_object_set_new(object, "log_start", json_integer(c->log_start));
        json_object_set_new(object, "compared_from", c->is_cut && !c->untold ? print_text(&c->cut) : json_null());
        json_object_set_new(object, "first_keys", keys);
        if (show)
                json_object_set_new(object, "shown", print_shown(c));
        json_object_set_new(object, "seconds", json_real((double) c->took_us / 1e6));
        return object;
}

static json_t *describe(const struct verify *v) {
        json_t *streams = json_object(), *object;
        uint64_t rows = 0, records = 0;

        for (size_t i = 0; i < v->count; i++) {
                json_object_set_new(streams, v->checks[i].stream.config->name, print_check(&v->checks[i], v->show > 0));
                rows += v->checks[i].rows.count;
                records += v->checks[i].records.count;
        }
        object = json_pack("{s:b, s:o, s:{s:I, s:I, s:f}}", "equal", verdict_is_equal(v), "streams", streams, "totals",
                           "rows", (json_int_t) rows, "records", (json_int_t) records,
                           "seconds", (double) (clock_monotonic_us() - v->began_us) / 1e6);
        if (v->topics_of_posts >= 2)
                json_object_set_new(object, "posts", json_pack("{s:b, s:I, s:o}", "equal", v->posts_differ == 0, "differ",
                                                               (json_int_t) v->posts_differ, "first_keys",
                                                               print_names(&v->posts)));
        return object;
}

/* ---- for people ---- */

static void print_line(const char *what, const struct names *n, uint64_t count, FILE *out) {
        if (count == 0)
                return;
        fprintf(out, "%s:", what);
        for (size_t i = 0; i < n->count; i++)
                fprintf(out, "%s %s", i ? "," : "", n->none[i] ? "(no key)" : n->list[i].data);
        fprintf(out, "%s\n", count > n->count ? ", ..." : "");
}

static void print_row(const struct check *c, FILE *out) {
        struct figure figures[FIGURES];

        figures_of(c, figures);
        fprintf(out, "%-6s%10" PRIu64 "%10" PRIu64, c->stream.config->name, c->rows.count,
                c->records.count);
        for (int i = 0; i < FIGURES; i++)
                if (figures[i].told)
                        fprintf(out, "%8" PRIu64, figures[i].count);
                else
                        fprintf(out, "%8s", "-");
        fprintf(out, "%6.1f\n", (double) c->took_us / 1e6);
}

static void print_keys(const struct check *c, FILE *out) {
        struct figure figures[FIGURES];

        figures_of(c, figures);
        for (int i = 0; i < VERIFY_CLASSES; i++) {
                _cleanup_free_ char *what = mem_format("%s, %s", c->stream.config->name, figures[i].name);

                print_line(what, &c->names[i], figures[i].count, out);
        }
        for (size_t i = 0; i < c->shown_count; i++) {
                const struct shown *s = &c->shown[i];

                fprintf(out, "%s, %.*s\n  row    %.*s\n  record %.*s\n", c->stream.config->name, (int) s->name.length,
                        s->name.data, (int) s->row.length, s->row.data, (int) s->record.length,
                        s->record.length ? s->record.data : "");
        }
}

static void print_table(const struct verify *v, FILE *out) {
        fprintf(out, "%-6s%10s%10s%8s%8s%8s%8s%8s%8s%6s\n", "stream", "rows", "records", "missing", "doubled", "altered",
                "foreign", "order", "aborted", "s");
        for (size_t i = 0; i < v->count; i++)
                print_row(&v->checks[i], out);
        for (size_t i = 0; i < v->count; i++)
                print_keys(&v->checks[i], out);
        print_line("not equally often in all topics", &v->posts, v->posts_differ, out);
}

/* ---- both ---- */

int verdict_print(const struct verify *v, bool json, FILE *out, struct error *e) {
        if (json)
                return session_print_json(describe(v), out, e);
        print_table(v, out);
        return session_printed(out, e);
}

int verdict_differs(const struct verify *v, struct error *e) {
        _cleanup_buffer_ struct buffer words = {};

        for (size_t i = 0; i < v->count; i++) {
                const struct check *c = &v->checks[i];
                struct figure figures[FIGURES];

                figures_of(c, figures);
                for (int n = 0; n <= VERIFY_CLASSES; n++)
                        if (figures[n].count > 0)
                                buffer_printf(&words, "%s%s: %" PRIu64 " %s", words.length ? ", " : "", c->stream.config->name,
                                              figures[n].count, figures[n].name);
        }
        if (v->posts_differ > 0)
                buffer_printf(&words, "%s%" PRIu64 " posts are not equally often in all topics", words.length ? ", " : "",
                              v->posts_differ);
        error_set(e, ERROR_FAILED, "the topics are not what the tables are: %s", buffer_string(&words));
        return error_hint(e, "The manual says what each may come from. --show=N shows rows whose record differs; after --follow, "
                             "--as=follow minds no order.");
}
