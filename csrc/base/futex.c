/* futex.c: sleeping on a word until somebody wakes.
 *
 * Linux's futex; elsewhere a short nap, so that a waiter looks again twenty thousand times a second (correct, and slow).
 *
 *   X1  A wake between a waiter's look at the word and its sleep is not lost: the kernel compares the word again.
 *   X2  A wake may come for a word whose owner is gone (its stack frame has another use by now): it then wakes somebody who
 *       looks again, or nobody.
 */
#define _GNU_SOURCE /* syscall */
#include "base/futex.h"

#include "base/thread.h"

#if defined(__linux__)
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

void gm_futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

void gm_futex_wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

void gm_futex_wake_all(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
#else
void gm_futex_wait(_Atomic uint32_t *word, uint32_t expected)
{
    if (gm_load_rlx(word) == expected)
        gm_nap_ns(50000);
}

void gm_futex_wake(_Atomic uint32_t *word)
{
    (void)word;
}

void gm_futex_wake_all(_Atomic uint32_t *word)
{
    (void)word;
}
#endif
