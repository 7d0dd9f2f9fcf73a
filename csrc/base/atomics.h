/* atomics.h: C11 atomics under short names that state their order.
 *
 * Every word that two threads may touch at once is accessed through these names and no other way (where the guard of
 * map/api.c excludes writers, inspection reads plainly), so that one place can turn each
 * access into a scheduling point (base/explore.h) or a counted event. The suffix is the order: _rlx, _acq, _rel, _acq_rel. At
 * the place of use a comment names the access it pairs with; the arguments themselves stand in the header of map/hmap.h.
 *
 * Contents of keys and elems are shared too. They have no atomic type (they are raw bytes of a bucket), so gm_shared_*
 * copy them by the widest relaxed atomic accesses that their alignment allows: a racing reader may see a mixture of two
 * values, as in Go, but never undefined behaviour.
 */
#ifndef GM_ATOMICS_H
#define GM_ATOMICS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Older clang tells of its sanitizers in this way only. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#if __has_feature(thread_sanitizer) && !defined(__SANITIZE_THREAD__)
#define __SANITIZE_THREAD__ 1
#endif
#endif

#if defined(GM_EXPLORE)
#include "base/explore.h"
#else
#define gm_load_rlx(p) atomic_load_explicit(p, memory_order_relaxed)
#define gm_load_acq(p) atomic_load_explicit(p, memory_order_acquire)
#define gm_load_seq_cst(p) atomic_load_explicit(p, memory_order_seq_cst)
#define gm_store_seq_cst(p, v) atomic_store_explicit(p, v, memory_order_seq_cst)
#define gm_swap_seq_cst(p, v) atomic_exchange_explicit(p, v, memory_order_seq_cst)
#define gm_add_seq_cst(p, v) atomic_fetch_add_explicit(p, v, memory_order_seq_cst)
#define gm_sub_seq_cst(p, v) atomic_fetch_sub_explicit(p, v, memory_order_seq_cst)
#define gm_store_rlx(p, v) atomic_store_explicit(p, v, memory_order_relaxed)
#define gm_store_rel(p, v) atomic_store_explicit(p, v, memory_order_release)
#define gm_or_rlx(p, v) atomic_fetch_or_explicit(p, v, memory_order_relaxed)
#define gm_add_acq(p, v) atomic_fetch_add_explicit(p, v, memory_order_acquire)
#define gm_sub_rel(p, v) atomic_fetch_sub_explicit(p, v, memory_order_release)
#define gm_add_rlx(p, v) atomic_fetch_add_explicit(p, v, memory_order_relaxed)
#define gm_sub_rlx(p, v) atomic_fetch_sub_explicit(p, v, memory_order_relaxed)
#define gm_sub_acq_rel(p, v) atomic_fetch_sub_explicit(p, v, memory_order_acq_rel)
#define gm_and_rel(p, v) atomic_fetch_and_explicit(p, v, memory_order_release)
#define gm_swap_acq(p, v) atomic_exchange_explicit(p, v, memory_order_acquire)
#define gm_swap_acq_rel(p, v) atomic_exchange_explicit(p, v, memory_order_acq_rel)
#define gm_add_acq_rel(p, v) atomic_fetch_add_explicit(p, v, memory_order_acq_rel)
#define gm_cas_acq(p, expected, v)                                                                                             \
    atomic_compare_exchange_strong_explicit(p, expected, v, memory_order_acquire, memory_order_relaxed)
#define gm_cas_rel(p, expected, v)                                                                                             \
    atomic_compare_exchange_strong_explicit(p, expected, v, memory_order_release, memory_order_relaxed)
#define gm_cas_rlx(p, expected, v)                                                                                             \
    atomic_compare_exchange_strong_explicit(p, expected, v, memory_order_relaxed, memory_order_relaxed)
/* On failure too what was found is acquired: for words that point to what the caller looks at before it tries again. */
#define gm_cas_acq_rel(p, expected, v)                                                                                         \
    atomic_compare_exchange_strong_explicit(p, expected, v, memory_order_acq_rel, memory_order_acquire)
#endif

/* Keeps the compiler, and nothing else, from moving an access across. */
#define gm_fence_compiler() atomic_signal_fence(memory_order_seq_cst)

#if defined(GM_EXPLORE)
#define gm_fence_seq_cst() ((void)0) /* threads take turns: there is nothing to order */
#elif defined(__SANITIZE_THREAD__)
/* gcc's thread sanitizer knows no fences and says so; on the machines it runs on an atomic addition is one. */
static inline void gm_fence_seq_cst(void)
{
    static _Atomic int word;
    atomic_fetch_add(&word, 0);
}
#define gm_fence_rel() gm_fence_seq_cst()
#else
#define gm_fence_rel() atomic_thread_fence(memory_order_release)
#define gm_fence_seq_cst() atomic_thread_fence(memory_order_seq_cst)
#endif

#if defined(GM_PAUSE)
/* For tests: the thread may be held up before any ordered access. The test supplies the function. */
void gm_pause_point(void);
#undef gm_load_acq
#undef gm_store_rel
#undef gm_cas_acq
#define gm_load_acq(p) (gm_pause_point(), atomic_load_explicit(p, memory_order_acquire))
#define gm_store_rel(p, v) (gm_pause_point(), atomic_store_explicit(p, v, memory_order_release))
#define gm_cas_acq(p, expected, v)                                                                                             \
    (gm_pause_point(), atomic_compare_exchange_strong_explicit(p, expected, v, memory_order_acquire, memory_order_relaxed))
#endif

/* For the few functions that every get goes through: the compiler's own measure of size would make calls of them. Not under a
 * sanitizer, where they would be several times as long. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define GM_INLINE inline
#else
#define GM_INLINE inline __attribute__((always_inline))
#endif
#define GM_APART __attribute__((noinline))

#define gm_likely(x) __builtin_expect(!!(x), 1)
#define gm_unlikely(x) __builtin_expect(!!(x), 0)

/* A slot starts at a multiple of 8 plus a multiple of its size; callers' memory may lie anywhere. */
static inline size_t gm_misfit(const void *p, size_t n)
{
    return (uintptr_t)p | n;
}

static inline void gm_shared_load(void *to, const void *from, size_t n)
{
    unsigned char *d = to;
    const unsigned char *s = from;
    size_t i = 0, misfit = gm_misfit(from, n);
    if ((misfit & 7) == 0) {
        for (; i < n; i += 8) {
            uint64_t w = gm_load_rlx((const _Atomic uint64_t *)(const void *)(s + i));
            memcpy(d + i, &w, 8);
        }
    } else if ((misfit & 3) == 0) {
        for (; i < n; i += 4) {
            uint32_t w = gm_load_rlx((const _Atomic uint32_t *)(const void *)(s + i));
            memcpy(d + i, &w, 4);
        }
    } else {
        for (; i < n; i++)
            d[i] = gm_load_rlx((const _Atomic unsigned char *)(const void *)(s + i));
    }
}

static inline void gm_shared_store(void *to, const void *from, size_t n)
{
    unsigned char *d = to;
    const unsigned char *s = from;
    size_t i = 0, misfit = gm_misfit(to, n);
    if ((misfit & 7) == 0) {
        for (; i < n; i += 8) {
            uint64_t w;
            memcpy(&w, s + i, 8);
            gm_store_rlx((_Atomic uint64_t *)(void *)(d + i), w);
        }
    } else if ((misfit & 3) == 0) {
        for (; i < n; i += 4) {
            uint32_t w;
            memcpy(&w, s + i, 4);
            gm_store_rlx((_Atomic uint32_t *)(void *)(d + i), w);
        }
    } else {
        for (; i < n; i++)
            gm_store_rlx((_Atomic unsigned char *)(void *)(d + i), s[i]);
    }
}

/* A slot moved from one bucket to another: both sides are shared. */
static inline void gm_shared_copy(void *to, const void *from, size_t n)
{
    unsigned char part[128]; /* no slot is larger (maxKeyBytes in map/hmap.h) */
    gm_shared_load(part, from, n);
    gm_shared_store(to, part, n);
}

static GM_INLINE void gm_word_move(void *to, const void *from)
{
    gm_store_rlx((_Atomic uint64_t *)to, gm_load_rlx((const _Atomic uint64_t *)from));
}

static inline void gm_shared_zero(void *to, size_t n)
{
    static const unsigned char zero[128];
    gm_shared_store(to, zero, n);
}

static inline bool gm_shared_equal(const void *shared, const void *own, size_t n)
{
    const unsigned char *s = shared, *o = own;
    size_t i = 0;
    if ((gm_misfit(shared, n) & 7) == 0) {
        for (; i < n; i += 8) {
            uint64_t w = gm_load_rlx((const _Atomic uint64_t *)(const void *)(s + i));
            if (memcmp(&w, o + i, 8) != 0)
                return false;
        }
    } else if ((gm_misfit(shared, n) & 3) == 0) {
        for (; i < n; i += 4) {
            uint32_t w = gm_load_rlx((const _Atomic uint32_t *)(const void *)(s + i));
            if (memcmp(&w, o + i, 4) != 0)
                return false;
        }
    } else {
        for (; i < n; i++)
            if (gm_load_rlx((const _Atomic unsigned char *)(const void *)(s + i)) != o[i])
                return false;
    }
    return true;
}

#endif
