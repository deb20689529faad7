#include "result.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

/* ---- JSON ---- */

static json_t *text_or_null(bool present, const struct buffer *text) {
        return present ? json_stringn(text->length ? text->data : "", text->length) : json_null();
}

static json_t *print_result(const struct feed *f) {
        const struct feed_progress *p = feed_progress(f);
        const struct feed_result *r = feed_result(f);
        bool sent = p->committed > 0;
        json_t *object = json_pack("{s:s, s:I, s:I, s:I, s:o, s:o, s:f, s:o, s:I, s:b}", "topic", feed_stream(f)->topic,
                                   "rows", (json_int_t) p->committed, "bytes", (json_int_t) p->bytes,
                                   "transactions", (json_int_t) p->transactions,
                                   "first_key", text_or_null(sent && r->has_first, &r->first),
                                   "last_key", text_or_null(sent && r->has_last, &r->last),
                                   "seconds", (double) (r->ended_us - r->began_us) / 1e6,
                                   "resumed_from", text_or_null(r->has_resumed_from, &r->resumed_from),
                                   "missed", (json_int_t) r->missed, "complete", r->complete);

        if (r->in_doubt > 0)
                json_object_set_new(object, "in_doubt", json_integer((json_int_t) r->in_doubt));
        return object;
}

static json_t *print_plan(const struct feed *f) {
        const struct feed_result *r = feed_result(f);
        uint64_t total = feed_progress(f)->total;

        return json_pack("{s:s, s:I, s:o, s:o}", "topic", feed_stream(f)->topic,
                         "rows", (json_int_t) (total == UINT64_MAX ? 0 : total),
                         "resumed_from", text_or_null(r->has_resumed_from, &r->resumed_from),
                         "to", text_or_null(r->has_to, &r->to));
}

static json_t *run_plan(const struct feed_run *run) {
        json_t *streams = json_object();
        uint64_t rows = 0;

        for (size_t i = 0; i < run->count; i++) {
                json_object_set_new(streams, feed_stream(run->feeds[i])->name, print_plan(run->feeds[i]));
                rows += feed_progress(run->feeds[i])->total;
        }
        return json_pack("{s:b, s:o, s:{s:I}}", "dry_run", true, "streams", streams, "totals", "rows", (json_int_t) rows);
}

static json_t *run_result(const struct feed_run *run, uint64_t began_us) {
        uint64_t rows = 0, bytes = 0, transactions = 0;
        json_t *streams = json_object();
        bool complete = true;

        for (size_t i = 0; i < run->count; i++) {
                const struct feed_progress *p = feed_progress(run->feeds[i]);

                json_object_set_new(streams, feed_stream(run->feeds[i])->name, print_result(run->feeds[i]));
                rows += p->committed;
                bytes += p->bytes;
                transactions += p->transactions;
                complete = complete && feed_result(run->feeds[i])->complete;
        }
        return json_pack("{s:b, s:o, s:{s:I, s:I, s:I, s:f}}", "complete", complete, "streams", streams, "totals",
                         "rows", (json_int_t) rows, "bytes", (json_int_t) bytes, "transactions", (json_int_t) transactions,
                         "seconds", (double) (clock_monotonic_us() - began_us) / 1e6);
}

/* ---- a table ---- */

static uint64_t per_s(uint64_t rows, double seconds) {
        return seconds > 0 ? (uint64_t) ((double) rows / seconds + 0.5) : 0;
}

static void print_row(FILE *out, const char *name, uint64_t rows, uint64_t bytes, double seconds) {
        char words[3][32];

        fprintf(out, "%-6s %11s %9s %6.1f s %9s", name, text_count(rows, words[0]), text_bytes(bytes, words[1]), seconds,
                text_count(per_s(rows, seconds), words[2]));
}

static void print_sent(const struct feed *f, FILE *out) {
        const struct feed_progress *p = feed_progress(f);
        const struct feed_result *r = feed_result(f);
        const char *end = r->complete ? "complete" : "not complete";

        print_row(out, feed_stream(f)->name, p->committed, p->bytes, (double) (r->ended_us - r->began_us) / 1e6);
        if (p->committed == 0 || !r->has_first || !r->has_last)
                fprintf(out, "  %s%s\n", end, r->complete ? ": nothing to send" : "");
        else
                fprintf(out, "  %s: keys %.*s to %.*s\n", end, (int) r->first.length, r->first.data, (int) r->last.length,
                        r->last.data);
}

static void print_planned(const struct feed *f, FILE *out) {
        const struct feed_result *r = feed_result(f);
        char rows[32];

        fprintf(out, "%-6s %11s rows, ", feed_stream(f)->name, text_count(feed_progress(f)->total, rows));
        if (r->has_resumed_from)
                fprintf(out, "after key %.*s", (int) r->resumed_from.length, r->resumed_from.data);
        else
                fputs("from the first one", out);
        if (r->has_to)
                fprintf(out, " to key %.*s", (int) r->to.length, r->to.data);
        fputc('\n', out);
}

/* Of the streams that have begun; an error that came before says why one hasn't. */
static void print_table(const struct feed_run *run, uint64_t began_us, FILE *out) {
        uint64_t rows = 0, bytes = 0;
        size_t known = 0;

        for (size_t i = 0; i < run->count; i++) {
                const struct feed_progress *p = feed_progress(run->feeds[i]);

                if (!p->begun)
                        continue;
                if (known++ == 0 && !run->dry_run)
                        fprintf(out, "%-6s %11s %9s %8s %9s\n", "stream", "rows", "bytes", "time", "rows/s");
                (run->dry_run ? print_planned : print_sent)(run->feeds[i], out);
                rows += p->committed;
                bytes += p->bytes;
        }
        if (known > 1 && !run->dry_run) {
                print_row(out, "total", rows, bytes, (double) (clock_monotonic_us() - began_us) / 1e6);
                fputc('\n', out);
        }
}

int result_print(const struct feed_run *run, uint64_t began_us, bool table, FILE *out, struct error *e) {
        if (!table)
                return session_print_json(run->dry_run ? run_plan(run) : run_result(run, began_us), out, e);
        print_table(run, began_us, out);
        return session_printed(out, e);
}

/* ---- words ---- */

/* All that a night needs: `journalctl -u pinfeed-replay -g "replay complete"`. */
static void log_complete(const struct feed_run *run, uint64_t began_us) {
        uint64_t rows = 0, missed = 0;
        char number[32], passed_over[64] = "", count[32];

        for (size_t i = 0; i < run->count; i++) {
                if (!feed_result(run->feeds[i])->complete)
                        return;
                rows += feed_progress(run->feeds[i])->committed;
                missed += feed_result(run->feeds[i])->missed;
        }
        if (missed > 0)
                snprintf(passed_over, sizeof passed_over, ", at least %s passed over", text_count(missed, count));
        service_log(run->session.service, SERVICE_INFO, MESSAGE_STOPPED, NULL, 0, "replay complete: %s row%s sent%s, %zu "
                    "stream%s, %.1f s", text_count(rows, number), rows == 1 ? "" : "s", passed_over,
                    run->count, run->count == 1 ? "" : "s",
                    (double) (clock_monotonic_us() - began_us) / 1e6);
}

void result_log(const struct feed_run *run, uint64_t began_us) {
        for (size_t i = 0; i < run->count; i++) {
                const struct feed_progress *p = feed_progress(run->feeds[i]);
                const struct feed_result *r = feed_result(run->feeds[i]);
                const struct service_field field = { "PINFEED_TOPIC", feed_stream(run->feeds[i])->topic };
                uint64_t rows = p->committed, transactions = p->transactions;
                double seconds = (double) (r->ended_us - r->began_us) / 1e6;
                char counts[3][32];

                if (!p->begun)
                        continue;
                service_log(run->session.service, SERVICE_INFO, MESSAGE_REPLAY_FINISHED, &field, 1,
                            "%s: %s, %s row%s sent in %.1f s (%s/s), %s transaction%s", field.value,
                            r->complete ? "complete" : "stopped before the end", text_count(rows, counts[0]),
                            rows == 1 ? "" : "s", seconds, text_count(per_s(rows, seconds), counts[1]),
                            text_count(transactions, counts[2]), transactions == 1 ? "" : "s");
        }
        log_complete(run, began_us);
}

static void print_command(const struct options *o, struct buffer *out) {
        buffer_append_string(out, "pinfeed --replay");
        if (o->config_file_named)
                buffer_printf(out, " --config=%s", o->config_file);
        for (size_t i = 0; i < o->stream_count; i++)
                buffer_printf(out, "%s%s", i == 0 ? " --streams=" : ",", o->streams[i]);
        if (o->from)
                buffer_printf(out, " --from=%s", o->from);
        if (o->to)
                buffer_printf(out, " --to=%s", o->to);
        if (o->restart)
                buffer_append_string(out, " --restart");
}

int result_stopped(const struct feed_run *run, const struct options *o, struct error *e) {
        _cleanup_buffer_ struct buffer command = {};
        uint64_t committed = 0, total = 0;
        char counts[2][32];
        bool known = true;

        for (size_t i = 0; i < run->count; i++) {
                committed += feed_progress(run->feeds[i])->committed;
                total += feed_progress(run->feeds[i])->total;
                known = known && feed_progress(run->feeds[i])->total != UINT64_MAX;
        }
        print_command(o, &command);
        error_set(e, ERROR_STOPPED, "stopped after %s%s%s rows", text_count(committed, counts[0]), known ? " of " : "",
                  known ? text_count(total, counts[1]) : "");
        return error_hint(e, "%sGo on with: %s", committed ? "They are committed. " : "", buffer_string(&command));
}
