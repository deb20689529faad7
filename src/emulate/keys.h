/* keys: a list of keys (or other bytes) in the order they came, which can be searched once it is sorted. */
#ifndef PINFEED_EMULATE_KEYS_H
#define PINFEED_EMULATE_KEYS_H

#include "pinfeed/table.h"

/* {} is an empty list. */
struct key_list {
        struct buffer bytes;
        size_t *ends;
        uint32_t *sorted;               /* places in the list, by key: from key_list_sort to the next change */
        size_t count, capacity;
};

void key_list_add(struct key_list *list, const struct key *key);
/* Valid until the next change. */
struct key key_list_get(const struct key_list *list, size_t i);
void key_list_clear(struct key_list *list);     /* what it took of memory it keeps */
void key_list_free(struct key_list *list);      /* safe on {} and twice */

/* Makes the list searchable, until it changes. */
void key_list_sort(struct key_list *list);
/* Where in `sorted` those keys begin that aren't below `key` (in an order of the list's own); may be `count`. */
size_t key_list_seek(const struct key_list *list, const struct key *key);
/* Whether that is `key` itself. Equal keys stand side by side, the one that came first before the others. */
bool key_list_is(const struct key_list *list, size_t at, const struct key *key);

#endif
