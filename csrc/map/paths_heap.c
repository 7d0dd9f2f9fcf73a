/* paths_heap.c: the forms of path.inc.h for maps whose memory is a collector's (told.h, collector.h).
 *
 * A file of its own, as paths_knobs.c is and for the same reason; what is told to a collector is compiled here and nowhere
 * else. They do what the map's knobs say, too: a map with a collector has no other forms.
 */
#define GM_COLLECTED 1
#include "map/elems.h"
#include "map/hmap.h"
#include "map/keys.h"
#include "map/told.h"

#define PATH_PROBED 1
#define PATH_SCALAR 0
#define PATH_KNOBS 1
#define PATH_PLAIN_SUFFIX _heap
#include "map/paths.inc.h"

const gm_path *const gm_heap_paths[4] = {
    [pathSlow] = &slow_heap_table,
    [pathFast32] = &fast32_heap_table,
    [pathFast64] = &fast64_heap_table,
    [pathFastStr] = &faststr_heap_table,
};
