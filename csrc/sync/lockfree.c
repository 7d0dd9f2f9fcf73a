/* lockfree.c: a concurrent map that does not stall: readers lock nothing, writers lock one bucket, and a growth is done by all
 * who write, each a bucket or two, while everybody goes on.
 *
 *     hot --> table pointer                                  table B=2, next --> table B=3, next = NULL
 *             counter lanes [12][-3][40]..                   tickets 2           tickets 0
 *                                                            evacuated 1         evacuated 0
 *     bucket   ctl       version | evacuated | locked        [0] evacuated       [0] <- entries of old bucket 0 ..
 *              tops      seven bytes of hash, and one that   [1]                 [1]
 *                        says whether there is an overflow   [2] locked: moving  [2]
 *              cell[7]   key and elem, a word each           [3]                 [3]
 *                                                            overflow words      [4] <- .. and these
 *                                                            [3] --> bucket -->  ..
 *
 * A bucket is two lines: ctl, tops and three cells in the first, four cells in the second. Cells are filled in order, so of 10^6
 * entries in 2^18 buckets two thirds are in first lines, and a miss sees no other. The pointers to overflow buckets are looked
 * at for few keys, and lie behind the buckets.
 *
 * A key of 4 or 8 bytes is its word; any other key is a pointer to an immutable block. An elem of up to 8 bytes is its word; a
 * larger one is a pointer to an immutable block that is replaced as a whole. A byte of tops is 0 for a cell that was never
 * used (virgin), 1 for one whose entry was deleted, else the hash's highest byte. Cells are filled in the order of the chain.
 *
 *   get        the table's bucket; evacuated: the next table's. Tops, then key, then elem. A hit counts if the version is what
 *              it was at the start, else once more. All lines of the bucket are asked for before the first is looked at
 *   write      if the table has a next one: evacuates the bucket it needs, and one more by ticket. Locks the bucket; evacuated
 *              meanwhile: on to the next table. Searches the chain, then
 *   insert     into the first cell that is not in use: key, elem, tops. If the cell was in use before: first raises the version
 *   overwrite  one store of the elem's word
 *   words      where key and elem are words of eight bytes, get, overwrite and the evacuation to a table of the double size are
 *              compiled apart, with the hash inlined: a third of the instructions. Two threads, 10^6 entries: a get 71 ns
 *              instead of 189, an assign 85 instead of 190; 10^3 entries: 13 instead of 26, 14 instead of 36
 *   delete     one store of tops. The cell's words stay as they are until it is used again
 *   memory     what it needs (blocks, an overflow bucket) a write finds out under the lock and gets without: unlocks,
 *              allocates, locks again
 *   grow       whoever sees more than 5.5 entries a bucket publishes a larger next table, or one as large where overflow
 *              buckets outnumber buckets; under a sixteenth of that a smaller one, not below what the hint asked for
 *   evacuate   locks the old bucket, copies its entries to the next table, marks it evacuated. The last one makes the next
 *              table the map's, and retires the old one
 *   range      the buckets of the table as it was at the start, from a random one on, as *groups* of hashes (hash & mask ==
 *              bucket): for each, locks what bucket or buckets the group is in now, copies their words, unlocks, visits
 *   clear      group by group in the same way; then shrinks the table
 *
 * ORDER
 *   O1  ctl of a chain's first bucket guards the chain: lock (acquire) - unlock (release). tops, keys, elems and overflow are
 *       stored under it, and ctl itself too but for the lock bit. Relaxed loads under the lock see the latest.
 *   O2  tops (release) after key and elem: who finds a top (acquire) finds the key and elem that came with it or later ones.
 *   O3  No key or elem of another entry is taken for that of the wanted one. A cell's words belong to *tenancies*, each begun
 *       by an insert. All but the first in a cell raise the version before they store (release) the key's and elem's words. A
 *       reader that loads (acquire) a word of a tenancy that was begun after its first load of ctl therefore sees a higher
 *       version when it looks again, and starts over. A tenancy that was begun before its first load: the deletion that
 *       preceded it is seen too (the raise is a release, the first load an acquire), so the top found is of the last tenancy
 *       then begun, and with it (O2) key and elem. First tenancies need no raise: their cell had no other words before.
 *   O4  A hit counts at the last instant when that elem was the key's: the top was there when tops was loaded; the elem's word
 *       is that at the time of its load, or at the deletion, if the entry was deleted in between. If the bucket was evacuated
 *       in between, its words are those of that moment, and the reader began before. Hence the lock and evacuated bits need no
 *       second look, and a bucket can be read while it is being evacuated.
 *   O5  A miss needs no second look. No entry moves within a table, and the search goes over all cells in order. It ends at a
 *       bucket whose tops say that there is no overflow: they say so (release) before an entry is put there, and never take it
 *       back. So a key that is in the chain from the first load of ctl to the end of the search is found, and one that is not
 *       found was missing at some instant of it: at the beginning, or after a deletion. Entries put into the next table are
 *       put there after the evacuated bit, which was not set at the beginning.
 *   O6  Evacuated (release, by unlocking) - load of ctl (acquire): who sees the bit sees t->next and all that was moved. From
 *       then on the old bucket is never stored to. The words move, the blocks stay: nothing is retired but the table.
 *   O7  Buckets of a larger or equal next table are private to who evacuates the one old bucket that their keys come from:
 *       others come there only by its evacuated bit, or by the table pointer, which is stored after all bits. Buckets of a
 *       smaller next table take from several, so they are locked. The order is old before new, and only two are ever held.
 *   O8  t->next is set once (compare-and-swap from NULL), and only while t is the map's table; the table pointer is stored once
 *       for each growth, by whoever adds the last to t->evacuated. So there is at most one next table.
 *   O9  A block is retired after the store that unlinks it, a table after the store of the table pointer: epoch.c does the
 *       rest. A reader's pointers were loaded inside, so they hold until it leaves.
 *   O10 Linearization of writes: at their store of tops or elem.
 *
 * PROGRESS
 *   P1  get locks nothing and waits for nobody. It starts over only if an insert into the same bucket reused a cell meanwhile,
 *       and moves to the next table only if a growth has got so far: lock-free; retries are counted.
 *   P2  A write waits for writes to the same bucket, for its evacuation, and (when the map shrinks) for others' evacuations
 *       into the same bucket. Under a lock nothing is allocated, freed or slept on; two locks at most, so no deadlock.
 *   P3  A write does at most two evacuations: one that it needs, and one that is not locked. Tickets go round, so a bucket
 *       whose helper sleeps, or had no memory, is come by again; tables are done long before the next growth is due.
 *   P4  Allocating the next table, of fresh pages, holds up only the one who does it; the old one is given back a megabyte at a
 *       time. A second one tries when there are twice as many entries as there should be, and so on: the map does not depend on
 *       the first one being run.
 *   P5  A thread that sleeps holding a bucket's lock holds up writes to it, and the end of the growth, nothing else.
 *   P6  range, clear: a lock for each bucket, for the time of copying or deleting its entries. Memory is held back only while
 *       a group is visited.
 *
 * FAILURE. A write that gets no memory has changed nothing. An evacuation that gets no overflow bucket has changed nothing: the
 * write goes on in the old bucket. A growth that gets no table is not begun.
 *
 * Divergences from Go's map
 *   - +0 and -0 are one key, stored as +0: Go keeps the one that was assigned last.
 *   - A NaN's hash has to be remembered: its key is a block with the number and the drawn hash, and the key's word a NaN whose
 *     payload is the block's address.
 *   - len is a sum over lanes, each exact; beside writers it is NOT linearizable. clear is not either: it is one deletion
 *     after the other, and what is stored meanwhile may stay.
 *   - range: what is there throughout comes exactly once, everything else at most once. visit may call the map.
 *   - stats count no uncontended locks: that would be a shared counter.
 *   - The chains of a table never become shorter; deleted cells are used again, and when overflow buckets outnumber buckets the
 *     table is replaced by one as large.
 *
 * Rejected: a version for each cell (a word more to load on every hit, to spare retries that are rare); moving entries within
 * a chain to fill gaps (then a miss would need a second look, and a get of a key that is never written could be held up);
 * forwarding readers by locking while a bucket is evacuated (readers would wait); hashes in the cells (8 bytes an entry);
 * eight cells with the keys together, the elems together and the overflow pointer behind them, 152 bytes in three or four
 * lines (10^6 entries: batches of gets take 5 to 10 % longer; single gets no longer); buckets of one line, with three cells
 * (10^6 entries, read only: 18.5 million gets a second instead of 21.9, p99.9 1,120 instead of 940 ns, 43 instead of 37 bytes
 * an entry: more keys are in overflow buckets, and each of those is three waits); prefetchw where a write will follow (no
 * difference); asking for the lines of both evacuations and their targets before the first (a growing writer makes 2.41
 * instead of 2.43 million assigns a second).
 *
 * What single gets of 10^6 entries wait for is memory. Two threads, each round on a map of its own, medians of fifteen: 36
 * million gets a second; without epochs and the second look at the version 39; a get that hashes its key, loads one word of
 * one line and searches nothing 63 (`python -m bench.table` shows it). A first look without a loop and without saved
 * registers, a fifth of the instructions less: 34. With half the load, in twice the memory: 7 % more, and a p99.9 of 610
 * instead of 920 ns, for hardly a key is in an overflow bucket.
 */
#include "sync/sync.h"

#include "base/clock.h"
#include "base/eight.h"
#include "base/eventlog.h"
#include "base/probe.h"
#include "base/thread.h"
#include "sync/content.h"
#include "sync/epoch.h"

enum { cells = 7, mostB = 48, lanes = 16, hotLine = 128, freedAtOnce = 256, givenAtOnce = 1 << 20, mostLogged = 4096 };
enum { topVirgin = 0, topDeleted = 1, topLeast = 2 };
enum { halfLoads = 11 }; /* a growth begins at so many entries for two buckets */

#define CTL_LOCKED UINT64_C(1)
#define CTL_EVACUATED UINT64_C(2)
#define CTL_VERSION UINT64_C(4)                  /* the lowest bit of the version */
#define TOPS_OVERFLOW (UINT64_C(1) << 8 * cells) /* the byte that is no cell's: the chain goes on */

/* Two lines of 64 bytes: a get that finds its key in the first three cells has touched one. */
typedef struct bucket {
    _Atomic uint64_t ctl; /* of the chain; in an overflow bucket: which one came to the table before it (an address) */
    _Atomic uint64_t tops;
    struct {
        _Atomic uint64_t key, elem;
    } cell[cells];
} bucket;

/* An overflow bucket. */
typedef struct room {
    bucket b;
    struct room *_Atomic overflow;
} room;

typedef struct table {
    gm_retired retired;
    unsigned B;
    bool first;  /* of its map: not made by a growth */
    size_t kept; /* bytes, from its beginning, that were not given back; of a retired one */
    uint64_t mask;
    struct table *_Atomic next;
    char apart[hotLine]; /* what is above is read by all */
    _Atomic uint64_t tickets, evacuated, overflows, attempts;
    _Atomic uint64_t newest;            /* overflow bucket: the first of a list through their ctl */
    _Alignas(hotLine) bucket buckets[]; /* behind them: the first overflow bucket of each (overflow_word) */
} table;

/* Immutable once published. */
typedef struct block {
    gm_retired retired;
    size_t size;
    unsigned char bytes[];
} block;

/* A key as the map looks for it. */
typedef struct wanted {
    uint64_t hash, word; /* word: for keys that are inline */
    const void *p;
    size_t len;
    bool nan;
} wanted;

typedef struct lockfree lockfree;

/* What is compiled for keys and elems that are words of eight bytes. */
typedef struct word_paths {
    gm_variant table;
    wanted (*want)(const lockfree *m, const void *key);
    bool (*move)(lockfree *m, table *t, table *n, uint64_t i);
} word_paths;

struct lockfree {
    gm_content t;
    gm_alloc first_alloc, later_alloc; /* of tables */
    gm_epochs *epochs;
    bool key_inline, elem_inline, floats;
    const word_paths *words; /* where key and elem are words of eight bytes, else NULL */
    unsigned least_B;
    size_t stride, hot_size;
    unsigned char *hot; /* the table pointer and the lanes, `stride` bytes apart */
    struct {
        _Atomic uint64_t contended, spins, wait_ns, longest_wait_ns, retries, growths, shrinks, evacuated;
    } seen;
    gm_eventlog log; /* of growths */
};

typedef struct cell {
    bucket *b;
    unsigned i;
} cell;

/* A chain from one of its buckets on. */
typedef struct chain {
    bucket *b;
    table *t; /* one of whose buckets it is; NULL: an overflow bucket */
} chain;

/* What a write brings along, and what it leaves behind. */
typedef struct job {
    gm_write *w;
    wanted k;
    block *key, *elem; /* made for it and not used yet */
    room *room;        /* the same */
    block *out[2];     /* unlinked, to be retired */
    int status, added; /* added: 1, 0 or -1 entries */
} job;

/* ------------------------------------------------------------------ words */

static table *_Atomic *table_word(const lockfree *m)
{
    return (table * _Atomic *)(void *)m->hot;
}

static table *table_now(const lockfree *m)
{
    return gm_load_acq(table_word(m)); /* pairs with finish (O8) */
}

static _Atomic int64_t *lane_of(const lockfree *m, unsigned lane)
{
    return (_Atomic int64_t *)(void *)(m->hot + (lane + 1) * m->stride);
}

/* Threads take lanes in turn. */
static unsigned own_lane(void)
{
    static GM_PROCESS_WIDE _Atomic uint32_t given;
    static GM_THREAD_LOCAL uint32_t own;
    if (!own)
        own = gm_add_rlx(&given, 1) % lanes + 1; /* a number, ordering nothing */
    return own - 1;
}

/* Exact when nobody writes. */
static uint64_t entries(const lockfree *m)
{
    int64_t n = 0;
    for (unsigned i = 0; i < lanes; i++)
        n += gm_load_rlx(lane_of(m, i)); /* numbers, ordering nothing */
    return n < 0 ? 0 : (uint64_t)n;
}

static inline uint64_t top_of(uint64_t hash)
{
    uint64_t top = hash >> 56;
    return top < topLeast ? top + topLeast : top;
}

/* Bit i is set where cell i has that top. */
static inline unsigned tops_equal(uint64_t tops, uint64_t top)
{
    return gm_eight_equal(tops, (uint8_t)top) & ((1u << cells) - 1);
}

/* The same of each cell that is not in use: virgin or deleted. */
static inline unsigned tops_unused(uint64_t tops)
{
    return gm_eight_at_most_one(tops) & ((1u << cells) - 1);
}

static inline unsigned tops_live(uint64_t tops)
{
    return ~tops_unused(tops) & ((1u << cells) - 1);
}

static inline unsigned first_of(unsigned bits)
{
    return (unsigned)__builtin_ctz(bits);
}

static uint64_t tops_with(uint64_t tops, unsigned i, uint64_t top)
{
    return (tops & ~(UINT64_C(0xFF) << 8 * i)) | top << 8 * i;
}

/* ------------------------------------------------------------------ blocks */

#define NAN_BITS UINT64_C(0xFFF0000000000000) /* above it, a word is a NaN; of floats no other NaN is stored in a cell */

static bool key_is_block(const lockfree *m, uint64_t word)
{
    return !m->key_inline || (m->floats && word > NAN_BITS);
}

/* Allocations are aligned to 16, so that an address of up to 56 bits fits where a NaN has room for 52. */
static uint64_t word_of_key(const lockfree *m, const block *b)
{
    uint64_t word = (uint64_t)(uintptr_t)b;
    return m->floats ? NAN_BITS | word >> 4 : word;
}

static block *block_of_key(const lockfree *m, uint64_t word)
{
    return (block *)(uintptr_t)(m->floats ? (word & ~NAN_BITS) << 4 : word);
}

static block *block_of_elem(uint64_t word)
{
    return (block *)(uintptr_t)word;
}

static block *block_new(lockfree *m, size_t size)
{
    block *b = size > SIZE_MAX / 2 ? NULL : gm_content_new(&m->t, sizeof *b + size);
    if (b)
        b->size = size;
    return b;
}

static void block_free(lockfree *m, block *b)
{
    if (b)
        gm_content_free(&m->t, b, sizeof *b + b->size);
}

static void block_release(void *owner, gm_retired *r)
{
    block_free(owner, (block *)(void *)r);
}

static void block_retire(lockfree *m, block *b)
{
    if (!b)
        return;
    b->retired.release = block_release;
    gm_epoch_retire(m->epochs, &b->retired);
}

/* A NaN's block holds its hash behind its eight bytes. */
static block *key_block_new(lockfree *m, const wanted *k)
{
    block *b = block_new(m, m->floats ? 2 * sizeof k->hash : k->len);
    if (!b)
        return NULL;
    gm_bytes_copy(b->bytes, k->p, k->len);
    if (m->floats)
        memcpy(b->bytes + sizeof k->hash, &k->hash, sizeof k->hash);
    return b;
}

/* The bytes of a key; those of an inline one are the word's own. */
static const void *key_bytes(const lockfree *m, const uint64_t *word, size_t *len)
{
    if (!key_is_block(m, *word)) {
        *len = m->t.key_size;
        return word;
    }
    block *b = block_of_key(m, *word);
    *len = m->floats ? sizeof *word : b->size;
    return b->bytes;
}

static const void *elem_bytes(const lockfree *m, const uint64_t *word)
{
    return m->elem_inline ? (const void *)word : block_of_elem(*word)->bytes;
}

static uint64_t hash_of_key(lockfree *m, uint64_t word)
{
    size_t len;
    const void *p = key_bytes(m, &word, &len);
    uint64_t hash;
    if (!m->floats || !key_is_block(m, word))
        return gm_key_hash(&m->t, p, len);
    memcpy(&hash, (const unsigned char *)p + sizeof hash, sizeof hash);
    return hash;
}

static wanted want(lockfree *m, const void *key, size_t len)
{
    wanted k = {.p = key, .len = gm_content_len(&m->t, len)};
    k.hash = gm_key_hash(&m->t, key, k.len);
    k.nan = !gm_key_reflexive(&m->t, key);
    if (m->key_inline && !(m->floats && gm_key_float(key) == 0)) /* zeros become +0 */
        memcpy(&k.word, key, k.len);
    return k;
}

static GM_INLINE bool key_is(const lockfree *m, const wanted *k, bool words, uint64_t word)
{
    if (words || m->key_inline)
        return word == k->word;
    const block *b = block_of_key(m, word);
    return b->size == k->len && gm_bytes_equal(b->bytes, k->p, k->len);
}

/* ------------------------------------------------------------------ locks */

static void count_wait(lockfree *m, uint64_t ns, uint64_t spins)
{
    uint64_t longest = gm_load_rlx(&m->seen.longest_wait_ns); /* all relaxed: numbers to look at */
    gm_add_rlx(&m->seen.contended, 1);
    gm_add_rlx(&m->seen.spins, spins);
    gm_add_rlx(&m->seen.wait_ns, ns);
    while (ns > longest && !gm_cas_rlx(&m->seen.longest_wait_ns, &longest, ns))
        ;
}

static bool lock_try(bucket *b, uint64_t *ctl)
{
    *ctl = gm_load_rlx(&b->ctl);
    if ((*ctl & CTL_LOCKED) || !gm_cas_acq(&b->ctl, ctl, *ctl | CTL_LOCKED)) /* pairs with unlock (O1) */
        return false;
    *ctl |= CTL_LOCKED;
    return true;
}

/* Locks are held for a few hundred instructions: longer only if the holder has lost its CPU. */
static void wait_a_little(uint64_t spins)
{
    if (spins % 64)
        gm_relax();
    else if (spins < 64 * 64)
        gm_yield();
    else
        gm_nap_ns(50000); /* yielding does not let threads of a lower priority run */
}

static __attribute__((noinline)) uint64_t lock_slow(lockfree *m, bucket *b)
{
    gm_span span = gm_span_enter(GM_CAUSE_LOCK_WAIT);
    uint64_t began = gm_now_ns(), ctl, spins = 0;
    while (!lock_try(b, &ctl))
        wait_a_little(++spins);
    count_wait(m, gm_now_ns() - began, spins);
    gm_span_leave(span);
    return ctl;
}

/* ctl as it is now; the holder keeps it. */
static uint64_t lock(lockfree *m, bucket *b)
{
    uint64_t ctl;
    return gm_likely(lock_try(b, &ctl)) ? ctl : lock_slow(m, b);
}

static void unlock(bucket *b, uint64_t ctl)
{
    gm_store_rel(&b->ctl, ctl & ~CTL_LOCKED); /* pairs with lock_try (O1), look and evacuated (O6) */
}

static bool evacuated(bucket *b)
{
    return gm_load_acq(&b->ctl) & CTL_EVACUATED; /* pairs with unlock (O6) */
}

/* ------------------------------------------------------------------ chains */

static inline bucket *bucket_of(table *t, uint64_t hash)
{
    return &t->buckets[hash & t->mask];
}

static inline chain chain_of(table *t, uint64_t hash)
{
    return (chain){bucket_of(t, hash), t};
}

/* Where the pointer to the next bucket is: those of a table's own buckets are behind them. */
static inline room *_Atomic *overflow_word(chain at)
{
    if (!at.t)
        return &((room *)(void *)at.b)->overflow;
    return (room * _Atomic *)(void *)&at.t->buckets[at.t->mask + 1] + (at.b - at.t->buckets);
}

/* To the next bucket; false: there is none. `tops` are those of this one, loaded with acquire or under the lock. */
static GM_INLINE bool next_bucket(chain *at, uint64_t tops)
{
    if (!(tops & TOPS_OVERFLOW))
        return false;
    *at = (chain){&gm_load_acq(overflow_word(*at))->b, NULL}; /* pairs with append */
    return true;
}

/* The same under the lock. */
static bool advance(chain *at)
{
    return next_bucket(at, gm_load_rlx(&at->b->tops));
}

/* With or without the lock. */
static GM_INLINE bool search_as(const lockfree *m, chain in, const wanted *k, bool words, cell *at)
{
    uint64_t top = top_of(k->hash), tops;
    do {
        tops = gm_load_acq(&in.b->tops); /* pairs with put and take_out (O2), append */
        for (unsigned hits = tops_equal(tops, top); hits; hits &= hits - 1) {
            unsigned i = first_of(hits);
            if (gm_likely(key_is(m, k, words, gm_load_acq(&in.b->cell[i].key)))) { /* pairs with put (O3) */
                *at = (cell){in.b, i};
                return true;
            }
        }
    } while (next_bucket(&in, tops));
    return false;
}

static bool search(const lockfree *m, chain in, const wanted *k, cell *at)
{
    return search_as(m, in, k, false, at);
}

/* The first cell not in use. False: there is none, and *in is the chain's last bucket. Under the lock. */
static GM_INLINE bool free_cell(chain *in, cell *at)
{
    do {
        unsigned unused = tops_unused(gm_load_rlx(&in->b->tops));
        if (unused) {
            *at = (cell){in->b, first_of(unused)};
            return true;
        }
    } while (advance(in));
    return false;
}

/* Under the lock. `last` is the chain's last bucket, `fresh` is zeroed: a bucket of virgin cells, of which this is the first. */
static cell append(table *t, chain last, room *fresh)
{
    uint64_t before = gm_load_rlx(&t->newest);
    do
        gm_store_rlx(&fresh->b.ctl, before);
    while (!gm_cas_rel(&t->newest, &before, (uint64_t)(uintptr_t)fresh));    /* pairs with overflows_free */
    gm_store_rel(overflow_word(last), fresh);                                /* pairs with next_bucket */
    gm_store_rel(&last.b->tops, gm_load_rlx(&last.b->tops) | TOPS_OVERFLOW); /* pairs with search (O5) */
    gm_add_rlx(&t->overflows, 1);                                            /* a number, ordering nothing */
    return (cell){&fresh->b, 0};
}

/* Begins a tenancy (O3); under the lock of the chain that `head` begins. */
static void put(bucket *head, uint64_t *ctl, cell at, uint64_t top, uint64_t key, uint64_t elem)
{
    uint64_t tops = gm_load_rlx(&at.b->tops);
    if ((tops >> 8 * at.i & 0xFF) != topVirgin) {
        *ctl += CTL_VERSION;
        gm_store_rel(&head->ctl, *ctl); /* pairs with look: before the words below, and after the deletion */
    }
    gm_store_rel(&at.b->cell[at.i].key, key);              /* pairs with search (O3) */
    gm_store_rel(&at.b->cell[at.i].elem, elem);            /* pairs with look (O3) */
    gm_store_rel(&at.b->tops, tops_with(tops, at.i, top)); /* pairs with search (O2) */
}

/* Ends a tenancy: the words stay. Under the lock. */
static void take_out(cell at)
{
    gm_store_rel(&at.b->tops, tops_with(gm_load_rlx(&at.b->tops), at.i, topDeleted)); /* pairs with search (O5) */
}

/* ------------------------------------------------------------------ tables */

static void report(lockfree *m, gm_event e, unsigned from_B, unsigned to_B)
{
    e.from_B = (uint8_t)from_B;
    e.to_B = (uint8_t)to_B;
    gm_eventlog_push(&m->log, &e);
}

static size_t table_size(unsigned B)
{
    return sizeof(table) + ((size_t)1 << B) * (sizeof(bucket) + sizeof(room *));
}

/* Where the memory of a table comes from. That of the first is in huge pages where it is large and the system has them: nobody
 * waits for a map that is being made. (Gets by the table's row of 10^6 entries are not faster for it; a fill has fewer page
 * faults.) The first touch of 2 MB takes up to some milliseconds, which in a growth a write would wait for, as for zeroing what
 * the C library has had before: later ones are of fresh small pages. (In huge ones a writer makes 3.8 instead of 3.4 million
 * assigns a second, and the longest takes 5.4 instead of 0.7 ms, medians of nine growths.) */
static const gm_alloc *memory_of(const lockfree *m, bool first)
{
    return first ? &m->first_alloc : &m->later_alloc;
}

static table *table_new(lockfree *m, unsigned B, bool first)
{
    if (B > mostB)
        return NULL;
    gm_span span = gm_span_enter(GM_CAUSE_ARRAY_ALLOCATION);
    uint64_t began = gm_now_ns();
    const gm_alloc *from = memory_of(m, first);
    table *t = gm_zalloc_lines(from, table_size(B));
    gm_span_leave(span);
    if (t) {
        gm_tally_add(&m->t.bytes, (int64_t)table_size(B));
        t->first = first;
        uint64_t now = gm_now_ns();
        report(m, (gm_event){.kind = GM_EV_ARRAY_ALLOC, .at_ns = now, .n = table_size(B), .took_ns = now - began}, B, B);
        t->B = B;
        t->mask = (UINT64_C(1) << B) - 1;
    }
    return t;
}

static void room_free(lockfree *m, room *r)
{
    for (room *next; r; r = next) {
        next = gm_load_rlx(&r->overflow); /* nobody else has it */
        gm_content_free(&m->t, r, sizeof *r);
    }
}

/* Frees up to `most` overflow buckets of a table that nobody else has; whether that was all. */
static bool overflows_free(lockfree *m, table *t, uint64_t most)
{
    uint64_t at = gm_load_acq(&t->newest); /* pairs with append */
    for (; at && most; most--) {
        room *r = (room *)(uintptr_t)at;
        at = gm_load_rlx(&r->b.ctl);
        gm_content_free(&m->t, r, sizeof *r);
    }
    gm_store_rlx(&t->newest, at);
    return at == 0;
}

static void table_free(lockfree *m, table *t)
{
    const gm_alloc *from = memory_of(m, t->first);
    size_t size = table_size(t->B);
    overflows_free(m, t, UINT64_MAX);
    gm_tally_add(&m->t.bytes, -(int64_t)size);
    gm_release_lines(from, t, size);
}

/* The last part of a large table that has not been given back yet; whether what is left is small. */
static bool give_back(table *t)
{
    if (t->kept > (size_t)2 * givenAtOnce) {
        t->kept -= givenAtOnce;
        gm_alloc_discard((unsigned char *)t + t->kept, givenAtOnce);
    }
    return t->kept <= (size_t)2 * givenAtOnce;
}

/* A table may be large and have very many overflow buckets: frees some, and leaves the rest to the next collection. */
static void table_release(void *owner, gm_retired *r)
{
    table *t = (table *)(void *)r;
    lockfree *m = owner;
    if (overflows_free(m, t, freedAtOnce) && give_back(t))
        table_free(m, t);
    else
        gm_epoch_retire(m->epochs, r);
}

/* More than 5.5 entries a bucket, in integers. */
static bool overloaded(uint64_t n, unsigned B)
{
    return n > cells && n > (uint64_t)halfLoads * ((UINT64_C(1) << B) / 2);
}

static unsigned fitting(uint64_t n, unsigned from)
{
    while (from < mostB && overloaded(n, from))
        from++;
    return from;
}

/* ------------------------------------------------------------------ evacuation */

/* All of t is evacuated. */
static void finish(lockfree *m, table *t, table *n)
{
    gm_store_rel(table_word(m), n); /* pairs with table_now (O8) */
    report(m, (gm_event){.kind = GM_EV_GROW_END, .at_ns = gm_now_ns(), .n = entries(m)}, t->B, n->B);
    t->kept = table_size(t->B);
    t->retired.release = table_release;
    gm_epoch_retire(m->epochs, &t->retired);
}

/* Of a chain, under its lock. */
typedef struct fill {
    uint64_t live, unused; /* cells */
} fill;

static fill fill_of(chain in)
{
    fill f = {0};
    do {
        unsigned live = (unsigned)__builtin_popcount(tops_live(gm_load_rlx(&in.b->tops)));
        f.live += live;
        f.unused += cells - live;
    } while (advance(&in));
    return f;
}

/* How many overflow buckets may be needed to move what is in a bucket to n, both locked. Where several buckets of n, all empty,
 * take it, each has all its cells to begin with. */
static uint64_t room_needed(table *t, table *n, uint64_t i)
{
    uint64_t moving = fill_of(chain_of(t, i)).live, unused = cells;
    if (n->mask <= t->mask)
        unused = fill_of(chain_of(n, i)).unused;
    return moving <= unused ? 0 : (moving - unused + cells - 1) / cells;
}

static void move_cell(lockfree *m, table *n, uint64_t *target_ctl, cell from, room **spare)
{
    uint64_t key = gm_load_rlx(&from.b->cell[from.i].key), hash = hash_of_key(m, key);
    chain to = chain_of(n, hash);
    cell at;
    if (!free_cell(&to, &at)) {
        room *fresh = *spare;
        *spare = gm_load_rlx(&fresh->overflow); /* a list of our own */
        gm_store_rlx(&fresh->overflow, NULL);
        at = append(n, to, fresh);
    }
    put(bucket_of(n, hash), target_ctl, at, top_of(hash), key, gm_load_rlx(&from.b->cell[from.i].elem));
}

static void move_chain(lockfree *m, chain in, table *n, uint64_t *target_ctl, room **spare)
{
    do
        for (unsigned live = tops_live(gm_load_rlx(&in.b->tops)); live; live &= live - 1)
            move_cell(m, n, target_ctl, (cell){in.b, first_of(live)}, spare);
    while (advance(&in));
}

static uint64_t count_room(room *spare)
{
    uint64_t n = 0;
    for (; spare; spare = gm_load_rlx(&spare->overflow)) /* a list of our own */
        n++;
    return n;
}

/* Stores first to the buckets of n that only old bucket i's keys come to (O7). Fresh memory that is first
 * loaded from is the system's page of zeroes; a store then takes that page's translation from every CPU that runs a thread of
 * the process, readers too, by an interrupt. A growth to 2*10^6 entries did so 2*10^4 times, and the p99.9 of gets beside it
 * was 7 us. */
static void claim_targets(table *t, table *n, uint64_t i)
{
    for (uint64_t j = i; j <= n->mask; j += t->mask + 1)
        gm_store_rlx(&n->buckets[j].ctl, 0); /* others come by the evacuated bit, released in unlock, acquired in look (O6) */
}

/* With b locked and not evacuated. How many more overflow buckets it takes; 0: all is moved. */
static uint64_t move_locked(lockfree *m, table *t, table *n, uint64_t i, room **spare)
{
    bucket *target = &n->buckets[i & n->mask];
    bool shared = n->mask < t->mask; /* O7 */
    if (!shared) {
        claim_targets(t, n, i);
        if (m->words && m->words->move(m, t, n, i))
            return 0;
    }
    uint64_t target_ctl = shared ? lock(m, target) : 0, needed, have = count_room(*spare);
    needed = room_needed(t, n, i);
    if (needed <= have)
        move_chain(m, chain_of(t, i), n, &target_ctl, spare);
    if (shared)
        unlock(target, target_ctl);
    return needed <= have ? 0 : needed - have;
}

static bool room_add(lockfree *m, room **spare, uint64_t count)
{
    gm_span span = gm_span_enter(GM_CAUSE_ALLOCATION);
    while (count) {
        room *r = gm_content_new(&m->t, sizeof *r);
        if (!r)
            break;
        gm_store_rlx(&r->overflow, *spare); /* a list of our own */
        *spare = r;
        count--;
    }
    gm_span_leave(span);
    return count == 0;
}

/* One attempt. -1: evacuated, by this call; -2: by another, or left to another; else the room that it takes. */
static int64_t evacuate_once(lockfree *m, table *t, table *n, uint64_t i, bool wait, room **spare)
{
    bucket *b = &t->buckets[i];
    uint64_t ctl;
    if (evacuated(b))
        return -2;
    if (wait)
        ctl = lock(m, b);
    else if (!lock_try(b, &ctl))
        return -2;
    uint64_t lacking = 0;
    bool ours = !(ctl & CTL_EVACUATED);
    if (ours)
        lacking = move_locked(m, t, n, i, spare);
    unlock(b, ours && !lacking ? ctl | CTL_EVACUATED : ctl);
    return lacking ? (int64_t)lacking : ours ? -1 : -2;
}

/* Evacuates bucket i, unless there is no memory. !wait: leaves it to whoever holds its lock. */
static void evacuate(lockfree *m, table *t, table *n, uint64_t i, bool wait)
{
    room *spare = NULL;
    int64_t lacking;
    do
        lacking = evacuate_once(m, t, n, i, wait, &spare);
    while (lacking > 0 && room_add(m, &spare, (uint64_t)lacking));
    room_free(m, spare);
    if (lacking != -1)
        return;
    gm_add_rlx(&m->seen.evacuated, 1);                  /* a number to look at */
    if (gm_add_acq_rel(&t->evacuated, 1) + 1 > t->mask) /* pairs with those of the others (O8) */
        finish(m, t, n);
}

/* Evacuates the bucket that a writer needs, and once for each write one more. */
static __attribute__((noinline)) void help(lockfree *m, table *t, table *n, uint64_t hash, bool *helped)
{
    gm_span span = gm_span_enter(GM_CAUSE_EVACUATION);
    evacuate(m, t, n, hash & t->mask, true);
    if (!*helped) {
        *helped = true;
        gm_span_switch(span, GM_CAUSE_SECOND_EVACUATION);
        evacuate(m, t, n, gm_add_rlx(&t->tickets, 1) & t->mask, false); /* P3; relaxed: a number, ordering nothing */
    }
    gm_span_leave(span);
}

/* ------------------------------------------------------------------ growing and shrinking */

/* Makes t's next table. `n` is the number of entries. */
static void start(lockfree *m, table *t, unsigned B, uint64_t n)
{
    uint64_t others = gm_add_rlx(&t->attempts, 1); /* a hint (P4) */
    table *fresh = others == 0 || overloaded(n / (others + 1), t->B) ? table_new(m, B, false) : NULL;
    gm_sub_rlx(&t->attempts, 1);
    if (!fresh)
        return;
    table *none = NULL;
    gm_event started = {.kind = GM_EV_GROW_START, .at_ns = gm_now_ns(), .n = n}; /* others may end it before we report it */
    if (gm_cas_acq_rel(&t->next, &none, fresh)) { /* release pairs with the loads of next (O6, O8) */
        gm_add_rlx(B < t->B ? &m->seen.shrinks : &m->seen.growths, 1);
        report(m, started, t->B, B);
    } else {
        table_free(m, fresh);
    }
}

/* Whether the table is too small, too large or too much strewn for what is in it. */
static __attribute__((noinline)) void resize(lockfree *m, table *t)
{
    uint64_t n = entries(m);
    if (gm_load_acq(&t->next) || t != table_now(m)) /* pairs with start, finish: one growth at a time (O8) */
        return;
    if (overloaded(n, t->B))
        start(m, t, fitting(n, t->B + 1), n);
    else if (t->B > m->least_B && n < (((uint64_t)halfLoads << t->B) / 32))
        start(m, t, fitting(2 * n, m->least_B), n);
    else if (gm_load_rlx(&t->overflows) > t->mask + 1) /* a number, ordering nothing */
        start(m, t, t->B, n);
}

/* After a write to t. Summing up the lanes takes time, so in a larger table only one write in sixteen does. */
static void count(lockfree *m, table *t, int64_t added)
{
    int64_t now = gm_add_rlx(lane_of(m, own_lane()), added) + added; /* a number, ordering nothing */
    if (t->mask < 16 || now % 16 == 0)
        resize(m, t);
}

/* ------------------------------------------------------------------ get */

enum found { MISSING, FOUND, AGAIN };

/* Where a get will look, asked for before it is needed: tops, key and elem come at the time of one miss, not of two. */
static inline void prefetch(const bucket *b)
{
    const char *at = (const char *)b;
    __builtin_prefetch(at);
    __builtin_prefetch(at + 64);
}

static inline void prefetch_to_write(const bucket *b)
{
    const char *at = (const char *)b;
    __builtin_prefetch(at, 1);
    __builtin_prefetch(at + 64, 1);
}

/* *word: the elem's. */
static GM_INLINE enum found look(lockfree *m, const wanted *k, bool words, uint64_t *word)
{
    table *t = table_now(m);
    bucket *b = bucket_of(t, k->hash);
    uint64_t ctl; /* as loaded first: pairs with put (O3) and unlock (O6) */
    cell at;
    prefetch(b);
    while (gm_unlikely((ctl = gm_load_acq(&b->ctl)) & CTL_EVACUATED)) {
        t = gm_load_acq(&t->next); /* pairs with start */
        b = bucket_of(t, k->hash);
    }
    if (!search_as(m, (chain){b, t}, k, words, &at))
        return MISSING;                          /* O5 */
    *word = gm_load_acq(&at.b->cell[at.i].elem); /* pairs with put and overwrite (O3) */
    /* The version only, not the bits below (O4). Pairs with put (O3). */
    return gm_likely((gm_load_acq(&b->ctl) ^ ctl) < CTL_VERSION) ? FOUND : AGAIN;
}

static __attribute__((noinline)) bool look_again(lockfree *m, wanted k, uint64_t *word)
{
    enum found found;
    gm_span span = gm_span_enter(GM_CAUSE_RETRY);
    do
        gm_add_rlx(&m->seen.retries, 1); /* a number to look at */
    while ((found = look(m, &k, false, word)) == AGAIN);
    gm_span_leave(span);
    return found == FOUND;
}

static GM_INLINE bool find(lockfree *m, const wanted *k, bool words, uint64_t *word)
{
    enum found found = look(m, k, words, word);
    if (gm_likely(found != AGAIN))
        return found == FOUND;
    uint64_t again = 0;
    bool there = look_again(m, *k, &again);
    *word = again;
    return there;
}

static int lockfree_get(void *self, const void *key, size_t len, void *elem)
{
    lockfree *m = self;
    wanted k = want(m, key, len);
    uint64_t word;
    gm_epoch_slot *in = gm_epoch_enter(m->epochs);
    if (gm_unlikely(!in))
        return GM_E_NOMEM;
    bool found = !k.nan && find(m, &k, false, &word);
    if (found)
        gm_bytes_copy(elem, elem_bytes(m, &word), m->t.elem_size);
    gm_epoch_leave(in);
    return found ? GM_OK : GM_MISS;
}

/* ------------------------------------------------------------------ writes */

enum progress { DONE, NOT_YET, NO_MEMORY };
enum { lacksNothing = 0, lacksKey = 1, lacksElem = 2, lacksRoom = 4 };

/* The word of the elem to be stored; a block made for it is used up. */
static uint64_t elem_word(lockfree *m, job *j, bool present, const void *now)
{
    uint64_t word = 0;
    if (m->elem_inline) {
        gm_write_fill(&m->t, j->w, present, now, &word);
    } else {
        word = (uint64_t)(uintptr_t)j->elem;
        j->elem = NULL;
    }
    return word;
}

static int overwrite(lockfree *m, job *j, cell at, const uint64_t *now, int step)
{
    if (!m->elem_inline && !j->elem)
        return lacksElem;
    uint64_t word = elem_word(m, j, true, elem_bytes(m, now));
    j->status = gm_write_answer(&m->t, j->w, step, true, elem_bytes(m, now));
    gm_store_rel(&at.b->cell[at.i].elem, word); /* pairs with look (O3) */
    if (!m->elem_inline)
        j->out[0] = block_of_elem(*now);
    return lacksNothing;
}

static int insert(lockfree *m, table *t, uint64_t *ctl, job *j, int step)
{
    cell at;
    chain in = chain_of(t, j->k.hash);
    bool key_block = !m->key_inline || j->k.nan, found = free_cell(&in, &at);
    int lacks = (key_block && !j->key ? lacksKey : 0) | (!m->elem_inline && !j->elem ? lacksElem : 0) |
                (!found && !j->room ? lacksRoom : 0);
    if (lacks)
        return lacks;
    if (!found) {
        at = append(t, in, j->room);
        j->room = NULL;
    }
    uint64_t word = elem_word(m, j, false, NULL);
    put(bucket_of(t, j->k.hash), ctl, at, top_of(j->k.hash), key_block ? word_of_key(m, j->key) : j->k.word, word);
    j->key = NULL;
    j->added = 1;
    j->status = gm_write_answer(&m->t, j->w, step, false, NULL);
    return lacksNothing;
}

static int erase(lockfree *m, job *j, cell at, const uint64_t *now, int step)
{
    j->status = gm_write_answer(&m->t, j->w, step, true, elem_bytes(m, now));
    take_out(at);
    if (!m->key_inline)
        j->out[0] = block_of_key(m, gm_load_rlx(&at.b->cell[at.i].key));
    if (!m->elem_inline)
        j->out[1] = block_of_elem(*now);
    j->added = -1;
    return lacksNothing;
}

/* Does what is to be done, under the lock, or says what it lacks. */
static int apply(lockfree *m, table *t, uint64_t *ctl, job *j)
{
    cell at;
    bool present = !j->k.nan && search(m, chain_of(t, j->k.hash), &j->k, &at);
    uint64_t now = present ? gm_load_rlx(&at.b->cell[at.i].elem) : 0;
    int step = gm_write_step(&m->t, j->w, present, present ? elem_bytes(m, &now) : NULL);
    if (step == GM_PUT)
        return present ? overwrite(m, j, at, &now, step) : insert(m, t, ctl, j, step);
    if (step == GM_REMOVE)
        return erase(m, j, at, &now, step);
    j->status = gm_write_answer(&m->t, j->w, step, present, present ? elem_bytes(m, &now) : NULL);
    return lacksNothing;
}

/* Without a lock: what apply lacks. */
static bool supply(lockfree *m, job *j, int lacks)
{
    gm_span span = gm_span_enter(GM_CAUSE_ALLOCATION);
    bool ok = true;
    if (lacks & lacksKey)
        ok = (j->key = key_block_new(m, &j->k)) != NULL;
    if (ok && (lacks & lacksElem)) {
        ok = (j->elem = block_new(m, m->t.elem_size)) != NULL;
        if (ok)
            gm_write_fill(&m->t, j->w, false, NULL, j->elem->bytes); /* no sum: those are inline */
    }
    if (ok && (lacks & lacksRoom))
        ok = room_add(m, &j->room, 1);
    gm_span_leave(span);
    return ok;
}

/* With b locked and not evacuated: does it and unlocks; or unlocks, and gets what it lacks for the next time. */
static enum progress work_locked(lockfree *m, table *t, bucket *b, uint64_t ctl, job *j)
{
    int lacks = apply(m, t, &ctl, j);
    unlock(b, ctl);
    if (lacks)
        return supply(m, j, lacks) ? NOT_YET : NO_MEMORY;
    if (j->added)
        count(m, t, j->added);
    return DONE;
}

/* Inside. Whether it got the memory. */
static bool work_off(lockfree *m, job *j)
{
    table *t = table_now(m), *n;
    enum progress progress = NOT_YET;
    bool helped = false;
    while (progress == NOT_YET) {
        bucket *b = bucket_of(t, j->k.hash);
        if (gm_unlikely((n = gm_load_acq(&t->next)) != NULL)) /* pairs with start */
            help(m, t, n, j->k.hash, &helped);
        uint64_t ctl = lock(m, b);
        if (ctl & CTL_EVACUATED) {
            unlock(b, ctl);
            t = gm_load_acq(&t->next); /* pairs with start */
        } else {
            progress = work_locked(m, t, b, ctl, j);
        }
    }
    return progress == DONE;
}

static int lockfree_write(lockfree *m, gm_write *w)
{
    job j = {.w = w, .k = want(m, w->key, w->len)};
    gm_epoch_slot *in;
    bool ok = !(!m->elem_inline && w->kind == GM_WRITE_SWAP) || supply(m, &j, lacksElem); /* it surely will be needed */
    if (!ok || !(in = gm_epoch_enter(m->epochs))) {
        block_free(m, j.elem);
        return GM_E_NOMEM;
    }
    ok = work_off(m, &j);
    block_retire(m, j.out[0]);
    block_retire(m, j.out[1]);
    gm_epoch_leave(in);
    block_free(m, j.key);
    block_free(m, j.elem);
    room_free(m, j.room);
    return ok ? j.status : GM_E_NOMEM;
}

static const gm_content *content_of(lockfree *m)
{
    return &m->t;
}

GM_WRITE_FUNCTIONS(lockfree, content_of, lockfree_write)

/* ------------------------------------------------------------------ words
 * The same get, and the same assign but for what needs room or help with a growth, where key and elem are words of eight bytes:
 * everything that a kind decides is decided when this is compiled. */

static __attribute__((noinline)) int get_again(lockfree *m, const void *key, void *elem)
{
    gm_span span = gm_span_enter(GM_CAUSE_RETRY);
    gm_add_rlx(&m->seen.retries, 1); /* a number to look at */
    int status = lockfree_get(m, key, sizeof(uint64_t), elem);
    gm_span_leave(span);
    return status;
}

static __attribute__((noinline)) int now_and_then(gm_epoch_slot *in, int status)
{
    gm_epoch_now_and_then(in);
    return status;
}

/* Whatever is rare is a call at the very end, so that nothing has to be kept over it. */
static GM_INLINE int get_word(lockfree *m, const wanted *k, void *elem)
{
    uint64_t word;
    gm_epoch_slot *in;
    if (gm_unlikely(!gm_epoch_enter_quickly(m->epochs, &in)))
        return lockfree_get(m, k->p, sizeof word, elem);
    enum found found = look(m, k, true, &word);
    bool due = gm_epoch_leave_quickly(in);
    if (gm_unlikely(found == AGAIN))
        return get_again(m, k->p, elem);
    if (found == FOUND && elem)
        memcpy(elem, &word, sizeof word);
    int status = found == FOUND ? GM_OK : GM_MISS;
    return gm_unlikely(due) ? now_and_then(in, status) : status;
}

/* Some keys at a time: first all hashes, and what they lead to is asked for, so that the misses overlap. */
enum { wordsAtOnce = 32 };

static int get_some_words(lockfree *m, const unsigned char *keys, size_t n, uint64_t *elems, uint8_t *found)
{
    wanted k[wordsAtOnce];
    gm_epoch_slot *in = gm_epoch_enter(m->epochs);
    if (gm_unlikely(!in))
        return GM_E_NOMEM;
    table *t = table_now(m);
    for (size_t i = 0; i < n; i++) {
        k[i] = m->words->want(m, keys + 8 * i);
        prefetch(bucket_of(t, k[i].hash));
    }
    for (size_t i = 0; i < n; i++)
        found[i] = find(m, &k[i], true, &elems[i]);
    gm_epoch_leave(in);
    return GM_OK;
}

static int lockfree_get_words(void *self, const void *keys, size_t n, void *elems, uint8_t *found, size_t *done)
{
    uint64_t some[wordsAtOnce];
    uint8_t there[wordsAtOnce];
    *done = 0;
    for (size_t at = 0, now; at < n; at += now) {
        now = n - at < wordsAtOnce ? n - at : wordsAtOnce;
        int status = get_some_words(self, (const unsigned char *)keys + 8 * at, now, some, there);
        if (status < 0)
            return status;
        for (size_t i = 0; i < now; i++) {
            if (there[i])
                memcpy((unsigned char *)elems + 8 * (at + i), &some[i], sizeof some[i]);
            *done += there[i];
        }
        if (found)
            memcpy(found + at, there, now);
    }
    return GM_OK;
}

enum quick { OVERWRITTEN, INSERTED, NOT_DONE };

/* With b locked. Leaves to the other way what lacks room. */
static GM_INLINE enum quick assign_locked(lockfree *m, table *t, bucket *b, uint64_t *ctl, const wanted *k, uint64_t elem,
                                          void *old)
{
    cell at;
    chain in = chain_of(t, k->hash);
    if (search_as(m, in, k, true, &at)) {
        uint64_t now = gm_load_rlx(&at.b->cell[at.i].elem);
        gm_store_rel(&at.b->cell[at.i].elem, elem); /* pairs with look (O3) */
        gm_bytes_copy(old, &now, sizeof now);
        return OVERWRITTEN;
    }
    if (!free_cell(&in, &at))
        return NOT_DONE;
    put(b, ctl, at, top_of(k->hash), k->word, elem);
    return INSERTED;
}

/* Inside. */
static GM_INLINE enum quick assign_quickly(lockfree *m, table *t, const wanted *k, uint64_t elem, void *old)
{
    bucket *b = bucket_of(t, k->hash);
    enum quick how = NOT_DONE;
    uint64_t ctl;
    prefetch_to_write(b);
    if (gm_unlikely(gm_load_acq(&t->next) || !lock_try(b, &ctl))) /* pairs with start */
        return NOT_DONE;
    if (gm_likely(!(ctl & CTL_EVACUATED)))
        how = assign_locked(m, t, b, &ctl, k, elem, old);
    unlock(b, ctl);
    return how;
}

static __attribute__((noinline)) int inserted(lockfree *m, table *t, gm_epoch_slot *in)
{
    count(m, t, 1);
    gm_epoch_leave(in);
    return GM_MISS;
}

static GM_INLINE int assign_word(lockfree *m, const wanted *k, const void *elem, void *old)
{
    uint64_t word;
    gm_epoch_slot *in;
    if (gm_unlikely(!gm_epoch_enter_quickly(m->epochs, &in)))
        return lockfree_assign(m, k->p, sizeof word, elem, old);
    memcpy(&word, elem, sizeof word);
    table *t = table_now(m);
    enum quick how = assign_quickly(m, t, k, word, old);
    if (how == INSERTED)
        return inserted(m, t, in);
    bool due = gm_epoch_leave_quickly(in);
    if (gm_unlikely(how == NOT_DONE))
        return lockfree_assign(m, k->p, sizeof word, elem, old);
    return gm_unlikely(due) ? now_and_then(in, GM_OK) : GM_OK;
}

/* What goes to one bucket of the next table. */
typedef struct moving {
    unsigned n;
    uint64_t tops, key[cells], elem[cells];
} moving;

/* False: it does not fit. */
static GM_INLINE bool moving_add(moving *to, const wanted *k, uint64_t elem)
{
    unsigned at = to->n;
    if (at == cells)
        return false;
    to->tops |= top_of(k->hash) << 8 * at;
    to->key[at] = k->word;
    to->elem[at] = elem;
    to->n++;
    return true;
}

/* Into a bucket that is all virgin, and nobody else's (O7). */
static GM_INLINE void moving_put(bucket *b, const moving *of)
{
    for (unsigned i = 0; i < of->n; i++) {
        gm_store_rel(&b->cell[i].key, of->key[i]); /* all three as in put (O2, O3) */
        gm_store_rel(&b->cell[i].elem, of->elem[i]);
    }
    gm_store_rel(&b->tops, of->tops);
}

/* move_chain for the usual growth, to the double, where each half fits into its bucket; false: it is another one, and nothing is
 * done. With old bucket i locked. */
static GM_INLINE bool move_halves(lockfree *m, table *t, table *n, uint64_t i,
                                  wanted (*want_word)(const lockfree *, const void *))
{
    moving to[2];
    to[0].n = to[1].n = 0;
    to[0].tops = to[1].tops = 0;
    chain in = chain_of(t, i);
    if (n->mask != 2 * t->mask + 1)
        return false;
    do {
        for (unsigned live = tops_live(gm_load_rlx(&in.b->tops)); live; live &= live - 1) {
            unsigned at = first_of(live);
            uint64_t key = gm_load_rlx(&in.b->cell[at].key);
            wanted k = want_word(m, &key);
            if (!moving_add(&to[(k.hash & n->mask) > t->mask], &k, gm_load_rlx(&in.b->cell[at].elem)))
                return false;
        }
    } while (advance(&in));
    moving_put(&n->buckets[i], &to[0]);
    moving_put(&n->buckets[i + t->mask + 1], &to[1]);
    return true;
}

#define WORD_PATHS(name, target, hash8)                                                                                        \
    static target wanted want_word_##name(const lockfree *m, const void *key)                                                  \
    {                                                                                                                          \
        wanted k = {.p = key};                                                                                                 \
        memcpy(&k.word, key, sizeof k.word);                                                                                   \
        k.hash = hash8(&m->t.hk, k.word, m->t.seed);                                                                           \
        return k;                                                                                                              \
    }                                                                                                                          \
    static target int get_word_##name(void *self, const void *key, size_t len, void *elem)                                     \
    {                                                                                                                          \
        (void)len;                                                                                                             \
        wanted k = want_word_##name(self, key);                                                                                \
        return get_word(self, &k, elem);                                                                                       \
    }                                                                                                                          \
    static target int assign_word_##name(void *self, const void *key, size_t len, const void *elem, void *old)                 \
    {                                                                                                                          \
        (void)len;                                                                                                             \
        wanted k = want_word_##name(self, key);                                                                                \
        return assign_word(self, &k, elem, old);                                                                               \
    }                                                                                                                          \
    static target bool move_##name(lockfree *m, table *t, table *n, uint64_t i)                                                \
    {                                                                                                                          \
        return move_halves(m, t, n, i, want_word_##name);                                                                      \
    }

#define ANYWHERE inline
WORD_PATHS(any, ANYWHERE, gm_hash8_any)
#if GM_HAVE_NI
WORD_PATHS(ni, GM_TARGET_AES, aes_hash_word_ni)
#endif

static int get_by_kind(void *self, const void *key, size_t len, void *elem)
{
    lockfree *m = self;
    return gm_likely(m->words) ? m->words->table.get(m, key, len, elem) : lockfree_get(m, key, len, elem);
}

static int assign_by_kind(void *self, const void *key, size_t len, const void *elem, void *old)
{
    lockfree *m = self;
    return gm_likely(m->words) ? m->words->table.assign(m, key, len, elem, old) : lockfree_assign(m, key, len, elem, old);
}

/* ------------------------------------------------------------------ range and clear */

/* The keys whose hash & mask == want. */
typedef struct group {
    uint64_t mask, want;
} group;

typedef struct entry {
    uint64_t key, elem; /* words */
} entry;

/* What a range copies; more than `cap`: nothing is copied any more, only counted. */
typedef struct copies {
    entry few[64], *list;
    size_t n, cap;
} copies;

typedef void (*in_chain)(lockfree *m, chain in, group g, void *ctx);

/* Calls `visit` for each bucket of t, or of the tables after it, that the group is in; the bucket is locked meanwhile. Each bucket
 * of a larger table stands for a part of the group, and only that part is followed further: nothing comes twice, though a
 * smaller table may bring the parts together again while they are being followed. */
static void walk(lockfree *m, table *t, group g, in_chain visit, void *ctx)
{
    uint64_t parts = t->mask > g.mask ? (t->mask >> __builtin_popcountll(g.mask)) + 1 : 1;
    for (uint64_t p = 0; p < parts; p++) {
        group part = g;
        if (parts > 1)
            part = (group){t->mask, g.want | p << __builtin_popcountll(g.mask)};
        bucket *b = bucket_of(t, part.want);
        uint64_t ctl = lock(m, b);
        if (!(ctl & CTL_EVACUATED))
            visit(m, chain_of(t, part.want), part, ctx);
        unlock(b, ctl);
        if (ctl & CTL_EVACUATED)
            walk(m, gm_load_acq(&t->next), part, visit, ctx); /* pairs with start */
    }
}

static bool in_group(lockfree *m, group g, uint64_t key)
{
    return (hash_of_key(m, key) & g.mask) == g.want;
}

static void copy_chain(lockfree *m, chain in, group g, void *ctx)
{
    copies *c = ctx;
    do {
        for (unsigned live = tops_live(gm_load_rlx(&in.b->tops)); live; live &= live - 1) {
            unsigned i = first_of(live);
            uint64_t key = gm_load_rlx(&in.b->cell[i].key);
            if (!in_group(m, g, key))
                continue;
            if (c->n < c->cap)
                c->list[c->n] = (entry){key, gm_load_rlx(&in.b->cell[i].elem)};
            c->n++;
        }
    } while (advance(&in));
}

static void copies_drop(lockfree *m, copies *c)
{
    if (c->list != c->few)
        gm_content_free(&m->t, c->list, c->cap * sizeof(entry));
    c->list = c->few;
    c->cap = sizeof c->few / sizeof(entry);
}

/* All of the group; where there is no room for it, makes room and copies it anew. Inside. */
static bool copy_group(lockfree *m, group g, copies *c)
{
    for (;;) {
        c->n = 0;
        walk(m, table_now(m), g, copy_chain, c);
        if (c->n <= c->cap)
            return true;
        size_t cap = 2 * c->n;
        copies_drop(m, c);
        entry *list = gm_content_new(&m->t, cap * sizeof(entry));
        if (!list)
            return false;
        c->list = list;
        c->cap = cap;
    }
}

/* False: the visitor has had enough. Inside, so that blocks stay. */
static bool visit_copies(lockfree *m, const copies *c, uint64_t *limit, gm_visit visit, void *ctx)
{
    for (size_t i = 0; i < c->n && *limit; i++, --*limit) {
        const entry *e = &c->list[i];
        size_t len;
        const void *key = key_bytes(m, &e->key, &len);
        if (!visit(ctx, key, len, elem_bytes(m, &e->elem)))
            return false;
    }
    return *limit != 0;
}

/* The mask of the table as it is now; whether the thread could enter. */
static bool mask_now(lockfree *m, uint64_t *mask)
{
    gm_epoch_slot *in = gm_epoch_enter(m->epochs);
    if (!in)
        return false;
    *mask = table_now(m)->mask;
    gm_epoch_leave(in);
    return true;
}

static int lockfree_range(void *self, uint64_t limit, gm_visit visit, void *ctx)
{
    lockfree *m = self;
    copies c;
    uint64_t mask, first = m->t.rng.draw(m->t.rng.ctx, GM_DRAW_ITER);
    bool more = limit != 0, ok = mask_now(m, &mask);
    c.list = c.few;
    copies_drop(m, &c);
    for (uint64_t i = 0; ok && more && i <= mask; i++) {
        gm_epoch_slot *in = gm_epoch_enter(m->epochs); /* the thread has a slot: mask_now found it */
        ok = in && copy_group(m, (group){mask, (first + i) & mask}, &c);
        more = ok && visit_copies(m, &c, &limit, visit, ctx);
        if (in)
            gm_epoch_leave(in);
    }
    copies_drop(m, &c);
    return ok ? GM_OK : GM_E_NOMEM;
}

static void retire_cell(lockfree *m, bucket *b, unsigned i)
{
    uint64_t key = gm_load_rlx(&b->cell[i].key);
    if (key_is_block(m, key))
        block_retire(m, block_of_key(m, key));
    if (!m->elem_inline)
        block_retire(m, block_of_elem(gm_load_rlx(&b->cell[i].elem)));
}

static void clear_chain(lockfree *m, chain in, group g, void *ctx)
{
    int64_t *cleared = ctx;
    do {
        for (unsigned live = tops_live(gm_load_rlx(&in.b->tops)); live; live &= live - 1) {
            unsigned i = first_of(live);
            if (!in_group(m, g, gm_load_rlx(&in.b->cell[i].key)))
                continue;
            take_out((cell){in.b, i});
            retire_cell(m, in.b, i);
            ++*cleared;
        }
    } while (advance(&in));
}

/* Evacuates all that a growth has left. */
static void help_all(lockfree *m)
{
    table *t = table_now(m), *n = gm_load_acq(&t->next); /* pairs with start */
    for (uint64_t i = 0; n && i <= t->mask; i++)
        evacuate(m, t, n, i, true);
}

/* The large table of a map that was cleared goes at once; without memory for a smaller one, later. */
static void shrink_all(lockfree *m)
{
    help_all(m);
    resize(m, table_now(m));
    help_all(m);
}

static int lockfree_clear(void *self)
{
    lockfree *m = self;
    uint64_t mask;
    if (!mask_now(m, &mask))
        return GM_E_NOMEM;
    for (uint64_t i = 0; i <= mask; i++) {
        gm_epoch_slot *in = gm_epoch_enter(m->epochs); /* the thread has a slot */
        if (!in)
            return GM_E_NOMEM;
        int64_t cleared = 0;
        walk(m, table_now(m), (group){mask, i}, clear_chain, &cleared);
        gm_add_rlx(lane_of(m, own_lane()), -cleared); /* a number, ordering nothing */
        if (i == mask)
            shrink_all(m);
        gm_epoch_leave(in);
    }
    gm_epoch_collect(m->epochs);
    return GM_OK;
}

/* ------------------------------------------------------------------ check and stats */

enum {                      /* gm_broken.invariant */
       brokenLock = 1,      /* a bucket that is locked */
       brokenPlace = 2,     /* an entry in a bucket that its hash does not lead to */
       brokenTop = 3,       /* a top that is not its hash's */
       brokenOrder = 4,     /* a cell in use behind a virgin one */
       brokenTwice = 5,     /* a key twice in a chain */
       brokenCount = 6,     /* the number of entries */
       brokenEvacuated = 7, /* the number of evacuated buckets, or a table with all evacuated that is still the map's */
       brokenEarly = 8,     /* an entry in the next table that comes from a bucket that is not evacuated */
       brokenOverflows = 9  /* the number of overflow buckets */
};

typedef struct inspection {
    lockfree *m;
    gm_broken *out;
    table *t, *before; /* before: the one that t takes over from, or NULL */
    uint64_t live, evacuated, overflows;
} inspection;

static bool broken(inspection *s, int invariant, uint64_t bucket, unsigned depth, unsigned cell, uint64_t got,
                   uint64_t expected)
{
    *s->out = (gm_broken){invariant, s->t != table_now(s->m) ? 0 : gm_load_acq(&s->t->next) != NULL, bucket, depth, cell, got,
                          expected};
    return false;
}

/* Whether the key of cell i is in an earlier cell too. */
static bool is_twice(inspection *s, uint64_t bucket_index, bucket *at, unsigned i)
{
    uint64_t word = gm_load_rlx(&at->cell[i].key);
    size_t len;
    const void *p = key_bytes(s->m, &word, &len);
    wanted k = want(s->m, p, len);
    cell first;
    return !k.nan && (!search(s->m, chain_of(s->t, bucket_index), &k, &first) || first.b != at || first.i != i);
}

static bool check_cell(inspection *s, uint64_t i, bucket *b, unsigned depth, unsigned c)
{
    uint64_t hash = hash_of_key(s->m, gm_load_rlx(&b->cell[c].key)), top = gm_load_rlx(&b->tops) >> 8 * c & 0xFF;
    if ((hash & s->t->mask) != i)
        return broken(s, brokenPlace, i, depth, c, hash & s->t->mask, i);
    if (top != top_of(hash))
        return broken(s, brokenTop, i, depth, c, top, top_of(hash));
    if (is_twice(s, i, b, c))
        return broken(s, brokenTwice, i, depth, c, 0, 0);
    if (s->before && !evacuated(bucket_of(s->before, hash)))
        return broken(s, brokenEarly, i, depth, c, hash & s->before->mask, 0);
    s->live++;
    return true;
}

static bool check_chain(inspection *s, uint64_t i)
{
    chain in = chain_of(s->t, i);
    unsigned depth = 0;
    bool virgin = false, moved = evacuated(in.b);
    s->evacuated += moved;
    if (gm_load_rlx(&in.b->ctl) & CTL_LOCKED)
        return broken(s, brokenLock, i, 0, 0, gm_load_rlx(&in.b->ctl), 0);
    do {
        bucket *b = in.b;
        for (unsigned c = 0; c < cells; c++) {
            uint64_t top = gm_load_rlx(&b->tops) >> 8 * c & 0xFF;
            virgin = virgin || top == topVirgin;
            if (virgin && top != topVirgin)
                return broken(s, brokenOrder, i, depth, c, top, topVirgin);
            if (!moved && top >= topLeast && !check_cell(s, i, b, depth, c))
                return false;
        }
        s->overflows += depth++ != 0;
    } while (advance(&in));
    return true;
}

static bool check_table(inspection *s, table *t)
{
    s->before = s->t;
    s->t = t;
    s->evacuated = s->overflows = 0;
    for (uint64_t i = 0; i <= t->mask; i++)
        if (!check_chain(s, i))
            return false;
    if (s->evacuated != gm_load_rlx(&t->evacuated) || s->evacuated > t->mask)
        return broken(s, brokenEvacuated, 0, 0, 0, gm_load_rlx(&t->evacuated), s->evacuated);
    if (s->overflows != gm_load_rlx(&t->overflows))
        return broken(s, brokenOverflows, 0, 0, 0, gm_load_rlx(&t->overflows), s->overflows);
    return true;
}

static int lockfree_check(void *self, gm_broken *out)
{
    lockfree *m = self;
    gm_broken unused;
    inspection s = {.m = m, .out = out ? out : &unused};
    for (table *t = table_now(m); t; t = gm_load_acq(&t->next)) /* pairs with start */
        if (!check_table(&s, t))
            return GM_E_CORRUPT;
    if (s.live != entries(m)) {
        broken(&s, brokenCount, 0, 0, 0, entries(m), s.live);
        return GM_E_CORRUPT;
    }
    return GM_OK;
}

static void lockfree_stats(void *self, gm_stats *out)
{
    lockfree *m = self;
    *out = (gm_stats){.entries = entries(m), .bytes = gm_tally_sum(&m->t.bytes)};
    out->contended = gm_load_rlx(&m->seen.contended); /* all relaxed: numbers to look at */
    out->spins = gm_load_rlx(&m->seen.spins);
    out->wait_ns = gm_load_rlx(&m->seen.wait_ns);
    out->longest_wait_ns = gm_load_rlx(&m->seen.longest_wait_ns);
    out->retries = gm_load_rlx(&m->seen.retries);
    out->growths = gm_load_rlx(&m->seen.growths);
    out->shrinks = gm_load_rlx(&m->seen.shrinks);
    out->evacuated = gm_load_rlx(&m->seen.evacuated);
    gm_epoch_counts(m->epochs, &out->retired, &out->freed);
}

static size_t lockfree_events(void *self, gm_event *out, size_t cap, uint64_t *dropped)
{
    lockfree *m = self;
    return gm_eventlog_read(&m->log, out, cap, dropped);
}

static int lockfree_len(void *self, uint64_t *n)
{
    *n = entries(self);
    return GM_OK;
}

static int lockfree_growing_to(void *self)
{
    lockfree *m = self;
    gm_epoch_slot *in = gm_epoch_enter(m->epochs);
    if (!in)
        return -1;
    table *n = gm_load_acq(&table_now(m)->next); /* pairs with start */
    int B = n ? (int)n->B : -1;
    gm_epoch_leave(in);
    return B;
}

/* ------------------------------------------------------------------ making */

static void free_entries(lockfree *m, table *t)
{
    for (uint64_t i = 0; i <= t->mask; i++) {
        chain in = chain_of(t, i);
        if (evacuated(in.b))
            continue;
        do {
            for (unsigned live = tops_live(gm_load_rlx(&in.b->tops)); live; live &= live - 1) {
                uint64_t key = gm_load_rlx(&in.b->cell[first_of(live)].key);
                block_free(m, key_is_block(m, key) ? block_of_key(m, key) : NULL);
                block_free(m, m->elem_inline ? NULL : block_of_elem(gm_load_rlx(&in.b->cell[first_of(live)].elem)));
            }
        } while (advance(&in));
    }
}

static void lockfree_drop(void *self)
{
    lockfree *m = self;
    table *t = m->hot ? table_now(m) : NULL;
    if (m->epochs)
        gm_epochs_free(m->epochs); /* the first: what is retired is not in the tables */
    for (table *next; t; t = next) {
        next = gm_load_acq(&t->next); /* pairs with start */
        if (!m->key_inline || m->floats || !m->elem_inline)
            free_entries(m, t);
        table_free(m, t);
    }
    gm_content_free(&m->t, m->hot, m->hot_size);
    gm_alloc a = m->t.alloc;
    if (m->log.entries)
        a.release(a.ctx, m->log.entries, gm_eventlog_size(m->log.cap));
    a.release(a.ctx, m, sizeof *m);
}

/* Not counted in what the map holds: it is for those who look at it. */
static bool set_up_log(lockfree *m, const gm_config *c)
{
    uint32_t cap = c->events < mostLogged ? c->events : mostLogged;
    void *entries = cap ? m->t.alloc.zalloc(m->t.alloc.ctx, gm_eventlog_size(cap)) : NULL;
    gm_eventlog_init(&m->log, entries, entries ? cap : 0, c->event_kinds ? c->event_kinds : UINT32_MAX);
    return entries || !cap;
}

static const word_paths *word_paths_for(const gm_content *t);

/* What is needed beside the content: false if there is no memory. */
static bool set_up(lockfree *m, const gm_config *c, const gm_guard_config *g)
{
    if (!set_up_log(m, c))
        return false;
    m->later_alloc = c->alloc ? *c->alloc : gm_alloc_mapped();
    m->first_alloc = c->alloc || c->pages == GM_PAGES_SMALL ? m->later_alloc : gm_alloc_huge();
    m->floats = m->t.key_kind == GM_FLOAT64;
    m->key_inline = m->floats || (m->t.key_kind == GM_MEM && (m->t.key_size == 4 || m->t.key_size == 8));
    m->elem_inline = m->t.elem_size <= 8;
    m->words = word_paths_for(&m->t);
    m->least_B = fitting(c->hint, 0);
    m->stride = g && g->padded ? hotLine : sizeof(uint64_t);
    m->hot_size = (lanes + 1) * m->stride + hotLine;
    m->hot = gm_content_new(&m->t, m->hot_size);
    if (!m->hot || gm_epochs_new(&m->t.alloc, m, &m->epochs) != GM_OK)
        return false;
    table *t = table_new(m, m->least_B, true);
    gm_store_rel(table_word(m), t); /* before anybody knows the map */
    return t != NULL;
}

static int lockfree_make(const gm_config *c, const gm_guard_config *g, void **self)
{
    gm_alloc a = c->alloc ? *c->alloc : gm_alloc_default();
    lockfree *m = a.zalloc(a.ctx, sizeof *m);
    *self = NULL;
    if (!m)
        return GM_E_NOMEM;
    int status = gm_content_init(&m->t, c);
    if (status != GM_OK) {
        a.release(a.ctx, m, sizeof *m);
        return status;
    }
    if (!set_up(m, c, g)) {
        lockfree_drop(m);
        return GM_E_NOMEM;
    }
    *self = m;
    return GM_OK;
}

static int lockfree_enter(void *self)
{
    (void)self;
    return GM_OK;
}

static void lockfree_leave(void *self)
{
    (void)self;
}

static const gm_variant *lockfree_begin(void *self, const gm_usage_plan *plan)
{
    const lockfree *m = self;
    (void)plan;
    return m->words ? &m->words->table : &gm_lockfree;
}

#define TABLE(the_get, the_assign)                                                                                             \
    {                                                                                                                          \
        .make = lockfree_make, .drop = lockfree_drop, .enter = lockfree_enter, .leave = lockfree_leave,                        \
        .begin = lockfree_begin, .end = lockfree_leave, .get = the_get, .get_words = lockfree_get_words, .assign = the_assign, \
        .del = lockfree_del, .load_or_store = lockfree_load_or_store, .compare_and_swap = lockfree_compare_and_swap,           \
        .add = lockfree_add, .len = lockfree_len, .range = lockfree_range, .clear = lockfree_clear,                            \
        .growing_to = lockfree_growing_to, .check = lockfree_check, .stats = lockfree_stats, .events = lockfree_events,        \
    }

const gm_variant gm_lockfree = TABLE(get_by_kind, assign_by_kind);

static const word_paths *word_paths_for(const gm_content *t)
{
    static const word_paths any = {TABLE(get_word_any, assign_word_any), want_word_any, move_any};
    if (t->key_kind != GM_MEM || t->key_size != 8 || t->elem_size != 8)
        return NULL;
#if GM_HAVE_NI
    static const word_paths ni = {TABLE(get_word_ni, assign_word_ni), want_word_ni, move_ni};
    if (t->hk.hasher == GM_HASH_AES)
        return &ni;
#endif
    return &any;
}
