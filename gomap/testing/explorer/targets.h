/* targets.h: what is explored; told in targets.c. */
#ifndef GM_EXPLORER_TARGETS_H
#define GM_EXPLORER_TARGETS_H

#include "explorer.h"

/* How an operation went, for the judge. */
typedef struct answer {
    gm_history_event event; /* of an operation on one key */
    bool is_event;
    int status;
} answer;

typedef struct target {
    const char *name;
    int variant;       /* enum gm_variant_id; 0: a lock */
    bool linearizable; /* every call on one key */
} target;

const target *target_named(const char *name);
const char *target_refuses(const target *t, const operation *o); /* NULL, or why such an operation cannot be done */

/* All of these on the main lane, but for target_do. */
int target_make(const target *t, const scenario *s);
void target_begin(unsigned writers, unsigned threads);
void target_restart(void); /* what is not in the arena: before each execution */
void target_do(const operation *o, unsigned thread, answer *a);
void target_check(const scenario *s); /* fails if something is broken, and lets go of all memory */
void target_plays(const scenario *s);

#endif
