/* The credentials endpoint of a container: ECS, EKS Pod Identity, Greengrass.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html */
#include "aws/answer.h"
#include "aws/file.h"
#include "aws/source.h"

#include <stdio.h>
#include <string.h>

#define RELATIVE "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
#define FULL "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#define TOKEN "AWS_CONTAINER_AUTHORIZATION_TOKEN"
#define TOKEN_FILE "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"

enum { CONNECT_TIMEOUT_MS = 3000, REQUEST_TIMEOUT_MS = 10000 };

/* ---- where ---- */

/* Secrets go over plain http only to this machine, or to the addresses that ECS and EKS use. */
static bool may_be_plain(const char *host) {
        static const char *const known[] = { "169.254.170.2", "169.254.170.23", "fd00:ec2::23" };

        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
                if (strcmp(host, known[i]) == 0)
                        return true;
        return http_is_loopback(host);
}

/* For messages: a path, or what stands behind it, is nobody's business. */
static char *place_of(const char *url) {
        struct http_url parts;
        char *place;

        if (!http_url_parse(url, &parts))
                return mem_copy_string("that URL");
        place = mem_format("%s://%s", parts.tls ? "https" : "http", parts.authority);
        http_url_free(&parts);
        return place;
}

/* 0, or -1. */
static int check_url(const char *url, struct error *e) {
        struct http_url parts;
        bool good;

        if (!http_url_parse(url, &parts)) {
                error_set(e, ERROR_REFUSED, "container credentials: " FULL " is not an http or https URL");
                return error_hint(e, "Correct it, or unset it to use the next source of credentials.");
        }
        good = parts.tls || may_be_plain(parts.host);
        if (!good) {
                error_set(e, ERROR_REFUSED, "container credentials: " FULL " names host %s, which may not be asked over "
                          "plain http", parts.host);
                error_hint(e, "Use https, a loopback address, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23].");
        }
        http_url_free(&parts);
        return good ? 0 : -1;
}

/* NOT_THERE: no container. */
static enum found find_url(const struct lookup *l, char **ret_url, const char **ret_variable, struct error *e) {
        const char *relative = lookup_env(l, RELATIVE), *full = lookup_env(l, FULL);

        if (!relative && !full)
                return NOT_THERE;
        *ret_variable = relative ? RELATIVE : FULL;
        if (relative && *relative != '/') {
                error_set(e, ERROR_REFUSED, "container credentials: " RELATIVE " does not begin with /");
                return error_hint(e, "It is a path on http://169.254.170.2; " FULL " takes whole URLs.");
        }
        if (!relative && check_url(full, e) < 0)
                return NOT_WORKING;
        *ret_url = relative ? mem_format("http://169.254.170.2%s", relative) : mem_copy_string(full);
        return FOUND;
}

/* ---- by what right ---- */

/* "Authorization: …", or NULL when none is asked for. The file is read anew each time. */
static int find_authorization(const struct lookup *l, char **ret, struct error *e) {
        const char *path = lookup_env(l, TOKEN_FILE), *value = lookup_env(l, TOKEN);
        _cleanup_free_secret_ char *token = NULL;

        *ret = NULL;
        if (path && file_read_line(path, &token, e) < 0) {
                error_prefix(e, "container credentials: " TOKEN_FILE ": ");
                return error_hint(e, "Check that variable, and that pinfeed's user may read the file.");
        }
        if (!token && value && value[strcspn(value, "\r\n")]) {
                error_set(e, ERROR_REFUSED, "container credentials: " TOKEN " contains a line break");
                return error_hint(e, "Correct it, or name a file in " TOKEN_FILE ".");
        }
        if (token || value)
                *ret = mem_format("Authorization: %s", token ? token : value);
        return 0;
}

/* ---- asking ---- */

static int refuse(const struct http_answer *a, const char *place, const char *variable, struct error *e) {
        struct answer_reason why;

        answer_reason(a->body.data, a->body.length, &why);
        error_set(e, a->status >= 500 || a->status == 429 ? ERROR_UNREACHABLE : ERROR_REFUSED,
                  "container credentials (%s): %s answered %d%s%s%s%s", variable, place, a->status,
                  *why.code ? ": " : "", why.code, *why.message ? ": " : "", why.message);
        return error_hint(e, "Check %s and, if the endpoint wants one, " TOKEN " or " TOKEN_FILE ".", variable);
}

static int read_answer(const struct http_answer *a, const char *place, const char *variable,
                       struct aws_credentials *ret, struct error *e) {
        enum answer result;

        if (a->status != 200)
                return refuse(a, place, variable, e);
        result = answer_metadata(a->body.data, a->body.length, ret, e);
        if (result == ANSWER_REFUSES)
                return refuse(a, place, variable, e);
        if (result == ANSWER_BROKEN) {
                error_prefix(e, "container credentials (%s), %s: ", variable, place);
                return error_hint(e, "Is that the endpoint for credentials?");
        }
        ret->source = mem_format("container (%s)", variable);
        return 0;
}

static int ask(struct lookup *l, const char *url, const char *variable, const char *authorization,
               struct aws_credentials *ret, struct error *e) {
        _cleanup_free_ char *place = place_of(url);
        const char *const headers[] = { "Accept: application/json", authorization, NULL };
        const struct http_request r = {
                .method = "GET", .url = url, .headers = headers, .direct = true,
                .ca_bundle = lookup_env(l, "AWS_CA_BUNDLE"),
                .connect_timeout_ms = CONNECT_TIMEOUT_MS, .timeout_ms = REQUEST_TIMEOUT_MS,
        };
        struct http_answer a;
        int result;

        if (lookup_ask(l, &r, lookup_deadline(l, LOOKUP_SOURCE_TIMEOUT_MS), false, &a, e) < 0) {
                error_prefix(e, "container credentials (%s): %s did not answer: ", variable, place);
                return *e->hint ? -1 : error_hint(e, "Does this still run in that container? Unset %s to use the next "
                                                     "source of credentials.", variable);
        }
        result = read_answer(&a, place, variable, ret, e);
        http_answer_wipe(&a);
        return result;
}

enum found source_container(struct lookup *l, struct aws_credentials *ret, struct error *e) {
        _cleanup_free_ char *url = NULL;
        _cleanup_free_secret_ char *authorization = NULL;
        const char *variable;
        enum found result = find_url(l, &url, &variable, e);

        if (result != FOUND)
                return result;
        return find_authorization(l, &authorization, e) < 0 ? NOT_WORKING : ask(l, url, variable, authorization, ret, e);
}
