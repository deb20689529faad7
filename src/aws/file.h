/* Files that hold one secret. */
#ifndef AWS_FILE_H
#define AWS_FILE_H

#include "pinfeed/base.h"

/* The one line that a token's file consists of, without its end; blanks inside ("Basic abc") belong to it. An error
 * names the file, never its contents. The caller wipes and frees it. */
int file_read_line(const char *path, char **ret, struct error *e);

#endif
