/* epoch.h: when memory that readers may hold can be freed; the design is told in epoch.c. */
#ifndef GM_EPOCH_H
#define GM_EPOCH_H

#include "base/atomics.h"
#include "base/local.h"
#include "gomap.h"

/* Stands first in whatever is retired. */
typedef struct gm_retired {
    struct gm_retired *next;
    void (*release)(void *owner, struct gm_retired *r); /* called once nobody can hold it; may retire (r too), not enter */
    uint64_t epoch;
} gm_retired;

typedef struct gm_epoch_slot gm_epoch_slot;
typedef struct gm_epochs gm_epochs;

int gm_epochs_new(const gm_alloc *alloc, void *owner, gm_epochs **out); /* owner is handed to release */
void gm_epochs_free(gm_epochs *e);                                      /* nobody is inside; releases all that is left */

/* What has just been unlinked, so that no reader that enters from now on can reach it. Inside or outside; never fails. */
void gm_epoch_retire(gm_epochs *e, gm_retired *r);
void gm_epoch_collect(gm_epochs *e); /* releases all that can be released now; outside only */
void gm_epoch_counts(gm_epochs *e, uint64_t *retired, uint64_t *freed);

/* ------------------------------------------------------------------ inside: here, because every get passes through it */

enum { gm_epoch_line = 128, gm_epoch_cached = 4 };

struct gm_epoch_slot {
    _Alignas(gm_epoch_line) _Atomic uint64_t announced; /* 0: outside */
    gm_epochs *domain;
    _Atomic uint64_t owner;         /* a thread's unique number, its number in the system below tidBits; 0: nobody's */
    gm_retired *_Atomic pending;    /* pushed by the owner, taken by collectors */
    _Atomic uint64_t retired;       /* this and what is below: the owner's alone (relaxed: owners may change) */
    _Atomic uint64_t own_seen;      /* `retired` when it looked last */
    _Atomic uint64_t seen;          /* all that was retired and freed in the domain, when it looked last */
    _Atomic uint32_t nested;        /* enters within the outermost */
    _Atomic int32_t work, patience; /* collects when work has come down to 0, then sets it to patience */
};

/* What enter reads of a domain, on a line that only collectors write. */
typedef struct gm_epoch_gate {
    _Alignas(gm_epoch_line) _Atomic uint64_t epoch;
    uint64_t id; /* which no other domain of the process ever has */
    bool membarrier;
} gm_epoch_gate;

/* A thread's slots in the domains it was in last. */
typedef struct gm_epoch_cache {
    uint64_t id;
    gm_epoch_slot *slot;
} gm_epoch_cache;

extern GM_THREAD_LOCAL gm_epoch_cache gm_epoch_slots[gm_epoch_cached];

gm_epoch_slot *gm_epoch_slot_search(gm_epochs *e);
void gm_epoch_now_and_then(gm_epoch_slot *s);

static inline gm_epoch_slot *gm_epoch_slot_of(gm_epochs *e)
{
    uint64_t id = ((const gm_epoch_gate *)e)->id; /* a domain begins with it */
    gm_epoch_cache *c = &gm_epoch_slots[id % gm_epoch_cached];
    return gm_likely(c->id == id) ? c->slot : gm_epoch_slot_search(e);
}

/* Between the announcement and what is read after it. */
static inline void gm_epoch_fence(const gm_epoch_gate *gate)
{
    if (gm_likely(gate->membarrier))
        gm_fence_compiler(); /* the barrier is the collector's */
    else
        gm_fence_seq_cst(); /* pairs with barrier (O2) */
}

gm_epoch_slot *gm_epoch_enter_slowly(gm_epochs *e);

/* The common case of gm_epoch_enter; false: it is another one, and nothing is done. */
static inline bool gm_epoch_enter_quickly(gm_epochs *e, gm_epoch_slot **out)
{
    gm_epoch_gate *gate = (gm_epoch_gate *)e;
    gm_epoch_cache *c = &gm_epoch_slots[gate->id % gm_epoch_cached];
#if defined(GM_EXPLORE) /* its threads make few calls: the first is to go this way too */
    gm_epoch_slot_of(e);
#endif
    gm_epoch_slot *s = c->slot;
    if (gm_unlikely(c->id != gate->id || gm_load_rlx(&s->announced))) /* the owner's alone to write */
        return false;
    uint64_t epoch = gm_load_acq(&gate->epoch); /* pairs with seal (O1) */
    gm_store_rel(&s->announced, epoch);         /* pairs with oldest (O2, O3) */
    gm_epoch_fence(gate);
    *out = s;
    return true;
}

/* Around every access to shared memory that may be retired; may be nested. NULL: no memory for this thread's slot. The same
 * thread leaves, which now and then collects. */
static inline gm_epoch_slot *gm_epoch_enter(gm_epochs *e)
{
    gm_epoch_slot *s;
    return gm_likely(gm_epoch_enter_quickly(e, &s)) ? s : gm_epoch_enter_slowly(e);
}

/* What was entered quickly. Whether gm_epoch_now_and_then is due. */
static inline bool gm_epoch_leave_quickly(gm_epoch_slot *s)
{
    gm_store_rel(&s->announced, 0);           /* pairs with oldest (O3) */
    int32_t work = gm_load_rlx(&s->work) - 1; /* the owner's alone */
    gm_store_rlx(&s->work, work);
    return work <= 0;
}

static inline void gm_epoch_leave(gm_epoch_slot *s)
{
    uint32_t nested = gm_load_rlx(&s->nested); /* the owner's alone */
    if (gm_unlikely(nested))
        gm_store_rlx(&s->nested, nested - 1);
    else if (gm_unlikely(gm_epoch_leave_quickly(s)))
        gm_epoch_now_and_then(s);
}

#endif
