/* cmap.c: a map of any design, for many threads: what Python's concurrent classes call.
 *
 * Each call goes through the design's table (map/variant.h); what is promised of it is promised there. Batches are loops of
 * single operations, not one: between two keys of a batch others may come. A snapshot is a range into memory that grows.
 *
 * clear is refused for GM_REF elems: the references would be gone, and what they stand for never let go of. This is the one
 * place where that is asked, since nobody else can: designs keep elems as bytes, and the engine neither clears nor has GM_REF.
 */
#include "base/alloc.h"
#include "sync/sync.h"

#include <stdlib.h>
#include <string.h>

struct gm_cmap {
    const gm_variant *v;
    void *self;
    gm_alloc alloc;
    size_t key_size, elem_size; /* key_size 0: strings */
    bool words;                 /* keys are GM_MEM, both are of eight bytes */
    bool refs;                  /* elems are the caller's references */
};

int gm_cmap_new(int variant, const gm_config *c, const gm_guard_config *g, gm_cmap **out)
{
    const gm_variant *v = gm_variant_of(variant);
    *out = NULL;
    if (!v || !v->make || c->elem_kind == GM_STRING || c->elem_kind == GM_PTR)
        return GM_E_ARGUMENT;
    gm_alloc alloc = c->alloc ? *c->alloc : gm_alloc_default();
    gm_cmap *m = alloc.zalloc(alloc.ctx, sizeof *m);
    if (!m)
        return GM_E_NOMEM;
    m->v = v;
    m->alloc = alloc;
    m->key_size = c->key_kind == GM_STRING ? 0 : c->key_kind == GM_FLOAT64 ? 8 : c->key_size;
    m->refs = c->elem_kind == GM_REF;
    m->elem_size = c->elem_kind == GM_MEM ? c->elem_size : 8;
    m->words = c->key_kind == GM_MEM && m->key_size == 8 && m->elem_size == 8;
    int status = v->make(c, g, &m->self);
    if (status == GM_OK)
        *out = m;
    else
        alloc.release(alloc.ctx, m, sizeof *m);
    return status;
}

void gm_cmap_free(gm_cmap *c)
{
    if (!c)
        return;
    gm_alloc alloc = c->alloc;
    c->v->drop(c->self);
    alloc.release(alloc.ctx, c, sizeof *c);
}

void *gm_cmap_target(gm_cmap *c)
{
    return c->self;
}

const gm_variant *gm_cmap_variant(const gm_cmap *c)
{
    return c->v;
}

int gm_cmap_get(gm_cmap *c, const void *key, size_t len, void *elem)
{
    return c->v->get(c->self, key, len, elem);
}

int gm_cmap_assign(gm_cmap *c, const void *key, size_t len, const void *elem, void *old)
{
    return c->v->assign(c->self, key, len, elem, old);
}

int gm_cmap_delete(gm_cmap *c, const void *key, size_t len, void *old)
{
    return c->v->del(c->self, key, len, old);
}

int gm_cmap_load_or_store(gm_cmap *c, const void *key, size_t len, const void *elem, void *actual)
{
    return c->v->load_or_store(c->self, key, len, elem, actual);
}

int gm_cmap_compare_and_swap(gm_cmap *c, const void *key, size_t len, const void *expected, const void *elem)
{
    return c->v->compare_and_swap(c->self, key, len, expected, elem);
}

int gm_cmap_add(gm_cmap *c, const void *key, size_t len, int64_t delta, int64_t *sum)
{
    return c->v->add(c->self, key, len, delta, sum);
}

int gm_cmap_len(gm_cmap *c, uint64_t *n)
{
    return c->v->len(c->self, n);
}

int gm_cmap_clear(gm_cmap *c)
{
    return c->refs ? GM_E_ARGUMENT : c->v->clear(c->self);
}

int gm_cmap_check(gm_cmap *c, gm_broken *broken)
{
    return c->v->check(c->self, broken);
}

void gm_cmap_stats(gm_cmap *c, gm_stats *out)
{
    c->v->stats(c->self, out);
}

gm_map *gm_cmap_part(gm_cmap *c, unsigned i)
{
    return c->v->part ? c->v->part(c->self, i) : NULL; /* a design that is not made of classic maps */
}

size_t gm_cmap_events(gm_cmap *c, gm_event *out, size_t cap, uint64_t *dropped)
{
    if (c->v->events)
        return c->v->events(c->self, out, cap, dropped);
    if (dropped)
        *dropped = 0;
    return 0;
}

/* ------------------------------------------------------------------ batches */

static gm_view key_of(const gm_cmap *c, const void *keys, const int64_t *offsets, size_t i)
{
    const unsigned char *bytes = keys;
    if (offsets)
        return (gm_view){bytes + offsets[i], (size_t)(offsets[i + 1] - offsets[i])};
    return (gm_view){bytes + i * c->key_size, c->key_size};
}

int gm_cmap_get_many(gm_cmap *c, const void *keys, const int64_t *offsets, size_t n, void *elems, uint8_t *found, size_t *done)
{
    unsigned char *to = elems;
    int status = GM_OK;
    if (c->words && c->v->get_words)
        return c->v->get_words(c->self, keys, n, elems, found, done);
    *done = 0;
    for (size_t i = 0; i < n && status >= 0; i++) {
        gm_view key = key_of(c, keys, offsets, i);
        status = c->v->get(c->self, key.p, key.n, to + i * c->elem_size);
        *done += status == GM_OK;
        if (found)
            found[i] = status == GM_OK;
    }
    return status < 0 ? status : GM_OK;
}

int gm_cmap_assign_many(gm_cmap *c, const void *keys, const int64_t *offsets, size_t n, const void *elems, uint64_t *old_refs,
                        size_t *done)
{
    const unsigned char *from = elems;
    int status = GM_OK;
    *done = 0;
    for (size_t i = 0; i < n; i++, ++*done) {
        gm_view key = key_of(c, keys, offsets, i);
        status = c->v->assign(c->self, key.p, key.n, from + i * c->elem_size, old_refs ? old_refs + i : NULL);
        if (status < 0)
            return status;
    }
    return GM_OK;
}

int gm_cmap_delete_many(gm_cmap *c, const void *keys, const int64_t *offsets, size_t n, uint64_t *old_refs, size_t *done)
{
    int status = GM_OK;
    *done = 0;
    for (size_t i = 0; i < n && status >= 0; i++) {
        gm_view key = key_of(c, keys, offsets, i);
        status = c->v->del(c->self, key.p, key.n, old_refs ? old_refs + i : NULL);
        *done += status == GM_OK;
    }
    return status < 0 ? status : GM_OK;
}

/* ------------------------------------------------------------------ snapshots */

typedef struct filling {
    gm_snapshot *to;
    size_t elem_size;
    uint64_t key_bytes;
    bool failed;
} filling;

/* Room for at least `need` bytes at *p. */
static bool ensure_room(unsigned char **p, uint64_t *room, uint64_t need)
{
    if (need <= *room)
        return true;
    uint64_t size = *room * 2 > need ? *room * 2 : need + 1024;
    unsigned char *grown = realloc(*p, size);
    if (!grown)
        return false;
    *p = grown;
    *room = size;
    return true;
}

static bool take(void *ctx, const void *key, size_t len, const void *elem)
{
    filling *f = ctx;
    gm_snapshot *s = f->to;
    unsigned char *offsets = (unsigned char *)s->offsets;
    bool ok = ensure_room(&s->keys, &s->key_room, f->key_bytes + len) &&
              ensure_room(&s->elems, &s->elem_room, (s->n + 1) * f->elem_size) &&
              ensure_room(&offsets, &s->offset_room, (s->n + 2) * sizeof(int64_t));
    s->offsets = (int64_t *)(void *)offsets;
    f->failed = !ok;
    if (!ok)
        return false;
    if (len)
        memcpy(s->keys + f->key_bytes, key, len);
    if (f->elem_size)
        memcpy(s->elems + s->n * f->elem_size, elem, f->elem_size);
    s->offsets[s->n++] = (int64_t)f->key_bytes;
    f->key_bytes += len;
    s->offsets[s->n] = (int64_t)f->key_bytes;
    return true;
}

int gm_cmap_snapshot(gm_cmap *c, gm_snapshot *out)
{
    filling f = {.to = out, .elem_size = c->elem_size};
    int status = c->v->range(c->self, UINT64_MAX, take, &f);
    return f.failed ? GM_E_NOMEM : status;
}

void gm_snapshot_free(gm_snapshot *s)
{
    free(s->keys);
    free(s->elems);
    free(s->offsets);
    *s = (gm_snapshot){0};
}
