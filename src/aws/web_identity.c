/* Web identity by the environment: what EKS sets for a pod's service account (IRSA). */
#include "aws/source.h"

enum found source_web_identity(struct lookup *l, struct aws_credentials *ret, struct error *e) {
        const struct role role = {
                .arn = lookup_env(l, "AWS_ROLE_ARN"),
                .web_identity_token_file = lookup_env(l, "AWS_WEB_IDENTITY_TOKEN_FILE"),
                .session_name = lookup_env(l, "AWS_ROLE_SESSION_NAME"),
                .asked_by = "AWS_WEB_IDENTITY_TOKEN_FILE",
        };

        if (!role.web_identity_token_file)
                return NOT_THERE;
        if (!role.arn) {
                error_set(e, ERROR_REFUSED, "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not");
                return error_hint(e, "Set both, or neither to use the next source of credentials.");
        }
        return source_role(l, &role, NULL, ret, e);
}
