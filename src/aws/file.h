/* Files that hold secrets: read without ever waiting (a pipe, a device), and without leaving copies in memory. */
#ifndef AWS_FILE_H
#define AWS_FILE_H

#include "pinfeed/base.h"

/* Appends a file's contents. -1 with errno (EFBIG: more than `limit` bytes). The caller wipes `out`, also on failure. */
int file_read_secret(const char *path, size_t limit, struct buffer *out);

/* The one line that a token's file consists of, without its end; blanks inside ("Basic abc") belong to it. An error
 * names the file, never its contents. The caller wipes and frees it. */
int file_read_line(const char *path, char **ret, struct error *e);

#endif
