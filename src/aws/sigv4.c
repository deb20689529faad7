#include "aws/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <time.h>

enum { HASH_SIZE = 32 };

struct digest {
        unsigned char bytes[HASH_SIZE];
};

static struct digest sha256(const void *data, size_t length) {
        struct digest h;

        if (!EVP_Digest(data, length, h.bytes, NULL, EVP_sha256(), NULL))
                abort();        /* only out of memory, or an OpenSSL without SHA-256 */
        return h;
}

static void hmac(const void *key, size_t key_length, const char *text, size_t length, struct digest *ret) {
        if (!HMAC(EVP_sha256(), key, (int) key_length, (const unsigned char *) text, length, ret->bytes, NULL))
                abort();
}

/* ---- canonical request ---- */

void sigv4_encode(const char *s, size_t length, struct buffer *out) {
        static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

        for (size_t i = 0; i < length; i++)
                if (s[i] && strchr(plain, s[i]))
                        buffer_append(out, &s[i], 1);
                else
                        buffer_printf(out, "%%%02X", (unsigned char) s[i]);
}

static int compare_strings(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* `=` sorts behind the characters that a longer name may go on with, so the parameters are sorted with \1 in its
 * place (which no encoded parameter contains). */
void sigv4_query(const struct sigv4_request *r, struct buffer *out) {
        char **pairs = mem_zero(r->query_count, sizeof *pairs);

        for (size_t i = 0; i < r->query_count; i++) {
                struct buffer b = {};

                sigv4_encode(r->query[i].name, strlen(r->query[i].name), &b);
                buffer_append(&b, "\1", 1);
                sigv4_encode(r->query[i].value, strlen(r->query[i].value), &b);
                buffer_string(&b);
                pairs[i] = b.data;
        }
        qsort(pairs, r->query_count, sizeof *pairs, compare_strings);
        for (size_t i = 0; i < r->query_count; i++) {
                *strchr(pairs[i], '\1') = '=';
                buffer_printf(out, "%s%s", i ? "&" : "", pairs[i]);
                mem_free_secret(pairs[i]);
        }
        free(pairs);
}

void sigv4_signed_headers(const struct sigv4_request *r, struct buffer *out) {
        for (size_t i = 0; i < r->header_count; i++)
                buffer_printf(out, "%s%s", i ? ";" : "", r->headers[i].name);
}

/* Runs of spaces inside a value count as one. */
static void append_header_value(struct buffer *out, const char *value) {
        for (const char *p = value; *p; p++)
                if (*p != ' ' || p[1] != ' ')
                        buffer_append(out, p, 1);
}

void sigv4_canonical_request(const struct sigv4_request *r, struct buffer *out) {
        struct digest body = sha256(r->body ? r->body : "", r->body_length);

        buffer_printf(out, "%s\n%s\n", r->method, r->path);
        sigv4_query(r, out);
        buffer_append(out, "\n", 1);
        for (size_t i = 0; i < r->header_count; i++) {
                buffer_printf(out, "%s:", r->headers[i].name);
                append_header_value(out, r->headers[i].value);
                buffer_append(out, "\n", 1);
        }
        buffer_append(out, "\n", 1);
        sigv4_signed_headers(r, out);
        buffer_append(out, "\n", 1);
        text_hex(body.bytes, HASH_SIZE, TEXT_HEX, out);
}

/* ---- signature ---- */

void sigv4_date(int64_t now_s, char ret[static SIGV4_DATE_SIZE]) {
        struct tm tm = {};
        time_t t = (time_t) now_s;

        gmtime_r(&t, &tm);
        strftime(ret, SIGV4_DATE_SIZE, "%Y%m%dT%H%M%SZ", &tm);
}

/* The key in the last of `keys`; the caller wipes them all. */
static void make_keys(const char *secret, const char *date, const char *region, const char *service,
                      struct digest keys[static 4]) {
        const char *steps[] = { region, service, "aws4_request" };
        _cleanup_secret_ struct buffer first = {};

        buffer_append_string(&first, "AWS4");
        buffer_append_string(&first, secret);
        hmac(first.data, first.length, date, 8, &keys[0]);
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
                hmac(keys[i].bytes, HASH_SIZE, steps[i], strlen(steps[i]), &keys[i + 1]);
}

void sigv4_signature(const char *canonical_request, size_t length, const char *secret_access_key, const char *date,
                     const char *region, const char *service, char ret[static SIGV4_SIGNATURE_SIZE]) {
        struct digest request = sha256(canonical_request, length), keys[4], signature;
        _cleanup_buffer_ struct buffer text = {}, hex = {};

        make_keys(secret_access_key, date, region, service, keys);
        buffer_printf(&text, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/aws4_request\n", date, date, region, service);
        text_hex(request.bytes, HASH_SIZE, TEXT_HEX, &text);
        hmac(keys[3].bytes, HASH_SIZE, text.data, text.length, &signature);
        mem_wipe(keys, sizeof keys);
        text_hex(signature.bytes, HASH_SIZE, TEXT_HEX, &hex);
        memcpy(ret, buffer_string(&hex), SIGV4_SIGNATURE_SIZE);
}

char *sigv4_authorization(const struct sigv4_request *r, const struct aws_credentials *c, const char *date,
                          const char *region, const char *service) {
        _cleanup_secret_ struct buffer canonical = {};
        struct buffer out = {};
        char signature[SIGV4_SIGNATURE_SIZE];

        sigv4_canonical_request(r, &canonical);
        sigv4_signature(buffer_string(&canonical), canonical.length, c->secret_access_key, date, region, service,
                        signature);
        buffer_printf(&out, "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request, SignedHeaders=",
                      c->access_key_id, date, region, service);
        sigv4_signed_headers(r, &out);
        buffer_printf(&out, ", Signature=%s", signature);
        buffer_string(&out);
        return out.data;
}
