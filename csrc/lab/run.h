/* run.h: a run as engine.c makes and conducts it, and results.c tells of it. */
#ifndef GM_LAB_RUN_H
#define GM_LAB_RUN_H

#include "lab/crew.h"
#include "lab/worker.h"

struct gm_run {
    gm_run_config c;
    gm_alloc alloc;
    gm_spawner spawner;
    gm_codec codec;
    const gm_variant *base; /* the target's table; a run may be told to use another */
    uint32_t threads;
    uint32_t desks;      /* Ps: each has a worker behind those of the threads */
    uint32_t goroutines; /* all of them, and */
    uint32_t lanes;      /* threads and goroutines that do operations */
    gm_crew *crew;       /* NULL: no goroutines */
    gm_sched_stats crew_did;
    gm_worker **workers;
    gm_thread *handles;
    gm_shared *shared;
    _Atomic int cancelled;
    _Atomic uint64_t filled; /* keys put into the map so far */
    bool interrupted;
    uint64_t start_ns, elapsed_ns, faults_ns;
    double drift_ppm;
};

/* Those that record: the threads, and the Ps' desks. */
static inline uint32_t gm_run_parts(const gm_run *r)
{
    return r->threads + r->desks;
}

/* What all of them recorded, when they are through. */
static inline gm_recorder *gm_run_merged(gm_run *r)
{
    return &r->workers[0]->recorder;
}

#endif
