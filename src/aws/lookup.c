#include "aws/lookup.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

void lookup_begin(struct lookup *l, const struct world *world, const struct aws_settings *settings, int cancel_fd) {
        *l = (struct lookup) { .world = world, .settings = settings, .cancel_fd = cancel_fd };
        l->deadline_us = clock_monotonic_us() + LOOKUP_TIMEOUT_MS * 1000ull;
}

void lookup_end(struct lookup *l) {
        profiles_free(l->profiles);
        mem_free_secret(l->metadata_token);
        *l = (struct lookup) {};
}

/* ---- environment ---- */

const char *lookup_env(const struct lookup *l, const char *name) {
        const char *value = l->world->env(l->world->arg, name);

        return value && value[strspn(value, " \t\r\n")] ? value : NULL;
}

bool lookup_env_true(const struct lookup *l, const char *name) {
        const char *value = lookup_env(l, name);

        return value && strcasecmp(value, "true") == 0;
}

/* ---- profiles ---- */

const char *lookup_profile_name(const struct lookup *l, const char **ret_named_by) {
        static const char *const names[] = { "AWS_PROFILE", "AWS_DEFAULT_PROFILE" };

        *ret_named_by = "[aws] profile";
        if (l->settings->profile && *l->settings->profile)
                return l->settings->profile;
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                if (lookup_env(l, names[i])) {
                        *ret_named_by = names[i];
                        return lookup_env(l, names[i]);
                }
        *ret_named_by = NULL;
        return "default";
}

/* The file that a variable names, or the one at its place in the home directory (`usual`, or NULL); NULL if there is no
 * such place. */
static char *file_path(const struct lookup *l, const char *variable, const char *usual) {
        const char *path = lookup_env(l, variable), *home = lookup_env(l, "HOME");

        if (path && (strncmp(path, "~/", 2) != 0 || !home))
                return mem_copy_string(path);
        if (!home || !(path || usual))
                return NULL;
        return mem_format("%s/%s", home, path ? path + 2 : usual);
}

void aws_keep_files(void) {
        static const char *const files[][2] = {
                { "AWS_CONFIG_FILE", ".aws/config" },
                { "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials" },
                { "AWS_WEB_IDENTITY_TOKEN_FILE", NULL },
                { "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", NULL },
        };
        const struct lookup l = { .world = &world_real };

        for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
                _cleanup_free_ char *path = file_path(&l, files[i][0], files[i][1]);

                if (path)
                        file_keep(path);
        }
}

static int read_file(const struct lookup *l, struct profiles *p, enum profile_file file, struct error *e) {
        bool config = file == PROFILE_CONFIG;
        _cleanup_free_ char *path = file_path(l, config ? "AWS_CONFIG_FILE" : "AWS_SHARED_CREDENTIALS_FILE",
                                              config ? ".aws/config" : ".aws/credentials");

        return path ? profiles_read(p, file, path, e) : 0;
}

int lookup_profiles(struct lookup *l, const struct profiles **ret, struct error *e) {
        if (!l->profiles) {
                struct profiles *p = profiles_new();

                if (read_file(l, p, PROFILE_CONFIG, e) < 0 || read_file(l, p, PROFILE_CREDENTIALS, e) < 0) {
                        profiles_free(p);
                        return -1;
                }
                l->profiles = p;
        }
        *ret = l->profiles;
        return 0;
}

int lookup_check_profile(struct lookup *l, struct error *e) {
        const char *named_by, *name = lookup_profile_name(l, &named_by);
        const struct profiles *p;

        if (lookup_profiles(l, &p, e) < 0)
                return -1;
        if (!named_by || profiles_has(p, name))
                return 0;
        error_set(e, ERROR_REFUSED, "profile %s (from %s) is in neither the config nor the credentials file", name,
                  named_by);
        return error_hint(e, "Correct %s, or add the profile to ~/.aws/config or ~/.aws/credentials (AWS_CONFIG_FILE, "
                             "AWS_SHARED_CREDENTIALS_FILE).", named_by);
}

int lookup_profile_setting(struct lookup *l, const char *key, const char **ret, struct error *e) {
        const char *named_by;
        const struct profiles *p;

        if (lookup_profiles(l, &p, e) < 0)
                return -1;
        *ret = profiles_get(p, lookup_profile_name(l, &named_by), key);
        return 0;
}

/* ---- time ---- */

uint64_t lookup_deadline(const struct lookup *l, unsigned timeout_ms) {
        uint64_t deadline = clock_monotonic_us() + timeout_ms * 1000ull;

        return deadline < l->deadline_us ? deadline : l->deadline_us;
}

unsigned lookup_left_ms(uint64_t deadline_us) {
        uint64_t now = clock_monotonic_us();

        return deadline_us > now ? (unsigned) ((deadline_us - now) / 1000) : 0;
}

static void compare_clocks(struct lookup *l, int64_t their_s) {
        if (their_s)
                l->clock_ahead_s = l->world->now_s(l->world->arg) - their_s;
}

void lookup_describe_clock(const struct lookup *l, char ret[static 128]) {
        int64_t off = l->clock_ahead_s < 0 ? -l->clock_ahead_s : l->clock_ahead_s;

        *ret = 0;
        if (off <= LOOKUP_CLOCK_TOLERANCE_S)
                return;
        snprintf(ret, 128, "this machine's clock is %lld min %lld s %s AWS's", (long long) off / 60,
                 (long long) off % 60, l->clock_ahead_s < 0 ? "behind" : "ahead of");
}

int lookup_check_end(const struct lookup *l, const struct aws_credentials *c, struct error *e) {
        char utc[32], clock[128];

        if (c->expires_s > l->world->now_s(l->world->arg))
                return 0;
        clock_format_utc(c->expires_s, utc);
        lookup_describe_clock(l, clock);
        error_set(e, ERROR_UNREACHABLE, "the credentials from %s expired at %s%s%s", c->source, utc, *clock ? "; " : "",
                  clock);
        return error_hint(e, *clock ? "Set the clock (chrony, systemd-timesyncd)."
                                    : "Whatever provides them must renew them; check this machine's clock, too.");
}

/* ---- asking ---- */

static int ask_once(struct lookup *l, const struct http_request *r, uint64_t deadline_us, struct http_answer *ret,
                    struct error *e) {
        struct http_request bounded = *r;
        unsigned left = lookup_left_ms(deadline_us);

        if (left == 0)
                return error_set(e, ERROR_UNREACHABLE, "no time left for it");
        bounded.cancel_fd = l->cancel_fd;
        if (bounded.timeout_ms > left)
                bounded.timeout_ms = left;
        if (bounded.connect_timeout_ms > bounded.timeout_ms)
                bounded.connect_timeout_ms = bounded.timeout_ms;
        return l->world->exchange(l->world->arg, &bounded, ret, e);
}

int lookup_ask(struct lookup *l, const struct http_request *r, uint64_t deadline_us, bool from_aws,
               struct http_answer *ret, struct error *e) {
        int result = ask_once(l, r, deadline_us, ret, e);

        if ((result < 0 && e->class == ERROR_UNREACHABLE) || (result == 0 && ret->status >= 500)) {
                unsigned ms = 200 + (unsigned) (300 * l->world->jitter(l->world->arg));
                struct http_answer again;

                if (lookup_left_ms(deadline_us) > ms && l->world->pause(l->world->arg, l->cancel_fd, ms)
                    && ask_once(l, r, deadline_us, &again, e) == 0) {
                        if (result == 0)
                                http_answer_wipe(ret);
                        *ret = again;
                        result = 0;
                }
        }
        if (result == 0 && from_aws)
                compare_clocks(l, ret->date_s);
        return result;
}
