/* race.c: readers beside one writer, unguarded, for ThreadSanitizer and AddressSanitizer.
 *
 * What the engine does to a plain map, without the engine: the guard of map/api.c is passed by, `defer_all` keeps retired
 * memory alive (O6 in map/hmap.h).
 *
 *   acceptable   a key found with one of its elems; "concurrent map read and map write"
 *   interesting  a key missed though it is there (read while its bucket moves); an elem zeroed or of another key (the cell
 *                was emptied or used again between the reading of the key and of the elem): races, as in Go, and counted
 *   forbidden    a report of the sanitizer, a crash, a map that fails its check afterwards
 *
 * Once more with knobs (map/knobs.c) that touch what readers and the writer share: among them deletes that unlink buckets
 * under the readers, who count those they meet.
 *
 * usage: race ROUNDS. Prints the counts for each kind of map; exits 1 at a forbidden outcome.
 */
#include "map/hmap.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEYS = 1200, READERS = 2 };

typedef struct kind {
    const char *name;
    int key_kind;
    size_t key_size, elem_size;
} kind;

typedef struct shared {
    gm_map *m;
    const kind *k;
    _Atomic int stop;
    _Atomic uint64_t hits, misses, refused, other;
} shared;

/* The content of key i; returns its length. Different keys differ in their first bytes and in length. */
static size_t make_key(const kind *k, uint32_t i, unsigned char *key)
{
    size_t n = k->key_kind == GM_STRING ? 5 + i % 60 : k->key_size;
    double d = i;
    memset(key, (int)(i & 0x7F), n);
    if (k->key_kind == GM_FLOAT64)
        memcpy(key, &d, 8);
    else
        memcpy(key, &i, 4);
    return n;
}

/* Every byte of an elem is the key's number or its complement, so a mixture of two keys' elems shows. */
static void make_elem(const kind *k, uint32_t i, bool flip, unsigned char *elem)
{
    memset(elem, (int)((flip ? ~i : i) & 0xFF), k->elem_size);
}

static bool is_elem_of(const kind *k, uint32_t i, const unsigned char *elem)
{
    for (size_t j = 0; j < k->elem_size; j++)
        if (elem[j] != (i & 0xFF) && elem[j] != (~i & 0xFF))
            return false;
    return true;
}

static void *reader(void *arg)
{
    shared *s = arg;
    unsigned char key[256], elem[256];
    uint64_t x = (uint64_t)(uintptr_t)&key | 1;
    while (!gm_load_rlx(&s->stop)) {
        x = x * UINT64_C(6364136223846793005) + 1442695040888963407u;
        uint32_t i = (uint32_t)(x >> 33) % KEYS;
        size_t n = make_key(s->k, i, key);
        memset(elem, (int)(i & 0xFF), sizeof elem); /* a box cleared by a racing delete leaves it as it is */
        int status = s->m->path->get(s->m, key, n, elem);
        if (status == GM_OK && !is_elem_of(s->k, i, elem))
            atomic_fetch_add(&s->other, 1);
        atomic_fetch_add_explicit(status == GM_OK     ? &s->hits
                                  : status == GM_MISS ? &s->misses
                                                      : &s->refused,
                                  1, memory_order_relaxed);
    }
    return NULL;
}

/* Grows the map from nothing, overwrites, deletes in another order, clears: every store that a reader can meet. */
static int write_round(shared *s, uint32_t round)
{
    unsigned char key[256], elem[256];
    int bad = 0;
    for (uint32_t i = 0; i < 3 * KEYS; i++) {
        uint32_t j = i * 7 % KEYS;
        size_t n = make_key(s->k, j, key);
        make_elem(s->k, j, (i + round) & 1, elem);
        bad |= s->m->path->assign(s->m, key, n, elem, s->k->elem_size, NULL) < 0;
        if (i % 3 == 2) {
            n = make_key(s->k, j * 11 % KEYS, key);
            bad |= s->m->path->del(s->m, key, n, NULL) < 0;
        }
    }
    if (round % 4 == 3)
        gm_clear(s->m);
    return bad;
}

/* All keys in long chains, that deletes shorten, no check of the writer's flag, and the locked instructions of gets. */
static gm_knobs racing_knobs(uint32_t entry)
{
    gm_knobs k;
    gm_knobs_go(&k);
    k.delete_mode = GM_DELETE_UNLINK;
    k.delete_grows = GM_DELETE_STARTS;
    k.check_writing = GM_CHECK_OFF;
    k.buckets_load = entry == GM_ENTRY_XADD ? GM_LOAD_RMW : GM_LOAD_SEQ_CST;
    k.emptyrest = GM_EMPTYREST_WALK;
    k.entry = entry;
    k.chain = 8;
    k.load_num = 0;
    return k;
}

static int race(const kind *k, uint32_t rounds, const gm_knobs *knobs)
{
    gm_config c = {.key_kind = k->key_kind, .key_size = k->key_size, .elem_size = k->elem_size, .seed = 7, .events = 64};
    c.knobs = knobs;
    c.hint = knobs ? KEYS / 2 : 0;
    shared s = {.k = k};
    pthread_t t[READERS];
    if (gm_map_new(&c, &s.m) != GM_OK)
        return 1;
    s.m->extra.defer_all = true;
    for (int i = 0; i < READERS; i++)
        pthread_create(&t[i], NULL, reader, &s);
    int bad = 0;
    /* At least so many rounds, and on a busy machine on until the readers have been there. */
    for (uint32_t round = 0; round < rounds || gm_load_rlx(&s.hits) < 1000; round++)
        bad |= write_round(&s, round);
    gm_store_rlx(&s.stop, 1);
    for (int i = 0; i < READERS; i++)
        pthread_join(t[i], NULL);
    gm_broken at;
    bad |= gm_map_check(s.m, &at) != GM_OK;
    gm_knob_counts n;
    gm_map_knob_counts(s.m, &n);
    printf("%-12s hits %llu misses %llu refused %llu other elem %llu unlinked %llu stale %llu%s\n", k->name,
           (unsigned long long)s.hits, (unsigned long long)s.misses, (unsigned long long)s.refused, (unsigned long long)s.other,
           (unsigned long long)n.unlinked, (unsigned long long)n.stale_reads, bad ? " BROKEN" : "");
    gm_map_free(s.m);
    return bad;
}

int main(int argc, char **argv)
{
    static const kind kinds[] = {
        {"int32", GM_MEM, 4, 8},       {"int64", GM_MEM, 8, 8},        {"str", GM_STRING, 0, 8},
        {"bytes9", GM_MEM, 9, 3},      {"float64", GM_FLOAT64, 8, 8},  {"bytes136", GM_MEM, 136, 8},
        {"int64-box", GM_MEM, 8, 136}, {"str-box", GM_STRING, 0, 136},
    };
    uint32_t rounds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 8;
    int bad = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        bad |= race(&kinds[i], rounds, NULL);
    for (uint32_t entry = GM_ENTRY_CMPXCHG; entry <= GM_ENTRY_XADD; entry++) {
        gm_knobs knobs = racing_knobs(entry);
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i += 2)
            bad |= race(&kinds[i], rounds, &knobs);
    }
    return bad;
}
