/* alloc.h: the C library's allocator, and huge pages, behind the `gm_alloc` interface of gomap.h; told in alloc.c. */
#ifndef GM_ALLOC_H
#define GM_ALLOC_H

#include "gomap.h"

/* Words this far apart are on different cache lines; twice a line of x86, which fetches lines in pairs. */
enum { gm_line_bytes = 128 };

gm_alloc gm_alloc_default(void);

/* The same, with what is large in huge pages where the system has them. */
gm_alloc gm_alloc_huge(void);

/* The same in small pages: no first touch zeroes more than one. */
gm_alloc gm_alloc_mapped(void);

/* Gives the system the whole pages of a part of such memory back, if it takes them. Its owner must not look at what is in it
 * again, and still releases it. */
void gm_alloc_discard(void *p, size_t size);

/* Memory that begins on a line of its own. release: NULL does nothing. */
void *gm_zalloc_lines(const gm_alloc *a, size_t size);
void gm_release_lines(const gm_alloc *a, void *p, size_t size);

#endif
