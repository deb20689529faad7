/* AWS's partitions: which DNS suffix the services of a region have. */
#ifndef AWS_PARTITION_H
#define AWS_PARTITION_H

#include "pinfeed/base.h"

/* "amazonaws.com", "amazonaws.com.cn", … */
const char *partition_suffix(const char *region);
/* Cuts a partition's suffix, with the dot before it, off a host's name; false if it has none. */
bool partition_cut_suffix(char *host);

#endif
