/* AWS Security Token Service: where it is, for this lookup's region and settings. */
#ifndef AWS_STS_H
#define AWS_STS_H

#include "aws/lookup.h"

/* Overrides (AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, a profile's [services] section and endpoint_url), else the
 * region's own endpoint. The caller frees ret_url. ret_named_by: for errors, never NULL. */
int sts_endpoint(struct lookup *l, char **ret_url, const char **ret_named_by, struct error *e);

#endif
