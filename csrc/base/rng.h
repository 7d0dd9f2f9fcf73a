/* rng.h: the generator a map draws from when its caller supplies none. */
#ifndef GM_RNG_H
#define GM_RNG_H

#include "gomap.h"

typedef struct gm_xoshiro {
    uint64_t s[4];
} gm_xoshiro;

void gm_xoshiro_seed(gm_xoshiro *x, uint64_t seed);
uint64_t gm_seed_of(uint64_t seed, uint64_t part); /* the seed of one part of something seeded by `seed` */

static inline uint64_t gm_rotl(uint64_t v, int k)
{
    return (v << k) | (v >> (64 - k));
}

static inline uint64_t gm_xoshiro_next(gm_xoshiro *x)
{
    uint64_t *s = x->s, result = gm_rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = gm_rotl(s[3], 45);
    return result;
}

/* splitmix64 over an atomic counter: readers that overlap may draw at once, each number goes to one of them. */
typedef struct gm_counter_rng {
    _Atomic uint64_t state;
} gm_counter_rng;

gm_rng gm_counter_rng_of(gm_counter_rng *c, uint64_t seed); /* ignores the purpose: one stream for all draws */

#endif
