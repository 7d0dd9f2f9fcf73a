/* epoch.h: when memory that readers may hold can be freed; the design is told in epoch.c. */
#ifndef GM_EPOCH_H
#define GM_EPOCH_H

#include "base/atomics.h"
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

/* Around every access to shared memory that may be retired; may be nested. NULL: no memory for this thread's slot. The same
 * thread leaves, which now and then collects. */
gm_epoch_slot *gm_epoch_enter(gm_epochs *e);
void gm_epoch_leave(gm_epoch_slot *s);

/* What has just been unlinked, so that no reader that enters from now on can reach it. Inside or outside; never fails. */
void gm_epoch_retire(gm_epochs *e, gm_retired *r);
void gm_epoch_collect(gm_epochs *e); /* releases all that can be released now; outside only */
void gm_epoch_counts(gm_epochs *e, uint64_t *retired, uint64_t *freed);

#endif
