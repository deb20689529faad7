/* Runs a piece of the service room in a process of its own, whose stderr, notifications and signals a test holds. */
#ifndef TESTS_UNIT_SERVICE_CHILD_H
#define TESTS_UNIT_SERVICE_CHILD_H

#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pinfeed/service.h"

enum child_option {
        CHILD_PLAIN = 0,
        CHILD_NOTIFIES = 1,             /* has a NOTIFY_SOCKET */
        CHILD_WATCHED = 2 | 1,          /* and WATCHDOG_USEC of 300 ms */
        CHILD_TERMINAL = 4,             /* stderr is a terminal of 40 columns and 10 rows */
        CHILD_NOHUP = 8,                /* SIGHUP is ignored at its start */
};

struct child {
        pid_t pid;
        int go_fd;                      /* a byte written here is what child_wait_for_go waits for */
        int stderr_fd, notes_fd;
        char err[16384], notes[16384];  /* what came so far, NUL-terminated; each note ends in '|' */
        size_t err_length, notes_length;
        char socket[64];                /* as NOTIFY_SOCKET names it */
};

/* ---- in the child ---- */

static int child_go_fd;

static inline void child_wait_for_go(void) {
        char byte;

        while (read(child_go_fd, &byte, 1) < 0)
                ;
}

static inline void child_environment(const struct child *c, int options) {
        char pid[16];

        unsetenv("JOURNAL_STREAM");
        unsetenv("NOTIFY_SOCKET");
        unsetenv("WATCHDOG_USEC");
        setenv("TERM", "xterm", 1);
        if (options & CHILD_NOTIFIES)
                setenv("NOTIFY_SOCKET", c->socket, 1);
        if ((options & CHILD_WATCHED) == CHILD_WATCHED) {
                setenv("WATCHDOG_USEC", "300000", 1);
                snprintf(pid, sizeof pid, "%d", getpid());
                setenv("WATCHDOG_PID", pid, 1);
        }
        /* Whoever started the tests may ignore some (nohup, a job in the background). */
        for (int number = 1; number < NSIG; number++)
                signal(number, number == SIGHUP && options & CHILD_NOHUP ? SIG_IGN : SIG_DFL);
}

/* ---- in the test ---- */

/* An abstract socket: no file that could stay behind. */
static inline void child_open_socket(struct child *c) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        static unsigned count;
        int length = snprintf(c->socket, sizeof c->socket, "@pinfeed-unit-%d-%u", getpid(), count++);

        memcpy(address.sun_path + 1, c->socket + 1, (size_t) length - 1);
        c->notes_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_int_equal(bind(c->notes_fd, (struct sockaddr *) &address,
                              (socklen_t) (offsetof(struct sockaddr_un, sun_path) + (size_t) length)), 0);
}

static inline void child_start(struct child *c, int (*body)(struct service *s), int options) {
        struct winsize size = { .ws_row = 10, .ws_col = 40 };
        int err[2], go[2];

        *c = (struct child) {};
        child_open_socket(c);
        assert_int_equal(pipe(go), 0);
        if (options & CHILD_TERMINAL)
                assert_int_equal(openpty(&err[0], &err[1], NULL, NULL, &size), 0);
        else
                assert_int_equal(pipe(err), 0);
        fflush(NULL);
        c->pid = fork();
        assert_true(c->pid >= 0);
        if (c->pid == 0) {
                struct service *s;
                int r;

                alarm(60);
                dup2(err[1], STDERR_FILENO);
                close(err[0]);
                close(err[1]);
                close(go[1]);
                child_go_fd = go[0];
                child_environment(c, options);
                s = service_new();
                r = body(s);
                service_free(s);
                exit(r);
        }
        close(err[1]);
        close(go[0]);
        c->stderr_fd = err[0];
        c->go_fd = go[1];
        fcntl(c->stderr_fd, F_SETFL, O_NONBLOCK);
}

/* Reads what is there, waiting up to `ms` for something. Returns false at the end of stderr. */
static inline bool child_read(struct child *c, int ms) {
        struct pollfd fds[] = { { c->stderr_fd, POLLIN, 0 }, { c->notes_fd, POLLIN, 0 } };
        ssize_t n;

        poll(fds, 2, ms);
        while ((n = read(c->notes_fd, c->notes + c->notes_length, sizeof c->notes - c->notes_length - 2)) > 0) {
                c->notes_length += (size_t) n;
                c->notes[c->notes_length++] = '|';
        }
        while ((n = read(c->stderr_fd, c->err + c->err_length, sizeof c->err - c->err_length - 1)) > 0)
                c->err_length += (size_t) n;
        return !(n == 0 || (fds[0].revents & (POLLHUP | POLLERR) && !(fds[0].revents & POLLIN)));
}

static inline void child_wait_text(struct child *c, const char *buffer, const char *text) {
        uint64_t deadline_us = clock_monotonic_us() + 20 * 1000 * 1000;

        while (!strstr(buffer, text)) {
                if (!child_read(c, 100) && !strstr(buffer, text)) {
                        fail_msg("the process ended without saying '%s': %s / %s", text, c->err, c->notes);
                }
                if (clock_monotonic_us() > deadline_us) {
                        kill(c->pid, SIGKILL);
                        fail_msg("no '%s' in 20 s: %s / %s", text, c->err, c->notes);
                }
        }
}

static inline void child_go(struct child *c) {
        assert_int_equal(write(c->go_fd, "x", 1), 1);
}

/* Waits for its end; returns its exit status, or 128 and more for a signal. */
static inline int child_end(struct child *c) {
        int status;

        while (child_read(c, 100))
                ;
        assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
        child_read(c, 0);
        close(c->stderr_fd);
        close(c->notes_fd);
        close(c->go_fd);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline unsigned child_count(const char *buffer, const char *text) {
        unsigned count = 0;

        for (; (buffer = strstr(buffer, text)); buffer += strlen(text))
                count++;
        return count;
}

#endif
