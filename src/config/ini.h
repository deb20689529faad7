/* INI as pinfeed.conf is written in. Knows nothing of files or of settings.
 *
 *   - `[section]` and `key = value`, one a line, of any length; white space around names and values doesn't count.
 *   - `#` and `;` begin a comment at the start of a line or after white space: `pass#word` keeps its `#`.
 *   - A value may be quoted: "…", with \" and \\. Behind the closing quote only a comment may follow.
 *   - UTF-8, with or without a byte order mark; lines end with LF or CRLF. Control characters are refused.
 */
#ifndef PINFEED_CONFIG_INI_H
#define PINFEED_CONFIG_INI_H

#include "pinfeed/base.h"

struct ini_item {
        const char *section;    /* NULL before the first one */
        const char *key;        /* NULL: a section begins here */
        const char *value;      /* "" when there is none behind the = */
        size_t line;            /* from 1 */
};

/* The item is valid during the call only. An error's words get "ORIGIN:LINE: " put in front; parsing goes on. */
typedef int (*ini_fn)(void *arg, const struct ini_item *item, struct error *e);

/* Hands each section and each setting to `fn`, in order; what stands below a section line that can't be read is passed
 * over. What was read is wiped afterwards: it may be a secret. All errors (ERROR_REFUSED) are collected; they name
 * origin and line, and the parser's own never echo a value. */
void ini_parse(const char *bytes, size_t length, const char *origin, ini_fn fn, void *arg, struct errors *problems);

#endif
