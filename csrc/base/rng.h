/* rng.h: the generator a map draws from when its caller supplies none. */
#ifndef GM_RNG_H
#define GM_RNG_H

#include "gomap.h"

typedef struct gm_xoshiro {
    uint64_t s[4];
} gm_xoshiro;

void gm_xoshiro_seed(gm_xoshiro *x, uint64_t seed);
uint64_t gm_xoshiro_next(gm_xoshiro *x);
gm_rng gm_xoshiro_rng(gm_xoshiro *x); /* ignores the purpose: one stream for all draws */

#endif
