/* What credential sources answer: JSON (metadata, container, credential_process), XML (STS), times. These parsers take
 * bytes and know nothing of where they came from. Their errors hold no byte of the answer, as it may hold a secret. */
#ifndef AWS_ANSWER_H
#define AWS_ANSWER_H

#include "aws/credentials.h"

/* IMDS and containers: {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}, all of them. A "Code" other than
 * "Success" is a refusal (its own words are in answer_reason). */
enum answer {
        ANSWER_BROKEN = -1,             /* with an error */
        ANSWER_GOOD,
        ANSWER_REFUSES,
};
enum answer answer_metadata(const char *bytes, size_t length, struct aws_credentials *ret, struct error *e);
/* credential_process: {"Version": 1, "AccessKeyId", "SecretAccessKey", "SessionToken"?, "Expiration"?}. */
int answer_process(const char *bytes, size_t length, struct aws_credentials *ret, struct error *e);
/* An STS answer under status 200. `action` is AssumeRole or AssumeRoleWithWebIdentity. */
int answer_sts(const char *action, const char *bytes, size_t length, struct aws_credentials *ret, struct error *e);

/* Why a service refused: its code and its message, "" where the answer doesn't say; from JSON or XML. */
struct answer_reason {
        char code[64];
        char message[400];              /* one line, control characters replaced */
};
void answer_reason(const char *bytes, size_t length, struct answer_reason *ret);
void answer_xml_reason(const char *bytes, size_t length, struct answer_reason *ret);

#endif
