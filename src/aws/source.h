/* The sources of credentials, one file each. An error names the source, and ret->source does. */
#ifndef AWS_SOURCE_H
#define AWS_SOURCE_H

#include "aws/lookup.h"

enum found source_environment(struct lookup *l, struct aws_credentials *ret, struct error *e);
enum found source_profile(struct lookup *l, struct aws_credentials *ret, struct error *e);
enum found source_web_identity(struct lookup *l, struct aws_credentials *ret, struct error *e);
enum found source_container(struct lookup *l, struct aws_credentials *ret, struct error *e);
enum found source_metadata(struct lookup *l, struct aws_credentials *ret, struct error *e);

/* Runs a command line through /bin/sh. `words` names it in errors and in ret->source. 0 or -1. */
int source_process(struct lookup *l, const char *command, const char *words, struct aws_credentials *ret,
                   struct error *e);

/* A role to assume. Settings that are NULL are left out; [aws] session_name goes before this session name. */
struct role {
        const char *arn, *session_name, *external_id;
        const char *duration_s;         /* 900 to 43200 */
        const char *web_identity_token_file;
        const char *asked_by;           /* "profile dev", "[aws] role_arn", "AWS_WEB_IDENTITY_TOKEN_FILE" */
};
/* AssumeRole with `base`'s signature (or AssumeRoleWithWebIdentity when base is NULL). 0 or -1. */
int source_role(struct lookup *l, const struct role *role, const struct aws_credentials *base,
                struct aws_credentials *ret, struct error *e);

/* The region that IMDS says this instance is in. 0 or -1. */
int metadata_region(struct lookup *l, char **ret, struct error *e);

bool region_is_valid(const char *region);
/* NOT_THERE: the names say nothing. NOT_WORKING: they contradict each other. */
enum found region_of_brokers(const char *brokers, char **ret, struct error *e);

#endif
