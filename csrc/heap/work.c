/* work.c: grey objects: marked and not yet scanned.
 *
 * Mirrors runtime/mgcwork.go and lfstack.go. Who marks keeps a buffer of 253 addresses to itself; full ones, and those of who
 * stops marking, go to a stack that all take from.
 *
 *     marker --> buffer [ o o o . . ]  --full, or handed on-->  full:  b --> b --> b        empty:  b --> b
 *
 *   Q1  The stacks are lock-free: their head is the index of a buffer and a tag that grows with every change, so that a head
 *       that was seen twice is the same stack (no ABA). Buffers are never given back before the heap is: a late look at the
 *       `next` of one that somebody else has taken reads a number, which the tag then refuses.
 *   Q2  Pushing (release) pairs with taking (acquire): a buffer is seen whole.
 *   Q3  Marking is done when, with the world stopped, no buffer is full and no worker is active, and no worker has been
 *       active between the two looks (activations): a worker is active from before it takes a buffer until after it has
 *       handed its own on. Ps that assist or flush need not say so: they are stopped.
 *   Q4  No wake is missed: who pushes changes the stack and then looks for sleepers; who goes to sleep says so and then looks
 *       at the stack (both with a full fence between), and sleeps only if work_seq is what it was before that.
 *
 * The buffers lie in one reservation of address space, touched as needed: 2^20 of them, for 265 million grey objects at once.
 * An object is grey at most once, so a heap of smaller objects than that would have to exceed it by its mere size.
 */
#define _GNU_SOURCE
#include "base/futex.h"
#include "heap/heap.h"

#include <sys/mman.h>

static const size_t bufBytes = sizeof(workbuf) * (size_t)workBufs;

bool gm_work_init(gm_heap *h)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
#ifdef MAP_NORESERVE
    flags |= MAP_NORESERVE;
#endif
    void *p = mmap(NULL, bufBytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    h->bufs = p == MAP_FAILED ? NULL : p;
    return h->bufs != NULL;
}

void gm_work_destroy(gm_heap *h)
{
    munmap(h->bufs, bufBytes);
}

/* ------------------------------------------------------------------ stacks */

static uint64_t next_head(uint64_t head, uint32_t index_plus_1)
{
    return ((head >> 32) + 1) << 32 | index_plus_1;
}

static void push_buf(gm_heap *h, workstack *stack, workbuf *b)
{
    uint32_t index = (uint32_t)(b - h->bufs) + 1;
    uint64_t head = gm_load_acq(&stack->head); /* pairs with the release of another change */
    do
        gm_store_rlx(&b->next, (uint32_t)head);
    while (!gm_cas_acq_rel(&stack->head, &head, next_head(head, index))); /* release pairs with pop_buf (Q2) */
}

static workbuf *pop_buf(gm_heap *h, workstack *stack)
{
    uint64_t head = gm_load_acq(&stack->head); /* pairs with push_buf (Q2) */
    while ((uint32_t)head) {
        workbuf *b = &h->bufs[(uint32_t)head - 1];
        uint32_t next = gm_load_rlx(&b->next);
        if (gm_cas_acq_rel(&stack->head, &head, next_head(head, next))) /* acquire pairs with push_buf (Q2) */
            return b;
    }
    return NULL;
}

static bool is_empty(workstack *stack)
{
    return (uint32_t)gm_load_seq_cst(&stack->head) == 0;
}

static workbuf *empty_buf(gm_heap *h)
{
    workbuf *b = pop_buf(h, &h->empty);
    if (!b)
        b = &h->bufs[gm_add_rlx(&h->nbufs, 1)]; /* relaxed: a number that only one gets */
    b->n = 0;
    return b;
}

/* ------------------------------------------------------------------ a marker's buffer */

static void publish(gm_heap *h, workbuf *b)
{
    push_buf(h, &h->full, b);
    gm_fence_seq_cst(); /* Q4 */
    if (gm_load_rlx(&h->work_waiters) == 0)
        return;
    gm_add_seq_cst(&h->work_seq, 1);
    gm_futex_wake_all(&h->work_seq);
}

void gm_work_push(marker *k, uintptr_t object)
{
    if (k->buf && k->buf->n == workEntries) {
        publish(k->h, k->buf);
        k->buf = NULL;
    }
    if (!k->buf)
        k->buf = empty_buf(k->h);
    k->buf->entries[k->buf->n++] = object;
}

/* The half of a buffer, if others have nothing to do. */
static void share(marker *k)
{
    gm_heap *h = k->h;
    if (k->buf->n < 2 || gm_load_rlx(&h->work_waiters) == 0 || !is_empty(&h->full))
        return;
    workbuf *half = empty_buf(h);
    half->n = k->buf->n / 2;
    k->buf->n -= half->n;
    memcpy(half->entries, k->buf->entries + k->buf->n, half->n * sizeof *half->entries);
    publish(h, half);
}

/* A grey object of the marker's own, or of others. */
bool gm_work_take(marker *k, uintptr_t *object)
{
    gm_heap *h = k->h;
    if (!k->buf || k->buf->n == 0) {
        workbuf *b = pop_buf(h, &h->full);
        if (!b)
            return false;
        if (k->buf)
            push_buf(h, &h->empty, k->buf);
        k->buf = b;
    }
    share(k);
    *object = k->buf->entries[--k->buf->n];
    return true;
}

/* What the marker has goes to all. */
void gm_work_hand_on(marker *k)
{
    if (k->buf && k->buf->n > 0)
        publish(k->h, k->buf);
    else if (k->buf)
        push_buf(k->h, &k->h->empty, k->buf);
    k->buf = NULL;
}

/* ------------------------------------------------------------------ who works, and when it is over */

void gm_active_begin(gm_heap *h)
{
    gm_add_seq_cst(&h->activations, 1); /* Q3 */
    gm_add_seq_cst(&h->active, 1);
}

void gm_active_end(gm_heap *h)
{
    if (gm_sub_seq_cst(&h->active, 1) != 1) /* Q3 */
        return;
    gm_add_seq_cst(&h->idle_seq, 1);
    gm_futex_wake_all(&h->idle_seq);
}

bool gm_work_none(gm_heap *h)
{
    return is_empty(&h->full) && gm_load_seq_cst(&h->active) == 0;
}

bool gm_work_done(gm_heap *h)
{
    uint32_t before = gm_load_seq_cst(&h->activations);
    return gm_load_seq_cst(&h->active) == 0 && gm_work_none(h) && gm_load_seq_cst(&h->activations) == before; /* Q3 */
}

/* Sleeps until there may be something to take, or marking is over. */
void gm_work_wait(gm_heap *h)
{
    uint32_t seq = gm_load_seq_cst(&h->work_seq);
    gm_add_seq_cst(&h->work_waiters, 1);
    gm_fence_seq_cst(); /* Q4 */
    if (is_empty(&h->full) && gm_load_seq_cst(&h->mark_gen) % 2)
        gm_futex_wait(&h->work_seq, seq);
    gm_sub_seq_cst(&h->work_waiters, 1);
}
