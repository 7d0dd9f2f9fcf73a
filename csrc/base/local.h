/* local.h: thread-local variables that cost one instruction to reach.
 *
 * By default a variable of a shared object that is loaded late is reached through a call (__tls_get_addr), some ten
 * instructions at each use; a get of a concurrent map is sixty. glibc keeps a surplus of static thread-local memory for
 * objects that are loaded late and ask for little: ours ask for about a hundred bytes. Other C libraries keep none.
 */
#ifndef GM_LOCAL_H
#define GM_LOCAL_H

#include <stdint.h> /* defines __GLIBC__ where there is one */

#if defined(__GLIBC__)
#define GM_THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
#else
#define GM_THREAD_LOCAL _Thread_local
#endif

#endif
