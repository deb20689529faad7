/* Whatever a file of the state directory holds: no list of keys, or one; nothing else happens. */
#include "emulate/ledger.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct buffer *keys = NULL;
        size_t count = 0, bytes = 0;

        ledger_parse((const char *) data, size, &keys, &count);
        for (size_t i = 0; i < count; i++) {
                bytes += keys[i].length;
                buffer_free(&keys[i]);
        }
        if (bytes > size)
                abort();
        free(keys);
        return 0;
}
