/* history.h: the marks of a recorded operation; the design is told in history.c. */
#ifndef GM_HISTORY_H
#define GM_HISTORY_H

#include "gomap.h"

#include <stdbool.h>

/* What the key holds. */
typedef struct gm_held {
    bool present;
    int64_t value;
} gm_held;

/* Whether an operation changes what the key holds, by what it was answered. */
static inline bool gm_event_changes(const gm_history_event *e)
{
    switch (e->op) {
    case GM_HISTORY_LOAD:
        return false;
    case GM_HISTORY_STORE:
    case GM_HISTORY_ADD:
        return true;
    case GM_HISTORY_LOAD_OR_STORE:
        return e->status == GM_MISS;
    default: /* delete, compare_and_swap, compare_and_delete */
        return e->status == GM_OK;
    }
}

/* Whether a key that holds *held gives the answer that the operation got; *held becomes what it holds afterwards. */
static inline bool gm_event_fits(const gm_history_event *e, gm_held *held)
{
    bool found = e->status == GM_OK, same = held->present && held->value == e->answer;
    switch (e->op) {
    case GM_HISTORY_COMPARE_AND_SWAP:
    case GM_HISTORY_COMPARE_AND_DELETE:
        if (found != (held->present && held->value == e->expected))
            return false;
        if (found)
            *held = (gm_held){e->op == GM_HISTORY_COMPARE_AND_SWAP, e->op == GM_HISTORY_COMPARE_AND_SWAP ? e->value : 0};
        return true;
    case GM_HISTORY_ADD:
        if ((!e->untold && found != held->present) || (uint64_t)held->value + (uint64_t)e->value != (uint64_t)e->answer)
            return false;
        *held = (gm_held){true, e->answer};
        return true;
    default: /* load, store, delete, load_or_store: the answer is what was there */
        if (e->untold ? e->op == GM_HISTORY_DELETE && found != held->present : found ? !same : held->present)
            return false;
    }
    if (e->op == GM_HISTORY_DELETE)
        *held = (gm_held){0};
    else if (e->op == GM_HISTORY_STORE || (e->op == GM_HISTORY_LOAD_OR_STORE && !found))
        *held = (gm_held){true, e->value};
    return true;
}

#endif
