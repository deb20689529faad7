/* The command line: one table, from which come the parser, --help, the manual and the completion. */
#include "config/options.h"

#include <string.h>

const struct option options_table[OPTIONS] = {
        { "replay", 0, NULL, OPTION_JOB, JOB_REPLAY, 0, 0,
          "Send every row of the tables once, from where the last replay came to, and end." },
        { "follow", 0, NULL, OPTION_JOB, JOB_FOLLOW, 0, 0,
          "Send new rows as they appear, each once, from where the last replay came to, until it is stopped." },
        { "verify", 0, NULL, OPTION_JOB, JOB_VERIFY, 0, 0,
          "Compare the topics with the tables, record by record, and say what differs. Changes nothing." },
        { "check", 0, NULL, OPTION_JOB, JOB_CHECK, 0, 0,
          "Check settings, credentials, database and cluster, say what is wrong, and send nothing." },
        { "status", 0, NULL, OPTION_JOB, JOB_STATUS, 0, 0,
          "Say what the daemon of this machine does, and how far replays are. Disturbs neither." },
        { "create-topics", 0, NULL, OPTION_JOB, JOB_CREATE_TOPICS, 0, 0, "Create the topics that are missing, and end." },
        { "token", 0, NULL, OPTION_JOB, JOB_TOKEN, 0, 0,
          "Print a token for Amazon MSK, as JSON. Needs no configuration file." },
        { "show-settings", 0, NULL, OPTION_JOB, JOB_SHOW_SETTINGS, 0, 0,
          "Print the settings in force, and where each comes from. Secrets are left out." },
        { "version", 'V', NULL, OPTION_JOB, JOB_VERSION, 0, 0, "Print the version." },
        { "help", 'h', NULL, OPTION_JOB, JOB_HELP, 0, 0, "Print this." },

        { "config", 'c', "FILE", OPTION_TEXT, 0, 0, offsetof(struct options, config_file),
          "Read the settings from FILE, instead of " CONFIG_DEFAULT_FILE "." },
        { "set", 0, "SECTION.KEY=VALUE", OPTION_SET, 0, 0, 0,
          "Change one setting for this run, such as --set=emulate.rate=10. May be given several times. "
          "Not for secrets: other users can see it." },
        { "verbose", 'v', NULL, OPTION_FLAG, 0, 0, offsetof(struct options, verbose),
          "Show more messages, as --set=pinfeed.log_level=debug does." },
        { "json", 0, NULL, OPTION_FLAG, 0,
          WITH(JOB_CHECK) | WITH(JOB_STATUS) | WITH(JOB_SHOW_SETTINGS) | WITH(JOB_VERIFY) | WITH(JOB_REPLAY),
          offsetof(struct options, json),
          "Print the result as JSON: with --check, --status, --show-settings, --verify and --replay. Wrong settings are printed "
          "so, too." },
        { "streams", 0, "NAME,NAME", OPTION_STREAMS, 0, WITH(JOB_REPLAY) | WITH(JOB_FOLLOW) | WITH(JOB_VERIFY), 0,
          "Replay, follow or verify these streams only, such as --streams=pin,geo." },
        { "from", 0, "KEY", OPTION_TEXT, 0, WITH(JOB_REPLAY) | WITH(JOB_VERIFY), offsetof(struct options, from),
          "Replay or verify rows from this key on, itself included." },
        { "to", 0, "KEY", OPTION_TEXT, 0, WITH(JOB_REPLAY) | WITH(JOB_VERIFY), offsetof(struct options, to),
          "Replay or verify rows up to this key, itself included." },
        { "restart", 0, NULL, OPTION_FLAG, 0, WITH(JOB_REPLAY), offsetof(struct options, restart),
          "Replay from the beginning, forgetting how far the last replay came." },
        { "dry-run", 0, NULL, OPTION_FLAG, 0, WITH(JOB_REPLAY), offsetof(struct options, dry_run),
          "Print what a replay would send, and send nothing." },
        { "as", 0, "JOB", OPTION_TEXT, 0, WITH(JOB_VERIFY), offsetof(struct options, as),
          "What has filled the topics: replay (every row is there once, in order), follow (in any order) or emulation (any posts, "
          "each in all three topics). Without it: what the cursor says, and emulation if there is none." },
        { "show", 0, "N", OPTION_TEXT, 0, WITH(JOB_VERIFY), offsetof(struct options, show),
          "Print both texts of the first N rows whose record differs, 1 to 100." },
        { "raw", 0, NULL, OPTION_FLAG, 0, WITH(JOB_TOKEN), offsetof(struct options, raw),
          "Print the token alone, without JSON around it." },
};

/* ---- parsing ---- */

struct parsing {
        struct options *options;
        const struct option *job;       /* NULL: none given */
        bool seen[OPTIONS];
};

static const struct option *find_option(const char *name, size_t length) {
        for (size_t i = 0; i < OPTIONS; i++)
                if (strlen(options_table[i].name) == length && memcmp(options_table[i].name, name, length) == 0)
                        return &options_table[i];
        return NULL;
}

static const struct option *nearest_option(const char *name) {
        const char *names[OPTIONS], *nearest;

        for (size_t i = 0; i < OPTIONS; i++)
                names[i] = options_table[i].name;
        nearest = text_nearest(name, names, OPTIONS);
        return nearest ? find_option(nearest, strlen(nearest)) : NULL;
}

/* `argument` follows `before`, or is the first one: NULL. What stands behind a = may be a secret: only what is in front
 * of it is repeated. */
static int refuse_unknown(const char *argument, const char *before, struct error *e) {
        static const char *const systemds[] = { "start", "stop", "reload", "enable", "disable" };
        size_t dashes = strspn(argument, "-");
        _cleanup_free_ char *name = mem_copy_bytes(argument + dashes, strcspn(argument + dashes, "="));
        const struct option *nearest = nearest_option(name);
        const char *equals = before ? strchr(before, '=') : NULL;

        if (dashes)
                error_set(e, ERROR_USAGE, "there is no option %.*s%.60s", dashes > 1 ? 2 : 1, "--", name);
        else
                error_set(e, ERROR_USAGE, "'%.60s' is not an option", *argument == '=' ? "=" : name);
        if (!dashes && before && strchr(before, '.') && (!equals || !equals[1] || strncmp(before, "--set=", 6) == 0))
                return error_hint(e, "SECTION.KEY=VALUE is one word: quote it, or leave out the blanks around the =.");
        for (size_t i = 0; i < sizeof systemds / sizeof *systemds; i++)
                if (strcmp(name, systemds[i]) == 0)
                        return error_hint(e, "For the service: systemctl %s pinfeed. pinfeed --help lists the options.", name);
        if (nearest)
                return error_hint(e, "Did you mean --%s?", nearest->name);
        return error_hint(e, "pinfeed --help lists the options.");
}

static int refuse_value(const struct option *option, struct error *e) {
        if (!option->value)
                return error_set(e, ERROR_USAGE, "--%s takes no value", option->name);
        error_set(e, ERROR_USAGE, "--%s needs a value", option->name);
        return error_hint(e, "Write --%s=%s.", option->name, option->value);
}

static int take_job(struct parsing *p, const struct option *option, struct error *e) {
        if (p->job && p->job != option) {
                error_set(e, ERROR_USAGE, "--%s and --%s don't go together", p->job->name, option->name);
                return error_hint(e, "Each is a job of its own.");
        }
        p->job = option;
        p->options->job = option->job;
        return 0;
}

static void add_set(struct options *o, const char *assignment) {
        o->sets = mem_resize(o->sets, (o->set_count + 1) * sizeof *o->sets);
        o->sets[o->set_count++] = assignment;
}

static int add_stream(struct options *o, const char *name, size_t length, struct error *e) {
        if (length == 0) {
                error_set(e, ERROR_USAGE, "--streams has an empty name");
                return error_hint(e, "Write --streams=pin,geo without spaces.");
        }
        for (size_t i = 0; i < o->stream_count; i++)
                if (strlen(o->streams[i]) == length && memcmp(o->streams[i], name, length) == 0)
                        return error_set(e, ERROR_USAGE, "--streams names a stream twice");
        o->streams = mem_resize(o->streams, (o->stream_count + 1) * sizeof *o->streams);
        o->streams[o->stream_count++] = mem_copy_bytes(name, length);
        return 0;
}

static int take_streams(struct options *o, const char *list, struct error *e) {
        for (;;) {
                size_t length = strcspn(list, ",");

                if (add_stream(o, list, length, e) < 0)
                        return -1;
                if (!list[length])
                        return 0;
                list += length + 1;
        }
}

static int take_option(struct parsing *p, const struct option *option, const char *value, struct error *e) {
        void *at = (char *) p->options + option->offset;
        bool *seen = &p->seen[option - options_table];

        if (*seen && (option->kind == OPTION_TEXT || option->kind == OPTION_STREAMS))
                return error_set(e, ERROR_USAGE, "--%s is given twice", option->name);
        *seen = true;
        switch (option->kind) {
        case OPTION_JOB:
                return take_job(p, option, e);
        case OPTION_TEXT:
                *(const char **) at = value;
                return 0;
        case OPTION_SET:
                add_set(p->options, value);
                return 0;
        case OPTION_STREAMS:
                return take_streams(p->options, value, e);
        case OPTION_FLAG:
                *(bool *) at = true;
                return 0;
        }
        return 0;
}

/* The option that an argument is, or NULL; `ret_value`: what it brings along, behind a = or behind its letter. */
static const struct option *recognize(const char *argument, const char **ret_value) {
        const char *equals = strchr(argument, '=');

        if (strncmp(argument, "--", 2) == 0) {
                *ret_value = equals ? equals + 1 : NULL;
                return find_option(argument + 2, strcspn(argument + 2, "="));
        }
        for (size_t i = 0; *argument == '-' && argument[1] && i < OPTIONS; i++)
                if (options_table[i].letter == argument[1] && (!argument[2] || options_table[i].value)) {
                        *ret_value = argument[2] ? argument + 2 : NULL;
                        return &options_table[i];
                }
        return NULL;
}

/* Takes the option at argv[*at]; its value may be the next argument. */
static int take_argument(struct parsing *p, int argc, char **argv, int *at, struct error *e) {
        const char *value;
        const struct option *option = recognize(argv[*at], &value);

        if (!option)
                return refuse_unknown(argv[*at], *at > 1 ? argv[*at - 1] : NULL, e);
        if (option->value && !value && *at + 1 < argc && strncmp(argv[*at + 1], "--", 2) != 0)
                value = argv[++*at];
        if (option->value ? !value || !*value : value != NULL)
                return refuse_value(option, e);
        return take_option(p, option, value, e);
}

/* "--check, --replay" */
static void list_jobs(unsigned with, struct buffer *out) {
        for (size_t i = 0; i < OPTIONS; i++)
                if (options_table[i].kind == OPTION_JOB && with & WITH(options_table[i].job))
                        buffer_printf(out, "%s--%s", out->length ? ", " : "", options_table[i].name);
}

/* Refuses options that go with another job than the chosen one. */
static int check_companions(const struct parsing *p, struct error *e) {
        for (size_t i = 0; i < OPTIONS; i++) {
                _cleanup_buffer_ struct buffer jobs = {};
                const struct option *option = &options_table[i];

                if (!p->seen[i] || !option->with || option->with & WITH(p->options->job))
                        continue;
                list_jobs(option->with, &jobs);
                return error_set(e, ERROR_USAGE, "--%s goes with %s only", option->name, buffer_string(&jobs));
        }
        return 0;
}

static bool asks_for_help(int argc, char **argv) {
        for (int i = 1; i < argc; i++)
                if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
                        return true;
        return false;
}

static int parse_all(struct parsing *p, int argc, char **argv, struct error *e) {
        for (int i = 1; i < argc; i++)
                if (take_argument(p, argc, argv, &i, e) < 0)
                        return -1;
        return check_companions(p, e);
}

int options_parse(int argc, char **argv, struct options *ret, struct error *e) {
        struct options o = { .job = JOB_EMULATE };
        struct parsing p = { .options = &o };

        if (asks_for_help(argc, argv))
                o.job = JOB_HELP;
        else if (parse_all(&p, argc, argv, e) < 0) {
                options_free(&o);
                return -1;
        }
        o.config_file_named = o.config_file != NULL;
        if (!o.config_file)
                o.config_file = CONFIG_DEFAULT_FILE;
        *ret = o;
        return 0;
}

bool options_want_stream(const struct options *o, const char *name) {
        for (size_t i = 0; i < o->stream_count; i++)
                if (strcmp(o->streams[i], name) == 0)
                        return true;
        return o->stream_count == 0;
}

void options_free(struct options *o) {
        for (size_t i = 0; i < o->stream_count; i++)
                free(o->streams[i]);
        free(o->streams);
        free(o->sets);
        *o = (struct options) {};
}
