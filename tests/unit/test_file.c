/* Files of ours, in a directory where somebody else may have put anything under our names. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#include "pinfeed/base.h"

static char directory[64], ours[80], temporary[96], victim[80];

static void write_text(const char *path, const char *text) {
        FILE *f = fopen(path, "w");

        assert_non_null(f);
        fputs(text, f);
        fclose(f);
}

static void assert_holds(const char *path, const char *text) {
        _cleanup_buffer_ struct buffer b = {};

        assert_int_equal(file_read(path, FILE_NAMED, 1000, &b), 0);
        assert_string_equal(buffer_string(&b), text);
}

static int make_directory(void **state) {
        (void) state;
        strcpy(directory, "/tmp/pinfeed-file-XXXXXX");
        assert_non_null(mkdtemp(directory));
        snprintf(ours, sizeof ours, "%s/ours", directory);
        snprintf(temporary, sizeof temporary, "%s.new", ours);
        snprintf(victim, sizeof victim, "%s/victim", directory);
        write_text(victim, "victim");
        return 0;
}

static int remove_directory(void **state) {
        _cleanup_free_ char *command = mem_format("rm -r %s", directory);

        (void) state;
        return system(command);
}

/* ---- what is planted ---- */

static void plant_link(const char *at) { assert_int_equal(symlink(victim, at), 0); }
static void plant_dangling(const char *at) { assert_int_equal(symlink("nowhere", at), 0); }
static void plant_hard_link(const char *at) { assert_int_equal(link(victim, at), 0); }
static void plant_fifo(const char *at) { assert_int_equal(mkfifo(at, 0666), 0); }
static void plant_directory(const char *at) { assert_int_equal(mkdir(at, 0777), 0); }

static const struct plant {
        void (*plant)(const char *at);
        int refused_with;
} plants[] = {
        { plant_link, ELOOP }, { plant_dangling, ELOOP }, { plant_hard_link, EMLINK }, { plant_fifo, EINVAL },
        { plant_directory, EISDIR },
};

static int try_lock(void) { return file_lock(ours); }
static int try_replace(void) { return file_replace(ours, "ours", 4); }

static int try_read(void) {
        _cleanup_buffer_ struct buffer b = {};

        return file_read(ours, FILE_OWN, 1000, &b);
}

static void assert_refused(int (*try)(void), const char *at) {
        for (size_t i = 0; i < sizeof plants / sizeof *plants; i++) {
                struct stat before, after;

                if (plants[i].plant == plant_hard_link && geteuid() != 0)
                        continue;
                plants[i].plant(at);
                stat(victim, &before);
                assert_int_equal(try(), -1);
                assert_int_equal(errno, plants[i].refused_with);
                stat(victim, &after);
                assert_holds(victim, "victim");
                assert_int_equal(before.st_uid, after.st_uid);
                assert_int_equal(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
                assert_int_equal(access(ours, F_OK), strcmp(at, ours) == 0 && plants[i].plant != plant_dangling ? 0 : -1);
                remove(at);
        }
}

static void what_is_planted_under_a_name_of_ours_is_neither_followed_nor_waited_for(void **state) {
        (void) state;
        assert_refused(try_lock, ours);
        assert_refused(try_read, ours);
        assert_refused(try_replace, temporary);
}

static void a_planted_name_gives_way_to_the_new_file(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof plants / sizeof *plants; i++) {
                if (plants[i].plant == plant_directory)
                        continue;
                plants[i].plant(ours);
                assert_int_equal(file_replace(ours, "ours", 4), 0);
                assert_holds(ours, "ours");
                assert_holds(victim, "victim");
                unlink(ours);
        }
}

/* ---- ours ---- */

static void a_file_is_replaced_as_a_whole(void **state) {
        struct stat st;

        (void) state;
        write_text(temporary, "left behind by a crash, and longer");
        assert_int_equal(file_replace(ours, "first", 5), 0);
        assert_holds(ours, "first");
        assert_int_equal(file_replace(ours, "2nd", 3), 0);
        assert_holds(ours, "2nd");
        assert_int_equal(stat(temporary, &st), -1);
}

static void two_writers_do_not_share_a_temporary_file(void **state) {
        int fd;

        (void) state;
        assert_int_equal(file_replace(ours, "old", 3), 0);
        fd = file_lock(temporary);
        assert_true(fd >= 0);
        assert_int_equal(file_replace(ours, "new", 3), -1);
        assert_int_equal(errno, EWOULDBLOCK);
        assert_holds(ours, "old");
        close(fd);
        assert_int_equal(file_replace(ours, "new", 3), 0);
        assert_holds(ours, "new");
}

static void a_file_is_read_up_to_a_limit_and_never_waited_for(void **state) {
        _cleanup_buffer_ struct buffer b = {};

        (void) state;
        assert_int_equal(file_read(victim, FILE_PROMPT, 6, &b), 0);
        assert_int_equal(b.length, 6);
        assert_int_equal(file_read(victim, FILE_PROMPT, 5, &b), -1);
        assert_int_equal(errno, EFBIG);
        assert_int_equal(file_read(ours, FILE_PROMPT, 5, &b), -1);
        assert_int_equal(errno, ENOENT);
        b.length = 0;
        plant_fifo(ours);
        assert_int_equal(file_read(ours, FILE_PROMPT, 5, &b), 0);
        assert_int_equal(b.length, 0);
}

/* ---- root becomes somebody else ---- */

enum { SOMEBODY = 61234 };

/* In a process of its own: the exit code of what `check` says. */
static void assert_in_child(int (*check)(void)) {
        pid_t pid = fork();
        int status;

        if (pid == 0)
                _exit(check());
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
}

static void skip_unless_root(void) {
        if (geteuid() != 0)
                skip();
}

static int becomes_somebody(void) {
        _cleanup_buffer_ struct buffer b = {};
        struct error e;

        file_keep(victim);
        file_keep("/nonexistent");
        if (setgroups(1, &(gid_t) { 0 }) < 0 || owner_become(ours, &e) < 0 || getuid() != SOMEBODY
            || geteuid() != SOMEBODY || getegid() != SOMEBODY + 1 || getgroups(0, NULL) > 0 || setresuid(0, 0, 0) == 0)
                return 1;
        if (open(victim, O_RDONLY) >= 0 || file_read(victim, FILE_PROMPT, 1000, &b) < 0
            || strcmp(buffer_string(&b), "victim") != 0)
                return 2;
        file_forget();
        return file_read(victim, FILE_PROMPT, 1000, &b) == 0 ? 3 : 0;
}

static void root_becomes_who_owns_the_directory_and_keeps_what_it_read(void **state) {
        (void) state;
        skip_unless_root();
        assert_int_equal(chmod(directory, 0755), 0);
        assert_int_equal(chmod(victim, 0600), 0);
        plant_directory(ours);
        assert_int_equal(chown(ours, SOMEBODY, SOMEBODY + 1), 0);
        assert_in_child(becomes_somebody);
}

static int stays_root(void) {
        struct error e;

        return owner_become(ours, &e) == 0 && geteuid() == 0 ? 0 : 1;
}

static void root_stays_root_where_all_is_roots(void **state) {
        (void) state;
        skip_unless_root();
        plant_directory(ours);
        assert_in_child(stays_root);
        plant_directory(temporary);
        rmdir(ours);
        assert_int_equal(symlink(temporary, ours), 0);
        assert_in_child(stays_root);
}

static int is_refused(void) {
        struct error e;

        return owner_become(ours, &e) < 0 && e.class == ERROR_REFUSED && *e.hint && geteuid() == 0 ? 0 : 1;
}

static void root_does_not_follow_somebodys_link_to_a_directory(void **state) {
        (void) state;
        skip_unless_root();
        assert_in_child(is_refused);    /* it is not there */
        plant_directory(temporary);
        assert_int_equal(symlink("ours.new", ours), 0);
        assert_in_child(stays_root);
        assert_int_equal(lchown(ours, SOMEBODY, SOMEBODY), 0);
        assert_in_child(is_refused);
        unlink(ours);
        assert_int_equal(chown(directory, SOMEBODY, SOMEBODY), 0);
        plant_directory(ours);
        assert_in_child(is_refused);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)
        const struct CMUnitTest tests[] = {
                TEST(what_is_planted_under_a_name_of_ours_is_neither_followed_nor_waited_for),
                TEST(a_planted_name_gives_way_to_the_new_file),
                TEST(a_file_is_replaced_as_a_whole),
                TEST(two_writers_do_not_share_a_temporary_file),
                TEST(a_file_is_read_up_to_a_limit_and_never_waited_for),
                TEST(root_becomes_who_owns_the_directory_and_keeps_what_it_read),
                TEST(root_stays_root_where_all_is_roots),
                TEST(root_does_not_follow_somebodys_link_to_a_directory),
        };

        return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
