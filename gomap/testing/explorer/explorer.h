/* explorer.h: what the parts of the explorer of interleavings know of each other; the design is told in main.c. */
#ifndef GM_EXPLORER_H
#define GM_EXPLORER_H

#include "base/explore.h"
#include "gomap.h"
#include "map/variant.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { mostThreads = 4, mostOps = 16, mostSetup = 64, mostSegments = 4096, mostRows = 1 << 16 };

/* Who does something: one of the threads, or whoever sets up and looks afterwards. */
enum { mainLane = mostThreads, lanes = mostThreads + 1 };

/* ------------------------------------------------------------------ arena.c */

typedef enum memory_state { NO_BLOCK, LIVE, FREED, FOREIGN } memory_state;

bool arena_open(void);
void arena_lane(unsigned lane); /* whose allocations come now */
gm_alloc arena_alloc(void);
void arena_empty(void);   /* as if nothing had ever been allocated */
void arena_keep(void);    /* remembers what the main lane has allocated so far, and what is in it */
void arena_restore(void); /* to that */
uint64_t arena_live(void);
bool arena_exhausted(void);
void *arena_stack(unsigned lane, size_t *size);
memory_state arena_state(const volatile void *word, uint32_t size);
/* Notes an access. A word is shared if two threads have used it, and one of them has written. */
void arena_touch(const volatile void *word, unsigned thread, bool writes);
bool arena_is_shared(const volatile void *word);
bool arena_sharing_grew(void);   /* since the last call */
void arena_forget_sharing(void); /* from now on only what comes counts */
uint64_t arena_number(const volatile void *word);

/* ------------------------------------------------------------------ machine.c */

typedef enum finding {
    FINE,
    NOT_LINEAR,    /* the answers cannot be put in an order */
    BROKEN,        /* the map's own check, or the size of a queue */
    USE_FREED,     /* an access to memory that was freed, or never allocated */
    BAD_RELEASE,   /* a block freed twice, or what is none */
    LEAK,          /* blocks that are left when all is over */
    CRASH,         /* a signal */
    DEADLOCK,      /* all that are not done wait for each other */
    NO_END,        /* more accesses than any execution should have */
    NOT_EXCLUSIVE, /* two inside of a lock that excludes them */
    REFUSED,       /* a call that was refused though nothing was wrong */
    WRONG_RANGE,   /* an iteration that left out a lasting key, or gave one twice */
    NOT_ONCE,      /* an item of a queue lost, or taken twice */
    WRONG_ORDER,   /* a later item that left a queue before an earlier one */
    WRONG_EMPTY,   /* a queue called empty that was not */
    NO_MEMORY,     /* not a finding: the arena is too small */
    NOT_REPEATABLE /* not a finding: the same choices led elsewhere */
} finding;

/* Threads are run by `body`; after it has returned in all, the machine stops. */
typedef void (*thread_body)(unsigned thread);

/* A turn: so many accesses of a thread, or untilItWaits (for others, or because it is done). */
enum { untilItWaits = -1 };
typedef struct segment {
    int32_t thread, count;
} segment;

typedef struct row {
    const gm_site *site;
    const volatile void *word;
    uint64_t value;
    uint32_t thread, op;
} row;

typedef struct machine_result {
    finding found;
    char says[256];
    uint64_t accesses, switches;
    uint32_t points;        /* where others could have come */
    uint32_t segment_count; /* the interleaving */
    segment segments[mostSegments];
} machine_result;

bool machine_open(void);
void machine_fail(finding f, const char *format, ...); /* ends the execution; from any thread, or the main lane */
void machine_op(unsigned op);                          /* the running thread begins its op-th operation; for the rows */
uint64_t machine_stamp(void);
void machine_forget_threads(void); /* before a set-up: as if no thread had ever been */
/* Runs something on the main lane; false: it failed. */
bool machine_alone(void (*what)(void *ctx), void *ctx, machine_result *out);
void machine_keep(void); /* after the set-up: what every execution begins with, memory too */
void machine_restore(void);
void machine_run(unsigned threads, thread_body body, bool slow_waits, machine_result *out);
void machine_replay(const segment *segments, uint32_t count); /* the runs that follow; 0: searches again */

extern row machine_rows[mostRows]; /* of the last run, where they were asked for */
extern uint32_t machine_row_count;
extern bool machine_tracing;

/* ------------------------------------------------------------------ search.c */

/* Asked where more than one thread can go on: `able`, by their bits; `current` has been running, -1: it cannot go on. */
unsigned search_choose(uint32_t able, int current);
void search_begin(unsigned bound); /* all interleavings of up to so many preemptions, from the first */
void search_wander(uint64_t seed); /* one execution with choices at random, the same for one seed */
bool search_next(void);            /* to the next one; false: there is none */
void search_rewind(void);          /* from the first again: more words are shared than was known */
bool search_diverged(void);        /* the last execution had other choices than the one before with the same beginning */

/* ------------------------------------------------------------------ scenario.c */

typedef struct operation {
    char kind[24];
    int64_t key, value, expected;
} operation;

typedef struct scenario {
    char target[24];
    uint64_t seed, hint;
    bool slow_waits, has_knobs;
    gm_knobs knobs;
    operation setup[mostSetup], ops[mostThreads][mostOps];
    unsigned setup_count, threads, op_count[mostThreads];
} scenario;

/* Sets up, and says how that went; NULL, or why there is no such scenario. */
const char *scenario_start(const scenario *s, machine_result *out);
void scenario_run(machine_result *out);                                     /* one execution, judged */
uint64_t scenario_outcome(void);                                            /* a hash of all answers of the last one */
bool scenario_answer(unsigned t, unsigned i, int *status, int64_t *answer); /* false: an operation without one */

#endif
