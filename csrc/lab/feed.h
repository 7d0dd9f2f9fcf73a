/* feed.h: what a thread of a workload does next; the design is told in feed.c. */
#ifndef GM_FEED_H
#define GM_FEED_H

#include "base/rng.h"
#include "lab/keystream.h"
#include "lab/ops.h"

enum { gm_feed_block = 256 }; /* requests drawn at a time, at most */

/* How an index becomes the content of a key. */
typedef struct gm_codec {
    int key_kind;
    uint32_t size, stride; /* bytes of a key, and from one to the next */
} gm_codec;

enum { gm_key_bytes = 128 }; /* no key of a workload is longer */

bool gm_codec_of(gm_codec *c, int key_kind, size_t key_size); /* false: no such keys in workloads */
uint64_t gm_codec_most(const gm_codec *c);                    /* so many keys are different */
void gm_codec_write(const gm_codec *c, uint64_t index, bool absent, unsigned char *to);

/* Where a thread stands among the others. */
typedef struct gm_place {
    uint32_t thread, threads; /* in the run */
    uint32_t lane, lanes;     /* in its group */
} gm_place;

typedef struct gm_feed {
    const gm_group *g;
    gm_codec codec;
    gm_place at;
    uint64_t keyspace, first_new; /* indices of new keys begin at first_new */
    gm_stream keys;
    gm_xoshiro kinds, gaps;
    unsigned nkinds;
    bool plain;             /* every kind takes a key of the stream, and present ones only */
    uint64_t below[GM_OPS]; /* a draw below it is of that kind, or an earlier one */
    uint8_t kind[GM_OPS];
    bool moves;              /* new keys are assigned: deletes take the oldest */
    uint64_t filled;         /* keys that are this thread's and in the map from the start: its 0th .. */
    uint64_t oldest, newest; /* of its own keys, those that it has deleted, that it has assigned or found there */
    uint64_t cursor;         /* trace: its next operation */
    uint64_t number;         /* requests drawn */
    uint64_t restarted;      /* its value at the start of the schedule */
    double due;              /* open loop: the last request's intended start, in ticks from the start of the schedule */
    double gap;              /* mean distance of two of this thread's requests, in ticks; 0: closed loop */
    gm_request requests[gm_feed_block];
    int64_t drawn[gm_feed_block]; /* of the stream, for the requests that take a key of it */
    double dues[gm_feed_block];
    unsigned char bytes[gm_feed_block * gm_key_bytes];
} gm_feed;

/* false: a number outside its range. */
bool gm_feed_init(gm_feed *f, const gm_group *g, const gm_codec *codec, gm_place at, const gm_run_config *c,
                  double ns_per_tick);
void gm_feed_draw(gm_feed *f, unsigned n); /* the next n requests, and when they are due */
/* The schedule begins anew, with the requests from `done` on of the n that were drawn last. */
void gm_feed_restart(gm_feed *f, unsigned done, unsigned n);

/* Whether a get that misses is followed by an assign. */
static inline bool gm_trace_fills(const gm_trace *t)
{
    return t && t->ops && t->fill;
}

#endif
