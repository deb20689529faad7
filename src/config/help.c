/* The table of options as people and shells read it. */
#include "config/options.h"

#include <string.h>

#include "config/config.h"

enum { WIDTH = 79, HELP_COLUMN = 26 };

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

        if (o->letter)
                n += fprintf(f, ", -%c", o->letter);
        print_wrapped(f, (size_t) n, o->help);
}

/* Options are listed below the first group that they belong to. */
static const struct group {
        const char *title;
        bool jobs;
        unsigned with;          /* 0: options that go with any job */
} groups[] = {
        { "Jobs (without one, posts are sent until it is stopped)", true, 0 },
        { "For every job", false, 0 },
        { "With jobs that have a result", false, WITH(JOB_CHECK) },
        { "With --replay (some also with --follow and --verify)", false, WITH(JOB_REPLAY) },
        { "With --verify, besides", false, WITH(JOB_VERIFY) },
        { "With --token", false, WITH(JOB_TOKEN) },
};

static bool is_listed(const struct option *o, const struct group *g) {
        if (g->jobs || o->kind == OPTION_JOB)
                return g->jobs && o->kind == OPTION_JOB;
        for (const struct group *earlier = groups; earlier < g; earlier++)
                if (o->with & earlier->with)
                        return false;
        return g->with ? (o->with & g->with) != 0 : !o->with;
}

void options_print_help(FILE *f) {
        fputs("Usage: pinfeed [JOB] [OPTION]...\n"
              "\n"
              "Sends rows from MySQL to Kafka (Amazon MSK): random posts, as a daemon, or\n"
              "every row once, also new ones as they appear. Settings are in\n" CONFIG_DEFAULT_FILE ".\n", f);
        for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
                fprintf(f, "\n%s:\n", groups[g].title);
                for (size_t i = 0; i < OPTIONS; i++)
                        if (is_listed(&options_table[i], &groups[g]))
                                print_help_option(f, &options_table[i]);
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
                        const struct option *o = &options_table[i];

                        if (!is_listed(o, &groups[g]))
                                continue;
                        fprintf(f, ".It Fl Fl %s%s%s", o->name, o->value ? " Ns = Ns Ar " : "", o->value ? o->value : "");
                        if (o->letter)
                                fprintf(f, " , Fl %c", o->letter);
                        fputs("\n", f);
                        config_print_mdoc_text(f, o->help);
                }
                fputs(".El\n", f);
        }
}

/* ---- completion ---- */

static void print_words(FILE *f) {
        for (size_t i = 0; i < OPTIONS; i++)
                fprintf(f, "%s--%s%s", i ? " " : "", options_table[i].name, options_table[i].value ? "=" : "");
}

static void print_settings(FILE *f) {
        for (const struct setting *s = settings; s->section; s++)
                if (strcmp(s->section, "stream") != 0)
                        fprintf(f, "%s%s.%s=", s == settings ? "" : " ", s->section, s->key);
}

static void print_streams(FILE *f, char between) {
        for (size_t i = 0; i < sizeof settings_streams / sizeof *settings_streams; i++)
                fprintf(f, "%.*s%s", i > 0, &between, settings_streams[i].name);
}

void options_print_bash(FILE *f) {
        fputs("# Completion of pinfeed for bash, made from pinfeed's own table of options.\n"
              "_pinfeed() {\n"
              "        local word=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD-1]}\n"
              "\n"
              "        # bash takes --option=word for three words.\n"
              "        [[ $option == = ]] && option=${COMP_WORDS[COMP_CWORD-2]}\n"
              "        [[ $word == = ]] && word=\n"
              "        COMPREPLY=()\n"
              "        case $option in\n"
              "        --config | -c) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$word\") ;;\n"
              "        --streams) mapfile -t COMPREPLY < <(compgen -W '", f);
        print_streams(f, ' ');
        fputs("' -- \"$word\") ;;\n"
              "        --set) mapfile -t COMPREPLY < <(compgen -W '", f);
        print_settings(f);
        fputs("' -- \"$word\") ;;\n"
              "        --from | --to) ;;\n"
              "        *) mapfile -t COMPREPLY < <(compgen -W '", f);
        print_words(f);
        fputs("' -- \"$word\") ;;\n"
              "        esac\n"
              "        [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"
              "}\n"
              "complete -F _pinfeed pinfeed\n", f);
}

/* `text` inside '…' and [ ]. */
static void print_zsh_text(FILE *f, const char *text) {
        for (; *text; text++)
                if (*text == '\'')
                        fputs("'\\''", f);
                else
                        fprintf(f, "%s%c", strchr("[]:", *text) ? "\\" : "", *text);
}

void options_print_zsh(FILE *f) {
        fputs("#compdef pinfeed\n"
              "# Completion of pinfeed for zsh, made from pinfeed's own table of options.\n"
              "_arguments \\\n", f);
        for (size_t i = 0; i < OPTIONS; i++) {
                const struct option *o = &options_table[i];

                if (o->letter) {
                        fprintf(f, "        '-%c[", o->letter);
                        print_zsh_text(f, o->help);
                        fprintf(f, "]%s' \\\n", o->value ? ":FILE:_files" : "");
                }
                fprintf(f, "        '%s--%s%s[", o->kind == OPTION_SET ? "*" : "", o->name, o->value ? "=" : "");
                print_zsh_text(f, o->help);
                fputs("]", f);
                if (o->kind == OPTION_STREAMS) {
                        fprintf(f, ":%s:_values -s , stream ", o->value);
                        print_streams(f, ' ');
                } else if (o->kind == OPTION_SET) {
                        fprintf(f, ":%s:(", o->value);
                        print_settings(f);
                        fputs(")", f);
                } else if (o->value)
                        fprintf(f, ":%s:%s", o->value, strcmp(o->name, "config") == 0 ? "_files" : "");
                fprintf(f, "'%s\n", i + 1 < OPTIONS ? " \\" : "");
        }
}
