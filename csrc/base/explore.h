/* explore.h: atomic accesses in a build for the explorer of interleavings (-DGM_EXPLORE; gomap/testing/explorer).
 *
 * Each access is a scheduling point: gm_explore_point is called before it is done and may let other threads go first, then
 * gm_explore_saw hears what was loaded or stored. Arguments are evaluated before the point: in gm_store_rlx(p, gm_load_rlx(p) +
 * 1) others may come between the load and the store, as they may on a machine.
 *
 * Included by atomics.h in the place of its own definitions; the orders are written down for whoever reads the interleaving,
 * and do nothing else: threads take turns, so all is sequentially consistent.
 */
#ifndef GM_EXPLORE_H
#define GM_EXPLORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A place in the source. */
typedef struct gm_site {
    const char *access, *file;
    int line;
    bool writes;
} gm_site;

void gm_explore_point(const volatile void *word, uint32_t size, const gm_site *site);
void gm_explore_saw(uint64_t value);
void gm_explore_yield(void); /* a pause, or a yield: others first */

#define GM_EXPLORE_AT(name, is_write)                                                                                          \
    static const gm_site gm_here = {name, __FILE__, __LINE__, is_write};                                                       \
    gm_explore_point(gm_p, sizeof *gm_p, &gm_here)

#define GM_EXPLORE_LOAD(p, name)                                                                                               \
    ({                                                                                                                         \
        __typeof__(p) gm_p = (p);                                                                                              \
        GM_EXPLORE_AT(name, false);                                                                                            \
        __auto_type gm_found = atomic_load(gm_p);                                                                              \
        gm_explore_saw((uint64_t)gm_found);                                                                                    \
        gm_found;                                                                                                              \
    })

#define GM_EXPLORE_STORE(p, v, name)                                                                                           \
    ({                                                                                                                         \
        __typeof__(p) gm_p = (p);                                                                                              \
        __auto_type gm_v = (v);                                                                                                \
        GM_EXPLORE_AT(name, true);                                                                                             \
        gm_explore_saw((uint64_t)gm_v);                                                                                        \
        atomic_store(gm_p, gm_v);                                                                                              \
    })

/* What was there before. */
#define GM_EXPLORE_CHANGE(operation, p, v, name)                                                                               \
    ({                                                                                                                         \
        __typeof__(p) gm_p = (p);                                                                                              \
        __auto_type gm_v = (v);                                                                                                \
        GM_EXPLORE_AT(name, true);                                                                                             \
        __auto_type gm_found = operation(gm_p, gm_v);                                                                          \
        gm_explore_saw((uint64_t)gm_found);                                                                                    \
        gm_found;                                                                                                              \
    })

/* gm_explore_saw hears whether it was done. */
#define GM_EXPLORE_CAS(p, expected, v, name)                                                                                   \
    ({                                                                                                                         \
        __typeof__(p) gm_p = (p);                                                                                              \
        __auto_type gm_expected = (expected);                                                                                  \
        __auto_type gm_v = (v);                                                                                                \
        GM_EXPLORE_AT(name, true);                                                                                             \
        bool gm_done = atomic_compare_exchange_strong(gm_p, gm_expected, gm_v);                                                \
        gm_explore_saw(gm_done);                                                                                               \
        gm_done;                                                                                                               \
    })

#define gm_load_rlx(p) GM_EXPLORE_LOAD(p, "load rlx")
#define gm_load_acq(p) GM_EXPLORE_LOAD(p, "load acq")
#define gm_load_seq_cst(p) GM_EXPLORE_LOAD(p, "load seq_cst")
#define gm_store_rlx(p, v) GM_EXPLORE_STORE(p, v, "store rlx")
#define gm_store_rel(p, v) GM_EXPLORE_STORE(p, v, "store rel")
#define gm_or_rlx(p, v) GM_EXPLORE_CHANGE(atomic_fetch_or, p, v, "or rlx")
#define gm_add_acq(p, v) GM_EXPLORE_CHANGE(atomic_fetch_add, p, v, "add acq")
#define gm_sub_rel(p, v) GM_EXPLORE_CHANGE(atomic_fetch_sub, p, v, "sub rel")
#define gm_add_rlx(p, v) GM_EXPLORE_CHANGE(atomic_fetch_add, p, v, "add rlx")
#define gm_sub_rlx(p, v) GM_EXPLORE_CHANGE(atomic_fetch_sub, p, v, "sub rlx")
#define gm_sub_acq_rel(p, v) GM_EXPLORE_CHANGE(atomic_fetch_sub, p, v, "sub acq_rel")
#define gm_and_rel(p, v) GM_EXPLORE_CHANGE(atomic_fetch_and, p, v, "and rel")
#define gm_swap_acq(p, v) GM_EXPLORE_CHANGE(atomic_exchange, p, v, "swap acq")
#define gm_swap_acq_rel(p, v) GM_EXPLORE_CHANGE(atomic_exchange, p, v, "swap acq_rel")
#define gm_add_acq_rel(p, v) GM_EXPLORE_CHANGE(atomic_fetch_add, p, v, "add acq_rel")
#define gm_cas_acq(p, expected, v) GM_EXPLORE_CAS(p, expected, v, "cas acq")
#define gm_cas_rel(p, expected, v) GM_EXPLORE_CAS(p, expected, v, "cas rel")
#define gm_cas_rlx(p, expected, v) GM_EXPLORE_CAS(p, expected, v, "cas rlx")
#define gm_cas_acq_rel(p, expected, v) GM_EXPLORE_CAS(p, expected, v, "cas acq_rel")

#endif
