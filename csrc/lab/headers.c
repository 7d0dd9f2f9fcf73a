/* headers.c: gets of one map beside writes to another, with the words of both headers wherever a layout puts them.
 *
 * Which words of Go's hmap lie on one line with which, and with those of whose map, cannot be chosen in Go: the struct is
 * fixed, and the allocator places it. Here a layout is eight offsets, and the distance of two headers is a number:
 *
 *     block, a pair of lines begins                    reader_at
 *     v                                                v
 *     | count flags B noverflow hash0 buckets old nev  | count flags B noverflow hash0 buckets old nev |
 *     the writer's header                                the reader's, or one header for both (one map)
 *          ^ path.inc.h finds each word by map->placed->word
 *
 * The paths for 8-byte keys (path.inc.h) are compiled once more, with HDR(word) a pointer that the map keeps; that is one load
 * more for each word, from a line that nobody writes. Buckets, hash keys and all else stay where the map has them.
 *
 *     writer   gate ... write, publish the number of writes, write, ...                      until told to stop
 *     reader   gate ... a batch, its time, the writer's number; a batch, ...                 batches of them, then tells
 *
 *   L1  Between the two clock readings of a batch there are its gets and one load of the writer's number, which lies on a line
 *       of its own. A batch during which the number does not change had no writer beside it: whoever judges can leave it out.
 *   L2  While they are at work the threads write nothing but the maps, these two words, and the reader its batches.
 *   L3  No write grows a map or takes a bucket: updates are of keys that are there; keys that are inserted and deleted again
 *       have been so twice before, by the map's own paths. So the functions behind the paths, which know only the map's own
 *       header, are never called.
 *   L4  The maps are held as by a writer (api.c) from the beginning to the end. Then their headers are theirs again, with what
 *       the writes left in them.
 *   L5  What is read beside a write to the same map is as in hmap.h (O1 to O6): stale or missed, never outside.
 *
 * Divergences from Go: no get looks at hashWriting, in any case, since a reader beside a writer of its own map would be
 * refused; the word is loaded all the same. Rejected: other structs than gm_map for each layout (every function that knows
 * the header would have to be compiled for each); moving the whole map (its other words would move along).
 */
#include "base/clock.h"
#include "base/thread.h"
#include "map/elems.h"
#include "map/hmap.h"
#include "map/keys.h"
#include "map/told.h"

enum {
    headers_check_writing = GM_CHECK_OFF,
    headers_delete_grows = go_delete_grows,
    headers_delete_mode = go_delete_mode,
    headers_entry = go_entry,
    headers_buckets_load = go_buckets_load,
    headers_emptyrest = go_emptyrest,
};

#define HDR(word) (m->placed->word)
#define KNOB(name) ((uint32_t)headers_##name)
#define PATH_PROBED 0
#define PATH_SCALAR 0
#define PATH_KNOBS 0
#define PATH_NAME placed
#define PATH_SUFFIX
#define PATH_KEYS key8
#define PATH_FN static
#define PATH_HOT PATH_FN GM_INLINE
#define PATH_HASH K(hash_any)
#include "map/path.inc.h"

enum { headerRoom = 128, blockAlign = 128, mostApart = 4096, blockSize = mostApart + headerRoom };

typedef struct apart_word {
    _Alignas(gm_line_bytes) _Atomic uint64_t n;
    char rest[gm_line_bytes - sizeof(uint64_t)];
} apart_word;

/* One run, at the beginning of its memory; the block of headers follows. */
typedef struct bench {
    apart_word writes;    /* how many the writer has done */
    apart_word told_stop; /* to both */
    gm_places reader_places, writer_places;
    char behind[gm_line_bytes];
    const gm_headers_config *c;
    const gm_path *path; /* the table above, for both threads: one call an operation, as in Go */
    gm_header_batch *batches;
    uint64_t hits;
    int reader_status, writer_status;
    gm_gate gate;
} bench;

enum { benchSize = sizeof(bench) + blockSize + blockAlign };

/* ------------------------------------------------------------------ placing */

/* The words of a header: the name of its offset, and its own. */
#define WORDS(DO)                                                                                                              \
    DO(GM_HEADER_COUNT, count)                                                                                                 \
    DO(GM_HEADER_FLAGS, flags)                                                                                                 \
    DO(GM_HEADER_NOVERFLOW, noverflow)                                                                                         \
    DO(GM_HEADER_NEVACUATE, nevacuate)                                                                                         \
    DO(GM_HEADER_HASH0, hash0)                                                                                                 \
    DO(GM_HEADER_B, B)                                                                                                         \
    DO(GM_HEADER_BUCKETS, buckets)                                                                                             \
    DO(GM_HEADER_OLDBUCKETS, oldbuckets)

/* Takes the bytes of a word in `used`; false if it does not fit there. */
static bool take(unsigned char *used, size_t base, size_t at, size_t size)
{
    if (at + size > headerRoom || (base + at) % size != 0)
        return false;
    for (size_t i = 0; i < size; i++)
        if (used[base + at + i]++)
            return false;
    return true;
}

static bool take_header(unsigned char *used, size_t base, const uint32_t *offsets)
{
    bool fits = true;
#define TAKE(offset, word) fits = fits && take(used, base, offsets[offset], sizeof(((hmap *)0)->word));
    WORDS(TAKE)
#undef TAKE
    return fits;
}

/* Whether all words lie aligned and apart, and one map has one header. */
static bool layout_allowed(const gm_headers_config *c)
{
    unsigned char used[blockSize] = {0};
    if (c->reader_at > mostApart || (c->reader_at == 0) != (c->reader == c->writer))
        return false;
    return take_header(used, 0, c->offsets) && (c->reader_at == 0 || take_header(used, c->reader_at, c->offsets));
}

/* The map's header to where the layout says, for the paths above. No other thread is there yet. */
static void place(gm_map *m, gm_places *places, unsigned char *base, const uint32_t *offsets)
{
#define PLACE(offset, word)                                                                                                    \
    places->word = (void *)(base + offsets[offset]);                                                                           \
    gm_store_rlx(places->word, gm_load_rlx(&m->h.word));
    WORDS(PLACE)
#undef PLACE
    m->placed = places;
}

/* And back. No other thread is there any more. */
static void take_back(gm_map *m)
{
#define TAKE_BACK(offset, word) gm_store_rlx(&m->h.word, gm_load_rlx(m->placed->word));
    WORDS(TAKE_BACK)
#undef TAKE_BACK
    m->placed = NULL;
}

/* ------------------------------------------------------------------ what may be run */

static bool map_allowed(const gm_map *m)
{
    return m->t.path == pathFast64 && m->t.elem_kind == GM_MEM && m->t.elem_size == 8 && gm_knobs_are_go(&m->knobs) &&
           gm_load_rlx(&m->h.buckets) && !growing(m);
}

static int update_settles(gm_map *m, const uint64_t *key)
{
    uint64_t elem;
    return m->path->get(m, key, sizeof *key, &elem) == GM_OK ? GM_OK : GM_E_ARGUMENT;
}

static int insert_settles(gm_map *m, const uint64_t *key)
{
    uint64_t elem;
    if (m->path->get(m, key, sizeof *key, &elem) != GM_MISS)
        return GM_E_ARGUMENT;
    int status = m->path->assign(m, key, sizeof *key, key, sizeof *key, NULL);
    return status == GM_OK ? m->path->del(m, key, sizeof *key, NULL) : status;
}

/* L3: twice, for the last insert of the first time may have taken a bucket and made a growth due. The map must not become
 * empty, since its hash0 would be drawn anew. */
static int writes_settle(const gm_headers_config *c)
{
    if (gm_load_rlx(&c->writer->h.count) == 0)
        return GM_E_ARGUMENT;
    for (size_t i = 0; i < 2 * c->nwrites; i++) {
        const uint64_t *key = c->writes + i % c->nwrites;
        int status = c->inserts ? insert_settles(c->writer, key) : update_settles(c->writer, key);
        if (status != GM_OK)
            return status;
    }
    return growing(c->writer) ? GM_E_ARGUMENT : GM_OK;
}

/* ------------------------------------------------------------------ the two threads */

/* Both come here with their status; who cannot begin stops the other too. Relaxed: the gate orders it. */
static bool begin(bench *b, int cpu, int *status)
{
    *status = cpu < 0 || gm_thread_pin(cpu) ? GM_OK : GM_E_PIN;
    if (*status != GM_OK)
        gm_store_rlx(&b->told_stop.n, 1);
    gm_gate_arrive(&b->gate);
    return !gm_load_rlx(&b->told_stop.n);
}

static int write_once(const bench *b, const uint64_t *key)
{
    gm_map *m = b->c->writer;
    int status = b->path->assign(m, key, sizeof *key, key, sizeof *key, NULL);
    return status == GM_OK && b->c->inserts ? b->path->del(m, key, sizeof *key, NULL) : status;
}

/* Relaxed throughout: the number and the word to stop order nothing (L1); results are read after the joins. */
static void *write_on(void *arg)
{
    bench *b = arg;
    const gm_headers_config *c = b->c;
    if (!begin(b, c->writer_cpu, &b->writer_status))
        return NULL;
    int status = GM_OK;
    for (uint64_t n = 0; c->nwrites && status == GM_OK && !gm_load_rlx(&b->told_stop.n); n++) {
        status = write_once(b, c->writes + n % c->nwrites);
        gm_store_rlx(&b->writes.n, n + 1);
    }
    b->writer_status = status;
    return NULL;
}

static uint64_t get_all(const bench *b)
{
    const gm_headers_config *c = b->c;
    uint64_t sum = 0, hits = 0, elem = 0;
    for (size_t i = 0; i < c->ngets; i++) {
        if (b->path->get(c->reader, c->gets + i, sizeof *c->gets, &elem) == GM_OK) {
            sum += elem;
            hits++;
        }
    }
    __asm__ volatile("" : : "r"(sum)); /* so that no elem is left out */
    return hits;
}

/* The first batch brings everything into the cache and is not kept. */
static void *read_batches(void *arg)
{
    bench *b = arg;
    const gm_headers_config *c = b->c;
    if (!begin(b, c->reader_cpu, &b->reader_status))
        return NULL;
    get_all(b);
    uint64_t hits = 0, before = gm_load_rlx(&b->writes.n);
    for (uint32_t i = 0; i < c->batches; i++) {
        uint64_t start = gm_now_ns();
        hits += get_all(b);
        uint64_t writes = gm_load_rlx(&b->writes.n);
        b->batches[i] = (gm_header_batch){gm_now_ns() - start, writes - before};
        before = writes;
    }
    gm_store_rlx(&b->told_stop.n, 1);
    b->hits = hits;
    return NULL;
}

static int run_threads(bench *b)
{
    enum { second = 1000000000 };
    void *(*const bodies[2])(void *) = {read_batches, write_on};
    gm_spawner spawner = gm_spawner_default();
    gm_thread threads[2];
    unsigned n = 0;
    while (n < 2 && spawner.start(spawner.ctx, bodies[n], b, &threads[n]) == GM_OK)
        n++;
    if (n < 2)
        gm_store_rlx(&b->told_stop.n, 1);
    while (!gm_gate_wait(&b->gate, n, second))
        ;
    gm_gate_open(&b->gate);
    for (unsigned i = 0; i < n; i++)
        spawner.join(spawner.ctx, threads[i]);
    if (n < 2)
        return GM_E_THREAD;
    return b->reader_status != GM_OK ? b->reader_status : b->writer_status;
}

/* ------------------------------------------------------------------ one run */

static int run_placed(const gm_headers_config *c, bench *b)
{
    unsigned char *block = (unsigned char *)b + sizeof *b;
    block += -(uintptr_t)block % blockAlign;
    if (!gm_gate_init(&b->gate))
        return GM_E_THREAD;
    place(c->writer, &b->writer_places, block, c->offsets);
    if (c->reader != c->writer)
        place(c->reader, &b->reader_places, block + c->reader_at, c->offsets);
    int status = run_threads(b);
    take_back(c->writer);
    if (c->reader != c->writer)
        take_back(c->reader);
    gm_gate_destroy(&b->gate);
    return status;
}

static int run_held(const gm_headers_config *c, gm_header_batch *batches, uint64_t *hits)
{
    if (!map_allowed(c->reader) || !map_allowed(c->writer) || !layout_allowed(c))
        return GM_E_ARGUMENT;
    int status = writes_settle(c);
    if (status != GM_OK)
        return status;
    gm_alloc alloc = c->alloc ? *c->alloc : gm_alloc_default();
    size_t size = benchSize + gm_line_bytes;
    unsigned char *memory = alloc.zalloc(alloc.ctx, size);
    if (!memory)
        return GM_E_NOMEM;
    bench *b = (bench *)(void *)(memory + -(uintptr_t)memory % gm_line_bytes);
    b->c = c;
    b->path = &placed_table;
    b->batches = batches;
    status = run_placed(c, b);
    *hits = b->hits;
    alloc.release(alloc.ctx, memory, size);
    return status;
}

int gm_time_headers(const gm_headers_config *c, gm_header_batch *batches, uint64_t *hits)
{
    int status = gm_enter_write(c->writer);
    if (status != GM_OK)
        return status;
    if (c->reader != c->writer)
        status = gm_enter_write(c->reader);
    if (status == GM_OK) {
        status = run_held(c, batches, hits);
        if (c->reader != c->writer)
            gm_leave_write(c->reader);
    }
    gm_leave_write(c->writer);
    return status;
}
