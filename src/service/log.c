#define SD_JOURNAL_SUPPRESS_LOCATION
#include "service/internal.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "pinfeed/limits.h"

/* systemd names the stream that it connected to the journal; a shell may have redirected stderr since. */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;
        char rest;

        return stream && sscanf(stream, "%llu:%llu%c", &device, &inode, &rest) == 2 &&
               fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

struct service *service_new(void) {
        struct service *s = mem_zero(1, sizeof *s);
        const char *socket = getenv("NOTIFY_SOCKET");
        sigset_t harmless;

        signal(SIGPIPE, SIG_IGN);
        /* Neither ends us, not even before service_run looks at them. */
        sigemptyset(&harmless);
        sigaddset(&harmless, SIGHUP);
        sigaddset(&harmless, SIGUSR1);
        pthread_sigmask(SIG_BLOCK, &harmless, NULL);
        atomic_init(&s->log_level, SERVICE_INFO);
        s->to_journal = stderr_is_journal();
        s->under_systemd = socket && *socket;
        pthread_mutex_init(&s->lock, NULL);
        terminal_open(&s->terminal);
        return s;
}

/* journald looks up in /proc which unit a line came from, after it has received it. If the process has ended by then,
 * its last words (why it failed) are nobody's: `journalctl -u` would not show them. */
void log_last_words(const struct service *s) {
        uint64_t logged_us = atomic_load_explicit(&s->logged_us, memory_order_relaxed);
        uint64_t now_us = clock_monotonic_us(), end_us = logged_us + LIMIT_LAST_WORDS_MS * 1000;

        if (logged_us && now_us < end_us)
                usleep((useconds_t) (end_us - now_us));
}

void service_free(struct service *s) {
        if (!s)
                return;
        log_last_words(s);
        progress_clear(s);
        terminal_close(&s->terminal);
        pthread_mutex_destroy(&s->lock);
        free(s->status);
        free(s->complaint);
        free(s);
}

int service_stopped_by(const struct service *s) {
        return s->stopped_by;
}

void service_leave_behind(struct service *s) {
        atomic_store(&s->left_behind, true);
}

bool service_left_behind(const struct service *s) {
        return atomic_load(&s->left_behind);
}

void service_set_log_level(struct service *s, enum service_severity least) {
        atomic_store_explicit(&s->log_level, least, memory_order_relaxed);
}

/* ---- where a line goes ---- */

static struct iovec journal_field(const char *name, const char *value) {
        char *text = mem_format("%s=%s", name, value);

        return (struct iovec) { .iov_base = text, .iov_len = strlen(text) };
}

/* Returns whether the journal took it. libsystemd calls it a success when there is no journal to send to. */
static bool send_to_journal(enum service_severity severity, enum service_message kind,
                            const struct service_field *fields, size_t count, const char *text) {
        const char priority[] = { (char) ('0' + severity), 0 };
        struct iovec *parts = mem_zero(count + 4, sizeof *parts);
        int n = 0, r = -1;

        parts[n++] = journal_field("MESSAGE", text);
        parts[n++] = journal_field("PRIORITY", priority);
        parts[n++] = journal_field("MESSAGE_ID", service_message_id(kind));
        parts[n++] = journal_field("SYSLOG_IDENTIFIER", "pinfeed");
        for (size_t i = 0; i < count; i++)
                parts[n++] = journal_field(fields[i].name, fields[i].value);
        if (access("/run/systemd/journal/socket", F_OK) == 0)
                r = sd_journal_sendv(parts, n);
        while (n > 0)
                free(parts[--n].iov_base);
        free(parts);
        return r >= 0;
}

static const char *severity_words(enum service_severity severity) {
        if (severity <= SERVICE_ERROR)
                return "error: ";
        if (severity == SERVICE_WARNING)
                return "warning: ";
        return severity == SERVICE_DEBUG ? "debug: " : "";
}

static void write_to_stderr(struct service *s, enum service_severity severity, const char *text) {
        _cleanup_free_ char *line = NULL;

        /* journald's stream understands <N>, for the times when its socket takes no message. */
        if (s->to_journal)
                line = mem_format("<%d>%s", severity, text);
        else
                line = mem_format("pinfeed: %s%s", severity_words(severity), text);
        pthread_mutex_lock(&s->lock);
        terminal_write_line(&s->terminal, line);
        pthread_mutex_unlock(&s->lock);
}

/* Takes over the text. */
static void remember(struct service *s, char *text) {
        pthread_mutex_lock(&s->lock);
        free(s->complaint);
        s->complaint = text;
        s->complained_ms = clock_wall_ms();
        pthread_mutex_unlock(&s->lock);
}

/* ---- the room's contract ---- */

void service_log(struct service *s, enum service_severity severity, enum service_message kind,
                 const struct service_field *fields, size_t count, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;

        if ((int) severity > atomic_load_explicit(&s->log_level, memory_order_relaxed))
                return;
        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                abort();
        va_end(ap);
        text_flatten(text, text, SIZE_MAX);
        if (s->to_journal && send_to_journal(severity, kind, fields, count, text))
                atomic_store_explicit(&s->logged_us, clock_monotonic_us(), memory_order_relaxed);
        else
                write_to_stderr(s, severity, text);
        if (severity <= SERVICE_WARNING) {
                remember(s, text);
                text = NULL;
        }
}

char *service_complaint(struct service *s, int64_t *ret_ms) {
        char *text;

        pthread_mutex_lock(&s->lock);
        text = s->complaint ? mem_copy_string(s->complaint) : NULL;
        *ret_ms = s->complained_ms;
        pthread_mutex_unlock(&s->lock);
        return text;
}

void service_log_error(struct service *s, enum service_severity severity, enum service_message kind,
                       const struct error *error) {
        size_t length = strlen(error->what);
        const char *period = length > 0 && strchr(".!?", error->what[length - 1]) ? "" : ".";

        if (error->hint[0])
                service_log(s, severity, kind, NULL, 0, "%s%s %s", error->what, period, error->hint);
        else
                service_log(s, severity, kind, NULL, 0, "%s", error->what);
}
