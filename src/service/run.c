#include "service/internal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "pinfeed/limits.h"

enum {
        PROGRESS_US = 200 * 1000,
        ACCURACY_US = 20 * 1000,
};

/* One service_run. */
struct run {
        struct service *service;
        const struct service_job *job;
        struct crew *crew;
        sd_event *event;
        sd_event_source *report;        /* NULL: none is made */
        unsigned report_interval_s;
        int finished_fd, tell_fd;
        uint64_t watchdog_us;           /* 0: nobody watches */
        uint64_t alive_us;              /* how long a worker counts as alive after a sign of life */
        bool starving;                  /* said that a worker hangs */
        bool stopping;
        bool interrupted;               /* SIGINT came once */
};

/* ---- ending ---- */

/* Without what the workers still hold; what was said last is heard all the same. */
static void __attribute__((noreturn)) leave(struct run *r, int exit_code) {
        progress_clear(r->service);
        log_last_words(r->service);
        _exit(exit_code);
}

/* A worker hangs where nothing can reach it; only the process's end ends it. */
static int give_up(sd_event_source *source, uint64_t now_us, void *arg) {
        struct run *r = arg;
        const struct error *failed;
        size_t running = crew_collect(r->crew, &failed);

        (void) source;
        (void) now_us;
        if (failed)
                service_log_error(r->service, SERVICE_ERROR, MESSAGE_FAILED, failed);
        service_log(r->service, SERVICE_ERROR, MESSAGE_FAILED, NULL, 0,
                    "%zu of %zu workers did not stop within %g s; ending without them", running, r->job->count,
                    r->job->stop_timeout_ms / 1000.0);
        leave(r, failed ? error_exit_code(failed) : 1);
}

/* Adds a timer that fires once, or again and again if its handler re-arms it. */
static int add_timer(struct run *r, uint64_t after_us, sd_event_time_handler_t handler) {
        return sd_event_add_time_relative(r->event, NULL, CLOCK_MONOTONIC, after_us, ACCURACY_US, handler, r);
}

static void stop(struct run *r) {
        if (r->stopping)
                return;
        r->stopping = true;
        notify_stopping(r->service, r->job->stop_timeout_ms);
        crew_stop(r->crew);
        if (r->job->wake)
                r->job->wake(r->job->arg);
        if (add_timer(r, (uint64_t) r->job->stop_timeout_ms * 1000, give_up) < 0)
                give_up(NULL, 0, r);
}

/* ---- what happens while workers work ---- */

static int reload(struct run *r) {
        unsigned before_s = r->report_interval_s;
        int x = 0;

        if (!r->job->reload) {
                service_log(r->service, SERVICE_NOTICE, MESSAGE_NOTE, NULL, 0,
                            "SIGHUP does nothing: settings are read at the start, so restart to change them");
                return 0;
        }
        if (r->stopping)
                return 0;
        notify_reloading(r->service);
        r->report_interval_s = r->job->reload(r->job->arg);
        if (r->report && r->report_interval_s != before_s)
                x = sd_event_source_set_time_relative(r->report, (uint64_t) r->report_interval_s * 1000000);
        notify_reloaded(r->service);
        return x;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *arg) {
        struct run *r = arg;

        (void) source;
        if (info->ssi_signo == SIGHUP)
                return reload(r);
        if (info->ssi_signo == SIGUSR1) {
                if (r->job->report)
                        r->job->report(r->job->arg, true);
                return 0;
        }
        if (info->ssi_signo == SIGINT && r->interrupted)
                leave(r, 128 + SIGINT);
        r->interrupted |= info->ssi_signo == SIGINT;
        if (!r->stopping)
                r->service->stopped_by = (int) info->ssi_signo;
        if (info->ssi_signo == SIGINT && service_on_terminal(r->service))
                service_log(r->service, SERVICE_NOTICE, MESSAGE_NOTE, NULL, 0,
                            "stopping; Ctrl-C again ends at once, without waiting for what is in flight");
        stop(r);
        return 0;
}

static int on_finished(sd_event_source *source, int fd, uint32_t events, void *arg) {
        struct run *r = arg;
        const struct error *failed;
        uint64_t count;

        (void) source;
        (void) events;
        if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
                return -errno;
        if (crew_collect(r->crew, &failed) == 0)
                return sd_event_exit(r->event, 0);
        if (failed)
                stop(r);
        return 0;
}

/* Re-arms from when the timer was due, so that lateness doesn't add up; a process that slept skips what it missed. */
static int rearm(sd_event_source *source, uint64_t due_us, uint64_t every_us) {
        uint64_t now_us = clock_monotonic_us();
        int r;

        due_us += every_us;
        if (due_us <= now_us)
                due_us = now_us + every_us;
        r = sd_event_source_set_time(source, due_us);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_watchdog(sd_event_source *source, uint64_t due_us, void *arg) {
        struct run *r = arg;
        uint64_t tick_us = r->watchdog_us / 6, silent_us = crew_silent_us(r->crew, clock_monotonic_us());
        bool alive = silent_us < r->alive_us;

        if (alive)
                notify_alive(r->service);
        else if (!r->starving)
                service_log(r->service, SERVICE_ERROR, MESSAGE_NOTE, NULL, 0,
                            "a worker shows no sign of life; unless it comes back, the watchdog ends pinfeed");
        else if (silent_us + tick_us >= r->watchdog_us)
                notify_hang(r->service);        /* so that WatchdogSec counts from the last sign of life */
        r->starving = !alive;
        return rearm(source, due_us, tick_us);
}

static int on_ready(sd_event_source *source, uint64_t due_us, void *arg) {
        struct run *r = arg;

        (void) source;
        (void) due_us;
        service_ready(r->service);
        return 0;
}

static int on_report(sd_event_source *source, uint64_t due_us, void *arg) {
        struct run *r = arg;

        r->job->report(r->job->arg, false);
        return rearm(source, due_us, (uint64_t) r->report_interval_s * 1000000);
}

static int add_report(struct run *r) {
        uint64_t after_us = (uint64_t) r->report_interval_s * 1000000;

        return sd_event_add_time_relative(r->event, &r->report, CLOCK_MONOTONIC, after_us, ACCURACY_US, on_report, r);
}

static int on_progress(sd_event_source *source, uint64_t due_us, void *arg) {
        struct run *r = arg;

        if (r->job->progress)
                r->job->progress(r->job->arg);
        progress_refresh(r->service);
        return rearm(source, due_us, PROGRESS_US);
}

static int on_asked(sd_event_source *source, int fd, uint32_t events, void *arg) {
        struct run *r = arg;

        (void) source;
        (void) events;
        tell_answer(fd, r->job);
        return 0;
}

/* ---- setting up and running ---- */

/* A job that can't use the directory at all, or not alone, says so by itself. */
static void start_to_tell(struct run *r) {
        static const int said[] = { ENOENT, ENOTDIR, EACCES, EROFS, ENOSPC, EADDRINUSE };
        const char *path = r->job->tell_path;

        r->tell_fd = path ? tell_open(path) : -1;
        for (size_t i = 0; i < sizeof said / sizeof *said; i++)
                if (!path || r->tell_fd >= 0 || errno == said[i])
                        return;
        service_log(r->service, SERVICE_NOTICE, MESSAGE_NOTE, NULL, 0,
                    "pinfeed --status will not find this process: can't listen at %s: %s", path, strerror(errno));
}

static int add_signals(struct run *r) {
        static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };
        sigset_t blocked;
        int x = 0;

        sigemptyset(&blocked);
        for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
                sigaddset(&blocked, signals[i]);
        x = -pthread_sigmask(SIG_BLOCK, &blocked, NULL);
        for (size_t i = 0; i < sizeof signals / sizeof *signals && x >= 0; i++) {
                struct sigaction old;

                /* Who starts us may want us to outlive Ctrl-C (`&` in a script). */
                if (signals[i] == SIGTERM || sigaction(signals[i], NULL, &old) < 0 || old.sa_handler != SIG_IGN)
                        x = sd_event_add_signal(r->event, NULL, signals[i], on_signal, r);
        }
        return x;
}

static int add_sources(struct run *r) {
        int x = add_signals(r);

        if (x >= 0)
                x = sd_event_add_io(r->event, NULL, r->finished_fd, EPOLLIN, on_finished, r);
        if (x >= 0 && r->tell_fd >= 0)
                x = sd_event_add_io(r->event, NULL, r->tell_fd, EPOLLIN, on_asked, r);
        if (x >= 0 && r->job->ready_by_ms)
                x = add_timer(r, (uint64_t) r->job->ready_by_ms * 1000, on_ready);
        if (x >= 0 && r->watchdog_us)
                x = add_timer(r, 0, on_watchdog);
        if (x >= 0 && r->job->report && r->job->report_interval_s)
                x = add_report(r);
        if (x >= 0 && service_on_terminal(r->service))
                x = add_timer(r, PROGRESS_US, on_progress);
        return x;
}

/* Runs the loop until every worker has ended. */
static int supervise(struct run *r, struct error *e) {
        struct error not_started = {};
        const struct error *failed = NULL;
        int x = 0;

        if (crew_start(r->crew, &not_started) < 0)
                stop(r);
        if (crew_collect(r->crew, &failed) > 0)
                x = sd_event_loop(r->event);
        if (crew_collect(r->crew, &failed) > 0) {
                error_set(e, ERROR_FAILED, "the event loop broke: %s", strerror(-x));
                service_log_error(r->service, SERVICE_ERROR, MESSAGE_FAILED, e);
                leave(r, 1);    /* threads that nobody supervises must not go on */
        }
        if (!failed && not_started.class != ERROR_NONE)
                failed = &not_started;
        if (!failed)
                return 0;
        *e = *failed;
        return -1;
}

int service_run(struct service *s, const struct service_job *job, struct error *e) {
        struct run r = { .service = s, .job = job, .finished_fd = -1, .alive_us = LIMIT_ALIVE_MS * 1000,
                         .report_interval_s = job->report_interval_s };
        int x;

        if (sd_watchdog_enabled(0, &r.watchdog_us) <= 0)
                r.watchdog_us = 0;
        if (r.watchdog_us && r.watchdog_us / 2 < r.alive_us)
                r.alive_us = r.watchdog_us / 2;

        r.finished_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r.crew = crew_new(job, r.finished_fd);
        start_to_tell(&r);
        x = r.finished_fd < 0 ? -errno : sd_event_new(&r.event);
        if (x >= 0)
                x = add_sources(&r);
        if (x >= 0)
                x = supervise(&r, e);
        else
                error_set(e, ERROR_FAILED, "can't set up the event loop: %s", strerror(-x));
        sd_event_source_unref(r.report);
        sd_event_unref(r.event);
        tell_close(r.tell_fd, job->tell_path);
        crew_free(r.crew);
        if (r.finished_fd >= 0)
                close(r.finished_fd);
        progress_clear(s);
        return x < 0 ? -1 : 0;
}
