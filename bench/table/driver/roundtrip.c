/* roundtrip.c: how long a cache line takes from one core to another and back.
 *
 * Two pinned threads store to one word in turn, each when it sees the other's store. What contended operations cost depends on
 * this more than on anything in the map, and on shared machines it changes with time: it is told
 * beside every contended figure. The median of some series.
 */
#include "base/atomics.h"
#include "base/clock.h"
#include "base/thread.h"
#include "driver.h"

#include <stdlib.h>

enum { TRIPS = 1000, SERIES = 15 };

static struct court {
    _Alignas(128) _Atomic uint64_t ball;
    _Alignas(128) pthread_barrier_t gate;
    uint64_t took[SERIES];
} court;

typedef struct side {
    uint64_t number; /* 0 begins */
    int cpu;
    bool pinned;
} side;

static void play(uint64_t number)
{
    for (uint64_t series = 0; series < SERIES; series++) {
        uint64_t from = gm_now_ns();
        for (uint64_t trip = 0; trip < TRIPS; trip++) {
            uint64_t mine = 2 * (series * TRIPS + trip) + number;
            while (gm_load_acq(&court.ball) != mine) { /* pairs with the other side's store */
            }
            gm_store_rel(&court.ball, mine + 1); /* pairs with the other side's load */
        }
        if (number == 0)
            court.took[series] = gm_now_ns() - from;
    }
}

/* A side that is not pinned plays all the same: the other one waits for it. */
static void *side_thread(void *arg)
{
    side *s = arg;
    s->pinned = gm_thread_pin(s->cpu);
    pthread_barrier_wait(&court.gate);
    play(s->number);
    return NULL;
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void core_roundtrip(char **words, int n, answer *a)
{
    side sides[] = {{0, atoi(words[1]), false}, {1, atoi(words[2]), false}};
    pthread_t threads[2];
    (void)n;
    gm_store_rlx(&court.ball, 0); /* before the threads are made */
    if (pthread_barrier_init(&court.gate, NULL, 2) != 0) {
        answer_error(a, "no barrier");
        return;
    }
    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, side_thread, &sides[i]) != 0)
            exit(1); /* the other one would wait for ever */
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&court.gate);
    qsort(court.took, SERIES, sizeof *court.took, ascending);
    if (!sides[0].pinned || !sides[1].pinned)
        answer_error(a, "a thread could not be pinned");
    else
        answer_number(a, (double)court.took[SERIES / 2] / TRIPS);
}
