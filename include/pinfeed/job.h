/* job: what a user can ask for. Each job joins the rooms below; main picks one and runs it.
 *
 * All return 0, or -1 with the error that ends the program (base.h says which exit code that is).
 */
#ifndef PINFEED_JOB_H
#define PINFEED_JOB_H

#include <stdio.h>

#include "aws.h"
#include "config.h"
#include "service.h"

/* Sends randomly drawn posts until it is stopped, or [emulate] posts were sent. */
int job_emulate(const struct config *config, struct service *service, struct error *e);

/* Sends every row of the streams to their topics, once; goes on where an earlier run ended. One JSON object to `out`:
 * what was sent, or, with --dry-run, what would be. */
int job_replay(const struct config *config, const struct options *options, struct service *service, FILE *out,
               struct error *e);

/* Verifies everything that emulate needs, sends nothing; one line a finding to `out`, or one JSON object. */
int job_check(const struct config *config, struct service *service, bool json, FILE *out, struct error *e);

/* Creates the topics of all streams that are missing; one line each to `out`. */
int job_create_topics(const struct config *config, struct service *service, FILE *out, struct error *e);

/* Prints a token and where it came from as one JSON object to `out`. */
int job_token(const struct aws_settings *settings, FILE *out, struct error *e);

#endif
