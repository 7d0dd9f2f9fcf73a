/* targets.h: what is explored, and what each kind of it has to supply; told in targets.c. */
#ifndef GM_EXPLORER_TARGETS_H
#define GM_EXPLORER_TARGETS_H

#include "explorer.h"

#include <string.h>

/* How an operation went. */
typedef struct answer {
    gm_history_event event; /* of a map, for the judge; of a queue only the answer in it */
    bool tells;             /* an operation that has an answer */
    int status;
} answer;

typedef struct target target;

/* All of these on the main lane, but for run. A set-up's thread is mainLane. begin, restart: NULL if there is nothing to
 * do. */
typedef struct target_kind {
    bool on_keys; /* its answers are events on keys, which must fit an order */
    const char *(*refuses)(const target *t, const scenario *s, unsigned thread, const operation *o);
    int (*make)(const target *t, const scenario *s);
    void (*begin)(unsigned writers, unsigned threads); /* so many are about to run: the set-up, then the threads */
    void (*restart)(void);                             /* what is not in the arena: before each execution */
    void (*run)(const operation *o, unsigned thread, answer *a);
    void (*check)(const scenario *s); /* fails if something is wrong, and lets go of all memory */
} target_kind;

enum { runQueues = -1 };

struct target {
    const char *name;
    const target_kind *kind;
    int which;         /* of a map enum gm_variant_id; of queues runQueues, or enum gm_globq_kind */
    bool linearizable; /* of a map: every call on one key */
};

extern const target_kind on_maps, on_locks, on_queues;

const target *target_named(const char *name);

/* NULL, or why such an operation cannot be done. */
const char *target_refuses(const target *t, const scenario *s, unsigned thread, const operation *o);
int target_make(const target *t, const scenario *s);
void target_begin(unsigned writers, unsigned threads);
void target_restart(void);
void target_do(const operation *o, unsigned thread, answer *a);
void target_check(const scenario *s);

static inline bool is(const operation *o, const char *kind)
{
    return strcmp(o->kind, kind) == 0;
}

#endif
