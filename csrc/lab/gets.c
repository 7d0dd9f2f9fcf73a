/* gets.c: a loop of gets and nothing else, to be timed beside the same loop in Go.
 *
 *     clock;  for each key: one call through the map's table;  clock
 *
 * This is Go's `for _, k := range keys { if v, ok := m[k]; ok { sum += v; hits++ } }`: there, too, each key is one call of a
 * function that is not inlined. The engine (engine.c) is not used, since its draw, its gate and its counters are a quarter
 * of what a get of a small map takes.
 *
 *   T1  Between the two clock readings there is the loop, and its elems are used, so that none of it can be left out.
 */
#include "base/clock.h"
#include "map/hmap.h"

int gm_time_gets(gm_map *m, const uint64_t *keys, size_t n, uint64_t *ns, uint64_t *hits)
{
    uint64_t sum = 0, found = 0, elem = 0;
    if (m->t.path != pathFast64 || m->t.elem_kind != GM_MEM || m->t.elem_size > sizeof elem)
        return GM_E_ARGUMENT;
    uint64_t start = gm_now_ns();
    for (size_t i = 0; i < n; i++) {
        if (m->path->get(m, keys + i, sizeof *keys, &elem) == GM_OK) {
            sum += elem;
            found++;
        }
    }
    *ns = gm_now_ns() - start;
    *hits = found;
    __asm__ volatile("" : : "r"(sum));
    return GM_OK;
}
