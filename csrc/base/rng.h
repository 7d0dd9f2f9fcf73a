/* rng.h: the generator a map draws from when its caller supplies none. */
#ifndef GM_RNG_H
#define GM_RNG_H

#include "gomap.h"

typedef struct gm_xoshiro {
    uint64_t s[4];
} gm_xoshiro;

void gm_xoshiro_seed(gm_xoshiro *x, uint64_t seed);
uint64_t gm_xoshiro_next(gm_xoshiro *x);
/* splitmix64 over an atomic counter: readers that overlap may draw at once, each number goes to one of them. */
typedef struct gm_counter_rng {
    _Atomic uint64_t state;
} gm_counter_rng;

gm_rng gm_counter_rng_of(gm_counter_rng *c, uint64_t seed); /* ignores the purpose: one stream for all draws */

#endif
