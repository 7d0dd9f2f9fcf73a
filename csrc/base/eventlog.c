/* eventlog.c: a ring of events that any number of threads write and read, and nobody waits.
 *
 *     pushed 21    entries  [ 17 ][ 18 ][ 19 ][ 20 ][ 13 ][ 14 ][ 15 ][ 16 ]    each with the number of the event in it
 *                             ^ event 16 is in entry 16 % 8, and says 17: numbers are from 1, 0 is "being written"
 *
 *   push   takes a number, marks the entry as being written, writes it word by word, stores the number
 *   read   takes an entry's words if its number is the same before and after
 *
 * ORDER
 *   L1  number (release) after the words - number (acquire) before them: who finds the number finds the words.
 *   L2  "being written" before the words, which are release stores - words (acquire), number again: who took a word of a later
 *       event finds that the number has changed.
 *   L3  Two writers a whole round apart could meet in one entry: the one that was overtaken by `cap` events writes nothing if
 *       it sees that. What it may still mix up is an event of a log, no address; with hundreds of entries and some growths a
 *       second it would have to sleep for minutes between two stores.
 *
 * base/ring.c is for one writer at a time and grows with its use; this one is as large as it was made.
 */
#include "base/eventlog.h"

struct gm_eventlog_entry {
    _Atomic uint64_t number, at_ns, op, n, took_ns, what; /* what: kind, from_B, to_B in a byte each */
};

size_t gm_eventlog_size(uint32_t cap)
{
    return cap * sizeof(gm_eventlog_entry);
}

void gm_eventlog_init(gm_eventlog *l, void *entries, uint32_t cap, uint32_t kinds)
{
    l->entries = entries;
    l->cap = cap;
    l->kinds = kinds;
}

void gm_eventlog_push(gm_eventlog *l, const gm_event *e)
{
    if (l->cap == 0 || !(l->kinds >> e->kind & 1))
        return;
    uint64_t i = gm_add_rlx(&l->pushed, 1); /* a number, ordering nothing */
    gm_eventlog_entry *to = &l->entries[i % l->cap];
    if (gm_load_rlx(&to->number) > i)
        return;                         /* L3 */
    gm_store_rlx(&to->number, 0);       /* before the stores below, which are releases (L2) */
    gm_store_rel(&to->at_ns, e->at_ns); /* this and what follows pairs with get_entry (L2) */
    gm_store_rel(&to->op, e->op);
    gm_store_rel(&to->n, e->n);
    gm_store_rel(&to->took_ns, e->took_ns);
    gm_store_rel(&to->what, (uint64_t)e->kind | (uint64_t)e->from_B << 8 | (uint64_t)e->to_B << 16);
    gm_store_rel(&to->number, i + 1); /* pairs with get_entry (L1) */
}

static bool get_entry(gm_eventlog *l, uint64_t i, gm_event *out)
{
    gm_eventlog_entry *from = &l->entries[i % l->cap];
    if (gm_load_acq(&from->number) != i + 1) /* pairs with push (L1) */
        return false;
    *out = (gm_event){.at_ns = gm_load_acq(&from->at_ns), /* these pair with push (L2) */
                      .op = gm_load_acq(&from->op),
                      .n = gm_load_acq(&from->n),
                      .took_ns = gm_load_acq(&from->took_ns)};
    uint64_t what = gm_load_acq(&from->what);
    out->kind = (int32_t)(what & 0xFF);
    out->from_B = (uint8_t)(what >> 8);
    out->to_B = (uint8_t)(what >> 16);
    return gm_load_rlx(&from->number) == i + 1; /* after the loads above, which are acquires */
}

size_t gm_eventlog_read(gm_eventlog *l, gm_event *out, size_t cap, uint64_t *dropped)
{
    uint64_t pushed = l->cap ? gm_load_rlx(&l->pushed) : 0, first = pushed > l->cap ? pushed - l->cap : 0;
    size_t n = 0;
    gm_event e;
    for (uint64_t i = first; i < pushed; i++) {
        if (!get_entry(l, i, &e))
            continue;
        if (n < cap)
            out[n] = e;
        n++;
    }
    if (dropped)
        *dropped = pushed - n;
    return n;
}
