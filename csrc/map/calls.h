/* calls.h: the functions of gomap.h by address, for a caller that is linked apart from this library: gomap/native, the
 * extension that Python's per-key calls go through. See calls.c. */
#ifndef GM_CALLS_H
#define GM_CALLS_H

#include "map/variant.h"

/* Go's hiter, as in gomap.h. */
typedef struct gm_iter_calls {
    int (*make)(gm_map *m, gm_iter **out);
    void (*drop)(gm_iter *it);
    int (*init)(gm_iter *it, int64_t start, int offset, void *key, void *elem);
    int (*next)(gm_iter *it, void *key, void *elem);
} gm_iter_calls;

#endif
