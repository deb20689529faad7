#include "keys.h"

#include <string.h>

void key_list_add(struct key_list *list, const struct key *key) {
        if (list->count == list->capacity) {
                list->capacity = list->capacity ? list->capacity * 2 : 64;
                list->ends = mem_resize(list->ends, list->capacity * sizeof *list->ends);
                list->sorted = mem_resize(list->sorted, list->capacity * sizeof *list->sorted);
        }
        buffer_append(&list->bytes, key->data, key->length);
        list->ends[list->count++] = list->bytes.length;
}

struct key key_list_get(const struct key_list *list, size_t i) {
        size_t at = i ? list->ends[i - 1] : 0;

        return (struct key) { list->bytes.data + at, list->ends[i] - at };
}

void key_list_clear(struct key_list *list) {
        list->bytes.length = 0;
        list->count = 0;
}

void key_list_free(struct key_list *list) {
        buffer_free(&list->bytes);
        free(list->ends);
        free(list->sorted);
        *list = (struct key_list) {};
}

/* Any total order of the bytes will do for finding. */
static int compare(const struct key *a, const struct key *b) {
        if (a->length != b->length)
                return a->length < b->length ? -1 : 1;
        return a->length ? memcmp(a->data, b->data, a->length) : 0;
}

static int compare_places(const void *a, const void *b, void *list) {
        uint32_t i = *(const uint32_t *) a, k = *(const uint32_t *) b;
        struct key x = key_list_get(list, i), y = key_list_get(list, k);
        int order = compare(&x, &y);

        return order != 0 ? order : i < k ? -1 : 1;
}

void key_list_sort(struct key_list *list) {
        for (size_t i = 0; i < list->count; i++)
                list->sorted[i] = (uint32_t) i;
        if (list->count > 1)
                qsort_r(list->sorted, list->count, sizeof *list->sorted, compare_places, list);
}

size_t key_list_seek(const struct key_list *list, const struct key *key) {
        size_t low = 0, high = list->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                struct key at = key_list_get(list, list->sorted[middle]);

                if (compare(&at, key) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

bool key_list_is(const struct key_list *list, size_t at, const struct key *key) {
        struct key found;

        if (at >= list->count)
                return false;
        found = key_list_get(list, list->sorted[at]);
        return compare(&found, key) == 0;
}
