/* The table of options: the one place that knows their names, values and explanations. */
#ifndef PINFEED_CONFIG_OPTIONS_H
#define PINFEED_CONFIG_OPTIONS_H

#include "pinfeed/config.h"

enum option_kind {
        OPTION_JOB,             /* chooses what is done */
        OPTION_TEXT,            /* --name=VALUE, once */
        OPTION_SET,             /* --set */
        OPTION_STREAMS,         /* --streams */
        OPTION_FLAG,
};

#define WITH(job) (1u << (job))

enum { OPTIONS = 22 };

extern const struct option {
        const char *name;       /* without -- */
        char letter;            /* for short; 0: none */
        const char *value;      /* the value's name in the help; NULL: takes none */
        enum option_kind kind;
        enum job job;           /* of a job option */
        unsigned with;          /* of others: the jobs that they go with, WITH(…) or-ed; 0: any */
        size_t offset;          /* into struct options */
        const char *help;       /* sentences */
} options_table[OPTIONS];

#endif
