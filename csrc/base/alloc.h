/* alloc.h: the C library's allocator behind the `gm_alloc` interface of gomap.h. */
#ifndef GM_ALLOC_H
#define GM_ALLOC_H

#include "gomap.h"

gm_alloc gm_alloc_default(void);

#endif
