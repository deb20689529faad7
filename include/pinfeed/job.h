/* job: the small things that a user can ask for: check, status, create topics, token.
 *
 * All return 0, or -1 with the error that ends the program (base.h says which exit code that is).
 */
#ifndef PINFEED_JOB_H
#define PINFEED_JOB_H

#include <stdio.h>

#include "config.h"
#include "service.h"

/* Verifies everything that emulate needs, sends nothing; one line a finding to `out`, or one JSON object. */
int job_check(const struct config *config, struct service *service, bool json, FILE *out, struct error *e);

/* What the daemons of this machine do, and how far replays are: lines to `out`, or one JSON object. Disturbs nobody. -1:
 * not all of it could be known. */
int job_status(const struct config *config, struct service *service, bool json, FILE *out, struct error *e);

/* Creates the topics of all streams that are missing; one line each to `out`. */
int job_create_topics(const struct config *config, struct service *service, FILE *out, struct error *e);

/* Prints a token and where it came from as one JSON object to `out`, or, raw, the token alone on a line. */
int job_token(const struct config *config, struct service *service, bool raw, FILE *out, struct error *e);

/* Prints every setting in force and where it comes from to `out`: as a configuration file, with the origins as comments,
 * or as one JSON object. */
int job_show_settings(const struct config *config, bool json, FILE *out, struct error *e);

/* Prints what is wrong with the settings to `out`, in the form of job_check's JSON object. */
int job_print_problems(const struct errors *problems, FILE *out, struct error *e);

#endif
