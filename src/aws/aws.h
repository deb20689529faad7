/* For tests: the whole room in a scripted world. */
#ifndef AWS_INTERNAL_H
#define AWS_INTERNAL_H

#include "aws/lookup.h"

struct aws *aws_new_in(const struct world *world, const struct aws_settings *settings,
                       void (*log)(void *arg, int severity, const char *line), void *log_arg);

#endif
