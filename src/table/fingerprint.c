#include <stdio.h>
#include <string.h>

#include "room.h"

void fingerprint_begin(struct fingerprint *f) {
        f->hash = HASH_128;
}

void fingerprint_add(struct fingerprint *f, const char *text) {
        hash_add(&f->hash, text ? "\1" : "", 1);
        hash_add(&f->hash, text ? text : "", text ? strlen(text) + 1 : 1);
}

void fingerprint_end(const struct fingerprint *f, char ret[static 33]) {
        snprintf(ret, 33, "%016llx%016llx", (unsigned long long) (f->hash.state >> 64),
                 (unsigned long long) f->hash.state);
}
