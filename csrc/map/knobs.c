/* knobs.c: settings of the map that real Go does not offer, for experiments on what Go's own are worth.
 *
 * A knob belongs to a claim: it turns a part of the map to what the claim says, so that the effect can be measured either way.
 *
 *   knob            Go                     also                                      where it is looked at
 *   load_num/den    13/2                   any from 1/8 to 1024; no limit            gm_over_load: inserts, hashGrow, presizing
 *   overflow_limit  2^min(B, 15)           2^15; off                                 gm_growth_due
 *   grow_test       go                     (count + noverflow) >= 8 * 2^B: doubles   gm_growth_due, gm_grows_bigger
 *   evacuate        1                      k old buckets beside the one needed; all  gm_growWork_knobs
 *   delete_grows    continues a growth     starts one where an insert would          path.inc.h
 *   delete_mode     leaves buckets         unlinks empty overflow buckets            gm_unlink_if_empty
 *   check_writing   on                     off                                       path.inc.h, gets
 *   entry           plain loads            a locked cmpxchg; a locked xadd           path.inc.h, gets
 *   buckets_load    plain                  acquire; seq_cst; a read-modify-write     path.inc.h, gets
 *   emptyrest       a search stops there   it walks on to the end of the chain       path.inc.h, gets and deletes
 *   iter_flag_or    once                   at every step; never                      iterator.c
 *   chain           1                      up to 16: the hash is skewed              gm_skewed in hmap.h
 *   bucket_stride   natural                192 bytes; whole lines, lines aligned     set_type in hmap.c, gm_align_buckets
 *   cells           keys, then elems       each key with its elem                    lay_out in hmap.c
 *   key_stride      natural                multiples of 16; these aligned to 16      lay_out, gm_align_buckets
 *   key_path        fast                   generic, whatever the key                 gm_map_new
 *   paths           fast                   knobs                                     gm_map_probe in hmap.c
 *
 * THE PATHS. path.inc.h is compiled once more, with PATH_KNOBS, always with spans and for any hasher. There KNOB(name) reads
 * the map; in the other builds it is Go's constant, and what depends on it is gone. A map takes these paths only if one of
 * its knobs is not Go's. So a map with a knob is to be compared with one that takes the same paths at Go's settings
 * (`paths`): the fast ones have their hash inlined, and would win for that.
 *
 *   K1  At Go's settings the states, the answers and the machine code of the fast paths are what they are without knobs.
 *   K2  The invariants of check.c hold with every knob but for H9: with GM_DELETE_UNLINK chains use *at most* the reserve's
 *       buckets below the next free one, since an unlinked one is not used again before the next growth.
 *   K3  Sizes never shrink (O2), readers never meet freed memory (O6): a knob may make them slow or miss keys, not crash.
 *   K4  An operation starts one growth at most. Go needs no such rule: its growths leave none due. With no load limit, or with
 *       a skewed hash, a growth to the same size may leave as many overflow buckets as before, and every insert starts one.
 *
 * UNLINKING. A delete that empties an overflow bucket takes it out of its chain and retires it:
 *
 *     first --> b --> next        first ----------> next
 *                                        b ---------^         b keeps its pointer: who stands in it goes on from there
 *
 * b is marked first (unlinkedTops in hmap.h) so that it shows who still looks into it: readers count what they meet. While
 * other threads read, limbo holds it (O6), so they find the mark and no other use of the memory; a program that freed it at
 * once would have read whatever came after. noverflow counts it no more (from B = 16 on with the chance that it had been).
 *
 * SKEW. The low eight bits of the hash are folded so that, read from the lowest, they begin with one of 256/chain patterns
 * only. Then of 2^B buckets every chain-th is used, evenly spread, whatever B is (from B = 8 on exactly; below, as nearly as
 * 2^B can be divided): a used bucket gets `chain` times as many entries. The top byte stays, so tophashes are spread as ever.
 *
 * ALIGNED BUCKETS. The allocator is wrapped: it asks for a little more and places every block so that what follows its header
 * begins a line of 64 bytes. That is all: no path knows of it.
 *
 * CELLS. Go's buckets are aligned to 16 and their keys begin 8 bytes behind that: of keys in cells of 16 bytes one in four
 * lies in two lines, however they are padded. With keys aligned (GM_KEYS_ALIGNED) buckets begin 8 bytes before a multiple of
 * 16, and none does. The paths of knobs go from cell to cell by m->step, all others by the size of a slot, as in Go.
 *
 * `plain` and `acquire` are one: what Go loads plainly is acquired here (O2), and on x86-64 that is the same instruction.
 *
 * Left out: growing four times at once, and shrinking. Readers and iterators know two halves (X and Y) and sizes that never
 * shrink; either would be another map.
 */
#include "map/hmap.h"

enum { mostLoad = 1024, leastLoadInverse = 8, mostTerm = 1 << 16, mostChain = 16 };

void gm_knobs_go(gm_knobs *out)
{
    *out = (gm_knobs){.load_num = go_load_num, .load_den = go_load_den, .evacuate = go_evacuate, .chain = go_chain};
}

bool gm_knobs_are_go(const gm_knobs *k)
{
    gm_knobs go;
    gm_knobs_go(&go);
    return memcmp(k, &go, sizeof go) == 0; /* words only: nothing between them */
}

static bool load_allowed(uint64_t num, uint64_t den)
{
    if (den == 0 || den > mostTerm || num > mostTerm)
        return false;
    return num == 0 || (num * leastLoadInverse >= den && num <= den * mostLoad);
}

/* Pairs need slots of whole words; which of two alignments were to hold would have to be said. */
static bool cells_allowed(const gm_knobs *k, const maptype *t)
{
    bool words = t->keyslot % 8 == 0 && t->elemslot % 8 == 0;
    return k->cells <= GM_CELLS_PAIRS && k->key_stride <= GM_KEYS_ALIGNED && k->key_path <= GM_KEY_PATH_GENERIC &&
           (k->cells == GM_CELLS_ARRAYS || (words && k->key_stride == GM_KEYS_NATURAL)) &&
           (k->key_stride != GM_KEYS_ALIGNED || k->bucket_stride == GM_STRIDE_NATURAL);
}

/* Whether each knob has one of its values, and the bucket fits the stride and has room for such cells. */
bool gm_knobs_allowed(const gm_knobs *k, const maptype *t)
{
    return load_allowed(k->load_num, k->load_den) && k->overflow_limit <= GM_OVERFLOW_OFF && k->grow_test <= GM_GROW_ARTICLE &&
           k->delete_grows <= GM_DELETE_STARTS && k->delete_mode <= GM_DELETE_UNLINK && k->check_writing <= GM_CHECK_OFF &&
           k->entry <= GM_ENTRY_XADD && k->buckets_load <= GM_LOAD_RMW && k->emptyrest <= GM_EMPTYREST_WALK &&
           k->iter_flag_or <= GM_ITER_OR_OFF && k->chain >= 1 && k->chain <= mostChain && k->paths <= GM_PATHS_KNOBS &&
           k->bucket_stride <= GM_STRIDE_ALIGNED && (k->bucket_stride != GM_STRIDE_192 || t->bucketsize <= 192) &&
           cells_allowed(k, t);
}

void gm_map_knobs(gm_map *m, gm_knobs *out)
{
    *out = m->knobs;
}

void gm_map_knob_counts(gm_map *m, gm_knob_counts *out)
{
    *out = (gm_knob_counts){gm_load_rlx(&m->counts.unlinked), gm_load_rlx(&m->counts.stale_reads),
                            gm_load_rlx(&m->counts.entered)};
}

/* ------------------------------------------------------------------ growth */

/* overLoadFactor with the map's own limit. */
bool gm_over_load(const gm_map *m, uint64_t count, uint8_t B)
{
    uint64_t num = m->knobs.load_num, den = m->knobs.load_den;
    return num && count > bucketCnt && count * den > num << B;
}

static bool too_many_overflow(const gm_knobs *k, uint16_t noverflow, uint8_t B)
{
    if (k->overflow_limit == GM_OVERFLOW_GO)
        return tooManyOverflowBuckets(noverflow, B);
    return k->overflow_limit == GM_OVERFLOW_2_15 && noverflow >= 1u << 15;
}

/* The article's test; the count is the one before the insert, and noverflow is what the header says. */
static bool article_due(uint64_t count, uint16_t noverflow, uint8_t B)
{
    return count + noverflow >= (uint64_t)bucketCnt << B;
}

/* Whether the insert of a new key would start a growth now, if none runs. */
bool gm_growth_due(const gm_map *m)
{
    uint64_t count = gm_load_rlx(&m->h.count);
    uint16_t noverflow = gm_load_rlx(&m->h.noverflow);
    uint8_t B = gm_load_rlx(&m->h.B);
    if (m->knobs.grow_test == GM_GROW_ARTICLE)
        return article_due(count, noverflow, B);
    return gm_over_load(m, count + 1, B) || too_many_overflow(&m->knobs, noverflow, B);
}

/* Whether a growth that starts now doubles the map. The article knows no growth to the same size. */
bool gm_grows_bigger(const gm_map *m)
{
    if (m->knobs.grow_test == GM_GROW_ARTICLE)
        return true;
    return gm_over_load(m, gm_load_rlx(&m->h.count) + 1, gm_load_rlx(&m->h.B));
}

/* gm_growWork with as many old buckets beside the needed one as the knob says. */
int gm_growWork_knobs(gm_map *m, uint64_t bucket)
{
    gm_span span = gm_span_enter(GM_CAUSE_EVACUATION);
    int status = m->path->evacuate(m, bucket & (noldbuckets(m) - 1));
    gm_span_switch(span, GM_CAUSE_SECOND_EVACUATION);
    for (uint32_t more = m->knobs.evacuate; more > 0 && status == GM_OK && growing(m); more--) {
        uint64_t next = gm_load_rlx(&m->h.nevacuate);
        if (next >= m->extra.freeze_at)
            break;
        status = m->path->evacuate(m, next);
    }
    gm_span_leave(span);
    return status;
}

/* ------------------------------------------------------------------ unlinking */

/* Takes back what incrnoverflow counted, with the same chance. */
static void decrnoverflow(gm_map *m)
{
    uint8_t B = gm_load_rlx(&m->h.B);
    uint16_t n = gm_load_rlx(&m->h.noverflow);
    uint64_t mask = B >= 16 ? ((uint64_t)1 << ((B - 15) & 63)) - 1 : 0;
    if (mask && (n == 0 || m->rng.draw(m->rng.ctx, GM_DRAW_NOVERFLOW) & mask))
        return;
    gm_store_rlx(&m->h.noverflow, (uint16_t)(n - 1));
}

/* Takes overflow bucket b out of its chain if nothing is in it any more. For the writer. */
void gm_unlink_if_empty(gm_map *m, bmap *first, bmap *b)
{
    if (matchEmpty(tophash8(b)) != 0xFF)
        return;
    bmap *before = first, *array = gm_load_rlx(&m->h.buckets);
    while (overflow(m, before) != b)
        before = overflow(m, before);
    gm_store_rel((_Atomic uint64_t *)(void *)b, unlinkedTops); /* pairs with tophash8's acquire */
    setoverflow(m, before, overflow(m, b));
    decrnoverflow(m);
    gm_store_rlx(&m->counts.unlinked, gm_load_rlx(&m->counts.unlinked) + 1);
    uint64_t regular = (uint64_t)1 << gm_load_rlx(&m->h.B);
    if (preallocIndex(m, array, regular, m->extra.nbuckets, b) < 0) {
        m->extra.nheap--;
        gm_retire(m, b);
    }
}

/* A reader has met an unlinked bucket. Its map is const to it; the count is not of the map's state. */
void gm_count_stale(const gm_map *m)
{
    gm_add_rlx(&((gm_map *)(uintptr_t)m)->counts.stale_reads, 1);
}

/* ------------------------------------------------------------------ aligned buckets */

/* What begins at a whole line: a bucket, or its keys. There is room for a pointer and a block's header before it. */
enum { alignedRoom = alignedStride + sizeof(void *) };

static void *aligned_zalloc(void *ctx, size_t size)
{
    const gm_alloc *outer = &((gm_map *)ctx)->outer;
    unsigned char *given = outer->zalloc(outer->ctx, size + alignedRoom);
    if (!given)
        return NULL;
    size_t before = ((gm_map *)ctx)->knobs.key_stride == GM_KEYS_ALIGNED ? bucketCnt : 0;
    uintptr_t content = (uintptr_t)given + sizeof(void *) + sizeof(gm_block) + before;
    unsigned char *p = given + sizeof(void *) + -content % alignedStride;
    memcpy(p - sizeof given, &given, sizeof given);
    return p;
}

static void aligned_release(void *ctx, void *p, size_t size)
{
    const gm_alloc *outer = &((gm_map *)ctx)->outer;
    void *given;
    memcpy(&given, (unsigned char *)p - sizeof given, sizeof given);
    outer->release(outer->ctx, given, size + alignedRoom);
}

/* From now on what follows the header of a block begins a line. Before the map allocates anything. */
void gm_align_buckets(gm_map *m)
{
    m->alloc = (gm_alloc){aligned_zalloc, aligned_release, m};
}
