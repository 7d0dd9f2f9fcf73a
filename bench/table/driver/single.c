/* single.c: one classic map on one thread.
 *
 * One key a call goes to the map's own table of functions, as a Go program's m[k] goes to the runtime's function: no guard, no
 * engine. Batches are the functions of gomap.h, one guard a batch. ../go/single.go has the same rows in the same order.
 *
 *   present   n keys in the order in which they are put in; the i-th one's elem is i
 *   asked     keys that are there, one permutation of all (or its beginning) after the other, with the elems that they have
 *   absent    keys that are not there
 *
 * Maps of few keys are built several times in one round. Making and freeing a map is not part of any row's time, page faults
 * of a new one are; how many there were is told. What a write row has left is looked at after the clock: the number of entries
 * and the sum of all elems.
 */
#include "base/clock.h"
#include "base/thread.h"
#include "driver.h"
#include "map/hmap.h"

#include <stdlib.h>
#include <string.h>

enum { STRING_BYTES = 16, BLOCK = 1024, LEAST_INSERTS = 100000 };

typedef struct keys {
    input in;
    const unsigned char *content;
    int64_t *offsets; /* of strings */
    size_t n;
} keys;

static struct single {
    gm_map *map;
    gather *bare;
    size_t size; /* bytes of a key */
    int kind;
    keys present, asked, absent;
    input elems;        /* of the asked keys */
    uint64_t *in_order; /* 0 .. n-1 */
    uint64_t *out;
} s;

static const void *key_at(const keys *k, size_t i)
{
    return k->content + i * s.size;
}

static const void *batch_at(const keys *k, size_t i) /* offsets of strings count from the first content */
{
    return k->offsets ? k->content : key_at(k, i);
}

static const int64_t *offsets_at(const keys *k, size_t i)
{
    return k->offsets ? k->offsets + i : NULL;
}

static int keys_open(keys *k, const char *folder, const char *name)
{
    if (input_open(&k->in, folder, name) != 0)
        return -1;
    k->content = k->in.bytes;
    k->n = k->in.size / s.size;
    if (s.kind != GM_STRING)
        return 0;
    if (!(k->offsets = malloc((k->n + 1) * sizeof *k->offsets)))
        return -1;
    for (size_t i = 0; i <= k->n; i++)
        k->offsets[i] = (int64_t)(i * s.size);
    return 0;
}

static gm_map *new_map(uint64_t hint)
{
    gm_config c = {.key_kind = s.kind,
                   .key_size = s.kind == GM_STRING ? 0 : s.size,
                   .elem_kind = GM_MEM,
                   .elem_size = 8,
                   .hint = hint,
                   .seed = 1};
    gm_map *m;
    return gm_map_new(&c, &m) == GM_OK ? m : NULL;
}

/* ------------------------------------------------------------------ rounds */

static uint64_t began, faults_before;

static void clock_from_here(void)
{
    faults_before = gm_usage_counts().faults;
    began = gm_now_ns();
}

static void clock_until_here(timed *t, uint64_t operations)
{
    t->ns += gm_now_ns() - began;
    t->faults += gm_usage_counts().faults - faults_before;
    t->operations += operations;
}

static int gets(const keys *k, timed *t)
{
    gm_map *m = s.map;
    uint64_t elem = 0, hits = 0, sum = 0;
    size_t n = k->n, size = s.size;
    clock_from_here();
    for (size_t i = 0; i < n; i++) {
        if (m->path->get(m, k->content + i * size, size, &elem) == GM_OK) {
            sum += elem;
            hits++;
        }
    }
    clock_until_here(t, n);
    t->hits = hits;
    t->sum = sum;
    return GM_OK;
}

static int get_hit(timed *t)
{
    return gets(&s.asked, t);
}

static int get_miss(timed *t)
{
    return gets(&s.absent, t);
}

static int get_batch(const keys *k, timed *t)
{
    size_t found;
    memset(s.out, 0, k->n * sizeof *s.out);
    clock_from_here();
    int status = gm_map_get_many(s.map, k->content, k->offsets, k->n, s.out, NULL, &found);
    clock_until_here(t, k->n);
    t->hits = found;
    for (size_t i = 0; i < k->n; i++)
        t->sum += s.out[i];
    return status;
}

static int get_many_hit(timed *t)
{
    return get_batch(&s.asked, t);
}

static int get_many_miss(timed *t)
{
    return get_batch(&s.absent, t);
}

/* What a map holds: the check after writes. */
static int look_through(gm_map *m, timed *t)
{
    uint64_t n = gm_map_len(m), none = 0, *elems = malloc((n + 1) * sizeof *elems);
    unsigned char *all = malloc(n * s.size + 1);
    int64_t *offsets = malloc((n + 1) * sizeof *offsets);
    none = s.kind == GM_STRING ? n * s.size : 0;
    int status =
        elems && all && offsets ? gm_map_collect(m, all, s.kind == GM_STRING ? offsets : NULL, elems, &n, &none) : GM_E_NOMEM;
    for (uint64_t i = 0; status == GM_OK && i < n; i++)
        t->sum += elems[i];
    t->hits += n;
    free(elems);
    free(all);
    free(offsets);
    return status;
}

static int assign(gm_map *m, const void *key, const uint64_t *elem)
{
    return m->path->assign(m, key, s.size, elem, sizeof *elem, NULL);
}

static int overwrite(timed *t)
{
    const uint64_t *elems = s.elems.bytes;
    int status = GM_OK;
    clock_from_here();
    for (size_t i = 0; i < s.asked.n; i++)
        status |= assign(s.map, key_at(&s.asked, i), elems + i);
    clock_until_here(t, s.asked.n);
    return status ? status : look_through(s.map, t);
}

static int overwrite_many(timed *t)
{
    size_t done;
    clock_from_here();
    int status = gm_map_assign_many(s.map, s.asked.content, s.asked.offsets, s.asked.n, s.elems.bytes, NULL, &done);
    clock_until_here(t, s.asked.n);
    return status ? status : look_through(s.map, t);
}

static int fill_one_by_one(gm_map *m)
{
    int status = GM_OK;
    for (size_t i = 0; i < s.present.n; i++)
        status |= assign(m, key_at(&s.present, i), s.in_order + i);
    return status;
}

static int fill_at_once(gm_map *m)
{
    size_t done;
    return gm_map_assign_many(m, s.present.content, s.present.offsets, s.present.n, s.in_order, NULL, &done);
}

static int built(int (*fill)(gm_map *), uint64_t hint, timed *t)
{
    size_t n = s.present.n, maps = n < LEAST_INSERTS ? (LEAST_INSERTS + n - 1) / n : 1;
    int status = GM_OK;
    for (size_t i = 0; i < maps && status == GM_OK; i++) {
        gm_map *m = new_map(hint);
        if (!m)
            return GM_E_NOMEM;
        clock_from_here();
        status = fill(m);
        clock_until_here(t, n);
        if (status == GM_OK)
            status = look_through(m, t);
        gm_map_free(m);
    }
    return status;
}

static int insert(timed *t)
{
    return built(fill_one_by_one, 0, t);
}

static int insert_many(timed *t)
{
    return built(fill_at_once, 0, t);
}

static int presized(timed *t)
{
    return built(fill_one_by_one, s.present.n, t);
}

static int presized_many(timed *t)
{
    return built(fill_at_once, s.present.n, t);
}

static size_t different(void) /* asked keys from the first on of which no two are equal */
{
    return s.asked.n < s.present.n ? s.asked.n : s.present.n;
}

static int pair(timed *t)
{
    const uint64_t *elems = s.elems.bytes;
    size_t n = different();
    int status = GM_OK;
    clock_from_here();
    for (size_t i = 0; i < n; i++) {
        status |= s.map->path->del(s.map, key_at(&s.asked, i), s.size, NULL);
        status |= assign(s.map, key_at(&s.asked, i), elems + i);
    }
    clock_until_here(t, n);
    return status ? status : look_through(s.map, t);
}

/* A block of keys deleted, then put in again; ../go/single.go does the same, key by key. */
static int pair_many(timed *t)
{
    const uint64_t *elems = s.elems.bytes;
    size_t n = different(), done;
    int status = GM_OK;
    clock_from_here();
    for (size_t i = 0; i < n; i += BLOCK) {
        size_t some = n - i < BLOCK ? n - i : BLOCK;
        const void *content = batch_at(&s.asked, i);
        const int64_t *offsets = offsets_at(&s.asked, i);
        status |= gm_map_delete_many(s.map, content, offsets, some, NULL, &done);
        status |= gm_map_assign_many(s.map, content, offsets, some, elems + i, NULL, &done);
    }
    clock_until_here(t, n);
    return status ? status : look_through(s.map, t);
}

static bool add_up(void *ctx, const void *key, size_t len, const void *elem)
{
    timed *t = ctx;
    uint64_t n;
    (void)key;
    (void)len;
    memcpy(&n, elem, sizeof n);
    t->sum += n;
    t->hits++;
    return true;
}

static int iterate(timed *t)
{
    clock_from_here();
    int status = gm_range(s.map, UINT64_MAX, add_up, t);
    clock_until_here(t, t->hits);
    return status;
}

static int collect(timed *t)
{
    uint64_t n = s.present.n, *elems = malloc(n * sizeof *elems), room = s.kind == GM_STRING ? n * s.size : 0;
    unsigned char *all = malloc(n * s.size);
    int64_t *offsets = malloc((n + 1) * sizeof *offsets);
    int status = GM_E_NOMEM;
    if (all && elems && offsets) {
        memset(all, 1, n * s.size); /* the arrays are the caller's: their page faults are not the map's */
        memset(elems, 1, n * sizeof *elems);
        clock_from_here();
        status = gm_map_collect(s.map, all, s.kind == GM_STRING ? offsets : NULL, elems, &n, &room);
        clock_until_here(t, n);
    }
    for (uint64_t i = 0; status == GM_OK && i < n; i++)
        t->sum += elems[i];
    t->hits = n;
    free(all);
    free(elems);
    free(offsets);
    return status;
}

static const struct row {
    const char *name;
    int (*round)(timed *);
} rows[] = {
    {"get_hit", get_hit},
    {"get_miss", get_miss},
    {"get_many_hit", get_many_hit},
    {"get_many_miss", get_many_miss},
    {"overwrite", overwrite},
    {"overwrite_many", overwrite_many},
    {"insert", insert},
    {"insert_many", insert_many},
    {"presized", presized},
    {"presized_many", presized_many},
    {"pair", pair},
    {"pair_many", pair_many},
    {"iterate", iterate},
    {"collect", collect},
};

/* ------------------------------------------------------------------ commands */

static void single_close(void)
{
    keys *all[] = {&s.present, &s.asked, &s.absent};
    if (s.map)
        gm_map_free(s.map);
    gather_free(s.bare);
    for (size_t i = 0; i < 3; i++) {
        input_close(&all[i]->in);
        free(all[i]->offsets);
    }
    input_close(&s.elems);
    free(s.in_order);
    free(s.out);
    memset(&s, 0, sizeof s);
}

static int single_load(const char *folder)
{
    if (keys_open(&s.present, folder, "present") || keys_open(&s.asked, folder, "asked") ||
        keys_open(&s.absent, folder, "absent") || input_open(&s.elems, folder, "elems"))
        return -1;
    size_t most = s.asked.n > s.absent.n ? s.asked.n : s.absent.n;
    s.in_order = malloc((s.present.n + 1) * sizeof *s.in_order);
    s.out = malloc((most + 1) * sizeof *s.out);
    s.map = new_map(0);
    if (!s.in_order || !s.out || !s.map)
        return -1;
    for (size_t i = 0; i < s.present.n; i++)
        s.in_order[i] = i;
    return fill_one_by_one(s.map) == GM_OK ? 0 : -1;
}

void single_open(char **words, int n, answer *a)
{
    (void)n;
    single_close();
    s.kind = strcmp(words[1], "string") == 0 ? GM_STRING : GM_MEM;
    s.size = s.kind == GM_STRING ? STRING_BYTES : 8;
    if (single_load(words[3]) != 0) {
        single_close();
        answer_error(a, "the keys cannot be read, or there is no memory for them");
    } else if (gm_map_len(s.map) != strtoull(words[2], NULL, 10)) {
        answer_error(a, "the map does not hold as many keys as it should");
    }
}

void single_time(char **words, int n, answer *a)
{
    (void)n;
    for (size_t i = 0; s.map && i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].name, words[1]) != 0)
            continue;
        timed t = {0};
        int status = rows[i].round(&t);
        if (status != GM_OK)
            answer_error(a, "an operation was refused");
        else
            answer_timed(a, &t);
        return;
    }
    answer_error(a, "no map, or no such row");
}

void single_memory(char **words, int n, answer *a)
{
    gm_header h;
    (void)words;
    (void)n;
    if (!s.map || gm_map_header(s.map, &h) != GM_OK)
        answer_error(a, "no map");
    else
        answer_count(a, h.bytes);
}

void single_limit(char **words, int n, answer *a)
{
    gm_header h;
    timed t = {0};
    (void)n;
    if (!s.map || s.size != sizeof(uint64_t) || gm_map_header(s.map, &h) != GM_OK) {
        answer_error(a, "no map of int64 keys");
        return;
    }
    if (!s.bare)
        s.bare = gather_new(UINT64_C(1) << h.B, s.asked.in.bytes, s.asked.n);
    if (!s.bare)
        answer_error(a, "no memory");
    else if (gather_time(s.bare, words[1], s.elems.bytes, &t) != 0)
        answer_error(a, "no such row");
    else
        answer_timed(a, &t);
}
