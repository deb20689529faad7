/* Where a replay goes on, as a table: what the cursor says, what the copy says, what is wanted. */
#include "unit.h"

#include <stdio.h>

#include "feed/decide.h"

#define MINE "0123456789abcdef"
#define OTHER "fedcba9876543210"
#define NOW 2000

struct run {
        uint64_t rows;
        const char *again, *table;
        bool restart, done;
};

/* Builds a cursor; a run of NULL isn't there. */
static struct cursor cursor_of(int64_t start_ms, const char *topic, const char *cluster, const struct run *main,
                               const struct run *bounded) {
        const struct run *runs[] = { main, bounded };
        struct cursor c = { .start_ms = start_ms };

        if (main || bounded)
                snprintf(c.fingerprint, sizeof c.fingerprint, "table");
        snprintf(c.topic, sizeof c.topic, "%s", topic);
        snprintf(c.cluster, sizeof c.cluster, "%s", cluster);
        for (int i = 0; i < 2; i++) {
                struct cursor_run *to = runs[i] ? cursor_take(&c, i ? MINE : "") : NULL;

                if (!to)
                        continue;
                to->rows = runs[i]->rows;
                to->restart = runs[i]->restart;
                to->done = runs[i]->done;
                snprintf(to->again, sizeof to->again, "%s", runs[i]->again ? runs[i]->again : "");
                snprintf(to->fingerprint, sizeof to->fingerprint, "%s", runs[i]->table ? runs[i]->table : "");
        }
        return c;
}

static const struct run ten = { .rows = 10 }, none = { .rows = 0 }, five = { .rows = 5, .done = true };
static const struct run old_table = { .rows = 10, .table = "table before" };
static const struct run restarted = { .rows = 5, .again = "aaaaaaaa-5dc", .restart = true };
static const struct run restarted_done = { .rows = 5, .again = "aaaaaaaa-5dc", .restart = true, .done = true };
static const struct run restarted_nameless = { .rows = 5, .restart = true };
static const struct run restarted_nameless_done = { .rows = 5, .restart = true, .done = true };

static const struct rule {
        const char *what;
        const struct run *main, *bounded;               /* of the cursor */
        const char *topic, *cluster;
        const struct run *copy_main;
        int64_t copy_ms;                                /* the copy's writer; the cursor's is 1000 */
        const char *copy_cluster;
        struct decide_wanted wanted;
        enum decision expected;
} rows[] = {
        { "nobody ever ran", .wanted = { .id = "" }, .expected = DECIDE_BEGIN },
        { "a run goes on", .main = &ten, .wanted = { .id = "" }, .expected = DECIDE_RESUME },
        { "a run that is done goes on: there may be more", .main = &five, .wanted = { .id = "" }, .expected = DECIDE_RESUME },
        { "a bounded run is another one", .main = &ten, .wanted = { .id = MINE }, .expected = DECIDE_BEGIN },
        { "and the main one, too", .bounded = &ten, .wanted = { .id = "" }, .expected = DECIDE_BEGIN },
        { "other bounds", .bounded = &ten, .wanted = { .id = OTHER }, .expected = DECIDE_BEGIN },
        { "the same bounds", .bounded = &ten, .wanted = { .id = MINE }, .expected = DECIDE_RESUME },

        /* the table */
        { "the table changed", .main = &old_table, .wanted = { .id = "" }, .expected = DECIDE_REFUSE_CHANGED },
        { "it changed, but not for the run that is wanted", .main = &old_table, .bounded = &ten, .wanted = { .id = MINE },
          .expected = DECIDE_RESUME },
        { "a bounded restart after the change does not hide it", .main = &old_table, .bounded = &restarted_done,
          .wanted = { .id = "" }, .expected = DECIDE_REFUSE_CHANGED },
        { "as an earlier version named it", .main = &old_table, .wanted = { .id = "", .old_fingerprint = "table before" },
          .expected = DECIDE_RESUME },
        { "--restart in the new form", .main = &old_table, .wanted = { .id = "", .restart = "aaaaaaaa-7d0" },
          .expected = DECIDE_RESTART },

        /* --restart */
        { "--restart of nothing", .wanted = { .id = "", .restart = "aaaaaaaa-7d0" }, .expected = DECIDE_BEGIN },
        { "--restart", .main = &five, .wanted = { .id = "", .restart = "aaaaaaaa-7d0" }, .expected = DECIDE_RESTART },
        { "--restart that was interrupted", .main = &restarted, .wanted = { .id = "", .restart = "aaaaaaaa-5dc" },
          .expected = DECIDE_RESUME },
        { "its stream that was finished is not sent again", .main = &restarted_done,
          .wanted = { .id = "", .restart = "aaaaaaaa-5dc" }, .expected = DECIDE_RESUME },
        { "another --restart", .main = &restarted_done, .wanted = { .id = "", .restart = "aaaaaaaa-7d0" },
          .expected = DECIDE_RESTART },
        { "an interrupted --restart of an earlier version", .main = &restarted_nameless,
          .wanted = { .id = "", .restart = "aaaaaaaa-7d0" }, .expected = DECIDE_RESUME },
        { "a finished one of an earlier version", .main = &restarted_nameless_done,
          .wanted = { .id = "", .restart = "aaaaaaaa-7d0" }, .expected = DECIDE_RESTART },

        /* the copy */
        { "Kafka forgot, the file remembers", .copy_main = &ten, .wanted = { .id = "" }, .expected = DECIDE_REFUSE_LOST },
        { "nothing was sent then", .copy_main = &none, .wanted = { .id = "" }, .expected = DECIDE_BEGIN },
        { "the copy is of another cluster", .copy_main = &ten, .copy_cluster = "c2", .wanted = { .id = "", .cluster = "c1" },
          .expected = DECIDE_BEGIN },
        { "--restart after it was forgotten", .copy_main = &ten, .wanted = { .id = "", .restart = "aaaaaaaa-7d0" },
          .expected = DECIDE_RESTART },
        { "a bounded run that the copy lacks", .copy_main = &ten, .wanted = { .id = MINE }, .expected = DECIDE_BEGIN },
        { "the copy is behind", .main = &ten, .copy_main = &five, .copy_ms = 1000, .wanted = { .id = "" },
          .expected = DECIDE_RESUME },
        { "the cursor is older than the copy", .main = &five, .copy_main = &ten, .copy_ms = 1000, .wanted = { .id = "" },
          .expected = DECIDE_REFUSE_OLDER },
        { "another machine restarted since", .main = &restarted, .copy_main = &ten, .copy_ms = 1000, .wanted = { .id = "" },
          .expected = DECIDE_RESUME },
        { "a later writer knows better", .main = &five, .copy_main = &ten, .copy_ms = 500, .wanted = { .id = "" },
          .expected = DECIDE_RESUME },

        /* the file alone */
        { "of another topic", .main = &ten, .topic = "t2", .wanted = { .id = "", .topic = "t1" },
          .expected = DECIDE_REFUSE_ELSEWHERE },
        { "of another cluster", .main = &ten, .topic = "t1", .cluster = "c2",
          .wanted = { .id = "", .topic = "t1", .cluster = "c1" }, .expected = DECIDE_REFUSE_ELSEWHERE },
        { "of a cluster that isn't known", .main = &ten, .topic = "t1", .cluster = "c2",
          .wanted = { .id = "", .topic = "t1" }, .expected = DECIDE_RESUME },
        { "of an earlier version, which didn't say", .main = &ten, .wanted = { .id = "", .topic = "t1", .cluster = "c1" },
          .expected = DECIDE_RESUME },
        { "--restart to another topic", .main = &restarted, .topic = "t2",
          .wanted = { .id = "", .topic = "t1", .restart = "aaaaaaaa-5dc" }, .expected = DECIDE_RESTART },

        /* a later attempt of one process */
        { "as it was committed", .main = &ten, .wanted = { .id = "", .claimed = true, .rows = 10 }, .expected = DECIDE_RESUME },
        { "a commit in doubt was done", .main = &ten, .wanted = { .id = "", .claimed = true, .rows = 5 },
          .expected = DECIDE_RESUME },
        { "it went back", .main = &five, .wanted = { .id = "", .claimed = true, .rows = 10 }, .expected = DECIDE_REFUSE_OLDER },
        { "it is gone", .wanted = { .id = "", .claimed = true, .rows = 10 }, .expected = DECIDE_REFUSE_LOST },
        { "the table changed meanwhile", .main = &old_table, .wanted = { .id = "", .claimed = true, .rows = 10 },
          .expected = DECIDE_REFUSE_CHANGED },
        { "its own restart goes on", .main = &restarted, .wanted = { .id = "", .claimed = true, .restart = "aaaaaaaa-7d0" },
          .expected = DECIDE_RESUME },
};

static const char *or_nothing(const char *s) {
        return s ? s : "";
}

static void where_a_replay_goes_on(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                const struct rule *r = &rows[i];
                struct cursor cursor = cursor_of(1000, or_nothing(r->topic), or_nothing(r->cluster), r->main, r->bounded);
                struct cursor copy = cursor_of(r->copy_ms, "", or_nothing(r->copy_cluster), r->copy_main, NULL);
                struct decide_wanted wanted = r->wanted;
                enum decision got;

                wanted.fingerprint = "table";
                wanted.topic = or_nothing(wanted.topic);
                wanted.cluster = or_nothing(wanted.cluster);
                got = decide(&cursor, &copy, &wanted);
                if (got != r->expected)
                        fail_msg("%s: %d, not %d", r->what, got, r->expected);
                cursor_free(&cursor);
                cursor_free(&copy);
        }
}

/* ---- which restart ---- */

static const struct {
        const char *what;
        const struct run *streams[3];
        int64_t written_ms;             /* the cursors' writer; the restart "aaaaaaaa-5dc" began at 1500 */
        const char *expected;
} restarts[] = {
        { "nothing is there", { NULL, NULL, NULL }, 0, "aaaaaaaa-7d0" },
        { "a plain replay is there", { &ten, &ten, &five }, 1000, "aaaaaaaa-7d0" },
        { "one was interrupted", { &restarted, &restarted, &restarted }, 1500, "aaaaaaaa-5dc" },
        { "one stream had finished", { &restarted_done, &restarted, &restarted }, 1500, "aaaaaaaa-5dc" },
        { "one stream had not even begun", { &restarted_done, &restarted, &ten }, 1000, "aaaaaaaa-5dc" },
        { "all had finished", { &restarted_done, &restarted_done, &restarted_done }, 1500, "aaaaaaaa-7d0" },
        { "somebody replayed otherwise since", { &restarted_done, &ten, &restarted_done }, 1800, "aaaaaaaa-7d0" },
};

static void which_restart_it_is(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof restarts / sizeof *restarts; i++) {
                struct cursor cursors[3], *list[3];
                char got[33];

                for (int k = 0; k < 3; k++) {
                        cursors[k] = cursor_of(restarts[i].written_ms, "", "", restarts[i].streams[k], NULL);
                        list[k] = &cursors[k];
                }
                decide_restart(list, 3, "", "aaaaaaaa", NOW, got);
                if (strcmp(got, restarts[i].expected) != 0)
                        fail_msg("%s: %s", restarts[i].what, got);
                decide_restart(list, 3, "", "bbbbbbbb", NOW, got);      /* of other streams */
                assert_string_equal(got, "bbbbbbbb-7d0");
                for (int k = 0; k < 3; k++)
                        cursor_free(&cursors[k]);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(where_a_replay_goes_on),
                cmocka_unit_test(which_restart_it_is),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
