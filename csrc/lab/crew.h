/* crew.h: the goroutines of a run; told in crew.c. */
#ifndef GM_CREW_H
#define GM_CREW_H

#include "lab/worker.h"
#include "sched/chan.h"
#include "sched/tracks.h"

typedef struct gm_crew gm_crew;

/* One goroutine. */
typedef struct gm_hand {
    gm_crew *crew;
    gm_g *g;                      /* itself, once it has begun */
    uint32_t group, does, number; /* number: among all threads and goroutines that do operations */
    bool paced;
    uint64_t warmup_ops, ops;
    gm_feed *feed; /* NULL unless it does operations */
    unsigned next, drawn;
    uint64_t done; /* operations, while measuring */
    uint32_t until_timed;
    uint64_t begin, behind_ticks; /* begin: since when it has been after its next operation */
    double busy[GM_CAUSES];       /* ticks by cause since it last had nothing to do */
    gm_chan channel;              /* of a pair: what this one receives from */
    struct gm_hand *other;        /* of a pair */
} gm_hand;

struct gm_crew {
    gm_alloc alloc;
    gm_shared *shared;
    gm_sched *sched;
    gm_tracks *tracks;
    uint32_t procs, n; /* Ps, goroutines */
    gm_hand *hands;
    gm_worker **desks; /* one for each P: the run's */
    gm_rt_mutex lock;  /* of what follows */
    uint32_t out[2];   /* goroutines that are not in line: those that do operations, those beside them */
    gm_g *main;        /* it waits until they are back: */
    bool for_all;      /* all, or those that do operations */
    int step;          /* the phase that they were let go for */
    int status;
};

/* A crew with room for n goroutines, on the Ps of the configuration, which writes to the desks. */
int gm_crew_make(const gm_alloc *alloc, const gm_run_config *c, gm_shared *shared, gm_worker **desks, uint32_t n,
                 gm_crew **out);
int gm_crew_start(gm_crew *c);  /* it then takes part at the gate as one */
int gm_crew_finish(gm_crew *c); /* when it has left the gate: until its threads are joined */
void gm_crew_free(gm_crew *c);

#endif
