/* What the files of the emulate room share: emulate.c starts and ends the run, send.c sends, resend.c repeats what an
 * earlier run left half-sent, report.c says what became of it. */
#ifndef PINFEED_EMULATE_ROOM_H
#define PINFEED_EMULATE_ROOM_H

#include <pthread.h>

#include "survey.h"
#include "underway.h"

/* A post that is drawn and fetched. */
struct drawn {
        struct post_rows rows;          /* in the batch's rows */
        uint64_t due_us;
        struct post *post;              /* NULL: not under way yet */
};

/* What is fetched at once, in the order it is sent. */
struct batch {
        struct key_list keys;
        struct buffer rows;
        struct drawn posts[DRAW_BATCH]; /* keys.count of them */
};

/* What the interval report told last; under `lock`, as the last report is the worker's. */
struct reported {
        pthread_mutex_t lock;
        uint64_t since_us, at_us;       /* since_us: start-up was over then; 0: nothing to report yet, or no more */
        uint64_t before_us;             /* the report before that */
        struct tally_snapshot posts, before;
        uint64_t too_large;
};

struct emulate {
        /* as long as the process */
        const struct config *config;
        struct session session;
        struct connection connection;
        struct patience patience;       /* with a database that lets us in and then fails */
        struct stream streams[EMULATE_STREAMS];
        struct ledger *ledger;
        struct underway *underway;
        struct reported reported;
        _Atomic uint64_t too_large;     /* draws of posts that were left out */
        _Atomic double rate;            /* posts a second, in force; the batch at hand may still have draw.rate */

        /* from when the tables are known */
        struct posts *posts;
        struct draw draw;
        uint64_t surveyed_us;           /* when the tables were last asked what there is to draw from */
        uint64_t schedule_us;           /* when the last drawn post was due */
        uint64_t made;                  /* posts sent in this run, without those sent again */
        struct batch batch;
};

/* ---- emulate.c ---- */

/* After something failed at the database: if it can't be reached, waits and opens a new connection. 0: try again. */
int emulate_try_again(struct emulate *m, struct error *e);
/* A step that writes the file, however long the disk is full or read-only. */
int emulate_insist_on_file(struct emulate *m, int (*step)(struct emulate *m, struct error *e), struct error *e);

/* ---- send.c ---- */

/* Serves delivery reports, sleeping for so long until there are some, and clears the file. */
int emulate_serve(struct emulate *m, int timeout_ms, struct error *e);
/* Waits until so many more posts may be under way. */
int emulate_wait_for_room(struct emulate *m, size_t posts, struct error *e);
/* The rows of `count` keys behind those that the batch has; over as many connections as it takes. */
int emulate_fetch(struct emulate *m, const struct key *keys, size_t count, struct post_rows *ret, struct error *e);
/* The first stream whose record of this post Kafka would not take for its size; NULL: all fit. */
const struct stream *emulate_too_large(const struct emulate *m, const struct key *key, const struct post_rows *rows,
                                       size_t *ret_bytes);
void emulate_batch_clear(struct emulate *m);
void emulate_batch_add(struct emulate *m, const struct key *key, const struct post_rows *rows);
/* The batch is under way from now on: what it takes is written down before it is sent. */
void emulate_batch_take(struct emulate *m);
/* All three records of one post of the batch, whether or not a stop is asked for; ERROR_STOPPED when its time is up,
 * and then the post stays in the file. */
int emulate_send_post(struct emulate *m, size_t i, struct error *e);
/* Draws a batch of posts and sends each at its moment. */
int emulate_batch(struct emulate *m, struct error *e);

/* ---- resend.c ---- */

/* Sends what an earlier run left under way, and says so. */
int emulate_resend(struct emulate *m, struct error *e);

/* ---- report.c ---- */

/* From now on there is something to report. */
void emulate_report_begin(struct emulate *m);
/* What became of the posts since the last report; if nothing did, only when asked. Any thread. */
void emulate_report(struct emulate *m, bool asked);
/* What became of them until now: one JSON object for session_tell. Any thread. */
json_t *emulate_figures(struct emulate *m);
/* The last one; with what was not delivered. */
void emulate_report_end(struct emulate *m);

#endif
