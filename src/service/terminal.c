#include "service/internal.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { REDRAW_US = 100 * 1000 };

void terminal_open(struct terminal *t) {
        const char *kind = getenv("TERM");

        t->present = isatty(STDERR_FILENO) && kind && *kind && strcmp(kind, "dumb") != 0;
}

void terminal_close(struct terminal *t) {
        buffer_free(&t->wanted);
        buffer_free(&t->drawn);
}

static struct winsize terminal_size(void) {
        struct winsize size = {};

        if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
                size.ws_col = 80;
        if (size.ws_row == 0)
                size.ws_row = 24;
        return size;
}

static bool begins_character(char byte) {
        return ((unsigned char) byte & 0xc0) != 0x80;
}

/* Rows that the block covers now; the terminal may have become narrower since it was drawn. */
static unsigned rows_covered(const struct buffer *drawn, unsigned columns) {
        unsigned rows = 1, column = 0;

        for (size_t i = 0; i < drawn->length; i++) {
                if (drawn->data[i] == '\n') {
                        rows++;
                        column = 0;
                } else if (begins_character(drawn->data[i]) && ++column > columns) {
                        rows++;
                        column = 1;
                }
        }
        return rows;
}

/* The cursor rests behind the block's last character. */
static void append_erase(struct terminal *t, struct buffer *out) {
        unsigned rows;

        if (t->drawn.length == 0)
                return;
        rows = rows_covered(&t->drawn, terminal_size().ws_col);
        buffer_append_string(out, "\r");
        if (rows > 1)
                buffer_printf(out, "\x1b[%uA", rows - 1);
        buffer_append_string(out, "\x1b[J");
        t->drawn.length = 0;
}

static void append_block(struct terminal *t, struct buffer *out) {
        struct winsize size = terminal_size();
        unsigned row = 1, column = 0;

        for (size_t i = 0; i < t->wanted.length; i++) {
                char byte = t->wanted.data[i];

                if (byte == '\n') {
                        if (++row >= size.ws_row)
                                break;
                        column = 0;
                } else {
                        column += begins_character(byte);
                        if (column >= size.ws_col)
                                continue;
                }
                buffer_append(&t->drawn, &byte, 1);
        }
        if (t->drawn.length)
                buffer_append(out, t->drawn.data, t->drawn.length);
        t->stale = false;
}

static void write_all(const struct buffer *out) {
        for (size_t done = 0; done < out->length;) {
                ssize_t n = write(STDERR_FILENO, out->data + done, out->length - done);

                if (n <= 0)
                        return; /* nobody reads: there is nowhere to say so */
                done += (size_t) n;
        }
}

void terminal_write_line(struct terminal *t, const char *line) {
        struct buffer out = {};

        append_erase(t, &out);
        buffer_append_string(&out, line);
        buffer_append_string(&out, "\n");
        if (t->present)
                append_block(t, &out);
        write_all(&out);
        buffer_free(&out);
}

static void redraw(struct terminal *t, uint64_t now_us) {
        struct buffer out = {};

        if (!t->stale || now_us - t->drawn_us < REDRAW_US)
                return;
        append_erase(t, &out);
        append_block(t, &out);
        write_all(&out);
        buffer_free(&out);
        t->drawn_us = now_us;
}

void progress_refresh(struct service *s) {
        pthread_mutex_lock(&s->lock);
        redraw(&s->terminal, clock_monotonic_us());
        pthread_mutex_unlock(&s->lock);
}

void progress_clear(struct service *s) {
        struct terminal *t = &s->terminal;
        struct buffer out = {};

        pthread_mutex_lock(&s->lock);
        append_erase(t, &out);
        write_all(&out);
        t->wanted.length = 0;
        t->stale = false;
        pthread_mutex_unlock(&s->lock);
        buffer_free(&out);
}

/* ---- the room's contract ---- */

bool service_on_terminal(const struct service *s) {
        return s->terminal.present;
}

unsigned service_columns(const struct service *s) {
        return s->terminal.present ? terminal_size().ws_col - 1u : 79;
}

void service_progress(struct service *s, const char *lines) {
        struct terminal *t = &s->terminal;

        if (!t->present)
                return;
        pthread_mutex_lock(&s->lock);
        t->wanted.length = 0;
        buffer_append_string(&t->wanted, lines);
        t->stale = true;
        redraw(t, clock_monotonic_us());
        pthread_mutex_unlock(&s->lock);
}
