/* alloc.c: where memory comes from, and an allocator for tests that fails, or stalls, on command.
 *
 * A map takes its memory through `gm_alloc`, two functions and a context, so that the heap model can supply it and tests
 * can refuse it.
 *
 * HUGE PAGES. With the C library's memory each 4 KB of a large array cost a page fault when it is first touched, and each
 * access to a table of some MB may miss the TLB. `gm_alloc_huge` maps what takes 2 MB or more itself, so that it begins at a
 * multiple of 2 MB, and asks for huge pages. The system gives them or not; the last part, less than 2 MB, is of small pages, so
 * that no memory is taken for nothing. The price: the first touch of 2 MB zeroes all of it at once.
 *
 * Where nobody may be held up, what is large is mapped too, in small pages (`gm_alloc_mapped`), and given back in parts
 * (`gm_alloc_discard`). The C library may take its memory from what was freed before, which it has to zero: 18 MB took a writer
 * 12 ms. And unmapping takes a quarter of a microsecond a page: 36 MB at once, 2 to 4 ms.
 *
 * `gm_faulty` counts what is alive: a test that frees its map and finds a block left has found a leak. The
 * counters are atomic because maps used from several threads share one allocator; they carry no ordering, since a test
 * reads them when its threads are joined.
 */
#include "base/alloc.h"

#include "base/atomics.h"
#include "base/thread.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static void *libc_zalloc(void *ctx, size_t size)
{
    (void)ctx;
    return calloc(1, size);
}

static void libc_release(void *ctx, void *p, size_t size)
{
    (void)ctx;
    (void)size;
    free(p);
}

gm_alloc gm_alloc_default(void)
{
    return (gm_alloc){libc_zalloc, libc_release, NULL};
}

enum { hugeBytes = 2 << 20 };

static size_t whole_pages(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (size + page - 1) / page * page;
}

/* mapped memory from a multiple of hugeBytes on: more is mapped, and what is too much is given back. */
static void *map_aligned(size_t size)
{
    unsigned char *p = mmap(NULL, size + hugeBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    size_t before = -(uintptr_t)p % hugeBytes;
    if (before)
        munmap(p, before);
    munmap(p + before + size, hugeBytes - before);
    return p + before;
}

static char small_pages; /* as a context: no huge ones are asked for */

static void *huge_zalloc(void *ctx, size_t size)
{
    if (size < hugeBytes)
        return libc_zalloc(ctx, size);
    void *p = size < SIZE_MAX / 2 ? map_aligned(whole_pages(size)) : NULL;
#if defined(MADV_HUGEPAGE)
    if (p && ctx != &small_pages)
        madvise(p, size / hugeBytes * hugeBytes, MADV_HUGEPAGE); /* a wish: without it the pages are small */
#endif
    return p;
}

static void huge_release(void *ctx, void *p, size_t size)
{
    if (size < hugeBytes)
        libc_release(ctx, p, size);
    else if (p)
        munmap(p, whole_pages(size));
}

gm_alloc gm_alloc_huge(void)
{
    return (gm_alloc){huge_zalloc, huge_release, NULL};
}

gm_alloc gm_alloc_mapped(void)
{
    return (gm_alloc){huge_zalloc, huge_release, &small_pages};
}

void gm_alloc_discard(void *p, size_t size)
{
#if defined(MADV_DONTNEED)
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = ((uintptr_t)p + page - 1) / page * page;
    uintptr_t to = ((uintptr_t)p + size) / page * page;
    if (from < to)
        madvise((void *)from, to - from, MADV_DONTNEED); /* a wish */
#else
    (void)p;
    (void)size;
#endif
}

/* The pointer to free lies just before. */
void *gm_zalloc_lines(const gm_alloc *a, size_t size)
{
    char *p = a->zalloc(a->ctx, size + 2 * gm_line_bytes);
    if (!p)
        return NULL;
    char *at = p + gm_line_bytes + (gm_line_bytes - ((uintptr_t)p & (gm_line_bytes - 1)));
    memcpy(at - sizeof p, &p, sizeof p);
    return at;
}

void gm_release_lines(const gm_alloc *a, void *at, size_t size)
{
    char *p;
    if (!at)
        return;
    memcpy(&p, (char *)at - sizeof p, sizeof p);
    a->release(a->ctx, p, size + 2 * gm_line_bytes);
}

struct gm_faulty {
    gm_alloc alloc;
    _Atomic uint64_t calls, live_blocks, live_bytes;
    _Atomic uint64_t fail_from, fail_until; /* numbers of calls; [from, until) fail */
    _Atomic uint64_t stall_size, stall_ns;  /* the next call for so many bytes takes so much longer; 0: none */
};

static void *faulty_zalloc(void *ctx, size_t size)
{
    gm_faulty *f = ctx;
    uint64_t nth = gm_add_rlx(&f->calls, 1) + 1;
    if (nth >= gm_load_rlx(&f->fail_from) && nth < gm_load_rlx(&f->fail_until))
        return NULL;
    uint64_t stall_size = gm_load_rlx(&f->stall_size);
    if (stall_size && size >= stall_size) {
        gm_store_rlx(&f->stall_size, 0);
        gm_nap_ns(gm_load_rlx(&f->stall_ns));
    }
    void *p = calloc(1, size);
    if (p) {
        gm_add_rlx(&f->live_blocks, 1);
        gm_add_rlx(&f->live_bytes, size);
    }
    return p;
}

static void faulty_release(void *ctx, void *p, size_t size)
{
    gm_faulty *f = ctx;
    gm_sub_rlx(&f->live_blocks, 1);
    gm_sub_rlx(&f->live_bytes, size);
    free(p);
}

gm_faulty *gm_faulty_new(void)
{
    gm_faulty *f = calloc(1, sizeof *f);
    if (f)
        f->alloc = (gm_alloc){faulty_zalloc, faulty_release, f};
    return f;
}

void gm_faulty_free(gm_faulty *f)
{
    free(f);
}

const gm_alloc *gm_faulty_alloc(gm_faulty *f)
{
    return &f->alloc;
}

void gm_faulty_arm(gm_faulty *f, uint64_t nth, uint64_t times)
{
    uint64_t from = gm_load_rlx(&f->calls) + nth;
    gm_store_rlx(&f->fail_from, nth ? from : 0);
    gm_store_rlx(&f->fail_until, !nth ? 0 : times > UINT64_MAX - from ? UINT64_MAX : from + times);
}

void gm_faulty_stall(gm_faulty *f, uint64_t size, uint64_t ns)
{
    gm_store_rlx(&f->stall_ns, ns);
    gm_store_rlx(&f->stall_size, size);
}

uint64_t gm_faulty_calls(gm_faulty *f)
{
    return gm_load_rlx(&f->calls);
}

uint64_t gm_faulty_live_blocks(gm_faulty *f)
{
    return gm_load_rlx(&f->live_blocks);
}

uint64_t gm_faulty_live_bytes(gm_faulty *f)
{
    return gm_load_rlx(&f->live_bytes);
}
