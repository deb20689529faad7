/* STS answers in XML. Only elements and text: a document with a DTD is refused, so there are no entities to expand. */
#include "aws/answer.h"

#include <expat.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 8, VALUE_MAX = 70000 };

/* A path of elements whose text is wanted, such as "ErrorResponse/Error/Code". */
struct wanted {
        char path[128];
        struct buffer text;
        unsigned times;
};

struct reader {
        XML_Parser parser;
        struct wanted *wanted;
        size_t count;
        char path[256];                 /* of the element we are in; its namespace left out */
        unsigned depth;
        const char *wrong;              /* why reading was stopped */
};

/* ---- expat's memory, wiped when it is freed ---- */

union block {
        size_t size;
        max_align_t align;
};

static void *take_memory(size_t size) {
        union block *b = mem_alloc(sizeof *b + size);

        b->size = size;
        return b + 1;
}

static void give_memory(void *p) {
        union block *b = p;

        if (!b)
                return;
        b--;
        mem_wipe(b, sizeof *b + b->size);
        free(b);
}

static void *change_memory(void *p, size_t size) {
        union block *old = p;
        void *new = take_memory(size);

        if (old) {
                memcpy(new, p, old[-1].size < size ? old[-1].size : size);
                give_memory(p);
        }
        return new;
}

/* ---- events ---- */

static void stop(struct reader *r, const char *wrong) {
        r->wrong = wrong;
        XML_StopParser(r->parser, XML_FALSE);
}

static void on_doctype(void *arg, const XML_Char *name, const XML_Char *system, const XML_Char *public, int internal) {
        (void) name;
        (void) system;
        (void) public;
        (void) internal;
        stop(arg, "it has a DTD");
}

static void on_start(void *arg, const XML_Char *name, const XML_Char **attributes) {
        const char *colon = strchr(name, ':');
        const char *local = colon ? colon + 1 : name;
        struct reader *r = arg;
        size_t n = strlen(r->path);

        (void) attributes;
        if (++r->depth > DEPTH_MAX || n + strlen(local) + 2 > sizeof r->path) {
                stop(r, "its elements are nested too deeply");
                return;
        }
        snprintf(r->path + n, sizeof r->path - n, "%s%s", n ? "/" : "", local);
        for (size_t i = 0; i < r->count; i++)
                if (strcmp(r->wanted[i].path, r->path) == 0 && r->wanted[i].times++)
                        stop(r, "an element is there twice");
}

static void on_end(void *arg, const XML_Char *name) {
        struct reader *r = arg;
        char *slash = strrchr(r->path, '/');

        (void) name;
        r->depth--;
        *(slash ? slash : r->path) = 0;
}

static void on_text(void *arg, const XML_Char *text, int length) {
        struct reader *r = arg;

        for (size_t i = 0; i < r->count; i++) {
                struct buffer *b = &r->wanted[i].text;

                if (strcmp(r->wanted[i].path, r->path) != 0)
                        continue;
                if (b->length + (size_t) length > VALUE_MAX) {
                        stop(r, "an element is too long");
                        return;
                }
                if (!b->data)
                        buffer_reserve(b, VALUE_MAX + 1);       /* once, so that no copy stays behind */
                buffer_append(b, text, (size_t) length);
        }
}

/* ---- documents ---- */

/* Reads the text of the wanted elements. NULL: done; else what is wrong with the document. */
static const char *read_document(const char *bytes, size_t length, struct wanted *wanted, size_t count) {
        const XML_Memory_Handling_Suite memory = { take_memory, change_memory, give_memory };
        struct reader r = { .wanted = wanted, .count = count };

        if (length > 1024 * 1024)
                return "it is too long";
        r.parser = XML_ParserCreate_MM(NULL, &memory, NULL);
        if (!r.parser)
                abort();        /* out of memory */
        XML_SetUserData(r.parser, &r);
        XML_SetElementHandler(r.parser, on_start, on_end);
        XML_SetCharacterDataHandler(r.parser, on_text);
        XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
        if (XML_Parse(r.parser, bytes, (int) length, XML_TRUE) != XML_STATUS_OK && !r.wrong)
                r.wrong = XML_ErrorString(XML_GetErrorCode(r.parser));
        XML_ParserFree(r.parser);
        return r.wrong;
}

static const char *text_of(struct wanted *w) {
        const char *s = buffer_string(&w->text);

        return s + strspn(s, " \t\r\n");
}

static void free_wanted(struct wanted *wanted, size_t count) {
        for (size_t i = 0; i < count; i++)
                buffer_wipe_and_free(&wanted[i].text);
}

static int read_sts(struct wanted *w, struct aws_credentials *ret, struct error *e) {
        static const char *const names[] = { "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration" };
        int64_t expires_s;

        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                if (!*text_of(&w[i]))
                        return error_set(e, ERROR_UNREACHABLE, "the answer has no %s", names[i]);
        if (!credentials_time(text_of(&w[3]), &expires_s))
                return error_set(e, ERROR_UNREACHABLE, "the answer's Expiration is not a time (ISO 8601)");
        return credentials_copy(text_of(&w[0]), text_of(&w[1]), text_of(&w[2]), expires_s, ret, e);
}

int answer_sts(const char *action, const char *bytes, size_t length, struct aws_credentials *ret, struct error *e) {
        static const char *const names[] = { "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration" };
        struct wanted w[4] = {};
        const char *wrong;
        int result;

        for (size_t i = 0; i < 4; i++)
                snprintf(w[i].path, sizeof w[i].path, "%sResponse/%sResult/Credentials/%s", action, action, names[i]);
        wrong = read_document(bytes, length, w, 4);
        if (wrong)
                result = error_set(e, ERROR_UNREACHABLE, "the answer (%zu bytes) is not the XML that was expected: %s",
                                   length, wrong);
        else
                result = read_sts(w, ret, e);
        free_wanted(w, 4);
        return result;
}

void answer_xml_reason(const char *bytes, size_t length, struct answer_reason *ret) {
        struct wanted w[] = {
                { .path = "ErrorResponse/Error/Code" },
                { .path = "ErrorResponse/Error/Message" },
        };

        if (!read_document(bytes, length, w, 2)) {
                text_flatten(text_of(&w[0]), ret->code, sizeof ret->code);
                text_flatten(text_of(&w[1]), ret->message, sizeof ret->message);
        }
        free_wanted(w, 2);
}
