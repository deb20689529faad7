/* inflight: the keys of posts that are under way, in a file of the state directory.
 *
 * A post's key is written before its first record and cleared after its last acknowledgement; what a killed run left
 * there is sent again, whole, by the next one. The file is replaced by rename, so it is always whole; its format is
 * text: a header line, then one key a line, bytes outside !..~ and % as %XX.
 */
#ifndef PINFEED_EMULATE_INFLIGHT_H
#define PINFEED_EMULATE_INFLIGHT_H

#include "pinfeed/base.h"

struct inflight;

/* Opens (and locks, against a second daemon) the file of one user id. ERROR_REFUSED when the directory can't be
 * written, or the file is no such file; ERROR_FAILED when another pinfeed has it. */
int inflight_open(const char *directory, const char *user_id, struct inflight **ret, struct error *e);
void inflight_close(struct inflight *f);

/* What the earlier run left; NUL-terminated keys with their lengths, owned by `f`, valid until inflight_close. */
size_t inflight_left(const struct inflight *f, const struct buffer **ret_keys);

/* Replaces the contents by `count` keys. On disk when it returns. */
int inflight_write(struct inflight *f, const struct buffer *keys, size_t count, struct error *e);

/* Parses a file's contents; for tests and fuzzing too. Returns -1 if they aren't such a file. The keys are appended to
 * *ret_keys (an array that grows, freed by the caller: each buffer, then the array). */
int inflight_parse(const char *bytes, size_t length, struct buffer **ret_keys, size_t *ret_count);

#endif
