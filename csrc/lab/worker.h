/* worker.h: one thread of a run; the design is told in worker.c. */
#ifndef GM_WORKER_H
#define GM_WORKER_H

#include "base/atomics.h"
#include "lab/feed.h"
#include "lab/recorder.h"

/* What the threads of a run are to do now. Only ever goes up. */
enum { phaseReady = 0, phaseWarm = 1, phaseHold = 2, phaseMeasure = 3, phaseStop = 4 };

/* What all threads of a run share. */
typedef struct gm_shared {
    _Alignas(128) _Atomic int phase; /* on a line of its own: read before every operation, written a few times a run */
    _Alignas(128) gm_gate gate;
    gm_ticks ticks;
    uint64_t t0; /* ticks; written before the gate opens */
    const gm_variant *v;
    void *self;
    uint32_t every;
    bool probed;
} gm_shared;

typedef struct gm_worker {
    gm_shared *shared;
    uint64_t warmup_ops, ops; /* its share; UINT64_MAX: until told to stop */
    bool paced;
    int cpu; /* -1: anywhere */
    uint32_t group;
    gm_feed feed;
    gm_recorder recorder;
    gm_probe probe;
    unsigned next, drawn; /* of the feed's block: the next to do, and how many there are */
    uint32_t until_timed; /* operations until the next that is timed */
    uint64_t free_at;
    const uint64_t *waits; /* of the goroutine that it does the operations for; NULL: its own */
    const void *thread;    /* a P's desk (crew.c): the M that it was last used by, and */
    uint64_t runs;         /* how often goroutines had been put on the P by then */
    /* results */
    int status;
    uint64_t warmed_up; /* operations of the warm-up */
    uint64_t ended, behind_ticks;
    gm_usage used;
    _Alignas(128) _Atomic uint64_t progress; /* written by the thread, read by whoever asks */
    char pad[128];
} gm_worker;

/* An instant of the schedule in ticks; those that nobody will live to see are all the same. */
static inline uint64_t gm_due_at(const gm_shared *s, double after)
{
    return s->t0 + (after < 0x1p62 ? (uint64_t)after : UINT64_C(1) << 62);
}

void *gm_worker_main(void *worker);
/* One operation, timed if it is its turn. due: its intended start, or NULL. */
void gm_worker_perform(gm_worker *w, const gm_request *r, const uint64_t *due);

#endif
