/* syncmap.c: Go's sync.Map as it was up to Go 1.23, behind the table of variant.h.
 *
 * Mirrors sync/map.go: two maps that share their entries. Reads, and writes to keys that the first map knows, lock nothing;
 * what it does not know is looked for in the second under a mutex, and when that has happened as often as the second map has
 * entries, it becomes the first. Made for keys that are written once and read often, or that each thread has for itself.
 *
 *        read (atomic: pointer | amended)          dirty (under the mutex; NULL: none)
 *              |                                      |
 *              v                                      v
 *         +----------+   never changes           +----------+   all that is not expunged, and what is new
 *         | hash | *-+----> entry a <------------+-* | hash |
 *         | hash | *-+----> entry b  (p = expunged)          |
 *         +----------+                 entry c <-+-* | hash |     amended: dirty has keys that read has not
 *                                        |       +----------+
 *                                        p (atomic) --> value block, never changes
 *
 *     p of an entry:   value --delete--> NULL --a dirty map is made--> expunged (an address of no value)
 *                        ^-----store------'                               |
 *                        ^-----store, under the mutex, after the entry ---'
 *                              was put into dirty too
 *
 *   find       read; if it is not there and read is amended, read again and dirty, under the mutex, which counts a miss
 *   store      a key that read knows and that is not expunged: a CAS on p. Else under the mutex: an expunged entry returns to
 *              dirty, a new one goes to dirty only. The first new key makes a dirty map: all entries of read, those with p
 *              NULL left out and expunged, so that a store to them knows that dirty lacks them
 *   promote    misses have reached the number of entries of dirty, or somebody wants to range over all: read = dirty
 *   clear      an empty read map, no dirty map
 *
 * ORDER
 *   O1  A value is published by p (CAS, release); who loads p (acquire) sees it whole.
 *   O2  A table with its entries is published by `read` (store, release; loads acquire) and does not change while it is there.
 *       dirty is touched under the mutex only, so promoting it publishes it complete.
 *   O3  p becomes expunged, and ceases to be, under the mutex only. So under the mutex an entry that is not expunged stays so.
 *   O4  What is unlinked is retired, and freed when all who were inside have left (epoch.c): a value by whoever took it out of
 *       p; an entry that only dirty had by the delete that took it out; expunged entries by the promotion that drops them; a
 *       table by the promotion or clear that replaces it. An operation is inside from before it loads `read` to its end.
 *   O5  A retired entry takes its last value along: whoever came by an old table may still store to it. That store counts as
 *       before the clear, which it overlapped.
 *   O6  Linearization: a hit at the load of, or CAS on, p; a miss at the load of `read`, or under the mutex.
 *
 * PROGRESS
 *   P1  get of a key in read, and of any key while read is not amended, is wait-free. A get that misses an amended read waits
 *       for the mutex.
 *   P2  Writes to entries of read are lock-free: a failed CAS means that another's succeeded. No order among them is kept.
 *   P3  Holding the mutex may take as long as going over all entries: a dirty map is being made, or has doubled.
 *   P4  No CAS loop starves but by others' successes; no memory is freed under the mutex but tables that nobody else has seen.
 *
 * Divergences from Go
 *   - amended is the low bit of `read`; Go allocates a pair. One load reads both either way.
 *   - The inner maps are tables of (hash, entry) with linear probing; Go's are its built-in maps. Keys lie in their entry.
 *   - A dirty table doubles at once, where Go's map grows bit by bit.
 *   - NaN draws a hash once (K2 in content.h). Each store of one is a new key, so it takes the mutex.
 *   - add does not exist in Go: a CAS loop on p, as a program would write it with CompareAndSwap, and like that it counts
 *     misses where it finds its key in dirty.
 *   - len does not exist in Go: a sum over counters that are added to after p changes. Exact when nobody writes; beside writers
 *     it is NOT linearizable (a key just stored may not be counted yet). The counters belong to an `era` that clear ends, so
 *     that late stores to what was cleared (O5) do not count.
 *   - range holds an epoch while it runs: what is retired meanwhile stays in memory. visit must not call the map.
 */
#include "map/variant.h"
#include "sync/content.h"
#include "sync/epoch.h"
#include "sync/mutex.h"
#include "sync/sync.h"

typedef struct value {
    gm_retired retired;
    unsigned char elem[];
} value;

typedef struct entry {
    gm_retired retired;
    value *_Atomic p;           /* NULL: deleted; expunged: and dirty lacks this entry */
    struct entry *expunged_too; /* list of the entries that the making of this dirty map expunged; under the mutex */
    uint64_t hash;
    size_t len;
    unsigned char key[];
} entry;

#define expunged ((value *)(uintptr_t)1) /* odd: the address of no value */

typedef struct slot {
    uint64_t hash;
    entry *e; /* NULL: free */
} slot;

/* What has happened between two clears. */
typedef struct era {
    gm_retired retired;
    gm_tally live; /* entries that have a value */
} era;

typedef struct table {
    gm_retired retired;
    era *era;
    uint64_t n, mask; /* entries; slots - 1 */
    bool owns;        /* its entries leave with it */
    slot slots[];
} table;

enum { amended = 1, fewestSlots = 8 };

typedef struct syncmap {
    gm_content t;
    gm_epochs *epochs;
    gm_mutex lock;
    gm_lock_counters seen;   /* of that mutex */
    _Atomic uintptr_t read;  /* table | amended */
    table *dirty;            /* this and what follows: under the mutex. NULL exactly if read is not amended */
    entry *expunged_ones;    /* since dirty was made; those that have come back are still on it */
    _Atomic uint64_t misses; /* since the last promotion. These three are read by stats without the mutex */
    _Atomic uint64_t promotions;
    _Atomic uint64_t all_misses;
} syncmap;

/* ------------------------------------------------------------------ blocks */

static value *value_new(syncmap *m)
{
    return gm_content_new(&m->t, sizeof(value) + m->t.elem_size);
}

static void value_free(syncmap *m, value *v)
{
    gm_content_free(&m->t, v, sizeof(value) + m->t.elem_size);
}

static void value_release(void *owner, gm_retired *r)
{
    value_free(owner, (value *)r);
}

static void value_retire(syncmap *m, value *v)
{
    v->retired.release = value_release;
    gm_epoch_retire(m->epochs, &v->retired);
}

static entry *entry_new(syncmap *m, const gm_write *w)
{
    entry *e = w->len > SIZE_MAX / 2 ? NULL : gm_content_new(&m->t, sizeof *e + w->len);
    if (!e)
        return NULL;
    e->hash = w->hash;
    e->len = w->len;
    gm_bytes_copy(e->key, w->key, w->len);
    return e;
}

static bool has_value(const value *v)
{
    return v && v != expunged;
}

/* With the value that it has now: nobody can reach it any more, so that is its last (O5). */
static void entry_free(syncmap *m, entry *e)
{
    value *v = gm_load_acq(&e->p); /* acquire pairs with the release of the CAS that stored it (O1) */
    if (has_value(v))
        value_free(m, v);
    gm_content_free(&m->t, e, sizeof *e + e->len);
}

static void entry_release(void *owner, gm_retired *r)
{
    entry_free(owner, (entry *)r);
}

static void entry_retire(syncmap *m, entry *e)
{
    e->retired.release = entry_release;
    gm_epoch_retire(m->epochs, &e->retired);
}

static void era_release(void *owner, gm_retired *r)
{
    syncmap *m = owner;
    gm_content_free(&m->t, r, sizeof(era));
}

/* ------------------------------------------------------------------ tables */

static size_t table_size(uint64_t slots)
{
    return sizeof(table) + (size_t)slots * sizeof(slot);
}

/* Has room for n entries at a load of at most three quarters. */
static table *table_new(syncmap *m, uint64_t n, era *of)
{
    uint64_t slots = fewestSlots;
    while (n > slots / 4 * 3)
        slots *= 2;
    table *t = gm_content_new(&m->t, table_size(slots));
    if (!t)
        return NULL;
    t->mask = slots - 1;
    t->era = of;
    return t;
}

static void table_free(syncmap *m, table *t)
{
    for (uint64_t i = 0; t->owns && i <= t->mask; i++)
        if (t->slots[i].e)
            entry_free(m, t->slots[i].e);
    gm_content_free(&m->t, t, table_size(t->mask + 1));
}

static void table_release(void *owner, gm_retired *r)
{
    table_free(owner, (table *)r);
}

static void table_retire(syncmap *m, table *t, bool owns)
{
    t->owns = owns;
    t->retired.release = table_release;
    gm_epoch_retire(m->epochs, &t->retired);
}

/* The slot of a key, or the free one where its search ends: a table is never full. */
static slot *table_find(const gm_content *t, table *in, const gm_write *w)
{
    for (uint64_t i = w->hash & in->mask;; i = (i + 1) & in->mask) {
        slot *s = &in->slots[i];
        if (!s->e || (s->hash == w->hash && gm_key_equal(t, s->e->key, s->e->len, w->key, w->len)))
            return s;
    }
}

static entry *table_get(const gm_content *t, table *in, const gm_write *w)
{
    return table_find(t, in, w)->e;
}

/* The key is not there, and there is room. */
static void table_put(table *in, entry *e)
{
    uint64_t i = e->hash & in->mask;
    while (in->slots[i].e)
        i = (i + 1) & in->mask;
    in->slots[i] = (slot){e->hash, e};
    in->n++;
}

/* Frees slot i, then moves into the hole whatever a search would no longer find behind it. */
static void table_remove(table *in, slot *s)
{
    uint64_t hole = (uint64_t)(s - in->slots);
    for (uint64_t i = (hole + 1) & in->mask; in->slots[i].e; i = (i + 1) & in->mask) {
        uint64_t from_home = (i - in->slots[i].hash) & in->mask, from_hole = (i - hole) & in->mask;
        if (from_home < from_hole)
            continue;
        in->slots[hole] = in->slots[i];
        hole = i;
    }
    in->slots[hole] = (slot){0, NULL};
    in->n--;
}

static bool table_full(const table *t)
{
    return t->n >= (t->mask + 1) / 4 * 3;
}

/* ------------------------------------------------------------------ read and dirty */

static table *table_of(uintptr_t read)
{
    return (table *)(read & ~(uintptr_t)amended);
}

/* acquire pairs with set_read's release (O2) */
static uintptr_t get_read(syncmap *m)
{
    return gm_load_acq(&m->read);
}

/* Under the mutex. Release pairs with get_read's acquire (O2). */
static void set_read(syncmap *m, table *t, uintptr_t is_amended)
{
    gm_store_rel(&m->read, (uintptr_t)t | is_amended);
}

/* Under the mutex: a number that stats reads without it, ordering nothing. */
static void count(_Atomic uint64_t *n)
{
    gm_store_rlx(n, gm_load_rlx(n) + 1);
}

/* The entries that this dirty map lacks leave with the read map that has them; those that came back are in dirty. */
static void retire_expunged(syncmap *m)
{
    for (entry *e = m->expunged_ones, *next; e; e = next) {
        next = e->expunged_too;
        if (gm_load_rlx(&e->p) == expunged) /* changes under the mutex only (O3) */
            entry_retire(m, e);
    }
    m->expunged_ones = NULL;
}

static void promote(syncmap *m)
{
    table *before = table_of(get_read(m));
    set_read(m, m->dirty, 0);
    table_retire(m, before, false);
    retire_expunged(m);
    m->dirty = NULL;
    gm_store_rlx(&m->misses, 0);
    count(&m->promotions);
}

static void lock(syncmap *m)
{
    gm_mutex_lock(&m->lock, &m->seen);
    gm_count_lock(&m->seen);
}

static void unlock(syncmap *m)
{
    gm_mutex_unlock(&m->lock);
}

/* Somebody had to lock to find out: if that has cost as much as a copy would have, the copy was worth it. */
static void miss(syncmap *m)
{
    count(&m->misses);
    count(&m->all_misses);
    if (gm_load_rlx(&m->misses) >= m->dirty->n)
        promote(m);
}

/* An entry of read for a new dirty map: false, and expunged, if it has no value. */
static bool survives(entry *e)
{
    value *seen = gm_load_rlx(&e->p); /* only compared: the mutex and O2 have made e itself visible */
    while (!seen)
        if (gm_cas_acq_rel(&e->p, &seen, expunged)) /* pairs with the CAS in change: of it and a store one sees the other */
            return false;
    return seen != expunged;
}

static int make_dirty(syncmap *m)
{
    table *read = table_of(get_read(m));
    table *dirty = table_new(m, read->n + 1, read->era);
    if (!dirty)
        return GM_E_NOMEM;
    for (uint64_t i = 0; i <= read->mask; i++) {
        entry *e = read->slots[i].e;
        if (!e)
            continue;
        if (survives(e)) {
            table_put(dirty, e);
        } else {
            e->expunged_too = m->expunged_ones;
            m->expunged_ones = e;
        }
    }
    m->dirty = dirty;
    set_read(m, read, amended);
    return GM_OK;
}

/* dirty is there and has room for one more. */
static int ready_dirty(syncmap *m)
{
    if (!m->dirty)
        return make_dirty(m);
    if (!table_full(m->dirty))
        return GM_OK;
    table *bigger = table_new(m, m->dirty->n * 2, m->dirty->era);
    if (!bigger)
        return GM_E_NOMEM;
    for (uint64_t i = 0; i <= m->dirty->mask; i++)
        if (m->dirty->slots[i].e)
            table_put(bigger, m->dirty->slots[i].e);
    table_free(m, m->dirty); /* nobody else has seen it */
    m->dirty = bigger;
    return GM_OK;
}

/* An expunged entry goes back to dirty, so that it may be stored to. Under the mutex. */
static int unexpunge(syncmap *m, entry *e)
{
    if (gm_load_rlx(&e->p) != expunged) /* changes under the mutex only (O3) */
        return GM_OK;
    int status = ready_dirty(m);
    if (status != GM_OK)
        return status;
    table_put(m->dirty, e);
    gm_store_rel(&e->p, NULL); /* nobody else changes an expunged p: no CAS. Pairs with the loads of p */
    return GM_OK;
}

/* ------------------------------------------------------------------ writing */

/* A write under way: what is wanted, and the block that is to become the value. */
typedef struct attempt {
    gm_write *w;
    value *fresh; /* NULL: not made yet, or published */
} attempt;

enum { mustLock = 100 }; /* beside the statuses: not to be done without the mutex */

/* The next p for an entry whose value is `seen`: `seen` itself if nothing is to be done. */
static int choose(syncmap *m, attempt *a, int step, value *seen, value **next)
{
    *next = step == GM_KEEP ? seen : NULL;
    if (step != GM_PUT)
        return GM_OK;
    if (!a->fresh)
        a->fresh = value_new(m);
    if (!a->fresh)
        return GM_E_NOMEM;
    gm_write_fill(&m->t, a->w, seen != NULL, seen ? seen->elem : NULL, a->fresh->elem);
    *next = a->fresh;
    return GM_OK;
}

/* p has gone from one to the other: what follows from that. */
static void changed(syncmap *m, attempt *a, era *of, value *from, value *to)
{
    if (to && to == a->fresh)
        a->fresh = NULL;
    if ((to != NULL) != (from != NULL))
        gm_tally_add(&of->live, to ? 1 : -1);
    if (from)
        value_retire(m, from);
}

/* Does the write to an entry: GM_OK, GM_MISS, GM_E_NOMEM; or mustLock: it is expunged and is to get a value. */
static int change(syncmap *m, attempt *a, entry *e, era *of)
{
    value *seen = gm_load_acq(&e->p); /* pairs with the release of the CAS below (O1) */
    for (;;) {
        if (seen == expunged)
            return gm_write_creates(a->w) ? mustLock : GM_MISS;
        value *next;
        int step = gm_write_step(&m->t, a->w, seen != NULL, seen ? seen->elem : NULL);
        int status = choose(m, a, step, seen, &next);
        if (status != GM_OK)
            return status;
        /* Release publishes the value; acquire, for what is found instead, pairs with another's release here (O1). */
        if (next == seen || gm_cas_acq_rel(&e->p, &seen, next)) {
            status = gm_write_answer(&m->t, a->w, step, seen != NULL, seen ? seen->elem : NULL);
            if (next != seen)
                changed(m, a, of, seen, next);
            return status;
        }
    }
}

/* A key that neither map has: the entry gets its value while nobody sees it, and goes to dirty. */
static int insert(syncmap *m, attempt *a)
{
    entry *e = entry_new(m, a->w);
    if (!e)
        return GM_E_NOMEM;
    int status = ready_dirty(m);
    if (status == GM_OK)
        status = change(m, a, e, m->dirty->era);
    if (status < 0)
        entry_free(m, e);
    else
        table_put(m->dirty, e);
    return status;
}

/* A delete of a key that only dirty has takes the entry out: no read map will ever show it. */
static int remove_from_dirty(syncmap *m, attempt *a, slot *s)
{
    entry *e = s->e;
    int status = change(m, a, e, m->dirty->era);
    table_remove(m->dirty, s);
    entry_retire(m, e);
    return status;
}

/* The write where read does not know the key but dirty may. As in Go, stores do not count as misses, and a delete does
 * even if dirty does not know the key either. */
static int write_dirty(syncmap *m, attempt *a)
{
    slot *s = m->dirty ? table_find(&m->t, m->dirty, a->w) : NULL;
    int kind = a->w->kind, status = GM_MISS;
    if (s && s->e)
        status = kind == GM_WRITE_DELETE ? remove_from_dirty(m, a, s) : change(m, a, s->e, m->dirty->era);
    else if (gm_write_creates(a->w))
        return insert(m, a);
    if (status >= 0 && s && kind != GM_WRITE_SWAP && (s->e || kind == GM_WRITE_DELETE))
        miss(m);
    return status;
}

static int write_locked(syncmap *m, attempt *a)
{
    table *read = table_of(get_read(m));
    entry *e = table_get(&m->t, read, a->w);
    if (!e)
        return write_dirty(m, a);
    int status = gm_write_creates(a->w) ? unexpunge(m, e) : GM_OK;
    return status == GM_OK ? change(m, a, e, read->era) : status;
}

static int write_inside(syncmap *m, attempt *a)
{
    uintptr_t read = get_read(m);
    table *t = table_of(read);
    entry *e = table_get(&m->t, t, a->w);
    int status = e ? change(m, a, e, t->era) : read & amended || gm_write_creates(a->w) ? mustLock : GM_MISS;
    if (status != mustLock)
        return status;
    lock(m);
    status = write_locked(m, a);
    unlock(m);
    return status;
}

static int syncmap_write(void *self, gm_write *w)
{
    syncmap *m = self;
    attempt a = {w, NULL};
    w->len = gm_content_len(&m->t, w->len);
    w->hash = gm_key_hash(&m->t, w->key, w->len);
    if (w->kind == GM_WRITE_SWAP && !(a.fresh = value_new(m))) /* sure to be needed: not to be made under the mutex */
        return GM_E_NOMEM;
    gm_epoch_slot *in = gm_epoch_enter(m->epochs);
    int status = in ? write_inside(m, &a) : GM_E_NOMEM;
    if (in)
        gm_epoch_leave(in);
    value_free(m, a.fresh);
    return status;
}

static gm_content *content_of(void *self)
{
    return &((syncmap *)self)->t;
}

GM_WRITE_FUNCTIONS(syncmap, content_of, syncmap_write)

/* ------------------------------------------------------------------ reading */

/* Looks again, and in dirty, under the mutex. */
static entry *find_missed(syncmap *m, const gm_write *w)
{
    lock(m);
    entry *e = table_get(&m->t, table_of(get_read(m)), w);
    if (!e && m->dirty) {
        e = table_get(&m->t, m->dirty, w);
        miss(m);
    }
    unlock(m);
    return e;
}

static int get_inside(syncmap *m, const gm_write *w, void *elem)
{
    uintptr_t read = get_read(m);
    entry *e = table_get(&m->t, table_of(read), w);
    if (!e && read & amended)
        e = find_missed(m, w);
    value *v = e ? gm_load_acq(&e->p) : NULL; /* pairs with the release in change (O1) */
    if (!has_value(v))
        return GM_MISS;
    gm_bytes_copy(elem, v->elem, m->t.elem_size);
    return GM_OK;
}

static int syncmap_get(void *self, const void *key, size_t len, void *elem)
{
    syncmap *m = self;
    gm_write w = {.key = key, .len = gm_content_len(&m->t, len)};
    w.hash = gm_key_hash(&m->t, key, w.len);
    gm_epoch_slot *in = gm_epoch_enter(m->epochs);
    if (!in)
        return GM_E_NOMEM;
    int status = get_inside(m, &w, elem);
    gm_epoch_leave(in);
    return status;
}

static int syncmap_len(void *self, uint64_t *n)
{
    syncmap *m = self;
    gm_epoch_slot *in = gm_epoch_enter(m->epochs);
    if (!in)
        return GM_E_NOMEM;
    *n = gm_tally_sum(&table_of(get_read(m))->era->live);
    gm_epoch_leave(in);
    return GM_OK;
}

/* A read map that has all keys that are there now. */
static table *whole(syncmap *m)
{
    uintptr_t read = get_read(m);
    if (read & amended) {
        lock(m);
        if (m->dirty)
            promote(m);
        read = get_read(m);
        unlock(m);
    }
    return table_of(read);
}

static int syncmap_range(void *self, uint64_t limit, gm_visit visit, void *ctx)
{
    syncmap *m = self;
    if (limit == 0)
        return GM_OK;
    uint64_t start = m->t.rng.draw(m->t.rng.ctx, GM_DRAW_ITER);
    gm_epoch_slot *in = gm_epoch_enter(m->epochs);
    if (!in)
        return GM_E_NOMEM;
    table *t = whole(m);
    bool more = true;
    for (uint64_t i = 0; i <= t->mask && limit > 0 && more; i++) {
        entry *e = t->slots[(start + i) & t->mask].e;
        value *v = e ? gm_load_acq(&e->p) : NULL; /* pairs with the release in change (O1) */
        if (!has_value(v))
            continue;
        more = visit(ctx, e->key, e->len, v->elem);
        limit--;
    }
    gm_epoch_leave(in);
    return GM_OK;
}

/* ------------------------------------------------------------------ clear */

/* An empty table of a new era; NULL: no memory. */
static table *fresh_start(syncmap *m)
{
    era *first = gm_content_new(&m->t, sizeof *first);
    table *t = first ? table_new(m, 0, first) : NULL;
    if (!t)
        gm_content_free(&m->t, first, sizeof *first);
    return t;
}

/* All entries are in dirty or expunged, if there is a dirty map, else in read. */
static void clear_locked(syncmap *m, table *empty)
{
    table *read = table_of(get_read(m)), *dirty = m->dirty;
    era *before = read->era;
    set_read(m, empty, 0);
    m->dirty = NULL;
    gm_store_rlx(&m->misses, 0);
    retire_expunged(m);
    table_retire(m, read, !dirty);
    if (dirty)
        table_retire(m, dirty, true);
    before->retired.release = era_release;
    gm_epoch_retire(m->epochs, &before->retired);
}

static int syncmap_clear(void *self)
{
    syncmap *m = self;
    gm_epoch_slot *in = gm_epoch_enter(m->epochs);
    if (!in)
        return GM_E_NOMEM;
    uintptr_t read = get_read(m);
    bool nothing = table_of(read)->n == 0 && !(read & amended);
    table *empty = nothing ? NULL : fresh_start(m);
    if (empty) {
        lock(m);
        clear_locked(m, empty);
        unlock(m);
    }
    gm_epoch_leave(in);
    return nothing || empty ? GM_OK : GM_E_NOMEM;
}

/* ------------------------------------------------------------------ check and stats */

enum {                     /* gm_broken.invariant */
       brokenCount = 1,    /* a table's n; in_old 1: of the read map (and below) */
       brokenPlace = 2,    /* an entry that a search for it does not find */
       brokenExpunged = 3, /* expunged, but no dirty map or in it */
       brokenShared = 4,   /* read has it with a value, dirty has not */
       brokenLive = 5,     /* the number of entries with a value */
       brokenAmended = 6   /* amended, but no dirty map; or the other way round */
};

static int broken_at(gm_broken *b, int invariant, bool in_read, uint64_t at, uint64_t got, uint64_t want)
{
    *b = (gm_broken){.invariant = invariant, .in_old = in_read, .bucket = at, .got = got, .want = want};
    return GM_E_CORRUPT;
}

/* Whether a search from the entry's home meets it before a free slot. */
static bool reachable(const table *t, const entry *e)
{
    for (uint64_t i = e->hash & t->mask, n = 0; n <= t->mask && t->slots[i].e; i = (i + 1) & t->mask, n++)
        if (t->slots[i].e == e)
            return true;
    return false;
}

static int check_entry(syncmap *m, table *t, bool is_read, uint64_t i, gm_broken *b)
{
    entry *e = t->slots[i].e;
    value *v = gm_load_rlx(&e->p); /* nobody else is inside */
    if (t->slots[i].hash != e->hash || !reachable(t, e))
        return broken_at(b, brokenPlace, is_read, i, t->slots[i].hash, e->hash);
    if (v == expunged && (!is_read || !m->dirty))
        return broken_at(b, brokenExpunged, is_read, i, 0, 0);
    if (is_read && m->dirty && reachable(m->dirty, e) == (v == expunged))
        return broken_at(b, brokenShared, is_read, i, 0, 0);
    return GM_OK;
}

static int check_table(syncmap *m, table *t, bool is_read, uint64_t *live, gm_broken *b)
{
    uint64_t n = 0;
    *live = 0;
    for (uint64_t i = 0; i <= t->mask; i++) {
        if (!t->slots[i].e)
            continue;
        n++;
        *live += has_value(gm_load_rlx(&t->slots[i].e->p)); /* nobody else is inside */
        int status = check_entry(m, t, is_read, i, b);
        if (status != GM_OK)
            return status;
    }
    return n == t->n ? GM_OK : broken_at(b, brokenCount, is_read, 0, t->n, n);
}

static int syncmap_check(void *self, gm_broken *b)
{
    syncmap *m = self;
    uintptr_t read = get_read(m);
    table *t = table_of(read);
    uint64_t live, counted = gm_tally_sum(&t->era->live);
    if (!(read & amended) != !m->dirty)
        return broken_at(b, brokenAmended, true, 0, read & amended, m->dirty != NULL);
    int status = check_table(m, t, true, &live, b);
    if (status == GM_OK && m->dirty)
        status = check_table(m, m->dirty, false, &live, b);
    if (status == GM_OK && live != counted)
        status = broken_at(b, brokenLive, false, 0, counted, live);
    return status;
}

static void syncmap_stats(void *self, gm_stats *out)
{
    syncmap *m = self;
    *out = (gm_stats){.bytes = gm_tally_sum(&m->t.bytes),
                      .promotions = gm_load_rlx(&m->promotions), /* numbers, ordering nothing */
                      .misses = gm_load_rlx(&m->all_misses)};
    syncmap_len(m, &out->entries); /* without memory for this thread's slot it stays 0 */
    gm_lock_stats(&m->seen, out);
    gm_epoch_counts(m->epochs, &out->retired, &out->freed);
}

/* ------------------------------------------------------------------ making */

static void syncmap_drop(void *self)
{
    syncmap *m = self;
    gm_alloc alloc = m->t.alloc;
    if (m->epochs)
        gm_epochs_free(m->epochs);
    table *read = table_of(gm_load_rlx(&m->read)); /* nobody else is inside */
    for (entry *e = m->expunged_ones, *next; e; e = next) {
        next = e->expunged_too;
        if (gm_load_rlx(&e->p) == expunged)
            entry_free(m, e);
    }
    if (m->dirty) {
        m->dirty->owns = true;
        table_free(m, m->dirty);
    }
    if (read) {
        read->owns = !m->dirty;
        gm_content_free(&m->t, read->era, sizeof(era));
        table_free(m, read);
    }
    alloc.release(alloc.ctx, m, sizeof *m);
}

static int syncmap_make(const gm_config *c, const gm_guard_config *g, void **self)
{
    gm_alloc alloc = c->alloc ? *c->alloc : gm_alloc_default();
    (void)g;
    *self = NULL;
    syncmap *m = alloc.zalloc(alloc.ctx, sizeof *m);
    if (!m)
        return GM_E_NOMEM;
    m->t.alloc = alloc;
    int status = gm_content_init(&m->t, c);
    if (status == GM_OK)
        status = gm_epochs_new(&m->t.alloc, m, &m->epochs);
    table *empty = status == GM_OK ? fresh_start(m) : NULL;
    if (!empty) {
        syncmap_drop(m);
        return status == GM_OK ? GM_E_NOMEM : status;
    }
    set_read(m, empty, 0);
    *self = m;
    return GM_OK;
}

static int syncmap_enter(void *self)
{
    (void)self;
    return GM_OK;
}

static void syncmap_nothing(void *self)
{
    (void)self;
}

static const gm_variant *syncmap_begin(void *self, const gm_usage_plan *plan)
{
    (void)self;
    (void)plan;
    return &gm_syncmap;
}

static int syncmap_growing_to(void *self)
{
    (void)self;
    return -1;
}

const gm_variant gm_syncmap = {
    .make = syncmap_make,
    .drop = syncmap_drop,
    .enter = syncmap_enter,
    .leave = syncmap_nothing,
    .begin = syncmap_begin,
    .end = syncmap_nothing,
    .get = syncmap_get,
    .assign = syncmap_assign,
    .del = syncmap_del,
    .load_or_store = syncmap_load_or_store,
    .compare_and_swap = syncmap_compare_and_swap,
    .add = syncmap_add,
    .len = syncmap_len,
    .range = syncmap_range,
    .clear = syncmap_clear,
    .growing_to = syncmap_growing_to,
    .check = syncmap_check,
    .stats = syncmap_stats,
};
