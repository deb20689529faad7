#include "pinfeed/base.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *e, enum error_class class, const char *format, ...) {
        va_list ap;

        e->class = class;
        e->vain = false;
        e->hint[0] = 0;
        va_start(ap, format);
        vsnprintf(e->what, sizeof e->what, format, ap);
        va_end(ap);
        return -1;
}

int error_hint(struct error *e, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        vsnprintf(e->hint, sizeof e->hint, format, ap);
        va_end(ap);
        return -1;
}

int error_prefix(struct error *e, const char *format, ...) {
        char text[sizeof e->what];
        va_list ap;
        size_t n;

        va_start(ap, format);
        vsnprintf(text, sizeof text, format, ap);
        va_end(ap);
        n = strlen(text);
        if (n + 1 < sizeof text)
                snprintf(text + n, sizeof text - n, "%s", e->what);
        memcpy(e->what, text, sizeof text);
        return -1;
}

int error_stopped(struct error *e) {
        return error_set(e, ERROR_STOPPED, "stopped");
}

int errors_add(struct errors *all, const struct error *e) {
        if (!all->list)
                all->list = mem_zero(ERRORS_KEPT, sizeof *all->list);
        if (all->count < ERRORS_KEPT)
                all->list[all->count] = *e;
        all->count++;
        return -1;
}

void errors_free(struct errors *all) {
        free(all->list);
        *all = (struct errors) {};
}

enum error_class error_class_of_file(int cause) {
        switch (cause) {
        case ENOSPC: case EDQUOT: case EFBIG: case EIO: case EMFILE: case ENFILE: case ENOMEM:
                return ERROR_FAILED;
        }
        return ERROR_REFUSED;
}

int error_exit_code(const struct error *e) {
        switch (e->class) {
        case ERROR_NONE:
        case ERROR_STOPPED:
                return 0;
        case ERROR_USAGE:
                return 2;
        case ERROR_TAKEN_OVER:
                return 3;
        case ERROR_REFUSED:
                return 78;      /* EX_CONFIG of sysexits.h */
        case ERROR_FAILED:
        case ERROR_UNREACHABLE:
                break;
        }
        return 1;
}
