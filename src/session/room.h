/* What the files of the session room share: who we are, as the producer asks for it. */
#ifndef PINFEED_SESSION_ROOM_H
#define PINFEED_SESSION_ROOM_H

#include "pinfeed/session.h"

/* producer_token_fn, and the producer's words about it; `arg` is the session. Any thread. */
int session_token(void *arg, char **ret_token, int64_t *ret_expires_ms, struct error *e);
void session_identity(void *arg, char *ret, size_t size);

#endif
