/* The order in which sources of credentials are asked. */
#include "aws/source.h"

#include <string.h>

static void wipe(char **s) {
        if (*s)
                mem_wipe(*s, strlen(*s));
        free(*s);
        *s = NULL;
}

void aws_credentials_wipe(struct aws_credentials *c) {
        wipe(&c->access_key_id);
        wipe(&c->secret_access_key);
        wipe(&c->session_token);
        wipe(&c->source);
        c->expires_s = 0;
}

/* A profile that was chosen for pinfeed ([aws] profile) goes before the environment's keys, AWS_PROFILE doesn't. */
static int walk(struct lookup *l, struct aws_credentials *ret, struct error *e) {
        int (*const sources[])(struct lookup *, struct aws_credentials *, struct error *) = {
                source_environment, source_profile, source_metadata,
        };
        bool chosen = l->settings->profile && *l->settings->profile;
        int result = 1;

        for (size_t i = chosen ? 1 : 0; result == 1 && i < sizeof sources / sizeof *sources; i++)
                result = sources[i](l, ret, e);
        return result;
}

int lookup_credentials(struct lookup *l, struct aws_credentials *ret, struct error *e) {
        return walk(l, ret, e);
}
