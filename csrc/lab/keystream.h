/* keystream.h: which key comes next; the design is told in keystream.c. */
#ifndef GM_KEYSTREAM_H
#define GM_KEYSTREAM_H

#include "base/rng.h"
#include "gomap.h"

#include <stdbool.h>

typedef struct gm_zipf {
    double theta, h_first, h_last, accept; /* see keystream.c */
    uint64_t n;
} gm_zipf;

enum { gm_zipf_block = 64 };

struct gm_stream {
    gm_stream_config c;
    gm_xoshiro rng;
    gm_zipf zipf;
    uint64_t ranks[gm_zipf_block]; /* zipf, latest: drawn ahead, */
    unsigned ready, taken;         /* so many, and so many of them given out */
    uint64_t hot;                  /* hotspot: keys of the hot part */
    uint64_t share;                /* hotspot: its share of the draws, of 2^64 */
    uint64_t n;                    /* keys now; `latest` counts back from the newest */
    uint64_t cursor;               /* sequential: the next index */
};

bool gm_stream_init(gm_stream *s, const gm_stream_config *c); /* false: a number outside its range */
uint64_t gm_stream_next(gm_stream *s);

/* An exactly uniform index below n > 0: Lemire, "Fast random integer generation in an interval", 2019. */
static inline uint64_t gm_below(gm_xoshiro *x, uint64_t n)
{
    unsigned __int128 p = (unsigned __int128)gm_xoshiro_next(x) * n;
    if ((uint64_t)p < n) {
        uint64_t least = -n % n;
        while ((uint64_t)p < least)
            p = (unsigned __int128)gm_xoshiro_next(x) * n;
    }
    return (uint64_t)(p >> 64);
}

#endif
