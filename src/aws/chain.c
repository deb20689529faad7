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

/* ---- the order ---- */

/* A profile that was chosen for pinfeed ([aws] profile) goes before what the environment says; AWS_PROFILE doesn't. */
static const struct {
        int (*find)(struct lookup *l, struct aws_credentials *ret, struct error *e);
        bool unless_chosen;
} sources[] = {
        { source_environment, true },
        { source_profile, false },
        { source_web_identity, true },
        { source_container, false },
        { source_metadata, false },
};

/* The first that is configured counts, whether it works or not: falling through to another identity would hide why. */
static int walk(struct lookup *l, struct aws_credentials *ret, struct error *e) {
        bool chosen = l->settings->profile && *l->settings->profile;
        const char *named_by, *profile = lookup_profile_name(l, &named_by);
        size_t i = 0;
        int result;

        for (result = 1; result == 1 && i < sizeof sources / sizeof *sources; i++)
                if (!chosen || !sources[i].unless_chosen)
                        result = sources[i].find(l, ret, e);
        if (result < 0 && sources[i - 1].find == source_metadata)
                error_prefix(e, "no AWS credentials are in %sprofile %s or at a container's endpoint, and ",
                             chosen ? "" : "the environment, ", profile);
        return result;
}

int lookup_check_end(const struct lookup *l, const struct aws_credentials *c, struct error *e) {
        char utc[32], clock[128];

        if (c->expires_s > l->world->now_s(l->world->arg))
                return 0;
        clock_format_utc(c->expires_s, utc);
        lookup_describe_clock(l, clock);
        error_set(e, ERROR_UNREACHABLE, "the credentials from %s expired at %s%s%s", c->source, utc, *clock ? "; " : "",
                  clock);
        return error_hint(e, *clock ? "Set the clock (chrony, systemd-timesyncd)."
                                    : "Whatever provides them must renew them; check this machine's clock, too.");
}

/* What awsRoleArn does in the Java client. */
static int assume(struct lookup *l, const struct aws_credentials *base, struct aws_credentials *ret, struct error *e) {
        const struct role role = {
                .arn = l->settings->role_arn, .external_id = l->settings->external_id, .asked_by = "[aws] role_arn",
        };

        return source_role(l, &role, base, ret, e);
}

int lookup_credentials(struct lookup *l, struct aws_credentials *ret, struct error *e) {
        bool on_top = l->settings->role_arn && *l->settings->role_arn;
        struct aws_credentials found = {}, assumed = {};
        int result = walk(l, &found, e);

        if (result == 0 && lookup_check_end(l, &found, e) < 0)
                result = -1;
        if (result == 0 && on_top)
                result = assume(l, &found, &assumed, e) < 0 || lookup_check_end(l, &assumed, e) < 0 ? -1 : 0;
        if (on_top || result < 0)
                aws_credentials_wipe(&found);
        if (result == 0)
                *ret = on_top ? assumed : found;
        else
                aws_credentials_wipe(&assumed);
        return result;
}

int lookup_identity(struct lookup *l, struct aws_credentials *ret, struct error *e) {
        if (lookup_configured_region(l, e) < 0 || lookup_credentials(l, ret, e) < 0)
                return -1;
        if (lookup_region(l, e) == 0)
                return 0;
        aws_credentials_wipe(ret);
        return -1;
}
