/* What the files of the emulate room share: emulate.c starts and ends the run, send.c sends. */
#ifndef PINFEED_EMULATE_ROOM_H
#define PINFEED_EMULATE_ROOM_H

#include "draw.h"
#include "underway.h"

enum {
        EMULATE_BATCH = 500,            /* posts that are fetched at once */
};

/* A post that is drawn and fetched. */
struct drawn {
        struct key key;                 /* in the batch's text */
        struct post_rows rows;
        uint64_t due_us;
        struct post *post;              /* NULL: not under way yet */
};

struct emulate {
        const struct config *config;
        struct session session;
        struct connection connection;
        struct patience patience;       /* with a database that lets us in and then fails */
        struct stream streams[EMULATE_STREAMS];
        struct posts *posts;
        struct draw *draw;
        struct inflight *inflight;
        struct underway *underway;

        struct drawn batch[EMULATE_BATCH];
        size_t batch_count;
        struct buffer rows, texts;      /* of the batch */
        uint64_t schedule_us;           /* when the last scheduled post was due */
        uint64_t made;                  /* posts sent in this run, without those sent again */
        _Atomic bool working;           /* start-up is over */
        _Atomic uint64_t too_large;     /* draws of posts that were left out */
        _Atomic uint64_t too_large_reported;
};

/* How long what is under way may still take, once nothing new is sent: LIMIT_STOP_DELIVER_MS from a stop on. */
int emulate_left_ms(const struct emulate *m);
/* Draws a batch of posts and sends each at its moment. */
int emulate_batch(struct emulate *m, struct error *e);
/* Sends what an earlier run left under way, and says so. */
int emulate_resend(struct emulate *m, struct error *e);
/* After something failed at the database: if it can't be reached, waits and opens a new connection. 0: try again. */
int emulate_try_again(struct emulate *m, struct error *e);

#endif
