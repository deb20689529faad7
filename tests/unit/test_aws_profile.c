#include "unit.h"

#include "aws/profile.h"

static struct profiles *parse(enum profile_file file, const char *text) {
        struct profiles *p = profiles_new();
        struct error e = {};

        if (profiles_parse(p, file, text, strlen(text), "file", &e) < 0)
                fail_msg("%s", e.what);
        return p;
}

static void add(struct profiles *p, enum profile_file file, const char *text) {
        struct error e = {};

        assert_int_equal(profiles_parse(p, file, text, strlen(text), "file", &e), 0);
}

static void expect(const struct profiles *p, const char *profile, const char *key, const char *value) {
        const char *got = profiles_get(p, profile, key);

        if (value)
                assert_string_equal(got ? got : "(nothing)", value);
        else
                assert_null(got);
}

static void config_profiles_have_the_word_profile_except_default(void **state) {
        struct profiles *p = parse(PROFILE_CONFIG,
                "[default]\nregion = a\n"
                "[profile dev]\nregion = b\n"
                "[prod]\nregion = c\n"
                "[profile \"two words\"]\nregion=d\n"
                "[ profile  tabbed\t]\nregion=e\n"
                "[profile 'single']\nregion=f\n"
                "[sso-session s]\nregion=g\n");

        (void) state;
        expect(p, "default", "region", "a");
        expect(p, "dev", "region", "b");
        expect(p, "prod", "region", NULL);
        expect(p, "two words", "region", "d");
        expect(p, "tabbed", "region", "e");
        expect(p, "single", "region", "f");
        expect(p, "s", "region", NULL);
        assert_false(profiles_has(p, "prod"));
        assert_true(profiles_has(p, "dev"));
        profiles_free(p);
}

static void profile_default_hides_plain_default_wherever_it_stands(void **state) {
        struct profiles *p = parse(PROFILE_CONFIG, "[default]\nregion=a\noutput=x\n[profile default]\nregion=b\n"
                                                   "[default]\nregion=c\n");

        (void) state;
        expect(p, "default", "region", "b");
        expect(p, "default", "output", NULL);
        profiles_free(p);
}

static void credentials_profiles_are_named_as_they_are_and_win(void **state) {
        struct profiles *p = parse(PROFILE_CONFIG, "[profile dev]\nregion=a\naws_access_key_id=CONFIG\n");

        (void) state;
        add(p, PROFILE_CREDENTIALS, "[dev]\naws_access_key_id=CRED\n[profile dev]\nregion=z\n");
        expect(p, "dev", "aws_access_key_id", "CRED");
        expect(p, "dev", "region", "a");
        expect(p, "profile dev", "region", "z");
        assert_string_equal(profiles_get_from(p, PROFILE_CONFIG, "dev", "aws_access_key_id"), "CONFIG");
        profiles_free(p);
}

static void comments_and_white_space_are_not_part_of_values(void **state) {
        struct profiles *p = parse(PROFILE_CREDENTIALS,
                "\xef\xbb\xbf# first\n; second\n\n[a] # behind a section\r\n"
                "one = 1 # behind\ntwo\t=\t2\t; behind\r\n"
                "three = x#y;z\n# whole line\n  # indented\nfour=\nfive: 5\nUPPER = Kept\nsix = a=b:c\nseven = # none\n"
                "credential_process = run \"a # b\" ; c\n");

        (void) state;
        expect(p, "a", "one", "1");
        expect(p, "a", "two", "2");
        expect(p, "a", "three", "x#y;z");
        expect(p, "a", "four", NULL);
        expect(p, "a", "five", "5");
        expect(p, "a", "upper", "Kept");
        expect(p, "a", "six", "a=b:c");
        expect(p, "a", "seven", NULL);
        expect(p, "a", "credential_process", "run \"a # b\" ; c");
        profiles_free(p);
}

static void indented_settings_are_settings_and_deeper_ones_go_on(void **state) {
        struct profiles *p = parse(PROFILE_CREDENTIALS,
                "[a]\n  one = 1\n  two = 2\n     more\n\n     # no part of it\n     and more\n  three = 3\nfour = 4\n");

        (void) state;
        expect(p, "a", "one", "1");
        expect(p, "a", "two", "2\nmore\nand more");
        expect(p, "a", "three", "3");
        expect(p, "a", "four", "4");
        profiles_free(p);
}

static void what_is_not_a_profile_is_passed_over(void **state) {
        struct profiles *p = parse(PROFILE_CONFIG,
                "[profile x]\nservices = mine\ns3 =\n  region = wrong\nregion = right\n"
                "[services x]\nsts =\n  endpoint_url = http://localhost:1\nregion = wrong\n[sso-session x]\nregion = wrong\n");

        (void) state;
        expect(p, "x", "region", "right");
        expect(p, "x", "endpoint_url", NULL);
        profiles_free(p);
}

static void the_last_of_two_settings_counts_and_profiles_add_up(void **state) {
        struct profiles *p = parse(PROFILE_CREDENTIALS, "[a]\none=1\none=2\n[b]\none=3\n[a]\ntwo=4\n");

        (void) state;
        expect(p, "a", "one", "2");
        expect(p, "a", "two", "4");
        expect(p, "b", "one", "3");
        profiles_free(p);
}

static void malformed_lines_are_named_by_number_and_never_echoed(void **state) {
        static const struct {
                const char *text;
                const char *line;
        } cases[] = {
                { "[a]\none=1\nSECRETSECRET\n", "line 3" },
                { "aws_secret_access_key = SECRET\n[a]\n", "line 1" },
                { "[a]\r\n[SECRET\r\n", "line 2" },
                { "\n\n[a]\n= SECRET\n", "line 4" },
                { "[a]\n   SECRET\n", "line 2" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct profiles *p = profiles_new();
                struct error e = {};

                assert_int_equal(profiles_parse(p, PROFILE_CREDENTIALS, cases[i].text, strlen(cases[i].text), "the/file",
                                                &e), -1);
                assert_int_equal(e.class, ERROR_REFUSED);
                assert_non_null(strstr(e.what, "the/file"));
                assert_non_null(strstr(e.what, cases[i].line));
                assert_null(strstr(e.what, "SECRET"));
                assert_null(strstr(e.hint, "SECRET"));
                profiles_free(p);
        }
}

static void nul_bytes_and_endless_values_are_refused(void **state) {
        struct profiles *p = profiles_new();
        struct buffer b = {};
        struct error e;

        (void) state;
        assert_int_equal(profiles_parse(p, PROFILE_CONFIG, "[a]\nb=c\0d\n", 10, "f", &e), -1);
        buffer_append_string(&b, "[a]\nb=");
        for (int i = 0; i < 20000; i++)
                buffer_append_string(&b, "\n cccccccc");
        assert_int_equal(profiles_parse(p, PROFILE_CONFIG, b.data, b.length, "f", &e), -1);
        assert_non_null(strstr(e.what, "too long"));
        buffer_free(&b);
        profiles_free(p);
}

static void a_missing_file_is_empty_and_an_unreadable_one_is_not(void **state) {
        struct profiles *p = profiles_new();
        struct error e;

        (void) state;
        assert_int_equal(profiles_read(p, PROFILE_CONFIG, "/nonexistent/config", &e), 0);
        assert_int_equal(profiles_read(p, PROFILE_CONFIG, "/dev/null", &e), 0);
        assert_int_equal(profiles_read(p, PROFILE_CREDENTIALS, "/", &e), -1);
        assert_non_null(strstr(e.what, "/ can't be read"));
        assert_non_null(strstr(e.hint, "AWS_SHARED_CREDENTIALS_FILE"));
        profiles_free(p);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(config_profiles_have_the_word_profile_except_default),
                cmocka_unit_test(profile_default_hides_plain_default_wherever_it_stands),
                cmocka_unit_test(credentials_profiles_are_named_as_they_are_and_win),
                cmocka_unit_test(comments_and_white_space_are_not_part_of_values),
                cmocka_unit_test(indented_settings_are_settings_and_deeper_ones_go_on),
                cmocka_unit_test(what_is_not_a_profile_is_passed_over),
                cmocka_unit_test(the_last_of_two_settings_counts_and_profiles_add_up),
                cmocka_unit_test(malformed_lines_are_named_by_number_and_never_echoed),
                cmocka_unit_test(nul_bytes_and_endless_values_are_refused),
                cmocka_unit_test(a_missing_file_is_empty_and_an_unreadable_one_is_not),
        };

        return cmocka_run_group_tests_name("aws profile", tests, NULL, NULL);
}
