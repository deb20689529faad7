/* pinfeed --token: one token and where it comes from, for kcat, scripts and support. */
#include "pinfeed/job.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static json_t *utc(int64_t epoch_s) {
        char text[32];

        if (epoch_s == INT64_MAX)
                return json_null();
        clock_format_utc(epoch_s, text);
        return json_string(text);
}

static json_t *describe(const struct aws_status *s, const char *token) {
        return json_pack("{s:s, s:o, s:I, s:s, s:s, s:{s:s, s:s, s:o}}",
                         "token", token,
                         "expires_at", utc(s->token_expires_ms / 1000),
                         "lifetime_ms", (json_int_t) s->token_expires_ms,
                         "region", s->region,
                         "region_source", s->region_source,
                         "credentials",
                         "source", s->source,
                         "access_key_id", s->access_key_id,
                         "expires_at", utc(s->credentials_expire_s));
}

int job_token(const struct aws_settings *settings, FILE *out, struct error *e) {
        struct aws *aws = aws_new(settings, NULL, NULL);
        struct aws_status status;
        char *token = NULL;
        int64_t expires_ms;
        int result = aws_token(aws, &token, &expires_ms, e);

        if (result == 0) {
                json_t *json;

                aws_status(aws, &status);
                json = describe(&status, token);
                if (!json || json_dumpf(json, out, JSON_COMPACT) < 0 || fputc('\n', out) == EOF || fflush(out) != 0)
                        result = error_set(e, ERROR_FAILED, "the token could not be written to standard output");
                json_decref(json);
                mem_wipe(token, strlen(token));
        }
        free(token);
        aws_free(aws);
        return result;
}
