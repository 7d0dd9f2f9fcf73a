/* search.c: which interleaving comes next.
 *
 * An interleaving is the sequence of answers to search_choose. They are gone through depth first: the last choice that has an
 * alternative within the bound is changed, what came after it is forgotten. To go on with the running thread is always the
 * first alternative (a turn has at least one access); another one while it could go on is a *preemption*, and only so many are
 * allowed (M. Musuvathi and S. Qadeer, Iterative context bounding, 2007). Where the running thread waits or is done, every
 * choice is free.
 *
 * What is left out soundly: search_choose is asked before accesses to shared words only (A3 in arena.c). Accesses to other
 * words commute with all that other threads do, so a preemption before one of them leads where the same preemption before the
 * thread's next access to a shared word leads, at the same price. Which words are shared is found out on the way; when one more
 * is found, the bound is begun anew. So at the end of a bound no execution has had a conflict on a word that was passed over.
 * Before the first bound with preemptions some executions wander at random, only to find out: then bounds are seldom begun
 * anew.
 *
 * Not done: persistent sets and sleep sets. With a bound on preemptions they are not sound as they are, since the order that
 * they keep of two equal ones may be the one that takes more preemptions; the conservative repair (K. Coons et al., Bounded
 * partial-order reduction, 2013) adds back most of the points where these scenarios spend their executions.
 *
 * With every word taken for a shared one, scenarios of two threads have the same outcomes, in 1.3 to 160 times as many
 * interleavings (locks, which share nearly all; the trie in a growth, which shares nearly nothing).
 */
#include "explorer.h"

#include "base/rng.h"

enum { most_choices = 1 << 15 }; /* more than an execution may have accesses (machine.c) */

typedef struct choice {
    uint32_t able;
    int8_t current;
    uint8_t taken, options, before; /* taken: which of the options; before: preemptions up to here */
} choice;

static choice choices[most_choices];
static uint32_t length, depth;
static unsigned limit, preemptions;
static bool diverged;
static bool wandering;
static gm_xoshiro steps; /* of a wandering */

static unsigned count_bits(uint32_t bits)
{
    return (unsigned)__builtin_popcount(bits);
}

/* The option-th thread: the current one first, then by number. */
static unsigned thread_of(uint32_t able, int current, unsigned option)
{
    if (current >= 0 && option == 0)
        return (unsigned)current;
    if (current >= 0) {
        able &= ~(1u << current);
        option--;
    }
    while (option--)
        able &= able - 1;
    return (unsigned)__builtin_ctz(able);
}

/* From the beginning of an execution. */
static void start_over(void)
{
    depth = 0;
    preemptions = 0;
    diverged = false;
}

void search_rewind(void)
{
    length = 0;
    start_over();
}

void search_begin(unsigned bound)
{
    limit = bound;
    wandering = false;
    search_rewind();
}

void search_wander(uint64_t seed)
{
    wandering = true;
    gm_xoshiro_seed(&steps, seed);
    start_over();
}

/* Stays with a thread three times in four. */
static unsigned wander(uint32_t able, int current)
{
    uint64_t r = gm_xoshiro_next(&steps);
    return current >= 0 && r % 4 ? (unsigned)current : thread_of(able, current, (unsigned)(r >> 32) % count_bits(able));
}

bool search_diverged(void)
{
    return diverged;
}

unsigned search_choose(uint32_t able, int current)
{
    if (wandering)
        return wander(able, current);
    if (current >= 0 && preemptions == limit)
        return thread_of(able, current, 0);
    if (depth == length)
        choices[length++] = (choice){able, (int8_t)current, 0, (uint8_t)count_bits(able), (uint8_t)preemptions};
    choice *c = &choices[depth++];
    if (c->able != able || c->current != current) {
        diverged = true;
        return thread_of(able, current, 0);
    }
    preemptions += current >= 0 && c->taken > 0;
    return thread_of(able, current, c->taken);
}

bool search_next(void)
{
    while (length > 0) {
        choice *last = &choices[length - 1];
        if (++last->taken < last->options) {
            start_over();
            return true;
        }
        length--;
    }
    return false;
}
