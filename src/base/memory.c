#include "pinfeed/base.h"

#include <stdio.h>
#include <string.h>

static void *must(void *p) {
        if (!p) {
                fputs("pinfeed: out of memory\n", stderr);
                abort();
        }
        return p;
}

void *mem_alloc(size_t size) {
        return must(malloc(size ? size : 1));
}

void *mem_zero(size_t count, size_t size) {
        return must(calloc(count ? count : 1, size ? size : 1));
}

void *mem_resize(void *p, size_t size) {
        return must(realloc(p, size ? size : 1));
}

char *mem_copy_string(const char *s) {
        return mem_copy_bytes(s, strlen(s));
}

char *mem_copy_bytes(const void *s, size_t length) {
        char *copy = mem_alloc(length + 1);

        if (length)
                memcpy(copy, s, length);
        copy[length] = 0;
        return copy;
}

char *mem_format(const char *format, ...) {
        char *s;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&s, format, ap) < 0)
                s = NULL;
        va_end(ap);
        return must(s);
}

void mem_wipe(void *p, size_t length) {
        if (p)
                explicit_bzero(p, length);
}

void mem_free_secret(char *s) {
        if (s)
                mem_wipe(s, strlen(s));
        free(s);
}

/* ---- buffer ---- */

char *buffer_reserve(struct buffer *b, size_t more) {
        if (b->capacity - b->length < more) {
                size_t capacity = b->capacity ? b->capacity * 2 : 256;
                char *grown;

                while (capacity - b->length < more)
                        capacity *= 2;
                grown = mem_alloc(capacity);
                if (b->length)
                        memcpy(grown, b->data, b->length);
                mem_wipe(b->data, b->capacity);
                free(b->data);
                b->data = grown;
                b->capacity = capacity;
        }
        return b->data + b->length;
}

void buffer_append(struct buffer *b, const void *bytes, size_t length) {
        if (!length)
                return;
        memcpy(buffer_reserve(b, length), bytes, length);
        b->length += length;
}

void buffer_append_string(struct buffer *b, const char *s) {
        buffer_append(b, s, strlen(s));
}

void buffer_printf(struct buffer *b, const char *format, ...) {
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(buffer_reserve(b, 128), 128, format, ap);
        va_end(ap);
        if (n >= 128) {
                va_start(ap, format);
                vsnprintf(buffer_reserve(b, (size_t) n + 1), (size_t) n + 1, format, ap);
                va_end(ap);
        }
        b->length += (size_t) n;
}

const char *buffer_string(struct buffer *b) {
        *buffer_reserve(b, 1) = 0;
        return b->data;
}

void buffer_free(struct buffer *b) {
        free(b->data);
        *b = (struct buffer) {};
}

void buffer_wipe_and_free(struct buffer *b) {
        mem_wipe(b->data, b->capacity);
        buffer_free(b);
}
