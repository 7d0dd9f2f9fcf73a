/* gomap.h: the public C API of gomap.
 *
 * This is the one header that the Python build reads: everything between the two "cdef" marks is both C and the cffi
 * declaration list, so it holds no preprocessor line. The text before and after is for C callers only.
 *
 * Conventions
 *   - A function that can fail returns an int from `enum gm_status`: 0 is success, a positive value an ordinary negative
 *     answer ("not there", "at the end"), a negative value an error. Nothing prints, nothing aborts.
 *   - Contents travel as bytes. A key is given as (pointer, length): the 4 or 8 bytes of an integer or float in memory
 *     order, or the bytes of a string or byte array. The length is looked at for strings only. Many keys are one array of
 *     contents, or for strings int64 offsets (n + 1 of them) into one byte array, as Arrow lays strings out.
 *   - An elem comes back as its content: the fixed bytes; a uint64 reference for GM_REF; a `gm_view` for GM_STRING and
 *     GM_PTR (borrowed until the next write to the map; p is NULL for nil).
 *   - Functions named gm_map_* and gm_iter_* are *guarded* (but for gm_map_len, gm_map_layout, gm_map_hash, gm_iter_new,
 *     gm_iter_free and gm_iter_fields): a call that overlaps one it may not overlap is refused with the status of Go's
 *     fatal error and has no effect. Any number of readers may overlap. See map/api.c.
 */
#ifndef GOMAP_H
#define GOMAP_H

#include <stddef.h>
#include <stdint.h>

/* cdef begin */

enum gm_status {
    GM_OK = 0,
    GM_MISS = 1,          /* no such key */
    GM_END = 2,           /* the iteration is over */
    GM_E_NOMEM = -1,      /* an allocation failed, or a size does not fit: the map is as it was */
    GM_E_READ_WRITE = -2, /* "concurrent map read and map write" */
    GM_E_WRITES = -3,     /* "concurrent map writes" */
    GM_E_ITERATE = -4,    /* "concurrent map iteration and map write" */
    GM_E_ARGUMENT = -5,   /* an argument outside its documented range */
    GM_E_CORRUPT = -6,    /* gm_map_check found a broken invariant */
    GM_E_THREAD = -7,     /* the system gives no more threads */
    GM_E_PIN = -8,        /* a thread may not run on the CPU that it was told to */
    GM_E_DEADLOCK = -9    /* "all goroutines are asleep - deadlock!" */
};

enum gm_kind {
    GM_MEM = 0,     /* n bytes compared as memory: integers, byte arrays, n = 0 for "none"; over 128 bytes indirect */
    GM_FLOAT64 = 1, /* key: IEEE semantics (NaN != NaN, +0 == -0); as elem the same as 8 bytes of GM_MEM */
    GM_STRING = 2,  /* Go string */
    GM_PTR = 3,     /* elem only: *int64, nil or a pointer to 8 bytes that the map owns */
    GM_REF = 4,     /* elem only: a uint64 that stands for an object of the caller's, never 0; laid out as a pointer */
    GM_HELD = 5     /* elem only, with a collector: a pointer to an object of its, or NULL: the map keeps it alive */
};

enum gm_hasher {
    GM_HASH_AES = 0,          /* Go's AES hash, by AES-NI where the CPU has it, else as GM_HASH_AES_PORTABLE */
    GM_HASH_AES_PORTABLE = 1, /* the same values in portable C */
    GM_HASH_MEM = 2           /* Go's memhash fallback (wyhash family) */
};

enum gm_search {
    GM_SEARCH_VECTOR = 0, /* a get looks at the eight tophash bytes of a bucket at once */
    GM_SEARCH_SCALAR = 1  /* a get looks at one cell after the other, as Go's do: for timing beside Go */
};

enum gm_draw {
    GM_DRAW_HASH0 = 0,     /* a new hash seed */
    GM_DRAW_NAN = 1,       /* the hash of a NaN */
    GM_DRAW_ITER = 2,      /* where an iteration starts */
    GM_DRAW_NOVERFLOW = 3, /* whether to count an overflow bucket, from B = 16 on */
    GM_DRAWS = 4
};

enum gm_event_kind {
    GM_EV_GROW_START = 0,  /* n = keys in the map, from_B, to_B (equal: same-size growth) */
    GM_EV_GROW_END = 1,    /* n = keys in the map */
    GM_EV_GROW_DROP = 2,   /* clear() threw the growth away */
    GM_EV_ARRAY_ALLOC = 3, /* n = bytes, took_ns = the time the allocation took */
    GM_EV_EVACUATE = 4,    /* n = old bucket number */
    GM_EV_OVERFLOW = 5,    /* n = 1 taken from the heap, 0 from the preallocated reserve */
    GM_EV_HASH_RESET = 6   /* n = the new hash0 */
};

/* What the knobs of map/knobs.c can be set to; 0 is Go's setting. */
enum gm_overflow_limit { GM_OVERFLOW_GO = 0, GM_OVERFLOW_2_15 = 1, GM_OVERFLOW_OFF = 2 };
enum gm_grow_test { GM_GROW_GO = 0, GM_GROW_ARTICLE = 1 };
enum gm_delete_grows { GM_DELETE_CONTINUES = 0, GM_DELETE_STARTS = 1 };
enum gm_delete { GM_DELETE_GO = 0, GM_DELETE_UNLINK = 1 };
enum gm_check_writing { GM_CHECK_ON = 0, GM_CHECK_OFF = 1 };
enum gm_entry { GM_ENTRY_PLAIN = 0, GM_ENTRY_CMPXCHG = 1, GM_ENTRY_XADD = 2 };
enum gm_buckets_load { GM_LOAD_PLAIN = 0, GM_LOAD_ACQUIRE = 1, GM_LOAD_SEQ_CST = 2, GM_LOAD_RMW = 3 };
enum gm_emptyrest { GM_EMPTYREST_STOP = 0, GM_EMPTYREST_WALK = 1 };
enum gm_iter_flag_or { GM_ITER_OR_ONCE = 0, GM_ITER_OR_EVERY = 1, GM_ITER_OR_OFF = 2 };
enum gm_paths_choice { GM_PATHS_FAST = 0, GM_PATHS_KNOBS = 1 };
enum gm_bucket_stride { GM_STRIDE_NATURAL = 0, GM_STRIDE_192 = 1, GM_STRIDE_ALIGNED = 2 };
enum gm_cells { GM_CELLS_ARRAYS = 0, GM_CELLS_PAIRS = 1 };
enum gm_key_stride { GM_KEYS_NATURAL = 0, GM_KEYS_16 = 1, GM_KEYS_ALIGNED = 2 };
enum gm_key_path { GM_KEY_PATH_FAST = 0, GM_KEY_PATH_GENERIC = 1 };

/* Knobs of a classic map: settings that real Go does not offer. See map/knobs.c; gm_knobs_go gives Go's. */
typedef struct gm_knobs {
    uint32_t load_num, load_den; /* entries a bucket, at most, as a fraction: 13/2; load_num 0: no limit */
    uint32_t overflow_limit;     /* enum gm_overflow_limit, and so on */
    uint32_t grow_test;
    uint32_t evacuate; /* old buckets that a write moves beside the one it needs: 1; UINT32_MAX: all */
    uint32_t delete_grows;
    uint32_t delete_mode; /* enum gm_delete */
    uint32_t check_writing;
    uint32_t entry;
    uint32_t buckets_load;
    uint32_t emptyrest;
    uint32_t iter_flag_or;
    uint32_t chain; /* 1; up to 16: keys are hashed into one bucket of so many */
    uint32_t bucket_stride;
    uint32_t cells; /* enum gm_cells: keys, then elems; or each key with its elem */
    uint32_t key_stride;
    uint32_t key_path; /* of 4-byte, 8-byte and string keys */
    uint32_t paths;    /* enum gm_paths_choice: the machine code that looks at knobs, though all may be Go's */
} gm_knobs;

/* What the knobs did, since the map was made. */
typedef struct gm_knob_counts {
    uint64_t unlinked;    /* overflow buckets taken out of their chains by deletes */
    uint64_t stale_reads; /* readers that stood in one, or came to one, after that */
    uint64_t entered;     /* gets that were counted (GM_ENTRY_XADD) */
} gm_knob_counts;

/* An allocator. zalloc returns zeroed memory aligned to 16 bytes, or NULL. */
typedef struct gm_alloc {
    void *(*zalloc)(void *ctx, size_t size);
    void (*release)(void *ctx, void *p, size_t size);
    void *ctx;
} gm_alloc;

enum gm_pages {
    GM_PAGES_HUGE = 0, /* arrays of 2 MB and more lie in huge pages where the system gives them */
    GM_PAGES_SMALL = 1 /* nothing is asked for, as Go's runtime does not */
};

/* A source of random numbers; `purpose` is an enum gm_draw. */
typedef struct gm_rng {
    uint64_t (*draw)(void *ctx, int purpose);
    void *ctx;
} gm_rng;

typedef struct gm_clock {
    uint64_t (*now_ns)(void *ctx);
    void *ctx;
} gm_clock;

typedef struct gm_view {
    const void *p;
    size_t n;
} gm_view;

typedef struct gm_collector gm_collector; /* map/collector.h */

typedef struct gm_config {
    int key_kind;
    size_t key_size;
    int elem_kind;
    size_t elem_size;
    uint64_t hint;              /* as in make(map[K]V, hint) */
    int padded;                 /* 1: what writes change lies apart from what reads need; 0: on one line, as in Go */
    int hasher;                 /* enum gm_hasher */
    uint64_t seed;              /* seeds the map's own generator, from which all below that is NULL is drawn */
    const uint8_t *aeskeysched; /* 128 bytes, or NULL */
    const uint64_t *hashkey;    /* 4 words, or NULL */
    const uint32_t *hash0;      /* or NULL */
    uint32_t events;            /* capacity of the event ring; 0: no events */
    uint32_t event_kinds;       /* which kinds go there: bit k for kind k of enum gm_event_kind; 0: all */
    int pages;                  /* enum gm_pages: of the classic map's own memory; without `alloc` */
    const gm_alloc *alloc;      /* NULL: the C library's, and `pages` */
    const gm_rng *rng;          /* NULL: the map's own generator */
    const gm_clock *clock;      /* NULL: CLOCK_MONOTONIC */
    int search;                 /* enum gm_search */
    const gm_knobs *knobs;      /* NULL: Go's; others not with GM_SEARCH_SCALAR */
    /* NULL: none; else the memory is its, and `alloc` serves the handle only. Not with GM_SEARCH_SCALAR or aligned buckets. */
    const gm_collector *collector;
} gm_config;

typedef struct gm_header {
    uint64_t count;
    uint8_t flags; /* 1 iterator, 2 old iterator, 4 writing, 8 same-size growth */
    uint8_t B;
    uint16_t noverflow;
    uint32_t hash0;
    uint64_t nevacuate;
    uint64_t clear_seq;
    int growing;
    int allocated;         /* a bucket array exists */
    int64_t next_prealloc; /* index of the next free preallocated overflow bucket, -1 if none */
    uint64_t nbuckets;     /* buckets of the array with its reserve */
    uint64_t nold;         /* old buckets, 0 when not growing */
    uint64_t bytes;        /* memory in use, without the handle itself and what is free in slabs */
} gm_header;

typedef struct gm_layout {
    uint32_t key_slot, elem_slot, bucket_size; /* bytes */
    uint32_t key_offset, elem_offset;          /* of the first key and elem in a bucket */
    uint32_t key_step, elem_step;              /* from one to the next */
    uint32_t overflow_offset;                  /* of the pointer to the next bucket of the chain */
    int key_indirect, elem_indirect;           /* the slot is a pointer */
    int bucket_pointers;                       /* buckets hold pointers: Go's collector would scan them */
    int path;                                  /* 0 slow, 1 fast32, 2 fast64, 3 faststr */
} gm_layout;

typedef struct gm_event {
    uint64_t at_ns;
    uint64_t op; /* gm_replay: number of the operation it happened in; else 0 */
    uint64_t n;
    uint64_t took_ns;
    int32_t kind; /* enum gm_event_kind */
    uint8_t from_B, to_B;
} gm_event;

/* Where gm_map_check found an invariant broken; the letters are those of map/check.c. */
typedef struct gm_broken {
    int32_t invariant; /* n of "H<n>" */
    int32_t in_old;    /* 1: the old array */
    uint64_t bucket;
    uint32_t depth; /* position in the chain */
    uint32_t cell;
    uint64_t got, want;
} gm_broken;

typedef struct gm_map gm_map;
typedef struct gm_iter gm_iter;

/* A map. gm_map_new: GM_E_ARGUMENT for a kind or size outside the table, GM_E_NOMEM. */
int gm_map_new(const gm_config *config, gm_map **out);
void gm_map_free(gm_map *m); /* once; an open iterator keeps the map alive until it is freed */

/* One key. */
uint64_t gm_map_len(gm_map *m);
int gm_map_get(gm_map *m, const void *key, size_t len, void *elem);
int gm_map_assign(gm_map *m, const void *key, size_t len, const void *elem, size_t elem_len, uint64_t *old_ref);
int gm_map_delete(gm_map *m, const void *key, size_t len,
                  void *old_elem); /* NULL, or room for the elem (not GM_STRING, GM_PTR) */
/* refs NULL, or (GM_REF) room for `cap` references that the map lets go of: GM_MISS and nothing done if *n is more. */
int gm_map_clear(gm_map *m, uint64_t *refs, uint64_t cap, uint64_t *n);

/* Many keys in one call, worked off in order up to the first error. elems and found are left alone where a key is missing.
 * Elems are contents side by side (GM_MEM, GM_FLOAT64, GM_REF only). found, old_refs may be NULL; what is
 * written may not lie over the keys. *done is the number of
 * hits for get and delete, of keys worked off for assign. */
int gm_map_get_many(gm_map *m, const void *keys, const int64_t *offsets, size_t n, void *elems, uint8_t *found, size_t *done);
int gm_map_assign_many(gm_map *m, const void *keys, const int64_t *offsets, size_t n, const void *elems, uint64_t *old_refs,
                       size_t *done);
int gm_map_delete_many(gm_map *m, const void *keys, const int64_t *offsets, size_t n, uint64_t *old_refs, size_t *done);

/* The whole map in bucket order, without touching the iterator flags. keys: contents side by side, or string bytes with
 * *n + 1 offsets; either of keys and elems may be NULL. *n and *key_bytes (0 but for strings) say what there is room for,
 * and come back as what there is; GM_MISS and nothing stored if they differ. */
int gm_map_collect(gm_map *m, void *keys, int64_t *offsets, void *elems, uint64_t *n, uint64_t *key_bytes);

/* Go's hiter. gm_iter_init is mapiterinit with its first step, gm_iter_next is mapiternext; both give GM_OK with the
 * key (content, or a gm_view for strings) and elem of the step, or GM_END. start or offset -1: at random. One step at a time:
 * GM_E_ITERATE if another thread's is under way. */
int gm_iter_new(gm_map *m, gm_iter **out);
void gm_iter_free(gm_iter *it);
int gm_iter_init(gm_iter *it, int64_t start, int offset, void *key, void *elem);
int gm_iter_next(gm_iter *it, void *key, void *elem);
int gm_iter_fields(gm_iter *it, int64_t *fields); /* B, bucket, i, wrapped, checkBucket; GM_END if never set up */

/* By address, for a caller that is linked apart: map/calls.c. */
typedef struct gm_variant gm_variant;       /* map/variant.h */
typedef struct gm_iter_calls gm_iter_calls; /* map/calls.h */
const gm_variant *gm_map_variant(void);     /* of a gm_map */
const gm_iter_calls *gm_map_iter_calls(void);

/* A look inside. Functions that return an int64_t give a negative status when a writer is inside. */
int gm_map_header(gm_map *m, gm_header *out);
int gm_map_layout(gm_map *m, gm_layout *out);
/* Holds the reader's side of the guard over several calls: addresses from gm_map_chain hold until gm_map_unpin. */
int gm_map_pin(gm_map *m);
void gm_map_unpin(gm_map *m);
/* The chain of bucket i of the current (0) or old (1) array: the number of its buckets; the first `cap` addresses and
 * indices in the preallocated reserve (-1: from the heap, -2: a regular bucket) are stored. 0: no such chain. */
int64_t gm_map_chain(gm_map *m, uint64_t i, int old, const uint8_t **buckets, int64_t *prealloc, size_t cap);
/* Chains of the current array by length: counts[k] of k + 1 buckets, longer ones in the last place; returns the longest. */
int64_t gm_map_chain_lengths(gm_map *m, uint64_t *counts, size_t cap);
/* Which old buckets are evacuated: their number, a byte 0 or 1 each into done. 0 when not growing. */
int64_t gm_map_evacuated(gm_map *m, uint8_t *done, size_t cap);
/* The byte string that the digests of vectors/FORMAT.md are over; returns its length, writes at most cap bytes. */
int64_t gm_map_serialise(gm_map *m, int raw, uint8_t *buf, size_t cap);
int gm_map_check(gm_map *m, gm_broken *broken); /* GM_OK or GM_E_CORRUPT */
uint64_t gm_map_hash(gm_map *m, const void *key, size_t len, uint32_t seed);
/* The hashes that the map gives to many keys now: under its hash0. A NaN's is drawn, as at every use. */
int gm_map_hash_many(gm_map *m, const void *keys, const int64_t *offsets, size_t n, uint64_t *hashes);
int64_t gm_map_events(gm_map *m, gm_event *out, size_t cap, uint64_t *dropped); /* oldest first; returns how many there are */
/* Holds the evacuation mark at old bucket `at` (-1: where it is; -2: lets it run again). */
int gm_map_freeze(gm_map *m, int64_t at);
/* Evacuates up to n more old buckets at the mark, frozen or not; GM_MISS when the map does not grow. */
int gm_map_evacuate(gm_map *m, uint64_t n);
int gm_cpu_has_aes(void);
void gm_knobs_go(gm_knobs *out);                         /* Go's settings */
void gm_map_knobs(gm_map *m, gm_knobs *out);             /* the map's */
void gm_map_knob_counts(gm_map *m, gm_knob_counts *out); /* may overlap anything */

/* For tests: an allocator that counts and can be told to fail or to stall, and a generator that plays back given numbers. */
typedef struct gm_faulty gm_faulty;
gm_faulty *gm_faulty_new(void);
void gm_faulty_free(gm_faulty *f);
const gm_alloc *gm_faulty_alloc(gm_faulty *f);
void gm_faulty_arm(gm_faulty *f, uint64_t nth,
                   uint64_t times); /* from the nth allocation from now on (1: the next), `times` fail; 0: none */
void gm_faulty_stall(gm_faulty *f, uint64_t size, uint64_t ns); /* the next allocation of that size or more sleeps first */
uint64_t gm_faulty_calls(gm_faulty *f);
uint64_t gm_faulty_live_blocks(gm_faulty *f);
uint64_t gm_faulty_live_bytes(gm_faulty *f);

typedef struct gm_script gm_script;
gm_script *gm_script_new(void);
void gm_script_free(gm_script *s);
const gm_rng *gm_script_rng(gm_script *s);
int gm_script_push(gm_script *s, int purpose, uint64_t value);
uint64_t gm_script_left(gm_script *s);   /* numbers pushed and not drawn */
uint64_t gm_script_missed(gm_script *s); /* draws that found no number (they got 0) */

/* base/histogram.c: a log-linear histogram of nanoseconds with HdrHistogram's bucket layout. */
typedef struct gm_hist gm_hist;
gm_hist *gm_hist_new(int significant_digits, uint64_t highest);
void gm_hist_free(gm_hist *h);
void gm_hist_record(gm_hist *h, uint64_t value);
uint64_t gm_hist_total(const gm_hist *h);
uint64_t gm_hist_max(const gm_hist *h);
uint64_t gm_hist_min(const gm_hist *h);
double gm_hist_mean(const gm_hist *h);
uint64_t gm_hist_percentile(const gm_hist *h, double percent);
size_t gm_hist_counts(const gm_hist *h, uint64_t *values, uint64_t *counts, size_t cap); /* non-empty buckets, ascending */

/* csrc/sync, sync/variants.c: map designs under one table. See map/variant.h. */
enum gm_variant_id {
    GM_VARIANT_EMPTY = 0, /* does nothing: what the engine itself costs */
    GM_VARIANT_PLAIN = 1,
    GM_VARIANT_MUTEX = 2,
    GM_VARIANT_RWMUTEX = 3,
    GM_VARIANT_GROWLOCK = 4,
    GM_VARIANT_SHARDED = 5,
    GM_VARIANT_SYNCMAP = 6,
    GM_VARIANT_HASHTRIE = 7,
    GM_VARIANT_LOCKFREE = 8,
    GM_VARIANTS = 9
};

typedef struct gm_guard_config {
    uint32_t shards; /* sharded: a power of two */
    int padded;      /* hot words on cache lines of their own */
} gm_guard_config;

/* How long those waited that had to. by_log2[k]: waits of 2^k up to 2^(k+1) nanoseconds; [0] from 0 on, [39] without end. */
typedef struct gm_waits {
    uint64_t count, total_ns, longest_ns;
    uint64_t by_log2[40];
} gm_waits;

/* Counters since the map was made; those that a design does not have are 0. Times in nanoseconds. */
typedef struct gm_stats {
    uint64_t entries, bytes;
    uint64_t locks, contended, spins, handoffs, wait_ns, longest_wait_ns; /* of writers and of readers that take a lock */
    uint64_t retries;                                                     /* of readers that take none */
    uint64_t growths, shrinks, evacuated;
    uint64_t promotions, misses; /* syncmap */
    uint64_t retired, freed;     /* blocks given to and freed by epochs */
    gm_waits waits, read_waits;  /* contended and wait_ns apart: for exclusive locks, and of readers of an RWMutex */
} gm_stats;

/* sync/cmap.c: a map of any of these designs, for many threads. Keys and elems as for gm_map_*; elem kinds GM_MEM, GM_FLOAT64,
 * GM_REF. `old` and `actual` are room for an elem. Every function may be called from any thread at any time but new and free.
 */
typedef struct gm_cmap gm_cmap;
int gm_cmap_new(int variant, const gm_config *c, const gm_guard_config *g, gm_cmap **out);
void gm_cmap_free(gm_cmap *c);
void *gm_cmap_target(gm_cmap *c);
const gm_variant *gm_cmap_variant(const gm_cmap *c); /* its functions, to be called with the target */
int gm_cmap_get(gm_cmap *c, const void *key, size_t len, void *elem);
int gm_cmap_assign(gm_cmap *c, const void *key, size_t len, const void *elem, void *old);
int gm_cmap_delete(gm_cmap *c, const void *key, size_t len, void *old);
int gm_cmap_load_or_store(gm_cmap *c, const void *key, size_t len, const void *elem, void *actual);
int gm_cmap_compare_and_swap(gm_cmap *c, const void *key, size_t len, const void *expected,
                             const void *elem); /* NULL: delete */
int gm_cmap_add(gm_cmap *c, const void *key, size_t len, int64_t delta, int64_t *sum);
int gm_cmap_len(gm_cmap *c, uint64_t *n);
int gm_cmap_clear(gm_cmap *c);                    /* GM_E_ARGUMENT for GM_REF: delete one by one, to get them back */
int gm_cmap_check(gm_cmap *c, gm_broken *broken); /* nobody else is inside */
void gm_cmap_stats(gm_cmap *c, gm_stats *out);
gm_map *gm_cmap_part(gm_cmap *c, unsigned i); /* the i-th gm_map that it is made of, or NULL */
/* Growths of a design that is not made of gm_maps, oldest first; returns how many there are. Beside writers too. */
size_t gm_cmap_events(gm_cmap *c, gm_event *out, size_t cap, uint64_t *dropped);
int gm_cmap_get_many(gm_cmap *c, const void *keys, const int64_t *offsets, size_t n, void *elems, uint8_t *found, size_t *done);
int gm_cmap_assign_many(gm_cmap *c, const void *keys, const int64_t *offsets, size_t n, const void *elems, uint64_t *old_refs,
                        size_t *done);
int gm_cmap_delete_many(gm_cmap *c, const void *keys, const int64_t *offsets, size_t n, uint64_t *old_refs, size_t *done);
/* All entries as a range sees them (map/variant.h): key bytes with n + 1 offsets, elems side by side. */
typedef struct gm_snapshot {
    uint64_t n;
    unsigned char *keys, *elems;
    int64_t *offsets;
    uint64_t key_room, elem_room, offset_room; /* bytes */
} gm_snapshot;
int gm_cmap_snapshot(gm_cmap *c, gm_snapshot *out); /* zeroed before; to be freed whatever it returns */
void gm_snapshot_free(gm_snapshot *s);

/* lab/ops.c: what an operation of the laboratory does to a map. */
enum gm_op {
    GM_OP_GET = 0, /* in a trace with fill, a miss is followed by an assign (counted as GM_OP_FILL) */
    GM_OP_ASSIGN = 1,
    GM_OP_DELETE = 2,
    GM_OP_LOAD_OR_STORE = 3, /* assign if absent (memcached add) */
    GM_OP_REPLACE = 4,       /* assign if present (replace, cas, append, prepend) */
    GM_OP_INCR = 5,          /* add the value if present (incr; decr with a negative value) */
    GM_OP_FILL = 6,          /* the assign that follows a missed get */
    GM_OP_TRACE_OPS = 7,     /* codes below GM_OP_FILL may stand in a trace */
    GM_OP_GET_MISS = 7,      /* get of a key that never was in the map */
    GM_OP_ASSIGN_NEW = 8,    /* assign of a key that never was in the map */
    GM_OP_ITERATE = 9,       /* a range over up to so many entries, begun at random */
    GM_OP_LEN = 10,
    GM_OP_ADD = 11, /* m[k] += 1 */
    GM_OPS = 12
};

/* lab/replay.c: a trace driven through one map, every operation timed. */
typedef struct gm_replay_config {
    const uint8_t *ops;     /* n of them */
    const void *keys;       /* as for gm_map_get_many */
    const int64_t *offsets; /* NULL for fixed-size keys */
    const int64_t *values;  /* n of them, or NULL: the operation's number */
    uint64_t n;
    int fill;       /* a missed get is followed by an assign */
    int timed;      /* 0: no clock is read, the histograms stay empty */
    uint64_t first; /* number of the first operation, for events and values */
} gm_replay_config;

typedef struct gm_replay_stats {
    uint64_t done[7]; /* operations by kind */
    uint64_t hits[7]; /* of them, those that found the key */
    uint64_t total_ns;
} gm_replay_stats;

/* Adds to *stats and hists[GM_OP_TRACE_OPS]; the map must have int64 elems. Stops at the first error. */
int gm_replay(gm_map *m, const gm_replay_config *config, gm_hist *const *hists, gm_replay_stats *stats);
uint64_t gm_clock_cost_ns(void);      /* median cost of one reading of the default clock, measured now */
double gm_tick_cost_ns(int hardware); /* what the engine's two readings measure when nothing is between them: the median */

/* lab/keystream.c: which key comes next, as an index 0 .. n-1. The same indices on every machine for one seed. */
enum gm_stream_kind {
    GM_STREAM_UNIFORM = 0,
    GM_STREAM_ZIPF = 1,
    GM_STREAM_HOTSPOT = 2,
    GM_STREAM_LATEST = 3,
    GM_STREAM_SEQUENTIAL = 4
};

typedef struct gm_stream_config {
    int kind;        /* enum gm_stream_kind */
    uint64_t n;      /* keys, 1 to 2^53 */
    double theta;    /* zipf, latest: above 0, up to 2 */
    double fraction; /* hotspot: the hot part of the keys, between 0 and 1 */
    double share;    /* hotspot: its part of the draws, 0 to 1 */
    uint64_t seed;
} gm_stream_config;

typedef struct gm_stream gm_stream;
gm_stream *gm_stream_new(const gm_stream_config *c); /* NULL: no memory, or a number outside its range */
void gm_stream_free(gm_stream *s);
void gm_stream_draw(gm_stream *s, int64_t *out, size_t count);
void gm_stream_grow(gm_stream *s, uint64_t n); /* from now on over n keys */

/* base/probe.h: what the time of an operation went to. */
enum gm_cause {
    GM_CAUSE_REST = 0,
    GM_CAUSE_ARRAY_ALLOCATION = 1,  /* a bucket array: allocation and zeroing */
    GM_CAUSE_EVACUATION = 2,        /* the old bucket that the write needs */
    GM_CAUSE_SECOND_EVACUATION = 3, /* the one that is next in line */
    GM_CAUSE_OVERFLOW_WALK = 4,     /* beyond a chain's first bucket */
    GM_CAUSE_ALLOCATION = 5,        /* an overflow bucket, a string, a box */
    GM_CAUSE_RECLAMATION = 6,       /* giving memory back */
    GM_CAUSE_LOCK_WAIT = 7,
    GM_CAUSE_RETRY = 8,
    GM_CAUSE_BACKLOG = 9,    /* open loop: the thread was still busy with earlier operations */
    GM_CAUSE_PREEMPTED = 10, /* the system did not run the thread */
    GM_CAUSE_PAGE_FAULT = 11,
    GM_CAUSE_REFILL = 12,        /* in a heap: a span for the P's cache */
    GM_CAUSE_SWEEP = 13,         /* spans swept for that */
    GM_CAUSE_ASSIST = 14,        /* marking for the collector */
    GM_CAUSE_BARRIER_FLUSH = 15, /* a full buffer of the write barrier's */
    GM_CAUSE_STOPPED = 16,       /* the world was */
    /* A goroutine was ready and did not run (sched/tracks.c): four parts of its wait, in the order of enum gm_wait_kind. */
    GM_CAUSE_RUN_QUEUE = 17,
    GM_CAUSE_DESCHEDULED = 18,
    GM_CAUSE_STOLEN = 19,
    GM_CAUSE_GLOBAL_LOCK = 20,
    GM_CAUSES = 21
};

/* How threads are made; `body` is run with `arg`. start: GM_OK or GM_E_THREAD. */
typedef uint64_t gm_thread;
typedef struct gm_spawner {
    int (*start)(void *ctx, void *(*body)(void *), void *arg, gm_thread *out);
    void (*join)(void *ctx, gm_thread t);
    void *ctx;
} gm_spawner;

/* sched/sched.c: goroutines on threads, scheduled as Go does. What the settings mean is told there; 0 is Go's. */
enum gm_globq_kind { GM_GLOBQ_LIST = 0, GM_GLOBQ_RING = 1, GM_GLOBQ_RING_PADDED = 2 };
enum gm_runnext_inherit { GM_INHERIT_ON = 0, GM_INHERIT_OFF = 1 };
enum gm_runnext { GM_RUNNEXT_ON = 0, GM_RUNNEXT_OFF = 1 }; /* off: what is made ready goes to the end of the queue */
enum gm_steal_kind { GM_STEAL_HALF = 0, GM_STEAL_ONE = 1, GM_STEAL_OFF = 2 };
enum gm_preempt_kind { GM_PREEMPT_BOTH = 0, GM_PREEMPT_SYNC = 1, GM_PREEMPT_ASYNC = 2, GM_PREEMPT_NONE = 3 };
enum gm_preempt_target { GM_TARGET_GLOBAL = 0, GM_TARGET_PARKED = 1 };

/* Why a goroutine waited, ready to run: in a queue; because sysmon had stopped it; until another P stole it; at the lock of the
 * global queue. */
enum gm_wait_kind { GM_WAIT_QUEUE = 0, GM_WAIT_DESCHEDULED = 1, GM_WAIT_STOLEN = 2, GM_WAIT_LOCK = 3, GM_WAIT_KINDS = 4 };
/* Where a run of a goroutine came from, and what it ended by. */
enum gm_run_from { GM_FROM_LOCAL = 0, GM_FROM_NEXT = 1, GM_FROM_GLOBAL = 2, GM_FROM_STEAL = 3, GM_FROM_CALL = 4 };
enum gm_run_to { GM_TO_YIELD = 0, GM_TO_SYNC = 1, GM_TO_ASYNC = 2, GM_TO_PARK = 3, GM_TO_CALL = 4, GM_TO_END = 5 };

typedef struct gm_tracks gm_tracks; /* sched/tracks.c: what went on on the Ps */

/* One run of a goroutine on a P. */
typedef struct gm_slice {
    uint64_t begin, end; /* ticks; nanoseconds since the beginning of time where it is a run's result */
    uint32_t goroutine, thread, p;
    uint8_t from, to; /* enum gm_run_from, gm_run_to */
} gm_slice;

typedef struct gm_sched_config {
    uint32_t procs;            /* Ps, 1 to 256 */
    uint32_t globq;            /* enum gm_globq_kind, and so on */
    uint32_t globq_len;        /* of a ring: goroutines that there may be at once, a power of two from 2 to 2^20 */
    uint32_t runnext;          /* enum gm_runnext */
    uint32_t runnext_inherit;  /* enum gm_runnext_inherit */
    uint32_t steal;            /* enum gm_steal_kind */
    uint32_t preempt;          /* enum gm_preempt_kind */
    uint32_t preempt_target;   /* enum gm_preempt_target */
    uint32_t measure;          /* 1: the time from ready to running of every goroutine is recorded */
    uint64_t slice_ns;         /* Go: 10 ms */
    uint64_t sysmon_sleep_ns;  /* 0: 20 us doubling to 10 ms; else always this */
    uint64_t seed;             /* of the order of stealing */
    const gm_alloc *alloc;     /* NULL: the C library's */
    const gm_spawner *spawner; /* NULL: POSIX threads */
    gm_tracks *tracks;         /* NULL: none are kept */
} gm_sched_config;

/* What a scheduler did. Of one that is over. */
typedef struct gm_sched_stats {
    uint64_t started, finished; /* goroutines */
    uint64_t runs;              /* times that a goroutine was put on a P */
    uint64_t inherited;         /* of them, in the time slice of the one before */
    uint64_t yields, parks, readies;
    uint64_t preempted_sync, preempted_async;
    uint64_t put_aside;          /* of them, those that were put where only sysmon finds them */
    uint64_t global_ticks;       /* looks at the global queue because it was the 61st tick */
    uint64_t global_gets;        /* goroutines taken from there, and */
    uint64_t overflows;          /* times that half a local queue was put there */
    uint64_t steals, stolen;     /* successful ones, and goroutines */
    uint64_t next_steals;        /* of runnext */
    uint64_t spins, sleeps;      /* times that an M began to look for work, found none and slept */
    uint64_t blocks, reacquired; /* blocking calls; those that found their P again */
    uint64_t signals, refused;   /* sent by sysmon; that came where a goroutine may not be stopped */
    uint64_t retakes, handoffs;  /* Ps that sysmon took out of blocking calls; handed to another M */
    uint64_t asked;              /* times that sysmon asked a goroutine to stop */
    uint64_t sysmon_rounds;
    uint64_t lock_contended, lock_slept; /* of the scheduler's lock */
    uint64_t ring_retries;               /* swaps of the global ring's ends that failed */
    uint64_t queue_retries;              /* of the heads of the Ps' queues */
    uint64_t threads;                    /* Ms that there were */
} gm_sched_stats;

/* lab/engine.c: a workload run by native threads. The design is told there. */
typedef struct gm_trace {
    const uint8_t *ops;     /* n codes; NULL: by the group's mix */
    const void *keys;       /* as for gm_map_get_many */
    const int64_t *offsets; /* NULL for fixed-size keys */
    const int64_t *values;  /* n of them, or NULL: the operation's number */
    uint64_t n;             /* threads take turns; after the last comes the first */
    int fill;               /* a missed get is followed by an assign */
} gm_trace;

typedef struct gm_group {
    uint32_t threads;
    double mix[12];        /* percent by enum gm_op, together 100 */
    gm_stream_config keys; /* its n and seed are not looked at */
    const gm_trace *trace; /* instead, or NULL */
    double rate;           /* operations a second, all threads of the group together; 0: closed loop */
    int poisson;           /* 1: at random instants, 0: evenly spaced */
    const int32_t *cpus;   /* one for each thread, or NULL: not pinned */
    uint64_t scan;         /* entries that GM_OP_ITERATE visits; 0: all */
    uint32_t goroutines;   /* instead of threads, of which there are none then */
    uint32_t does;         /* enum gm_does: what its goroutines do */
} gm_group;

/* Operations on the map; or nothing with it: */
enum gm_does {
    GM_DOES_OPERATIONS = 0,
    GM_DOES_HOG = 1,       /* computes, without a safe point */
    GM_DOES_CALLS = 2,     /* computes, a safe point every microsecond or so */
    GM_DOES_YIELDS = 3,    /* Gosched */
    GM_DOES_PING_PONG = 4, /* two by two over unbuffered channels: an even number of goroutines */
    GM_DOES_KINDS = 5
};

typedef struct gm_run_config {
    const gm_group *groups;
    uint32_t ngroups;
    int variant;       /* enum gm_variant_id, or */
    const void *table; /* a foreign design's const gm_variant * (map/variant.h) */
    void *target;      /* what it operates on: a gm_map *, or gm_cmap_target's; elems are int64 */
    int key_kind;      /* of the target: enum gm_kind */
    size_t key_size;
    uint64_t size;            /* keys 0 .. size-1 are put into it first */
    uint64_t keyspace;        /* streams draw from keys 0 .. keyspace-1 */
    uint64_t ops, warmup_ops; /* of all threads together, or */
    uint64_t duration_ns, warmup_ns;
    uint64_t seed;
    uint32_t every;               /* time every n-th operation; 0: none */
    int attribution;              /* 1: charge time to causes */
    int os_clock;                 /* 1: the operating system's clock even if the CPU has one */
    uint64_t slow_ns;             /* an operation that takes longer is looked at for preemption and page faults */
    uint32_t slowest;             /* how many of the slowest operations are kept */
    uint32_t intervals;           /* how many intervals of the time line are kept */
    const gm_sched_config *sched; /* of all groups of goroutines; its alloc, spawner, measure and tracks are the run's */
    uint64_t slices;              /* how many runs of goroutines are kept of each P */
    const gm_alloc *alloc;        /* NULL: the C library's */
    const gm_spawner *spawner;    /* NULL: POSIX threads */
} gm_run_config;

typedef struct gm_run_totals {
    uint64_t done[12], hits[12]; /* by enum gm_op; hits: found their key */
    uint64_t errors[9];          /* by the negative status */
    uint64_t start_ns;           /* CLOCK_MONOTONIC at the start of what was measured */
    uint64_t elapsed_ns;         /* from there to the end of the last thread */
    uint64_t behind_ns;          /* open loop: how far the latest thread was behind its schedule at the end */
    uint64_t faults_ns;          /* what one page fault costs here, measured before the run */
    uint64_t interval_ns;        /* of the time line */
    uint64_t intervals;          /* of them in use */
    uint32_t threads;
    int interrupted;
    int hardware_clock;
    double ns_per_tick, drift_ppm;
} gm_run_totals;

typedef struct gm_thread_totals {
    uint32_t group;
    int32_t cpu; /* pinned to, or -1 */
    uint64_t done, elapsed_ns, cpu_ns, voluntary, involuntary, faults;
} gm_thread_totals;

typedef struct gm_slow {
    uint64_t at_ns; /* when it began, from the start of what was measured */
    uint64_t latency_ns, service_ns;
    uint64_t causes_ns[21]; /* add up to latency_ns */
    uint32_t thread;
    int32_t op;
    int32_t growing_to; /* B of the growth in progress at its end, -1 if none */
    uint32_t faults, preemptions;
} gm_slow;

typedef struct gm_interval {
    uint64_t count, timed, max_ns, p99_ns;
} gm_interval;

typedef struct gm_run gm_run;
int gm_run_new(const gm_run_config *c, gm_run **out); /* c and all it points to must stay until gm_run_free */
int gm_run_go(gm_run *r);                             /* once; everything, from filling the map to joining the last thread */
void gm_run_cancel(gm_run *r);                        /* from any thread, at any time */
uint64_t gm_run_progress(gm_run *r);                  /* operations done so far; from any thread */
void gm_run_free(gm_run *r);
/* Of a run that is over. Histograms, causes: NULL or 0 for operations that were not timed. */
void gm_run_totals_get(gm_run *r, gm_run_totals *out);
void gm_run_thread_get(gm_run *r, uint32_t i, gm_thread_totals *out);
gm_hist *gm_run_latency(gm_run *r, int op); /* from the intended start */
gm_hist *gm_run_service(gm_run *r, int op); /* from the actual start; open loop only */
/* Time by cause of operations by their latency: row i is of latencies from lows[i] up to lows[i + 1]; own and inherited have
 * GM_CAUSES columns of nanoseconds. Returns the number of rows that are not empty; stores up to cap. */
size_t gm_run_causes(gm_run *r, int op, uint64_t *lows, double *own, double *inherited, size_t cap);
size_t gm_run_slowest(gm_run *r, gm_slow *out, size_t cap); /* slowest first */
size_t gm_run_timeline(gm_run *r, gm_interval *out, size_t cap);
/* Of a run with goroutines: ready until running, of each operation, what came before it included. NULL: there is none. */
gm_hist *gm_run_delay(gm_run *r, int op);
int gm_run_sched(gm_run *r, gm_sched_stats *out); /* GM_MISS: there was no scheduler */
/* Rows of the scheduler's time line, each 4 + 4 * procs numbers: ns since the start, length of the global queue, idle Ps,
 * spinning threads; and for each P: length of its queue, goroutines run, stolen batches (both since it began), its status. */
size_t gm_run_sched_rows(gm_run *r, uint64_t *out, size_t cap);
uint64_t gm_run_goroutines_done(gm_run *r, uint32_t group); /* operations, while measuring */
size_t gm_run_slices(gm_run *r, uint32_t p, gm_slice *out, size_t cap, uint64_t *dropped);

/* lab/history.c: what many threads did to a few keys of one map, each call with its answer and the times around it. */
enum gm_history_op {
    GM_HISTORY_LOAD = 0,
    GM_HISTORY_STORE = 1, /* answers what was there */
    GM_HISTORY_DELETE = 2,
    GM_HISTORY_LOAD_OR_STORE = 3,
    GM_HISTORY_COMPARE_AND_SWAP = 4,
    GM_HISTORY_COMPARE_AND_DELETE = 5,
    GM_HISTORY_ADD = 6, /* its value is the addend, its answer the sum */
    GM_HISTORY_OPS = 7
};

typedef struct gm_history_event {
    uint64_t start, end; /* stamps: before the call, after it */
    int64_t key;
    int64_t value, expected, answer; /* those that the operation has; answer: only if the status says that there is one */
    uint32_t thread;
    uint8_t op;      /* enum gm_history_op */
    int8_t status;   /* GM_OK, GM_MISS as in map/variant.h; a negative one: refused, nothing was done */
    uint16_t untold; /* 1: a store, a delete or an add whose caller was not told what was there (a delete: but whether) */
} gm_history_event;

typedef struct gm_history_lane { /* one thread */
    uint64_t ops;
    double mix[7];         /* percent by enum gm_history_op, together 100 */
    gm_stream_config keys; /* its n and seed are not looked at */
} gm_history_lane;

typedef struct gm_history_config {
    const gm_history_lane *lanes;
    uint32_t threads;
    int variant;       /* as in gm_run_config: enum gm_variant_id, or */
    const void *table; /* a foreign design's const gm_variant * */
    void *target;
    int key_kind;
    size_t key_size;
    uint64_t size, keyspace; /* keys 0 .. size-1 are stored first; streams draw from keys 0 .. keyspace-1 */
    uint64_t seed;
    uint64_t ballast; /* so many other keys are stored and deleted, again and again, meanwhile; 0: none */
    uint64_t waves;   /* at least so often, and evenly beside the recorded operations */
    int counter;      /* 1: stamps are drawn from a shared counter; 0: from the CPU's clock */
    const gm_alloc *alloc;
    const gm_spawner *spawner;
} gm_history_config;

typedef struct gm_history_totals {
    uint64_t waves; /* of ballast */
    int hardware;   /* stamps are ticks of the CPU's clock */
    double ns_per_stamp;
} gm_history_totals;

/* Stores size + all lanes' ops events: the first stores, then thread by thread. GM_E_ARGUMENT, GM_E_NOMEM, GM_E_THREAD. */
int gm_history_record(const gm_history_config *c, gm_history_event *events, gm_history_totals *out);

/* lab/linear.c: whether such a history can be ordered. */
enum gm_verdict { GM_VERDICT_OK = 0, GM_VERDICT_VIOLATION = 1, GM_VERDICT_UNKNOWN = 2 };

typedef struct gm_linear_config {
    uint64_t budget;       /* configurations to look at for one key, at most */
    uint64_t slack;        /* stamps of different threads may be wrong by so much */
    int present;           /* what each key holds at the beginning: 0: nothing, 1: */
    int64_t value;         /* this */
    const gm_alloc *alloc; /* NULL: the C library's */
} gm_linear_config;

typedef struct gm_linear_result {
    int verdict;             /* enum gm_verdict */
    int present;             /* of a violation: whether the key held something when the operations in `which` began, */
    int64_t value;           /* what, */
    int64_t key;             /* the key (also the one that is unknown), */
    uint64_t n;              /* how many these operations are */
    uint64_t configurations; /* looked at, all keys together */
} gm_linear_result;

/* which: room for n numbers of events. GM_E_ARGUMENT: an event that ends before it starts, an operation or a status that there
 * is not; GM_E_NOMEM. */
int gm_linear_check(const gm_linear_config *c, const gm_history_event *events, uint64_t n, uint64_t *which,
                    gm_linear_result *out);

/* lab/litmus.c: a few calls of several threads on fresh keys, again and again. */
enum { GM_LITMUS_ASSIGN = 7, GM_LITMUS_RANGE = 8, GM_LITMUS_STEPS = 9 }; /* operations beside those of gm_history_op */

typedef struct gm_litmus_step {
    uint32_t actor; /* that does it; of setup and final, not looked at */
    uint32_t key;   /* 0 .. keys-1 */
    int64_t value, expected;
    uint32_t op;
} gm_litmus_step;

typedef struct gm_litmus_config {
    const gm_litmus_step *setup, *steps, *final; /* those of the actors stand together, in the order of the actors */
    uint32_t setup_n, steps_n, final_n;
    uint32_t actors, keys;
    int variant;
    void *target; /* gm_cmap_target's */
    int key_kind;
    size_t key_size;
    uint64_t rounds;
    const int32_t *cpus; /* of the actors; NULL: not pinned */
    const gm_spawner *spawner;
} gm_litmus_config;

/* answers: rounds * (steps_n + final_n): of each step what was there (INT64_MIN: nothing), of a comparison 1 or 0, of an add
 * the sum, of a range a bit for each key that came. *met: rounds in which all actors began together. GM_E_ARGUMENT, GM_E_NOMEM,
 * GM_E_THREAD, GM_E_PIN, or the status of a call that was refused. */
int gm_litmus_run(const gm_litmus_config *c, int64_t *answers, uint64_t *met);

/* lab/gets.c: n gets of 8-byte keys from a map with elems of up to 8 bytes, one call each in the given order; the map is
 * not guarded, nobody else may use it. *ns: what all took; *hits: how many were there. GM_E_ARGUMENT for other maps. */
int gm_time_gets(gm_map *m, const uint64_t *keys, size_t n, uint64_t *ns, uint64_t *hits);

/* lab/headers.c: gets of one map beside writes to another, or to the same, with their headers laid out at will. */
enum gm_header_word {
    GM_HEADER_COUNT = 0,
    GM_HEADER_FLAGS = 1,
    GM_HEADER_NOVERFLOW = 2,
    GM_HEADER_NEVACUATE = 3,
    GM_HEADER_HASH0 = 4,
    GM_HEADER_B = 5,
    GM_HEADER_BUCKETS = 6,
    GM_HEADER_OLDBUCKETS = 7,
    GM_HEADER_WORDS = 8
};

typedef struct gm_headers_config {
    gm_map *reader, *writer; /* 8-byte keys and elems of GM_MEM, Go's knobs, not empty, not growing */
    uint32_t offsets[8];     /* of the words of a header by enum gm_header_word: within 128 bytes */
    uint32_t reader_at;      /* bytes from the writer's header to the reader's, up to 4,096; 0: one map, one header */
    const uint64_t *gets;    /* a batch */
    size_t ngets;
    const uint64_t *writes;     /* round and round; */
    size_t nwrites;             /* 0: the writer does nothing */
    int inserts;                /* 0: updates of keys that are there; 1: inserts of keys that are not, each deleted again */
    int reader_cpu, writer_cpu; /* -1: not pinned */
    uint32_t batches;
    const gm_alloc *alloc; /* NULL: the C library's */
} gm_headers_config;

typedef struct gm_header_batch {
    uint64_t ns;
    uint64_t writes; /* that the writer did meanwhile */
} gm_header_batch;

/* Stores c->batches batches, and the hits of all. Two threads; the call returns when both are gone. GM_E_ARGUMENT for other
 * maps, words that overlap, keys that are not as said, or inserts that leave the map growing; GM_E_NOMEM, GM_E_THREAD,
 * GM_E_PIN; what a guarded write is refused with. */
int gm_time_headers(const gm_headers_config *c, gm_header_batch *batches, uint64_t *hits);

/* lab/scene.c: goroutines of a few kinds beside each other on one scheduler, for a while. */
enum gm_hog_kind {
    GM_HOG_LOOP = 0,           /* computes without a call: only a signal stops it */
    GM_HOG_CALLS = 1,          /* computes with a safe point every microsecond or so */
    GM_HOG_GETS = 2,           /* gets, each a call with a safe point, as in Go */
    GM_HOG_GETS_UNCHECKED = 3, /* gets without safe points */
    GM_HOG_RANGE = 4,          /* ranges over the map, safe points as iter_check says */
    GM_HOG_KINDS = 5
};
enum gm_iter_check { GM_ITER_CHECK_EVERY = 0, GM_ITER_CHECK_EIGHT = 1, GM_ITER_CHECK_NEVER = 2 }; /* Go: at every element */
enum gm_observer {
    GM_OBSERVE_NOTHING = 0,
    GM_OBSERVE_YIELDS = 1,
    GM_OBSERVE_GETS = 2,
    GM_OBSERVE_RESUMED = 3, /* a Gosched, then 1,000 gets, of which the first 100 are told from the others */
    GM_OBSERVE_STOPS = 4,   /* on one P: how long each stop keeps it from running */
    GM_OBSERVERS = 5
};
enum gm_disturbance {
    GM_DISTURB_NOT = 0,
    GM_DISTURB_STOP = 1,   /* the world: every goroutine that reads the map waits at its next safe point */
    GM_DISTURB_WORKER = 2, /* a goroutine that nobody stops has a P */
    GM_DISTURB_KERNEL = 3, /* threads of the system's compete, one on every CPU */
    GM_DISTURBANCES = 4
};
enum gm_scene_hist { GM_SCENE_WAITS = 0, GM_SCENE_RESPONSE = 1, GM_SCENE_SERVICE = 2, GM_SCENE_FIRST = 3 };

typedef struct gm_scene {
    uint32_t hogs, hog_kind;  /* enum gm_hog_kind */
    uint32_t iter_check;      /* enum gm_iter_check */
    uint32_t body;            /* of a range: so many times 1,000 steps of arithmetic an element */
    uint32_t yielders;        /* in Gosched loops; */
    uint64_t footprint;       /* bytes that each writes to before each Gosched */
    uint32_t pairs;           /* of goroutines that send each other a word in turn over unbuffered channels */
    uint32_t blockers;        /* in blocking calls of block_ns, one after the other */
    uint32_t spawners, burst; /* that start `burst` goroutines which do nothing, and wait for their ends, again and again */
    uint32_t sleepers;        /* that wait for what never comes: when all others are done, that is a deadlock */
    uint32_t observer;        /* enum gm_observer: one goroutine that is timed */
    uint64_t observations;    /* the time is over when the observer has made so many; 0: only by duration_ns */
    uint64_t every_ns;        /* gets by the observer are due so often; 0: one after the other */
    uint32_t disturbance;     /* enum gm_disturbance; */
    uint64_t disturb_every_ns, disturb_ns; /* from the end of one to the next, and how long */
    const int32_t *cpus;                   /* of GM_DISTURB_KERNEL, up to 256 */
    uint32_t ncpus;
    uint64_t block_ns, duration_ns;
    gm_map *map; /* for gets: as for gm_time_gets; nobody writes to it */
    const uint64_t *keys;
    uint64_t nkeys;
} gm_scene;

typedef struct gm_scene_counts {
    uint64_t elapsed_ns;                                      /* until all had ended */
    uint64_t hog_rounds, yields, ping_pongs, blocks, spawned; /* by the goroutines of that kind */
    uint64_t observed, hits;                                  /* yields or gets by the observer; gets that found their key */
    uint64_t checks, stops; /* by ranges: safe points, and those that found that they were asked to stop; */
    uint64_t late, latest;  /* elements from the request to there, of all stops together, and most */
    uint64_t inside;        /* the observer's gets during which another goroutine got its P */
    uint64_t disturbances;
} gm_scene_counts;

typedef struct gm_stage gm_stage;
int gm_stage_new(const gm_sched_config *c, const gm_scene *scene, gm_stage **out); /* map and keys stay until it is freed */
int gm_stage_go(gm_stage *s);      /* once; GM_OK, GM_E_NOMEM, GM_E_THREAD, GM_E_DEADLOCK */
void gm_stage_cancel(gm_stage *s); /* from any thread, at any time: the time is over */
void gm_stage_results(gm_stage *s, gm_scene_counts *counts, gm_sched_stats *did);
/* waits: of all goroutines, from ready to running (NULL unless measured); response: of the observer, from the end of the last
 * to the end of this, or since it was due; a wait that the scene's end cut short is left out; of GM_OBSERVE_STOPS each stop.
 * service: of its gets alone; first: of the first 100 after each Gosched. */
gm_hist *gm_stage_hist(gm_stage *s, int which);
void gm_stage_free(gm_stage *s);

/* lab/queues.c: threads that put into the global run queue and take from it. */
enum { GM_QUEUE_HIGHEST_NS = 1000000000 };
typedef struct gm_queue_config {
    uint32_t kind;    /* enum gm_globq_kind */
    uint32_t threads; /* 1 to 64 */
    uint32_t length;  /* items that lie in it, up to 65,536 */
    uint64_t rounds;  /* puts, each followed by a get, by each thread */
    const int32_t *cpus;
    uint32_t ncpus; /* threads take turns; 0: not pinned */
} gm_queue_config;

typedef struct gm_queue_times {
    uint64_t ns;               /* that all threads took, added up */
    uint64_t puts;             /* and as many gets */
    uint64_t retries;          /* swaps of the ring's ends that failed */
    uint64_t contended, slept; /* of the list's lock */
    uint64_t left;             /* items in the queue at the end but those that the threads have: length */
} gm_queue_times;

/* puts: of gm_hist_new(3, GM_QUEUE_HIGHEST_NS): every 16th put. GM_E_ARGUMENT, GM_E_NOMEM, GM_E_THREAD, GM_E_PIN. */
int gm_time_globq(const gm_queue_config *c, gm_queue_times *out, gm_hist *puts);

/* lab/stale.c: goroutines that hold an array of buckets across a switch, beside a writer that replaces it. */
enum gm_reclaim { GM_RECLAIM_COLLECT = 0, GM_RECLAIM_FREE = 1 }; /* when nobody has it (Go), or at once */
typedef struct gm_stale_config {
    uint32_t reclaim;    /* enum gm_reclaim */
    uint32_t readers;    /* 1 to 256; every second one holds an array for */
    uint32_t hold;       /* so many looks, the others for one */
    uint32_t grow_every; /* turns of the writer's */
    uint64_t derefs;     /* by each reader, at least */
} gm_stale_config;

typedef struct gm_stale_counts {
    uint64_t stayed, moved;             /* looks by goroutines that the switch left on their P, brought to another */
    uint64_t stale_stayed, stale_moved; /* of them, those that found another array's stamp, or poison */
    uint64_t growths, reused;           /* arrays made; given back */
} gm_stale_counts;

/* GM_E_ARGUMENT, GM_E_NOMEM, GM_E_THREAD. */
int gm_hold_across(const gm_sched_config *how, const gm_stale_config *c, gm_stale_counts *out);

/* lab/crowd.c: goroutines that read a map behind a lock, and one write. */
typedef struct gm_crowd_config {
    gm_map *map; /* 8-byte keys and elems */
    const uint64_t *keys;
    uint64_t nkeys;
    uint64_t new_key; /* is inserted */
    uint32_t readers; /* up to 65,536 */
} gm_crowd_config;

typedef struct gm_crowd_times {
    uint64_t depth;             /* readers that waited when the write let go of the lock */
    uint64_t hold_ns, drain_ns; /* of the write; from there until the last of them had its value */
    uint64_t refused;           /* gets that met the write all the same */
} gm_crowd_times;

/* GM_E_ARGUMENT, GM_E_NOMEM, GM_E_THREAD; what the write is refused with. */
int gm_crowd(const gm_sched_config *how, const gm_crowd_config *c, gm_crowd_times *out);

/* csrc/heap: Go's allocator and collector under the map. See heap/heap.h. Settings: 0 is Go's. */
enum gm_alloc_path { GM_ALLOC_GO = 0, GM_ALLOC_HEAP = 1, GM_ALLOC_CACHE = 2 };
enum gm_mcache_flush { GM_FLUSH_AT_SWEEP = 0, GM_FLUSH_AT_MARK = 1 };
enum gm_wb { GM_WB_MARKING = 0, GM_WB_ALWAYS = 1, GM_WB_OFF = 2 };
enum gm_wbbuf_flush { GM_WBBUF_OWN = 0, GM_WBBUF_GROWWORK = 1, GM_WBBUF_HASHGROW = 2 };
enum gm_assist_rule { GM_ASSIST_BYTES = 0, GM_ASSIST_STORES = 1, GM_ASSIST_OFF = 2 };
enum gm_assist_site { GM_SITE_MALLOC = 0, GM_SITE_BARRIER = 1 };
enum gm_markbits { GM_MARKBITS_GO = 0, GM_MARKBITS_OR = 1, GM_MARKBITS_PLAIN_OR = 2, GM_MARKBITS_RMW = 3, GM_MARKBITS_CAS = 4 };
enum gm_lost { GM_LOST_KEEP = 0, GM_LOST_FREE = 1 };

typedef struct gm_heap_config {
    int32_t gogc;         /* percent; -1: only on request, and near the limit */
    uint64_t limit;       /* bytes of pages in use, at most; 0: none */
    uint32_t procs;       /* Ps that a quarter is taken of, 1 to 256 */
    int32_t workers;      /* dedicated ones; -1: as Go divides the quarter */
    uint32_t poison;      /* 1: freed objects are filled; always where marking is unsound */
    uint32_t path;        /* enum gm_alloc_path, and so on */
    uint32_t large_limit; /* bytes; larger objects have pages of their own: 32768, or less */
    uint32_t mcache_flush;
    uint32_t read_span_lock; /* 1: every get takes a lock of the span that it looks at, and so does a sweep */
    uint32_t sweep_budget;   /* spans swept in front of one allocation, at most: 100 */
    uint32_t wb;
    uint32_t wbbuf_flush;
    uint32_t flush_lock; /* 1: one lock for all Ps' flushes */
    uint32_t assist;
    uint32_t assist_every; /* GM_ASSIST_STORES: stores to an assist: 5 to 10 in the article */
    uint32_t assist_site;
    uint32_t markbits;
    uint32_t get_marks; /* 1: while marking every get marks what it has found */
    uint32_t via_span;  /* 1: every get asks the P's cache, then the page table, for the span that it looks at */
    uint32_t check;     /* 1: the graph is marked once more, alone, when marking ends; always where marking is unsound */
    uint32_t lost;      /* what becomes of objects that were not marked and should have been */
} gm_heap_config;

enum gm_heap_count {
    GM_HEAP_SMALL = 0, /* objects allocated from caches */
    GM_HEAP_LARGE = 1,
    GM_HEAP_REFILLS = 2,
    GM_HEAP_SWEPT_IN_REFILL = 3, /* spans */
    GM_HEAP_SWEPT = 4,
    GM_HEAP_FREED = 5, /* objects, by sweeps */
    GM_HEAP_FREED_BYTES = 6,
    GM_HEAP_ZERO_PIECES = 7,
    GM_HEAP_MARKED = 8, /* objects, born black ones not counted */
    GM_HEAP_MARKED_ALREADY = 9,
    GM_HEAP_DANGLING = 10, /* pointers to freed objects that marking met */
    GM_HEAP_LOST = 11,     /* reachable objects that marking had not marked */
    GM_HEAP_BARRIER_ENTRIES = 12,
    GM_HEAP_BARRIER_FLUSHES = 13,
    GM_HEAP_FLUSH_WAITS = 14,
    GM_HEAP_ALL_P_FLUSHES = 15,
    GM_HEAP_ASSISTS_MALLOC = 16,
    GM_HEAP_ASSISTS_BARRIER = 17,
    GM_HEAP_ASSIST_WORK = 18, /* bytes scanned */
    GM_HEAP_ASSIST_STOLEN = 19,
    GM_HEAP_ASSIST_NS = 20,
    GM_HEAP_GET_MARKS = 21,
    GM_HEAP_GET_LOCKS = 22,
    GM_HEAP_GET_LOCK_WAITS = 23,
    GM_HEAP_GET_SPANS = 24,      /* looked up by gets */
    GM_HEAP_GET_SPAN_HITS = 25,  /* of these, found in the P's cache */
    GM_HEAP_MARK_CONFLICTS = 26, /* GM_MARKBITS_CAS: another marker changed the byte between the load and the store */
    GM_HEAP_LARGE_CACHED = 27,   /* GM_ALLOC_CACHE: large objects whose pages were there in the P's cache */
    GM_HEAP_COUNTS = 28
};

typedef struct gm_heap_stats {
    uint64_t cycles, live, goal, trigger, in_use, mapped; /* bytes, but for the first */
    uint64_t stopped_ns, longest_stop_ns, mark_ns;        /* of all cycles */
    uint64_t worker_ns[3];                                /* dedicated, fractional, idle */
    uint64_t ps, procs, dedicated, fractional;            /* Ps in use so far; as configured */
    uint64_t counts[28];                                  /* by enum gm_heap_count */
} gm_heap_stats;

/* What a line of gctrace tells of one cycle. */
typedef struct gm_heap_cycle {
    uint64_t n, began_ns;
    uint64_t stop1_ns, mark_ns, stop2_ns; /* wall time */
    uint64_t assist_ns, worker_ns[3];     /* CPU time of marking */
    uint64_t live_begin, live_end, marked, goal;
    uint64_t again; /* times that marking seemed to be over and was not */
} gm_heap_cycle;

typedef struct gm_heap gm_heap;
void gm_heap_config_go(gm_heap_config *out);                       /* Go's settings, for as many Ps as there are CPUs */
int gm_heap_new(const gm_heap_config *c, gm_heap **out);           /* GM_E_ARGUMENT, GM_E_NOMEM, GM_E_THREAD */
int gm_heap_free(gm_heap *h);                                      /* GM_E_ARGUMENT: there are maps in it, or threads inside */
const gm_collector *gm_heap_collector(gm_heap *h);                 /* for gm_config */
void gm_heap_collect(gm_heap *h);                                  /* a whole cycle, sweeping included */
void gm_heap_read_stats(gm_heap *h, gm_heap_stats *out);           /* may overlap anything */
size_t gm_heap_cycles(gm_heap *h, gm_heap_cycle *out, size_t cap); /* the last ones, up to 64, oldest first */
/* n allocations of zeroed objects without pointers, of which the last `live` are held, here and with the C library. */
int gm_heap_time(gm_heap *h, size_t size, uint64_t n, size_t live, uint64_t *heap_ns, uint64_t *libc_ns);

/* lab/heap_scene.c: threads that use one heap beside each other, and collections, for a while. */
enum gm_actor_kind {
    GM_ACTOR_GETS = 0,
    GM_ACTOR_UPDATES = 1,   /* assigns to keys that are there */
    GM_ACTOR_INSERTS = 2,   /* of new keys; when all are in, into a new map */
    GM_ACTOR_ALLOCATES = 3, /* objects without pointers, let go of at once */
    GM_ACTOR_FLUSHES = 4,   /* while marking: fills its barrier's buffer and flushes it */
    GM_ACTOR_KINDS = 5
};
enum gm_actor_elem {
    GM_ELEM_INT = 0,
    GM_ELEM_READY = 1,
    GM_ELEM_NEW = 2
}; /* a pointer to an object that lives; to a new one */
enum gm_spread { GM_SPREAD_STRIPES = 0, GM_SPREAD_RUNS = 1, GM_SPREAD_RANDOM = 2 };
enum gm_actor_slow {
    GM_SLOW_ASSIST = 0,
    GM_SLOW_REFILL = 1,
    GM_SLOW_SWEEP = 2,
    GM_SLOW_LARGE = 3,
    GM_SLOW_FLUSH = 4,
    GM_SLOW_STOPPED = 5,
    GM_SLOW_KINDS = 6
};

typedef struct gm_actor {
    uint32_t kind;     /* enum gm_actor_kind */
    uint32_t strings;  /* keys: 1 strings, 0 8-byte integers */
    uint32_t elem;     /* enum gm_actor_elem */
    uint32_t presized; /* INSERTS: the map is made for all entries */
    uint32_t shares;   /* GETS: 1: of the first actor's map, which is one that is only read */
    uint32_t moves;    /* 1: takes another P after every operation, if one is idle */
    uint32_t size;     /* ALLOCATES: bytes; FLUSHES: entries, even, up to 510 */
    uint64_t entries;  /* of the actor's own map */
    uint64_t ops;      /* then it is done; 0: when the scene is over */
} gm_actor;

typedef struct gm_heap_scene {
    const gm_actor *actors;
    uint32_t nactors;    /* up to 64 */
    uint32_t collecting; /* 1: collections back to back; 0: when the heap's pacer says so */
    uint64_t cycles;     /* of these, then the scene is over; 0: it is when all actors with `ops` are done, or after: */
    uint64_t duration_ns;
    uint64_t live;      /* objects without pointers that live all the while */
    uint32_t live_size; /* bytes of each */
    uint32_t spread;    /* enum gm_spread: which of them the same block points to */
    uint64_t slow_ns;   /* operations that took longer are told apart by what happened in them */
} gm_heap_scene;

/* What an actor did in one phase of the collector: neither, marking, sweeping. */
typedef struct gm_actor_part {
    uint64_t ops, ns, entries, assists, evacuated; /* `entries`: told to its barrier; `evacuated`: buckets */
} gm_actor_part;

typedef struct gm_actor_totals {
    gm_actor_part parts[3];
    uint64_t wrong;                       /* gets that did not find what was assigned */
    uint64_t rounds;                      /* maps filled */
    uint64_t moved;                       /* to another P */
    uint64_t slow, slow_by[6], slow_none; /* operations over slow_ns; by enum gm_actor_slow, any number for one; by none */
    uint64_t cpu_ns;
} gm_actor_totals;

typedef struct gm_heap_stage gm_heap_stage;
int gm_heap_stage_new(gm_heap *h, const gm_heap_scene *scene, gm_heap_stage **out); /* GM_E_ARGUMENT, GM_E_NOMEM */
int gm_heap_stage_go(gm_heap_stage *s);      /* once; GM_OK, GM_E_NOMEM (also: the heap is full), GM_E_THREAD */
void gm_heap_stage_cancel(gm_heap_stage *s); /* from any thread, at any time: the scene is over */
int gm_heap_stage_totals(gm_heap_stage *s, uint32_t actor, gm_actor_totals *out);
gm_hist *gm_heap_stage_hist(gm_heap_stage *s, uint32_t actor, uint32_t phase); /* each operation that began in that phase */
uint64_t gm_heap_stage_elapsed_ns(gm_heap_stage *s);
void gm_heap_stage_free(gm_heap_stage *s);

/* base/build.c: how the core was made. */
enum gm_build_part { GM_BUILD_COMPILER = 0, GM_BUILD_FLAGS = 1, GM_BUILD_COMMIT = 2 };
const char *gm_build_info(int part);

/* base/portable_math.c, for its tests */
double gm_log(double x);
double gm_exp(double x);
double gm_log1p(double x);
double gm_expm1(double x);

/* cdef end */

#endif
