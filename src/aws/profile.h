/* The shared config and credentials files: ~/.aws/config and ~/.aws/credentials.
 *
 * Format: https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html, and where that is silent what botocore
 * accepts: `key = value` or `key : value`; # and ; begin a comment at the start of a line, or after white space behind
 * a value; deeper indented lines go on with the value above (nested settings when that is empty).
 */
#ifndef AWS_PROFILE_H
#define AWS_PROFILE_H

#include "pinfeed/base.h"

struct profiles;

enum profile_file {
        PROFILE_CONFIG,                 /* [default], [profile NAME] */
        PROFILE_CREDENTIALS,            /* [NAME] */
};

struct profiles *profiles_new(void);
void profiles_free(struct profiles *p);         /* wipes; safe on NULL */

/* Adds a file's contents. A malformed line is ERROR_REFUSED, with `origin` and the line's number; never echoed. */
int profiles_parse(struct profiles *p, enum profile_file file, const char *bytes, size_t length, const char *origin,
                   struct error *e);
/* Adds a file; one that does not exist is empty. */
int profiles_read(struct profiles *p, enum profile_file file, const char *path, struct error *e);

bool profiles_has(const struct profiles *p, const char *profile);
/* A setting, or NULL when it is missing or blank. The credentials file wins. */
const char *profiles_get(const struct profiles *p, const char *profile, const char *key);
/* The same from one file alone. */
const char *profiles_get_from(const struct profiles *p, enum profile_file file, const char *profile, const char *key);

#endif
