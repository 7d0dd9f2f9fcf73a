/* alloc.h: the C library's allocator behind the `gm_alloc` interface of gomap.h. */
#ifndef GM_ALLOC_H
#define GM_ALLOC_H

#include "gomap.h"

/* Words this far apart are on different cache lines; twice a line of x86, which fetches lines in pairs. */
enum { gm_line_bytes = 128 };

gm_alloc gm_alloc_default(void);

#endif
