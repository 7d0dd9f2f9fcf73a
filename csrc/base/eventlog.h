/* eventlog.h: the newest events of a map that many threads report to; the design is told in eventlog.c. */
#ifndef GM_EVENTLOG_H
#define GM_EVENTLOG_H

#include "base/atomics.h"
#include "gomap.h"

typedef struct gm_eventlog_entry gm_eventlog_entry;

typedef struct gm_eventlog {
    gm_eventlog_entry *entries;
    uint32_t cap;   /* 0: events are off */
    uint32_t kinds; /* bit k: kind k is wanted */
    _Atomic uint64_t pushed;
} gm_eventlog;

size_t gm_eventlog_size(uint32_t cap); /* bytes of its entries, which are zeroed memory of the owner's */
void gm_eventlog_init(gm_eventlog *l, void *entries, uint32_t cap, uint32_t kinds);
void gm_eventlog_push(gm_eventlog *l, const gm_event *e);
size_t gm_eventlog_read(gm_eventlog *l, gm_event *out, size_t cap, uint64_t *dropped); /* oldest first; returns how many */

#endif
