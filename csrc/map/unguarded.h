/* unguarded.h: the operations of map/variant.h on one gm_map, for whoever keeps others out. */
#ifndef GM_UNGUARDED_H
#define GM_UNGUARDED_H

#include "map/hmap.h"

int gm_ung_get(gm_map *m, const void *key, size_t len, void *elem);
int gm_ung_assign(gm_map *m, const void *key, size_t len, const void *elem, void *old);
int gm_ung_del(gm_map *m, const void *key, size_t len, void *old);
int gm_ung_load_or_store(gm_map *m, const void *key, size_t len, const void *elem, void *actual);
int gm_ung_compare_and_swap(gm_map *m, const void *key, size_t len, const void *expected, const void *elem);
int gm_ung_add(gm_map *m, const void *key, size_t len, int64_t delta, int64_t *sum);

#endif
