/* Whatever a group's metadata holds: no cursor, or one that is printed and read back the same; keys and gaps alike. */
#include <string.h>

#include "feed/gaps.h"
#include "pinfeed/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct buffer *a, const struct buffer *b) {
        if (a->length != b->length || (a->length > 0 && memcmp(a->data, b->data, a->length) != 0))
                abort();
}

static void check_cursor(const char *bytes, size_t size) {
        struct cursor c = {}, again = {};
        struct buffer text = {}, text_again = {};
        int version;

        if (cursor_parse(bytes, size, &c, &version) == 0) {
                cursor_print(&c, CURSOR_TEXT_MAX, &text);
                if (cursor_parse(text.data, text.length, &again, &version) != 0)
                        abort();
                cursor_print(&again, CURSOR_TEXT_MAX, &text_again);
                check_same(&text, &text_again);
        } else if (c.main.present || c.bounded.present)
                abort();
        buffer_free(&text);
        buffer_free(&text_again);
        cursor_free(&c);
        cursor_free(&again);
}

static void check_key(const char *bytes, size_t size) {
        struct buffer text = {}, key = {};

        cursor_print_key(&(struct key) { bytes, size }, &text);
        if (cursor_parse_key(text.data, text.length, &key) < 0)
                abort();
        check_same(&key, &(struct buffer) { (char *) (uintptr_t) bytes, size, size });
        cursor_parse_key(bytes, size, &key);
        buffer_free(&text);
        buffer_free(&key);
}

static void check_gaps(const char *bytes, size_t size) {
        struct gaps g = {}, again = {};
        struct buffer text = {}, text_again = {};

        if (gaps_parse(&g, INT64_MAX, bytes, size, 0) == 0) {
                gaps_print(&g, &text);
                if (gaps_parse(&again, INT64_MAX, text.data, text.length, 0) < 0)
                        abort();
                gaps_print(&again, &text_again);
                check_same(&text, &text_again);
        } else if (g.count > 0)
                abort();
        buffer_free(&text);
        buffer_free(&text_again);
        gaps_free(&g);
        gaps_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        check_gaps((const char *) data, size);
        check_cursor((const char *) data, size);
        check_key((const char *) data, size);
        return 0;
}
