/* The token: a presigned URL for kafka-cluster:Connect. The broker checks it as AWS checks any presigned request. */
#include "aws/sigv4.h"

#include <stdio.h>
#include <string.h>

enum { LIFETIME_MAX_S = 900 };

static const char user_agent[] = "pinfeed/" PINFEED_VERSION;

/* The URL with its signature and, unsigned behind it, who asks. */
static void append_url(struct buffer *url, const char *host, const struct sigv4_request *r, const char *signature) {
        buffer_printf(url, "https://%s/?", host);
        sigv4_query(r, url);
        buffer_printf(url, "&X-Amz-Signature=%s&User-Agent=", signature);
        sigv4_encode(user_agent, sizeof user_agent - 1, url);
}

int aws_token_sign(const struct aws_credentials *c, const char *region, int64_t now_s, unsigned lifetime_s,
                   char **ret_token, int64_t *ret_expires_ms, struct error *e) {
        char date[SIGV4_DATE_SIZE], expires[16], signature[SIGV4_SIGNATURE_SIZE];
        _cleanup_secret_ struct buffer canonical = {}, url = {};
        struct buffer token = {};
        _cleanup_free_ char *host = mem_format("kafka.%s.amazonaws.com", region);
        _cleanup_free_ char *scope = NULL;

        if (lifetime_s < 1 || lifetime_s > LIFETIME_MAX_S)
                return error_set(e, ERROR_FAILED, "a token can't be signed for %u s", lifetime_s);
        sigv4_date(now_s, date);
        scope = mem_format("%s/%.8s/%s/kafka-cluster/aws4_request", c->access_key_id, date, region);
        snprintf(expires, sizeof expires, "%u", lifetime_s);

        const struct sigv4_pair host_header = { "host", host };
        const struct sigv4_pair query[] = {
                { "Action", "kafka-cluster:Connect" },
                { "X-Amz-Algorithm", "AWS4-HMAC-SHA256" },
                { "X-Amz-Credential", scope },
                { "X-Amz-Date", date },
                { "X-Amz-Expires", expires },
                { "X-Amz-SignedHeaders", "host" },
                { "X-Amz-Security-Token", c->session_token ? c->session_token : "" },
        };
        const struct sigv4_request request = {
                .method = "GET", .path = "/", .headers = &host_header, .header_count = 1,
                .query = query, .query_count = sizeof query / sizeof *query - (c->session_token ? 0 : 1),
        };

        sigv4_canonical_request(&request, &canonical);
        sigv4_signature(buffer_string(&canonical), canonical.length, c->secret_access_key, date, region,
                        "kafka-cluster", signature);
        append_url(&url, host, &request, signature);
        text_base64(url.data, url.length, TEXT_BASE64_URL, &token);
        buffer_string(&token);
        *ret_token = token.data;
        *ret_expires_ms = (now_s + lifetime_s) * 1000;
        return 0;
}
