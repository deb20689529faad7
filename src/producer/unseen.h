/* unseen: which offsets a reader of committed records was not handed, in bounded memory. Values only. */
#ifndef PINFEED_PRODUCER_UNSEEN_H
#define PINFEED_PRODUCER_UNSEEN_H

#include "pinfeed/producer.h"

struct stretch {
        int partition;
        int64_t from, to;               /* from <= offset < to */
        int64_t hidden;                 /* offsets in it that were not seen */
};
enum { UNSEEN_MOST = 4096 };
struct unseen {
        struct stretch *list;
        size_t count;
        int64_t near;                   /* stretches that are not farther from each other are one */
        int64_t *next;                  /* of each partition: the offset that is to come */
};
void unseen_begin(struct unseen *g, const struct producer_span *spans, int partitions);
void unseen_free(struct unseen *g);     /* safe on {0} and twice */
void unseen_saw(struct unseen *g, int partition, int64_t offset);
/* After everything up to the ends was seen. */
void unseen_end(struct unseen *g, const struct producer_span *spans, int partitions);

#endif
