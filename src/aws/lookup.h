/* One lookup: a pass over the credential chain (and the region) with its limits, and the world as it sees it. */
#ifndef AWS_LOOKUP_H
#define AWS_LOOKUP_H

#include "aws/credentials.h"
#include "aws/http.h"
#include "aws/profile.h"
#include "pinfeed/aws.h"

/* What comes from outside, so that tests can script it. */
struct world {
        void *arg;
        const char *(*env)(void *arg, const char *name);
        int64_t (*now_s)(void *arg);                                    /* by the wall: what AWS goes by */
        uint64_t (*monotonic_us)(void *arg);                            /* nobody sets it: what our own pauses go by */
        double (*jitter)(void *arg);                                    /* 0 <= x < 1 */
        int (*exchange)(void *arg, const struct http_request *r, struct http_answer *ret, struct error *e);
        /* False when cancel_fd became readable meanwhile. */
        bool (*pause)(void *arg, int cancel_fd, unsigned ms);
};
extern const struct world world_real;

enum {
        LOOKUP_TIMEOUT_MS = 28000,              /* of all of it */
        LOOKUP_METADATA_TIMEOUT_MS = 14500,     /* of all that is asked of IMDS */
        LOOKUP_SOURCE_TIMEOUT_MS = 24500,       /* of STS, a container's endpoint, a credential_process */
        LOOKUP_CLOCK_TOLERANCE_S = 300,         /* AWS refuses signatures that are further off */
};

struct lookup {
        const struct world *world;
        const struct aws_settings *settings;
        int cancel_fd;
        uint64_t deadline_us;                   /* monotonic */
        uint64_t metadata_deadline_us;          /* 0: IMDS was not asked yet */
        struct profiles *profiles;              /* NULL: not read yet */
        char *metadata_token;
        char region[64], region_source[64];     /* "" until lookup_region */
        int64_t clock_ahead_s;                  /* ours, compared with AWS's; 0 while unknown */
};

void lookup_begin(struct lookup *l, const struct world *world, const struct aws_settings *settings, int cancel_fd);
void lookup_end(struct lookup *l);

/* A variable of the environment; blank counts as unset. */
const char *lookup_env(const struct lookup *l, const char *name);
/* Whether a variable says yes ("true", in any case). */
bool lookup_env_true(const struct lookup *l, const char *name);

/* The profile in use, and whether somebody named it ([aws] profile, AWS_PROFILE); else "default". */
const char *lookup_profile_name(const struct lookup *l, const char **ret_named_by);
/* -1 when somebody named a profile that is in neither file. */
int lookup_check_profile(struct lookup *l, struct error *e);
/* Reads the profile files if that has not been done. */
int lookup_profiles(struct lookup *l, const struct profiles **ret, struct error *e);
/* A setting of the profile in use: ret is NULL when there is none. */
int lookup_profile_setting(struct lookup *l, const char *key, const char **ret, struct error *e);

/* The monotonic time by which something has to be done that may take up to timeout_ms from now. */
uint64_t lookup_deadline(const struct lookup *l, unsigned timeout_ms);
/* Milliseconds until then; 0 when it has passed. */
unsigned lookup_left_ms(uint64_t deadline_us);

/* One exchange before `deadline_us`, each attempt of it within r->timeout_ms; asks once more when nobody answers or
 * the answer is a 5xx. The Date of an answer from AWS (`from_aws`) is compared with our clock. e->what gets the reason alone. */
int lookup_ask(struct lookup *l, const struct http_request *r, uint64_t deadline_us, bool from_aws,
               struct http_answer *ret, struct error *e);

/* The region: settings, brokers' names, environment, profile, IMDS. Fills l->region and l->region_source. */
int lookup_region(struct lookup *l, struct error *e);
/* The same without IMDS, so without asking anybody. */
enum found lookup_configured_region(struct lookup *l, struct error *e);

/* The whole chain, and [aws] role_arn on top of it. */
int lookup_credentials(struct lookup *l, struct aws_credentials *ret, struct error *e);
/* Credentials and region. IMDS is asked for a region last, so that a missing one does not hide a broken identity. */
int lookup_identity(struct lookup *l, struct aws_credentials *ret, struct error *e);

/* -1 when they have expired, with an error that names their source. */
int lookup_check_end(const struct lookup *l, const struct aws_credentials *c, struct error *e);

/* "this machine's clock is 7 min 0 s ahead of AWS's", or "" while it is right or nothing is known. */
void lookup_describe_clock(const struct lookup *l, char ret[static 128]);

#endif
