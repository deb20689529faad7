/* underway: the posts of which not every record is acknowledged, and the file that outlives us (ledger.h).
 *
 * A post is in the file before its first record is handed over (add, write, begin) and until its last acknowledgement.
 * The worker's alone.
 */
#ifndef PINFEED_EMULATE_UNDERWAY_H
#define PINFEED_EMULATE_UNDERWAY_H

#include "ledger.h"
#include "pinfeed/table.h"

enum {
        UNDERWAY_MOST = 10000,          /* posts */
        UNDERWAY_CLEAR_MS = 200,
};

struct underway;
struct post;

struct underway *underway_new(struct ledger *file);           /* `file` isn't owned */
void underway_free(struct underway *u);                         /* safe on NULL */
size_t underway_count(const struct underway *u);
size_t underway_room(const struct underway *u);

/* Adds a post of so many records; there must be room. Valid until it is acknowledged or dropped. */
struct post *underway_add(struct underway *u, const struct key *key, unsigned records);
void underway_begin(struct post *post);                         /* its first record is about to be handed over */
void underway_acknowledged(struct post *post);                  /* one of its records */
void underway_drop(struct post *post);                          /* it is not sent after all; nothing if it has begun */

/* Writes the file. `now_us`: monotonic. */
int underway_write(struct underway *u, uint64_t now_us, struct error *e);
/* Clears what was acknowledged from the file: at once when nothing else is under way, else together with what comes
 * next, or when it is UNDERWAY_CLEAR_MS old. */
int underway_clear(struct underway *u, uint64_t now_us, struct error *e);
/* While held, the file stays as the earlier run left it. */
void underway_hold(struct underway *u, bool hold);
bool underway_held(const struct underway *u);
/* From now on acknowledgements change nothing: what the file holds belongs to the next run. */
void underway_leave(struct underway *u);

/* Appends the keys of at most `most` posts, separated by commas; returns how many. */
size_t underway_name(const struct underway *u, size_t most, struct buffer *out);

#endif
