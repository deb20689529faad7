/* pinfeed --show-settings: what is in force, and where each setting comes from. And what is wrong with the settings, as
 * JSON for the jobs that print that. */
#include <string.h>

#include "pinfeed/job.h"
#include "pinfeed/session.h"

struct shown {
        FILE *out;
        json_t *list;                   /* NULL: as text */
        char section[96];               /* the current one */
};

/* As JSON takes it, whatever it is. */
static json_t *text(const char *s) {
        json_t *string = s ? json_string(s) : json_null();

        return string ? string : json_string("(not UTF-8)");
}

static void show_json(struct shown *shown, const char *section, const char *key, const char *value, const char *origin) {
        json_array_append_new(shown->list, json_pack("{s:s, s:s, s:o, s:s, s:b}", "section", section, "key", key,
                                                     "value", text(value && *value ? value : NULL), "origin", origin,
                                                     "hidden", value == NULL));
}

/* As it could stand in a file. */
static void print_value(FILE *f, const char *value) {
        if (!strpbrk(value, "#;\"\\") && *value != ' ') {
                fputs(value, f);
                return;
        }
        fputc('"', f);
        for (; *value; value++)
                fprintf(f, "%s%c", *value == '"' || *value == '\\' ? "\\" : "", *value);
        fputc('"', f);
}

static void show(void *arg, const char *section, const char *key, const char *value, const char *origin) {
        struct shown *shown = arg;
        FILE *f = shown->out;

        if (shown->list) {
                show_json(shown, section, key, value, origin);
                return;
        }
        if (strcmp(shown->section, section) != 0)
                fprintf(f, "%s[%s]\n", *shown->section ? "\n" : "", section);
        snprintf(shown->section, sizeof shown->section, "%s", section);
        fprintf(f, "%s%s = ", value && *value ? "" : "#", key);
        print_value(f, !value ? "(not shown)" : *value ? value : "(not set)");
        fprintf(f, "    # %s\n", origin);
}

int job_show_settings(const struct config *config, bool json, FILE *out, struct error *e) {
        struct shown shown = { .out = out, .list = json ? json_array() : NULL };

        config_show(config, show, &shown);
        return json ? session_print_json(json_pack("{s:o}", "settings", shown.list), out, e) : 0;
}

int job_print_problems(const struct errors *problems, FILE *out, struct error *e) {
        json_t *findings = json_array();

        for (size_t i = 0; i < problems->count && i < ERRORS_KEPT; i++)
                json_array_append_new(findings, json_pack("{s:s, s:s, s:s, s:b, s:o, s:o}", "id", "settings", "what",
                                                          "settings", "result", "failed", "ok", false,
                                                          "text", text(problems->list[i].what),
                                                          "hint", text(problems->list[i].hint)));
        return session_print_json(json_pack("{s:b, s:o}", "ok", false, "findings", findings), out, e);
}
