/* How the small jobs print a result. */
#ifndef PINFEED_JOB_PRINT_H
#define PINFEED_JOB_PRINT_H

#include <jansson.h>
#include <stdio.h>

#include "pinfeed/base.h"

/* One line, and out of our hands. Takes over `json`; NULL is an error, too. */
int print_json(json_t *json, FILE *out, struct error *e);

#endif
