/* replay: every row of the streams to their topics, once; goes on where an earlier run ended. */
#ifndef PINFEED_REPLAY_H
#define PINFEED_REPLAY_H

#include <stdio.h>

#include "session.h"

/* Replays the streams that `options` name. To `out`: what was sent, or, with --dry-run, what would be; as one
 * JSON object, or as a table if that is a terminal and --json is not given.
 * 0, or -1 with the error that ends the program. Main thread. */
int replay_run(const struct config *config, const struct options *options, struct service *service, FILE *out,
               struct error *e);

#endif
