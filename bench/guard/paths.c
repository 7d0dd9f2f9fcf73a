/* paths.c: runs each hot path a counted number of times, for callgrind.
 *
 * What a machine's noise hides, an instruction count shows: a branch more in a get is a count more here, every time. Each path
 * is run OPERATIONS times between two marks that tell callgrind to count from zero and to write down what it has counted, under
 * the path's name. Seeds are given, so that the same build counts the same instructions.
 *
 * usage: valgrind --tool=callgrind --callgrind-out-file=FILE paths. Exits 1 if a path answers wrongly.
 */
#include "gomap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

enum { OPERATIONS = 10000, KEY_BYTES = 16 };

#define CHECK(x)                                                                                                               \
    do {                                                                                                                       \
        if (!(x)) {                                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                                            \
            exit(1);                                                                                                           \
        }                                                                                                                      \
    } while (0)

/* Keys 0 to OPERATIONS - 1 are put into the map, the others are absent: contents side by side, as the batch calls want them. */
typedef struct keys {
    const char *name;
    int kind;
    size_t size;
    int64_t *offsets; /* of strings */
    unsigned char *content;
} keys;

static const unsigned char *key_of(const keys *k, size_t i)
{
    return k->content + i * k->size;
}

/* A batch of keys from the i-th on: offsets of strings count from the first of all contents. */
static const void *batch_of(const keys *k, size_t i)
{
    return k->offsets ? k->content : key_of(k, i);
}

static const int64_t *offsets_of(const keys *k, size_t i)
{
    return k->offsets ? k->offsets + i : NULL;
}

static keys make_keys(const char *name, int kind, size_t size)
{
    keys k = {name, kind, size, NULL, calloc(2 * OPERATIONS, size)};
    CHECK(k.content != NULL);
    if (kind == GM_STRING)
        CHECK((k.offsets = malloc((2 * OPERATIONS + 1) * sizeof *k.offsets)) != NULL);
    for (size_t i = 0; i < 2 * OPERATIONS; i++) {
        uint64_t x = i * UINT64_C(0x9E3779B97F4A7C15); /* odd: no two are equal, and none is near its neighbour */
        memcpy(k.content + i * size, &x, size < 8 ? size : 8);
    }
    for (size_t i = 0; k.offsets && i <= 2 * OPERATIONS; i++)
        k.offsets[i] = (int64_t)(i * size);
    return k;
}

static gm_config config_of(const keys *k, uint64_t hint)
{
    return (gm_config){.key_kind = k->kind,
                       .key_size = k->kind == GM_STRING ? 0 : k->size,
                       .elem_kind = GM_MEM,
                       .elem_size = 8,
                       .hint = hint,
                       .seed = 1};
}

/* ------------------------------------------------------------------ the count */

static void count_from_here(void)
{
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

static void counted(const char *design, const keys *k, const char *path)
{
    char name[80];
    snprintf(name, sizeof name, "%s %s %s", design, k->name, path);
    CALLGRIND_DUMP_STATS_AT(name);
    CALLGRIND_STOP_INSTRUMENTATION;
}

/* ------------------------------------------------------------------ the classic map */

static void assign_all(gm_map *m, const keys *k)
{
    for (uint64_t i = 0; i < OPERATIONS; i++)
        CHECK(gm_map_assign(m, key_of(k, i), k->size, &i, sizeof i, NULL) == GM_OK);
}

static gm_map *new_map(const keys *k, uint64_t hint)
{
    gm_config c = config_of(k, hint);
    gm_map *m;
    CHECK(gm_map_new(&c, &m) == GM_OK);
    return m;
}

static void inserts(const keys *k)
{
    gm_map *growing = new_map(k, 0), *presized = new_map(k, OPERATIONS);
    count_from_here();
    assign_all(growing, k);
    counted("plain", k, "insert, growing");
    count_from_here();
    assign_all(presized, k);
    counted("plain", k, "insert, presized");
    gm_map_free(growing);
    gm_map_free(presized);
}

static void single_keys(gm_map *m, const keys *k)
{
    uint64_t elem;
    count_from_here();
    for (size_t i = 0; i < OPERATIONS; i++)
        CHECK(gm_map_get(m, key_of(k, i), k->size, &elem) == GM_OK);
    counted("plain", k, "get hit");
    count_from_here();
    for (size_t i = OPERATIONS; i < 2 * OPERATIONS; i++)
        CHECK(gm_map_get(m, key_of(k, i), k->size, &elem) == GM_MISS);
    counted("plain", k, "get miss");
    count_from_here();
    assign_all(m, k);
    counted("plain", k, "overwrite");
    count_from_here();
    for (uint64_t i = 0; i < OPERATIONS; i++) {
        CHECK(gm_map_delete(m, key_of(k, i), k->size, NULL) == GM_OK);
        CHECK(gm_map_assign(m, key_of(k, i), k->size, &i, sizeof i, NULL) == GM_OK);
    }
    counted("plain", k, "delete and insert");
}

static void batches(gm_map *m, const keys *k)
{
    static uint64_t elems[OPERATIONS];
    size_t done;
    count_from_here();
    CHECK(gm_map_get_many(m, batch_of(k, 0), offsets_of(k, 0), OPERATIONS, elems, NULL, &done) == GM_OK && done == OPERATIONS);
    counted("plain", k, "get_many hit");
    count_from_here();
    CHECK(gm_map_get_many(m, batch_of(k, OPERATIONS), offsets_of(k, OPERATIONS), OPERATIONS, elems, NULL, &done) == GM_OK &&
          done == 0);
    counted("plain", k, "get_many miss");
    count_from_here();
    CHECK(gm_map_assign_many(m, batch_of(k, 0), offsets_of(k, 0), OPERATIONS, elems, NULL, &done) == GM_OK &&
          done == OPERATIONS);
    counted("plain", k, "assign_many overwrite");
}

static void iteration(gm_map *m, const keys *k)
{
    unsigned char key[KEY_BYTES];
    uint64_t elem, steps = 0;
    gm_iter *it;
    CHECK(gm_iter_new(m, &it) == GM_OK);
    count_from_here();
    for (int status = gm_iter_init(it, 0, 0, key, &elem); status == GM_OK; status = gm_iter_next(it, key, &elem))
        steps++;
    counted("plain", k, "iterate");
    CHECK(steps == OPERATIONS);
    gm_iter_free(it);
}

static void classic(const keys *k)
{
    inserts(k);
    gm_map *m = new_map(k, OPERATIONS);
    assign_all(m, k);
    single_keys(m, k);
    batches(m, k);
    iteration(m, k);
    gm_map_free(m);
}

/* ------------------------------------------------------------------ concurrent maps */

static void cmap_assign_all(gm_cmap *c, const keys *k)
{
    for (uint64_t i = 0; i < OPERATIONS; i++)
        CHECK(gm_cmap_assign(c, key_of(k, i), k->size, &i, NULL) >= GM_OK);
}

static void concurrent(const char *design, int variant, const keys *k)
{
    gm_config config = config_of(k, OPERATIONS);
    gm_guard_config guard = {.shards = 4};
    gm_cmap *c;
    uint64_t elem;
    int64_t sum;
    CHECK(gm_cmap_new(variant, &config, &guard, &c) == GM_OK);
    count_from_here();
    cmap_assign_all(c, k);
    counted(design, k, "insert, presized");
    count_from_here();
    for (size_t i = 0; i < OPERATIONS; i++)
        CHECK(gm_cmap_get(c, key_of(k, i), k->size, &elem) == GM_OK);
    counted(design, k, "get hit");
    count_from_here();
    for (size_t i = OPERATIONS; i < 2 * OPERATIONS; i++)
        CHECK(gm_cmap_get(c, key_of(k, i), k->size, &elem) == GM_MISS);
    counted(design, k, "get miss");
    count_from_here();
    cmap_assign_all(c, k);
    counted(design, k, "overwrite");
    count_from_here();
    for (size_t i = 0; i < OPERATIONS; i++)
        CHECK(gm_cmap_add(c, key_of(k, i), k->size, 1, &sum) >= GM_OK);
    counted(design, k, "add");
    count_from_here();
    for (size_t i = 0; i < OPERATIONS; i++)
        CHECK(gm_cmap_delete(c, key_of(k, i), k->size, NULL) == GM_OK);
    counted(design, k, "delete");
    gm_cmap_free(c);
}

int main(void)
{
    keys kinds[] = {make_keys("int64", GM_MEM, 8), make_keys("int32", GM_MEM, 4), make_keys("str", GM_STRING, KEY_BYTES)};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        classic(&kinds[i]);
    concurrent("rwmutex", GM_VARIANT_RWMUTEX, &kinds[0]);
    concurrent("sharded", GM_VARIANT_SHARDED, &kinds[0]);
    concurrent("syncmap", GM_VARIANT_SYNCMAP, &kinds[0]);
    concurrent("hashtrie", GM_VARIANT_HASHTRIE, &kinds[0]);
    concurrent("lockfree", GM_VARIANT_LOCKFREE, &kinds[0]);
    concurrent("lockfree", GM_VARIANT_LOCKFREE, &kinds[2]);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        free(kinds[i].content);
        free(kinds[i].offsets);
    }
    return 0;
}
