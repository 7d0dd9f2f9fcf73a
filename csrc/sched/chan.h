/* chan.h: channels of 64-bit words; told in chan.c. */
#ifndef GM_CHAN_H
#define GM_CHAN_H

#include "sched/sched.h"

typedef struct gm_chan_waiter gm_chan_waiter;
typedef struct gm_chan_line {
    gm_chan_waiter *first, *last;
} gm_chan_line;

typedef struct gm_chan {
    gm_rt_mutex lock;
    uint64_t *ring; /* the buffer, `room` words; NULL: unbuffered */
    uint32_t room, head, n;
    gm_chan_line senders, receivers;
} gm_chan;

void gm_chan_init(gm_chan *c, uint64_t *ring, uint32_t room); /* ring: the caller's */
void gm_chan_send(gm_g *g, gm_chan *c, uint64_t value);
uint64_t gm_chan_recv(gm_g *g, gm_chan *c);

#endif
