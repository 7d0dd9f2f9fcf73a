/* epoch.c: epochs: what has been unlinked is freed when all who were inside at that time have left.
 *
 * A thread that is about to look at shared memory says so by a store of its own, and takes it back when it is done. Whoever
 * unlinks a block retires it; a collector frees it when no thread can be left that was inside before.
 *
 *     domain    epoch 7    busy    limbo: oldest [5][5][6][6][6] newest       sealed: with the epoch they were sealed in
 *       |
 *     chunk --> slot  announced 6   pending -> [ ][ ]          a thread inside since epoch 6: holds up 6 and later
 *               slot  announced 0   pending -> [ ]             a thread outside
 *               slot  announced 7   pending                    one that came after 6 was sealed
 *               ...16 to a chunk, each on lines of its own; chunks are added in front and never taken away
 *
 *   enter     announces the domain's epoch in the thread's slot
 *   leave     announces 0; now and then collects
 *   retire    pushes onto the slot's pending list
 *   collect   one thread at a time, who does not get in goes away. Takes the pending lists of all slots, seals them with the
 *             present epoch e at the end of limbo, and makes the epoch e + 1. Then looks for the oldest announcement, and frees
 *             what was sealed before that
 *
 * A slot belongs to a thread: its owner word holds a number that no other thread of the process ever has, and the system's
 * number of the thread. A thread finds its slot in a small thread-local cache under the domain's number, which no other domain
 * ever has: so an entry for a domain that is gone is never looked at. Slots are not given back. When all are taken, one whose
 * thread is no more is taken over (Linux can tell), so there are at most as many as threads lived at once, rounded up.
 *
 * THE BARRIER. The announcement must be visible before the first load that follows it, which no machine promises of a plain
 * store. Where there is membarrier, the reader does nothing (but for the compiler), and the collector has the system run a
 * full barrier on every CPU that runs a thread of the process. Elsewhere the reader pays a fence.
 *
 * ORDER
 *   O1  What is unlinked before it is retired is unlinked for everybody who enters in a later epoch than it is sealed in:
 *       push (release) - take (acquire) - epoch + 1 (release) - enter's load of the epoch (acquire).
 *   O2  Who has announced e or less when a list is sealed with e may hold what is in it: the collector sees that announcement,
 *       and frees nothing sealed with e. For the announcement was either executed before the barrier on that CPU, then the
 *       look after the barrier sees it; or after, then all loads of that reader are after the barrier, which is after the
 *       unlinking: it cannot reach what was unlinked. Slots and chunks are published before anything is announced in them.
 *   O3  leave (release) - the collector's look (acquire): all that the reader did happened before the block is freed. So it is
 *       when the look finds a later announcement of the same thread, which is a release too (free on x86; it needs to be one
 *       for the language only).
 *   O4  An old epoch may be announced: the thread slept between the load and the store. That only delays.
 *   O5  busy guards limbo: swap (acquire), store (release).
 *   O6  A slot is taken over by a compare-and-swap on the owner word that was found: owners are unique, so nobody else can have
 *       taken it in between, and a thread whose slot was taken over is dead. In a child after fork the threads' numbers mean
 *       nothing: no slot is taken over there in a domain of the parent's.
 *
 * PROGRESS
 *   P1  enter, leave without a collection: a dozen instructions, no loop, no write to a line that others write. The first
 *       enter of a thread searches for a slot.
 *   P2  retire: a push that can fail only as often as a collector takes the list.
 *   P3  Nobody waits for anybody. A thread that stays inside, or a collector that is not run, delays freeing only.
 *   P4  Garbage is bounded while nobody stays inside: a thread looks after 64 retirements or 256 leaves, up to 16 times later
 *       where that was in vain. It collects if it has retired something since it looked last; or if there is garbage that
 *       nobody has added to or taken from since then. So whoever only reads pays for the barrier and for freeing once those
 *       who write have stopped, not beside them.
 *   P5  A collection in leave frees at most 256 blocks: the rest waits for the next. gm_epoch_collect frees all it can.
 *
 * Divergence: outside of Linux slots of dead threads are not found, so there are as many as threads ever came.
 *
 * Rejected: hazard pointers (a fence, or this barrier, for every pointer followed, and chains must be validated at each step);
 * three epochs that advance when all have announced the present one (the same bound, but one thread more has to come by before
 * anything is freed); sealing in retire (an atomic addition to a line that all readers load).
 */
#include "sync/epoch.h"

#include "base/probe.h"

#include <errno.h>
#include <unistd.h>

#if defined(__linux__)
#include <linux/membarrier.h>
#include <signal.h>
#include <sys/syscall.h>
#endif

enum { line = gm_epoch_line, chunkSlots = 16, tidBits = 24 };
#if defined(GM_EXPLORE)
enum { retireWork = 1, leastPatience = 1, mostPatience = 1 }; /* whoever leaves collects: that is to be explored too */
#else
enum { retireWork = 4, leastPatience = 256, mostPatience = 4096 };
#endif
enum { mostReleased = 256, mostRounds = 1024 };

typedef struct chunk {
    struct chunk *next;
    void *raw; /* as allocated */
    gm_epoch_slot slots[chunkSlots];
} chunk;

struct gm_epochs {
    gm_epoch_gate gate; /* read by all, the epoch written by collectors */
    chunk *_Atomic chunks;
    gm_alloc alloc;
    void *owner, *raw;
    long pid;
    _Alignas(line) _Atomic uint32_t busy; /* guards limbo */
    gm_retired *limbo, **limbo_end;
    gm_retired *_Atomic orphans; /* retired by threads that got no slot */
    _Atomic uint64_t orphaned, freed;
};

static GM_PROCESS_WIDE _Atomic uint64_t domains, threads; /* numbers given out so far */

static GM_THREAD_LOCAL uint64_t own_number;
GM_THREAD_LOCAL gm_epoch_cache gm_epoch_slots[gm_epoch_cached];

/* ------------------------------------------------------------------ the system */

#if defined(__linux__) && defined(SYS_membarrier) && !defined(GM_NO_MEMBARRIER) /* the last for tests */
static bool membarrier_register(void)
{
    int saved = errno;
    bool ok = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
    errno = saved;
    return ok;
}

static bool membarrier_issue(void)
{
    int saved = errno;
    bool ok = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
    errno = saved;
    return ok;
}
#else
static bool membarrier_register(void)
{
    return false;
}

static bool membarrier_issue(void)
{
    return false;
}
#endif

#if defined(__linux__) && !defined(GM_EXPLORE) /* whose threads are none of the system's */
static uint64_t own_tid(void)
{
    return (uint64_t)syscall(SYS_gettid) & ((1u << tidBits) - 1);
}

static bool is_dead(uint64_t owner)
{
    int saved = errno;
    long tid = (long)(owner & ((1u << tidBits) - 1));
    bool dead = tid && syscall(SYS_tgkill, (long)getpid(), tid, 0L) != 0 && errno == ESRCH;
    errno = saved;
    return dead;
}
#else
static uint64_t own_tid(void)
{
    return 0;
}

static bool is_dead(uint64_t owner)
{
    (void)owner;
    return false;
}
#endif

/* ------------------------------------------------------------------ domains */

/* Zeroed memory on a line of its own; allocators align to 16 bytes only. */
static void *aligned_new(const gm_alloc *a, size_t size, void **raw)
{
    *raw = a->zalloc(a->ctx, size + line);
    return *raw ? (void *)(((uintptr_t)*raw + line - 1) & ~(uintptr_t)(line - 1)) : NULL;
}

static void aligned_free(const gm_alloc *a, size_t size, void *raw)
{
    a->release(a->ctx, raw, size + line);
}

int gm_epochs_new(const gm_alloc *alloc, void *owner, gm_epochs **out)
{
    void *raw;
    gm_epochs *e = aligned_new(alloc, sizeof *e, &raw);
    *out = e;
    if (!e)
        return GM_E_NOMEM;
    e->raw = raw;
    e->alloc = *alloc;
    e->owner = owner;
    e->pid = (long)getpid();
    e->limbo_end = &e->limbo;
    e->gate.membarrier = membarrier_register();
    e->gate.id = gm_add_rlx(&domains, 1) + 1; /* relaxed: a number, ordering nothing */
    gm_store_rlx(&e->gate.epoch, 1);          /* before anybody knows the domain */
    return GM_OK;
}

static void release_all(gm_epochs *e, gm_retired *r)
{
    uint64_t n = 0;
    for (gm_retired *next; r; r = next, n++) {
        next = r->next;
        r->release(e->owner, r);
    }
    gm_add_rlx(&e->freed, n); /* a number to look at */
}

/* ------------------------------------------------------------------ slots */

/* What a thread's owner word begins with, told apart from all other threads'. */
static uint64_t number_of_thread(void)
{
    if (!own_number)
        own_number = gm_add_rlx(&threads, 1) + 1; /* relaxed: a number, ordering nothing */
    return own_number;
}

enum whose { MINE, FREE, DEAD };

static bool fits(uint64_t owner, enum whose whose)
{
    if (whose == MINE)
        return owner >> tidBits == number_of_thread();
    return whose == FREE ? owner == 0 : owner != 0 && is_dead(owner);
}

static void become_owner(gm_epoch_slot *s)
{
    gm_store_rlx(&s->announced, 0); /* whoever had it left, or died inside and holds nothing any more */
    gm_store_rlx(&s->nested, 0);
    gm_store_rlx(&s->work, leastPatience);
    gm_store_rlx(&s->patience, leastPatience);
}

/* Finds a slot of that sort, and makes it the thread's own. */
static gm_epoch_slot *take(gm_epochs *e, enum whose whose)
{
    for (chunk *c = gm_load_acq(&e->chunks); c; c = c->next) { /* pairs with add_chunk */
        for (int i = 0; i < chunkSlots; i++) {
            gm_epoch_slot *s = &c->slots[i];
            uint64_t owner = gm_load_rlx(&s->owner);
            if (!fits(owner, whose))
                continue;
            if (whose == MINE)
                return s;
            if (gm_cas_acq(&s->owner, &owner, number_of_thread() << tidBits | own_tid())) { /* O6 */
                become_owner(s);
                return s;
            }
        }
    }
    return NULL;
}

static bool add_chunk(gm_epochs *e)
{
    void *raw;
    chunk *c = aligned_new(&e->alloc, sizeof *c, &raw);
    if (!c)
        return false;
    c->raw = raw;
    for (int i = 0; i < chunkSlots; i++)
        c->slots[i].domain = e;
    c->next = gm_load_acq(&e->chunks);
    while (!gm_cas_acq_rel(&e->chunks, &c->next, c)) /* release pairs with take and oldest; acquire with another add_chunk */
        ;
    return true;
}

gm_epoch_slot *gm_epoch_slot_search(gm_epochs *e)
{
    gm_epoch_slot *s = take(e, MINE);
    if (!s)
        s = take(e, FREE);
    if (!s && e->pid == (long)getpid())
        s = take(e, DEAD);
    while (!s && add_chunk(e)) /* again if others have taken all of it at once */
        s = take(e, FREE);
    if (s) {
        gm_epoch_slots[e->gate.id % gm_epoch_cached] = (gm_epoch_cache){e->gate.id, s};
    }
    return s;
}

/* A thread that comes for the first time, or is inside already. */
gm_epoch_slot *gm_epoch_enter_slowly(gm_epochs *e)
{
    gm_epoch_slot *s = gm_epoch_slot_of(e);
    if (!s)
        return NULL;
    if (gm_load_rlx(&s->announced)) { /* the owner's alone to write, as nested is */
        gm_store_rlx(&s->nested, gm_load_rlx(&s->nested) + 1);
        return s;
    }
    uint64_t epoch = gm_load_acq(&e->gate.epoch); /* pairs with seal (O1) */
    gm_store_rel(&s->announced, epoch);           /* pairs with oldest (O2, O3) */
    gm_epoch_fence(&e->gate);
    return s;
}

/* ------------------------------------------------------------------ collecting */

static void push(gm_retired *_Atomic *list, gm_retired *r)
{
    r->next = gm_load_rlx(list);
    while (!gm_cas_rel(list, &r->next, r)) /* pairs with seal_list (O1) */
        ;
}

static void seal_list(gm_epochs *e, gm_retired *_Atomic *list, uint64_t epoch)
{
    if (!gm_load_rlx(list)) /* relaxed: what comes now is for the next time */
        return;
    gm_retired *r = gm_swap_acq(list, NULL); /* pairs with push (O1) */
    *e->limbo_end = r;
    for (; r; r = r->next) {
        r->epoch = epoch;
        e->limbo_end = &r->next;
    }
}

/* Under busy. */
static void seal(gm_epochs *e)
{
    gm_retired **before = e->limbo_end;
    uint64_t epoch = gm_load_rlx(&e->gate.epoch); /* changed under busy only */
    seal_list(e, &e->orphans, epoch);
    for (chunk *c = gm_load_acq(&e->chunks); c; c = c->next) /* pairs with add_chunk */
        for (int i = 0; i < chunkSlots; i++)
            seal_list(e, &c->slots[i].pending, epoch);
    if (e->limbo_end != before)
        gm_add_acq_rel(&e->gate.epoch, 1); /* release pairs with enter (O1) */
}

static uint64_t oldest(gm_epochs *e)
{
    uint64_t least = UINT64_MAX;
    for (chunk *c = gm_load_acq(&e->chunks); c; c = c->next) { /* pairs with add_chunk */
        for (int i = 0; i < chunkSlots; i++) {
            uint64_t a = gm_load_acq(&c->slots[i].announced); /* pairs with leave (O3) */
            if (a && a < least)
                least = a;
        }
    }
    return least;
}

static bool barrier(gm_epochs *e)
{
    if (e->gate.membarrier)
        return membarrier_issue();
    gm_fence_seq_cst(); /* pairs with the one in enter (O2) */
    return true;
}

/* Under busy: takes up to `most` blocks out of limbo that nobody can hold. */
static gm_retired *take_safe(gm_epochs *e, uint64_t most)
{
    gm_retired *first = e->limbo, **end = &first;
    if (!first || first->epoch >= oldest(e) || !barrier(e)) /* the first look spares a barrier that would be in vain */
        return NULL;
    uint64_t safe = oldest(e);
    while (most-- && *end && (*end)->epoch < safe)
        end = &(*end)->next;
    if (end == &first)
        return NULL;
    e->limbo = *end;
    *end = NULL;
    if (!e->limbo)
        e->limbo_end = &e->limbo;
    return first;
}

/* Whether anything was freed. */
static bool collect(gm_epochs *e, uint64_t most)
{
    if (gm_load_rlx(&e->busy) || gm_swap_acq(&e->busy, 1)) /* pairs with the store below (O5) */
        return false;
    seal(e);
    gm_retired *r = take_safe(e, most);
    gm_store_rel(&e->busy, 0); /* pairs with the swap above (O5) */
    release_all(e, r);
    return r != NULL;
}

/* What is released may retire something again. */
void gm_epochs_free(gm_epochs *e)
{
    chunk *next;
    for (seal(e); e->limbo; seal(e)) {
        gm_retired *r = e->limbo;
        e->limbo = NULL;
        e->limbo_end = &e->limbo;
        release_all(e, r);
    }
    for (chunk *c = gm_load_acq(&e->chunks); c; c = next) { /* pairs with add_chunk */
        next = c->next;
        aligned_free(&e->alloc, sizeof *c, c->raw);
    }
    aligned_free(&e->alloc, sizeof *e, e->raw);
}

void gm_epoch_collect(gm_epochs *e)
{
    gm_span span = gm_span_enter(GM_CAUSE_RECLAMATION);
    for (int i = 0; i < mostRounds && collect(e, UINT64_MAX); i++) /* again for what was retired while releasing */
        ;
    gm_span_leave(span);
}

void gm_epoch_counts(gm_epochs *e, uint64_t *retired, uint64_t *freed)
{
    *freed = gm_load_rlx(&e->freed);
    *retired = gm_load_rlx(&e->orphaned);                    /* all relaxed: numbers to look at */
    for (chunk *c = gm_load_acq(&e->chunks); c; c = c->next) /* pairs with add_chunk */
        for (int i = 0; i < chunkSlots; i++)
            *retired += gm_load_rlx(&c->slots[i].retired);
}

/* Whether garbage is this thread's business: it has retired some since it looked last, or nobody has retired or freed any. */
static bool is_due(gm_epoch_slot *s, uint64_t retired, uint64_t freed)
{
    uint64_t own = gm_load_rlx(&s->retired), own_before = gm_load_rlx(&s->own_seen); /* these five: the owner's alone */
    uint64_t before = gm_load_rlx(&s->seen);
    gm_store_rlx(&s->own_seen, own);
    gm_store_rlx(&s->seen, retired + freed); /* neither ever falls: an equal sum means that both are what they were */
    return retired != freed && (own != own_before || retired + freed == before);
}

/* After a number of retirements and leaves (P4). */
void gm_epoch_now_and_then(gm_epoch_slot *s)
{
    uint64_t retired, freed;
    int32_t patience = leastPatience;
    gm_epoch_counts(s->domain, &retired, &freed);
    bool due = is_due(s, retired, freed), ok = due;
    if (due) {
        gm_span span = gm_span_enter(GM_CAUSE_RECLAMATION);
        ok = collect(s->domain, mostReleased);
        gm_span_leave(span);
    }
    if (!ok && retired != freed)
        patience = gm_load_rlx(&s->patience) * 2; /* patience and work: the owner's alone */
    patience = patience < mostPatience ? patience : mostPatience;
    gm_store_rlx(&s->patience, patience);
    gm_store_rlx(&s->work, patience);
}

void gm_epoch_retire(gm_epochs *e, gm_retired *r)
{
    gm_epoch_slot *s = gm_epoch_slot_of(e);
    if (gm_unlikely(!s)) {
        gm_add_rlx(&e->orphaned, 1); /* a number to look at */
        push(&e->orphans, r);
        return;
    }
    gm_store_rlx(&s->retired, gm_load_rlx(&s->retired) + 1); /* the owner's alone, as is work */
    gm_store_rlx(&s->work, gm_load_rlx(&s->work) - retireWork);
    push(&s->pending, r);
}
