/* Where the cluster is. A wrong region only ever shows as "Access denied", so it is always said where it came from. */
#include "aws/partition.h"
#include "aws/source.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

bool region_is_valid(const char *region) {
        size_t n = strlen(region);

        if (n < 1 || n > 63 || region[0] == '-' || region[n - 1] == '-')
                return false;
        return strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

/* ---- brokers' names ---- */

/* Cuts the last label off "a.b.c": returns it, and leaves "a.b" in `host`. NULL when there is no dot. */
static const char *cut_label(char *host) {
        char *dot = strrchr(host, '.');

        if (!dot)
                return NULL;
        *dot = 0;
        return dot + 1;
}

/* "[SCHEME://]host[:port]" -> the host in lower case. */
static char *broker_host(const char *broker, size_t length) {
        const char *scheme = memmem(broker, length, "://", 3);
        size_t skip = scheme ? (size_t) (scheme - broker) + 3 : 0;
        char *host = mem_copy_bytes(broker + skip, length - skip);
        size_t n;

        host[strcspn(host, ":/")] = 0;
        n = strlen(host);
        if (n && host[n - 1] == '.')
                host[n - 1] = 0;
        for (char *p = host; *p; p++)
                *p = (char) tolower((unsigned char) *p);
        return host;
}

/* Anchored on the suffix: "….kafka.<region>.amazonaws.com"; what a cluster is called doesn't matter. */
static char *region_of_broker(const char *broker, size_t length) {
        _cleanup_free_ char *host = broker_host(broker, length);
        const char *region, *service;

        if (!partition_cut_suffix(host))
                return NULL;
        region = cut_label(host);
        service = region ? cut_label(host) : NULL;
        if (!service || (strcmp(service, "kafka") != 0 && strcmp(service, "kafka-serverless") != 0)
            || !region_is_valid(region))
                return NULL;
        return mem_copy_string(region);
}

enum found region_of_brokers(const char *brokers, char **ret, struct error *e) {
        _cleanup_free_ char *found = NULL;

        for (const char *p = brokers; *p;) {
                size_t n = strcspn(p, ", \t\r\n");
                _cleanup_free_ char *region = n ? region_of_broker(p, n) : NULL;

                if (region && found && strcmp(region, found) != 0) {
                        error_set(e, ERROR_REFUSED, "bootstrap.servers names brokers in %s and in %s", found, region);
                        return error_hint(e, "List the brokers of one cluster.");
                }
                if (region && !found)
                        found = mem_copy_string(region);
                p += n + (p[n] != 0);
        }
        if (!found)
                return NOT_THERE;
        *ret = found;
        found = NULL;
        return FOUND;
}

/* ---- the order ---- */

/* us-east-1a: a zone is its region's name and a letter; no region's name ends in a digit and a letter. */
static bool is_zone(const char *name) {
        size_t n = strlen(name);

        return n > 3 && islower((unsigned char) name[n - 1]) && isdigit((unsigned char) name[n - 2]);
}

static enum found use(struct lookup *l, const char *region, const char *source, struct error *e) {
        size_t digits;

        if (!region_is_valid(region)) {
                error_set(e, ERROR_REFUSED, "the region from %s can't be one: it is part of a host's name", source);
                return error_hint(e, "A region looks like us-east-1: lower case letters, digits and -.");
        }
        if (is_zone(region)) {
                error_set(e, ERROR_REFUSED, "%s (from %s) is an availability zone, not a region", region, source);
                digits = strcspn(region, "0123456789");
                digits += strspn(region + digits, "0123456789");
                return error_hint(e, "Write %.*s.", (int) digits, region);
        }
        snprintf(l->region, sizeof l->region, "%s", region);
        text_flatten(source, l->region_source, sizeof l->region_source);
        return FOUND;
}

static enum found region_of_settings(struct lookup *l, struct error *e) {
        static const char *const names[] = { "AWS_REGION", "AWS_DEFAULT_REGION" };
        _cleanup_free_ char *of_brokers = NULL;
        enum found result;

        if (l->settings->region && *l->settings->region)
                return use(l, l->settings->region, "[aws] region", e);
        if (l->settings->bootstrap_servers) {
                result = region_of_brokers(l->settings->bootstrap_servers, &of_brokers, e);
                if (result != NOT_THERE)
                        return result == FOUND ? use(l, of_brokers, "the brokers' host names", e) : result;
        }
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
                if (lookup_env(l, names[i]))
                        return use(l, lookup_env(l, names[i]), names[i], e);
        return NOT_THERE;
}

static enum found region_of_profile(struct lookup *l, struct error *e) {
        const char *region, *named_by, *profile = lookup_profile_name(l, &named_by);
        _cleanup_free_ char *source = mem_format("profile %s", profile);

        if (lookup_check_profile(l, e) < 0 || lookup_profile_setting(l, "region", &region, e) < 0)
                return NOT_WORKING;
        return region ? use(l, region, source, e) : NOT_THERE;
}

static enum found region_of_metadata(struct lookup *l, struct error *e) {
        _cleanup_free_ char *region = NULL;

        if (metadata_region(l, &region, e) < 0) {
                /* Who has switched IMDS off is not after its credentials here. */
                _cleanup_free_ char *hint = mem_copy_string(lookup_env_true(l, "AWS_EC2_METADATA_DISABLED") ? "" : e->hint);

                error_prefix(e, "no AWS region is configured, and ");
                return error_hint(e, "Set [aws] region, or AWS_REGION, to the cluster's region.%s%s", *hint ? " " : "", hint);
        }
        return use(l, region, "IMDS", e);
}

enum found lookup_configured_region(struct lookup *l, struct error *e) {
        enum found result = *l->region ? FOUND : region_of_settings(l, e);

        return result == NOT_THERE ? region_of_profile(l, e) : result;
}

int lookup_region(struct lookup *l, struct error *e) {
        enum found result = lookup_configured_region(l, e);

        return result == NOT_THERE ? region_of_metadata(l, e) : result;
}
