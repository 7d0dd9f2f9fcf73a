/* hmap.h: the types of the classic map and the small functions that read and write its memory.
 *
 * This is the private header of csrc/map: layout, names and memory orders. What the operations do is told in
 * path.inc.h (access, assign, delete, evacuate), hmap.c (making, growing, clearing), iterator.c, inspect.c and check.c.
 *
 * THE LAYOUT is Go's (internal/abi/map_noswiss.go, runtime/map_noswiss.go of Go 1.25):
 *
 *   gm_map                                bucket array, 2^B buckets and a reserve       a bucket (bmap)
 *   +--------------------------------+    +--------+--------+-- - --+--------+-----+    +-----------------+ 0
 *   | hmap  count flags noverflow    |    |   0    |   1    |       | 2^B-1  | r   |    | tophash[8]      |
 *   |       nevacuate clearSeq       |    +--------+--------+-- - --+--------+-----+    +-----------------+ 8
 *   |       hash0 B    --------------|    ^                         ^ overflow         | key slot   x 8  |
 *   |       buckets    --------------+----'                           buckets that      +-----------------+ elem_off
 *   |       oldbuckets ---> half-evacuated array, NULL at rest        came with it      | elem slot  x 8  |
 *   | maptype, hash keys, the books  |                                                  +-----------------+ overflow_off
 *   +--------------------------------+                                                  | overflow -------+--> bmap
 *                                                                                       +-----------------+ bucketsize
 *
 * LINES. Go's hmap is 56 bytes in a block of 64: one cache line, in which a writer's count and flags lie beside what every
 * reader needs to get anywhere. Here the words stand in two halves, first those that a write changes, then those that only
 * a growth changes, and where the whole is put decides the layout (gm_config.padded):
 *
 *     go      | count flags noverflow nevacuate clearSeq hash0 B buckets oldbuckets extra | path maptype ...
 *     padded  | op guard among count flags noverflow nevacuate clearSeq | hash0 B buckets oldbuckets extra path maptype ...
 *             ^ a line begins                                           ^ and another
 *
 * In Go's layout it is one line as in Go, in another order, which nothing can tell. Either way the machine code is the same:
 * a layout is an address. A get reads count and flags in both, so one line moves from the writer to the reader in both;
 * padded, the reader need not wait for it before it fetches the bucket.
 *
 * A tophash byte is the top byte of the hash (0 to 4 become 5 to 9) or a state:
 *   emptyRest       free, and so is every cell behind it in the chain
 *   emptyOne        free
 *   evacuatedX/Y    moved to the first/second half of the new array (old arrays only)
 *   evacuatedEmpty  was free when its bucket was evacuated (old arrays only)
 *
 * WHAT A SLOT HOLDS. GM_MEM and GM_FLOAT64: the bytes; over 128 bytes a pointer to them. GM_STRING: pointer and length.
 * GM_PTR, GM_HELD: a pointer or NULL. GM_REF: the caller's number. All memory behind pointers starts with a gm_block header,
 * which carries its size; a string's bytes are read by that size and not by the slot's length, so that a pointer and a length
 * torn apart by a race still never lead outside (O4).
 *
 * MEMORY ORDER. One writer at a time is the contract (Go's: "not safe for concurrent use"); the orders below make what a
 * reader sees beside a writer *observable, never undefined*.
 *   O1  A cell is published by its tophash: the writer stores key and elem (relaxed), then tophash (release); a reader
 *       loads tophash (acquire), then the key. A reader that sees the new tophash sees the whole cell.
 *   O2  An array is published by its pointer: hashGrow stores oldbuckets, buckets (release) and only then B (release). A
 *       reader loads B, flags, buckets, oldbuckets in this order (all acquire). Sizes never shrink, so B as loaded is at
 *       most that of the array loaded later: an index never leaves its array. The same holds for oldbuckets: a reader that
 *       saw B = b finds an old array of at least 2^(b-1) buckets, and of at least 2^b if the flags it loaded before say
 *       same-size growth. (It may look into the wrong bucket and miss a key: that is the race, and it stays visible.)
 *   O3  An overflow bucket is published by the pointer to it (release; readers acquire), zeroed before.
 *   O4  The memory behind a slot is published by its pointer (release; readers acquire) and never changes its size.
 *   O5  count, noverflow, hash0 and nevacuate carry no ordering (relaxed). flags is read-modified-written with relaxed
 *       plain loads and stores for hashWriting, as Go does (a lost update is part of what the lab studies), and with an
 *       atomic or for the iterator flags, as Go does.
 *   O6  Memory is only freed when nobody can hold it: what leaves the map goes to `limbo` while a growth runs (old cells
 *       still show it), while an iterator is open, or always (`defer_all`, for readers beside a writer); see memory.c.
 *
 * Divergences from Go: no garbage collector, so evacuated chains and deleted boxes are put on a list and freed piecemeal;
 * reads stop at emptyRest on every path (Go's fast paths walk the whole chain: same answers, one more line touched).
 */
#ifndef GM_HMAP_H
#define GM_HMAP_H

#include "base/alloc.h"
#include "base/atomics.h"
#include "base/eight.h"
#include "base/probe.h"
#include "base/ring.h"
#include "base/rng.h"
#include "gomap.h"
#include "map/collector.h"
#include "map/hash.h"
#include "map/variant.h"

enum {
    bucketCnt = 8,
    maxKeyBytes = 128, /* larger keys and elems are stored as pointers */
};

enum { emptyRest = 0, emptyOne = 1, evacuatedX = 2, evacuatedY = 3, evacuatedEmpty = 4, minTopHash = 5 };

enum { iterator = 1, oldIterator = 2, hashWriting = 4, sameSizeGrow = 8 };

/* Go's settings of the knobs that are not 0 (knobs.c), and of those that the paths ask for by KNOB. */
enum { alignedStride = 64 }; /* of GM_STRIDE_ALIGNED: a cache line of the CPUs that the claims are about */
enum { keyStride = 16 };     /* of GM_KEYS_16 and GM_KEYS_ALIGNED */
enum { go_load_num = 13, go_load_den = 2, go_evacuate = 1, go_chain = 1 };
enum {
    go_delete_grows = GM_DELETE_CONTINUES,
    go_delete_mode = GM_DELETE_GO,
    go_check_writing = GM_CHECK_ON,
    go_entry = GM_ENTRY_PLAIN,
    go_buckets_load = GM_LOAD_PLAIN,
    go_emptyrest = GM_EMPTYREST_STOP,
};

enum { pathSlow = 0, pathFast32 = 1, pathFast64 = 2, pathFastStr = 3 };

typedef struct bmap bmap; /* raw bytes, see the drawing */

typedef struct mapextra mapextra;

typedef struct hmap {
    _Atomic uint64_t count;
    _Atomic uint8_t flags;
    _Atomic uint16_t noverflow;
    _Atomic uint64_t nevacuate;
    _Atomic uint64_t clearSeq;
    _Atomic uint32_t hash0; /* the second half: see LINES */
    _Atomic uint8_t B;
    bmap *_Atomic buckets;
    bmap *_Atomic oldbuckets;
    mapextra *extra;
} hmap;
_Static_assert(sizeof(void *) != 8 || sizeof(hmap) == 64, "hmap takes one line, as in Go 1.25");

/* Bytes from one key slot to the next, and from one elem slot to the next: those of a slot, unless knobs say other. */
typedef struct cellstep {
    uint32_t key, elem;
} cellstep;

typedef struct maptype {
    uint32_t bucketsize, elem_off, overflow_off;
    uint32_t keyslot, elemslot;   /* bytes of a slot */
    uint32_t key_size, elem_size; /* bytes of the content; 0 for strings */
    uint8_t key_kind, elem_kind, path;
    bool key_indirect, elem_indirect, bucket_pointers;
    bool elem_word; /* an elem is eight plain bytes */
} maptype;

/* Where the words of a header lie that is not in its map (lab/headers.c). */
typedef struct gm_places {
    _Atomic uint64_t *count;
    _Atomic uint8_t *flags;
    _Atomic uint16_t *noverflow;
    _Atomic uint64_t *nevacuate;
    _Atomic uint32_t *hash0;
    _Atomic uint8_t *B;
    bmap *_Atomic *buckets, *_Atomic *oldbuckets;
} gm_places;

/* Stands before every piece of memory that a map allocates. */
typedef struct gm_block {
    struct gm_block *next; /* in limbo, garbage or the spare list */
    size_t size : 63;      /* bytes behind the header; of a slab, all */
    size_t cut : 1;        /* from a slab */
} gm_block;
_Static_assert(sizeof(gm_block) == 16, "keeps what follows aligned to 16");

typedef struct blocklist {
    gm_block *head, *tail;
} blocklist;

enum { cutUnit = 16, cutMost = 256 }; /* bytes: sizes in slabs, and the largest block but an overflow bucket there */

struct mapextra {
    bmap *nextOverflow;      /* next free bucket of the reserve; NULL: none */
    uint64_t nbuckets, nold; /* lengths of the two arrays with their reserves */
    blocklist spare;         /* zeroed overflow buckets, allocated ahead of an evacuation */
    uint64_t nspare;
    blocklist limbo;   /* out of the map, maybe still looked at */
    blocklist garbage; /* to be freed */
    _Atomic uint64_t open_iters;
    bool defer_all;
    uint64_t freeze_at;                               /* the evacuation mark of this growth stops here; UINT64_MAX: it runs */
    uint64_t freeze_next;                             /* the same for the growths to come */
    uint64_t nheap;                                   /* overflow buckets from the heap in live chains */
    uint64_t bytes;                                   /* live, headers included */
    blocklist slabs, cut_free[cutMost / cutUnit + 1]; /* memory.c */
    unsigned char *cut, *cut_end;                     /* of the newest slab, what has not been cut yet */
};

typedef struct gm_key_batch {
    const void *data;
    const int64_t *offsets;
} gm_key_batch;

/* The operations of one key path and hash: made in paths.c from path.inc.h. Unguarded. */
typedef struct gm_path {
    int (*get)(gm_map *m, const void *key, size_t len, void *elem);
    int (*assign)(gm_map *m, const void *key, size_t len, const void *elem, size_t elem_len, uint64_t *old_ref);
    int (*del)(gm_map *m, const void *key, size_t len, void *old_elem);
    int (*get_many)(gm_map *m, gm_key_batch keys, size_t n, void *elems, uint8_t *found, size_t *done);
    int (*assign_many)(gm_map *m, gm_key_batch keys, size_t n, const void *elems, uint64_t *old_refs, size_t *done);
    int (*delete_many)(gm_map *m, gm_key_batch keys, size_t n, uint64_t *old_refs, size_t *done);
    int (*evacuate)(gm_map *m, uint64_t oldbucket);
    bmap *(*find_slot)(gm_map *m, const void *slot, unsigned *cell); /* looks up the key that lies in a slot */
    uint64_t (*hash_slot)(gm_map *m, const void *slot);
    uint64_t (*hash_key)(gm_map *m, const void *key, size_t len, uint32_t seed);
} gm_path;

typedef _Atomic uint32_t gm_guard; /* readers inside, or guardWriter */

struct gm_map {
    uint64_t op;    /* number of the operation, for events */
    gm_guard guard; /* of calls from outside; api.c */
    gm_guard among; /* of the threads of a run among each other; plain.c */
    hmap h;
    const gm_path *path; /* from here to `apart` nothing changes while operations run */
    maptype t;
    bool scalar; /* its gets look at one cell after the other */
    gm_hashkeys hk;
    gm_alloc alloc;
    gm_rng rng;
    gm_clock clock;
    gm_knobs knobs;
    uint32_t event_kinds; /* bit k: kind k is wanted */
    void *memory;         /* the block that the map lies in, mapBlock bytes */
    char apart[gm_line_bytes];
    mapextra extra; /* what only writers and the first reader of a NaN touch; Go's lies in a block of its own */
    gm_ring events;
    gm_counter_rng own_rng;
    gm_alloc outer; /* the allocator that it was made with: `alloc`, but for aligned buckets */
    struct {
        _Atomic uint64_t unlinked, stale_reads, entered;
    } counts;              /* gm_knob_counts */
    _Atomic uint32_t refs; /* the handle and each iterator */
    const gm_places *placed;
    cellstep step;
    gm_member member; /* of a collector's world, if it is in one */
    gm_alloc arrays;  /* for blocks that hold pointers: `alloc` without a collector */
};

/* The first of these offsets begins a line in Go's layout, the second in the padded one. */
enum {
    mapHeaderAt = offsetof(gm_map, h),
    mapReadersAt = offsetof(gm_map, h) + offsetof(hmap, hash0),
    mapBlock = sizeof(gm_map) + 2 * gm_line_bytes
};
_Static_assert((size_t)mapReadersAt <= (size_t)gm_line_bytes, "what is before them lies on one line");

/* Memory waits to be freed: the next write should look. */
static inline bool gm_pending(const gm_map *m)
{
    return m->extra.garbage.head || (m->extra.limbo.head && !m->extra.defer_all);
}

/* api.c: a try-lock, and the one around calls from outside. */
int gm_guard_write(gm_guard *g);
void gm_unguard_write(gm_guard *g);
int gm_guard_read(gm_guard *g);
void gm_unguard_read(gm_guard *g);
int gm_enter_write(gm_map *m);
void gm_leave_write(gm_map *m);
int gm_enter_read(gm_map *m);
void gm_leave_read(gm_map *m);

/* hmap.c */
int gm_hashGrow(gm_map *m);
int gm_growWork(gm_map *m, uint64_t bucket);
int gm_growWork_knobs(gm_map *m, uint64_t bucket);
void gm_advanceEvacuationMark(gm_map *m, uint64_t newbit);
bmap *gm_newoverflow(gm_map *m, bmap *b);
int gm_ensure_overflow(gm_map *m, uint64_t n);
int gm_first_bucket(gm_map *m);
void gm_settle_emptyRest(gm_map *m, bmap *first, bmap *b, unsigned cell);
void gm_reset_hash0(gm_map *m);
void gm_clear(gm_map *m);
void gm_map_probe(gm_map *m, bool on);
/* iterator.c: up to `limit` entries from a random start (map/variant.h); visit NULL: only walks. Unguarded. */
int gm_range(gm_map *m, uint64_t limit, gm_visit visit, void *ctx);
void gm_collect(gm_map *m, void *keys, int64_t *offsets, void *elems, uint64_t n); /* inspect.c */
void gm_event_push(gm_map *m, int kind, uint64_t n, uint64_t took_ns, uint8_t from_B, uint8_t to_B);
extern const gm_path *const gm_paths[2][4][2]; /* [with spans][path][compiled for AES-NI], paths.c */
extern const gm_path *const gm_scalar_paths[4];
extern const gm_path *const gm_knob_paths[4];
extern const gm_path *const gm_heap_paths[4]; /* of maps with a collector, paths_heap.c */

/* knobs.c */
bool gm_knobs_allowed(const gm_knobs *k, const maptype *t);
bool gm_knobs_are_go(const gm_knobs *k);
bool gm_over_load(const gm_map *m, uint64_t count, uint8_t B);
bool gm_growth_due(const gm_map *m);
bool gm_grows_bigger(const gm_map *m);
void gm_align_buckets(gm_map *m);
void gm_unlink_if_empty(gm_map *m, bmap *first, bmap *b);
void gm_count_stale(const gm_map *m);

/* memory.c */
void *gm_mem_new(gm_map *m, size_t size);
void *gm_mem_new_buckets(gm_map *m, size_t size);
void *gm_mem_new_overflow(gm_map *m);
void gm_mem_free_slabs(gm_map *m);
int gm_join_collector(gm_map *m, const gm_collector *c);
void gm_mem_free(gm_map *m, void *p);
void gm_retire(gm_map *m, void *p);
void gm_collect_garbage(gm_map *m, unsigned limit);
void gm_blocklist_push(blocklist *l, gm_block *b);
gm_block *gm_blocklist_pop(blocklist *l);

static inline gm_block *gm_block_of(void *p)
{
    return (gm_block *)p - 1;
}

/* ------------------------------------------------------------------ a collector, if there is one (collector.h) */

#ifndef GM_COLLECTED
#define GM_COLLECTED 0 /* 1 in paths_heap.c: elsewhere all this is nothing */
#endif

/* Before a pointer is stored into a slot of a block (Y1). */
static inline void gm_tell_store(const void *slot, void *now)
{
    if (GM_COLLECTED && gm_unlikely(gm_barrier_now != NULL))
        gm_barrier_put(gm_barrier_now, gm_load_acq((void *const _Atomic *)slot), now); /* acquire: as gm_slot_ptr */
}

static inline void gm_enter_world(const gm_map *m)
{
    if (m->member.collector)
        m->member.collector->enter(m->member.collector->ctx);
}

static inline void gm_leave_world(const gm_map *m)
{
    if (m->member.collector)
        m->member.collector->leave(m->member.collector->ctx);
}

/* ------------------------------------------------------------------ reading and writing buckets */

static inline uint64_t bucketMask(uint8_t B)
{
    return ((uint64_t)1 << (B & 63)) - 1;
}

static inline bmap *bucketAt(const gm_map *m, bmap *array, uint64_t i)
{
    return (bmap *)((unsigned char *)array + i * m->t.bucketsize);
}

static inline unsigned char *keySlot(const gm_map *m, bmap *b, unsigned i)
{
    return (unsigned char *)b + bucketCnt + (size_t)m->step.key * i;
}

static inline unsigned char *elemSlot(const gm_map *m, bmap *b, unsigned i)
{
    return (unsigned char *)b + m->t.elem_off + (size_t)m->step.elem * i;
}

/* The same where cells lie as in Go, for the paths without knobs. */
static inline unsigned char *goKeySlot(const gm_map *m, bmap *b, unsigned i)
{
    return (unsigned char *)b + bucketCnt + (size_t)m->t.keyslot * i;
}

static inline unsigned char *goElemSlot(const gm_map *m, bmap *b, unsigned i)
{
    return (unsigned char *)b + m->t.elem_off + (size_t)m->t.elemslot * i;
}

/* A pointer that lies in a slot or at the end of a bucket. Acquire pairs with gm_slot_set_ptr's release (O3, O4). */
static inline void *gm_slot_ptr(const void *slot)
{
    return gm_load_acq((void *const _Atomic *)slot);
}

static inline void gm_slot_set_ptr(void *slot, void *p)
{
    gm_tell_store(slot, p);
    gm_store_rel((void *_Atomic *)slot, p);
}

static inline bmap *overflow(const gm_map *m, bmap *b)
{
    return gm_slot_ptr((unsigned char *)b + m->t.overflow_off);
}

static inline void setoverflow(const gm_map *m, bmap *b, bmap *next)
{
    gm_slot_set_ptr((unsigned char *)b + m->t.overflow_off, next);
}

/* One tophash byte; acquire pairs with setTophash's release (O1). */
static inline uint8_t tophashAt(bmap *b, unsigned i)
{
    return gm_load_acq((_Atomic uint8_t *)b + i);
}

static inline void setTophash(bmap *b, unsigned i, uint8_t top)
{
    gm_store_rel((_Atomic uint8_t *)b + i, top);
}

/* All eight at once; acquire pairs with the release of each byte's store (O1). */
static inline uint64_t tophash8(bmap *b)
{
    return gm_load_acq((_Atomic uint64_t *)(void *)b);
}

static inline uint8_t tophash(uint64_t hash)
{
    uint8_t top = (uint8_t)(hash >> 56);
    return top < minTopHash ? (uint8_t)(top + minTopHash) : top;
}

static inline uint8_t reversed8(uint8_t b)
{
    b = (uint8_t)(b >> 4 | b << 4);
    b = (uint8_t)((b & 0xCC) >> 2 | (b & 0x33) << 2);
    return (uint8_t)((b & 0xAA) >> 1 | (b & 0x55) << 1);
}

/* A hash that leads to every chain-th bucket only; see SKEW in knobs.c. */
static inline uint64_t gm_skewed(uint64_t hash, uint32_t chain)
{
    uint32_t patterns = (256 + chain / 2) / chain;
    uint8_t folded = (uint8_t)(reversed8((uint8_t)hash) * patterns >> 8);
    return (hash & ~UINT64_C(0xFF)) | reversed8(folded);
}

static inline bool evacuated(bmap *b)
{
    uint8_t top = tophashAt(b, 0);
    return top > emptyOne && top < minTopHash;
}

/* Bit i is set where cell i has that top. */
static inline unsigned matchTop(uint64_t tops, uint8_t top)
{
    return gm_eight_equal(tops, top);
}

static inline unsigned matchEmpty(uint64_t tops)
{
    return gm_eight_at_most_one(tops); /* emptyRest, emptyOne */
}

/* An overflow bucket that a delete has unlinked (knobs.c): what no bucket of a chain ever shows, since H4 forbids it. To a
 * reader that stands in it, or an iterator, all its cells are free. */
#define unlinkedTops UINT64_C(0x0100010001000100)

static inline bool overLoadFactor(uint64_t count, uint8_t B)
{
    return count > bucketCnt && count > 13 * (((uint64_t)1 << (B & 63)) / 2);
}

static inline bool tooManyOverflowBuckets(uint16_t noverflow, uint8_t B)
{
    return noverflow >= (uint32_t)1 << (B > 15 ? 15 : B);
}

static inline bool growing(const gm_map *m)
{
    return gm_load_rlx(&m->h.oldbuckets) != NULL;
}

/* Buckets of the old array, for the writer. */
static inline uint64_t noldbuckets(const gm_map *m)
{
    uint8_t B = gm_load_rlx(&m->h.B);
    return (uint64_t)1 << (gm_load_rlx(&m->h.flags) & sameSizeGrow ? B : B - 1);
}

static inline bool gm_key_points(const gm_map *m)
{
    return m->t.key_kind == GM_STRING || m->t.key_indirect;
}

static inline bool gm_elem_points(const gm_map *m)
{
    return m->t.elem_kind == GM_STRING || m->t.elem_kind == GM_PTR || m->t.elem_kind == GM_HELD || m->t.elem_indirect;
}

/* What an elem points to is a block of the map's own, let go of with the elem. */
static inline bool gm_elem_owned(const gm_map *m)
{
    return gm_elem_points(m) && m->t.elem_kind != GM_HELD;
}

/* An overflow bucket's index in the reserve of its array, -1 if it came from the heap. */
static inline int64_t preallocIndex(const gm_map *m, bmap *array, uint64_t regular, uint64_t total, bmap *b)
{
    unsigned char *base = (unsigned char *)array, *p = (unsigned char *)b;
    if (p < base + regular * m->t.bucketsize || p >= base + total * m->t.bucketsize)
        return -1;
    return (int64_t)((uint64_t)(p - base) / m->t.bucketsize - regular);
}

#endif
