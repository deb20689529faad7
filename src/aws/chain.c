/* The order in which sources of credentials are asked. */
#include "aws/source.h"

#include <string.h>

/* A profile that was chosen for pinfeed ([aws] profile) goes before what the environment says; AWS_PROFILE doesn't. */
static const struct {
        enum found (*find)(struct lookup *l, struct aws_credentials *ret, struct error *e);
        bool unless_chosen;
} sources[] = {
        { source_environment, true },
        { source_profile, false },
        { source_web_identity, true },
        { source_container, false },
        { source_metadata, false },
};

/* The first that is configured counts, whether it works or not: falling through to another identity would hide why. */
static enum found walk(struct lookup *l, struct aws_credentials *ret, struct error *e) {
        bool chosen = l->settings->profile && *l->settings->profile;
        const char *named_by, *profile = lookup_profile_name(l, &named_by);
        size_t i = 0;
        enum found result;

        for (result = NOT_THERE; result == NOT_THERE && i < sizeof sources / sizeof *sources; i++)
                if (!chosen || !sources[i].unless_chosen)
                        result = sources[i].find(l, ret, e);
        if (result == NOT_WORKING && sources[i - 1].find == source_metadata)
                error_prefix(e, "no AWS credentials are in %sprofile %s or at a container's endpoint, and ",
                             chosen ? "" : "the environment, ", profile);
        return result;
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
        _cleanup_credentials_ struct aws_credentials found = {}, assumed = {};

        if (walk(l, &found, e) != FOUND || lookup_check_end(l, &found, e) < 0)
                return -1;
        if (on_top && (assume(l, &found, &assumed, e) < 0 || lookup_check_end(l, &assumed, e) < 0))
                return -1;
        *ret = on_top ? assumed : found;
        *(on_top ? &assumed : &found) = (struct aws_credentials) {};
        return 0;
}

int lookup_identity(struct lookup *l, struct aws_credentials *ret, struct error *e) {
        if (lookup_configured_region(l, e) == NOT_WORKING || lookup_credentials(l, ret, e) < 0)
                return -1;
        if (lookup_region(l, e) == 0)
                return 0;
        aws_credentials_wipe(ret);
        return -1;
}
