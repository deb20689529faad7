/* survey: asks the tables what there is to draw from, and so which of the two ways to draw is taken (draw.h). */
#ifndef PINFEED_EMULATE_SURVEY_H
#define PINFEED_EMULATE_SURVEY_H

#include "draw.h"
#include "posts.h"

/* Fills the pool of `d`, whose other members are set. ERROR_REFUSED when there is no post, or there are too many keys
 * of a kind that only a list could hold; class ERROR_UNREACHABLE: the connection broke, open a new one and call
 * again. */
int survey_pool(struct stream *streams, struct connection *c, struct posts *posts, struct draw *d, struct error *e);

/* Looks again how far the numbers go, so that rows that were added are drawn, too. Does nothing for a list. */
int survey_again(struct stream *streams, struct connection *c, struct pool *pool, struct error *e);

#endif
