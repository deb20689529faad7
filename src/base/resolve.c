#include "pinfeed/base.h"

#include <netdb.h>
#include <string.h>

enum { SLICE_MS = 100 };

/* A look-up of glibc's, which may not come back for minutes: it is left behind then. */
struct lookup {
        char *host, *service;
        struct addrinfo hints;
        struct gaicb request;
};

static void lookup_free(struct lookup *l) {
        free(l->host);
        free(l->service);
        free(l);
}

static int ask(struct lookup *l, bool (*go_on)(void *arg), void *arg, struct addrinfo **ret) {
        const struct timespec slice = { .tv_nsec = SLICE_MS * 1000000L };
        struct gaicb *list[] = { &l->request };
        int r = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);

        while (r == 0 && (r = gai_error(&l->request)) == EAI_INPROGRESS && go_on(arg)) {
                gai_suspend((const struct gaicb *const *) list, 1, &slice);
                r = 0;
        }
        if (r == EAI_INPROGRESS && gai_cancel(&l->request) != EAI_CANCELED)
                return EAI_AGAIN;
        if (r == 0)
                *ret = l->request.ar_result;
        lookup_free(l);
        return r == EAI_INPROGRESS ? EAI_AGAIN : r;
}

int resolve_name(const char *host, const char *service, const struct addrinfo *hints, bool (*go_on)(void *arg), void *arg,
                 struct addrinfo **ret) {
        struct lookup *l = mem_zero(1, sizeof *l);

        l->host = host ? mem_copy_string(host) : NULL;
        l->service = service ? mem_copy_string(service) : NULL;
        l->hints = hints ? *hints : (struct addrinfo) {};
        l->request = (struct gaicb) { .ar_name = l->host, .ar_service = l->service, .ar_request = &l->hints };
        return ask(l, go_on, arg, ret);
}
