/* paths_knobs.c: the forms of path.inc.h that do what the map's knobs say (knobs.c); in all others these are constants.
 *
 * A file of its own: how much a compiler inlines depends on all that it compiles at once, and these forms must not change the
 * machine code of those in paths.c (K1 in knobs.c).
 */
#include "map/elems.h"
#include "map/hmap.h"
#include "map/keys.h"
#include "map/told.h"

#define PATH_PROBED 1
#define PATH_SCALAR 0
#define PATH_KNOBS 1
#define PATH_PLAIN_SUFFIX _knobs
#include "map/paths.inc.h"

const gm_path *const gm_knob_paths[4] = {
    [pathSlow] = &slow_knobs_table,
    [pathFast32] = &fast32_knobs_table,
    [pathFast64] = &fast64_knobs_table,
    [pathFastStr] = &faststr_knobs_table,
};
