#include "unseen.h"

void unseen_free(struct unseen *g) {
        free(g->list);
        free(g->next);
        *g = (struct unseen) {};
}

void unseen_begin(struct unseen *g, const struct producer_span *spans, int partitions) {
        unseen_free(g);
        g->list = mem_alloc(UNSEEN_MOST * sizeof *g->list);
        g->next = mem_alloc((size_t) partitions * sizeof *g->next);
        for (int i = 0; i < partitions; i++)
                g->next[i] = spans[i].first;
}

static int compare(const void *a, const void *b) {
        const struct stretch *x = a, *y = b;

        if (x->partition != y->partition)
                return x->partition < y->partition ? -1 : 1;
        return x->from < y->from ? -1 : 1;
}

/* Joins neighbours, wider and wider, until there is room for as many again. */
static void join(struct unseen *g) {
        qsort(g->list, g->count, sizeof *g->list, compare);
        while (g->count > UNSEEN_MOST / 2) {
                size_t count = 0;

                g->near = g->near ? 4 * g->near : 16;
                for (size_t i = 1; i < g->count; i++) {
                        struct stretch *last = &g->list[count], *next = &g->list[i];

                        if (last->partition == next->partition && next->from - last->to <= g->near) {
                                last->to = next->to;
                                last->hidden += next->hidden;
                        } else
                                g->list[++count] = *next;
                }
                g->count = count + 1;
        }
}

void unseen_saw(struct unseen *g, int partition, int64_t offset) {
        int64_t from = g->next[partition];

        g->next[partition] = offset + 1;
        if (offset <= from)
                return;
        if (g->count == UNSEEN_MOST)
                join(g);
        g->list[g->count++] = (struct stretch) { partition, from, offset, offset - from };
}

void unseen_end(struct unseen *g, const struct producer_span *spans, int partitions) {
        for (int i = 0; i < partitions; i++)
                unseen_saw(g, i, spans[i].end);
}
