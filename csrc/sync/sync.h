/* sync.h: the map designs of csrc/sync behind the table of map/variant.h. */
#ifndef GM_SYNC_H
#define GM_SYNC_H

#include "map/variant.h"

const gm_variant *gm_variant_of(int id); /* enum gm_variant_id; NULL: there is none */

extern const gm_variant gm_syncmap, gm_hashtrie;                                                   /* syncmap.c, hashtrie.c */
extern const gm_variant gm_lockfree;                                                               /* lockfree.c */
extern const gm_variant gm_locked_mutex, gm_locked_rwmutex, gm_locked_growlock, gm_locked_sharded; /* locked.c */

#endif
