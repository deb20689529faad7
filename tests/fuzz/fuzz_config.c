/* Any bytes as a configuration file: an answer, never a crash, and no secret in an error. */
#include <string.h>

#include "pinfeed/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* S3CRET! is a value that the corpora hold; nothing else spells it. It may be shown as the wrong value of a setting, but
 * not of the password file. */
static void check_problem(const struct error *e) {
        const char *shown = strstr(e->what, ", not '"), *file = strstr(e->what, "password_file");

        if (strstr(e->hint, "S3CRET!"))
                abort();
        if (strstr(e->what, "S3CRET!") && (!shown || (file && file < shown)))
                abort();
}

/* They stand in topics, file names and errors. */
static void check_streams(const struct config *c) {
        for (size_t i = 0; i < c->stream_count; i++) {
                size_t length = strlen(c->streams[i].name);

                if (length == 0 || length > 64 || config_find_stream(c, c->streams[i].name) != &c->streams[i])
                        abort();
                for (const char *p = c->streams[i].name; *p; p++)
                        if (!strchr("_-", *p) && !(*p >= '0' && *p <= '9') && !((*p | 32) >= 'a' && (*p | 32) <= 'z'))
                                abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct config *c = config_new();
        struct error e = {};

        if (config_parse(c, (const char *) data, size, "FILE", &e) == 0) {
                if (config_finish(c, CONFIG_NEEDS_KAFKA | CONFIG_NEEDS_MYSQL, &e) == 0 && (!c->user_id || !c->state_dir))
                        abort();
        } else if (e.class != ERROR_REFUSED || strncmp(e.what, "FILE:", 5) != 0)
                abort();
        for (size_t i = 0; i < c->problems.count && i < ERRORS_KEPT; i++)
                check_problem(&c->problems.list[i]);
        check_streams(c);
        config_free(c);
        return 0;
}
