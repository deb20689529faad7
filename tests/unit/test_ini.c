#include "unit.h"

#include <stdio.h>

#include "config/ini.h"

/* What was parsed, one item a line: "[section]" and "section.key=<value>@line". */
static int note(void *arg, const struct ini_item *item, struct error *e) {
        struct buffer *b = arg;

        (void) e;
        if (item->key)
                buffer_printf(b, "%s.%s=<%s>@%zu\n", item->section ? item->section : "", item->key, item->value, item->line);
        else
                buffer_printf(b, "[%s]@%zu\n", item->section, item->line);
        return 0;
}

static int parse(const char *text, size_t length, struct buffer *b, struct error *e) {
        /* An exact copy, so that a sanitizer sees any read beyond the end. */
        char *copy = malloc(length ? length : 1);
        struct errors problems = {};
        size_t count;

        memcpy(copy, text, length);
        ini_parse(copy, length, "FILE", note, b, &problems);
        free(copy);
        count = problems.count;
        if (count)
                *e = problems.list[0];
        errors_free(&problems);
        return count ? -1 : 0;
}

static void ini_reads_what_it_should(void **state) {
        static const struct { const char *text, *items; } cases[] = {
                { "", "" },
                { "\n\n", "" },
                { "[a]\nb=c", "[a]@1\na.b=<c>@2\n" },
                { "b=c\n", ".b=<c>@1\n" },
                { "\xef\xbb\xbf[a]\r\n b = c \r\n", "[a]@1\na.b=<c>@2\n" },
                { "  [ stream  x ]  # words\n", "[stream  x]@1\n" },
                { "# x = 1\n; y = 2\n  # z = 3\nb = 1\n", ".b=<1>@4\n" },
                { "b = pass#word\n", ".b=<pass#word>@1\n" },
                { "b = pass;word # a comment\n", ".b=<pass;word>@1\n" },
                { "b = one\t; a comment\n", ".b=<one>@1\n" },
                { "b =#x\n", ".b=<#x>@1\n" },
                { "b = #x\n", ".b=<>@1\n" },
                { "b =\n", ".b=<>@1\n" },
                { "b =", ".b=<>@1\n" },
                { "b=c=d = e\n", ".b=<c=d = e>@1\n" },
                { "b = \"  c # d ; \"\n", ".b=<  c # d ; >@1\n" },
                { "b = \"say \\\"hi\\\" \\\\ there\"  ; comment\n", ".b=<say \"hi\" \\ there>@1\n" },
                { "b = \"\"\n", ".b=<>@1\n" },
                { "b = it's \"fine\" inside\n", ".b=<it's \"fine\" inside>@1\n" },
                { "b = \xc3\xa9t\xc3\xa9\n", ".b=<\xc3\xa9t\xc3\xa9>@1\n" },
                { "b = C:\\x\\y\n", ".b=<C:\\x\\y>@1\n" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct buffer b = {};
                struct error e = {};

                assert_int_equal(parse(cases[i].text, strlen(cases[i].text), &b, &e), 0);
                assert_string_equal(buffer_string(&b), cases[i].items);
                buffer_free(&b);
        }
}

#define LITERAL(s) (s), sizeof (s) - 1

static void ini_refuses_with_the_line_and_never_the_value(void **state) {
        static const struct { const char *text; size_t length; const char *what; } cases[] = {
                { LITERAL("[a]\n\nS3CRET\n"), "FILE:3: this line has no =" },
                { LITERAL("S3CRET # b = c\n"), "FILE:1: this line has no =" },
                { LITERAL("= S3CRET\n"), "FILE:1: there is no name before the =" },
                { LITERAL("[S3CRET\n"), "FILE:1: a section's name isn't closed" },
                { LITERAL("[a # ]\n"), "FILE:1: a section's name isn't closed" },
                { LITERAL("[a] S3CRET = 1\n"), "FILE:1: there is text behind a section's name" },
                { LITERAL("[a]# x\n"), "FILE:1: there is text behind a section's name" },
                { LITERAL("b = \"S3CRET\n"), "FILE:1: a quoted value isn't closed" },
                { LITERAL("b = \"S3CRET\\\""), "FILE:1: a quoted value isn't closed" },
                { LITERAL("b = \"S3CRET\\"), "FILE:1: a quoted value has a backslash before something other than \" or \\" },
                { LITERAL("b = \"S3CRET\\n\""), "FILE:1: a quoted value has a backslash before something other than \" or \\" },
                { LITERAL("b = \"S3CRET\" more\n"), "FILE:1: there is text behind the closing quote of a value" },
                { LITERAL("b = \"S3CRET\"# no space\n"), "FILE:1: there is text behind the closing quote of a value" },
                { LITERAL("b = S3CRET\\\nmore\n"), "FILE:1: a value ends with a backslash" },
                { LITERAL("a = 1\nb = S3CRET\0x\n"), "FILE:2: there is a NUL byte in this line" },
                { LITERAL("# comment \0\n"), "FILE:1: there is a NUL byte in this line" },
                { LITERAL("\xff\xfe[\0a\0]\0"), "FILE:1: there is a NUL byte in this line" },
                { LITERAL("a = S3CRET\x1b[2J\n"), "FILE:1: there is a control character in this line" },
                { LITERAL("a = S3CRET\rb = 1\n"), "FILE:1: there is a control character in this line" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct buffer b = {};
                struct error e = {};

                assert_int_equal(parse(cases[i].text, cases[i].length, &b, &e), -1);
                assert_string_equal(e.what, cases[i].what);
                assert_int_equal(e.class, ERROR_REFUSED);
                assert_null(strstr(e.hint, "S3CRET"));
                buffer_free(&b);
        }
}

static int expect_long(void *arg, const struct ini_item *item, struct error *e) {
        (void) e;
        assert_int_equal(strlen(item->value), *(size_t *) arg);
        return 0;
}

static void ini_has_no_limit_on_a_line(void **state) {
        size_t length = 1 << 20;
        char *text = malloc(length + 4);
        struct errors problems = {};

        (void) state;
        memcpy(text, "b = ", 4);
        memset(text + 4, 'x', length);
        ini_parse(text, length + 4, "FILE", expect_long, &length, &problems);
        text[4] = '"';
        text[length + 3] = '"';
        length -= 2;
        ini_parse(text, length + 6, "FILE", expect_long, &length, &problems);
        assert_int_equal(problems.count, 0);
        free(text);
}

static int refuse_even(void *arg, const struct ini_item *item, struct error *e) {
        (void) arg;
        return item->line % 2 == 0 ? error_set(e, ERROR_REFUSED, "not %s", item->key) : 0;
}

static void ini_puts_the_place_before_its_callers_words(void **state) {
        struct errors problems = {};

        (void) state;
        ini_parse("a=1\nb=2\nc=3\nd=4\n", 16, "/etc/x.conf", refuse_even, NULL, &problems);
        assert_int_equal(problems.count, 2);
        assert_string_equal(problems.list[0].what, "/etc/x.conf:2: not b");
        assert_string_equal(problems.list[1].what, "/etc/x.conf:4: not d");
        errors_free(&problems);
}

static void ini_goes_on_behind_a_mistake_but_not_below_a_broken_section(void **state) {
        struct errors problems = {};
        struct buffer b = {};
        static const char text[] = "[a]\nmistake\nb = 1\n[c\nd = 2\n[e]\nf = 3\n";

        (void) state;
        ini_parse(text, sizeof text - 1, "FILE", note, &b, &problems);
        assert_string_equal(buffer_string(&b), "[a]@1\na.b=<1>@3\n[e]@6\ne.f=<3>@7\n");
        assert_int_equal(problems.count, 2);
        assert_string_equal(problems.list[0].what, "FILE:2: this line has no =");
        assert_string_equal(problems.list[1].what, "FILE:4: a section's name isn't closed");
        errors_free(&problems);
        buffer_free(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ini_reads_what_it_should),
                cmocka_unit_test(ini_refuses_with_the_line_and_never_the_value),
                cmocka_unit_test(ini_has_no_limit_on_a_line),
                cmocka_unit_test(ini_puts_the_place_before_its_callers_words),
                cmocka_unit_test(ini_goes_on_behind_a_mistake_but_not_below_a_broken_section),
        };

        return cmocka_run_group_tests_name("ini", tests, NULL, NULL);
}
