/* check: this machine. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

#include "check.h"

static void check_settings(struct check *k) {
        const struct config *c = k->session.config;
        const char *brokers = producer_bootstrap(k->session.properties, c->kafka_count);

        finding(k, "settings", "settings", RESULT_OK, NULL, "user_id %s (%s), database %s at %s (%s), brokers %s", c->user_id,
                config_origin(c, "pinfeed", "user_id"), c->mysql_database, c->mysql_socket ? c->mysql_socket : c->mysql_host,
                config_origin(c, "mysql", c->mysql_socket ? "socket" : "host"), brokers ? brokers : "not set");
}

static void owner_name(uid_t uid, char *ret, size_t size) {
        char buffer[4096];
        struct passwd entry, *found = NULL;

        if (getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) == 0 && found)
                snprintf(ret, size, "%s", entry.pw_name);
        else
                snprintf(ret, size, "uid %ju", (uintmax_t) uid);
}

/* The service's unit makes the default directory when it starts. */
static void check_state_dir(struct check *k) {
        const struct config *c = k->session.config;
        bool ours = strcmp(config_origin(c, "pinfeed", "state_dir"), "default") != 0;
        _cleanup_free_ char *make = mem_format("Make it (install -d -m 700 -o USER %s), or set [pinfeed] state_dir. The service's "
                                               "unit makes its own when it starts.", c->state_dir);
        char owner[64] = "";
        struct error e;
        struct stat st;
        int cause;

        if (stat(c->state_dir, &st) == 0) {
                owner_name(st.st_uid, owner, sizeof owner);
                if (!S_ISDIR(st.st_mode))
                        errno = ENOTDIR;
                else if (faccessat(AT_FDCWD, c->state_dir, W_OK | X_OK, AT_EACCESS) == 0) {
                        finding(k, "state_dir", "state directory", RESULT_OK, NULL, "%s can be written, it belongs to %s",
                                c->state_dir, owner);
                        return;
                }
        }
        cause = errno;
        error_set(&e, ERROR_REFUSED, "%s can't be written: %s%s%s%s", c->state_dir, strerror(cause), *owner ? " (it belongs to " : "",
                  owner, *owner ? ")" : "");
        owner_hint(&e, cause, make);
        finding_error(k, "state_dir", "state directory", !*owner && !ours ? RESULT_WARN : RESULT_FAILED, &e);
}

static void check_clock(struct check *k) {
        struct timex t = {};
        char now[32];

        clock_format_utc(clock_wall_ms() / 1000, now);
        if (adjtimex(&t) < 0)
                finding(k, "clock", "clock", RESULT_NOT_TRIED, NULL, "the kernel doesn't say whether it is synchronised: %s",
                        strerror(errno));
        else if (t.status & STA_UNSYNC)
                finding(k, "clock", "clock", RESULT_WARN, "If that is not the time, set it (chrony, systemd-timesyncd): AWS "
                        "refuses what was signed more than 5 minutes off.", "it is %s here, and nothing synchronises it", now);
        else
                finding(k, "clock", "clock", RESULT_OK, NULL, "it is %s, synchronised", now);
}

void check_here(struct check *k) {
        check_settings(k);
        check_state_dir(k);
        if (producer_wants_token(k->session.properties, k->session.config->kafka_count))
                check_clock(k);
}

/* ---- who we are ---- */

bool check_aws(struct check *k) {
        enum { SOON_S = 3600 };
        struct aws_status status;
        struct error e;
        char *token, until[32];
        int64_t expires_ms;
        bool soon;

        if (!producer_wants_token(k->session.properties, k->session.config->kafka_count))
                return true;
        if (aws_token(k->session.aws, &token, &expires_ms, &e) < 0) {
                finding_error(k, "aws.identity", "AWS", RESULT_FAILED, &e);
                return false;
        }
        mem_wipe(token, strlen(token));
        free(token);
        aws_status(k->session.aws, &status);
        finding(k, "aws.identity", "AWS", RESULT_OK, NULL, "credentials from %s, access key %s, region %s (from %s)", status.source,
                status.access_key_id, status.region, status.region_source);
        clock_format_utc(expires_ms / 1000, until);
        finding(k, "aws.token", "AWS token", RESULT_OK, NULL, "signed, valid until %s; a new one is signed in time", until);
        if (status.credentials_expire_s == INT64_MAX) {
                finding(k, "aws.credentials_end", "AWS credentials", RESULT_OK, NULL, "they don't end");
                return true;
        }
        soon = status.credentials_expire_s - clock_wall_ms() / 1000 < SOON_S && strstr(status.source, "environment");
        clock_format_utc(status.credentials_expire_s, until);
        finding(k, "aws.credentials_end", "AWS credentials", soon ? RESULT_WARN : RESULT_OK, soon
                ? "Nothing renews credentials of the environment: use a role or a profile." : NULL, "they end at %s", until);
        return true;
}
