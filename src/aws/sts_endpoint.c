#include "aws/partition.h"
#include "aws/sts.h"

#include <string.h>
#include <strings.h>

/* A variable, else the profile's setting, says "true". */
static int is_true(struct lookup *l, const char *variable, const char *key, bool *ret, struct error *e) {
        const char *value = lookup_env(l, variable);

        if (!value && lookup_profile_setting(l, key, &value, e) < 0)
                return -1;
        *ret = value && strcasecmp(value, "true") == 0;
        return 0;
}

/* The endpoint of STS in a profile's [services NAME]; 1 if there is none. */
static int services_endpoint(struct lookup *l, char **ret, struct error *e) {
        const char *services, *named_by;
        char *url;

        if (lookup_profile_setting(l, "services", &services, e) < 0)
                return -1;
        if (!services)
                return 1;
        if (!profiles_has_services(l->profiles, services)) {
                error_set(e, ERROR_REFUSED, "profile %s says services = %s, but the config file has no [services %s]",
                          lookup_profile_name(l, &named_by), services, services);
                return error_hint(e, "Add that section, or take the line away.");
        }
        url = profiles_get_service(l->profiles, services, "sts", "endpoint_url");
        if (!url)
                return 1;
        *ret = url;
        return 0;
}

/* 0: overridden, 1: not. */
static int overridden(struct lookup *l, char **ret_url, const char **ret_named_by, struct error *e) {
        static const char *const variables[] = { "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL" };
        const char *url;
        bool ignore;
        int result;

        if (is_true(l, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls", &ignore, e) < 0)
                return -1;
        if (ignore)
                return 1;
        for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) {
                *ret_named_by = variables[i];
                url = lookup_env(l, variables[i]);
                if (url) {
                        *ret_url = mem_copy_string(url);
                        return 0;
                }
        }
        *ret_named_by = "endpoint_url in the profile's [services] section";
        result = services_endpoint(l, ret_url, e);
        if (result != 1)
                return result;
        *ret_named_by = "endpoint_url in the profile";
        if (lookup_profile_setting(l, "endpoint_url", &url, e) < 0)
                return -1;
        if (url)
                *ret_url = mem_copy_string(url);
        return url ? 0 : 1;
}

static int usual(struct lookup *l, char **ret_url, struct error *e) {
        bool fips, dualstack;

        if (is_true(l, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint", &fips, e) < 0
            || is_true(l, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint", &dualstack, e) < 0)
                return -1;
        /* GovCloud's plain endpoints are FIPS endpoints. */
        fips = fips && (dualstack || strncmp(l->region, "us-gov-", 7) != 0);
        *ret_url = mem_format("https://sts%s.%s.%s", fips ? "-fips" : "", l->region,
                              partition_suffix(l->region, dualstack));
        return 0;
}

int sts_endpoint(struct lookup *l, char **ret_url, const char **ret_named_by, struct error *e) {
        int result = overridden(l, ret_url, ret_named_by, e);

        if (result != 1)
                return result;
        *ret_named_by = "the region";
        return usual(l, ret_url, e);
}
