/* limit.c: the machine's own limit: what a batch takes that fetches the lines of its buckets and does nothing else.
 *
 *     for each key: a random bucket and cell, known beforehand
 *         prefetch   the lines of tophash, key and elem, `ahead` keys before they are needed
 *         use        them, as a get, a miss, an overwrite or an insert would
 *
 * As many buckets as the map has, 144 bytes each as there (8 of tophash, 64 of keys, 64 of elems, a pointer), on huge pages
 * where the system gives them. How far ahead is best differs from machine to machine: a round tries four distances and tells
 * the shortest time. A miss needs the line of tophash alone.
 */
#include "base/clock.h"
#include "driver.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { BUCKET = 144, KEYS_AT = 8, ELEMS_AT = 72, CELLS = 8, HUGE_PAGE = 2 << 20 };

struct gather {
    unsigned char *buckets;
    size_t bytes;
    uint64_t *places; /* bucket * CELLS + cell */
    uint64_t *out;
    size_t n;
};

gather *gather_new(uint64_t buckets, const uint64_t *keys, size_t n)
{
    gather *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->bytes = buckets * BUCKET;
    g->n = n;
    g->buckets = aligned_alloc(HUGE_PAGE, (g->bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
    g->places = malloc((n + 1) * sizeof *g->places);
    g->out = calloc(n + 1, sizeof *g->out);
    if (!g->buckets || !g->places || !g->out) {
        gather_free(g);
        return NULL;
    }
    madvise(g->buckets, g->bytes, MADV_HUGEPAGE); /* refused: then it is a limit on small pages */
    memset(g->buckets, 1, g->bytes);
    for (size_t i = 0; i < n; i++)
        g->places[i] = mixed(keys[i]) & (buckets * CELLS - 1);
    return g;
}

void gather_free(gather *g)
{
    if (!g)
        return;
    free(g->buckets);
    free(g->places);
    free(g->out);
    free(g);
}

enum use { USE_HIT, USE_MISS, USE_OVERWRITE, USE_INSERT };

static inline uint64_t *cell_of(unsigned char *bucket, uint64_t place, size_t at)
{
    return (uint64_t *)(bucket + at + place % CELLS * 8);
}

static inline __attribute__((always_inline)) void fetch(gather *g, uint64_t place, enum use use)
{
    unsigned char *b = g->buckets + place / CELLS * BUCKET;
    bool writes = use == USE_INSERT;
    writes ? __builtin_prefetch(b, 1) : __builtin_prefetch(b, 0);
    if (use == USE_MISS)
        return;
    writes ? __builtin_prefetch(cell_of(b, place, KEYS_AT), 1) : __builtin_prefetch(cell_of(b, place, KEYS_AT), 0);
    use == USE_HIT ? __builtin_prefetch(cell_of(b, place, ELEMS_AT), 0) : __builtin_prefetch(cell_of(b, place, ELEMS_AT), 1);
}

static inline __attribute__((always_inline)) uint64_t touch(gather *g, size_t i, const uint64_t *elems, enum use use)
{
    uint64_t place = g->places[i];
    unsigned char *b = g->buckets + place / CELLS * BUCKET;
    uint64_t seen = *(uint64_t *)b;
    if (use == USE_MISS)
        return seen;
    if (use == USE_INSERT) {
        b[place % CELLS] = 1;
        *cell_of(b, place, KEYS_AT) = place;
    } else {
        seen += *cell_of(b, place, KEYS_AT);
    }
    if (use == USE_HIT)
        g->out[i] = *cell_of(b, place, ELEMS_AT);
    else
        *cell_of(b, place, ELEMS_AT) = elems[i];
    return seen;
}

static inline __attribute__((always_inline)) uint64_t walk(gather *g, const uint64_t *elems, size_t ahead, enum use use)
{
    uint64_t seen = 0;
    size_t i = 0, n = g->n, safe = n > ahead ? n - ahead : 0;
    for (; i < safe; i++) {
        fetch(g, g->places[i + ahead], use);
        seen += touch(g, i, elems, use);
    }
    for (; i < n; i++)
        seen += touch(g, i, elems, use);
    return seen;
}

static uint64_t walk_hit(gather *g, const uint64_t *elems, size_t ahead)
{
    return walk(g, elems, ahead, USE_HIT);
}

static uint64_t walk_miss(gather *g, const uint64_t *elems, size_t ahead)
{
    return walk(g, elems, ahead, USE_MISS);
}

static uint64_t walk_overwrite(gather *g, const uint64_t *elems, size_t ahead)
{
    return walk(g, elems, ahead, USE_OVERWRITE);
}

static uint64_t walk_insert(gather *g, const uint64_t *elems, size_t ahead)
{
    return walk(g, elems, ahead, USE_INSERT);
}

int gather_time(gather *g, const char *row, const uint64_t *elems, timed *t)
{
    static const struct {
        const char *row;
        uint64_t (*walk)(gather *, const uint64_t *, size_t);
    } walks[] = {{"get_many_hit", walk_hit},
                 {"get_many_miss", walk_miss},
                 {"overwrite_many", walk_overwrite},
                 {"presized_many", walk_insert}};
    static const size_t distances[] = {8, 16, 32, 64};
    for (size_t w = 0; w < sizeof walks / sizeof *walks; w++) {
        if (strcmp(walks[w].row, row) != 0)
            continue;
        t->operations = t->hits = g->n;
        t->ns = UINT64_MAX;
        for (size_t d = 0; d < sizeof distances / sizeof *distances; d++) {
            uint64_t from = gm_now_ns();
            t->sum += walks[w].walk(g, elems, distances[d]);
            uint64_t took = gm_now_ns() - from;
            t->ns = took < t->ns ? took : t->ns;
        }
        return 0;
    }
    return -1;
}
