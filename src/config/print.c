/* The table of settings as people read it: the sample file and the manual. */
#include "config/config.h"

#include <string.h>

enum { WIDTH = 88 };

/* ---- the sample ---- */

/* Text in comment lines of at most WIDTH characters. */
static void print_comment(FILE *f, const char *text) {
        while (*text) {
                size_t length = strlen(text), cut = length;

                if (length > WIDTH) {
                        for (cut = WIDTH; cut > 0 && text[cut] != ' '; cut--)
                                ;
                        if (cut == 0)
                                cut = strcspn(text, " ");
                }
                fprintf(f, "# %.*s\n", (int) cut, text);
                text += cut;
                text += strspn(text, " ");
        }
}

static void print_sample_setting(FILE *f, const struct setting *s, const char *value) {
        _cleanup_buffer_ struct buffer accepts = {};

        fputs("\n", f);
        print_comment(f, s->help);
        if (s->details)
                print_comment(f, s->details);
        if (!setting_is_text(s))
                fprintf(f, "# Accepts %s.\n", setting_accepts(s, &accepts));
        if (s->required)
                fprintf(f, "# Must be set.\n");
        else if (s->normal_words) {
                _cleanup_free_ char *words = mem_format("Default: %s.", s->normal_words);

                print_comment(f, words);
        } else if (!s->normal)
                fprintf(f, "# Default: not set.\n");
        fprintf(f, "#%s = %s\n", s->key, value);
}

static void print_sample_section(FILE *f, const struct settings_section *section) {
        fputs("\n\n", f);
        print_comment(f, section->help);
        fprintf(f, "[%s]\n", section->name);
        for (const struct setting *s = settings; s->section; s++)
                if (strcmp(s->section, section->name) == 0)
                        print_sample_setting(f, s, s->normal ? s->normal : s->example);
        if (strcmp(section->name, "kafka") == 0) {
                fputs("\n", f);
                print_comment(f, "Any other librdkafka property goes here too. A cluster without authentication, for "
                                 "example, takes");
                fprintf(f, "#security.protocol = PLAINTEXT\n");
        }
}

static void print_sample_streams(FILE *f, const struct settings_section *section) {
        fputs("\n\n", f);
        print_comment(f, section->help);
        for (size_t i = 0; i < sizeof settings_streams / sizeof *settings_streams; i++)
                fprintf(f, "\n[stream %s]\n#table = %s\n#key = %s\n", settings_streams[i].name, settings_streams[i].table,
                        settings_streams[i].key);
        fputs("\n", f);
        print_comment(f, "One of your own, with every setting that a stream has:");
        fprintf(f, "#[stream mine]\n");
        for (const struct setting *s = settings; s->section; s++)
                if (strcmp(s->section, "stream") == 0)
                        print_sample_setting(f, s, s->normal ? s->normal : s->example);
}

void config_print_sample(FILE *f) {
        print_comment(f, "The settings of pinfeed; pinfeed.conf(5) explains them. A line that begins with # is a comment: "
                         "what is commented out here shows the default, or an example. A comment may also follow a value, "
                         "behind a space.");
        fputs("#\n", f);
        print_comment(f, "To begin with, set user_id in [pinfeed], host in [mysql] and bootstrap.servers in [kafka], and put "
                         "the database password into /etc/pinfeed/mysql-password. Then try it:");
        fputs("#\n#     pinfeed --check\n", f);
        for (const struct settings_section *s = settings_sections; s->name; s++)
                if (strcmp(s->name, "stream") == 0)
                        print_sample_streams(f, s);
                else
                        print_sample_section(f, s);
}

/* ---- the manual (mdoc) ---- */

void config_print_mdoc_text(FILE *f, const char *text) {
        bool line_start = true;

        for (const char *p = text; *p; p++) {
                if (line_start && (*p == '.' || *p == '\''))
                        fputs("\\&", f);
                line_start = false;
                if (*p == '\\')
                        fputs("\\e", f);
                else if (p > text && *p == ' ' && p[-1] == '.' && p[1] >= 'A' && p[1] <= 'Z') {
                        fputc('\n', f);
                        line_start = true;
                } else
                        fputc(*p, f);
        }
        fputc('\n', f);
}

static void print_mdoc_setting(FILE *f, const struct setting *s) {
        _cleanup_buffer_ struct buffer accepts = {};

        fprintf(f, ".It Ic %s\n", s->key);
        config_print_mdoc_text(f, s->help);
        if (s->details)
                config_print_mdoc_text(f, s->details);
        if (s->type != SETTING_PROPERTY)
                fprintf(f, "Accepts %s.\n", setting_accepts(s, &accepts));
        if (s->required)
                fputs("Must be set.\n", f);
        else if (s->normal_words)
                fprintf(f, "Default: %s.\n", s->normal_words);
        else if (s->normal)
                fprintf(f, "Default:\n.Li %s .\n", s->normal);
        else
                fputs("Default: not set.\n", f);
        if (s->reload)
                fputs("A reload applies it.\n", f);
}

void config_print_manual(FILE *f) {
        for (const struct settings_section *section = settings_sections; section->name; section++) {
                fprintf(f, ".Ss [%s%s]\n", section->name, strcmp(section->name, "stream") == 0 ? " NAME" : "");
                config_print_mdoc_text(f, section->help);
                fputs(".Bl -tag -width Ds\n", f);
                for (const struct setting *s = settings; s->section; s++)
                        if (strcmp(s->section, section->name) == 0)
                                print_mdoc_setting(f, s);
                fputs(".El\n", f);
        }
}
