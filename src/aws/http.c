#include "aws/http.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <ctype.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

void http_start(void) {
        curl_global_init(CURL_GLOBAL_DEFAULT);
}

void http_stop(void) {
        curl_global_cleanup();
}

void http_answer_wipe(struct http_answer *a) {
        buffer_wipe_and_free(&a->body);
        *a = (struct http_answer) {};
}

/* ---- what comes in ---- */

struct exchange {
        struct http_answer answer;
        size_t header_bytes;
        bool too_large;
        char reason[CURL_ERROR_SIZE];
};

static size_t take_body(char *data, size_t size, size_t count, void *arg) {
        struct exchange *x = arg;

        (void) size;
        if (count > HTTP_BODY_MAX - x->answer.body.length) {
                x->too_large = true;
                return 0;
        }
        if (!x->answer.body.data)
                buffer_reserve(&x->answer.body, HTTP_BODY_MAX + 1);     /* once, so that no copy stays behind */
        buffer_append(&x->answer.body, data, count);
        return count;
}

static size_t take_header(char *data, size_t size, size_t count, void *arg) {
        struct exchange *x = arg;
        char text[64];

        (void) size;
        x->header_bytes += count;
        if (x->header_bytes > HTTP_HEADERS_MAX) {
                x->too_large = true;
                return 0;
        }
        if (count > 5 && count < sizeof text && strncasecmp(data, "date:", 5) == 0) {
                time_t t;

                memcpy(text, data + 5, count - 5);
                text[count - 5] = 0;
                t = curl_getdate(text, NULL);
                x->answer.date_s = t > 0 ? t : 0;
        }
        return count;
}

/* ---- what goes out ---- */

static struct curl_slist *append_header(struct curl_slist *list, const char *header) {
        struct curl_slist *longer = curl_slist_append(list, header);

        if (!longer)
                abort();        /* out of memory */
        return longer;
}

/* Headers may hold tokens. */
static void wipe_headers(struct curl_slist *list) {
        for (struct curl_slist *h = list; h; h = h->next)
                mem_wipe(h->data, strlen(h->data));
        curl_slist_free_all(list);
}

static struct curl_slist *make_headers(const struct http_request *r) {
        struct curl_slist *list = append_header(NULL, "Expect:");

        if (!r->body)
                list = append_header(list, "Content-Type:");
        for (size_t i = 0; r->headers && r->headers[i]; i++)
                list = append_header(list, r->headers[i]);
        return list;
}

static void set_request(CURL *curl, const struct http_request *r, struct curl_slist *headers) {
        curl_easy_setopt(curl, CURLOPT_URL, r->url);
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        if (strcmp(r->method, "GET") != 0) {
                curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long) (r->body ? strlen(r->body) : 0));
                curl_easy_setopt(curl, CURLOPT_POSTFIELDS, r->body ? r->body : "");
                curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, r->method);
        }
        if (r->ca_bundle)
                curl_easy_setopt(curl, CURLOPT_CAINFO, r->ca_bundle);
        if (r->direct)
                curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
}

static void set_limits(CURL *curl, const struct http_request *r) {
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
        curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long) r->connect_timeout_ms);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long) r->timeout_ms);
        /* A name server that does not answer must not hold up the end: the resolver's thread is left behind. */
        curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
        curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
        curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
}

static void set_sinks(CURL *curl, struct exchange *x) {
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, x->reason);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, x);
        curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
        curl_easy_setopt(curl, CURLOPT_HEADERDATA, x);
}

/* ---- the exchange ---- */

static bool readable(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        return fd >= 0 && poll(&p, 1, 0) > 0;
}

/* Drives the transfer to its end. -1: it was cancelled. */
static int drive(CURLM *multi, int cancel_fd, CURLcode *ret) {
        struct curl_waitfd wake = { .fd = cancel_fd, .events = CURL_WAIT_POLLIN };
        int running = 1, messages;

        while (running) {
                if (readable(cancel_fd))
                        return -1;
                if (curl_multi_perform(multi, &running) != CURLM_OK
                    || (running && curl_multi_poll(multi, &wake, cancel_fd >= 0, 1000, NULL) != CURLM_OK)) {
                        *ret = CURLE_FAILED_INIT;
                        return 0;
                }
        }
        for (CURLMsg *m; (m = curl_multi_info_read(multi, &messages));)
                if (m->msg == CURLMSG_DONE)
                        *ret = m->data.result;
        return 0;
}

static int describe(CURLcode code, const struct exchange *x, const struct http_request *r, struct error *e) {
        const char *reason = x->reason[0] ? x->reason : curl_easy_strerror(code);

        if (x->too_large)
                return error_set(e, ERROR_UNREACHABLE, "the answer is too large");
        switch (code) {
        case CURLE_OPERATION_TIMEDOUT:
                return error_set(e, ERROR_UNREACHABLE, "timed out (%s)", reason);
        case CURLE_URL_MALFORMAT:
        case CURLE_UNSUPPORTED_PROTOCOL:
                return error_set(e, ERROR_REFUSED, "that URL can't be used: %s", reason);
        case CURLE_SSL_CACERT_BADFILE:
                error_set(e, ERROR_REFUSED, "the certificates in %s can't be used: %s",
                          r->ca_bundle ? r->ca_bundle : "the system's store", reason);
                return error_hint(e, "Check AWS_CA_BUNDLE.");
        case CURLE_PEER_FAILED_VERIFICATION:
                error_set(e, ERROR_UNREACHABLE, "%s", reason);
                return error_hint(e, "Install ca-certificates, or name your proxy's certificate in AWS_CA_BUNDLE.");
        default:
                return error_set(e, ERROR_UNREACHABLE, "%s", reason);
        }
}

static int transfer(CURL *curl, CURLM *multi, const struct http_request *r, struct exchange *x, struct error *e) {
        CURLcode code = CURLE_OK;
        long status = 0;
        int cancelled;

        curl_multi_add_handle(multi, curl);
        cancelled = drive(multi, r->cancel_fd, &code);
        curl_multi_remove_handle(multi, curl);
        if (cancelled)
                return error_stopped(e);
        if (code != CURLE_OK)
                return describe(code, x, r, e);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        x->answer.status = (int) status;
        return 0;
}

static bool header_is_clean(const char *header) {
        return !header[strcspn(header, "\r\n")];
}

int http_exchange(const struct http_request *r, struct http_answer *ret, struct error *e) {
        struct exchange x = {};
        struct curl_slist *headers;
        CURL *curl;
        CURLM *multi;
        int result;

        for (size_t i = 0; r->headers && r->headers[i]; i++)
                if (!header_is_clean(r->headers[i]))
                        return error_set(e, ERROR_REFUSED, "a header of the request would contain a line break");
        curl = curl_easy_init();
        multi = curl_multi_init();
        if (!curl || !multi)
                abort();        /* out of memory */
        headers = make_headers(r);
        set_request(curl, r, headers);
        set_limits(curl, r);
        set_sinks(curl, &x);
        result = transfer(curl, multi, r, &x, e);
        curl_easy_cleanup(curl);
        curl_multi_cleanup(multi);
        wipe_headers(headers);
        if (result < 0) {
                http_answer_wipe(&x.answer);
                return -1;
        }
        buffer_string(&x.answer.body);
        *ret = x.answer;
        return 0;
}

/* ---- URLs ---- */

static bool url_part(CURLU *u, CURLUPart part, char **ret) {
        char *s = NULL;

        if (curl_url_get(u, part, &s, 0) != CURLUE_OK)
                return false;
        *ret = mem_copy_string(s);
        curl_free(s);
        return true;
}

static bool has_login(CURLU *u) {
        _cleanup_free_ char *user = NULL, *password = NULL;

        return url_part(u, CURLUPART_USER, &user) || url_part(u, CURLUPART_PASSWORD, &password);
}

/* "[::1]" -> "::1"; upper case -> lower case. */
static void tidy_host(char *host) {
        size_t n = strlen(host);

        for (char *p = host; *p; p++)
                *p = (char) tolower((unsigned char) *p);
        if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
                memmove(host, host + 1, n - 2);
                host[n - 2] = 0;
        }
}

void http_url_free(struct http_url *u) {
        free(u->host);
        free(u->authority);
        free(u->path);
        *u = (struct http_url) {};
}

bool http_is_loopback(const char *host) {
        struct in6_addr v6;
        struct in_addr v4;

        if (inet_pton(AF_INET, host, &v4) == 1)
                return ntohl(v4.s_addr) >> 24 == 127;
        return (inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6)) || strcmp(host, "localhost") == 0;
}

static bool take_apart(CURLU *u, struct http_url *ret) {
        _cleanup_free_ char *scheme = NULL, *port = NULL;

        if (!url_part(u, CURLUPART_SCHEME, &scheme) || !url_part(u, CURLUPART_HOST, &ret->host)
            || !url_part(u, CURLUPART_PATH, &ret->path) || has_login(u))
                return false;
        ret->tls = strcmp(scheme, "https") == 0;
        if (!ret->tls && strcmp(scheme, "http") != 0)
                return false;
        ret->authority = url_part(u, CURLUPART_PORT, &port) && strcmp(port, ret->tls ? "443" : "80") != 0
                         ? mem_format("%s:%s", ret->host, port) : mem_copy_string(ret->host);
        tidy_host(ret->host);
        return true;
}

bool http_url_parse(const char *url, struct http_url *ret) {
        struct http_url parts = {};
        CURLU *u = curl_url();
        bool good;

        if (!u)
                abort();        /* out of memory */
        good = strstr(url, "://") && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK && take_apart(u, &parts);
        curl_url_cleanup(u);
        if (good)
                *ret = parts;
        else
                http_url_free(&parts);
        return good;
}
