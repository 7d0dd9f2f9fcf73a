/* paths.c: the seven compiled forms of path.inc.h and the table that a map chooses from.
 *
 *                  any hasher    compiled for AES-NI
 *   slow           keyany        (the hash is a call in any case: its cost is in the key, not in the call)
 *   fast32         key4          key4
 *   fast64         key8          key8
 *   faststr        keystr        keystr
 *
 * One indirect call per operation, or per batch, chooses the form; inside there is none: the key compare and, on the
 * AES-NI forms, the hash are inlined.
 */
#include "map/elems.h"
#include "map/hmap.h"
#include "map/keys.h"

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define P(name) JOIN(PATH_NAME, name)
#define K(name) JOIN(PATH_KEYS, name)

/* The forms for any hasher. */
#define PATH_FN static
#define PATH_HASH K(hash_any)

#define PATH_NAME slow
#define PATH_KEYS keyany
#include "map/path.inc.h"
#undef PATH_NAME
#undef PATH_KEYS

#define PATH_NAME fast32
#define PATH_KEYS key4
#include "map/path.inc.h"
#undef PATH_NAME
#undef PATH_KEYS

#define PATH_NAME fast64
#define PATH_KEYS key8
#include "map/path.inc.h"
#undef PATH_NAME
#undef PATH_KEYS

#define PATH_NAME faststr
#define PATH_KEYS keystr
#include "map/path.inc.h"
#undef PATH_NAME
#undef PATH_KEYS

#undef PATH_FN
#undef PATH_HASH

#if GM_HAVE_NI
/* The forms compiled for AES-NI. */
#define PATH_FN GM_TARGET_AES static
#define PATH_HASH K(hash_ni)

#define PATH_NAME fast32_ni
#define PATH_KEYS key4
#include "map/path.inc.h"
#undef PATH_NAME
#undef PATH_KEYS

#define PATH_NAME fast64_ni
#define PATH_KEYS key8
#include "map/path.inc.h"
#undef PATH_NAME
#undef PATH_KEYS

#define PATH_NAME faststr_ni
#define PATH_KEYS keystr
#include "map/path.inc.h"
#undef PATH_NAME
#undef PATH_KEYS

#define NI(name) &name##_ni_table
#else
#define NI(name) &name##_table /* never chosen: no map has GM_HASH_AES here */
#endif

const gm_path *const gm_paths[4][2] = {
    [pathSlow] = {&slow_table, &slow_table},
    [pathFast32] = {&fast32_table, NI(fast32)},
    [pathFast64] = {&fast64_table, NI(fast64)},
    [pathFastStr] = {&faststr_table, NI(faststr)},
};
