#include "aws/partition.h"

#include <string.h>

/* The last one is everybody else's. From AWS's published partitions; the second suffix is that of names with IPv6. */
static const struct {
        const char *region_prefix, *suffix, *dualstack_suffix;
} partitions[] = {
        { "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn" },
        { "us-gov-", "amazonaws.com", "api.aws" },
        { "us-iso-", "c2s.ic.gov", "api.aws.ic.gov" },
        { "us-isob-", "sc2s.sgov.gov", "api.aws.scloud" },
        { "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk" },
        { "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov" },
        { "eusc-", "amazonaws.eu", "api.amazonwebservices.eu" },
        { "", "amazonaws.com", "api.aws" },
};

enum { PARTITIONS = sizeof partitions / sizeof *partitions };

const char *partition_suffix(const char *region) {
        size_t i = 0;

        while (strncmp(region, partitions[i].region_prefix, strlen(partitions[i].region_prefix)) != 0)
                i++;
        return partitions[i].suffix;
}

static bool cut(char *host, const char *suffix) {
        size_t n = strlen(host), m = strlen(suffix);

        if (n < m + 2 || host[n - m - 1] != '.' || strcmp(host + n - m, suffix) != 0)
                return false;
        host[n - m - 1] = 0;
        return true;
}

bool partition_cut_suffix(char *host) {
        for (size_t i = 0; i < PARTITIONS; i++)
                if (cut(host, partitions[i].suffix) || cut(host, partitions[i].dualstack_suffix))
                        return true;
        return false;
}
