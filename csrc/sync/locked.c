/* locked.c: Go's map behind a lock, in the four ways that people put one there.
 *
 *   mutex      one sync.Mutex: readers, too, are alone
 *   rwmutex    one sync.RWMutex: readers together, a writer alone; a waiting writer is preferred
 *   growlock   as rwmutex, and a growth is carried out whole under the lock: what the article says Go does. (Go moves two
 *              buckets a write, and no lock is involved.)
 *   sharded    n maps, each behind its RWMutex; the top bits of a hash with a seed of its own say which
 *
 * One body for all: a row of shards (one but for `sharded`), each a lock, a map, and what the lock has seen.
 *
 *     locked         [ kind | shards | ... ]
 *     shard  go      [ gm_mutex or gm_rwmutex | gm_map * | counters ]                         x n
 *            padded  [ lock ... one line | gm_map * ... one line | counters ... whole lines ] x n
 *
 * LAYOUT. go: as `struct { sync.RWMutex; m map[K]V }` has them, the words that a call needs side by side, from the beginning
 * of a line on. padded: what is written by everybody (the lock), by nobody (the pointer to the map) and by the holder (how
 * often it was taken) on lines of their own, and the map's own header laid out that way too (hmap.h). Shards begin on a line
 * of their own in either.
 *
 *   Y1  Each operation on one key takes effect while it holds its shard's lock: linearizable. Readers of rwmutex overlap with
 *       readers only, so a map's words are never written while they are read.
 *   Y2  len of `sharded` is a sum over shards taken one after the other: between the least and the largest number that there
 *       was meanwhile. range holds one shard at a time: a key comes at most once, one that is there throughout comes; of one
 *       shard it sees one instant.
 *   Y3  A writer waits for the readers inside and the writers before it; a reader waits for a writer inside or waiting. None
 *       waits for another shard.
 */
#include "sync/sync.h"

#include "base/alloc.h"
#include "map/unguarded.h"
#include "sync/mutex.h"

enum { lockMutex, lockRW };

/* A shard begins with its lock; where the rest is, depends on the layout. */
typedef union shard {
    gm_mutex mutex;
    gm_rwmutex rw;
} shard;

/* Of writers and of readers. */
typedef struct seen {
    gm_lock_counters write, read;
} seen;

typedef struct locked {
    gm_alloc alloc;
    uint32_t n, shift;                /* shards; a hash shifted by `shift` is a shard's number */
    uint32_t seed;                    /* of that hash */
    size_t map_off, seen_off, stride; /* bytes from a shard to the pointer to its map, to its counters, to the next shard */
    uint8_t lock;
    bool grow_at_once;
    const gm_variant *table;
    unsigned char *shards; /* aligned to a line */
    void *memory;
    size_t size;
} locked;

/* ------------------------------------------------------------------ making */

static shard *shard_at(const locked *l, uint32_t i)
{
    return (shard *)(void *)(l->shards + i * l->stride);
}

static gm_map **map_in(const locked *l, shard *s)
{
    return (gm_map **)(void *)((unsigned char *)s + l->map_off);
}

static gm_map *map_at(const locked *l, uint32_t i)
{
    return *map_in(l, shard_at(l, i));
}

static seen *seen_by(const locked *l, shard *s)
{
    return (seen *)(void *)((unsigned char *)s + l->seen_off);
}

static void locked_drop(void *self)
{
    locked *l = self;
    gm_alloc alloc = l->alloc;
    for (uint32_t i = 0; l->memory && i < l->n; i++)
        gm_map_free(map_at(l, i));
    if (l->memory)
        alloc.release(alloc.ctx, l->memory, l->size);
    alloc.release(alloc.ctx, l, sizeof *l);
}

static size_t rounded(size_t size, size_t to)
{
    return (size + to - 1) / to * to;
}

static void lay_out(locked *l, bool padded)
{
    size_t apart = padded ? gm_line_bytes : _Alignof(seen);
    l->map_off = rounded(l->lock == lockMutex ? sizeof(gm_mutex) : sizeof(gm_rwmutex), apart);
    l->seen_off = rounded(l->map_off + sizeof(gm_map *), apart);
    l->stride = rounded(l->seen_off + sizeof(seen), gm_line_bytes);
    l->size = l->n * l->stride + gm_line_bytes;
}

static int make_maps(locked *l, const gm_config *c, bool padded)
{
    gm_config one = *c;
    one.padded = padded;
    one.hint = c->hint / l->n + (c->hint % l->n != 0);
    for (uint32_t i = 0; i < l->n; i++) {
        int status = gm_map_new(&one, map_in(l, shard_at(l, i)));
        if (status != GM_OK)
            return status;
    }
    return GM_OK;
}

static int make(const gm_config *c, locked kind, bool padded, void **self)
{
    gm_alloc alloc = c->alloc ? *c->alloc : gm_alloc_default();
    *self = NULL;
    if (kind.n == 0 || (kind.n & (kind.n - 1)) || kind.n > 1u << 16 || c->elem_kind == GM_STRING || c->elem_kind == GM_PTR)
        return GM_E_ARGUMENT;
    locked *l = alloc.zalloc(alloc.ctx, sizeof *l);
    if (!l)
        return GM_E_NOMEM;
    *l = kind;
    l->alloc = alloc;
    l->shift = l->n > 1 ? (uint32_t)__builtin_clz(l->n - 1) + 32 : 0;
    l->seed = (uint32_t)c->seed ^ 0x9E3779B9u;
    lay_out(l, padded);
    l->memory = alloc.zalloc(alloc.ctx, l->size);
    if (!l->memory) {
        locked_drop(l);
        return GM_E_NOMEM;
    }
    l->shards = (unsigned char *)rounded((uintptr_t)l->memory, gm_line_bytes);
    int status = make_maps(l, c, padded);
    if (status != GM_OK) {
        locked_drop(l);
        return status;
    }
    *self = l;
    return GM_OK;
}

static int make_mutex(const gm_config *c, const gm_guard_config *g, void **self)
{
    return make(c, (locked){.n = 1, .lock = lockMutex, .table = &gm_locked_mutex}, g->padded, self);
}

static int make_rwmutex(const gm_config *c, const gm_guard_config *g, void **self)
{
    return make(c, (locked){.n = 1, .lock = lockRW, .table = &gm_locked_rwmutex}, g->padded, self);
}

static int make_growlock(const gm_config *c, const gm_guard_config *g, void **self)
{
    return make(c, (locked){.n = 1, .lock = lockRW, .grow_at_once = true, .table = &gm_locked_growlock}, g->padded, self);
}

static int make_sharded(const gm_config *c, const gm_guard_config *g, void **self)
{
    return make(c, (locked){.n = g->shards, .lock = lockRW, .table = &gm_locked_sharded}, g->padded, self);
}

/* ------------------------------------------------------------------ locking */

/* Where a key belongs. The hash has a seed of its own, so that a shard's keys do not share bits of their map's hash. */
static shard *shard_of(const locked *l, const void *key, size_t len)
{
    if (l->n == 1)
        return shard_at(l, 0);
    gm_map *any = map_at(l, 0);
    return shard_at(l, (uint32_t)(any->path->hash_key(any, key, len, l->seed) >> l->shift));
}

static gm_map *lock_to_write(const locked *l, shard *s)
{
    gm_lock_counters *c = &seen_by(l, s)->write;
    if (l->lock == lockMutex)
        gm_mutex_lock(&s->mutex, c);
    else
        gm_rwmutex_lock(&s->rw, c);
    gm_count_lock(c);
    return *map_in(l, s);
}

static int unlock_written(const locked *l, shard *s, int status)
{
    if (l->lock == lockMutex)
        gm_mutex_unlock(&s->mutex);
    else
        gm_rwmutex_unlock(&s->rw);
    return status;
}

static gm_map *lock_to_read(const locked *l, shard *s)
{
    if (l->lock == lockMutex)
        return lock_to_write(l, s);
    gm_rwmutex_rlock(&s->rw, &seen_by(l, s)->read);
    return *map_in(l, s);
}

static int unlock_read(const locked *l, shard *s, int status)
{
    if (l->lock == lockMutex)
        return unlock_written(l, s, status);
    gm_rwmutex_runlock(&s->rw);
    return status;
}

/* growlock: the whole evacuation, before anybody else comes in. A failure leaves it to the writes that follow. */
static void finish_growth(const locked *l, gm_map *m)
{
    if (!l->grow_at_once || gm_likely(!growing(m)))
        return;
    gm_span span = gm_span_enter(GM_CAUSE_EVACUATION);
    while (growing(m) && m->path->evacuate(m, gm_load_rlx(&m->h.nevacuate)) == GM_OK)
        ;
    gm_span_leave(span);
}

/* ------------------------------------------------------------------ one key */

static int locked_get(void *self, const void *key, size_t len, void *elem)
{
    shard *s = shard_of(self, key, len);
    return unlock_read(self, s, gm_ung_get(lock_to_read(self, s), key, len, elem));
}

static int locked_assign(void *self, const void *key, size_t len, const void *elem, void *old)
{
    shard *s = shard_of(self, key, len);
    gm_map *m = lock_to_write(self, s);
    int status = gm_ung_assign(m, key, len, elem, old);
    finish_growth(self, m);
    return unlock_written(self, s, status);
}

static int locked_del(void *self, const void *key, size_t len, void *old)
{
    shard *s = shard_of(self, key, len);
    return unlock_written(self, s, gm_ung_del(lock_to_write(self, s), key, len, old));
}

static int locked_load_or_store(void *self, const void *key, size_t len, const void *elem, void *actual)
{
    shard *s = shard_of(self, key, len);
    gm_map *m = lock_to_write(self, s);
    int status = gm_ung_load_or_store(m, key, len, elem, actual);
    finish_growth(self, m);
    return unlock_written(self, s, status);
}

static int locked_compare_and_swap(void *self, const void *key, size_t len, const void *expected, const void *elem)
{
    shard *s = shard_of(self, key, len);
    return unlock_written(self, s, gm_ung_compare_and_swap(lock_to_write(self, s), key, len, expected, elem));
}

static int locked_add(void *self, const void *key, size_t len, int64_t delta, int64_t *sum)
{
    shard *s = shard_of(self, key, len);
    gm_map *m = lock_to_write(self, s);
    int status = gm_ung_add(m, key, len, delta, sum);
    finish_growth(self, m);
    return unlock_written(self, s, status);
}

/* ------------------------------------------------------------------ the whole */

static int locked_len(void *self, uint64_t *n)
{
    locked *l = self;
    *n = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        shard *s = shard_at(l, i);
        *n += gm_map_len(lock_to_read(l, s));
        unlock_read(l, s, GM_OK);
    }
    return GM_OK;
}

/* Counts what one shard yields, so that the next knows what is left. */
typedef struct counted {
    gm_visit visit;
    void *ctx;
    uint64_t left;
    bool on;
} counted;

static bool visit_counted(void *ctx, const void *key, size_t len, const void *elem)
{
    counted *c = ctx;
    c->left--;
    c->on = !c->visit || c->visit(c->ctx, key, len, elem);
    return c->on;
}

static int locked_range(void *self, uint64_t limit, gm_visit visit, void *ctx)
{
    locked *l = self;
    gm_map *any = map_at(l, 0);
    uint32_t start = l->n > 1 ? (uint32_t)any->rng.draw(any->rng.ctx, GM_DRAW_ITER) & (l->n - 1) : 0;
    counted c = {visit, ctx, limit, true};
    int status = GM_OK;
    for (uint32_t i = 0; i < l->n && c.on && c.left > 0 && status == GM_OK; i++) {
        shard *s = shard_at(l, (start + i) & (l->n - 1));
        status = unlock_read(l, s, gm_range(lock_to_read(l, s), c.left, visit_counted, &c));
    }
    return status;
}

static int locked_clear(void *self)
{
    locked *l = self;
    for (uint32_t i = 0; i < l->n; i++) {
        shard *s = shard_at(l, i);
        gm_map *m = lock_to_write(l, s);
        if (gm_map_len(m))
            gm_clear(m);
        unlock_written(l, s, GM_OK);
    }
    return GM_OK;
}

/* A look without a lock: relaxed loads of words that the writer stores atomically. */
static int locked_growing_to(void *self)
{
    const locked *l = self;
    for (uint32_t i = 0; i < l->n; i++)
        if (growing(map_at(l, i)))
            return gm_load_rlx(&map_at(l, i)->h.B);
    return -1;
}

static gm_map *locked_part(void *self, unsigned i)
{
    const locked *l = self;
    return i < l->n ? map_at(l, i) : NULL;
}

static int locked_check(void *self, gm_broken *broken)
{
    const locked *l = self;
    int status = GM_OK;
    for (uint32_t i = 0; i < l->n && status == GM_OK; i++)
        status = gm_map_check(map_at(l, i), broken);
    return status;
}

static void locked_stats(void *self, gm_stats *out)
{
    locked *l = self;
    *out = (gm_stats){.bytes = sizeof *l + l->size};
    for (uint32_t i = 0; i < l->n; i++) {
        shard *s = shard_at(l, i);
        gm_map *m = lock_to_read(l, s);
        out->entries += gm_map_len(m);
        out->bytes += mapBlock + m->extra.bytes;
        unlock_read(l, s, GM_OK);
        gm_lock_stats(&seen_by(l, s)->write, out);
        gm_reader_lock_stats(&seen_by(l, s)->read, out);
    }
}

static int locked_enter(void *self)
{
    (void)self;
    return GM_OK;
}

static void locked_leave(void *self)
{
    (void)self;
}

static const gm_variant *locked_begin(void *self, const gm_usage_plan *plan)
{
    const locked *l = self;
    for (uint32_t i = 0; i < l->n; i++)
        gm_map_probe(map_at(l, i), plan->probed);
    return l->table;
}

static void locked_end(void *self)
{
    const locked *l = self;
    for (uint32_t i = 0; i < l->n; i++)
        gm_map_probe(map_at(l, i), false);
}

#define LOCKED(how)                                                                                                            \
    {                                                                                                                          \
        .make = how, .drop = locked_drop, .enter = locked_enter, .leave = locked_leave, .begin = locked_begin,                 \
        .end = locked_end, .get = locked_get, .assign = locked_assign, .del = locked_del,                                      \
        .load_or_store = locked_load_or_store, .compare_and_swap = locked_compare_and_swap, .add = locked_add,                 \
        .len = locked_len, .range = locked_range, .clear = locked_clear, .growing_to = locked_growing_to, .part = locked_part, \
        .check = locked_check, .stats = locked_stats,                                                                          \
    }

const gm_variant gm_locked_mutex = LOCKED(make_mutex), gm_locked_rwmutex = LOCKED(make_rwmutex),
                 gm_locked_growlock = LOCKED(make_growlock), gm_locked_sharded = LOCKED(make_sharded);
