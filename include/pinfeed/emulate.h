/* emulate: draws posts and sends each to its three topics, at a rate, until it is stopped. */
#ifndef PINFEED_EMULATE_H
#define PINFEED_EMULATE_H

#include "session.h"

/* A post is a row with the same key in each of the first three streams. */
enum { EMULATE_STREAMS = 3 };

/* Sends randomly drawn posts until it is stopped, or [emulate] posts were sent. 0, or -1 with the error that ends the
 * program. Main thread. */
int emulate_run(const struct config *config, struct service *service, struct error *e);

/* Whether posts could be drawn from the tables of `streams` (EMULATE_STREAMS of them, described); sends nothing.
 * Worker's thread. */
int emulate_can_draw(struct stream *streams, struct connection *c, struct error *e);

#endif
