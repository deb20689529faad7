#include <string.h>

#include "own.h"

void unseen_init(struct unseen *g, const struct producer_span *spans, int partitions) {
        *g = (struct unseen) {
                .list = mem_alloc(UNSEEN_MOST * sizeof *g->list), .next = mem_alloc((size_t) partitions * sizeof *g->next),
        };
        for (int i = 0; i < partitions; i++)
                g->next[i] = spans[i].first;
}

void unseen_free(struct unseen *g) {
        free(g->list);
        free(g->next);
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

int unseen_count(struct check *c, const struct unseen *g, uint64_t *ret, struct error *e) {
        _cleanup_free_ struct producer_span *spans = mem_zero((size_t) c->partitions, sizeof *spans);
        struct producer_reader *reader = c->verify->uncommitted;
        uint64_t aborted = 0;

        for (size_t i = 0; i < g->count; i++) {
                const struct stretch *s = &g->list[i];
                struct producer_record record;
                uint64_t records = 0;
                enum producer_next r;

                memset(spans, 0, (size_t) c->partitions * sizeof *spans);
                spans[s->partition] = (struct producer_span) { s->from, s->to };
                if (producer_reader_begin(reader, c->stream.topic, spans, e) < 0)
                        return -1;
                while ((r = producer_reader_next(reader, &record, e)) == PRODUCER_RECORD)
                        records++;
                if (r == PRODUCER_NEXT_FAILED)
                        return -1;
                aborted += records - (uint64_t) (s->to - s->from - s->hidden);
        }
        *ret = aborted;
        return 0;
}
