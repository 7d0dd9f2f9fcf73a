/* history.c: records what many threads do to a few keys of one map.
 *
 *     thread 0   |--store k=3 a1-> was nothing--|    |--load k=3 -> b1--|
 *     thread 1           |--store k=3 b1-> was a1--|
 *     ballast    store 10000, 10001, .. 13199, delete 10000, .. 13199, store 13200, ..
 *
 * Each thread draws keys and operations, does each by one call of the map's table (map/variant.h), and writes down all that
 * went in and came out, with a stamp from before the call and one from after it. lab/linear.c then asks whether there is an
 * order of the calls, within their stamps, in which every answer is right.
 *
 * Calls meet only if there are few keys; a map changes its shape only if there are many. So one more thread, which is not
 * recorded, stores and deletes `ballast` other keys in waves, so that the table grows and shrinks, promotes or prunes under the
 * keys that are looked at. Its keys are new in each wave: in a classic map, which does not shrink, they leave overflow buckets
 * behind until it grows to the same size. The recorded threads wait for the waves where they are ahead of them, so that these
 * are spread over the whole history on any machine.
 *
 *   R1  Every stored value is unique: the thread's number and a counter. So an answer tells which store it saw. (An addend is
 *       unique in the same way; a sum is then so nearly always. The checker does not depend on it.)
 *   R2  `expected` of a comparison is the value that the thread saw or stored last under that key: sometimes it is still there.
 *   R3  The first stamp is read before anything of the call is done, the second after everything is done and to be seen by all
 *       (T3 in base/ticks.c). Stamps of the CPU's clock rest on the cores' counters agreeing; stamps of a shared counter on
 *       nothing, but each is a write of one line by all, which keeps the threads in step. Both fence the call: a
 *       reordering that lasts no longer than from a store to the next call is not caught by histories.
 *   R4  Before it begins, keys 0 .. keyspace-1 are deleted; keys 0 .. size-1 are then stored by recorded operations, by a
 *       thread whose number is the number of threads.
 *   R5  Nothing is allocated, locked or shared between the calls, but for the wait for the waves.
 *
 * Rejected: recording in the engine's worker (lab/worker.c): it would be a third way through its loop, and its operations throw
 * their answers away.
 */
#include "lab/call.inc.h"

#include "base/alloc.h"
#include "base/atomics.h"
#include "base/rng.h"
#include "base/thread.h"
#include "base/ticks.h"
#include "lab/feed.h"
#include "sync/sync.h"

#include <sched.h>
#include <string.h>

enum { DRAWN = 256, MOST_THREADS = 1024, VALUE_BITS = 40 };
static const uint64_t MOST_KEYS = 1 << 16, SECOND_NS = 1000000000;

/* What all threads share. */
typedef struct recording {
    const gm_history_config *c;
    gm_alloc alloc;
    gm_spawner spawner;
    gm_codec codec;
    const gm_variant *v;
    gm_ticks ticks;
    gm_gate gate;
    _Atomic int stop;        /* relaxed: a hint, it carries no data */
    _Atomic uint64_t waves;  /* done; relaxed: a number, ordering nothing */
    _Atomic int ballast_bad; /* the first error of the ballast's; read after the join */
    _Alignas(128) _Atomic uint64_t stamp;
    char apart[128];
} recording;

typedef struct thread {
    recording *r;
    uint32_t number;
    const gm_history_lane *lane;
    uint64_t below[GM_HISTORY_OPS]; /* a draw below it is of that operation, or an earlier one */
    gm_stream *keys;
    gm_xoshiro kinds;
    uint64_t stored; /* values so far */
    int64_t *seen;   /* by key (R2) */
    gm_history_event *events;
} thread;

/* ------------------------------------------------------------------ one operation */

/* R3. The shared counter's addition is acquire and release, and a full fence beside it: pairs with the other threads' own. */
static uint64_t stamp(recording *r, bool before)
{
    if (!r->c->counter)
        return before ? gm_tick_before(r->ticks.hardware) : gm_tick_after(r->ticks.hardware);
    gm_fence_seq_cst();
    uint64_t now = gm_add_acq_rel(&r->stamp, 1);
    gm_fence_seq_cst();
    return now;
}

/* What the thread knows of the key afterwards (R2). */
static void learn(thread *t, const gm_history_event *e)
{
    gm_held held = {e->status == GM_OK, e->op == GM_HISTORY_COMPARE_AND_SWAP ? e->expected : e->answer};
    if (e->op == GM_HISTORY_ADD)
        held = (gm_held){true, e->answer};
    else if (gm_event_changes(e) && !gm_event_fits(e, &held))
        return;
    if (held.present)
        t->seen[e->key] = held.value;
}

static void operate(thread *t, gm_history_event *e, uint8_t op, int64_t key)
{
    recording *r = t->r;
    unsigned char content[gm_key_bytes];
    int64_t value = (int64_t)((uint64_t)(t->number + 1) << VALUE_BITS | ++t->stored);
    *e = (gm_history_event){.key = key, .thread = t->number, .op = op};
    if (op != GM_HISTORY_LOAD && op != GM_HISTORY_DELETE && op != GM_HISTORY_COMPARE_AND_DELETE)
        e->value = value;
    if (op == GM_HISTORY_COMPARE_AND_SWAP || op == GM_HISTORY_COMPARE_AND_DELETE)
        e->expected = t->seen[key];
    gm_codec_write(&r->codec, (uint64_t)key, false, content);
    e->start = stamp(r, true);
    int status = gm_event_call(r->v, r->c->target, e, content, r->codec.size);
    e->end = stamp(r, false);
    e->status = (int8_t)status;
    if (status >= 0)
        learn(t, e);
}

/* ------------------------------------------------------------------ the threads */

static uint8_t draw_op(thread *t)
{
    uint64_t drawn = gm_xoshiro_next(&t->kinds);
    uint8_t op = 0;
    while (drawn >= t->below[op] && op + 1 < GM_HISTORY_OPS)
        op++;
    return op;
}

/* Before operation i: waits until the ballast is as far. */
static void await_waves(const thread *t, uint64_t i)
{
    uint64_t step = t->lane->ops / t->r->c->waves, due;
    step = step ? step : 1;
    due = i / step < t->r->c->waves ? i / step : t->r->c->waves;
    while (gm_load_rlx(&t->r->waves) < due && !gm_load_rlx(&t->r->stop))
        sched_yield();
}

static void *thread_main(void *arg)
{
    thread *t = arg;
    int64_t drawn[DRAWN];
    gm_gate_arrive(&t->r->gate);
    for (uint64_t i = 0; i < t->lane->ops; i++) {
        if (t->r->c->waves)
            await_waves(t, i);
        if (gm_load_rlx(&t->r->stop))
            break;
        if (i % DRAWN == 0)
            gm_stream_draw(t->keys, drawn, DRAWN);
        operate(t, &t->events[i], draw_op(t), drawn[i % DRAWN]);
    }
    gm_gate_leave(&t->r->gate);
    return NULL;
}

/* One key of the ballast; those of a wave are new, as long as there are new ones. */
static int ballast_key(recording *r, uint64_t n, bool store)
{
    unsigned char key[gm_key_bytes];
    uint64_t first = r->c->keyspace, most = gm_codec_most(&r->codec);
    int64_t value = -1;
    gm_codec_write(&r->codec, first + n % (most - first), false, key);
    return store ? r->v->assign(r->c->target, key, r->codec.size, &value, NULL)
                 : r->v->del(r->c->target, key, r->codec.size, NULL);
}

static void *ballast_main(void *arg)
{
    recording *r = arg;
    int status = GM_OK;
    gm_gate_arrive(&r->gate);
    for (uint64_t wave = 0; !gm_load_rlx(&r->stop) && status >= 0; wave++) {
        for (uint64_t i = 0; i < 2 * r->c->ballast && status >= 0; i++)
            status = ballast_key(r, wave * r->c->ballast + i % r->c->ballast, i < r->c->ballast);
        gm_store_rlx(&r->waves, wave + 1);
    }
    if (status < 0) {
        gm_store_rlx(&r->ballast_bad, status);
        gm_store_rlx(&r->stop, 1);
    }
    gm_gate_leave(&r->gate);
    return NULL;
}

/* ------------------------------------------------------------------ conducting */

/* R4 */
static int prepare(recording *r, gm_history_event *events)
{
    thread first = {.r = r, .number = r->c->threads};
    unsigned char key[gm_key_bytes];
    int64_t *seen = first.seen = r->alloc.zalloc(r->alloc.ctx, r->c->keyspace * sizeof *seen);
    int status = seen ? GM_OK : GM_E_NOMEM;
    for (uint64_t i = 0; i < r->c->keyspace && status >= 0; i++) {
        gm_codec_write(&r->codec, i, false, key);
        status = r->v->del(r->c->target, key, r->codec.size, NULL);
    }
    for (uint64_t i = 0; i < r->c->size && status >= 0; i++) {
        operate(&first, &events[i], GM_HISTORY_STORE, (int64_t)i);
        status = events[i].status;
    }
    if (seen)
        r->alloc.release(r->alloc.ctx, seen, r->c->keyspace * sizeof *seen);
    return status < 0 ? status : GM_OK;
}

static void await_all(recording *r, uint32_t n)
{
    while (!gm_gate_wait(&r->gate, n, SECOND_NS))
        ;
}

/* Starts all, lets them go together, and stops the ballast when the others are done. */
static int drive(recording *r, thread *threads, gm_thread *handles)
{
    int status = GM_OK;
    bool ballast = r->c->ballast > 0;
    uint32_t n = 0, all = r->c->threads + ballast;
    for (; n < all && status == GM_OK; n += status == GM_OK)
        status = n < r->c->threads ? r->spawner.start(r->spawner.ctx, thread_main, &threads[n], &handles[n])
                                   : r->spawner.start(r->spawner.ctx, ballast_main, r, &handles[n]);
    if (status != GM_OK)
        gm_store_rlx(&r->stop, 1);
    await_all(r, n);
    gm_gate_open(&r->gate);
    await_all(r, n < r->c->threads ? n : r->c->threads);
    gm_store_rlx(&r->stop, 1);
    for (uint32_t i = 0; i < n; i++)
        r->spawner.join(r->spawner.ctx, handles[i]);
    int bad = gm_load_rlx(&r->ballast_bad);
    return status != GM_OK ? status : bad;
}

/* ------------------------------------------------------------------ making */

static bool set_mix(thread *t)
{
    double sum = 0;
    for (int op = 0; op < GM_HISTORY_OPS; op++) {
        if (!(t->lane->mix[op] >= 0))
            return false;
        sum += t->lane->mix[op];
        t->below[op] = sum / 100 >= 1 ? UINT64_MAX : (uint64_t)(sum / 100 * 0x1p64);
    }
    return sum > 99.999999 && sum < 100.000001;
}

static int make_thread(recording *r, thread *t, uint32_t number, gm_history_event *events)
{
    gm_stream_config keys = r->c->lanes[number].keys;
    *t = (thread){.r = r, .number = number, .lane = &r->c->lanes[number], .events = events};
    keys.n = r->c->keyspace;
    keys.seed = gm_seed_of(r->c->seed, 4 * (uint64_t)number);
    gm_xoshiro_seed(&t->kinds, gm_seed_of(r->c->seed, 4 * (uint64_t)number + 1));
    if (!set_mix(t))
        return GM_E_ARGUMENT;
    t->keys = gm_stream_new(&keys);
    if (!t->keys)
        return GM_E_ARGUMENT;
    t->seen = r->alloc.zalloc(r->alloc.ctx, r->c->keyspace * sizeof *t->seen);
    return t->seen ? GM_OK : GM_E_NOMEM;
}

static void drop_threads(recording *r, thread *threads)
{
    for (uint32_t i = 0; i < r->c->threads; i++) {
        gm_stream_free(threads[i].keys);
        if (threads[i].seen)
            r->alloc.release(r->alloc.ctx, threads[i].seen, r->c->keyspace * sizeof *threads[i].seen);
    }
}

static int make_and_drive(recording *r, thread *threads, gm_thread *handles, gm_history_event *events)
{
    int status = prepare(r, events);
    events += r->c->size;
    for (uint32_t i = 0; i < r->c->threads && status == GM_OK; i++) {
        status = make_thread(r, &threads[i], i, events);
        events += r->c->lanes[i].ops;
    }
    if (status == GM_OK)
        status = drive(r, threads, handles);
    drop_threads(r, threads);
    return status;
}

/* With the table that a run of the engine would be given. */
static int record_in(recording *r, gm_history_event *events)
{
    const gm_history_config *c = r->c;
    const gm_variant *base = r->v;
    gm_usage_plan plan = {.threads = c->threads + (c->ballast > 0), .exclusive = c->threads + (c->ballast > 0)};
    size_t size = c->threads * sizeof(thread), handle_size = (c->threads + 1) * sizeof(gm_thread);
    thread *threads = r->alloc.zalloc(r->alloc.ctx, size);
    gm_thread *handles = r->alloc.zalloc(r->alloc.ctx, handle_size);
    int status = threads && handles ? base->enter(c->target) : GM_E_NOMEM;
    if (status == GM_OK) {
        r->v = base->begin(c->target, &plan);
        status = make_and_drive(r, threads, handles, events);
        base->end(c->target);
        base->leave(c->target);
    }
    if (threads)
        r->alloc.release(r->alloc.ctx, threads, size);
    if (handles)
        r->alloc.release(r->alloc.ctx, handles, handle_size);
    return status;
}

static bool sound(recording *r)
{
    const gm_history_config *c = r->c;
    r->v = c->table ? c->table : gm_variant_of(c->variant);
    return r->v && c->target && c->threads > 0 && c->threads <= MOST_THREADS && c->keyspace > 0 && c->keyspace <= MOST_KEYS &&
           c->size <= c->keyspace && gm_codec_of(&r->codec, c->key_kind, c->key_size) &&
           c->keyspace < gm_codec_most(&r->codec) && (c->ballast > 0 || c->waves == 0);
}

int gm_history_record(const gm_history_config *c, gm_history_event *events, gm_history_totals *out)
{
    recording r = {.c = c, .alloc = c->alloc ? *c->alloc : gm_alloc_default()};
    r.spawner = c->spawner ? *c->spawner : gm_spawner_default();
    if (!sound(&r))
        return GM_E_ARGUMENT;
    if (!gm_gate_init(&r.gate))
        return GM_E_NOMEM;
    gm_ticks_calibrate(&r.ticks, gm_ticks_hardware() && !c->counter);
    int status = record_in(&r, events);
    gm_gate_destroy(&r.gate);
    *out = (gm_history_totals){
        .waves = gm_load_rlx(&r.waves), .hardware = r.ticks.hardware, .ns_per_stamp = c->counter ? 0 : r.ticks.ns_per_tick};
    return status;
}
