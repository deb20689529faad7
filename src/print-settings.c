/* Runs while pinfeed is built: prints what is generated from the tables of settings and options. */
#include <stdio.h>
#include <string.h>

#include "pinfeed/config.h"

static const struct {
        const char *name;
        void (*print)(FILE *);
} parts[] = {
        { "sample", config_print_sample },              /* pinfeed.conf.sample */
        { "settings", config_print_manual },            /* for pinfeed.conf(5) */
        { "options", options_print_manual },            /* for pinfeed(8) */
        { "bash", options_print_bash },                 /* the shells' completion */
        { "zsh", options_print_zsh },
};

int main(int argc, char **argv) {
        for (size_t i = 0; argc == 2 && i < sizeof parts / sizeof *parts; i++)
                if (strcmp(argv[1], parts[i].name) == 0) {
                        parts[i].print(stdout);
                        return fclose(stdout) == 0 ? 0 : 1;
                }
        fputs("usage: print-settings sample|settings|options|bash|zsh\n", stderr);
        return 2;
}
