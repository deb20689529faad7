/* Which libraries bring records to Kafka. */
#include "internal.h"

/* Those that compress are librdkafka's: they are named where they are a part of this program, as in a release. */
const char *zlibVersion(void) __attribute__((weak));
const char *ZSTD_versionString(void) __attribute__((weak));
const char *LZ4_versionString(void) __attribute__((weak));

void producer_print_libraries(FILE *f) {
        fprintf(f, "librdkafka %s\n", rd_kafka_version_str());
        if (zlibVersion)
                fprintf(f, "zlib %s\n", zlibVersion());
        if (ZSTD_versionString)
                fprintf(f, "zstd %s\n", ZSTD_versionString());
        if (LZ4_versionString)
                fprintf(f, "lz4 %s\n", LZ4_versionString());
}
