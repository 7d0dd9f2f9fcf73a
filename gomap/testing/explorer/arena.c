/* arena.c: the memory of what is explored, and of the threads that explore it.
 *
 *     region   | main: blocks | thread 0: blocks | thread 1 ... | stack of thread 0 | stack of thread 1 ...
 *     block    | size | content ... | 16 bytes that are nobody's |
 *
 * Each lane takes its memory from the front of its own part and never uses it again within an execution. So an address stands
 * for the same word in all interleavings in which its thread has allocated the same, and an access to what was freed shows.
 *
 *   A1  What is freed is overwritten, and stays freed to the end of the execution.
 *   A2  What the set-up has left in the main part is what every execution begins with: it is copied back, freed blocks too.
 *   A3  Words of eight bytes that two threads have used, one of them writing, in any execution so far, are *shared*, for good.
 *       What lies elsewhere (numbers of the whole process) always is.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "explorer.h"

#include <string.h>
#include <sys/mman.h>

enum { grain = 16, word_bytes = 8, stack_bytes = 1 << 16, guard_bytes = 4096 };
static const size_t part_bytes = 1 << 18, region_bytes = (size_t)lanes * (1 << 18) + (size_t)mostThreads * (1 << 16);
static const unsigned char poison = 0xDB;

typedef struct block {
    uint64_t size, unused;
} block;

enum { most_grains = (lanes * (1 << 18)) / grain, most_words = (lanes * (1 << 18) + mostThreads * (1 << 16)) / word_bytes };
enum { most_log = 1 << 16 };

/* Where the region is asked to be, so that addresses in a table are the same each time. */
static void *const wish = (void *)(uintptr_t)0x100000000000;
static unsigned char *region;
static size_t used[lanes], kept_used;
static unsigned now;
static uint64_t live, kept_live;
static bool exhausted, grew;
static unsigned char states[most_grains], kept_states[most_grains];
static unsigned char kept[1 << 18];
static unsigned char users[most_words], writers[most_words], shared[most_words];
static uint32_t touched[most_log], touched_count;

bool arena_open(void)
{
    region = mmap(wish, region_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (region == MAP_FAILED)
        return false;
    for (unsigned i = 0; i < mostThreads; i++) /* a thread that uses up its stack crashes, and says so */
        if (mprotect(region + lanes * part_bytes + (size_t)i * stack_bytes, guard_bytes, PROT_NONE) != 0)
            return false;
    return true;
}

void *arena_stack(unsigned lane, size_t *size)
{
    *size = stack_bytes - guard_bytes;
    return region + lanes * part_bytes + (size_t)lane * stack_bytes + guard_bytes;
}

void arena_lane(unsigned lane)
{
    now = lane == mainLane ? 0 : lane + 1;
}

static void mark(const unsigned char *p, size_t size, memory_state state)
{
    memset(&states[(size_t)(p - region) / grain], state, (size + grain - 1) / grain);
}

static void *arena_zalloc(void *ctx, size_t size)
{
    size_t whole = (size + grain - 1) / grain * grain + sizeof(block) + grain;
    (void)ctx;
    if (size > part_bytes || used[now] + whole > part_bytes) {
        exhausted = true;
        return NULL;
    }
    block *b = (block *)(void *)(region + now * part_bytes + used[now]);
    used[now] += whole;
    b->size = size;
    memset(b + 1, 0, size);
    mark((unsigned char *)(b + 1), size, LIVE);
    live++;
    return b + 1;
}

static void arena_release(void *ctx, void *p, size_t size)
{
    block *b = (block *)p - 1;
    (void)ctx;
    if (arena_state(p, 1) != LIVE || b->size != size)
        machine_fail(BAD_RELEASE, "%s",
                     arena_state(p, 1) == FREED ? "freed twice" : "freed, and was never allocated like that");
    memset(p, poison, size);
    mark(p, size, FREED);
    live--;
}

gm_alloc arena_alloc(void)
{
    return (gm_alloc){arena_zalloc, arena_release, NULL};
}

void arena_empty(void)
{
    memset(used, 0, sizeof used);
    memset(states, NO_BLOCK, sizeof states);
    arena_forget_sharing();
    live = 0;
    exhausted = false;
}

void arena_keep(void)
{
    kept_used = used[0];
    kept_live = live;
    memcpy(kept, region, kept_used);
    memcpy(kept_states, states, kept_used / grain);
}

/* Of the execution that is over. */
static void forget_touches(void)
{
    for (uint32_t i = 0; i < touched_count; i++)
        users[touched[i]] = writers[touched[i]] = 0;
    touched_count = 0;
}

void arena_restore(void)
{
    for (unsigned i = 0; i < lanes; i++)
        memset(&states[i * part_bytes / grain], NO_BLOCK, used[i] / grain);
    memset(used, 0, sizeof used);
    memcpy(region, kept, kept_used);
    memcpy(states, kept_states, kept_used / grain);
    used[0] = kept_used;
    live = kept_live;
    exhausted = false;
    forget_touches();
}

uint64_t arena_live(void)
{
    return live;
}

bool arena_exhausted(void)
{
    return exhausted;
}

/* ------------------------------------------------------------------ words */

static bool inside(const volatile void *word)
{
    const volatile unsigned char *p = word;
    return p >= region && p < region + region_bytes;
}

static size_t number_of(const volatile void *word)
{
    return (size_t)((const volatile unsigned char *)word - region) / word_bytes;
}

memory_state arena_state(const volatile void *word, uint32_t size)
{
    size_t first = (size_t)((const volatile unsigned char *)word - region);
    if (!inside(word) || first >= lanes * part_bytes)
        return FOREIGN;
    memory_state last = states[(first + size - 1) / grain];
    return last == LIVE ? states[first / grain] : last;
}

bool arena_is_shared(const volatile void *word)
{
    return !inside(word) || shared[number_of(word)];
}

void arena_touch(const volatile void *word, unsigned thread, bool writes)
{
    if (!inside(word))
        return;
    size_t i = number_of(word);
    if (!users[i] && touched_count < most_log)
        touched[touched_count++] = (uint32_t)i;
    users[i] |= (unsigned char)(1u << thread);
    writers[i] |= (unsigned char)((unsigned)writes << thread);
    if (!shared[i] && writers[i] && (users[i] & (users[i] - 1)))
        shared[i] = grew = true;
}

bool arena_sharing_grew(void)
{
    bool so = grew;
    grew = false;
    return so;
}

void arena_forget_sharing(void)
{
    memset(shared, 0, sizeof shared);
}

uint64_t arena_number(const volatile void *word)
{
    return inside(word) ? number_of(word) : UINT64_MAX;
}
