/* runq.c: the run queue of one P: one owner puts and takes, any number of thieves take.
 *
 * Mirrors runqput, runqputslow, runqget, runqgrab, runqsteal and runqempty of runtime/proc.go (Go 1.25).
 *
 *     slots   | . . . a b c d . . . |     ring of 256; indices count on for ever, modulo 2^32
 *                     ^head   ^tail
 *     runnext   e                         what was made ready last: runs next, in the time slice of who made it ready
 *
 *   put      at the tail. With `next`, into runnext, and what was there goes to the tail. On a full ring 128 are taken from
 *            the head, and with the new one they are the batch of 129 that goes to the global queue.
 *   get      runnext, else from the head.
 *   steal    copies n - n/2 slots from the victim's head into the thief's own ring, then moves the victim's head over them:
 *            if that fails, somebody else has taken meanwhile, and the copies are void.
 *
 *   R1  An item that is taken is seen as it was put: its slot is written before tail is released, and a thief acquires tail
 *       before it reads the slot. (The owner reads what it wrote itself.) runnext is released and acquired itself.
 *   R2  A slot is not written anew while somebody may still take what is in it: takers read it before they release head, and
 *       the owner acquires head before it writes. The moves of head are read-modify-write operations, so the owner that
 *       acquires the last one is ordered behind all.
 *   R3  An item is taken once: head moves by compare-and-swap over exactly the slots that were read at this head; runnext is
 *       emptied by one. head does not come round to the same value while a taker is between its look and its swap: that would
 *       take 2^32 items.
 *   R4  A thief that reads head and a later tail may see more than there is room for; it then looks again.
 *
 * Owners beside one and two thieves are explored in every interleaving of up to two preemptions, in one order of all accesses;
 * mistakes in R1 to R3 are planted there and found: tests/testing/test_explore.py.
 *
 * Divergence: the scheduler decides when runnext may be stolen and pauses before (gm_runq_peek_next, gm_runq_take_next);
 * Go does both inside runqgrab. Go calls consume and release the same way.
 */
#include "sched/runq.h"

enum { half_len = gm_runq_len / 2 };

static _Atomic(gm_link *) *slot(gm_runq *q, uint32_t i)
{
    return &q->slots[i % gm_runq_len];
}

/* The older half and `item`, if the ring is full still and nobody takes meanwhile. */
static bool move_half(gm_runq *q, gm_link *item, gm_list *overflow)
{
    uint32_t head = gm_load_acq(&q->head), tail = gm_load_rlx(&q->tail); /* acquire pairs with takers' (R2); tail is ours */
    gm_link *batch[half_len];
    if (tail - head != gm_runq_len)
        return false;
    for (uint32_t i = 0; i < half_len; i++)
        batch[i] = gm_load_rlx(slot(q, head + i));     /* relaxed: written by this thread */
    if (!gm_cas_rel(&q->head, &head, head + half_len)) /* R2, R3 */
        return false;
    for (uint32_t i = 0; i < half_len; i++)
        gm_list_add(overflow, batch[i]);
    gm_list_add(overflow, item);
    return true;
}

void gm_runq_put(gm_runq *q, gm_link *item, bool next, gm_list *overflow)
{
    if (next) {
        item = gm_swap_acq_rel(&q->runnext, item); /* release pairs with gm_runq_take_next (R1) */
        if (!item)
            return;
    }
    uint32_t tail = gm_load_rlx(&q->tail);                /* ours */
    while (tail - gm_load_acq(&q->head) >= gm_runq_len) { /* pairs with takers' moves of head (R2) */
        if (move_half(q, item, overflow))
            return;
        gm_add_rlx(&q->retries, 1); /* a number to look at, as the others */
    }
    gm_store_rlx(slot(q, tail), item); /* before tail (R1) */
    gm_store_rel(&q->tail, tail + 1);  /* pairs with gm_runq_steal (R1) */
}

gm_link *gm_runq_get(gm_runq *q, bool *inherited)
{
    gm_link *next = gm_load_rlx(&q->runnext); /* relaxed: only this thread sets it, others empty it */
    *inherited = next && gm_cas_acq(&q->runnext, &next, NULL);
    if (*inherited)
        return next;
    for (;;) {
        uint32_t head = gm_load_acq(&q->head), tail = gm_load_rlx(&q->tail); /* pairs with thieves' (R2); tail is ours */
        if (head == tail)
            return NULL;
        gm_link *item = gm_load_rlx(slot(q, head));
        if (gm_cas_rel(&q->head, &head, head + 1)) /* R2, R3 */
            return item;
        gm_add_rlx(&q->retries, 1);
    }
}

gm_link *gm_runq_steal(gm_runq *to, gm_runq *victim, bool half, uint32_t *n)
{
    uint32_t own = gm_load_rlx(&to->tail); /* ours; our get has acquired head when it found the ring empty (R2) */
    for (;;) {
        uint32_t head = gm_load_acq(&victim->head); /* pairs with other takers' (R2) */
        uint32_t tail = gm_load_acq(&victim->tail); /* pairs with gm_runq_put (R1) */
        uint32_t there = tail - head;
        *n = half ? there - there / 2 : there > 0;
        if (there > gm_runq_len) /* R4 */
            continue;
        if (*n == 0)
            return NULL;
        for (uint32_t i = 0; i < *n; i++)
            gm_store_rlx(slot(to, own + i), gm_load_rlx(slot(victim, head + i))); /* not ours until head is moved */
        if (gm_cas_rel(&victim->head, &head, head + *n))                          /* R2, R3 */
            break;
        gm_add_rlx(&victim->retries, 1);
    }
    gm_store_rel(&to->tail, own + *n - 1); /* all but the last; pairs with the next thief (R1) */
    return gm_load_rlx(slot(to, own + *n - 1));
}

gm_link *gm_runq_peek_next(gm_runq *victim)
{
    return gm_load_rlx(&victim->runnext); /* relaxed: only compared */
}

bool gm_runq_take_next(gm_runq *victim, gm_link *item)
{
    return gm_cas_acq(&victim->runnext, &item, NULL); /* pairs with gm_runq_put (R1) */
}

/* The owner may push an item from runnext to the tail between the readings: then tail has changed, and it is looked again. */
bool gm_runq_empty(gm_runq *q)
{
    for (;;) {
        uint32_t head = gm_load_acq(&q->head), tail = gm_load_acq(&q->tail); /* in this order with the next two loads */
        gm_link *next = gm_load_acq(&q->runnext);
        if (tail == gm_load_rlx(&q->tail))
            return head == tail && !next;
    }
}

uint32_t gm_runq_length(gm_runq *q)
{
    uint32_t head = gm_load_rlx(&q->head), tail = gm_load_rlx(&q->tail), n = tail - head; /* relaxed: a number */
    return n <= gm_runq_len ? n : 0;
}
