/* How jobs print their results. */
#include <errno.h>
#include <string.h>

#include "pinfeed/session.h"

static int unwritten(int cause, struct error *e) {
        return error_set(e, ERROR_FAILED, "the result could not be written to standard output: %s", strerror(cause));
}

int session_printed(FILE *out, struct error *e) {
        return !ferror(out) && fflush(out) == 0 ? 0 : unwritten(errno, e);
}

int session_print_json(json_t *json, FILE *out, struct error *e) {
        bool written = json && json_dumpf(json, out, JSON_COMPACT | JSON_REAL_PRECISION(6)) == 0 && fputc('\n', out) != EOF
                       && fflush(out) == 0;
        int cause = errno;

        json_decref(json);
        return written ? 0 : unwritten(cause, e);
}
