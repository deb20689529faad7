/* Why a token may have been refused. The brokers say "Access denied" to everything. */
#include <stdio.h>
#include <string.h>

#include "aws/source.h"

bool aws_suspect(const struct aws_status *s, const char *brokers, int64_t unsynchronised_s, char *ret, size_t size) {
        _cleanup_free_ char *region = NULL;
        _cleanup_buffer_ struct buffer causes = {};
        bool known = brokers && region_of_brokers(brokers, &region, &(struct error) {}) == FOUND;
        char now[32];

        if (known && strcmp(region, s->region) != 0) {
                snprintf(ret, size, "The token is signed for region %s (from %s), but the brokers' names say %s: set "
                         "[aws] region = %s, or leave it out", s->region, s->region_source, region, region);
                return true;
        }
        buffer_append_string(&causes, "a wrong secret key");
        if (s->temporary && s->credentials_expire_s == INT64_MAX)
                buffer_append_string(&causes, ", to temporary credentials that have expired (when these do, nobody has told)");
        if (unsynchronised_s) {
                clock_format_utc(unsynchronised_s, now);
                buffer_printf(&causes, ", to a clock that is 5 minutes off (this one says %s, and nothing synchronises it)",
                              now);
        }
        if (!known)
                buffer_append_string(&causes, ", to a wrong region");
        snprintf(ret, size, "%s", buffer_string(&causes));
        return false;
}
