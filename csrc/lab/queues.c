/* queues.c: what it takes to put something into the global run queue, by kind, threads and length; no scheduler beside it.
 *
 *     fill: length items      each of n threads:  put one, take one, put one, ...      it stays length to length + n long
 *
 * Both ends are moved by every thread, as the Ps of a scheduler do that yield. The queue is that of sched/globq.c with a lock
 * of its own, Go's list or the article's ring.
 *
 *   L1  All threads begin together, and each says how long its rounds took: waiting for the others to begin is not in it.
 *   L2  Every 16th put is timed alone as well. The clock's own time is in that and in no other.
 *   L3  No item is lost or doubled: at the end the queue holds as many as at the beginning, which is checked.
 */
#include "base/alloc.h"
#include "base/histogram.h"
#include "base/thread.h"
#include "base/ticks.h"
#include "sched/globq.h"

enum { mostThreads = 64, timedEvery = 16 };

typedef struct queue_bench {
    gm_queue_config c;
    gm_rt_mutex lock;
    gm_globq q;
    gm_link *items; /* length, and one of each thread's */
    _Alignas(128) _Atomic uint32_t numbers, waiting, unpinned;
    _Atomic uint64_t ns;
    gm_hist *hists[mostThreads];
    gm_thread threads[mostThreads];
} queue_bench;

static gm_link *take(gm_globq *q)
{
    gm_link *item;
    while (!(item = gm_globq_get(q))) /* another's is drawn and not written yet (Q4 in globq.c) */
        gm_relax();
    return item;
}

static void put(gm_globq *q, gm_link *item)
{
    gm_list one = {0};
    gm_list_add(&one, item);
    gm_globq_put(q, &one);
}

static void timed_put(queue_bench *b, const gm_ticks *t, uint32_t number, gm_link *item)
{
    uint64_t from = gm_tick_start(t->hardware);
    put(&b->q, item);
    uint64_t to = gm_tick_end(t->hardware);
    gm_hist_count(b->hists[number], gm_hist_half_bits_3, to > from ? gm_ticks_to_ns(t, to - from) : 0);
}

static void await_all(queue_bench *b)
{
    gm_sub_acq_rel(&b->waiting, 1);  /* acquire and release: all see what each has prepared */
    while (gm_load_acq(&b->waiting)) /* pairs with the last one's */
        gm_yield();
}

static void *put_and_take(void *bench)
{
    queue_bench *b = bench;
    uint32_t number = gm_add_rlx(&b->numbers, 1); /* relaxed: a number to draw */
    gm_link *item = &b->items[b->c.length + number];
    gm_ticks t;
    if (b->c.ncpus && !gm_thread_pin(b->c.cpus[number % b->c.ncpus]))
        gm_store_rlx(&b->unpinned, 1); /* relaxed: read when all are joined */
    gm_ticks_calibrate(&t, gm_ticks_hardware());
    await_all(b);
    uint64_t began = gm_now_ns();
    for (uint64_t i = 0; i < b->c.rounds; i++) {
        if (i % timedEvery == 0)
            timed_put(b, &t, number, item);
        else
            put(&b->q, item);
        item = take(&b->q);
    }
    gm_add_rlx(&b->ns, gm_now_ns() - began); /* relaxed: as above */
    return NULL;
}

static bool valid(const gm_queue_config *c)
{
    return c->kind <= GM_GLOBQ_RING_PADDED && c->threads >= 1 && c->threads <= mostThreads && c->length <= 1 << 16 &&
           c->rounds > 0;
}

/* Whoever was not started is not waited for. */
static int run_all(queue_bench *b)
{
    gm_spawner by = gm_spawner_default();
    uint32_t made = 0;
    gm_store_rlx(&b->waiting, b->c.threads); /* nobody else is there yet */
    while (made < b->c.threads && by.start(by.ctx, put_and_take, b, &b->threads[made]) == GM_OK)
        made++;
    if (made < b->c.threads)
        gm_sub_rel(&b->waiting, b->c.threads - made); /* pairs with await_all */
    for (uint32_t i = 0; i < made; i++)
        by.join(by.ctx, b->threads[i]);
    return made < b->c.threads ? GM_E_THREAD : gm_load_rlx(&b->unpinned) ? GM_E_PIN : GM_OK;
}

static void tell(queue_bench *b, gm_queue_times *out, gm_hist *puts)
{
    *out = (gm_queue_times){
        .ns = gm_load_rlx(&b->ns),
        .puts = b->c.rounds * b->c.threads,
        .retries = gm_load_rlx(&b->q.retries),
        .contended = gm_load_rlx(&b->lock.contended),
        .slept = gm_load_rlx(&b->lock.slept),
        .left = gm_globq_size(&b->q),
    };
    for (uint32_t i = 0; i < b->c.threads; i++)
        gm_hist_add(puts, b->hists[i]);
}

static int make_room(queue_bench *b, const gm_alloc *a)
{
    uint32_t len = 2, n = b->c.length + b->c.threads;
    while (len < n)
        len *= 2;
    b->items = a->zalloc(a->ctx, n * sizeof *b->items);
    for (uint32_t i = 0; i < b->c.threads; i++) {
        if (!(b->hists[i] = gm_hist_new(3, GM_QUEUE_HIGHEST_NS)))
            return GM_E_NOMEM;
    }
    return b->items ? gm_globq_init(&b->q, b->c.kind, len, &b->lock, a) : GM_E_NOMEM;
}

static void free_bench(queue_bench *b, const gm_alloc *a)
{
    gm_globq_free(&b->q);
    for (uint32_t i = 0; i < b->c.threads; i++)
        gm_hist_free(b->hists[i]);
    if (b->items)
        a->release(a->ctx, b->items, (b->c.length + b->c.threads) * sizeof *b->items);
    gm_release_lines(a, b, sizeof *b);
}

int gm_time_globq(const gm_queue_config *c, gm_queue_times *out, gm_hist *puts)
{
    gm_alloc a = gm_alloc_default();
    if (!valid(c))
        return GM_E_ARGUMENT;
    queue_bench *b = gm_zalloc_lines(&a, sizeof *b);
    if (!b)
        return GM_E_NOMEM;
    b->c = *c;
    int status = make_room(b, &a);
    for (uint32_t i = 0; status == GM_OK && i < c->length; i++)
        put(&b->q, &b->items[i]);
    if (status == GM_OK)
        status = run_all(b);
    if (status == GM_OK)
        tell(b, out, puts);
    free_bench(b, &a);
    return status;
}
