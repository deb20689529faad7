/* credential_process: a command that prints credentials.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html */
#include "aws/answer.h"
#include "aws/source.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { OUTPUT_MAX = 64 * 1024, WORDS_MAX = 4096, TICK_MS = 20 };

/* A command under way, alone in its process group. */
struct command {
        pid_t pid;
        int out, err;                   /* our ends; -1 when closed */
        struct buffer output, words;    /* of stdout, and the end of stderr */
        bool too_long, words_cut;       /* cut: the first line of `words` is not whole */
};

static void wipe_command(struct command *c) {
        buffer_wipe_and_free(&c->output);
        buffer_wipe_and_free(&c->words);
}

/* ---- start ---- */

/* All signals as usual, and none blocked, whatever this thread has. */
static void usual_signals(posix_spawnattr_t *attributes) {
        sigset_t all, none;

        sigfillset(&all);
        sigemptyset(&none);
        posix_spawnattr_setsigdefault(attributes, &all);
        posix_spawnattr_setsigmask(attributes, &none);
        posix_spawnattr_setpgroup(attributes, 0);
        posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
}

/* Our environment without the secrets in it: the command is here to bring its own. The caller frees the list. */
static char **environment_without_secrets(void) {
        static const char *const secrets[] = {
                "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=", "AWS_SECURITY_TOKEN=",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN=",
        };
        size_t count = 0, kept = 0;
        char **list;

        while (environ[count])
                count++;
        list = mem_zero(count + 1, sizeof *list);
        for (size_t i = 0; i < count; i++) {
                bool secret = false;

                for (size_t k = 0; k < sizeof secrets / sizeof *secrets; k++)
                        secret = secret || strncmp(environ[i], secrets[k], strlen(secrets[k])) == 0;
                if (!secret)
                        list[kept++] = environ[i];
        }
        return list;
}

/* No file of ours beyond the three. 0 or an errno. */
static int spawn(const char *line, int out, int err, pid_t *ret) {
        char *const arguments[] = { (char *) "sh", (char *) "-c", (char *) (uintptr_t) line, NULL };
        _cleanup_free_ char **environment = environment_without_secrets();
        posix_spawn_file_actions_t files;
        posix_spawnattr_t attributes;
        int result;

        posix_spawn_file_actions_init(&files);
        posix_spawnattr_init(&attributes);
        usual_signals(&attributes);
        posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_adddup2(&files, out, 1);
        posix_spawn_file_actions_adddup2(&files, err, 2);
        posix_spawn_file_actions_addclosefrom_np(&files, 3);
        result = posix_spawn(ret, "/bin/sh", &files, &attributes, arguments, environment);
        posix_spawn_file_actions_destroy(&files);
        posix_spawnattr_destroy(&attributes);
        return result;
}

static void close_one(int *fd) {
        if (*fd >= 0)
                close(*fd);
        *fd = -1;
}

static int start(const char *line, struct command *c) {
        int out[2] = { -1, -1 }, err[2] = { -1, -1 }, result;

        if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
                result = errno;
        else
                result = spawn(line, out[1], err[1], &c->pid);
        close_one(&out[1]);
        close_one(&err[1]);
        if (result) {
                close_one(&out[0]);
                close_one(&err[0]);
                return result;
        }
        c->out = out[0];
        c->err = err[0];
        fcntl(c->out, F_SETFL, O_NONBLOCK);
        fcntl(c->err, F_SETFL, O_NONBLOCK);
        return 0;
}

/* ---- what it says ---- */

/* Reads what is there; closes the pipe at its end. */
static void read_some(int *fd, struct buffer *into) {
        ssize_t n;

        while ((n = read(*fd, buffer_reserve(into, WORDS_MAX), WORDS_MAX)) > 0) {
                into->length += (size_t) n;
                if (into->length > OUTPUT_MAX)
                        return;
        }
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
                close_one(fd);
}

static void read_pipes(struct command *c) {
        if (c->out >= 0)
                read_some(&c->out, &c->output);
        if (c->err >= 0)
                read_some(&c->err, &c->words);
        c->too_long = c->output.length > OUTPUT_MAX;
        if (c->words.length > WORDS_MAX) {      /* only its end is of use */
                memmove(c->words.data, c->words.data + c->words.length - WORDS_MAX, WORDS_MAX);
                c->words.length = WORDS_MAX;
                c->words_cut = true;
        }
}

/* ---- how it ends ---- */

static bool has_ended(const struct command *c) {
        siginfo_t info = {};

        return waitid(P_PID, (id_t) c->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid != 0;
}

/* Until it has ended. A child of its own that goes on and holds the pipes open is not waited for. False: too late,
 * too much or cancelled. */
static bool follow(struct command *c, uint64_t deadline_us, int cancel_fd) {
        for (;;) {
                bool ended = has_ended(c);      /* asked before reading, so that nothing it wrote is missed */
                struct pollfd fds[3];

                read_pipes(c);
                fds[0] = (struct pollfd) { .fd = cancel_fd, .events = POLLIN };
                fds[1] = (struct pollfd) { .fd = c->out, .events = POLLIN };
                fds[2] = (struct pollfd) { .fd = c->err, .events = POLLIN };
                if (ended && !c->too_long)
                        return true;
                if (c->too_long || lookup_left_ms(deadline_us) == 0)
                        return false;
                if (poll(fds, 3, TICK_MS) > 0 && fds[0].revents)
                        return false;
        }
}

/* Collects its status; with all of its group killed first if it has not ended by itself. */
static int end(struct command *c, bool ended) {
        int status = 0;

        if (!ended && kill(-c->pid, SIGKILL) < 0)
                kill(c->pid, SIGKILL);          /* it has no group of its own yet, where spawning does not wait for that */
        while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
                ;
        close_one(&c->out);
        close_one(&c->err);
        return status;
}

/* ---- words for it ---- */

/* Whether a text has a word such as "SecretAccessKey", also written secret_access_key or SECRET-ACCESS-KEY. */
static bool mentions(const char *text, size_t length, const char *word) {
        const char *next = word;

        for (size_t i = 0; i < length && *next; i++) {
                char c = (char) tolower((unsigned char) text[i]);

                if (next != word && (c == '_' || c == '-'))
                        continue;
                if (c != *next)
                        next = word;
                if (c == *next)
                        next++;
        }
        return !*next;
}

static bool mentions_secrets(const char *text, size_t length) {
        return mentions(text, length, "secretaccesskey") || mentions(text, length, "sessiontoken")
               || mentions(text, length, "accesskeyid");
}

/* The last line of stderr. Nothing where its author, or a shell's trace, may have put credentials there. */
static void last_words(struct command *c, char ret[static 300]) {
        const char *line;

        *ret = 0;
        while (c->words.length && strchr(" \t\r\n", c->words.data[c->words.length - 1]))
                c->words.length--;
        buffer_string(&c->words);
        line = memrchr(c->words.data, '\n', c->words.length);
        if ((!line && c->words_cut) || mentions_secrets(c->words.data, c->words.length))
                return;
        text_flatten(line ? line + 1 : c->words.data, ret, 300);
}

static int describe_cut(const struct command *c, const char *words, int cancel_fd, struct error *e) {
        struct pollfd p = { .fd = cancel_fd, .events = POLLIN };

        if (cancel_fd >= 0 && poll(&p, 1, 0) > 0)
                return error_stopped(e);
        if (c->too_long)
                error_set(e, ERROR_REFUSED, "%s printed more than %d bytes and was killed", words, OUTPUT_MAX);
        else
                error_set(e, ERROR_UNREACHABLE, "%s did not end in time and was killed", words);
        return error_hint(e, "Run the command by hand as pinfeed's user: it must print one JSON object within %d s, and "
                             "must not ask for anything.", LOOKUP_SOURCE_TIMEOUT_MS / 1000);
}

static int describe_status(struct command *c, int status, const char *words, struct error *e) {
        char said[300];

        last_words(c, said);
        if (WIFSIGNALED(status))
                error_set(e, ERROR_UNREACHABLE, "%s was ended by signal %d%s%s", words, WTERMSIG(status),
                          *said ? ": " : "", said);
        else
                error_set(e, WEXITSTATUS(status) == 126 || WEXITSTATUS(status) == 127 ? ERROR_REFUSED
                                                                                      : ERROR_UNREACHABLE,
                          "%s failed (exit status %d)%s%s", words, WEXITSTATUS(status), *said ? ": " : "", said);
        return error_hint(e, "Run the command by hand as pinfeed's user and in its environment.");
}

static int read_output(struct command *c, int status, const char *words, struct aws_credentials *ret,
                       struct error *e) {
        if (status != 0)
                return describe_status(c, status, words, e);
        if (answer_process(c->output.data, c->output.length, ret, e) == 0) {
                ret->source = mem_copy_string(words);
                return 0;
        }
        e->class = ERROR_REFUSED;       /* it ended well, so it won't do better next time */
        error_prefix(e, "%s: ", words);
        return error_hint(e, "It must print {\"Version\": 1, \"AccessKeyId\": …, \"SecretAccessKey\": …, "
                             "\"SessionToken\": …, \"Expiration\": …} and nothing else.");
}

int source_process(struct lookup *l, const char *line, const char *words, struct aws_credentials *ret,
                   struct error *e) {
        _cleanup_(wipe_command) struct command c = { .out = -1, .err = -1 };
        uint64_t deadline_us = lookup_deadline(l, LOOKUP_SOURCE_TIMEOUT_MS);
        int wrong = start(line, &c), status;
        bool ended;

        if (wrong) {
                error_set(e, ERROR_UNREACHABLE, "%s could not be started: %s", words, strerror(wrong));
                return error_hint(e, "It runs through /bin/sh -c.");
        }
        ended = follow(&c, deadline_us, l->cancel_fd);
        status = end(&c, ended);
        return ended ? read_output(&c, status, words, ret, e) : describe_cut(&c, words, l->cancel_fd, e);
}
