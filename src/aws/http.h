/* One HTTP exchange, bounded in time and size, that can be cancelled. No redirects, no cookies, no .netrc. */
#ifndef AWS_HTTP_H
#define AWS_HTTP_H

#include "pinfeed/base.h"

struct http_request {
        const char *method;             /* GET, PUT or POST */
        const char *url;
        const char *const *headers;     /* "Name: value", the last is NULL; or NULL */
        const char *body;               /* NULL: none */
        const char *ca_bundle;          /* a file with the certificates to trust; NULL: the system's */
        bool direct;                    /* never through a proxy; otherwise http_proxy, https_proxy and no_proxy count */
        unsigned connect_timeout_ms, timeout_ms;        /* for all of it: no answer drips on for longer */
        int cancel_fd;                  /* readable: stop; -1: none */
};

enum { HTTP_BODY_MAX = 128 * 1024, HTTP_HEADERS_MAX = 64 * 1024 };

struct http_answer {
        int status;
        int64_t date_s;                 /* of the Date header; 0: unknown */
        struct buffer body;             /* NUL behind it; may hold secrets */
};
void http_answer_wipe(struct http_answer *a);   /* safe on {} and twice */

/* 0: answered, whatever the status. -1: no answer, with just the reason in e->what ("connection refused"), class
 * ERROR_UNREACHABLE, or ERROR_REFUSED for a URL or a certificate file that can't be used. */
int http_exchange(const struct http_request *r, struct http_answer *ret, struct error *e);

struct http_url {
        char *host;                     /* in lower case, IPv6 without brackets */
        char *authority;                /* what the Host header says */
        char *path;                     /* as it is sent; at least "/" */
        bool tls;
};
/* Takes an http or https URL apart; false if it isn't one, or holds a user name or a password. */
bool http_url_parse(const char *url, struct http_url *ret);
void http_url_free(struct http_url *u);         /* safe on {} and twice */
/* Whether a host, as http_url has it, can only be this machine. */
bool http_is_loopback(const char *host);

/* Once for each http_stop. */
void http_start(void);
void http_stop(void);

#endif
