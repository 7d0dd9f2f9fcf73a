/* span.c: a span: pages cut into objects of one size, with a bit for each object that is allocated and one for each marked.
 *
 * Mirrors nextFreeFast, nextFreeIndex, refillAllocCache (runtime/malloc.go, mbitmap.go) and the heart of sweep (mgcsweep.go).
 *
 *     objects     0 1 2 3 4 5 6 7 ...      allocBits: what was alive at the last sweep
 *     allocBits   1 1 0 1 0 0 0 1          freeindex: all below it are allocated, free ones behind it are the bits that are 0
 *                       ^freeindex         allocCache: 64 of these bits, inverted and shifted, so that one instruction finds
 *     markBits    0 1 0 0 0 0 0 0          the next free one
 *
 *   S1  allocBits, allocCache and allocCount belong to the P that has the span in its cache, or to who sweeps it.
 *   S2  A sweep makes the mark bits the alloc bits: what is allocated and not marked is free from then on, with no other work.
 *   S3  Mark bits are set by anybody while marking. At Go's setting (test, then atomic or) no bit is lost; the knob's other
 *       settings are there to lose some (C4.8): a plain or of one instruction, and a load and a store. One
 *       more, a load and a compare-and-swap, loses none and counts how often two markers meet in a byte (C4.10).
 *   S4  Nobody marks while a span is swept: sweeping ends before marking begins.
 *
 * POISON. A freed object may be filled with a word: whoever holds a pointer to it sees that. The word is an address in pages
 * that hold zeroes, with two bytes of zero in it: taken for a bucket of a map it reads as one without entries (emptyRest).
 */
#include "heap/heap.h"

#include <string.h>

void gm_span_init(mspan *s, uint8_t spanclass, size_t elemsize)
{
    size_t bytes = (size_t)s->npages << pageShift;
    s->spanclass = spanclass;
    s->elemsize = elemsize;
    s->nelems = (uint32_t)(bytes / elemsize);
    s->divmul = s->nelems == 1 ? 0 : UINT32_MAX / (uint32_t)elemsize + 1;
    if (s->nelems == 1)
        s->shapes = &s->own_shape;
    s->allocBits = s->bits[0];
    s->markBits = s->bits[1];
    s->checkBits = s->bits[2];
    memset((void *)s->bits, 0, sizeof s->bits);
    s->allocCount = 0;
    s->allocCache = UINT64_MAX;
    gm_store_rlx(&s->freeindex, 0); /* published with the span (A2) */
}

bool gm_span_is_free(mspan *s, uint32_t i)
{
    if (i < gm_load_rlx(&s->freeindex)) /* relaxed: an object's address is published after it was raised (gm_fence_rel) */
        return false;
    return !(gm_load_rlx(&s->allocBits[i / 8]) >> i % 8 & 1);
}

/* ------------------------------------------------------------------ allocating */

/* Bits are numbered from the lowest of the first byte on: a word of them on a machine that stores the lowest byte first. */
static void refillAllocCache(mspan *s, uint32_t from)
{
    s->allocCache = ~gm_load_rlx((_Atomic uint64_t *)(void *)&s->allocBits[from / 8]); /* the owner's (S1) */
}

uintptr_t gm_span_next(mspan *s)
{
    uint32_t at = gm_load_rlx(&s->freeindex); /* the owner's (S1), as all here */
    while (at < s->nelems) {
        if (s->allocCache) {
            uint32_t skip = (uint32_t)__builtin_ctzll(s->allocCache), i = at + skip;
            if (i >= s->nelems)
                break;
            bool edge = (i + 1) % 64 == 0;
            s->allocCache = edge ? 0 : s->allocCache >> (skip + 1);
            gm_store_rlx(&s->freeindex, i + 1);
            if (edge && i + 1 < s->nelems)
                refillAllocCache(s, i + 1);
            s->allocCount++;
            return objectBase(s, i);
        }
        at = (at + 64) & ~UINT32_C(63);
        if (at < s->nelems)
            refillAllocCache(s, at);
        gm_store_rlx(&s->freeindex, at < s->nelems ? at : s->nelems);
    }
    gm_store_rlx(&s->freeindex, s->nelems);
    return 0;
}

/* ------------------------------------------------------------------ marking */

/* One instruction that reads, changes and writes, and is not atomic. */
static void plain_or(_Atomic uint8_t *byte, uint8_t mask)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
    __asm__ volatile("orb %1, %0" : "+m"(*byte) : "q"(mask) : "cc");
#else
    gm_store_rlx(byte, (uint8_t)(gm_load_rlx(byte) | mask));
#endif
}

/* Loses none and counts who met: each time that the byte has changed since it was looked at. Relaxed as in gm_set_marked. */
static bool mark_by_cas(marker *k, _Atomic uint8_t *byte, uint8_t mask, uint8_t seen)
{
    while (!gm_cas_rlx(byte, &seen, (uint8_t)(seen | mask))) {
        count(k->count, GM_HEAP_MARK_CONFLICTS, 1);
        if (seen & mask)
            return false;
    }
    return true;
}

/* Marks object i; false: it was marked. All relaxed: the bits are looked at when the world has been stopped. */
bool gm_set_marked(marker *k, mspan *s, uint32_t i)
{
    uint32_t how = k->h->config.markbits;
    _Atomic uint8_t *byte = &s->markBits[i / 8];
    uint8_t mask = (uint8_t)(1u << i % 8), seen;
    if (how == GM_MARKBITS_OR)
        return !(gm_or_rlx(byte, mask) & mask);
    seen = gm_load_rlx(byte);
    if (seen & mask)
        return false;
    if (how == GM_MARKBITS_GO)
        return !(gm_or_rlx(byte, mask) & mask);
    if (how == GM_MARKBITS_CAS)
        return mark_by_cas(k, byte, mask, seen);
    if (how == GM_MARKBITS_PLAIN_OR)
        plain_or(byte, mask);
    else
        gm_store_rel(byte, (uint8_t)(seen | mask)); /* release for nothing but a pause before it in tests */
    return true;
}

/* ------------------------------------------------------------------ sweeping */

static void poison_object(const mspan *s, uint32_t i, uintptr_t word)
{
    uintptr_t *p = (uintptr_t *)objectBase(s, i);
    for (size_t n = s->elemsize / sizeof *p; n > 0; n--)
        *p++ = word;
}

static _Atomic uint64_t *word_of(_Atomic uint8_t *bits, uint32_t i)
{
    return (_Atomic uint64_t *)(void *)&bits[i / 8];
}

/* Bit j: object i + j is below freeindex. */
static uint64_t below(uint32_t freeindex, uint32_t i)
{
    return freeindex >= i + 64 ? UINT64_MAX : freeindex <= i ? 0 : (UINT64_C(1) << (freeindex - i)) - 1;
}

/* The bits of a sweep (S2), 64 objects at a time; returns how many it freed. All relaxed: who sweeps is alone (S4). */
uint32_t gm_span_sweep_bits(mspan *s, bool poison, uintptr_t poison_word)
{
    uint32_t freeindex = gm_load_rlx(&s->freeindex), freed = 0, live = 0;
    for (uint32_t i = 0; i < s->nelems; i += 64) {
        uint64_t allocated = gm_load_rlx(word_of(s->allocBits, i)) | below(freeindex, i);
        uint64_t marked = gm_load_rlx(word_of(s->markBits, i)), dead = allocated & ~marked;
        live += (uint32_t)__builtin_popcountll(marked);
        freed += (uint32_t)__builtin_popcountll(dead);
        for (; poison && dead; dead &= dead - 1)
            poison_object(s, i + (uint32_t)__builtin_ctzll(dead), poison_word);
        gm_store_rlx(word_of(s->allocBits, i), 0);
        gm_store_rlx(word_of(s->checkBits, i), 0);
    }
    _Atomic uint8_t *cleared = s->allocBits;
    s->allocBits = s->markBits;
    s->markBits = cleared;
    s->allocCount = live;
    s->needzero = true;
    gm_store_rlx(&s->freeindex, 0);
    refillAllocCache(s, 0);
    return freed;
}
