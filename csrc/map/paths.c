/* paths.c: the compiled forms of path.inc.h and the table that a map chooses from.
 *
 *                  any hasher    compiled for AES-NI
 *   slow           keyany        (the hash is a call in any case: its cost is in the key, not in the call)
 *   fast32         key4          key4
 *   fast64         key8          key8
 *   faststr        keystr        keystr
 *
 * and each of the seven once without and once with spans (base/probe.h): off is then not a test that fails, but another
 * piece of machine code. The four for any hasher are there a third time with Go's way of reading (GM_SEARCH_SCALAR): in Go,
 * too, the hash is a call. paths.inc.h makes the forms of one kind.
 * Those with the map's knobs stand in paths_knobs.c.
 *
 * One indirect call per operation, or per batch, chooses the form; inside there is none: the key compare and, on the
 * AES-NI forms, the hash are inlined.
 */
#include "map/elems.h"
#include "map/hmap.h"
#include "map/keys.h"
#include "map/told.h"

#define PATH_PROBED 0
#define PATH_SCALAR 0
#define PATH_KNOBS 0
#define PATH_PLAIN_SUFFIX
#define PATH_NI_SUFFIX _ni
#include "map/paths.inc.h"
#undef PATH_PROBED
#undef PATH_SCALAR
#undef PATH_KNOBS
#undef PATH_PLAIN_SUFFIX
#undef PATH_NI_SUFFIX

#define PATH_PROBED 1
#define PATH_SCALAR 0
#define PATH_KNOBS 0
#define PATH_PLAIN_SUFFIX _probed
#define PATH_NI_SUFFIX _ni_probed
#include "map/paths.inc.h"
#undef PATH_PROBED
#undef PATH_SCALAR
#undef PATH_KNOBS
#undef PATH_PLAIN_SUFFIX
#undef PATH_NI_SUFFIX

#define PATH_PROBED 0
#define PATH_SCALAR 1
#define PATH_KNOBS 0
#define PATH_PLAIN_SUFFIX _scalar
#include "map/paths.inc.h"

#if GM_HAVE_NI
#define NI(name, suffix) &name##_ni##suffix##_table
#else
#define NI(name, suffix) &name##suffix##_table /* never chosen: no map has GM_HASH_AES here */
#endif
#define FORMS(suffix)                                                                                                          \
    {                                                                                                                          \
        [pathSlow] = {&slow##suffix##_table, &slow##suffix##_table},                                                           \
        [pathFast32] = {&fast32##suffix##_table, NI(fast32, suffix)},                                                          \
        [pathFast64] = {&fast64##suffix##_table, NI(fast64, suffix)},                                                          \
        [pathFastStr] = {&faststr##suffix##_table, NI(faststr, suffix)},                                                       \
    }

const gm_path *const gm_paths[2][4][2] = {FORMS(), FORMS(_probed)};

const gm_path *const gm_scalar_paths[4] = {
    [pathSlow] = &slow_scalar_table,
    [pathFast32] = &fast32_scalar_table,
    [pathFast64] = &fast64_scalar_table,
    [pathFastStr] = &faststr_scalar_table,
};
