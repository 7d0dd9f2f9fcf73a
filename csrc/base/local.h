/* local.h: thread-local variables that cost one instruction to reach.
 *
 * By default a variable of a shared object that is loaded late is reached through a call (__tls_get_addr), some ten
 * instructions at each use; a get of a concurrent map is sixty. glibc keeps a surplus of static thread-local memory for
 * objects that are loaded late and ask for little: ours ask for about a hundred bytes. Other C libraries keep none.
 *
 * For the explorer of interleavings, whose threads take turns on one, they lie in a section of their own that is exchanged when
 * the turn passes; so do numbers that are given out once in a process, which begin anew with each execution.
 */
#ifndef GM_LOCAL_H
#define GM_LOCAL_H

#include <stdint.h> /* defines __GLIBC__ where there is one */

#if defined(GM_EXPLORE)
#define GM_THREAD_LOCAL __attribute__((section("gm_local")))
#define GM_PROCESS_WIDE __attribute__((section("gm_wide")))
#elif defined(__GLIBC__)
#define GM_THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define GM_THREAD_LOCAL _Thread_local
#endif

#if !defined(GM_PROCESS_WIDE)
#define GM_PROCESS_WIDE
#endif

#endif
