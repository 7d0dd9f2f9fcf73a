/* globq.c: the global run queue, Go's and the article's.
 *
 * Mirrors gQueue, globrunqput, globrunqputbatch and globrunqget of runtime/proc.go (Go 1.25).
 *
 *   list          Go's: a list through the goroutines, under the scheduler's lock, with its size beside it that may be looked
 *                 at without.
 *   ring          The article's: a ring, its two ends on one cache line, each moved by compare-and-swap.
 *   ring padded   The same with the ends on lines of their own.
 *
 * RING. The article's listing moves the tail first and writes the slot after, so that a consumer may read a slot that has not
 * been written. Here each cell counts turns: it may be written by who has drawn number i when its turn is i, and read
 * when it is i + 1.
 *
 *   Q1  An item is seen as it was put: under the lock; or by the cell's turn, released by the writer, acquired by the reader.
 *   Q2  A cell is written anew only after it has been read: the reader releases the turn i + len that the next writer
 *       acquires.
 *   Q3  A ring is never full: it has at least as many cells as there are goroutines (gm_go refuses more). A writer may have to
 *       wait for a reader that has drawn its number and not read yet: for as long as that thread does not run.
 *   Q4  gm_globq_size is 0 only if all that was put has been drawn. A reader may find nothing although it is not 0: a writer
 *       has drawn its number and not written yet. It is on its way, and its thread is not idle.
 *
 * List and ring are explored as run queues are: tests/testing/test_explore.py.
 */
#include "sched/globq.h"

#include "base/thread.h"

enum { headAt = 0, tailOneLine = 1, tailPadded = 32 };

static _Atomic uint32_t *head_of(gm_globq *q)
{
    return &q->ends[headAt];
}

static _Atomic uint32_t *tail_of(gm_globq *q)
{
    return &q->ends[q->kind == GM_GLOBQ_RING ? tailOneLine : tailPadded];
}

int gm_globq_init(gm_globq *q, uint32_t kind, uint32_t len, gm_rt_mutex *lock, const gm_alloc *alloc)
{
    q->kind = kind;
    q->lock = lock;
    q->alloc = alloc;
    q->len = len;
    if (kind == GM_GLOBQ_LIST)
        return GM_OK;
    q->cells = alloc->zalloc(alloc->ctx, len * sizeof *q->cells);
    if (!q->cells)
        return GM_E_NOMEM;
    for (uint32_t i = 0; i < len; i++)
        gm_store_rlx(&q->cells[i].turn, i); /* nobody else is there yet */
    return GM_OK;
}

void gm_globq_free(gm_globq *q)
{
    if (q->cells)
        q->alloc->release(q->alloc->ctx, q->cells, q->len * sizeof *q->cells);
    q->cells = NULL;
}

/* ------------------------------------------------------------------ ring */

static gm_globq_cell *cell_of(gm_globq *q, uint32_t i)
{
    return &q->cells[i & (q->len - 1)];
}

static void ring_put(gm_globq *q, gm_link *item)
{
    uint32_t i = gm_load_rlx(tail_of(q)); /* relaxed: a guess, the swap decides */
    for (;;) {
        gm_globq_cell *c = cell_of(q, i);
        if (gm_load_acq(&c->turn) != i) { /* pairs with ring_get's release (Q2) */
            gm_relax();                   /* drawn by somebody else, or not read yet (Q3) */
            i = gm_load_rlx(tail_of(q));
        } else if (gm_cas_rlx(tail_of(q), &i, i + 1)) { /* relaxed: the turn orders */
            gm_store_rlx(&c->item, item);
            gm_store_rel(&c->turn, i + 1); /* pairs with ring_get (Q1) */
            return;
        } else {
            gm_add_rlx(&q->retries, 1);
        }
    }
}

static gm_link *ring_get(gm_globq *q)
{
    uint32_t i = gm_load_rlx(head_of(q)); /* relaxed: a guess, the swap decides */
    for (;;) {
        gm_globq_cell *c = cell_of(q, i);
        int32_t ahead = (int32_t)(gm_load_acq(&c->turn) - (i + 1)); /* pairs with ring_put (Q1) */
        if (ahead < 0)
            return NULL; /* Q4 */
        if (ahead > 0) {
            i = gm_load_rlx(head_of(q));
        } else if (gm_cas_rlx(head_of(q), &i, i + 1)) { /* relaxed: the turn orders */
            gm_link *item = gm_load_rlx(&c->item);
            gm_store_rel(&c->turn, i + q->len); /* pairs with ring_put (Q2) */
            return item;
        } else {
            gm_add_rlx(&q->retries, 1);
        }
    }
}

/* ------------------------------------------------------------------ both */

uint32_t gm_globq_size(gm_globq *q)
{
    if (q->kind == GM_GLOBQ_LIST)
        return gm_load_rlx(&q->size);        /* relaxed: who needs to be sure holds the lock */
    uint32_t head = gm_load_acq(head_of(q)); /* acquire: before tail, so that the difference is not negative */
    return gm_load_rlx(tail_of(q)) - head;
}

static void list_put(gm_globq *q, gm_list *items, uint64_t *at, bool hardware)
{
    gm_rt_lock(q->lock);
    if (at)
        *at = gm_tick_start(hardware); /* nobody else can have the items yet */
    gm_list_append(&q->list, items);
    gm_store_rlx(&q->size, q->list.n);
    gm_rt_unlock(q->lock);
}

void gm_globq_put(gm_globq *q, gm_list *items)
{
    if (q->kind == GM_GLOBQ_LIST) {
        list_put(q, items, NULL, false);
        return;
    }
    for (gm_link *item; (item = gm_list_take(items));)
        ring_put(q, item);
}

void gm_globq_put_one(gm_globq *q, gm_link *item, uint64_t *at, bool hardware)
{
    gm_list one = {0};
    if (q->kind == GM_GLOBQ_LIST) {
        gm_list_add(&one, item);
        list_put(q, &one, at, hardware);
        return;
    }
    *at = gm_tick_start(hardware);
    ring_put(q, item);
}

gm_link *gm_globq_get(gm_globq *q)
{
    if (q->kind != GM_GLOBQ_LIST)
        return ring_get(q);
    gm_rt_lock(q->lock);
    gm_link *item = gm_list_take(&q->list);
    gm_store_rlx(&q->size, q->list.n);
    gm_rt_unlock(q->lock);
    return item;
}

static void take_some(gm_globq *q, uint32_t n, gm_list *out)
{
    for (gm_link *item; n > 0; n--) {
        item = q->kind == GM_GLOBQ_LIST ? gm_list_take(&q->list) : ring_get(q);
        if (!item)
            return;
        gm_list_add(out, item);
    }
}

static uint32_t share(uint32_t size, uint32_t ps, uint32_t most)
{
    uint32_t n = size / ps + 1;
    return n < most ? n : most;
}

void gm_globq_get_share(gm_globq *q, uint32_t ps, uint32_t most, gm_list *out)
{
    if (q->kind != GM_GLOBQ_LIST) {
        take_some(q, share(gm_globq_size(q), ps, most), out);
        return;
    }
    gm_rt_lock(q->lock);
    take_some(q, share(q->list.n, ps, most), out);
    gm_store_rlx(&q->size, q->list.n);
    gm_rt_unlock(q->lock);
}
