/* STS: AssumeRole and AssumeRoleWithWebIdentity.
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html */
#include "aws/answer.h"
#include "aws/file.h"
#include "aws/partition.h"
#include "aws/sigv4.h"
#include "aws/source.h"

#include <string.h>

enum { CONNECT_TIMEOUT_MS = 5000, REQUEST_TIMEOUT_MS = 12000 };

static const char default_session_name[] = "pinfeed";
static const char content_type[] = "application/x-www-form-urlencoded; charset=utf-8";

/* ---- the form ---- */

static void add(struct buffer *form, const char *name, const char *value) {
        buffer_printf(form, "&%s=", name);
        sigv4_encode(value, strlen(value), form);
}

/* The name must not change: a broker takes another name for another principal. Ours goes before all others. */
static const char *session_name(const struct lookup *l, const struct role *role) {
        const char *name = l->settings->session_name;

        name = name && *name ? name : role->session_name;
        name = name ? name : lookup_env(l, "AWS_ROLE_SESSION_NAME");
        return name ? name : default_session_name;
}

static bool good_name(const char *s) {
        size_t n = strlen(s);

        return n >= 2 && n <= 64
               && strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+=,.@-") == n;
}

static bool good_duration(const char *s) {
        char *end;
        long n = strtol(s, &end, 10);

        return s[strspn(s, "0123456789")] == 0 && !*end && n >= 900 && n <= 43200;
}

static int check(const struct lookup *l, const struct role *role, struct error *e) {
        if (strncmp(role->arn, "arn:", 4) != 0 || strlen(role->arn) < 20 || strlen(role->arn) > 2048) {
                error_set(e, ERROR_REFUSED, "the role that %s names is not an ARN", role->asked_by);
                return error_hint(e, "It looks like arn:aws:iam::123456789012:role/NAME.");
        }
        if (!good_name(session_name(l, role))) {
                error_set(e, ERROR_REFUSED, "the session name for %s (%s) can't be one", role->arn, role->asked_by);
                return error_hint(e, "It may have 2 to 64 letters, digits and _+=,.@- (role_session_name in a profile, "
                                     "[aws] session_name, AWS_ROLE_SESSION_NAME).");
        }
        if (role->duration_s && !good_duration(role->duration_s)) {
                error_set(e, ERROR_REFUSED, "duration_seconds of %s is not a number from 900 to 43200", role->asked_by);
                return error_hint(e, "Correct it, or leave it out.");
        }
        return 0;
}

static const char *action_of(const struct aws_credentials *base) {
        return base ? "AssumeRole" : "AssumeRoleWithWebIdentity";
}

static void write_form(const struct lookup *l, const struct role *role, bool signed_by_us, const char *web_token,
                       struct buffer *form) {
        buffer_printf(form, "Action=%s&Version=2011-06-15", signed_by_us ? "AssumeRole" : "AssumeRoleWithWebIdentity");
        add(form, "RoleArn", role->arn);
        add(form, "RoleSessionName", session_name(l, role));
        if (role->external_id && signed_by_us)
                add(form, "ExternalId", role->external_id);
        if (role->duration_s)
                add(form, "DurationSeconds", role->duration_s);
        if (web_token)
                add(form, "WebIdentityToken", web_token);
}

/* ---- the request ---- */

struct headers {
        char *lines[6];                 /* the last is NULL */
        size_t count;
};

static void add_header(struct headers *h, char *line) {
        h->lines[h->count++] = line;
}

static void wipe_headers(struct headers *h) {
        for (size_t i = 0; i < h->count; i++)
                mem_free_secret(h->lines[i]);
}

static void sign(struct lookup *l, const struct http_url *url, const struct buffer *form,
                 const struct aws_credentials *base, struct headers *out) {
        char date[SIGV4_DATE_SIZE];
        struct sigv4_pair pairs[4] = {
                { "content-type", content_type }, { "host", url->authority }, { "x-amz-date", date },
                { "x-amz-security-token", base->session_token },
        };
        struct sigv4_request r = {
                .method = "POST", .path = url->path, .headers = pairs, .header_count = base->session_token ? 4 : 3,
                .body = form->data, .body_length = form->length,
        };
        char *authorization;

        sigv4_date(l->world->now_s(l->world->arg), date);
        authorization = sigv4_authorization(&r, base, date, l->region, "sts");
        add_header(out, mem_format("X-Amz-Date: %s", date));
        add_header(out, mem_format("Authorization: %s", authorization));
        if (base->session_token)
                add_header(out, mem_format("X-Amz-Security-Token: %s", base->session_token));
        free(authorization);
}

static int ca_bundle(struct lookup *l, const char **ret, struct error *e) {
        *ret = lookup_env(l, "AWS_CA_BUNDLE");
        return *ret ? 0 : lookup_profile_setting(l, "ca_bundle", ret, e);
}

static int post(struct lookup *l, const char *endpoint, const struct http_url *url, struct buffer *form,
                const struct aws_credentials *base, struct http_answer *ret, struct error *e) {
        struct headers headers = {};
        struct http_request r = {
                .method = "POST", .url = endpoint, .body = buffer_string(form),
                .headers = (const char *const *) headers.lines,
                .connect_timeout_ms = CONNECT_TIMEOUT_MS, .timeout_ms = REQUEST_TIMEOUT_MS,
        };
        int result;

        if (ca_bundle(l, &r.ca_bundle, e) < 0)
                return -1;
        add_header(&headers, mem_format("Content-Type: %s", content_type));
        add_header(&headers, mem_format("Host: %s", url->authority));
        if (base)
                sign(l, url, form, base, &headers);
        result = lookup_ask(l, &r, lookup_deadline(l, LOOKUP_SOURCE_TIMEOUT_MS), true, ret, e);
        wipe_headers(&headers);
        return result;
}

/* ---- refusals ---- */

/* What STS's codes mean for the user. The first whose name the code begins with counts. */
static const struct {
        const char *code;
        enum error_class class;
        const char *hint;
} refusals[] = {
        { "AccessDenied", ERROR_REFUSED,
          "The role's trust policy must let this identity assume it, this identity's own policy must allow "
          "sts:AssumeRole on it, and an external id, if the role wants one, must match (external_id)." },
        { "InvalidClientTokenId", ERROR_REFUSED,
          "AWS does not know the access key that asked: was it deleted, or does it belong to another partition?" },
        { "SignatureDoesNotMatch", ERROR_REFUSED,
          "The secret access key does not belong to the access key, or this machine's clock is off." },
        { "ExpiredToken", ERROR_REFUSED, "The credentials, or the web identity token, that asked have expired: renew them." },
        { "RequestExpired", ERROR_UNREACHABLE, "Set this machine's clock (chrony, systemd-timesyncd)." },
        { "InvalidIdentityToken", ERROR_REFUSED,
          "IAM does not accept the web identity token: check the identity provider, its audience and the token's file." },
        { "IDPRejectedClaim", ERROR_REFUSED, "The identity provider rejected the web identity token: renew it." },
        { "IDPCommunicationError", ERROR_UNREACHABLE, "AWS could not reach the identity provider: try again." },
        { "RegionDisabled", ERROR_REFUSED, "Activate STS for this region in the account's IAM settings." },
        { "ValidationError", ERROR_REFUSED, "Check the role's ARN, external_id and duration_seconds." },
        { "Throttl", ERROR_UNREACHABLE, "AWS asks for patience: try again." },
        { "RequestLimitExceeded", ERROR_UNREACHABLE, "AWS asks for patience: try again." },
};

static void classify(const char *code, int status, enum error_class *ret_class, const char **ret_hint) {
        bool temporary = status >= 500 || status == 429;

        *ret_class = temporary ? ERROR_UNREACHABLE : ERROR_REFUSED;
        *ret_hint = temporary ? "Try again." : "Check the role's ARN and the endpoint (AWS_ENDPOINT_URL_STS).";
        for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
                if (strncmp(code, refusals[i].code, strlen(refusals[i].code)) == 0) {
                        *ret_class = temporary ? ERROR_UNREACHABLE : refusals[i].class;
                        *ret_hint = refusals[i].hint;
                        return;
                }
}

static int refuse(struct lookup *l, const struct role *role, const char *endpoint, const struct aws_credentials *base,
                  const struct http_answer *a, struct error *e) {
        struct answer_reason why;
        enum error_class class;
        const char *hint;
        char clock[128];

        answer_reason(a->body.data, a->body.length, &why);
        classify(why.code, a->status, &class, &hint);
        lookup_describe_clock(l, clock);
        error_set(e, *clock ? ERROR_UNREACHABLE : class,
                  "STS at %s refused %s for role %s (%s%s%s): %s%s%s (status %d)%s%s", endpoint, action_of(base),
                  role->arn, role->asked_by, base ? ", asked with credentials from " : "", base ? base->source : "",
                  *why.code ? why.code : "an answer without a code", *why.message ? ": " : "", why.message, a->status,
                  *clock ? "; " : "", clock);
        return error_hint(e, "%s", *clock ? "Set the clock (chrony, systemd-timesyncd)." : hint);
}

/* ---- the whole ---- */

static int read_answer(struct lookup *l, const struct role *role, const char *endpoint,
                       const struct aws_credentials *base, const struct http_answer *a, struct aws_credentials *ret,
                       struct error *e) {
        if (a->status != 200)
                return refuse(l, role, endpoint, base, a, e);
        if (answer_sts(action_of(base), a->body.data, a->body.length, ret, e) == 0) {
                ret->source = mem_format("%s (role %s)", role->asked_by, role->arn);
                return 0;
        }
        error_prefix(e, "STS at %s, %s for role %s (%s): ", endpoint, action_of(base), role->arn, role->asked_by);
        return error_hint(e, "Does something else answer at that address (a proxy, AWS_ENDPOINT_URL_STS)?");
}

static int ask(struct lookup *l, const struct role *role, const char *endpoint, const struct http_url *url,
               const char *web_token, const struct aws_credentials *base, struct aws_credentials *ret,
               struct error *e) {
        _cleanup_secret_ struct buffer form = {};
        _cleanup_(http_answer_wipe) struct http_answer a = {};

        write_form(l, role, base != NULL, web_token, &form);
        if (post(l, endpoint, url, &form, base, &a, e) < 0) {
                error_prefix(e, "STS at %s did not answer %s for role %s (%s): ", endpoint, action_of(base), role->arn,
                             role->asked_by);
                return *e->hint ? -1 : error_hint(e, "Can this machine reach that address (a NAT gateway, an interface "
                                                     "endpoint for STS in the VPC, https_proxy)?");
        }
        return read_answer(l, role, endpoint, base, &a, ret, e);
}

/* The token is read anew each time: whoever provides it renews it. */
static int read_web_token(const struct role *role, char **ret, struct error *e) {
        if (file_read_line(role->web_identity_token_file, ret, e) == 0)
                return 0;
        error_prefix(e, "web identity token of %s: ", role->asked_by);
        return error_hint(e, "Check web_identity_token_file (AWS_WEB_IDENTITY_TOKEN_FILE), and that pinfeed's user may "
                             "read that file.");
}

/* The region's own, unless the environment names another. A token goes over plain http to this machine only. */
static int find_endpoint(struct lookup *l, char **ret, struct http_url *ret_parts, struct error *e) {
        static const char *const variables[] = { "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL" };
        const char *url = NULL, *named_by = "the region";

        if (lookup_region(l, e) < 0)
                return -1;
        for (size_t i = 0; !url && i < sizeof variables / sizeof *variables; i++)
                if ((url = lookup_env(l, variables[i])))
                        named_by = variables[i];
        *ret = url ? mem_copy_string(url) : mem_format("https://sts.%s.%s", l->region, partition_suffix(l->region));
        if (!http_url_parse(*ret, ret_parts)) {
                error_set(e, ERROR_REFUSED, "the endpoint for STS (from %s) is not an http or https URL", named_by);
                return error_hint(e, "It looks like https://sts.us-east-1.amazonaws.com.");
        }
        if (ret_parts->tls || http_is_loopback(ret_parts->host))
                return 0;
        error_set(e, ERROR_REFUSED, "the endpoint for STS (from %s) is host %s over plain http, where anybody on the way "
                  "could read what is sent", named_by, ret_parts->host);
        return error_hint(e, "Use https; http is for an endpoint on this machine (localhost).");
}

int source_role(struct lookup *l, const struct role *role, const struct aws_credentials *base,
                struct aws_credentials *ret, struct error *e) {
        _cleanup_free_ char *endpoint = NULL;
        _cleanup_free_secret_ char *web_token = NULL;
        _cleanup_(http_url_free) struct http_url url = {};

        if (check(l, role, e) < 0 || (!base && read_web_token(role, &web_token, e) < 0)
            || find_endpoint(l, &endpoint, &url, e) < 0)
                return -1;
        return ask(l, role, endpoint, &url, web_token, base, ret, e);
}
