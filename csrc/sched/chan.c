/* chan.c: channels.
 *
 * Mirrors chansend and chanrecv of runtime/chan.go (Go 1.25) for elements of one word; without close and select.
 *
 *   send   to a waiting receiver directly; else into the buffer; else the goroutine waits in line with its value
 *   recv   from the buffer, whose place the first waiting sender's value takes; else from that sender; else it waits
 *
 *   D1  A waiter lies on its goroutine's stack. It is reached through the line only, under the lock; who takes it out of
 *       the line writes its value before making the goroutine ready, which orders it.
 *   D2  Nobody waits in line where something could be done at once: under the lock, the receivers' line is empty or the
 *       buffer and the senders' line are.
 *   D3  Values come out in the order in which they went in.
 */
#include "sched/chan.h"

struct gm_chan_waiter {
    gm_chan_waiter *next;
    gm_g *g;
    uint64_t value;
};

void gm_chan_init(gm_chan *c, uint64_t *ring, uint32_t room)
{
    *c = (gm_chan){.ring = ring, .room = room};
}

static gm_chan_waiter *first_of(gm_chan_line *l)
{
    gm_chan_waiter *w = l->first;
    if (w)
        l->first = w->next;
    return w;
}

/* Until somebody has taken w out of the line. */
static void wait_in(gm_chan *c, gm_chan_line *l, gm_chan_waiter *w)
{
    if (l->first)
        l->last->next = w;
    else
        l->first = w;
    l->last = w;
    gm_park(w->g, &c->lock);
}

static void buffer(gm_chan *c, uint64_t value)
{
    c->ring[(c->head + c->n) % c->room] = value;
    c->n++;
}

static uint64_t unbuffer(gm_chan *c)
{
    uint64_t value = c->ring[c->head];
    c->head = (c->head + 1) % c->room;
    c->n--;
    return value;
}

void gm_chan_send(gm_g *g, gm_chan *c, uint64_t value)
{
    gm_safepoint(g);
    gm_enter(g);
    gm_rt_lock(&c->lock);
    gm_chan_waiter *w = first_of(&c->receivers), own = {NULL, g, value};
    if (w) {
        w->value = value;
        gm_rt_unlock(&c->lock);
        gm_ready(g, w->g);
    } else if (c->n < c->room) {
        buffer(c, value);
        gm_rt_unlock(&c->lock);
    } else {
        wait_in(c, &c->senders, &own);
    }
    gm_leave(g);
}

uint64_t gm_chan_recv(gm_g *g, gm_chan *c)
{
    gm_safepoint(g);
    gm_enter(g);
    gm_rt_lock(&c->lock);
    gm_chan_waiter own = {NULL, g, 0}, *w = NULL;
    if (c->n == 0 && !c->senders.first) {
        wait_in(c, &c->receivers, &own);
    } else {
        w = first_of(&c->senders);
        if (c->n > 0) {
            own.value = unbuffer(c);
            if (w)
                buffer(c, w->value);
        } else {
            own.value = w->value;
        }
        gm_rt_unlock(&c->lock);
    }
    if (w)
        gm_ready(g, w->g);
    gm_leave(g);
    return own.value;
}
