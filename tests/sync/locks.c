/* locks.c: tests of what locks count, and of where the layouts put words. Knows the inside of locked.c and hmap.h.
 *
 * usage: locks. Prints "ok"; exits 1 at the first thing that is wrong. Meant to be compiled with a sanitizer, too.
 *
 *   quiet      a lock that is free counts nothing
 *   waiting    a waiter counts one wait, in the right place of the histogram; a writer that waits for a reader and a reader
 * that waits for a writer each where they belong shared     many mutexes, one set of counters, all threads: the parts add up
 *   handing    a waiter of more than a millisecond is handed the lock, and that is counted
 *   stats      what a map of each design tells adds up
 *   plain      a map's header: one line as in Go, or its halves on different lines, and nothing else with them
 *   clearing   references are not dropped unseen, whatever the design
 *   guarded    a lock, its map and its counters: side by side, or on different lines
 */
#include "sync/locked.c"

#include "base/clock.h"
#include "map/hmap.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define CHECK(x)                                                                                                               \
    do {                                                                                                                       \
        if (!(x)) {                                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                                            \
            exit(1);                                                                                                           \
        }                                                                                                                      \
    } while (0)

enum { THREADS = 4, MUTEXES = 8, ROUNDS = 20000, KEYS = 1024, waiterShift = 3 };

static uint64_t in_histogram(const gm_lock_counters *c)
{
    uint64_t n = 0;
    for (int i = 0; i < gm_wait_buckets; i++)
        n += gm_load_rlx(&c->waits[i]);
    return n;
}

/* One wait of `ns`, and nothing else. */
static void check_one_wait(const gm_lock_counters *c)
{
    uint64_t ns = gm_load_rlx(&c->wait_ns);
    CHECK(gm_load_rlx(&c->contended) == 1 && in_histogram(c) == 1);
    CHECK(ns > 0 && gm_load_rlx(&c->longest_wait_ns) == ns);
    CHECK(gm_load_rlx(&c->waits[63 - __builtin_clzll(ns)]) == 1);
}

static void spin_ns(uint64_t ns)
{
    for (uint64_t until = gm_now_ns() + ns; gm_now_ns() < until;)
        sched_yield();
}

/* ------------------------------------------------------------------ counting */

typedef struct bench {
    gm_mutex mutex[MUTEXES];
    gm_rwmutex rw;
    gm_lock_counters seen, readers;
    uint64_t n[MUTEXES]; /* under the mutex */
} bench;

static void quiet(void)
{
    bench b = {0};
    for (int i = 0; i < 10; i++) {
        gm_mutex_lock(&b.mutex[0], &b.seen);
        gm_mutex_unlock(&b.mutex[0]);
        gm_rwmutex_lock(&b.rw, &b.seen);
        gm_rwmutex_unlock(&b.rw);
        gm_rwmutex_rlock(&b.rw, &b.readers);
        gm_rwmutex_runlock(&b.rw);
    }
    gm_count_lock(&b.seen);
    CHECK(gm_load_rlx(&b.seen.locks) == 1 && gm_load_rlx(&b.seen.contended) == 0 && in_histogram(&b.seen) == 0);
    CHECK(gm_load_rlx(&b.seen.spins) == 0 && gm_load_rlx(&b.readers.contended) == 0);
}

static void *take_mutex(void *arg)
{
    bench *b = arg;
    gm_mutex_lock(&b->mutex[0], &b->seen);
    gm_mutex_unlock(&b->mutex[0]);
    return NULL;
}

static void *take_to_write(void *arg)
{
    bench *b = arg;
    gm_rwmutex_lock(&b->rw, &b->seen);
    gm_rwmutex_unlock(&b->rw);
    return NULL;
}

static void *take_to_read(void *arg)
{
    bench *b = arg;
    gm_rwmutex_rlock(&b->rw, &b->readers);
    gm_rwmutex_runlock(&b->rw);
    return NULL;
}

static void waiting(void)
{
    bench b = {0}, w = {0}, r = {0};
    pthread_t t;
    gm_mutex_lock(&b.mutex[0], &b.seen);
    CHECK(pthread_create(&t, NULL, take_mutex, &b) == 0);
    while (gm_load_rlx(&b.mutex[0].state) >> waiterShift == 0)
        sched_yield();
    gm_mutex_unlock(&b.mutex[0]);
    pthread_join(t, NULL);
    check_one_wait(&b.seen);

    gm_rwmutex_rlock(&w.rw, &w.readers);
    CHECK(pthread_create(&t, NULL, take_to_write, &w) == 0);
    while (gm_load_rlx(&w.rw.reader_wait) == 0)
        sched_yield();
    gm_rwmutex_runlock(&w.rw);
    pthread_join(t, NULL);
    check_one_wait(&w.seen);
    CHECK(gm_load_rlx(&w.readers.contended) == 0);

    gm_rwmutex_lock(&r.rw, &r.seen);
    int32_t alone = gm_load_rlx(&r.rw.reader_count);
    CHECK(pthread_create(&t, NULL, take_to_read, &r) == 0);
    while (gm_load_rlx(&r.rw.reader_count) == alone)
        sched_yield();
    gm_rwmutex_unlock(&r.rw);
    pthread_join(t, NULL);
    check_one_wait(&r.readers);
    CHECK(gm_load_rlx(&r.seen.contended) == 0);
}

static void *take_all(void *arg)
{
    bench *b = arg;
    for (int i = 0; i < ROUNDS; i++) {
        int k = i % MUTEXES;
        gm_mutex_lock(&b->mutex[k], &b->seen);
        b->n[k]++;
        if (i % 64 == 0)
            sched_yield(); /* somebody comes meanwhile */
        gm_mutex_unlock(&b->mutex[k]);
    }
    return NULL;
}

static void shared(void)
{
    bench b = {0};
    pthread_t t[THREADS];
    uint64_t sum = 0;
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&t[i], NULL, take_all, &b) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; i < MUTEXES; i++)
        sum += b.n[i];
    CHECK(sum == (uint64_t)THREADS * ROUNDS);
    CHECK(gm_load_rlx(&b.seen.contended) > 0 && gm_load_rlx(&b.seen.contended) == in_histogram(&b.seen));
    CHECK(gm_load_rlx(&b.seen.longest_wait_ns) <= gm_load_rlx(&b.seen.wait_ns));
}

/* Whoever waits is passed over until it has waited long enough; how often that takes is up to the scheduler. */
static void handing(void)
{
    uint64_t handed = 0;
    for (int tries = 0; handed == 0; tries++) {
        bench b = {0};
        CHECK(tries < 1000);
        pthread_t t;
        gm_mutex_lock(&b.mutex[0], &b.seen);
        CHECK(pthread_create(&t, NULL, take_mutex, &b) == 0);
        while (gm_load_rlx(&b.mutex[0].state) >> waiterShift == 0)
            sched_yield();
        spin_ns(1500000);
        gm_mutex_unlock(&b.mutex[0]);
        gm_mutex_lock(&b.mutex[0], &b.seen);
        spin_ns(500000);
        gm_mutex_unlock(&b.mutex[0]);
        pthread_join(t, NULL);
        handed = gm_load_rlx(&b.seen.handoffs);
        CHECK(handed <= 1);
    }
}

/* ------------------------------------------------------------------ a map's stats */

typedef struct drive {
    const gm_variant *v;
    void *self;
} drive;

static void *write_and_read(void *arg)
{
    drive *d = arg;
    for (uint64_t i = 0, e; i < ROUNDS; i++) {
        uint64_t key = i % KEYS;
        CHECK(d->v->assign(d->self, &key, 8, &i, NULL) >= 0);
        CHECK(d->v->get(d->self, &key, 8, &e) >= 0);
    }
    return NULL;
}

static void check_stats(const gm_variant *v, uint64_t fewest, uint64_t most)
{
    gm_config c = {.key_kind = GM_MEM, .key_size = 8, .elem_kind = GM_MEM, .elem_size = 8, .seed = 3};
    gm_guard_config g = {.shards = 4};
    drive d = {.v = v};
    pthread_t t[THREADS];
    gm_stats s;
    CHECK(v->make(&c, &g, &d.self) == GM_OK);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&t[i], NULL, write_and_read, &d) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    v->stats(d.self, &s);
    CHECK(s.locks >= fewest && s.locks <= most);
    CHECK(s.waits.count + s.read_waits.count == s.contended && s.waits.total_ns + s.read_waits.total_ns == s.wait_ns);
    uint64_t longest = s.waits.longest_ns > s.read_waits.longest_ns ? s.waits.longest_ns : s.read_waits.longest_ns;
    CHECK(longest == s.longest_wait_ns);
    uint64_t n = 0, of_readers = 0;
    for (int i = 0; i < gm_wait_buckets; i++) {
        n += s.waits.by_log2[i];
        of_readers += s.read_waits.by_log2[i];
    }
    CHECK(n == s.waits.count && of_readers == s.read_waits.count);
    v->drop(d.self);
}

static void *read_one(void *arg)
{
    drive *d = arg;
    uint64_t key = 1, e;
    CHECK(d->v->get(d->self, &key, 8, &e) == GM_MISS);
    return NULL;
}

/* A reader that has to wait for a writer is told as a reader. */
static void check_reader_stats(void)
{
    gm_config c = {.key_kind = GM_MEM, .key_size = 8, .elem_kind = GM_MEM, .elem_size = 8, .seed = 3};
    gm_guard_config g = {.shards = 1};
    drive d = {.v = &gm_locked_rwmutex};
    pthread_t t;
    gm_stats s;
    CHECK(d.v->make(&c, &g, &d.self) == GM_OK);
    shard *only = shard_at(d.self, 0);
    lock_to_write(d.self, only);
    int32_t alone = gm_load_rlx(&only->rw.reader_count);
    CHECK(pthread_create(&t, NULL, read_one, &d) == 0);
    while (gm_load_rlx(&only->rw.reader_count) == alone)
        sched_yield();
    unlock_written(d.self, only, GM_OK);
    pthread_join(t, NULL);
    d.v->stats(d.self, &s);
    CHECK(s.locks == 1 && s.contended == 1 && s.waits.count == 0 && s.read_waits.count == 1);
    d.v->drop(d.self);
}

static void stats(void)
{
    check_reader_stats();
    const uint64_t writes = (uint64_t)THREADS * ROUNDS;
    check_stats(&gm_locked_mutex, 2 * writes, 2 * writes + 1); /* stats itself locks, to read the map */
    check_stats(&gm_locked_rwmutex, writes, writes);
    check_stats(&gm_locked_growlock, writes, writes);
    check_stats(&gm_locked_sharded, writes, writes);
    check_stats(&gm_hashtrie, writes, 2 * writes); /* a write that finds another node in its place locks again */
    check_stats(&gm_syncmap, 1, 2 * writes);
}

/* ------------------------------------------------------------------ clearing */

static void check_clearing(int variant, int elem_kind, int wanted)
{
    gm_config c = {.key_kind = GM_MEM, .key_size = 8, .elem_kind = elem_kind, .elem_size = 8, .seed = 3};
    gm_guard_config g = {.shards = 4};
    gm_cmap *m;
    uint64_t key = 5, ref = 77, found = 0, n = 0;
    CHECK(gm_cmap_new(variant, &c, &g, &m) == GM_OK);
    CHECK(gm_cmap_assign(m, &key, 8, &ref, NULL) == GM_MISS);
    CHECK(gm_cmap_clear(m) == wanted);
    CHECK(gm_cmap_get(m, &key, 8, &found) == (wanted == GM_OK ? GM_MISS : GM_OK));
    CHECK(gm_cmap_len(m, &n) == GM_OK && n == (wanted != GM_OK));
    gm_cmap_free(m);
}

static void clearing(void)
{
    for (int v = GM_VARIANT_PLAIN; v < GM_VARIANTS; v++) {
        check_clearing(v, GM_REF, GM_E_ARGUMENT);
        check_clearing(v, GM_MEM, GM_OK);
    }
}

/* ------------------------------------------------------------------ layouts */

static uintptr_t line_of(const void *p, size_t line)
{
    return (uintptr_t)p / line;
}

static void check_plain(const gm_map *m, bool padded)
{
    const void *written[] = {&m->h.count, &m->h.flags, &m->h.noverflow, &m->h.nevacuate, &m->h.clearSeq};
    const void *looked_at[] = {&m->h.hash0, &m->h.B, &m->h.buckets, &m->h.oldbuckets};
    const void *also[] = {&m->path, &m->t, (const char *)(&m->t + 1) - 1, &m->hk, (const char *)(&m->hk + 1) - 1};
    for (size_t i = 0; i < sizeof written / sizeof *written; i++)
        for (size_t j = 0; j < sizeof looked_at / sizeof *looked_at; j++)
            if (padded)
                CHECK(line_of(written[i], gm_line_bytes) != line_of(looked_at[j], gm_line_bytes));
            else
                CHECK(line_of(written[i], 64) == line_of(looked_at[j], 64));
    for (size_t i = 0; padded && i < sizeof also / sizeof *also; i++)
        CHECK(line_of(also[i], gm_line_bytes) != line_of(&m->h.count, gm_line_bytes) &&
              line_of(also[i], gm_line_bytes) != line_of(&m->guard, gm_line_bytes) &&
              line_of(also[i], gm_line_bytes) != line_of(&m->extra, gm_line_bytes));
}

static void plain(void)
{
    for (int i = 0; i < 64; i++) { /* wherever the allocator puts it */
        gm_map *m;
        gm_config c = {.key_kind = GM_MEM, .key_size = 8, .elem_kind = GM_MEM, .elem_size = 8, .padded = i % 2};
        CHECK(gm_map_new(&c, &m) == GM_OK);
        CHECK((unsigned char *)m >= (unsigned char *)m->memory);
        CHECK((unsigned char *)(m + 1) <= (unsigned char *)m->memory + mapBlock);
        if (i % 2) /* nothing of a neighbour's is on the line that writers write */
            CHECK(line_of(m->memory, gm_line_bytes) < line_of(&m->h.count, gm_line_bytes) ||
                  (uintptr_t)m->memory % gm_line_bytes == 0);
        check_plain(m, i % 2);
        gm_map_free(m);
    }
}

static void check_guarded(const locked *l, bool padded)
{
    for (uint32_t i = 0; i < l->n; i++) {
        shard *s = shard_at(l, i);
        seen *c = seen_by(l, s);
        const void *state = l->lock == lockMutex ? &s->mutex.state : &s->rw.w.state;
        const void *places[] = {state, map_in(l, s), &c->write.locks};
        for (int a = 0; padded && a < 3; a++)
            for (int b = 0; b < a; b++)
                CHECK(line_of(places[a], gm_line_bytes) != line_of(places[b], gm_line_bytes));
        if (!padded)
            CHECK(line_of(state, gm_line_bytes) == line_of(map_in(l, s), gm_line_bytes));
        CHECK((unsigned char *)(c + 1) <= (unsigned char *)l->memory + l->size);
        CHECK(i == 0 || line_of(seen_by(l, shard_at(l, i - 1)), gm_line_bytes) < line_of(s, gm_line_bytes));
        check_plain(*map_in(l, s), padded);
    }
}

static void guarded(void)
{
    const gm_variant *all[] = {&gm_locked_mutex, &gm_locked_rwmutex, &gm_locked_growlock, &gm_locked_sharded};
    gm_config c = {.key_kind = GM_MEM, .key_size = 8, .elem_kind = GM_MEM, .elem_size = 8};
    for (int i = 0; i < 8; i++) {
        gm_guard_config g = {.shards = 4, .padded = i % 2};
        void *self;
        CHECK(all[i / 2]->make(&c, &g, &self) == GM_OK);
        check_guarded(self, i % 2);
        all[i / 2]->drop(self);
    }
}

int main(void)
{
    quiet();
    waiting();
    shared();
    handing();
    stats();
    clearing();
    plain();
    guarded();
    printf("ok\n");
    return 0;
}
