/* AWS Signature Version 4, as far as this room needs it: paths that need no normalising, form bodies, one region. */
#ifndef AWS_SIGV4_H
#define AWS_SIGV4_H

#include "pinfeed/aws.h"

/* A query parameter, or a header (its name in lower case, its value without white space around it). */
struct sigv4_pair {
        const char *name, *value;
};

struct sigv4_request {
        const char *method;
        const char *path;                       /* encoded */
        const struct sigv4_pair *query;         /* not encoded, any order */
        size_t query_count;
        const struct sigv4_pair *headers;       /* all of them are signed; in the order of their names */
        size_t header_count;
        const char *body;
        size_t body_length;
};

/* The names of the headers, as SignedHeaders wants them: "host;x-amz-date". */
void sigv4_signed_headers(const struct sigv4_request *r, struct buffer *out);
/* The query as it is signed: encoded, sorted. */
void sigv4_query(const struct sigv4_request *r, struct buffer *out);
void sigv4_canonical_request(const struct sigv4_request *r, struct buffer *out);

enum { SIGV4_DATE_SIZE = 17, SIGV4_SIGNATURE_SIZE = 65 };

/* `yyyymmddThhmmssZ`. The first eight characters are the scope's date. */
void sigv4_date(int64_t now_s, char ret[static SIGV4_DATE_SIZE]);
/* The signature of a canonical request, in hex. */
void sigv4_signature(const char *canonical_request, size_t length, const char *secret_access_key, const char *date,
                     const char *region, const char *service, char ret[static SIGV4_SIGNATURE_SIZE]);

/* The whole Authorization header's value, for a request whose headers hold host and x-amz-date (= date). */
char *sigv4_authorization(const struct sigv4_request *r, const struct aws_credentials *c, const char *date,
                          const char *region, const char *service);

/* RFC 3986: everything but letters, digits and -._~ as %XX. */
void sigv4_encode(const char *s, size_t length, struct buffer *out);

#endif
