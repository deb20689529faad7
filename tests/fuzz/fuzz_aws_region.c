/* Any text as bootstrap.servers: the region that is found can be part of a host's name, and stands in the text. */
#include <string.h>

#include "aws/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *brokers = mem_copy_bytes(data, size), *region = NULL;
        struct error e = {};
        int result = region_of_brokers(brokers, &region, &e);

        if (result == 0 && (!region_is_valid(region) || !strcasestr(brokers, region)))
                abort();
        if (result != 0 && region)
                abort();
        free(region);
        free(brokers);
        return 0;
}
