/* pinfeed: options, settings, pick the job, run it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "pinfeed/emulate.h"
#include "pinfeed/follow.h"
#include "pinfeed/job.h"
#include "pinfeed/replay.h"
#include "pinfeed/verify.h"

static unsigned job_needs(enum job job) {
        switch (job) {
        case JOB_EMULATE:
        case JOB_REPLAY:
        case JOB_FOLLOW:
        case JOB_VERIFY:
        case JOB_CHECK:
                return CONFIG_NEEDS_KAFKA | CONFIG_NEEDS_MYSQL;
        case JOB_CREATE_TOPICS:
        case JOB_STATUS:
                return CONFIG_NEEDS_KAFKA;
        case JOB_TOKEN:
        case JOB_SHOW_SETTINGS:
        case JOB_VERSION:
        case JOB_HELP:
                break;
        }
        return 0;
}

/* Reads the settings. All their mistakes are told in one run: the last one is left to main. */
static int load_config(const struct options *o, struct config *c, struct service *s, struct error *e) {
        const struct errors *problems = &c->problems;
        enum error_class class;

        config_load(c, o, job_needs(o->job), e);
        session_check_properties(c);
        if (problems->count == 0)
                return 0;
        if (o->json && job_print_problems(problems, stdout, e) < 0)
                return -1;
        class = problems->list[0].class;
        for (size_t i = 0; i + 1 < problems->count && i < ERRORS_KEPT; i++)
                service_log_error(s, SERVICE_ERROR, MESSAGE_FAILED, &problems->list[i]);
        if (problems->count <= ERRORS_KEPT)
                *e = problems->list[problems->count - 1];
        else
                error_set(e, class, "and %zu more mistakes in the settings", problems->count - ERRORS_KEPT);
        e->class = class;
        return -1;
}

static int run_job(const struct options *o, const struct config *c, struct service *s, struct error *e) {
        switch (o->job) {
        case JOB_EMULATE:
                return emulate_run(c, s, e);
        case JOB_REPLAY:
                return replay_run(c, o, s, stdout, e);
        case JOB_FOLLOW:
                return follow_run(c, o, s, e);
        case JOB_VERIFY:
                return verify_run(c, o, s, stdout, e);
        case JOB_CHECK:
                return job_check(c, s, o->json, stdout, e);
        case JOB_STATUS:
                return job_status(c, s, o->json, stdout, e);
        case JOB_CREATE_TOPICS:
                return job_create_topics(c, s, stdout, e);
        case JOB_TOKEN:
                return job_token(c, s, o->raw, stdout, e);
        case JOB_SHOW_SETTINGS:
                return job_show_settings(c, o->json, stdout, e);
        case JOB_VERSION:
        case JOB_HELP:
                break;
        }
        return 0;
}

/* Reads what may be root's alone, then stops being root. */
static int leave_root(const struct options *o, const struct config *c, struct error *e) {
        bool keeps_state = o->job == JOB_EMULATE || o->job == JOB_REPLAY || o->job == JOB_FOLLOW;

        if (geteuid() != 0 || (!keeps_state && access(c->state_dir, F_OK) < 0 && errno == ENOENT))
                return 0;
        if (c->mysql_password_file)
                file_keep(c->mysql_password_file);
        aws_keep_files();
        return owner_become(c->state_dir, e);
}

static int run(const struct options *o, struct service *s, struct error *e) {
        struct config *c = config_new();
        int r = load_config(o, c, s, e);

        if (r == 0)
                r = leave_root(o, c, e);
        if (r == 0) {
                service_set_log_level(s, (enum service_severity) c->log_level);
                r = run_job(o, c, s, e);
        }
        if (!service_left_behind(s)) {
                config_free(c);
                file_forget();
        }
        return r;
}

static void print_version(void) {
        puts("pinfeed " PINFEED_VERSION "\nwith:");
        producer_print_libraries(stdout);
        table_print_libraries(stdout);
        aws_print_libraries(stdout);
}

/* Says why, and what the process ends with. */
static int conclude(struct service *s, const struct error *e) {
        if (e->class == ERROR_STOPPED) {
                service_log_error(s, SERVICE_NOTICE, MESSAGE_STOPPED, e);
                return 128 + service_stopped_by(s);
        }
        service_log_error(s, SERVICE_ERROR, MESSAGE_FAILED, e);
        return error_exit_code(e);
}

int main(int argc, char **argv) {
        struct service *service;
        struct options options = {};
        struct error e = {};
        bool left_behind;
        int r, exit_code = 0;

        /* Secrets are in this process's memory: no core dump, no ptrace by others of the same user. */
        prctl(PR_SET_DUMPABLE, 0);
        aws_find_certificates();
        service = service_new();
        r = options_parse(argc, argv, &options, &e);
        if (r == 0 && options.job == JOB_HELP)
                options_print_help(stdout);
        else if (r == 0 && options.job == JOB_VERSION)
                print_version();
        else if (r == 0)
                r = run(&options, service, &e);
        if (r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
                r = error_set(&e, ERROR_FAILED, "the result could not be written to standard output: %s", strerror(errno));
        if (r < 0)
                exit_code = conclude(service, &e);
        options_free(&options);
        left_behind = service_left_behind(service) || database_left_behind();
        service_free(service);
        if (left_behind)
                _exit(exit_code);       /* a thread that can't be ended still uses what an orderly exit tears down */
        return exit_code;
}
