/* The command line: one table, from which come the parser, --help and the manual. */
#include "config/config.h"

#include <string.h>

enum option_kind {
        OPTION_JOB,             /* chooses what is done */
        OPTION_TEXT,            /* --name=VALUE, once */
        OPTION_SET,             /* --set */
        OPTION_STREAMS,         /* --streams */
        OPTION_FLAG,
};

static const struct option {
        const char *name;       /* without -- */
        const char *value;      /* the value's name in the help; NULL: takes none */
        enum option_kind kind;
        enum job job;           /* of a job option; for others the job that they go with, JOB_EMULATE: any */
        size_t offset;          /* into struct options */
        const char *help;       /* sentences */
} options[] = {
        { "replay", NULL, OPTION_JOB, JOB_REPLAY, 0,
          "Send every row of the tables once, from where the last replay came to, and end." },
        { "check", NULL, OPTION_JOB, JOB_CHECK, 0,
          "Check settings, credentials, database and cluster, say what is wrong, and send nothing." },
        { "create-topics", NULL, OPTION_JOB, JOB_CREATE_TOPICS, 0, "Create the topics that are missing, and end." },
        { "token", NULL, OPTION_JOB, JOB_TOKEN, 0,
          "Print a token for Amazon MSK, as JSON. Needs no configuration file." },
        { "version", NULL, OPTION_JOB, JOB_VERSION, 0, "Print the version." },
        { "help", NULL, OPTION_JOB, JOB_HELP, 0, "Print this." },

        { "config", "FILE", OPTION_TEXT, JOB_EMULATE, offsetof(struct options, config_file),
          "Read the settings from FILE, instead of " CONFIG_DEFAULT_FILE "." },
        { "set", "SECTION.KEY=VALUE", OPTION_SET, JOB_EMULATE, 0,
          "Change one setting for this run, such as --set=emulate.rate=10. May be given several times. "
          "Not for secrets: other users can see it." },
        { "json", NULL, OPTION_FLAG, JOB_CHECK, offsetof(struct options, json), "Print the result of --check as JSON." },
        { "streams", "NAME,NAME", OPTION_STREAMS, JOB_REPLAY, 0, "Replay these streams only, such as --streams=pin,geo." },
        { "from", "KEY", OPTION_TEXT, JOB_REPLAY, offsetof(struct options, from),
          "Replay rows from this key on, itself included." },
        { "to", "KEY", OPTION_TEXT, JOB_REPLAY, offsetof(struct options, to), "Replay rows up to this key, itself included." },
        { "restart", NULL, OPTION_FLAG, JOB_REPLAY, offsetof(struct options, restart),
          "Replay from the beginning, forgetting how far the last replay came." },
        { "dry-run", NULL, OPTION_FLAG, JOB_REPLAY, offsetof(struct options, dry_run),
          "Print what a replay would send, as JSON, and send nothing." },
};

enum { OPTIONS = sizeof options / sizeof *options, WIDTH = 79, HELP_COLUMN = 26 };

/* ---- parsing ---- */

struct parsing {
        struct options *options;
        const struct option *job;       /* NULL: none given */
        bool seen[OPTIONS];
};

static const struct option *find_option(const char *name, size_t length) {
        for (size_t i = 0; i < OPTIONS; i++)
                if (strlen(options[i].name) == length && memcmp(options[i].name, name, length) == 0)
                        return &options[i];
        return NULL;
}

static const struct option *nearest_option(const char *name) {
        const char *names[OPTIONS], *nearest;

        for (size_t i = 0; i < OPTIONS; i++)
                names[i] = options[i].name;
        nearest = text_nearest(name, names, OPTIONS);
        return nearest ? find_option(nearest, strlen(nearest)) : NULL;
}

/* What stands behind a = may be a secret: only names of options are repeated. */
static int refuse_unknown(const char *argument, struct error *e) {
        size_t dashes = strspn(argument, "-");
        _cleanup_free_ char *name = mem_copy_bytes(argument + dashes, strcspn(argument + dashes, "="));
        const struct option *nearest = nearest_option(name);

        if (dashes)
                error_set(e, ERROR_USAGE, "there is no option %.*s%.60s", dashes > 1 ? 2 : 1, "--", name);
        else
                error_set(e, ERROR_USAGE, "there is an argument that isn't an option");
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
        bool *seen = &p->seen[option - options];

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

/* Takes the option at argv[*at]; its value may be the next argument. */
static int take_argument(struct parsing *p, int argc, char **argv, int *at, struct error *e) {
        const char *argument = argv[*at], *equals = strchr(argument, '=');
        const char *value = equals ? equals + 1 : NULL;
        const struct option *option = NULL;

        if (strncmp(argument, "--", 2) == 0)
                option = find_option(argument + 2, strcspn(argument + 2, "="));
        if (!option)
                return refuse_unknown(argument, e);
        if (option->value && !value && *at + 1 < argc && strncmp(argv[*at + 1], "--", 2) != 0)
                value = argv[++*at];
        if (option->value ? !value || !*value : value != NULL)
                return refuse_value(option, e);
        return take_option(p, option, value, e);
}

static const char *job_name(enum job job) {
        for (size_t i = 0; i < OPTIONS; i++)
                if (options[i].kind == OPTION_JOB && options[i].job == job)
                        return options[i].name;
        return "";
}

/* Refuses options that go with another job than the chosen one. */
static int check_companions(const struct parsing *p, struct error *e) {
        for (size_t i = 0; i < OPTIONS; i++) {
                const struct option *option = &options[i];

                if (!p->seen[i] || option->kind == OPTION_JOB || option->job == JOB_EMULATE
                    || option->job == p->options->job)
                        continue;
                return error_set(e, ERROR_USAGE, "--%s goes with --%s only", option->name, job_name(option->job));
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

void options_free(struct options *o) {
        for (size_t i = 0; i < o->stream_count; i++)
                free(o->streams[i]);
        free(o->streams);
        free(o->sets);
        *o = (struct options) {};
}

static int refuse_stream(const struct config *c, const char *name, struct error *e) {
        const char **names = mem_alloc(c->stream_count * sizeof *names);
        struct buffer list = {};
        const char *nearest;

        for (size_t i = 0; i < c->stream_count; i++) {
                names[i] = c->streams[i].name;
                buffer_printf(&list, "%s%s", i ? ", " : "", names[i]);
        }
        nearest = text_nearest(name, names, c->stream_count);
        error_set(e, ERROR_USAGE, "--streams: there is no stream %.64s", name);
        if (nearest)
                error_hint(e, "Did you mean %s?", nearest);
        else
                error_hint(e, "The streams are %.500s.", buffer_string(&list));
        buffer_free(&list);
        free(names);
        return -1;
}

int config_check_streams(const struct config *c, const struct options *o, struct error *e) {
        for (size_t i = 0; i < o->stream_count; i++)
                if (!config_find_stream(c, o->streams[i]))
                        return refuse_stream(c, o->streams[i], e);
        return 0;
}

/* ---- help ---- */

/* Text from column HELP_COLUMN on, broken before column WIDTH; the cursor stands in column `at`. */
static void print_wrapped(FILE *f, size_t at, const char *text) {
        if (at + 2 > HELP_COLUMN) {
                fputc('\n', f);
                at = 0;
        }
        fprintf(f, "%*s", (int) (HELP_COLUMN - at), "");
        at = HELP_COLUMN;
        while (*text) {
                size_t length = strcspn(text, " ");

                if (at > HELP_COLUMN && at + 1 + length > WIDTH) {
                        fprintf(f, "\n%*s", HELP_COLUMN, "");
                        at = HELP_COLUMN;
                }
                at += (size_t) fprintf(f, "%s%.*s", at > HELP_COLUMN ? " " : "", (int) length, text);
                text += length + strspn(text + length, " ");
        }
        fputc('\n', f);
}

static void print_help_option(FILE *f, const struct option *o) {
        int n = fprintf(f, "  --%s%s%s", o->name, o->value ? "=" : "", o->value ? o->value : "");

        print_wrapped(f, (size_t) n, o->help);
}

/* Those of a job option, or the companions of a job. */
static bool is_listed(const struct option *o, bool jobs, enum job companion_of) {
        return jobs ? o->kind == OPTION_JOB : o->kind != OPTION_JOB && o->job == companion_of;
}

static const struct group {
        const char *title;
        bool jobs;
        enum job companion_of;
} groups[] = {
        { "Jobs (without one, posts are sent until it is stopped)", true, 0 },
        { "Settings", false, JOB_EMULATE },
        { "With --check", false, JOB_CHECK },
        { "With --replay", false, JOB_REPLAY },
};

void options_print_help(FILE *f) {
        fputs("Usage: pinfeed [JOB] [OPTION]...\n"
              "\n"
              "Sends rows from MySQL to Kafka (Amazon MSK): random posts, as a daemon, or\n"
              "every row once. Settings are in " CONFIG_DEFAULT_FILE ".\n", f);
        for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
                fprintf(f, "\n%s:\n", groups[g].title);
                for (size_t i = 0; i < OPTIONS; i++)
                        if (is_listed(&options[i], groups[g].jobs, groups[g].companion_of))
                                print_help_option(f, &options[i]);
        }
        fputs("\nExit status: 0 done; 1 failed, trying again may help; 2 wrong usage;\n"
              "3 another instance took over; 78 wrong settings or refused permission.\n"
              "\nTo begin: pinfeed --check. The manual: man pinfeed, man pinfeed.conf.\n", f);
}

/* "--" in mdoc is a flag named "-name". */
void options_print_manual(FILE *f) {
        for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
                fprintf(f, ".Ss %s\n.Bl -tag -width Ds\n", groups[g].title);
                for (size_t i = 0; i < OPTIONS; i++) {
                        const struct option *o = &options[i];

                        if (!is_listed(o, groups[g].jobs, groups[g].companion_of))
                                continue;
                        fprintf(f, ".It Fl Fl %s%s%s\n", o->name, o->value ? " Ns = Ns Ar " : "",
                                o->value ? o->value : "");
                        config_print_mdoc_text(f, o->help);
                }
                fputs(".El\n", f);
        }
}
