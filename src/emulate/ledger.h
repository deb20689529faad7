/* ledger: the file in the state directory with the keys of posts that are under way (emulate-USER.inflight).
 *
 * A post's key is written before its first record and cleared after its last acknowledgement; what a killed run left
 * there is sent again, whole, by the next one. Its format is text: a header line, then one key a line, bytes outside !..~
 * and % as %XX; a blank at a line's start ends it, whatever follows. The file is always whole: what fits into a sector of
 * the disk is written over the first one, with blanks behind it; what doesn't replaces the file by rename.
 */
#ifndef PINFEED_EMULATE_LEDGER_H
#define PINFEED_EMULATE_LEDGER_H

#include "pinfeed/base.h"

struct ledger;

/* Opens (and locks, against a second daemon) the file of one user id, and writes what it holds anew: a run that could
 * not say what it has sent must not send. ERROR_REFUSED when the directory may not be written, or the file is no such
 * file; ERROR_FAILED when another pinfeed has it; as all that write, ERROR_UNREACHABLE while the disk is full or read-only. */
int ledger_open(const char *directory, const char *user_id, struct ledger **ret, struct error *e);
void ledger_close(struct ledger *f);

/* What the earlier run left; NUL-terminated keys with their lengths, owned by `f`, valid until ledger_close. */
size_t ledger_left(const struct ledger *f, const struct buffer **ret_keys);

/* Replaces the contents by `count` keys, which if `durable` are on disk when it returns; ledger_close removes a file
 * without any. */
int ledger_write(struct ledger *f, const struct buffer *keys, size_t count, bool durable, struct error *e);

/* Parses a file's contents; for tests and fuzzing too. Returns -1 if they aren't such a file. The keys are appended to
 * *ret_keys (an array that grows, freed by the caller: each buffer, then the array). */
int ledger_parse(const char *bytes, size_t length, struct buffer **ret_keys, size_t *ret_count);

#endif
