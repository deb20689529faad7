#include "service/internal.h"

#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

/* Time that systemd grants beyond our own limit, so that it is we who say that a worker hangs. */
enum { STOP_GRACE_MS = 5000 };

void service_ready(struct service *s) {
        pthread_mutex_lock(&s->lock);
        if (!s->ready) {
                s->ready = true;
                sd_notify(0, "READY=1");
        }
        pthread_mutex_unlock(&s->lock);
}

/* Before READY there is nothing that systemd would let us reload. */
void notify_reloading(struct service *s) {
        pthread_mutex_lock(&s->lock);
        s->reloading = s->ready;
        if (s->reloading)
                sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long) clock_monotonic_us());
        pthread_mutex_unlock(&s->lock);
}

void notify_reloaded(struct service *s) {
        pthread_mutex_lock(&s->lock);
        if (s->reloading)
                sd_notify(0, "READY=1");
        s->reloading = false;
        pthread_mutex_unlock(&s->lock);
}

/* Takes over `status`. */
static void send_status(struct service *s, char *status) {
        text_flatten(status, status, SIZE_MAX);
        pthread_mutex_lock(&s->lock);
        if (s->status && strcmp(s->status, status) == 0) {
                free(status);
        } else {
                free(s->status);
                s->status = status;
                sd_notifyf(0, "STATUS=%s", status);
        }
        pthread_mutex_unlock(&s->lock);
}

void service_status(struct service *s, const char *format, ...) {
        char *status;
        va_list ap;

        if (!s->under_systemd)
                return;
        va_start(ap, format);
        if (vasprintf(&status, format, ap) < 0)
                abort();
        va_end(ap);
        send_status(s, status);
}

void notify_stopping(struct service *s, unsigned stop_timeout_ms) {
        sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu",
                   ((unsigned long long) stop_timeout_ms + STOP_GRACE_MS) * 1000);
        service_status(s, "Stopping");
}

/* Each note takes a descriptor for as long as it is sent. Who has none left is started anew by the watchdog, and rightly. */
void notify_alive(struct service *s) {
        int r = s->under_systemd ? sd_notify(0, "WATCHDOG=1") : 0;

        if (r < 0 && !s->unheard)
                service_log(s, SERVICE_ERROR, MESSAGE_NOTE, NULL, 0,
                            "can't tell systemd that pinfeed is alive: %s; unless that passes, the watchdog ends pinfeed", strerror(-r));
        s->unheard = r < 0;
}

void notify_hang(struct service *s) {
        if (s->under_systemd)
                sd_notify(0, "WATCHDOG=trigger");
}
