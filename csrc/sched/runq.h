/* runq.h: the run queue of one P, and lists of what is in it; the design is told in runq.c. Zeroed memory is empty. */
#ifndef GM_RUNQ_H
#define GM_RUNQ_H

#include "base/atomics.h"

/* Stands first in whatever is queued. */
typedef struct gm_link {
    struct gm_link *next;
} gm_link;

typedef struct gm_list {
    gm_link *first, *last;
    uint32_t n;
} gm_list;

static inline void gm_list_add(gm_list *l, gm_link *item)
{
    item->next = NULL;
    if (l->first)
        l->last->next = item;
    else
        l->first = item;
    l->last = item;
    l->n++;
}

static inline void gm_list_push(gm_list *l, gm_link *item) /* at the front */
{
    item->next = l->first;
    if (!l->first)
        l->last = item;
    l->first = item;
    l->n++;
}

static inline gm_link *gm_list_take(gm_list *l)
{
    gm_link *item = l->first;
    if (item) {
        l->first = item->next;
        l->n--;
    }
    return item;
}

/* All of `from` behind what is in l. */
static inline void gm_list_append(gm_list *l, gm_list *from)
{
    if (!from->first)
        return;
    if (l->first)
        l->last->next = from->first;
    else
        l->first = from->first;
    l->last = from->last;
    l->n += from->n;
    *from = (gm_list){0};
}

enum { gm_runq_len = 256 };

typedef struct gm_runq {
    _Alignas(128) _Atomic uint32_t head; /* moved by whoever takes */
    _Atomic uint32_t tail;               /* moved by the owner */
    _Atomic(gm_link *) runnext;          /* set by the owner, taken by anybody */
    _Atomic uint64_t retries;            /* moves of head that somebody else's came before */
    _Atomic(gm_link *) slots[gm_runq_len];
} gm_runq;

/* The owner's. put: what finds no room, and half of what is queued, is added to *overflow. get: *inherited: it was runnext. */
void gm_runq_put(gm_runq *q, gm_link *item, bool next, gm_list *overflow);
gm_link *gm_runq_get(gm_runq *q, bool *inherited);

/* A thief's, who owns `to`, which is empty: takes half of the victim's ring (n - n/2), or one of it. Returns one to run,
 * and *n: how many were taken; NULL: there was none. */
gm_link *gm_runq_steal(gm_runq *to, gm_runq *victim, bool half, uint32_t *n);
gm_link *gm_runq_peek_next(gm_runq *victim);
bool gm_runq_take_next(gm_runq *victim, gm_link *item); /* if it is runnext still */

bool gm_runq_empty(gm_runq *q);      /* true: it was, at an instant during the call */
uint32_t gm_runq_length(gm_runq *q); /* a number to look at; without runnext */

#endif
