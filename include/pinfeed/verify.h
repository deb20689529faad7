/* verify: whether the topics are what the tables are, as a consumer of committed records gets them. Sends and stores
 * nothing. The ends of all topics are fixed first, then the tables are seen in one snapshot; `compare` tells what differs.
 */
#ifndef PINFEED_VERIFY_H
#define PINFEED_VERIFY_H

#include <stdio.h>

#include "session.h"

/* Verifies the streams that `options` name, one after the other. To `out`, if it is a terminal, a table, else or
 * with --json one JSON object.
 * -1 with the error that ends the program; ERROR_FAILED, after the result, if something differs. Main thread. */
int verify_run(const struct config *config, const struct options *options, struct service *service, FILE *out,
               struct error *e);

#endif
