/* Any bytes as a configuration file: an answer, never a crash, and never a value in an error. */
#include <string.h>

#include "pinfeed/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct config *c = config_new();
        struct error e = {};

        if (config_parse(c, (const char *) data, size, "FILE", &e) == 0) {
                if (config_finish(c, CONFIG_NEEDS_KAFKA | CONFIG_NEEDS_MYSQL, &e) == 0 && (!c->user_id || !c->state_dir))
                        abort();
        } else if (e.class != ERROR_REFUSED || strncmp(e.what, "FILE:", 5) != 0)
                abort();
        /* A value that the corpora hold; nothing else spells it. */
        if (strstr(e.what, "S3CRET!") || strstr(e.hint, "S3CRET!"))
                abort();
        config_free(c);
        return 0;
}
