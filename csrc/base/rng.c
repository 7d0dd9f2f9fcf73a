/* rng.c: random numbers, drawn or played back.
 *
 * xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2018), its state filled by
 * splitmix64 as its authors advise, so that any seed, zero too, gives a good state. It makes what is made once or by one
 * thread: key schedules, key streams.
 *
 * A map's own draws come from splitmix64 over a counter, since readers draw too (where an iteration starts, the hash of a
 * NaN) and may overlap: an atomic addition (relaxed: the number is all that is exchanged) gives each its own. A seed still
 * fixes every random choice of a map that one thread uses.
 *
 * `gm_script` plays back numbers that a real map drew, one queue for each purpose. A draw without a number gives 0 and is
 * counted, a number without a draw stays and is counted: a replay that draws too much or too little is found out.
 */
#include "base/rng.h"

#include "base/atomics.h"

#include <stdlib.h>
#include <string.h>

#define GOLDEN UINT64_C(0x9E3779B97F4A7C15)

static uint64_t mixed(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void gm_xoshiro_seed(gm_xoshiro *x, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        x->s[i] = mixed(seed += GOLDEN);
}

uint64_t gm_seed_of(uint64_t seed, uint64_t part)
{
    return mixed(mixed(seed + GOLDEN) ^ mixed((part + 1) * GOLDEN));
}

static uint64_t counter_draw(void *ctx, int purpose)
{
    gm_counter_rng *c = ctx;
    (void)purpose;
    return mixed(gm_add_rlx(&c->state, GOLDEN) + GOLDEN);
}

gm_rng gm_counter_rng_of(gm_counter_rng *c, uint64_t seed)
{
    gm_store_rlx(&c->state, seed);
    return (gm_rng){counter_draw, c};
}

typedef struct queue {
    uint64_t *v;
    size_t head, tail, cap;
} queue;

struct gm_script {
    gm_rng rng;
    queue q[GM_DRAWS];
    uint64_t missed;
};

static uint64_t script_draw(void *ctx, int purpose)
{
    gm_script *s = ctx;
    queue *q = &s->q[purpose];
    if (q->head == q->tail) {
        s->missed++;
        return 0;
    }
    return q->v[q->head++];
}

gm_script *gm_script_new(void)
{
    gm_script *s = calloc(1, sizeof *s);
    if (s)
        s->rng = (gm_rng){script_draw, s};
    return s;
}

void gm_script_free(gm_script *s)
{
    if (!s)
        return;
    for (int i = 0; i < GM_DRAWS; i++)
        free(s->q[i].v);
    free(s);
}

const gm_rng *gm_script_rng(gm_script *s)
{
    return &s->rng;
}

int gm_script_push(gm_script *s, int purpose, uint64_t value)
{
    if (purpose < 0 || purpose >= GM_DRAWS)
        return GM_E_ARGUMENT;
    queue *q = &s->q[purpose];
    if (q->head == q->tail)
        q->head = q->tail = 0;
    if (q->tail == q->cap) {
        size_t cap = q->cap ? 2 * q->cap : 16;
        uint64_t *v = realloc(q->v, cap * sizeof *v);
        if (!v)
            return GM_E_NOMEM;
        q->v = v;
        q->cap = cap;
    }
    q->v[q->tail++] = value;
    return GM_OK;
}

uint64_t gm_script_left(gm_script *s)
{
    uint64_t n = 0;
    for (int i = 0; i < GM_DRAWS; i++)
        n += s->q[i].tail - s->q[i].head;
    return n;
}

uint64_t gm_script_missed(gm_script *s)
{
    return s->missed;
}
