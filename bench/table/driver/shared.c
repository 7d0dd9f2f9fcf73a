/* shared.c: one map and several threads, gomap's own designs and bench/peers' through one table of functions (map/variant.h).
 *
 * The engine of csrc/lab draws its keys and picks its operations while it runs, which would be part of what is timed. So
 * the threads' operations are made beforehand, as words:
 *
 *     key << 1 | 1 for an assign        stream.0, stream.1, ...: a thread reads one of them, round and round
 *     keys                              in the order in which they are put in; all streams ask for these only
 *
 * The filled map is made with the number of its keys as hint, so that none is still growing when it is measured (cds_lfht may
 * take seconds, or not grow at all after a burst); a map that is to grow is made without.
 *
 * An elem is its key << 8 and eight bits of anything, so that a get can tell whether it was given the elem of its key.
 *
 *     run       all threads for a time. -> operations a second, of all together; gets, hits, wrong elems; and of the gets, if
 *               each was timed, the samples and p50, p99, p99.9 and maximum in nanoseconds
 *     growth    a new map with the first START keys. One thread gets these, the other puts in the rest, as fast as they can,
 *               for a time at most. -> keys that were put in; gets a second; assigns a second; gets, hits, wrong;
 *               samples, p50, p99, p99.9, maximum of gets; the longest assign, and how many of the long ones had waited for
 *               their CPU
 *
 *   S1  All threads begin together, and nobody runs alone at the end: in a run, all stop at one word. In a growth the reader
 *       stops when the writer is done.
 *   S2  From an assign that took longer than LONG_NS the time is taken off in which its thread was ready to run and did not, by
 *       the system's account (Linux: schedstat). What the system does not say (a hypervisor that takes the CPU) stays in it.
 */
#include "base/atomics.h"
#include "base/clock.h"
#include "base/histogram.h"
#include "base/thread.h"
#include "driver.h"
#include "sync/sync.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_THREADS = 72, START = 1000, STRIDE = 64, LONG_NS = 50000 };

static const uint64_t highest = UINT64_C(100) * 1000 * 1000 * 1000;

static struct shared {
    const gm_variant *table;
    void *map;
    input keys, streams[2];
} shared;

typedef struct lane {
    const gm_variant *v;
    void *map;
    const uint64_t *words; /* a power of two of them, from `at` on */
    uint64_t mask, at;
    _Atomic uint32_t *over;
    pthread_barrier_t *gate;
    gm_hist *times; /* NULL: not timed */
    int cpu;
    bool pinned; /* in the end: as it was asked to be */
    uint64_t operations, gets, hits, wrong, began, ended;
    uint64_t limit_ns, longest, preempted; /* of a writer that grows */
} lane;

/* ------------------------------------------------------------------ operations */

static uint64_t elem_of(uint64_t key, uint64_t anything)
{
    return key << 8 | (anything & 255);
}

static inline __attribute__((always_inline)) void get(lane *l, uint64_t key, bool is_timed)
{
    uint64_t elem = 0, from = is_timed ? gm_now_ns() : 0;
    int status = l->v->get(l->map, &key, sizeof key, &elem);
    if (is_timed)
        gm_hist_count(l->times, gm_hist_half_bits_3, gm_now_ns() - from);
    l->gets++;
    l->hits += status == GM_OK;
    l->wrong |= elem >> 8 ^ key;
}

static inline __attribute__((always_inline)) void stride(lane *l, bool is_timed)
{
    for (unsigned i = 0; i < STRIDE; i++) {
        uint64_t word = l->words[l->at++ & l->mask], key = word >> 1;
        if (word & 1) {
            uint64_t elem = elem_of(key, l->at);
            l->wrong |= l->v->assign(l->map, &key, sizeof key, &elem, NULL) != GM_OK;
        } else {
            get(l, key, is_timed);
        }
    }
    l->operations += STRIDE;
}

static void begin(lane *l)
{
    l->pinned = l->cpu < 0 || gm_thread_pin(l->cpu);
    pthread_barrier_wait(l->gate);
    l->began = gm_now_ns();
}

static void end(lane *l)
{
    l->ended = gm_now_ns();
}

static void *mixed_thread(void *arg)
{
    lane mine = *(lane *)arg; /* not beside the others' on one line */
    begin(&mine);
    if (mine.times)
        while (!gm_load_acq(mine.over)) /* pairs with stop_after and growing_thread */
            stride(&mine, true);
    else
        while (!gm_load_acq(mine.over))
            stride(&mine, false);
    end(&mine);
    *(lane *)arg = mine;
    return NULL;
}

/* How long this thread has been ready to run and not running, in all; 0 where the system does not say. */
static uint64_t waited_ns(void)
{
    unsigned long long ran, waited = 0;
    FILE *file = fopen("/proc/thread-self/schedstat", "r");
    if (file && fscanf(file, "%llu %llu", &ran, &waited) != 2)
        waited = 0;
    if (file)
        fclose(file);
    return waited;
}

/* S2; *until: what was waited until the last long assign. */
static uint64_t without_waits(lane *l, uint64_t took, uint64_t *until)
{
    uint64_t now = waited_ns(), waited = now - *until;
    *until = now;
    l->preempted += waited > 0;
    return took > waited ? took - waited : 0;
}

static bool late(const lane *l, uint64_t i)
{
    return i % STRIDE == 0 && gm_now_ns() - l->began > l->limit_ns;
}

static void *growing_thread(void *arg)
{
    lane mine = *(lane *)arg;
    begin(&mine);
    uint64_t waited = waited_ns();
    for (uint64_t i = START; i <= mine.mask && !late(&mine, i); i++) {
        mine.operations++;
        uint64_t key = mine.words[i], elem = elem_of(key, i), from = mine.times ? gm_now_ns() : 0;
        mine.wrong |= mine.v->assign(mine.map, &key, sizeof key, &elem, NULL) != GM_MISS;
        uint64_t took = mine.times ? gm_now_ns() - from : 0;
        if (took > LONG_NS)
            took = without_waits(&mine, took, &waited);
        mine.longest = took > mine.longest ? took : mine.longest;
    }
    end(&mine);
    gm_store_rel(mine.over, 1); /* pairs with the reader's load */
    *(lane *)arg = mine;
    return NULL;
}

/* ------------------------------------------------------------------ threads */

static void stop_after(_Atomic uint32_t *over, uint64_t ms)
{
    struct timespec rest = {(time_t)(ms / 1000), (long)(ms % 1000 * 1000000)};
    while (nanosleep(&rest, &rest) != 0) {
    }
    gm_store_rel(over, 1); /* pairs with the threads' loads */
}

/* Runs the lanes, each by its body; ms 0: they end by themselves. 0, or -1: a thread could not be had or pinned. */
static int drive(lane *lanes, void *(*const *bodies)(void *), int n, uint64_t ms)
{
    pthread_t threads[MOST_THREADS];
    pthread_barrier_t gate;
    _Atomic uint32_t over = 0;
    int there = 0, pinned = 1;
    if (pthread_barrier_init(&gate, NULL, (unsigned)n + 1) != 0)
        return -1;
    for (int i = 0; i < n; i++) {
        lanes[i].gate = &gate;
        lanes[i].over = &over;
    }
    while (there < n && pthread_create(&threads[there], NULL, bodies[there], &lanes[there]) == 0)
        there++;
    if (there < n) /* those that are there wait for ever: the program is of no more use */
        exit(1);
    pthread_barrier_wait(&gate);
    if (ms)
        stop_after(&over, ms);
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
        pinned &= lanes[i].pinned;
    }
    pthread_barrier_destroy(&gate);
    return pinned ? 0 : -1;
}

/* None counts as one: nothing can be divided by a rate of nothing. */
static double per_second(uint64_t operations, uint64_t ns)
{
    return (double)(operations ? operations : 1) * 1e9 / (double)(ns ? ns : 1);
}

static void answer_times(answer *a, gm_hist *of)
{
    static const double percents[] = {50, 99, 99.9};
    answer_count(a, of ? gm_hist_total(of) : 0);
    for (int i = 0; i < 3; i++)
        answer_count(a, of && gm_hist_total(of) ? gm_hist_percentile(of, percents[i]) : 0);
    answer_count(a, of && gm_hist_total(of) ? gm_hist_max(of) : 0);
}

/* ------------------------------------------------------------------ commands */

static void *new_map(const gm_variant *v, uint64_t hint)
{
    gm_config c = {.key_kind = GM_MEM, .key_size = 8, .elem_kind = GM_MEM, .elem_size = 8, .hint = hint, .seed = 1};
    gm_guard_config g = {.shards = 64, .padded = 1};
    void *map = NULL;
    if (v->make(&c, &g, &map) != GM_OK)
        return NULL;
    if (v->enter(map) == GM_OK)
        return map;
    v->drop(map);
    return NULL;
}

static const gm_variant *table_of(char *name)
{
    if (strcmp(name, "limit") == 0)
        return &bare_table;
    if (strncmp(name, "own:", 4) == 0)
        return gm_variant_of(atoi(name + 4));
    char *colon = strrchr(name, ':');
    if (!colon)
        return NULL;
    *colon = 0;
    void *library = dlopen(name, RTLD_NOW);
    const gm_variant *(*find)(const char *) = NULL;
    if (library)
        *(void **)&find = dlsym(library, "gm_peer_table");
    return find ? find(colon + 1) : NULL;
}

static uint64_t resident_bytes(void)
{
    unsigned long long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool fill(const gm_variant *v, void *map, const uint64_t *keys, uint64_t n)
{
    bool fine = true;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t elem = elem_of(keys[i], 0);
        fine &= v->assign(map, keys + i, sizeof *keys, &elem, NULL) == GM_MISS;
    }
    return fine;
}

void shared_open(char **words, int n, answer *a)
{
    if (shared.table) {
        answer_error(a, "one map a process");
        return;
    }
    shared.table = table_of(words[1]);
    if (!shared.table) {
        answer_error(a, "no such table");
    } else if (input_open(&shared.keys, words[2], "keys") || input_open(&shared.streams[0], words[2], "stream.0") ||
               input_open(&shared.streams[1], words[2], "stream.1")) {
        answer_error(a, "the streams cannot be read");
    } else if (n == 3) {
        uint64_t before = resident_bytes();
        shared.map = new_map(shared.table, shared.keys.size / 8);
        if (!shared.map || !fill(shared.table, shared.map, shared.keys.bytes, shared.keys.size / 8))
            answer_error(a, "the map was not filled");
        else
            answer_count(a, resident_bytes() - before);
    }
}

static lane lane_of(const gm_variant *v, void *map, int cpu, gm_hist *times)
{
    return (lane){.v = v, .map = map, .cpu = cpu, .times = times};
}

static void answer_run(answer *a, const lane *lanes, int n)
{
    uint64_t operations = 0, gets = 0, hits = 0, wrong = 0, first = lanes[0].began, last = lanes[0].ended;
    for (int i = 0; i < n; i++) {
        operations += lanes[i].operations;
        first = lanes[i].began < first ? lanes[i].began : first;
        last = lanes[i].ended > last ? lanes[i].ended : last;
        gets += lanes[i].gets;
        hits += lanes[i].hits;
        wrong |= lanes[i].wrong;
        if (i && lanes[0].times)
            gm_hist_add(lanes[0].times, lanes[i].times);
    }
    answer_number(a, per_second(operations, last - first));
    answer_count(a, gets);
    answer_count(a, hits);
    answer_count(a, wrong != 0);
    answer_times(a, lanes[0].times);
}

void shared_run(char **words, int n, answer *a)
{
    static void *(*bodies[MOST_THREADS])(void *);
    lane lanes[MOST_THREADS];
    int threads = n - 3 < MOST_THREADS ? n - 3 : MOST_THREADS;
    uint64_t ms = strtoull(words[1], NULL, 10);
    bool is_timed = atoi(words[2]) != 0;
    if (!shared.map || !ms) {
        answer_error(a, "no map, or no time");
        return;
    }
    gm_usage_plan plan = {(unsigned)threads, (unsigned)threads, false};
    const gm_variant *v = shared.table->begin(shared.map, &plan);
    for (int i = 0; i < threads; i++) {
        input *stream = &shared.streams[i % 2];
        lanes[i] = lane_of(v, shared.map, atoi(words[3 + i]), is_timed ? gm_hist_new(3, highest) : NULL);
        lanes[i].words = stream->bytes;
        lanes[i].mask = stream->size / 8 - 1;
        lanes[i].at = (uint64_t)(i / 2) * 7919; /* threads that share a stream are not in step */
        bodies[i] = mixed_thread;
    }
    int status = drive(lanes, bodies, threads, ms);
    shared.table->end(shared.map);
    bool kept = true;
    for (int i = 0; i < threads; i++)
        kept &= !is_timed || lanes[i].times;
    if (status != 0 || !kept)
        answer_error(a, "a thread could not be pinned, or there is no memory for its times");
    else
        answer_run(a, lanes, threads);
    for (int i = 0; i < threads; i++)
        gm_hist_free(lanes[i].times);
}

static void answer_growth(answer *a, lane *reader, lane *writer)
{
    answer_count(a, writer->operations);
    answer_number(a, per_second(reader->gets, reader->ended - reader->began));
    answer_number(a, per_second(writer->operations, writer->ended - writer->began));
    answer_count(a, reader->gets);
    answer_count(a, reader->hits);
    answer_count(a, reader->wrong || writer->wrong);
    answer_times(a, reader->times);
    answer_count(a, writer->longest);
    answer_count(a, writer->preempted);
}

/* The reader's stream asks for the first keys only (stream.0); the keys are the writer's. */
static int grow(const gm_variant *table, void *map, lane *reader, lane *writer)
{
    void *(*bodies[])(void *) = {mixed_thread, growing_thread};
    lane lanes[] = {*reader, *writer};
    gm_usage_plan plan = {2, 1, false};
    if (!fill(table, map, shared.keys.bytes, START))
        return -1;
    lanes[0].v = lanes[1].v = table->begin(map, &plan);
    lanes[0].map = lanes[1].map = map;
    lanes[0].words = shared.streams[0].bytes;
    lanes[0].mask = shared.streams[0].size / 8 - 1;
    lanes[1].words = shared.keys.bytes;
    lanes[1].mask = shared.keys.size / 8 - 1; /* here the number of the last key */
    int status = drive(lanes, bodies, 2, 0);
    table->end(map);
    *reader = lanes[0];
    *writer = lanes[1];
    return status;
}

void shared_growth(char **words, int n, answer *a)
{
    bool is_timed = atoi(words[2]) != 0;
    gm_hist *times = is_timed ? gm_hist_new(3, highest) : NULL;
    lane reader = lane_of(NULL, NULL, atoi(words[3]), times), writer = lane_of(NULL, NULL, atoi(words[4]), times);
    void *map = shared.table && shared.keys.size / 8 > START ? new_map(shared.table, 0) : NULL;
    (void)n;
    writer.limit_ns = strtoull(words[1], NULL, 10) * 1000000;
    if (!map || (is_timed && !times) || grow(shared.table, map, &reader, &writer) != 0)
        answer_error(a, "no map that can grow, or a thread could not be pinned");
    else
        answer_growth(a, &reader, &writer);
    if (map) {
        shared.table->leave(map);
        shared.table->drop(map);
    }
    gm_hist_free(times);
}
