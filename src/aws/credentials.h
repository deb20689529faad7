#ifndef AWS_CREDENTIALS_H
#define AWS_CREDENTIALS_H

#include "pinfeed/aws.h"

/* What looking somewhere came to: there it is, it is not configured there, or it is and doesn't work (with an error). */
enum found {
        NOT_WORKING = -1,
        FOUND,
        NOT_THERE,
};

/* ISO 8601: 2026-11-20T12:15:00Z, with an optional fraction, and Z, +hh:mm or nothing (UTC) behind. */
bool credentials_time(const char *s, int64_t *ret_s);

/* Whether these can be credentials at all (characters, lengths). token: NULL if there is none. */
int credentials_check(const char *id, const char *secret, const char *token, struct error *e);
/* Copies them if they can. The source is the caller's to add. */
int credentials_copy(const char *id, const char *secret, const char *token, int64_t expires_s,
                     struct aws_credentials *ret, struct error *e);

#define _cleanup_credentials_ _cleanup_(aws_credentials_wipe)

#endif
