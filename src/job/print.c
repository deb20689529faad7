#include "print.h"

#include <errno.h>
#include <string.h>

int print_json(json_t *json, FILE *out, struct error *e) {
        bool written = json && json_dumpf(json, out, JSON_COMPACT | JSON_REAL_PRECISION(6)) == 0 && fputc('\n', out) != EOF
                       && fflush(out) == 0;
        int cause = errno;

        json_decref(json);
        if (written)
                return 0;
        return error_set(e, ERROR_FAILED, "the result could not be written to standard output: %s", strerror(cause));
}
