/* globq.h: the queue that all Ps share; the design is told in globq.c. */
#ifndef GM_GLOBQ_H
#define GM_GLOBQ_H

#include "base/ticks.h"
#include "gomap.h"
#include "sched/lock.h"
#include "sched/runq.h"

typedef struct gm_globq_cell {
    _Atomic uint32_t turn;
    _Atomic(gm_link *) item;
} gm_globq_cell;

typedef struct gm_globq {
    uint32_t kind;         /* enum gm_globq_kind */
    gm_rt_mutex *lock;     /* the scheduler's: guards list */
    gm_list list;          /* GM_GLOBQ_LIST */
    _Atomic uint32_t size; /* of list; written under the lock */
    const gm_alloc *alloc;
    gm_globq_cell *cells;                    /* the rings' */
    uint32_t len;                            /* of cells, a power of two */
    _Alignas(128) _Atomic uint32_t ends[64]; /* of the ring: ends[0] and, on the same line or two lines on, another */
    _Alignas(128) _Atomic uint64_t retries;  /* swaps of the ring's ends that failed */
} gm_globq;

int gm_globq_init(gm_globq *q, uint32_t kind, uint32_t len, gm_rt_mutex *lock, const gm_alloc *alloc);
void gm_globq_free(gm_globq *q);
void gm_globq_put(gm_globq *q, gm_list *items); /* all of them, at the end; the lock is not held */
void gm_globq_put_one(gm_globq *q, gm_link *item, uint64_t *at, bool hardware); /* *at: the ticks when the lock was got; of a
ring, which has none, when it was asked for */
gm_link *gm_globq_get(gm_globq *q);                                             /* or NULL */
/* Up to `most` of them, and no more than this P's share of what is there (n / ps + 1), are added to *out. */
void gm_globq_get_share(gm_globq *q, uint32_t ps, uint32_t most, gm_list *out);
uint32_t gm_globq_size(gm_globq *q);

#endif
