/* hashtrie.c: Go 1.24's HashTrieMap (what sync.Map is made of since), behind the table of variant.h.
 *
 * Mirrors internal/sync/hashtriemap.go: a trie over the bits of the hash, four a level from the top. Reads follow pointers and
 * lock nothing; a write locks the one node whose child it changes.
 *
 *     trie --> indirect (root)            hash = 0x 3 7 a ...
 *              [0] [1] [2] [3] .. [f]
 *                           |
 *                       indirect  <-- parent      its own mutex, dead once it is out of the trie
 *                       [0] .. [7] .. [f]
 *               entry <-/       |
 *        hash, elem, key     entry --overflow--> entry      the same 64 bits of hash, other keys (or NaN)
 *
 * An entry is immutable but for `overflow`: a new elem is a new entry in the place of the old one.
 *
 *   find      down by the next four bits until a child is NULL or an entry; then along the overflow chain
 *   write     find without a lock, and be done if nothing is to be done (a delete of a missing key, say). Else lock the node
 *             of that child and look at the child again: if it has become an indirect node, or the node is dead, start over
 *   insert    into a NULL child. Where another entry is: with an equal hash in front of it, the old one as overflow; else
 *             as many new indirect nodes as it takes until the hashes part, published last
 *   delete    unlinks the entry. A node that becomes empty is unlinked from its parent and marked dead, and so on upwards,
 *             never the root
 *   clear     another root
 *
 * ORDER
 *   O1  A node is published by the pointer that leads to it (child or overflow: store, release); who follows it (load,
 *       acquire) sees it whole, an indirect node with the entries below it too.
 *   O2  A child of a node, the overflow of an entry below it, and `dead` are written under that node's mutex only. To unlink a
 *       node from its parent both mutexes are held. They are taken from below upwards, so there is no cycle.
 *   O3  A dead node is empty, stays so, and no pointer leads to it: a writer that waited for its mutex sees `dead` and starts
 *       over.
 *   O4  What is unlinked is retired, and freed when all who were inside have left (epoch.c): an entry by the write that
 *       replaces or deletes it, a node by the delete that empties it, a whole trie with all that is in it *then* by clear.
 *   O5  Who came by the old root may still write below it after a clear: that counts as before the clear, which it overlapped.
 *   O6  An entry taken out of a chain keeps its overflow: a reader that stands on it finds the rest of the chain as it was
 *       or newer. What it misses was missing at some instant of its search; what it finds was there at one. So it is for
 *       who has come into a node that dies: all that belonged there was missing when it died.
 *   O7  Linearization: a hit or miss of a search at the load of the last pointer but as O6 says; a write at the store of
 *       the pointer that it changes.
 *
 * PROGRESS
 *   P1  get is wait-free: at most 16 levels, then a chain.
 *   P2  A write starts over only when another one has put a node where it found none, or has emptied its node. It waits for
 *       writes to the same node; with random hashes these are few but near the root of a small map.
 *   P3  Under a mutex at most 16 nodes are made, and nothing is freed. A delete holds two mutexes at most.
 *   P4  There is no resizing: no write is longer than these.
 *
 * Divergences from Go
 *   - An entry remembers its hash; Go computes it again when two have to be parted, which for NaN (K2 in content.h) could not
 *     be done.
 *   - Keys and elems lie in the entry, so overwriting copies a string key, where Go copies a pointer.
 *   - load_or_store makes its entry before it locks. compare_and_swap compares bytes.
 *   - add does not exist in Go: the sum is made and stored under the lock that its CompareAndSwap takes, without its loop.
 *   - range starts at a random child at each level; Go's order is fixed by the seed. It holds an epoch while it runs: what is
 *     retired meanwhile stays in memory. visit must not call the map.
 *   - len does not exist in Go: a sum over counters that are added to after the trie has changed. Exact when nobody writes;
 *     beside writers it is NOT linearizable. The counters belong to the trie that clear drops, so that late writes (O5) do not
 *     count.
 */
#include "map/variant.h"
#include "sync/content.h"
#include "sync/epoch.h"
#include "sync/mutex.h"
#include "sync/sync.h"

enum { hashBits = 64, levelBits = 4, fanout = 1 << levelBits };

typedef struct node {
    gm_retired retired;
    bool is_entry;
    bool dead; /* an indirect node that is out of the trie; under its lock */
} node;

typedef struct entry {
    node base;
    node *_Atomic overflow; /* an entry */
    uint64_t hash;
    size_t len;
    unsigned char bytes[]; /* elem, then from the next multiple of 8 on the key */
} entry;

typedef struct indirect {
    node base;
    gm_mutex lock;
    struct indirect *parent; /* NULL: the root */
    node *_Atomic children[fanout];
} indirect;

typedef struct trie {
    indirect root;
    gm_tally live; /* entries */
} trie;

typedef struct hashtrie {
    gm_content t;
    gm_epochs *epochs;
    size_t key_at; /* of the key in an entry's bytes */
    trie *_Atomic root;
    gm_tally grown, pruned; /* indirect nodes */
    gm_tally locks;         /* taken, of all nodes: by lanes, see U6 in mutex.c */
    gm_lock_counters seen;  /* waits, of all nodes; apart from the words above, and written by those who waited only */
} hashtrie;

/* ------------------------------------------------------------------ nodes */

static size_t entry_size(const hashtrie *m, size_t len)
{
    return sizeof(entry) + m->key_at + len;
}

static const unsigned char *key_of(const hashtrie *m, const entry *e)
{
    return e->bytes + m->key_at;
}

/* Without an elem. */
static entry *entry_new(hashtrie *m, const gm_write *w)
{
    entry *e = w->len > SIZE_MAX / 2 ? NULL : gm_content_new(&m->t, entry_size(m, w->len));
    if (!e)
        return NULL;
    e->base.is_entry = true;
    e->hash = w->hash;
    e->len = w->len;
    gm_bytes_copy(e->bytes + m->key_at, w->key, w->len);
    return e;
}

static void entry_free(hashtrie *m, entry *e)
{
    if (e)
        gm_content_free(&m->t, e, entry_size(m, e->len));
}

static void entry_release(void *owner, gm_retired *r)
{
    entry_free(owner, (entry *)r);
}

static void entry_retire(hashtrie *m, entry *e)
{
    e->base.retired.release = entry_release;
    gm_epoch_retire(m->epochs, &e->base.retired);
}

static void lock_node(hashtrie *m, indirect *i)
{
    gm_mutex_lock(&i->lock, &m->seen);
    gm_tally_add(&m->locks, 1);
}

static size_t indirect_size(const indirect *i)
{
    return i->parent ? sizeof *i : sizeof(trie);
}

/* Nobody can reach what is freed here. The loads are relaxed: epochs, or who is the last one inside, have ordered all. */
static void chain_free(hashtrie *m, node *n)
{
    while (n) {
        entry *e = (entry *)n;
        n = gm_load_rlx(&e->overflow);
        entry_free(m, e);
    }
}

/* With all that is below it. */
static void indirect_free(hashtrie *m, indirect *i)
{
    for (int c = 0; c < fanout; c++) {
        node *n = gm_load_rlx(&i->children[c]);
        if (n && !n->is_entry)
            indirect_free(m, (indirect *)n);
        else
            chain_free(m, n);
    }
    gm_content_free(&m->t, i, indirect_size(i));
}

static void indirect_release(void *owner, gm_retired *r)
{
    indirect_free(owner, (indirect *)r);
}

static void indirect_retire(hashtrie *m, indirect *i)
{
    i->base.retired.release = indirect_release;
    gm_epoch_retire(m->epochs, &i->base.retired);
}

/* ------------------------------------------------------------------ finding */

/* A child of a node, and how far the hash has been used up to there. */
typedef struct place {
    indirect *i;
    node *_Atomic *child;
    unsigned shift;
} place;

static unsigned child_at(uint64_t hash, unsigned shift)
{
    return (unsigned)(hash >> shift) & (fanout - 1);
}

/* acquire pairs with publish's release (O1) */
static node *follow(node *_Atomic *p)
{
    return gm_load_acq(p);
}

/* Under the mutex of the node concerned (O2). Release pairs with follow's acquire (O1). */
static void publish(node *_Atomic *p, node *n)
{
    gm_store_rel(p, n);
}

/* Down to where the path of a hash ends: NULL or an entry. There is no indirect node at the last level's children, since only
 * hashes that differ lower down make one. */
static node *descend(trie *t, uint64_t hash, place *at)
{
    *at = (place){&t->root, NULL, hashBits};
    for (;;) {
        at->shift -= levelBits;
        at->child = &at->i->children[child_at(hash, at->shift)];
        node *n = follow(at->child);
        if (!n || n->is_entry)
            return n;
        at->i = (indirect *)n;
    }
}

/* In the chain that starts with n (loaded from *link): the key's entry or NULL. *link becomes the pointer that leads to it. */
static entry *search(const hashtrie *m, node *n, const gm_write *w, node *_Atomic **link)
{
    entry *e = (entry *)n;
    if (!e || e->hash != w->hash) /* a chain has one hash */
        return NULL;
    while (e && !gm_key_equal(&m->t, key_of(m, e), e->len, w->key, w->len)) {
        *link = &e->overflow;
        e = (entry *)follow(*link);
    }
    return e;
}

static trie *get_root(hashtrie *m)
{
    return gm_load_acq(&m->root); /* pairs with the exchange in clear (O1) */
}

static int step_for(const hashtrie *m, const gm_write *w, const entry *e)
{
    return gm_write_step(&m->t, w, e != NULL, e ? e->bytes : NULL);
}

static int answer(const hashtrie *m, const gm_write *w, int step, const entry *e)
{
    return gm_write_answer(&m->t, w, step, e != NULL, e ? e->bytes : NULL);
}

/* ------------------------------------------------------------------ inserting */

/* Takes back what part has made; nothing of it has been published, and the two entries are not its own. */
static void unpart(hashtrie *m, indirect *i, const indirect *above)
{
    while (i != above) {
        indirect *parent = i->parent;
        gm_content_free(&m->t, i, sizeof *i);
        gm_tally_add(&m->grown, -1);
        i = parent;
    }
}

/* New nodes below `above` down to where two hashes part; NULL: no memory. */
static indirect *part(hashtrie *m, indirect *above, unsigned shift, entry *old, entry *fresh)
{
    indirect *top = NULL, *i = above;
    unsigned oc = 0, fc = 0;
    do {
        indirect *next = gm_content_new(&m->t, sizeof *next);
        if (!next) {
            unpart(m, i, above);
            return NULL;
        }
        next->parent = i;
        if (top)
            publish(&i->children[fc], &next->base); /* not seen by anybody yet */
        else
            top = next;
        i = next;
        shift -= levelBits;
        oc = child_at(old->hash, shift);
        fc = child_at(fresh->hash, shift);
        gm_tally_add(&m->grown, 1);
    } while (oc == fc);
    publish(&i->children[oc], &old->base);
    publish(&i->children[fc], &fresh->base);
    return top;
}

/* The key is not there. The old entry must not vanish for an instant, so what is published leads to both. */
static int insert(hashtrie *m, const place *at, node *now, entry *fresh)
{
    entry *old = (entry *)now;
    node *n = &fresh->base;
    if (old && old->hash == fresh->hash) {
        publish(&fresh->overflow, now);
    } else if (old) {
        indirect *top = part(m, at->i, at->shift, old, fresh);
        if (!top)
            return GM_E_NOMEM;
        n = &top->base;
    }
    publish(at->child, n);
    return GM_OK;
}

/* ------------------------------------------------------------------ deleting */

static bool empty(indirect *i)
{
    for (int c = 0; c < fanout; c++)
        if (gm_load_rlx(&i->children[c])) /* under the mutex (O2) */
            return false;
    return true;
}

/* Unlinks nodes from at->i upwards that have become empty. Locked on entry: at->i; on return: nothing. */
static void prune(hashtrie *m, const place *at, uint64_t hash)
{
    indirect *i = at->i, *unlinked = NULL;
    unsigned shift = at->shift;
    while (i->parent && empty(i)) {
        indirect *parent = i->parent;
        shift += levelBits;
        lock_node(m, parent);
        i->base.dead = true;
        publish(&parent->children[child_at(hash, shift)], NULL);
        gm_mutex_unlock(&i->lock);
        if (!unlinked)
            unlinked = i;
        i = parent;
    }
    gm_mutex_unlock(&i->lock);
    while (unlinked && unlinked != i) { /* retired without a mutex held */
        indirect *parent = unlinked->parent;
        indirect_retire(m, unlinked);
        gm_tally_add(&m->pruned, 1);
        unlinked = parent;
    }
}

/* ------------------------------------------------------------------ writing */

/* Locks the node where the path of the hash ends; *n is the child then. Returns the trie it is in. */
static trie *lock_place(hashtrie *m, uint64_t hash, place *at, node **n)
{
    for (;;) {
        trie *t = get_root(m);
        descend(t, hash, at);
        lock_node(m, at->i);
        *n = follow(at->child);
        if ((!*n || (*n)->is_entry) && !at->i->base.dead)
            return t;
        gm_mutex_unlock(&at->i->lock);
    }
}

/* fresh goes in the place of e (NULL: nowhere yet). Locked: at->i. */
static int put(hashtrie *m, gm_write *w, const place *at, node *head, node *_Atomic *link, entry *e, entry *fresh)
{
    gm_write_fill(&m->t, w, e != NULL, e ? e->bytes : NULL, fresh->bytes);
    if (!e)
        return insert(m, at, head, fresh);
    publish(&fresh->overflow, follow(&e->overflow));
    publish(link, &fresh->base);
    return GM_OK;
}

/* The write, under the lock. *fresh becomes NULL if it is published. */
static int write_locked(hashtrie *m, gm_write *w, entry **fresh)
{
    place at;
    node *head;
    trie *t = lock_place(m, w->hash, &at, &head);
    node *_Atomic *link = at.child;
    entry *e = search(m, head, w, &link);
    int step = step_for(m, w, e), status = GM_OK;
    if (step == GM_PUT)
        status = put(m, w, &at, head, link, e, *fresh);
    else if (step == GM_REMOVE)
        publish(link, follow(&e->overflow));
    if (step == GM_REMOVE)
        prune(m, &at, w->hash); /* unlocks */
    else
        gm_mutex_unlock(&at.i->lock);
    if (status != GM_OK)
        return status;
    if (step == GM_PUT)
        *fresh = NULL;
    if (step != GM_KEEP && !(e && step == GM_PUT))
        gm_tally_add(&t->live, step == GM_PUT ? 1 : -1);
    status = answer(m, w, step, e);
    if (step != GM_KEEP && e)
        entry_retire(m, e);
    return status;
}

/* What can be answered without a lock is: a write that changes nothing. */
static int write_inside(hashtrie *m, gm_write *w, entry **fresh)
{
    if (w->kind != GM_WRITE_SWAP && w->kind != GM_WRITE_ADD) {
        place at;
        node *head = descend(get_root(m), w->hash, &at);
        entry *e = search(m, head, w, &at.child);
        int step = step_for(m, w, e);
        if (step == GM_KEEP)
            return answer(m, w, step, e);
    }
    if ((gm_write_creates(w) || w->elem) && !(*fresh = entry_new(m, w)))
        return GM_E_NOMEM;
    return write_locked(m, w, fresh);
}

static int hashtrie_write(void *self, gm_write *w)
{
    hashtrie *m = self;
    entry *fresh = NULL;
    w->len = gm_content_len(&m->t, w->len);
    w->hash = gm_key_hash(&m->t, w->key, w->len);
    gm_epoch_slot *in = gm_epoch_enter(m->epochs);
    if (!in)
        return GM_E_NOMEM;
    int status = write_inside(m, w, &fresh);
    gm_epoch_leave(in);
    entry_free(m, fresh);
    return status;
}

static gm_content *content_of(void *self)
{
    return &((hashtrie *)self)->t;
}

GM_WRITE_FUNCTIONS(hashtrie, content_of, hashtrie_write)

/* ------------------------------------------------------------------ reading */

static int hashtrie_get(void *self, const void *key, size_t len, void *elem)
{
    hashtrie *m = self;
    place at;
    gm_write w = {.key = key, .len = gm_content_len(&m->t, len)};
    w.hash = gm_key_hash(&m->t, key, w.len);
    gm_epoch_slot *in = gm_epoch_enter(m->epochs);
    if (!in)
        return GM_E_NOMEM;
    node *head = descend(get_root(m), w.hash, &at);
    entry *e = search(m, head, &w, &at.child);
    if (e)
        gm_bytes_copy(elem, e->bytes, m->t.elem_size);
    gm_epoch_leave(in);
    return e ? GM_OK : GM_MISS;
}

static int hashtrie_len(void *self, uint64_t *n)
{
    hashtrie *m = self;
    gm_epoch_slot *in = gm_epoch_enter(m->epochs);
    if (!in)
        return GM_E_NOMEM;
    *n = gm_tally_sum(&get_root(m)->live);
    gm_epoch_leave(in);
    return GM_OK;
}

typedef struct walk {
    const hashtrie *m;
    uint64_t start; /* four bits a level */
    uint64_t left;
    gm_visit visit;
    void *ctx;
} walk;

static bool walk_chain(walk *k, node *n)
{
    for (; n; n = follow(&((entry *)n)->overflow)) {
        entry *e = (entry *)n;
        if (k->left-- == 0 || !k->visit(k->ctx, key_of(k->m, e), e->len, e->bytes))
            return false;
    }
    return true;
}

/* False: no more. A key comes at most once: its path is passed once, and a chain is followed away from where entries are
 * put in. A node that dies meanwhile has nothing that was there throughout. */
static bool walk_below(walk *k, indirect *i, unsigned shift)
{
    shift -= levelBits;
    for (unsigned c = 0; c < fanout; c++) {
        node *n = follow(&i->children[(c + child_at(k->start, shift)) % fanout]);
        if (n && !(n->is_entry ? walk_chain(k, n) : walk_below(k, (indirect *)n, shift)))
            return false;
    }
    return true;
}

static int hashtrie_range(void *self, uint64_t limit, gm_visit visit, void *ctx)
{
    hashtrie *m = self;
    walk k = {m, m->t.rng.draw(m->t.rng.ctx, GM_DRAW_ITER), limit, visit, ctx};
    gm_epoch_slot *in = gm_epoch_enter(m->epochs);
    if (!in)
        return GM_E_NOMEM;
    walk_below(&k, &get_root(m)->root, hashBits);
    gm_epoch_leave(in);
    return GM_OK;
}

static int hashtrie_clear(void *self)
{
    hashtrie *m = self;
    trie *fresh = gm_content_new(&m->t, sizeof *fresh);
    gm_epoch_slot *in = fresh ? gm_epoch_enter(m->epochs) : NULL;
    if (!in) {
        gm_content_free(&m->t, fresh, sizeof *fresh);
        return GM_E_NOMEM;
    }
    /* Release publishes the new root to get_root's acquire, acquire makes the old one ours to retire (O1). */
    trie *before = gm_swap_acq_rel(&m->root, fresh);
    indirect_retire(m, &before->root);
    gm_epoch_leave(in);
    return GM_OK;
}

/* ------------------------------------------------------------------ check and stats */

enum {                   /* gm_broken.invariant; bucket: the hash of the path, depth: levels down, cell: place in a chain */
       brokenPath = 1,   /* an entry where its hash does not lead, or a chain of several hashes */
       brokenTwice = 2,  /* a key twice in a chain */
       brokenParent = 3, /* a node whose parent is another */
       brokenDead = 4,   /* a dead node in the trie */
       brokenEmpty = 5,  /* an empty node that is not the root */
       brokenLive = 6    /* the number of entries */
};

typedef struct inspection {
    const hashtrie *m;
    uint64_t entries;
    gm_broken *b;
} inspection;

static int broken_at(inspection *x, int invariant, uint64_t path, unsigned shift, uint32_t cell, uint64_t got, uint64_t want)
{
    uint32_t depth = (hashBits - shift) / levelBits;
    *x->b = (gm_broken){.invariant = invariant, .bucket = path, .depth = depth, .cell = cell, .got = got, .want = want};
    return GM_E_CORRUPT;
}

/* A chain whose path is the bits of `path` above `shift`. Nobody else is inside. */
static int check_chain(inspection *x, entry *head, uint64_t path, unsigned shift)
{
    uint32_t cell = 0;
    for (entry *e = head; e; e = (entry *)follow(&e->overflow), cell++) {
        gm_write w = {.key = key_of(x->m, e), .len = e->len, .hash = e->hash};
        node *_Atomic *link = NULL;
        if (e->hash >> shift != path >> shift || e->hash != head->hash)
            return broken_at(x, brokenPath, path, shift, cell, e->hash, head->hash);
        if (gm_key_reflexive(&x->m->t, w.key) && search(x->m, &head->base, &w, &link) != e)
            return broken_at(x, brokenTwice, path, shift, cell, 0, 0);
        x->entries++;
    }
    return GM_OK;
}

static int check_below(inspection *x, indirect *i, uint64_t path, unsigned shift)
{
    if (i->base.dead)
        return broken_at(x, brokenDead, path, shift, 0, 0, 0);
    if (i->parent && empty(i))
        return broken_at(x, brokenEmpty, path, shift, 0, 0, 0);
    shift -= levelBits;
    for (uint64_t c = 0; c < fanout; c++) {
        node *n = follow(&i->children[c]);
        uint64_t below = path | c << shift;
        if (n && !n->is_entry && ((indirect *)n)->parent != i)
            return broken_at(x, brokenParent, below, shift, 0, 0, 0);
        int status = !n            ? GM_OK
                     : n->is_entry ? check_chain(x, (entry *)n, below, shift)
                                   : check_below(x, (indirect *)n, below, shift);
        if (status != GM_OK)
            return status;
    }
    return GM_OK;
}

static int hashtrie_check(void *self, gm_broken *b)
{
    hashtrie *m = self;
    trie *t = get_root(m);
    inspection x = {m, 0, b};
    uint64_t counted = gm_tally_sum(&t->live);
    int status = check_below(&x, &t->root, 0, hashBits);
    if (status == GM_OK && counted != x.entries)
        status = broken_at(&x, brokenLive, 0, hashBits, 0, counted, x.entries);
    return status;
}

/* Where there is no memory for this thread's slot, `entries` stays 0. */
static void hashtrie_stats(void *self, gm_stats *out)
{
    hashtrie *m = self;
    *out = (gm_stats){.bytes = gm_tally_sum(&m->t.bytes),
                      .growths = gm_tally_sum(&m->grown),
                      .shrinks = gm_tally_sum(&m->pruned),
                      .locks = gm_tally_sum(&m->locks)};
    hashtrie_len(m, &out->entries);
    gm_lock_stats(&m->seen, out);
    gm_epoch_counts(m->epochs, &out->retired, &out->freed);
}

/* ------------------------------------------------------------------ making */

static void hashtrie_drop(void *self)
{
    hashtrie *m = self;
    gm_alloc alloc = m->t.alloc;
    trie *t = gm_load_rlx(&m->root); /* nobody else is inside */
    if (m->epochs)
        gm_epochs_free(m->epochs);
    if (t)
        indirect_free(m, &t->root);
    alloc.release(alloc.ctx, m, sizeof *m);
}

static int hashtrie_make(const gm_config *c, const gm_guard_config *g, void **self)
{
    gm_alloc alloc = c->alloc ? *c->alloc : gm_alloc_default();
    (void)g;
    *self = NULL;
    hashtrie *m = alloc.zalloc(alloc.ctx, sizeof *m);
    if (!m)
        return GM_E_NOMEM;
    m->t.alloc = alloc;
    int status = gm_content_init(&m->t, c);
    m->key_at = (m->t.elem_size + 7) & ~(size_t)7;
    if (status == GM_OK)
        status = gm_epochs_new(&m->t.alloc, m, &m->epochs);
    trie *t = status == GM_OK ? gm_content_new(&m->t, sizeof *t) : NULL;
    gm_store_rel(&m->root, t); /* pairs with get_root's acquire */
    if (t)
        *self = m;
    else
        hashtrie_drop(m);
    return status == GM_OK && !t ? GM_E_NOMEM : status;
}

static int hashtrie_enter(void *self)
{
    (void)self;
    return GM_OK;
}

static void hashtrie_nothing(void *self)
{
    (void)self;
}

static const gm_variant *hashtrie_begin(void *self, const gm_usage_plan *plan)
{
    (void)self;
    (void)plan;
    return &gm_hashtrie;
}

static int hashtrie_growing_to(void *self)
{
    (void)self;
    return -1;
}

const gm_variant gm_hashtrie = {
    .make = hashtrie_make,
    .drop = hashtrie_drop,
    .enter = hashtrie_enter,
    .leave = hashtrie_nothing,
    .begin = hashtrie_begin,
    .end = hashtrie_nothing,
    .get = hashtrie_get,
    .assign = hashtrie_assign,
    .del = hashtrie_del,
    .load_or_store = hashtrie_load_or_store,
    .compare_and_swap = hashtrie_compare_and_swap,
    .add = hashtrie_add,
    .len = hashtrie_len,
    .range = hashtrie_range,
    .clear = hashtrie_clear,
    .growing_to = hashtrie_growing_to,
    .check = hashtrie_check,
    .stats = hashtrie_stats,
};
