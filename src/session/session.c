#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

#include "pinfeed/limits.h"

static void aws_log(void *arg, int severity, const char *line) {
        struct session *s = arg;
        bool brief = s->patience_ms == LIMIT_BRIEF_MS;          /* says by itself what it found, or isn't about that */

        service_log(s->service, brief && severity > SERVICE_WARNING ? SERVICE_DEBUG : (enum service_severity) severity,
                    severity <= SERVICE_WARNING ? MESSAGE_TOKEN_FAILING : MESSAGE_TOKEN, NULL, 0, "%s", line);
}

static struct producer_property *make_properties(const struct config *config) {
        struct producer_property *properties = mem_zero(config->kafka_count, sizeof *properties);

        for (size_t i = 0; i < config->kafka_count; i++)
                properties[i] = (struct producer_property) {
                        config->kafka[i].name, config->kafka[i].value, config->kafka[i].origin,
                };
        return properties;
}

void session_check_properties(struct config *config) {
        _cleanup_free_ struct producer_property *properties = make_properties(config);
        const struct producer_settings settings = { .properties = properties, .property_count = config->kafka_count };

        producer_find_problems(&settings, &config->problems);
}

int session_check_file(const char *section, const char *key, const char *path, struct error *e) {
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

        if (fd < 0) {
                error_set(e, error_class_of_file(errno), "can't read [%s] %s = %s: %s", section, key, path, strerror(errno));
                return error_hint(e, "It must name a file in PEM form that pinfeed's user may read.");
        }
        close(fd);
        return 0;
}

/* librdkafka would name neither the file nor what is wrong with it. */
static int check_files(const struct session *s, struct error *e) {
        static const char *const names[] = { "ssl.ca.location", "ssl.certificate.location", "ssl.key.location",
                                             "ssl.crl.location", "ssl.keystore.location" };

        for (size_t i = 0; i < s->config->kafka_count; i++)
                for (size_t n = 0; n < sizeof names / sizeof *names; n++)
                        if (strcmp(s->properties[i].name, names[n]) == 0 && *s->properties[i].value
                            && strcmp(s->properties[i].value, "probe") != 0
                            && session_check_file("kafka", names[n], s->properties[i].value, e) < 0)
                                return -1;
        return 0;
}

struct aws_settings session_aws_settings(const struct session *s, const struct config *config) {
        return (struct aws_settings) {
                .region = config->aws_region, .profile = config->aws_profile, .role_arn = config->aws_role_arn,
                .external_id = config->aws_external_id, .session_name = config->aws_session_name,
                .bootstrap_servers = producer_bootstrap(s->properties, s->config->kafka_count),
        };
}

int session_init(struct session *s, const struct config *config, struct service *service, enum session_kind kind,
                 struct error *e) {
        struct producer_settings settings = { .property_count = config->kafka_count };
        struct aws_settings aws;

        *s = (struct session) {
                .config = config, .service = service, .patient = kind == SESSION_PATIENT || kind == SESSION_PATIENT_TRANSACTIONS,
                .patience_ms = kind == SESSION_BRIEF ? LIMIT_BRIEF_MS : LIMIT_PATIENCE_MS, .started_ms = clock_wall_ms(),
                .sends_nothing = kind == SESSION_READING,
        };
        pthread_mutex_init(&s->lock, NULL);
        pthread_mutex_init(&s->outage_lock, NULL);
        s->properties = make_properties(config);
        s->password_file = config->mysql_password_file ? mem_copy_string(config->mysql_password_file) : NULL;
        aws = session_aws_settings(s, config);
        s->aws = aws_new(&aws, aws_log, s);
        settings.properties = s->properties;
        settings.transactional_id = kind == SESSION_TRANSACTIONS || kind == SESSION_PATIENT_TRANSACTIONS ? "pinfeed" : NULL;
        if (check_files(s, e) < 0)
                return -1;
        /* session_check_properties has looked at them as they stand; transactions ask for more. */
        return settings.transactional_id ? producer_check_properties(&settings, e) : 0;
}

void session_done(struct session *s) {
        pthread_mutex_destroy(&s->outage_lock);
        aws_free(s->aws);
        free(s->properties);
        free(s->password_file);
        config_free(s->renewed);
        pthread_mutex_destroy(&s->lock);
}

/* ---- the status ---- */

/* Under the lock. */
static void show(struct session *s) {
        char since[32];

        clock_format_utc(s->waiting_ms / 1000, since);
        if (*s->waiting)
                service_status(s->service, "Waiting: %s (since %s)%s%s", s->waiting, since, *s->doing ? ". " : "", s->doing);
        else if (*s->doing)
                service_status(s->service, "%s", s->doing);
}

void session_does(struct session *s, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        pthread_mutex_lock(&s->lock);
        vsnprintf(s->doing, sizeof s->doing, format, ap);
        show(s);
        pthread_mutex_unlock(&s->lock);
        va_end(ap);
}

void session_waits(struct session *s, int64_t since_ms, const char *what) {
        pthread_mutex_lock(&s->lock);
        snprintf(s->waiting, sizeof s->waiting, "%s", what ? what : "");
        s->waiting_ms = since_ms;
        show(s);
        pthread_mutex_unlock(&s->lock);
}

/* ---- the identity ---- */

void session_identity(void *arg, char *ret, size_t size) {
        struct session *s = arg;
        struct aws_status status;

        *ret = 0;
        aws_status(s->aws, &status);
        if (*status.source && *status.region)
                snprintf(ret, size, "credentials from %s, access key %s, region %s from %s", status.source,
                         status.access_key_id, status.region, status.region_source);
}

bool session_suspect(void *arg, char *ret, size_t size) {
        struct session *s = arg;
        struct aws_status status;
        struct timex t = {};
        bool unsynchronised = adjtimex(&t) >= 0 && t.status & STA_UNSYNC;

        aws_status(s->aws, &status);
        return aws_suspect(&status, producer_bootstrap(s->properties, s->config->kafka_count),
                           unsynchronised ? clock_wall_ms() / 1000 : 0, ret, size);
}

int session_token(void *arg, char **ret_token, int64_t *ret_expires_ms, struct error *e) {
        struct session *s = arg;

        return aws_token(s->aws, ret_token, ret_expires_ms, e);
}

void session_report_token(struct session *s) {
        enum service_severity severity;
        struct aws_status status;
        char until[32];

        aws_status(s->aws, &status);
        if (status.tokens == s->tokens_reported)
                return;
        severity = s->tokens_reported ? SERVICE_DEBUG : SERVICE_INFO;   /* the next ones are no news */
        s->tokens_reported = status.tokens;
        clock_format_utc(status.token_expires_ms / 1000, until);
        service_log(s->service, severity, MESSAGE_TOKEN, NULL, 0,
                    "token: credentials from %s, region %s (from %s), valid until %s, %llu signed",
                    status.source, status.region, status.region_source, until, (unsigned long long) status.tokens);
}
