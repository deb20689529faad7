#include <stdio.h>
#include <string.h>

#include "room.h"

/* FNV-1a with 128 bits (draft-eastlake-fnv): tells changes apart; nobody forges one against themselves. */
#define FNV_OFFSET ((unsigned __int128) 0x6c62272e07bb0142u << 64 | 0x62b821756295c58du)
#define FNV_PRIME ((unsigned __int128) 0x0000000001000000u << 64 | 0x000000000000013bu)

static void add_byte(struct fingerprint *f, unsigned char c) {
        f->state = (f->state ^ c) * FNV_PRIME;
}

void fingerprint_begin(struct fingerprint *f) {
        f->state = FNV_OFFSET;
}

void fingerprint_add(struct fingerprint *f, const char *text) {
        add_byte(f, text ? 1 : 0);
        for (; text && *text; text++)
                add_byte(f, (unsigned char) *text);
        add_byte(f, 0);
}

void fingerprint_end(const struct fingerprint *f, char ret[static 33]) {
        snprintf(ret, 33, "%016llx%016llx", (unsigned long long) (f->state >> 64), (unsigned long long) f->state);
}
