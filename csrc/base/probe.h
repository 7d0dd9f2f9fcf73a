/* probe.h: where the time of one operation goes.
 *
 * While an operation is timed, its thread has a `gm_probe`. Code that does something worth a name says so:
 *
 *     gm_span span = gm_span_enter(GM_CAUSE_EVACUATION);
 *     ...
 *     gm_span_leave(span);
 *
 * and the ticks in between are charged to that cause. Spans nest; time is charged to the innermost only, so the causes of an
 * operation add up to its time exactly, and what no span claims is `rest`.
 *
 *   C1  Exclusive: each tick of an operation is charged to one cause.
 *   C2  Off costs nothing: the map's paths are compiled once with spans and once without (PATH_PROBED in path.inc.h), and a
 *       map is told which to use. Where a span stands outside the paths (once per growth, per evacuation), it costs one load
 *       of a thread-local pointer.
 *   C3  The pointer belongs to the thread that runs a workload, from its start to its end; elsewhere it is NULL and a span
 *       does nothing.
 *
 * Rejected: passing the probe down every function of the map, which changes all of them for the sake of the laboratory.
 */
#ifndef GM_PROBE_H
#define GM_PROBE_H

#include "base/local.h"
#include "base/ticks.h"

#include <string.h>

typedef struct gm_probe {
    uint64_t ticks[GM_CAUSES];
    uint64_t since;   /* when the present cause began */
    uint32_t touched; /* bit c: cause c has ticks */
    int cause;        /* the present one */
    bool hardware;    /* which clock: see ticks.h */
} gm_probe;

extern GM_THREAD_LOCAL gm_probe *gm_probe_now;

/* Readings of the counter may overtake each other by a few ticks (T1): time never goes backwards here. */
static inline void gm_probe_charge(gm_probe *p, uint64_t now)
{
    if (now > p->since) {
        p->ticks[p->cause] += now - p->since;
        p->since = now;
    }
}

/* An operation begins: nothing is charged yet. */
static inline void gm_probe_begin(gm_probe *p, uint64_t now)
{
    for (uint32_t touched = p->touched; touched; touched &= touched - 1)
        p->ticks[__builtin_ctz(touched)] = 0;
    p->ticks[GM_CAUSE_REST] = 0;
    p->touched = 0;
    p->cause = GM_CAUSE_REST;
    p->since = now;
}

/* A piece of an operation that is charged to a cause; what was being charged before goes on afterwards. */
typedef struct gm_span {
    gm_probe *probe; /* NULL: nobody measures */
    int before;
} gm_span;

/* Ends what is being charged and begins to charge `cause`. */
static inline void gm_span_switch(gm_span s, int cause)
{
    if (!s.probe)
        return;
    gm_probe_charge(s.probe, gm_tick_start(s.probe->hardware));
    s.probe->cause = cause;
    s.probe->touched |= 1u << cause;
}

static inline gm_span gm_span_enter(int cause)
{
    gm_span s = {gm_probe_now, GM_CAUSE_REST};
    if (s.probe)
        s.before = s.probe->cause;
    gm_span_switch(s, cause);
    return s;
}

static inline void gm_span_leave(gm_span s)
{
    if (!s.probe)
        return;
    gm_probe_charge(s.probe, gm_tick_start(s.probe->hardware));
    s.probe->cause = s.before;
}

/* For code that is compiled twice: nothing at all where `on` is 0. */
static inline gm_span gm_span_enter_if(int on, int cause)
{
    return on ? gm_span_enter(cause) : (gm_span){NULL, GM_CAUSE_REST};
}

#endif
