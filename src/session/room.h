/* What the files of the session room share: who we are, as the producer asks for it, and what is waited for. */
#ifndef PINFEED_SESSION_ROOM_H
#define PINFEED_SESSION_ROOM_H

#include "pinfeed/session.h"

/* producer_token_fn, and the producer's words about it; `arg` is the session. Any thread. */
int session_token(void *arg, char **ret_token, int64_t *ret_expires_ms, struct error *e);
void session_identity(void *arg, char *ret, size_t size);
bool session_suspect(void *arg, char *ret, size_t size);

/* What is waited for (NULL: nothing), and since when: before the rest of the status. Any thread. */
void session_waits(struct session *s, int64_t since_ms, const char *what);

/* How long a wait has to last until it is said for the first time (`said` = 0) or again. `again`: another one was said
 * lately. */
uint64_t outage_due_ms(bool patient, unsigned said, bool again);

/* A worker has waited since `since_us`, as far as is known because of `why`. If it lasts, outage_look says so: when, see
 * outage.c. Any thread. */
struct outage *outage_begin(struct session *s, const char *whom, const char *where, uint64_t since_us,
                            const struct error *why);
void outage_because(struct session *s, struct outage *o, const struct error *why);
/* Called some times a second by whoever waits. */
void outage_look(struct session *s);
/* A worker waits no longer. `over`: because it needn't; then that is said, if the outage was said. */
void outage_end(struct session *s, struct outage *o, bool over);

/* What `config` says of AWS, for the brokers of the session; it points into both. */
struct aws_settings session_aws_settings(const struct session *s, const struct config *config);
/* A copy of the setting in force, or NULL; freed by the caller. Any thread. */
char *session_password_file(struct session *s);

/* Whether a file that a setting names can be read; ERROR_REFUSED, with its path and why not. */
int session_check_file(const char *section, const char *key, const char *path, struct error *e);

/* What patience_wait does first, for those who know before the first failure where they connect to. */
void patience_begin(struct patience *p, const char *where, const struct error *why);

#endif
