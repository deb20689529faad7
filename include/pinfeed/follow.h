/* follow: sends new rows of the streams as they appear, each once, until it is stopped. */
#ifndef PINFEED_FOLLOW_H
#define PINFEED_FOLLOW_H

#include "session.h"

/* Follows the streams that `options` name. 0, or -1 with the error that ends the program. Main thread. */
int follow_run(const struct config *config, const struct options *options, struct service *service, struct error *e);

#endif
