/* aws: who we are (credential chain), where (region), and the token that proves it (SigV4).
 *
 * Format of the token: AWS's MSK IAM signers (aws-msk-iam-sasl-signer-*): a presigned URL, base64url without padding.
 */
#ifndef PINFEED_AWS_H
#define PINFEED_AWS_H

#include <stdio.h>

#include "base.h"

/* ---- the parts, each testable on its own -------------------------------------------------------------------------- */

struct aws_credentials {
        char *access_key_id;
        char *secret_access_key;
        char *session_token;            /* NULL: none */
        int64_t expires_s;              /* since 1970; INT64_MAX: never */
        char *source;                   /* in the words a user would search for: "profile default", "IMDS (role x)" */
};
void aws_credentials_wipe(struct aws_credentials *c);   /* wipes and frees the members; safe on {0} */

/* Signs a token for `region`, valid from now_s for `lifetime_s` (1..900). `user_agent` is added after signing.
 * ret_token: NUL-terminated, base64url; the caller wipes and frees it. ret_expires_ms: (now_s + lifetime_s) * 1000. */
int aws_token_sign(const struct aws_credentials *c, const char *region, int64_t now_s, unsigned lifetime_s,
                   char **ret_token, int64_t *ret_expires_ms, struct error *e);

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

struct aws_settings {                   /* [aws]; NULL: not set */
        const char *region, *profile, *role_arn, *external_id, *session_name;
        const char *bootstrap_servers;  /* for the region in the brokers' names; may be NULL */
};

/* What the last good token was made from, and what went wrong since; a copy, with NULs where nothing is known. */
struct aws_status {
        char source[256];               /* credentials' source */
        char access_key_id[132];
        char region[64], region_source[64];
        int64_t credentials_expire_s;   /* INT64_MAX: never, or nobody has told */
        bool temporary;                 /* they came with a session token */
        int64_t token_expires_ms;
        uint64_t tokens;                /* signed so far */
        struct error last_error;        /* of the last failure */
};

/* Prints the room's libraries, one to a line: name and version. */
void aws_print_libraries(FILE *f);

/* For a program that brings an OpenSSL of its own, which knows no place of this machine: sets SSL_CERT_FILE to the
 * machine's certificates, unless it or SSL_CERT_DIR is set. OpenSSL reads it, whichever library calls. Before any thread. */
void aws_find_certificates(void);

/* Before root becomes somebody else: file_keep for the files that the environment names, or that lie in ~/.aws. */
void aws_keep_files(void);

struct aws;

/* No network, no files: just remembers. `log` may be NULL; severity as in syslog; any thread. */
struct aws *aws_new(const struct aws_settings *settings, void (*log)(void *arg, int severity, const char *line),
                    void *log_arg);
void aws_free(struct aws *a);

/* Other settings (copied), and credentials that are looked up anew, from the next token on; until that succeeds, the
 * former ones stay in use. Any thread; never waits. */
void aws_renew(struct aws *a, const struct aws_settings *settings);

/* A token that is valid now, from cached credentials while they last. Bounded in time (under 30 s in all). Any thread;
 * one fetch at a time. ERROR_REFUSED when configuration must change, ERROR_UNREACHABLE when trying again may help,
 * ERROR_STOPPED after aws_cancel. If the Date of an answer from AWS (instance metadata, STS) contradicts our clock, there
 * is none: ERROR_UNREACHABLE. Who has keys of their own asks nobody, so nothing is known of their clock. */
int aws_token(struct aws *a, char **ret_token, int64_t *ret_expires_ms, struct error *e);

/* Never waits for a fetch that is under way. Any thread. */
void aws_status(struct aws *a, struct aws_status *ret);

/* What besides missing rights may be why brokers refuse a token, as far as it is known here; AWS's time is not. True: a
 * sentence without its period, and it is this. False: what goes behind "the same answer comes to". unsynchronised_s: what
 * the clock says, if nothing synchronises it; else 0. */
bool aws_suspect(const struct aws_status *s, const char *brokers, int64_t unsynchronised_s, char *ret, size_t size);

/* Makes a fetch that is under way end soon, and later ones fail at once: for stopping. Any thread. */
void aws_cancel(struct aws *a);

#endif
