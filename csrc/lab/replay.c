/* replay.c: a recorded trace driven through one map, every operation timed.
 *
 * One thread, one loop over arrays that the caller parsed beforehand; the loop itself reads an operation code and a key and
 * calls through a table of one function per kind (ops.c). Time is read before and after each operation (service time: there is
 * no waiting line with one thread), so what is reported contains one reading of the clock; gm_clock_cost_ns measures that.
 *
 *   R1  The map's guard is held for the whole call: nobody else is inside.
 *   R2  Before operation i the map is told its number, so that every structural event can name the operation it befell.
 *   R3  A missed get that is filled counts as two operations, a GM_OP_GET that missed and a GM_OP_FILL, timed apart.
 */
#include "base/clock.h"
#include "lab/ops.h"
#include "map/hmap.h"

#include <stdlib.h>

static gm_request request_at(const gm_map *m, const gm_replay_config *c, uint64_t i)
{
    gm_request r = {.op = c->ops[i], .value = c->values ? c->values[i] : (int64_t)(c->first + i)};
    const unsigned char *keys = c->keys;
    if (c->offsets) {
        r.key = keys + c->offsets[i];
        r.len = (uint32_t)(c->offsets[i + 1] - c->offsets[i]);
    } else {
        r.key = keys + i * m->t.key_size;
        r.len = m->t.key_size;
    }
    return r;
}

static int perform(gm_map *m, const gm_request *r, int kind, bool timed, gm_hist *const *hists, gm_replay_stats *stats)
{
    int64_t elem;
    uint64_t start = timed ? gm_now_ns() : 0;
    int status = gm_operations[kind](&gm_plain, m, r, &elem);
    if (timed) {
        uint64_t took = gm_now_ns() - start;
        gm_hist_record(hists[kind], took);
        stats->total_ns += took;
    }
    if (status >= 0) {
        stats->done[kind]++;
        stats->hits[kind] += status == GM_OK;
    }
    return status;
}

int gm_replay(gm_map *m, const gm_replay_config *c, gm_hist *const *hists, gm_replay_stats *stats)
{
    if (m->t.elem_size != 8 || m->t.elem_kind != GM_MEM)
        return GM_E_ARGUMENT;
    int status = gm_enter_write(m);
    if (status != GM_OK)
        return status;
    for (uint64_t i = 0; i < c->n && status >= 0; i++) {
        gm_request r = request_at(m, c, i);
        m->op = c->first + i;
        status = c->ops[i] < GM_OP_FILL ? perform(m, &r, c->ops[i], c->timed, hists, stats) : GM_E_ARGUMENT;
        if (status == GM_MISS && c->ops[i] == GM_OP_GET && c->fill)
            status = perform(m, &r, GM_OP_FILL, c->timed, hists, stats);
    }
    m->op = 0;
    gm_leave_write(m);
    return status < 0 ? status : GM_OK;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

uint64_t gm_clock_cost_ns(void)
{
    enum { ROUNDS = 101, READINGS = 64 };
    uint64_t took[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t start = gm_now_ns();
        for (int j = 1; j < READINGS; j++)
            gm_now_ns();
        took[i] = gm_now_ns() - start;
    }
    qsort(took, ROUNDS, sizeof took[0], by_value);
    return (took[ROUNDS / 2] + READINGS / 2) / READINGS;
}
