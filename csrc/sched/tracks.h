/* tracks.h: what went on on each P of a scheduler; told in tracks.c. */
#ifndef GM_TRACKS_H
#define GM_TRACKS_H

#include "sched/sched.h"

typedef struct gm_track {
    _Alignas(128) _Atomic uint64_t runs; /* goroutines put on the P; of them, those that */
    _Atomic uint64_t steals;             /* it had stolen */
    gm_slice *slices;
    uint64_t n, dropped;
    char pad[128];
} gm_track;

/* A row of the time line: these, and then four for each P. */
enum { gm_row_at = 0, gm_row_global = 1, gm_row_idle = 2, gm_row_spinning = 3, gm_row_ps = 4 };
enum { gm_row_queue = 0, gm_row_runs = 1, gm_row_steals = 2, gm_row_status = 3, gm_row_of_p = 4 };

struct gm_tracks {
    const gm_alloc *alloc;
    uint32_t procs, width;
    gm_track *of;
    uint64_t cap;             /* slices of a P */
    _Atomic uint32_t keeping; /* slices; else they are forgotten */
    uint64_t interval, next;  /* ticks: of the time line; the one who samples */
    uint64_t *rows, nrows, room;
};

gm_tracks *gm_tracks_make(const gm_alloc *alloc, uint32_t procs, uint64_t slices, uint64_t rows); /* NULL: no memory */
void gm_tracks_free(gm_tracks *t);
/* By one thread: begin, then sample every now and then, then end. The first row is of the beginning, the last of the
 * end. */
void gm_tracks_begin(gm_tracks *t, gm_sched *s, uint64_t now, uint64_t interval);
void gm_tracks_sample(gm_tracks *t, gm_sched *s, uint64_t now); /* if a row is due */
void gm_tracks_end(gm_tracks *t, gm_sched *s, uint64_t now);

#endif
