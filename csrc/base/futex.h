/* futex.h: sleeping on a word until somebody wakes; told in futex.c. */
#ifndef GM_FUTEX_H
#define GM_FUTEX_H

#include "base/atomics.h"

/* Sleeps while *word is `expected`; may return at any time. */
void gm_futex_wait(_Atomic uint32_t *word, uint32_t expected);
void gm_futex_wake(_Atomic uint32_t *word); /* one sleeper, if there is one */
void gm_futex_wake_all(_Atomic uint32_t *word);

#endif
