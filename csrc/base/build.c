/* build.c: how the core was made, for whoever reads a measurement later.
 *
 * The build (gomap/_build.py) passes flags and commit; built otherwise they are empty.
 */
#include "gomap.h"

#ifndef GM_FLAGS
#define GM_FLAGS ""
#endif
#ifndef GM_COMMIT
#define GM_COMMIT ""
#endif

const char *gm_build_info(int part)
{
#if defined(__clang__)
    static const char compiler[] = __VERSION__;
#else
    static const char compiler[] = "GCC " __VERSION__;
#endif
    return part == GM_BUILD_COMPILER ? compiler : part == GM_BUILD_FLAGS ? GM_FLAGS : part == GM_BUILD_COMMIT ? GM_COMMIT : "";
}
