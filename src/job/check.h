/* What the files of --check share. */
#ifndef PINFEED_JOB_CHECK_H
#define PINFEED_JOB_CHECK_H

#include <jansson.h>
#include <stdio.h>

#include "pinfeed/job.h"
#include "pinfeed/session.h"

enum result { RESULT_OK, RESULT_WARN, RESULT_FAILED, RESULT_NOT_TRIED, RESULTS };

struct check {
        struct session session;
        struct connection connection;
        struct stream *streams;         /* as many as are configured; not described, without a topic: that failed */
        json_t *findings;
        size_t count[RESULTS];
        enum error_class first;         /* of what failed */
        bool json;
        FILE *out;
};

/* One finding. `id` is stable, for scripts; `what` is for people: a table, a topic, a server. */
void finding(struct check *k, const char *id, const char *what, enum result result, const char *hint, const char *format, ...)
        __attribute__((format(printf, 6, 7)));
/* The same from an error; one of class ERROR_STOPPED is none, since nothing was found. */
void finding_error(struct check *k, const char *id, const char *what, enum result result, const struct error *e);
/* What can't be tried because of something that failed before. */
void finding_not_tried(struct check *k, const char *id, const char *what, const char *because);
bool check_stopping(const struct check *k);

void check_here(struct check *k);       /* settings, state directory, clock */
void check_mysql(struct check *k);
bool check_aws(struct check *k);        /* whether there is a token, or none is needed */
void check_kafka(struct check *k);

#endif
