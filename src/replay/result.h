/* result: what a replay says at its end, to people and to machines. Main thread, after the workers. */
#ifndef PINFEED_REPLAY_RESULT_H
#define PINFEED_REPLAY_RESULT_H

#include <stdio.h>

#include "pinfeed/feed.h"

/* One line in the log for each stream that has begun, and one for all if they are complete. */
void result_log(const struct feed_run *run, uint64_t began_us);
/* One JSON object and a newline, or a table of those streams. -1: it could not be written. */
int result_print(const struct feed_run *run, uint64_t began_us, bool table, FILE *out, struct error *e);
/* Words that it was stopped before its end, how far it came, and how it goes on (ERROR_STOPPED). Always -1. */
int result_stopped(const struct feed_run *run, const struct options *o, struct error *e);

#endif
