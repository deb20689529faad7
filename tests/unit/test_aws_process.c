/* credential_process: a command that prints credentials. */
#include "aws_sources.h"

#include <signal.h>
#include <sys/eventfd.h>

#define OUTPUT "{\\\"Version\\\":1,\\\"AccessKeyId\\\":\\\"PROC\\\",\\\"SecretAccessKey\\\":\\\"$S\\\"}"

static void a_command_runs_through_the_shell_and_goes_on_over_lines(void **state) {
        struct script *s = *state;

        script_profiles(s, "[default]\ncredential_process = S=abc;\n   printf '%s\\n' \"" OUTPUT "\" | cat # comment\n", "");
        expect(s, "PROC", "credential_process of profile default");
}

static void a_command_has_no_terminal_and_no_file_of_ours(void **state) {
        struct script *s = *state;
        int fd = dup(1);

        script_profiles(s, "[default]\ncredential_process = [ \"$(ls /proc/self/fd | wc -l)\" -le 4 ] && [ -z \"$(cat)\" ] "
                           "&& S=x && echo \"" OUTPUT "\"\n", "");
        assert_true(fd >= 3);
        expect(s, "PROC", "credential_process of profile default");
        close(fd);
}

static void a_command_inherits_our_environment_without_its_secrets(void **state) {
        static const char *const secrets[] = {
                "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        };
        struct script *s = *state;

        for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
                assert_int_equal(setenv(secrets[i], "INHERITED", 1), 0);
        assert_int_equal(setenv("AWS_REGION", "passed-on", 1), 0);
        script_profiles(s, "[default]\ncredential_process = ! env | grep -q INHERITED && [ $AWS_REGION = passed-on ] && S=x "
                           "&& echo \"" OUTPUT "\"\n", "");
        expect(s, "PROC", "credential_process of profile default");
        for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
                unsetenv(secrets[i]);
        unsetenv("AWS_REGION");
}

static void a_command_that_fails_is_named_with_its_last_words(void **state) {
        struct script *s = *state;

        script_profiles(s, "[default]\ncredential_process = echo S3CR3T; echo one >&2; printf 'token "
                           "\\033[1mlapsed\\n' >&2; exit 4\n", "");
        REFUSE(s, ERROR_UNREACHABLE, "credential_process of profile default", "exit status 4", "token [1mlapsed");
}

static void a_command_cannot_carry_secrets_into_a_message(void **state) {
        static const char *const commands[] = {
                "echo '{\"SecretAccessKey\": \"S3CR3T\"}'", "echo '{\"sessionToken\": \"S3CR3T\"}'",
                "echo ACCESSKEYID=S3CR3T", "echo + AWS_SECRET_ACCESS_KEY=S3CR3T", "printf 'sessionToken:\\nS3CR3T\\n'",
                /* The name lies before what is kept of it. */
                "printf 'SessionToken: %09999dS3CR3T' 0", "printf 'SessionToken: %05000dS3CR3T' 0; printf '%05000dS3CR3T' 0",
        };
        struct script *s = *state;

        for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
                _cleanup_free_ char *config = mem_format("[default]\ncredential_process = (%s) >&2; exit 4\n", commands[i]);

                script_profiles(s, config, "");
                REFUSE(s, ERROR_UNREACHABLE, "credential_process of profile default", "exit status 4)");
        }
}

static void commands_that_cannot_do_better_are_refused(void **state) {
        struct script *s = *state;

        script_profiles(s, "[default]\ncredential_process = /nonexistent/helper --x\n", "");
        REFUSE(s, ERROR_REFUSED, "credential_process of profile default", "exit status 127", "not found");
        script_profiles(s, "[default]\ncredential_process = echo S3CR3T\n", "");
        REFUSE(s, ERROR_REFUSED, "credential_process of profile default", "not JSON", "Version");
        script_profiles(s, "[default]\ncredential_process = true\n", "");
        REFUSE(s, ERROR_REFUSED, "credential_process of profile default", "empty");
        script_profiles(s, "[default]\ncredential_process = kill -9 $$\n", "");
        REFUSE(s, ERROR_UNREACHABLE, "credential_process of profile default", "signal 9");
        script_profiles(s, "[default]\ncredential_process = yes S3CR3T\n", "");
        REFUSE(s, ERROR_REFUSED, "credential_process of profile default", "more than");
}

static void a_child_that_a_command_leaves_behind_is_not_waited_for(void **state) {
        struct script *s = *state;
        time_t before = time(NULL);

        script_profiles(s, "[default]\ncredential_process = sleep 20 & S=x; echo \"" OUTPUT "\"; echo $! >&2\n", "");
        expect(s, "PROC", "credential_process of profile default");
        assert_true(time(NULL) - before < 10);
}

static void a_command_that_floods_stderr_does_no_harm(void **state) {
        struct script *s = *state;

        script_profiles(s, "[default]\ncredential_process = head -c 1000000 /dev/zero >&2; echo last >&2; exit 1\n", "");
        REFUSE(s, ERROR_UNREACHABLE, "credential_process of profile default", "exit status 1");
}

static bool is_zombie(int pid) {
        _cleanup_free_ char *path = mem_format("/proc/%d/stat", pid);
        FILE *f = fopen(path, "r");
        char state = 'Z';

        if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
                state = 'Z';
        if (f)
                fclose(f);
        return state == 'Z';
}

/* Runs what never ends, and a child of its own, with a deadline and a descriptor to cancel by; how it was refused. */
static void cut_off(struct script *s, uint64_t deadline_us, int cancel_fd, enum error_class class, const char *words) {
        struct world world = script_world(s);
        _cleanup_free_ char *line = mem_format("sleep infinity & echo $! $$ >%s; wait", script_file(s, "token", ""));
        const struct aws_settings settings = {};
        struct aws_credentials c;
        int pids[2] = {};
        struct lookup l;
        struct error e;
        FILE *f;

        lookup_begin(&l, &world, &settings, cancel_fd);
        l.deadline_us = deadline_us;
        assert_int_equal(source_process(&l, line, "the command", &c, &e), -1);
        lookup_end(&l);
        assert_int_equal(e.class, class);
        assert_non_null(strstr(e.what, words));
        line[strlen(line) - strlen("; wait")] = 0;
        f = fopen(strchr(line, '>') + 1, "r");
        assert_non_null(f);
        if (fscanf(f, "%d %d", &pids[0], &pids[1]) == 2) {
                assert_int_equal(kill(pids[1], 0), -1);
                /* The child may still have to be collected by whoever collects orphans. */
                for (int i = 0; i < 500 && kill(pids[0], 0) == 0; i++)
                        if (usleep(10000) < 0 || is_zombie(pids[0]))
                                break;
                assert_true(kill(pids[0], 0) < 0 || is_zombie(pids[0]));
        }
        fclose(f);
}

static void a_command_ends_with_its_children_at_the_deadline_or_when_cancelled(void **state) {
        uint64_t one = 1;
        int fd = eventfd(0, 0);

        cut_off(*state, clock_monotonic_us() + 400000, fd, ERROR_UNREACHABLE, "did not end in time");
        assert_int_equal(write(fd, &one, sizeof one), sizeof one);
        cut_off(*state, clock_monotonic_us() + 20000000, fd, ERROR_STOPPED, "stopped");
        close(fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_command_runs_through_the_shell_and_goes_on_over_lines),
                TEST(a_command_has_no_terminal_and_no_file_of_ours),
                TEST(a_command_inherits_our_environment_without_its_secrets),
                TEST(a_command_that_fails_is_named_with_its_last_words),
                TEST(a_command_cannot_carry_secrets_into_a_message),
                TEST(commands_that_cannot_do_better_are_refused),
                TEST(a_child_that_a_command_leaves_behind_is_not_waited_for),
                TEST(a_command_that_floods_stderr_does_no_harm),
                TEST(a_command_ends_with_its_children_at_the_deadline_or_when_cancelled),
        };

        return cmocka_run_group_tests_name("aws process", tests, NULL, NULL);
}
