/* paths.inc.h: the forms of path.inc.h, with spans or without (PATH_PROBED), with vector or scalar search (PATH_SCALAR), with
 * knobs or with Go's settings (PATH_KNOBS); of scalar and knobs only those for any hasher. Included by paths.c three times and
 * by paths_knobs.c and paths_heap.c.
 */

/* The forms for any hasher. */
#define PATH_FN static
#if PATH_SCALAR
#define PATH_HOT PATH_FN inline
#else
#define PATH_HOT PATH_FN GM_INLINE
#endif
#if PATH_KNOBS
#define PATH_HASH P(hash)
#else
#define PATH_HASH K(hash_any)
#endif
#define PATH_SUFFIX PATH_PLAIN_SUFFIX

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
#undef PATH_HOT
#undef PATH_HASH
#undef PATH_SUFFIX

#if GM_HAVE_NI && !PATH_SCALAR && !PATH_KNOBS
/* The forms compiled for AES-NI. */
#define PATH_FN GM_TARGET_AES static
#define PATH_HOT PATH_FN GM_INLINE
#define PATH_HASH K(hash_ni)
#define PATH_SUFFIX PATH_NI_SUFFIX

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
#undef PATH_HOT
#undef PATH_HASH
#undef PATH_SUFFIX
#endif
