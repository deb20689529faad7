#include "pinfeed/cursor.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { VERSION = 1 };

/* ---- keys ---- */

/* Text that JSON and people take as it is: printable ASCII, or UTF-8 beyond it (jansson checks that). */
static bool key_is_plain(const struct key *key) {
        json_t *string;

        if (key->length >= 2 && memcmp(key->data, "0x", 2) == 0)
                return false;
        for (size_t i = 0; i < key->length; i++)
                if ((unsigned char) key->data[i] < ' ' || key->data[i] == 0x7f)
                        return false;
        string = json_stringn(key->length ? key->data : "", key->length);
        if (!string)
                return false;
        json_decref(string);
        return true;
}

void cursor_print_key(const struct key *key, struct buffer *out) {
        if (key_is_plain(key)) {
                buffer_append(out, key->data, key->length);
                return;
        }
        buffer_append_string(out, "0x");
        text_hex(key->data, key->length, TEXT_HEX, out);
}

int cursor_parse_key(const char *text, size_t length, struct buffer *ret) {
        ret->length = 0;
        if (length < 2 || memcmp(text, "0x", 2) != 0) {
                buffer_append(ret, text, length);
                return 0;
        }
        if (length % 2)
                return -1;
        for (size_t i = 2; i < length; i += 2) {
                int byte = text_unhex(text + i, TEXT_HEX);

                if (byte < 0)
                        return -1;
                buffer_append(ret, &(char) { (char) byte }, 1);
        }
        return 0;
}

/* ---- text ---- */

static json_t *key_json(bool present, const struct buffer *key) {
        struct buffer text = {};
        json_t *string;

        if (!present)
                return json_null();
        cursor_print_key(&(struct key) { key->data, key->length }, &text);
        string = json_stringn(text.length ? text.data : "", text.length);
        buffer_free(&text);
        return string;
}

static json_t *run_json(const struct cursor *c, const struct cursor_run *run) {
        json_t *object = json_object();

        if (*run->id)
                json_object_set_new(object, "id", json_string(run->id));
        json_object_set_new(object, "rows", json_integer((json_int_t) run->rows));
        json_object_set_new(object, "last", key_json(run->has_last, &run->last));
        json_object_set_new(object, "to", key_json(run->has_to, &run->to));
        json_object_set_new(object, "restart", json_boolean(run->restart));
        json_object_set_new(object, "done", json_boolean(run->done));
        if (*run->again)
                json_object_set_new(object, "again", json_string(run->again));
        if (run->followed)
                json_object_set_new(object, "followed", json_true());
        if (run->gaps.length > 0)
                json_object_set_new(object, "gaps", json_stringn(run->gaps.data, run->gaps.length));
        if (*run->fingerprint && strcmp(run->fingerprint, c->fingerprint) != 0)
                json_object_set_new(object, "table", json_string(run->fingerprint));
        return object;
}

static json_t *earlier_json(const struct cursor *c, size_t count) {
        json_t *runs = json_array();

        for (size_t i = 0; i < count; i++)
                json_array_append_new(runs, run_json(c, &c->earlier[i]));
        return runs;
}

static char *print(const struct cursor *c, size_t earlier) {
        json_t *object = json_pack("{s:i, s:s, s:{s:s, s:i, s:I}}", "pinfeed", VERSION, "table", c->fingerprint,
                                   "writer", "host", c->host, "pid", (int) c->pid, "start", (json_int_t) c->start_ms);
        char *text;

        if (*c->topic)
                json_object_set_new(object, "topic", json_string(c->topic));
        if (*c->cluster)
                json_object_set_new(object, "cluster", json_string(c->cluster));
        if (c->main.present)
                json_object_set_new(object, "main", run_json(c, &c->main));
        if (c->bounded.present)
                json_object_set_new(object, "bounded", run_json(c, &c->bounded));
        if (earlier > 0)
                json_object_set_new(object, "earlier", earlier_json(c, earlier));
        text = json_dumps(object, JSON_COMPACT);
        json_decref(object);
        if (!text)
                abort();
        return text;
}

void cursor_print(const struct cursor *c, size_t limit, struct buffer *out) {
        size_t earlier = c->earlier_count;
        char *text = print(c, earlier);

        while (strlen(text) > limit && earlier > 0) {
                free(text);
                text = print(c, --earlier);
        }
        buffer_append_string(out, text);
        free(text);
}

static int parse_key_json(const json_t *value, bool *ret_present, struct buffer *ret) {
        *ret_present = json_is_string(value);
        if (!*ret_present)
                return json_is_null(value) ? 0 : -1;
        return cursor_parse_key(json_string_value(value), json_string_length(value), ret);
}

static void parse_word(const json_t *object, const char *name, char *ret, size_t size) {
        const char *word = json_string_value(json_object_get(object, name));

        if (word)
                snprintf(ret, size, "%s", word);
}

static int parse_run(const json_t *object, bool bounded, const struct cursor *c, struct cursor_run *run) {
        const json_t *rows = json_object_get(object, "rows"), *id = json_object_get(object, "id");

        if (!object)
                return 0;
        if (!json_is_integer(rows) || json_integer_value(rows) < 0
            || parse_key_json(json_object_get(object, "last"), &run->has_last, &run->last) < 0
            || parse_key_json(json_object_get(object, "to"), &run->has_to, &run->to) < 0)
                return -1;
        if (bounded && (!json_is_string(id) || json_string_length(id) != 16))
                return -1;
        if (bounded)
                snprintf(run->id, sizeof run->id, "%s", json_string_value(id));
        run->rows = (uint64_t) json_integer_value(rows);
        run->restart = json_is_true(json_object_get(object, "restart"));
        run->done = json_is_true(json_object_get(object, "done"));
        parse_word(object, "again", run->again, sizeof run->again);
        if (json_string_length(json_object_get(object, "gaps")) > 0)
                buffer_append_string(&run->gaps, json_string_value(json_object_get(object, "gaps")));
        /* Earlier versions did not say it; but only a follow that is at some key has no end. */
        run->followed = json_is_true(json_object_get(object, "followed")) || run->gaps.length > 0
                        || (run->has_last && !run->has_to && !run->done);
        memcpy(run->fingerprint, c->fingerprint, sizeof run->fingerprint);
        parse_word(object, "table", run->fingerprint, sizeof run->fingerprint);
        run->present = true;
        return 0;
}

static int parse_earlier(const json_t *runs, struct cursor *c) {
        for (size_t i = 0; i < json_array_size(runs) && i < CURSOR_EARLIER; i++) {
                c->earlier_count = i + 1;
                if (parse_run(json_array_get(runs, i), true, c, &c->earlier[i]) < 0)
                        return -1;
        }
        return 0;
}

static enum cursor_text parse_object(const json_t *object, struct cursor *c, int *ret_version) {
        const char *fingerprint, *host;
        json_int_t pid, start_ms;

        *ret_version = (int) json_integer_value(json_object_get(object, "pinfeed"));
        if (*ret_version != VERSION)
                return CURSOR_FOREIGN;
        if (json_unpack((json_t *) (uintptr_t) object, "{s:s, s:{s:s, s:I, s:I}}", "table", &fingerprint, "writer",
                        "host", &host, "pid", &pid, "start", &start_ms) < 0)
                return CURSOR_FOREIGN;
        snprintf(c->fingerprint, sizeof c->fingerprint, "%s", fingerprint);
        snprintf(c->host, sizeof c->host, "%s", host);
        c->pid = (pid_t) pid;
        c->start_ms = start_ms;
        parse_word(object, "topic", c->topic, sizeof c->topic);
        parse_word(object, "cluster", c->cluster, sizeof c->cluster);
        if (parse_run(json_object_get(object, "main"), false, c, &c->main) < 0
            || parse_run(json_object_get(object, "bounded"), true, c, &c->bounded) < 0
            || parse_earlier(json_object_get(object, "earlier"), c) < 0)
                return CURSOR_FOREIGN;
        return CURSOR_READ;
}

enum cursor_text cursor_parse(const char *text, size_t length, struct cursor *c, int *ret_version) {
        json_t *object = json_loadb(length ? text : "", length, JSON_REJECT_DUPLICATES, NULL);
        enum cursor_text r;

        cursor_free(c);
        *ret_version = 0;
        if (!json_is_object(object)) {
                json_decref(object);
                return CURSOR_FOREIGN;
        }
        r = parse_object(object, c, ret_version);
        json_decref(object);
        if (r != CURSOR_READ)
                cursor_free(c);
        return r;
}

static void run_free(struct cursor_run *run) {
        buffer_free(&run->last);
        buffer_free(&run->to);
        buffer_free(&run->gaps);
        *run = (struct cursor_run) {};
}

void cursor_free(struct cursor *c) {
        run_free(&c->main);
        run_free(&c->bounded);
        for (size_t i = 0; i < c->earlier_count; i++)
                run_free(&c->earlier[i]);
        *c = (struct cursor) {};
}

/* ---- runs ---- */

struct cursor_run *cursor_find(struct cursor *c, const char *id) {
        if (!*id)
                return c->main.present ? &c->main : NULL;
        if (c->bounded.present && strcmp(c->bounded.id, id) == 0)
                return &c->bounded;
        for (size_t i = 0; i < c->earlier_count; i++)
                if (strcmp(c->earlier[i].id, id) == 0)
                        return &c->earlier[i];
        return NULL;
}

/* The bounded run becomes the newest of the earlier ones; the one at `at` makes room for it. */
static void put_aside(struct cursor *c, size_t at) {
        memmove(&c->earlier[1], &c->earlier[0], at * sizeof *c->earlier);
        c->earlier[0] = c->bounded;
}

struct cursor_run *cursor_take(struct cursor *c, const char *id) {
        struct cursor_run *found = cursor_find(c, id), taken = {};

        if (!*id) {
                c->main.present = true;
                return &c->main;
        }
        if (found == &c->bounded)
                return found;
        if (found) {
                taken = *found;
                put_aside(c, (size_t) (found - c->earlier));
        } else if (c->bounded.present) {
                if (c->earlier_count == CURSOR_EARLIER)
                        run_free(&c->earlier[--c->earlier_count]);
                put_aside(c, c->earlier_count++);
        }
        c->bounded = taken;
        c->bounded.present = true;
        snprintf(c->bounded.id, sizeof c->bounded.id, "%s", id);
        return &c->bounded;
}

const char *cursor_fingerprint(const struct cursor *c, const struct cursor_run *run) {
        return *run->fingerprint ? run->fingerprint : c->fingerprint;
}

void cursor_reset(struct cursor_run *run) {
        run->rows = run->gaps.length = 0;
        run->has_last = run->has_to = run->restart = run->done = run->followed = false;
        *run->again = 0;
}

/* ---- who and which ---- */

void cursor_sign(struct cursor *c, int64_t start_ms) {
        if (gethostname(c->host, sizeof c->host - 1) < 0)
                snprintf(c->host, sizeof c->host, "unknown");
        c->host[sizeof c->host - 1] = 0;
        for (char *h = c->host; *h; h++)
                if (*h <= ' ' || *h > '~')
                        *h = '?';
        c->pid = getpid();
        c->start_ms = start_ms;
}

bool cursor_same_writer(const struct cursor *a, const struct cursor *b) {
        return a->pid == b->pid && a->start_ms == b->start_ms && strcmp(a->host, b->host) == 0;
}

void cursor_bounded_id(const char *from, const char *to, char ret[static 17]) {
        struct hash hash = HASH_64;

        /* The NUL and the letter keep "a" + none and none + "a" apart. */
        if (from) {
                hash_add(&hash, "f", 1);
                hash_add(&hash, from, strlen(from) + 1);
        }
        if (to) {
                hash_add(&hash, "t", 1);
                hash_add(&hash, to, strlen(to) + 1);
        }
        snprintf(ret, 17, "%016" PRIx64, (uint64_t) hash.state);
}
