/* The settings, read again while a job runs. */
#include <stdio.h>

#include "room.h"

char *session_password_file(struct session *s) {
        char *copy;

        pthread_mutex_lock(&s->lock);
        copy = s->password_file ? mem_copy_string(s->password_file) : NULL;
        pthread_mutex_unlock(&s->lock);
        return copy;
}

static void refuse(struct session *s, const struct errors *problems) {
        const struct error *first = &problems->list[0];
        char more[64] = "";

        if (problems->count > 1)
                snprintf(more, sizeof more, " (and %zu more)", problems->count - 1);
        service_log(s->service, SERVICE_ERROR, MESSAGE_RELOADED, NULL, 0,
                    "the settings stay as they were, those read again are wrong: %s%s. %s", first->what, more, first->hint);
}

static void say(struct session *s, const struct config *before, const struct config *now) {
        _cleanup_buffer_ struct buffer applied = {}, restart = {};

        config_changes(before, now, true, &applied);
        config_changes(s->config, now, false, &restart);
        service_log(s->service, SERVICE_NOTICE, MESSAGE_RELOADED, NULL, 0,
                    "settings read again: %s%s%s%s; the password is read at the next log-in, AWS files for the next token",
                    applied.length ? "applied " : restart.length ? "nothing applied" : "nothing has changed",
                    buffer_string(&applied), restart.length ? "; only a restart applies " : "", buffer_string(&restart));
}

static void take_over(struct session *s, const struct config *config) {
        const struct aws_settings aws = session_aws_settings(s, config);

        aws_renew(s->aws, &aws);
        service_set_log_level(s->service, (enum service_severity) config->log_level);
        pthread_mutex_lock(&s->lock);
        free(s->password_file);
        s->password_file = config->mysql_password_file ? mem_copy_string(config->mysql_password_file) : NULL;
        pthread_mutex_unlock(&s->lock);
}

const struct config *session_reload(struct session *s) {
        const struct config *before = s->renewed ? s->renewed : s->config;
        struct config *now = config_new();
        struct error e;

        config_load_again(s->config, now, &e);
        session_check_properties(now);
        if (now->problems.count > 0) {
                refuse(s, &now->problems);
                config_free(now);
                return before;
        }
        if (now->log_level > before->log_level)         /* who wants to see more sees this, too */
                service_set_log_level(s->service, (enum service_severity) now->log_level);
        say(s, before, now);
        take_over(s, now);
        config_free(s->renewed);
        s->renewed = now;
        return now;
}
