/* New rows as they appear. A look is one query: the rows beyond the greatest key that was sent, and those within the gaps
 * below it. The keys that it finds missing are new gaps (gaps.h). When there are too many to remember, what lies beyond
 * waits until a horizon is settled: the greatest key at some moment, below which nothing more can appear when all that was
 * open at that moment has ended. Up to there everything is read at once, and what is missing was never used. So is a table
 * with a long past.
 */
#include "keep.h"

#include <string.h>

#include "own.h"
#include "pinfeed/limits.h"

enum {
        LOOK_ROWS = 10000,              /* one look brings no more */
        COUNT_SETTLES = 10,             /* rows are counted every so many settle times */
        RENEW_S = 3600,                 /* an idle cursor is committed again: brokers forget old ones */
        OURS_S = 20,                    /* and looked at: has somebody taken over? */
        LOOK_TAKES_S = 10,              /* with its commit, at most, where servers are slow */
        FEW_GAPS_BYTES = GAPS_TEXT_MAX / 2,     /* of text: below it no new row waits because too many keys are missing */
};

enum { GROWING, LAST, COUNTED };

void keep_free(struct keep *k) {
        gaps_free(&k->gaps);
        free(k->ranges);
        *k = (struct keep) {};
}

void keep_write(const struct keep *k, struct cursor_run *at) {
        at->gaps.length = 0;
        gaps_print(&k->gaps, &at->gaps);
}

/* ---- before the rows ---- */

int keep_check(struct feed *f, struct error *e) {
        const struct table_facts *facts = table_facts(f->stream.table);
        const struct config_stream *s = f->stream.config;

        if (facts->key_kind == KEY_INTEGER && facts->key_unique)
                return 0;
        if (facts->key_kind == KEY_INTEGER)
                error_set(e, ERROR_REFUSED, "stream %s can't be followed: its key %s has no unique index (of a column that is NOT "
                          "NULL) in table %s", s->name, s->key, s->table);
        else
                error_set(e, ERROR_REFUSED, "stream %s can't be followed: its key %s is no integer, so nothing tells which keys of "
                          "table %s are still missing", s->name, s->key, s->table);
        return error_hint(e, "Set the stream's key to an AUTO_INCREMENT column with a unique index, or leave the stream out "
                          "with --streams and replay it from time to time (pinfeed-replay.timer).");
}

/* From now on the greatest key that there is waits to be settled. */
static int note_horizon(struct feed *f, struct error *e) {
        struct keep *k = &f->keep;
        struct key least, greatest;

        k->has_horizon = false;
        switch (table_key_bounds(f->connection.database, f->stream.table, &least, &greatest, e)) {
        case TABLE_BOUNDS_FAILED:
                return -1;
        case TABLE_EMPTY:
                return 0;
        case TABLE_BOUNDS:
                break;
        }
        if (gaps_parse_key(greatest.data, greatest.length, &k->horizon) == 0) {
                k->has_horizon = k->horizon > k->gaps.frontier;
                k->horizon_settling = (struct settling) { .since_us = clock_monotonic_us() };
        }
        return 0;
}

static int refuse_cursor(struct feed *f, struct error *e) {
        error_set(e, ERROR_REFUSED, "stream %s: the cursor in group %s is at a key that can't be followed, or lists missing keys in "
                  "another way than this pinfeed does", f->stream.config->name, f->place.group);
        return error_hint(e, "To send everything again: pinfeed --replay --restart, then this.");
}

int keep_begin(struct feed *f, struct error *e) {
        struct cursor_run *at = f->place.at;
        struct keep *k = &f->keep;
        uint64_t now_us = clock_monotonic_us();
        int64_t frontier = GAPS_NOTHING_SENT;

        keep_free(k);
        gaps_begin(&k->gaps);
        if (at->has_last && (gaps_parse_key(at->last.data, at->last.length, &frontier) < 0
                             || gaps_parse(&k->gaps, frontier, at->gaps.data, at->gaps.length, now_us) < 0))
                return refuse_cursor(f, e);
        at->restart = at->has_to = false;       /* if that run had an end, it is another one now */
        at->followed = true;
        k->counted_us = k->committed_us = k->ours_us = now_us;
        k->windows[GROWING] = (struct keep_window) { true, frontier, INT64_MAX, 0 };
        return note_horizon(f, e);
}

static bool last_number(const struct cursor_run *run, int64_t *ret) {
        return run->has_last && gaps_parse_key(run->last.data, run->last.length, ret) == 0;
}

bool feed_awaits(const struct cursor_run *run, const struct key *key) {
        struct gaps gaps = {};
        int64_t number, last;
        bool awaited;

        if (gaps_parse_key(key->data, key->length, &number) < 0)
                return false;
        if (!last_number(run, &last))
                return !run->has_last;
        gaps_begin(&gaps);
        awaited = gaps_parse(&gaps, last, run->gaps.data, run->gaps.length, 0) == 0 && gaps_judge(&gaps, number) != GAPS_KNOWN
                  && (number <= last || !run->has_to);
        gaps_free(&gaps);
        return awaited;
}

/* A row that has gone again meanwhile is passed by. */
bool feed_goes_on(const struct cursor_run *before, const struct cursor_run *now, const struct key *key) {
        int64_t number, was, is;

        if (!now->followed || now->has_to || gaps_parse_key(key->data, key->length, &number) < 0 || !last_number(now, &is))
                return false;
        return last_number(before, &was) && number <= was ? !feed_awaits(now, key) : number <= is;
}

/* It looks once an interval; and while many keys are missing, new ones may wait until some are settled. */
double feed_follow_takes_s(const struct config *config, const struct cursor_run *run) {
        double held_up_s = run->gaps.length < FEW_GAPS_BYTES ? 0 : config->follow_settle_s;

        return 2 * config->follow_interval_s + held_up_s + LOOK_TAKES_S;
}

/* ---- a row ---- */

enum step keep_row(struct feed *f, const struct ahead_row *row, struct error *e) {
        struct keep *k = &f->keep;
        int64_t key;
        enum step r;

        if (gaps_parse_key(row->key, row->key_length, &key) < 0) {
                error_set(e, ERROR_REFUSED, "stream %s: key %.*s is too large to be followed", f->stream.config->name,
                          (int) row->key_length, row->key);
                return feed_save_sent(f);
        }
        k->taken++;
        switch (gaps_judge(&k->gaps, key)) {
        case GAPS_KNOWN:
                return STEP_ON;
        case GAPS_WAIT:
                k->postponed = true;
                k->blocked = k->blocked || key > k->gaps.frontier;
                return STEP_ON;
        case GAPS_SEND:
                break;
        }
        r = feed_send_row(f, row, e);
        if (r != STEP_ON)
                return r;
        k->late += key < k->gaps.frontier;
        gaps_sent(&k->gaps, key, clock_monotonic_us());
        f->batch.last.length = 0;               /* where the cursor is then */
        buffer_printf(&f->batch.last, "%lld", (long long) k->gaps.frontier);
        for (size_t i = 0; i < sizeof k->windows / sizeof *k->windows; i++)
                k->windows[i].sent += k->windows[i].set && key > k->windows[i].after && key <= k->windows[i].to;
        return STEP_ON;
}

/* ---- a look ---- */

/* In the gaps, and beyond the frontier up to `to`. */
static size_t list_ranges(struct keep *k, int64_t to) {
        const struct gaps *g = &k->gaps;
        size_t count = g->count;

        if (k->range_capacity < count + 1) {
                k->range_capacity = 2 * count + 1;
                k->ranges = mem_resize(k->ranges, k->range_capacity * sizeof *k->ranges);
        }
        for (size_t i = 0; i < count; i++)
                k->ranges[i] = (struct table_range) { g->list[i].first, g->list[i].last };
        if (to > g->frontier)
                k->ranges[count++] = (struct table_range) { g->frontier + 1, to };
        return count;
}

static enum step look(struct feed *f, int64_t to, uint64_t limit, struct error *e) {
        struct keep *k = &f->keep;
        size_t ranges = list_ranges(k, to);
        enum step r = STEP_ON;

        k->taken = 0;
        k->postponed = false;
        if (ranges > 0)
                r = feed_pass(f, &(struct ahead_source) { .ranges = k->ranges, .range_count = ranges, .limit = limit }, e);
        if (r == STEP_ON && (limit == 0 || k->taken < limit))
                k->forgot |= gaps_forget_settled(&k->gaps);
        return r;
}

/* Only while something is missing. */
static int ask_transactions(struct feed *f, struct error *e) {
        struct keep *k = &f->keep;
        struct transactions *t = &k->transactions;

        if (k->hidden || (k->gaps.count == 0 && !k->has_horizon))
                return 0;
        switch (database_transactions(f->connection.database, &t->oldest, &t->newest, e)) {
        case DATABASE_TRANSACTIONS_FAILED:
                return -1;
        case DATABASE_TRANSACTIONS:
                t->known = true;
                break;
        case DATABASE_TRANSACTIONS_HIDDEN:
                t->known = false;
                k->hidden = true;
                break;
        }
        return 0;
}

static void settle(struct feed *f) {
        struct keep *k = &f->keep;
        uint64_t now_us = clock_monotonic_us(), settle_us = f->run->settle_us;

        gaps_settle(&k->gaps, &k->transactions, settle_us, now_us);
        if (k->has_horizon && settling_look(&k->horizon_settling, &k->transactions, settle_us, now_us)) {
                k->has_horizon = false;
                k->gaps.horizon = k->horizon;
                k->catches_up = k->horizon > k->gaps.frontier;
        }
        if (k->catches_up || k->gaps.text_length < FEW_GAPS_BYTES)
                k->blocked = false;
}

static void say_blocked(struct feed *f) {
        struct keep *k = &f->keep;

        if (k->said_blocked)
                return;
        k->said_blocked = true;
        session_note(&f->run->session, f->stream.config, SERVICE_NOTICE, "more keys are missing than can be remembered; rows beyond "
                     "key %lld wait until %s", (long long) k->gaps.frontier,
                     k->transactions.known ? "the transactions that are open now have ended"
                                           : "[follow] settle has passed (with the right PROCESS: only while transactions are open)");
}

static bool awaits_horizon(const struct keep *k) {
        return k->has_horizon && k->horizon > k->gaps.frontier;
}

/* After a look that is committed: what it tells the main thread, and what the next one needs. */
static int conclude(struct feed *f, bool more, struct error *e) {
        struct keep *k = &f->keep;

        if (k->blocked)
                say_blocked(f);
        if (more && !awaits_horizon(k) && note_horizon(f, e) < 0)
                return -1;
        if (!more)
                f->progress.caught_up_us = k->look_us;
        f->progress.behind = more && awaits_horizon(k) ? (uint64_t) k->horizon - (uint64_t) k->gaps.frontier : 0;
        f->progress.missing = gaps_keys(&k->gaps);
        if (!k->forgot) {
                f->progress.unused += k->gaps.unused;
                k->gaps.unused = 0;
        }
        f->progress.looks++;
        return 0;
}

/* ---- what turns up too late ---- */

/* The rows of some time ago are counted, before a look. */
static int count(struct feed *f, struct error *e) {
        struct keep_window *w = f->keep.windows;
        _cleanup_buffer_ struct buffer after = {}, to = {};

        w[COUNTED] = w[LAST];
        w[LAST] = w[GROWING];
        w[LAST].to = f->keep.gaps.frontier;
        w[GROWING] = (struct keep_window) { true, f->keep.gaps.frontier, INT64_MAX, 0 };
        f->keep.counted_us = f->keep.look_us;
        if (!w[COUNTED].set)
                return 0;
        buffer_printf(&after, "%lld", (long long) w[COUNTED].after);
        buffer_printf(&to, "%lld", (long long) w[COUNTED].to);
        return table_count(f->connection.database, f->stream.table, &(struct key) { after.data, after.length }, false,
                           &(struct key) { to.data, to.length }, &f->keep.count, e);
}

/* After that look, which brought all of them that appeared while it was still asked for them. */
static void compare(struct feed *f) {
        struct keep_window *w = &f->keep.windows[COUNTED];

        if (!w->set || f->keep.postponed)
                return;
        if (f->keep.count > w->sent) {
                f->progress.missed += f->keep.count - w->sent;
                session_note(&f->run->session, f->stream.config, SERVICE_WARNING, "at least %llu rows with keys in %lld .. %lld "
                             "appeared when nobody looked for them any more, and were not sent. pinfeed --verify has their keys; "
                             "pinfeed --replay with --from and --to sends them. If transactions last so long, raise [follow] settle.",
                             (unsigned long long) (f->keep.count - w->sent), (long long) w->after + 1, (long long) w->to);
        }
        w->set = false;
}

/* ---- the loop ---- */

/* Who commits learns it by that. Only what is certain ends it: Kafka may be away, and is waited for when there are rows.
 * `ret_there`: it isn't. */
static int check_owner(struct feed *f, bool *ret_there, struct error *e) {
        struct keep *k = &f->keep;
        struct error unknown;

        k->ours_us = k->look_us;
        *ret_there = !f->place.exactly_once || place_is_ours(&f->place, &unknown) == 0;
        if (*ret_there || unknown.class != ERROR_TAKEN_OVER)
                return 0;
        *e = unknown;
        return -1;
}

/* Whether it is time to commit. An idle cursor is looked at before: nothing ends a commit that finds no coordinator. */
static int is_due(struct feed *f, bool *ret_due, struct error *e) {
        struct keep *k = &f->keep;
        bool owed = k->forgot || k->look_us - k->committed_us >= RENEW_S * 1000000ull, there = false;

        if (f->batch.rows == 0 && (owed || k->look_us - k->ours_us >= OURS_S * 1000000ull) && check_owner(f, &there, e) < 0)
                return -1;
        *ret_due = f->batch.rows > 0 || (owed && there);
        return 0;
}

/* One look, committed. `ret_full`: the next one need not wait. */
static enum step turn(struct feed *f, bool *ret_full, struct error *e) {
        struct keep *k = &f->keep;
        bool whole, due;
        enum step r;

        k->look_us = clock_monotonic_us();
        if (ask_transactions(f, e) < 0)
                return STEP_FAILED;
        if (k->look_us - k->counted_us >= COUNT_SETTLES * f->run->settle_us && count(f, e) < 0)
                return STEP_FAILED;
        settle(f);
        whole = k->catches_up;
        r = look(f, whole ? k->gaps.horizon : k->blocked ? k->gaps.frontier : INT64_MAX, whole ? 0 : LOOK_ROWS, e);
        if (r != STEP_ON)
                return r;
        k->catches_up = false;
        *ret_full = whole || (k->taken >= LOOK_ROWS && !k->blocked);
        if (is_due(f, &due, e) < 0)
                return STEP_FAILED;
        if (due) {
                r = feed_commit_step(f, !*ret_full && !k->blocked, e);
                k->committed_us = k->ours_us = k->look_us;
                k->forgot = false;
        }
        if (r == STEP_ON && (whole || k->taken < LOOK_ROWS))
                compare(f);
        return r == STEP_ON && conclude(f, *ret_full || k->blocked, e) < 0 ? STEP_FAILED : r;
}

/* Until the next look, by the interval that is in force. */
static enum step rest(struct feed *f, struct error *e) {
        uint64_t until_us;

        while (clock_monotonic_us() < (until_us = f->keep.look_us + f->run->interval_us) && !worker_stopping(f->connection.worker))
                if (producer_poll(f->connection.producer, clock_left_ms(until_us, LIMIT_SLICE_MS), e) < 0)
                        return STEP_FAILED;
        return worker_stopping(f->connection.worker) ? STEP_STOPPED : STEP_ON;
}

enum feed_end keep_up(struct feed *f, struct error *e) {
        bool full = false;
        enum step r;

        do {
                r = turn(f, &full, e);
                if (r == STEP_ON && !full)
                        r = rest(f, e);
        } while (r == STEP_ON);
        return feed_end_early(f, r, e);
}
