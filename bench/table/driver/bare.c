/* bare.c: the machine's limit for gets one by one: a map that has nothing to search.
 *
 * As many pairs of cache lines as ConcurrentMap has buckets for that hint, on huge pages where the system gives them. A get
 * hashes its key, loads one word of one line, and makes the elem of the key; where the word is not what it is everywhere, it
 * has missed. No search, no version, no epoch, no second line: what is left is what any hash table's get waits for, and what a
 * processor that looks ahead makes of many of them. It is asked for what was put in only (D2 in main.c).
 */
#include "driver.h"
#include "map/variant.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAIR = 128, HUGE_PAGE = 2 << 20 };

#define WORD UINT64_C(0x0101010101010101)

typedef struct bare {
    unsigned char *pairs;
    uint64_t mask;
} bare;

static void drop(void *self)
{
    bare *b = self;
    free(b->pairs);
    free(b);
}

static int make(const gm_config *c, const gm_guard_config *g, void **self)
{
    uint64_t pairs = 1;
    (void)g;
    while (pairs * 11 < c->hint * 2) /* 5.5 entries a bucket */
        pairs *= 2;
    size_t size = (pairs * PAIR + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    bare *b = calloc(1, sizeof *b);
    if (!b)
        return GM_E_NOMEM;
    b->mask = pairs - 1;
    b->pairs = aligned_alloc(HUGE_PAGE, size);
    if (!b->pairs) {
        drop(b);
        return GM_E_NOMEM;
    }
    madvise(b->pairs, size, MADV_HUGEPAGE); /* refused: then it is a limit on small pages */
    memset(b->pairs, WORD & 255, size);
    *self = b;
    return GM_OK;
}

static int enter(void *self)
{
    (void)self;
    return GM_OK;
}

static void leave(void *self)
{
    (void)self;
}

static const gm_variant *begin(void *self, const gm_usage_plan *plan)
{
    (void)self;
    (void)plan;
    return &bare_table;
}

static int get(void *self, const void *key, size_t len, void *elem)
{
    const bare *b = self;
    uint64_t k, word;
    (void)len;
    memcpy(&k, key, sizeof k);
    uint64_t hash = mixed(k);
    memcpy(&word, b->pairs + (hash & b->mask) * PAIR + (hash >> 60) * sizeof word, sizeof word);
    if (word != WORD)
        return GM_MISS;
    k <<= 8;
    memcpy(elem, &k, sizeof k);
    return GM_OK;
}

static int assign(void *self, const void *key, size_t len, const void *elem, void *old)
{
    (void)self;
    (void)key;
    (void)len;
    (void)elem;
    (void)old;
    return GM_MISS;
}

const gm_variant bare_table = {
    .make = make, .drop = drop, .enter = enter, .leave = leave, .begin = begin, .end = leave, .get = get, .assign = assign};
