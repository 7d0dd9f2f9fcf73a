/* on_queues.c: the queues of the scheduler: the run queues of Ps, and the queue that all share.
 *
 *   runq            one for each thread, by its number; the set-up owns that of thread 0
 *     put, put_next, get      into one's own, or from it
 *     fill n                  puts -1, -2 ... -n: so many that a ring is full
 *     steal v                 as a P that looks for work: from one's own; else half of v's ring, of which one is taken and the
 *                             others are in one's own afterwards
 *     steal_next v            v's runnext, if it is that still
 *     empty v                 1, or 0
 *   globq_list, globq_ring    one queue for all
 *     put, get
 *     take                    get, until there is one
 *
 * Items are numbers, and each is put once. What the calls do with them is written down as moves from one place to another, with
 * stamps of before the call and after it, and judged when all is over:
 *
 *     nowhere --put--> a queue --steal--> another queue --get--> nowhere
 *                         +--------- what overflows -----------> overflow
 *
 *   J5  An item is taken once: by a call, into the overflow of a put on a full ring, or by the last look, which empties all
 *       queues by their own get.
 *   J6  Of two items, one put when the putting of the other was over, the later one has not left that queue before the earlier
 *       one began to. Not where put_next is used, which is there to break this, and not of what overflows, which is the newest
 *       item with the older half.
 *   J7  A queue that is called empty was so at an instant of the call. What is looked for is the contrary for certain: an item
 *       whose coming was over when the call began, and whose leaving had not begun when it ended.
 *   J8  When all is over, the size of the shared queue is the number of items in it. So two inside of the list's lock are
 *       found, though nobody can come between two of the list's plain words.
 *
 * The ring has as many cells as items can be in it at once (Q3 in globq.c) and no more, so that few calls make turns go round.
 * That is counted from the operations: a get may find nothing, a take does not.
 */
#include "targets.h"

#include "base/alloc.h"
#include "base/thread.h"
#include "sched/globq.h"

enum { nowhere = -1, overflow = -2 };
enum { mostFill = 2 * gm_runq_len, mostItems = mostSetup + mostThreads * mostOps + mostFill, mostMoves = 8192 };
enum { mostLooks = mostSetup + mostThreads * mostOps };

typedef struct item {
    gm_link link;
    int64_t number;
    uint32_t taken;
} item;

typedef struct move {
    item *item;
    int from, to; /* a queue's number, nowhere or overflow */
    uint64_t began, ended;
} move;

/* A queue that was called empty. */
typedef struct look {
    int queue;
    unsigned thread;
    uint64_t began, ended;
} look;

typedef struct queues {
    gm_runq own[mostThreads];
    gm_globq shared;
    gm_rt_mutex lock;
} queues;

static const target *what;
static gm_alloc alloc;
static queues *all;
static item *items;
static uint32_t item_count;
static move moves[mostMoves];
static look looks[mostLooks];
static uint32_t move_count, look_count, kept_moves, kept_looks; /* kept: of the set-up */

/* ------------------------------------------------------------------ scenarios */

/* The n-th of all, the set-up's first; NULL: there are no more. */
static const operation *nth(const scenario *s, unsigned n)
{
    if (n < s->setup_count)
        return &s->setup[n];
    n -= s->setup_count;
    for (unsigned t = 0; t < s->threads; n -= s->op_count[t++])
        if (n < s->op_count[t])
            return &s->ops[t][n];
    return NULL;
}

/* Puts the items low to high; low > high: none. */
typedef struct span {
    int64_t low, high;
} span;

static span put_by(const operation *o)
{
    if (is(o, "fill"))
        return (span){-o->key, -1};
    if (is(o, "put") || is(o, "put_next"))
        return (span){o->key, o->key};
    return (span){1, 0};
}

static bool puts_again(const scenario *s, const operation *o)
{
    span own = put_by(o);
    const operation *other;
    for (unsigned n = 0; own.low <= own.high && (other = nth(s, n)); n++) {
        span p = put_by(other);
        if (other != o && p.low <= p.high && p.low <= own.high && own.low <= p.high)
            return true;
    }
    return false;
}

static bool steals(const operation *o)
{
    return is(o, "steal") || is(o, "steal_next");
}

static int queue_of(const target *t, unsigned thread)
{
    return t->which != runQueues || thread == mainLane ? 0 : (int)thread;
}

static bool has(const target *t, const operation *o)
{
    if (is(o, "put") || is(o, "get"))
        return true;
    if (t->which != runQueues)
        return is(o, "take");
    return is(o, "put_next") || is(o, "fill") || steals(o) || is(o, "empty");
}

static const char *queue_refuses(const target *t, const scenario *s, unsigned thread, const operation *o)
{
    if (!has(t, o))
        return "such a queue has no such operation";
    if (is(o, "fill") && (o->key < 1 || o->key > mostFill))
        return "fill puts 1 to 512 items";
    if ((steals(o) || is(o, "empty")) && (o->key < 0 || o->key >= s->threads))
        return "there is no thread of that number, whose queue it would be";
    if (steals(o) && o->key == queue_of(t, thread))
        return "a thief steals from others";
    return puts_again(s, o) ? "an item is put twice" : NULL;
}

/* How many can be in a shared queue at once. */
static uint32_t most_inside(const scenario *s)
{
    int inside = 0, most = 0;
    for (unsigned i = 0; i < s->setup_count; i++) {
        inside += is(&s->setup[i], "put") ? 1 : inside > 0 ? -1 : 0;
        most = inside > most ? inside : most;
    }
    for (unsigned t = 0; t < s->threads; t++) {
        int more = 0, peak = 0;
        for (unsigned i = 0; i < s->op_count[t]; i++) {
            more += is(&s->ops[t][i], "put") - is(&s->ops[t][i], "take");
            peak = more > peak ? more : peak;
        }
        inside += peak;
    }
    return (uint32_t)(inside > most ? inside : most);
}

static bool make_items(const scenario *s)
{
    const operation *o;
    item_count = 0;
    for (unsigned n = 0; (o = nth(s, n)); n++)
        item_count += (uint32_t)(put_by(o).high - put_by(o).low + 1);
    items = alloc.zalloc(alloc.ctx, (item_count + 1) * sizeof *items); /* a block, where there are none too */
    for (unsigned n = 0, made = 0; items && (o = nth(s, n)); n++)
        for (span p = put_by(o); p.low <= p.high; p.low++)
            items[made++].number = p.low;
    return items;
}

static int queue_make(const target *t, const scenario *s)
{
    uint32_t len = 2; /* with one cell, written and free again are the same turn */
    what = t;
    alloc = arena_alloc();
    move_count = look_count = 0;
    all = gm_zalloc_lines(&alloc, sizeof *all);
    if (!all || !make_items(s))
        return GM_E_NOMEM;
    if (t->which == runQueues)
        return GM_OK;
    while (len < most_inside(s))
        len *= 2;
    return gm_globq_init(&all->shared, (uint32_t)t->which, len, &all->lock, &alloc);
}

static void queue_begin(unsigned writers, unsigned threads)
{
    (void)writers;
    (void)threads;
    kept_moves = move_count;
    kept_looks = look_count;
}

static void queue_restart(void)
{
    move_count = kept_moves;
    look_count = kept_looks;
}

/* ------------------------------------------------------------------ operations */

static item *numbered(int64_t number)
{
    item *x = items;
    while (x->number != number)
        x++;
    return x;
}

/* J5 */
static void moved(gm_link *link, int from, int to, uint64_t began)
{
    item *x = (item *)link; /* its first member */
    if (!x)
        machine_fail(NOT_ONCE, "takes what was never put");
    if (to < 0 && x->taken++)
        machine_fail(NOT_ONCE, "item %lld is taken a second time", (long long)x->number);
    if (move_count == mostMoves)
        machine_fail(NO_MEMORY, "more moves of items than there is room for");
    moves[move_count++] = (move){x, from, to, began, machine_stamp()};
}

static void put(int queue, int64_t number, bool next)
{
    item *x = numbered(number);
    gm_list list = {0};
    uint64_t began = machine_stamp();
    if (what->which == runQueues) {
        gm_runq_put(&all->own[queue], &x->link, next, &list);
    } else {
        gm_list_add(&list, &x->link);
        gm_globq_put(&all->shared, &list);
    }
    moved(&x->link, nowhere, queue, began);
    for (gm_link *link; (link = gm_list_take(&list));)
        moved(link, queue, overflow, began);
}

static void fill(int queue, int64_t n)
{
    for (int64_t i = 1; i <= n; i++)
        put(queue, -i, false);
}

static gm_link *get(int queue)
{
    bool inherited;
    uint64_t began = machine_stamp();
    gm_link *link = what->which == runQueues ? gm_runq_get(&all->own[queue], &inherited) : gm_globq_get(&all->shared);
    if (link)
        moved(link, queue, nowhere, began);
    return link;
}

static gm_link *take(int queue)
{
    gm_link *link;
    while (!(link = get(queue))) /* another's is drawn and not written yet (Q4 in globq.c), or still to be put */
        gm_relax();
    return link;
}

/* Which were stolen is read from the thief's own ring, past gm_load_rlx: nobody else is to come there. */
static gm_link *steal(int own, int victim)
{
    gm_link *link = get(own);
    if (link)
        return link;
    gm_runq *q = &all->own[own];
    uint64_t began = machine_stamp();
    uint32_t n, at = atomic_load(&q->tail);
    link = gm_runq_steal(q, &all->own[victim], true, &n);
    for (uint32_t i = 0; i < n; i++) {
        gm_link *stolen = atomic_load(&q->slots[(at + i) % gm_runq_len]);
        moved(stolen, victim, stolen == link ? nowhere : own, began);
    }
    return link;
}

static gm_link *steal_next(int victim)
{
    uint64_t began = machine_stamp();
    gm_link *link = gm_runq_peek_next(&all->own[victim]);
    if (!link || !gm_runq_take_next(&all->own[victim], link))
        return NULL;
    moved(link, victim, nowhere, began);
    return link;
}

static bool is_empty(int queue, unsigned thread)
{
    uint64_t began = machine_stamp();
    bool empty = gm_runq_empty(&all->own[queue]);
    if (empty)
        looks[look_count++] = (look){queue, thread, began, machine_stamp()};
    return empty;
}

static gm_link *taken_by(const operation *o, int own)
{
    if (is(o, "get"))
        return get(own);
    if (is(o, "take"))
        return take(own);
    return is(o, "steal") ? steal(own, (int)o->key) : steal_next((int)o->key);
}

static void tell(answer *a, int status, int64_t value)
{
    a->tells = true;
    a->status = status;
    a->event.answer = value;
}

static void queue_run(const operation *o, unsigned thread, answer *a)
{
    int own = queue_of(what, thread);
    if (is(o, "put") || is(o, "put_next")) {
        put(own, o->key, is(o, "put_next"));
    } else if (is(o, "fill")) {
        fill(own, o->key);
    } else if (is(o, "empty")) {
        tell(a, GM_OK, is_empty((int)o->key, thread));
    } else {
        item *x = (item *)taken_by(o, own);
        tell(a, x ? GM_OK : GM_MISS, x ? x->number : 0);
    }
}

/* ------------------------------------------------------------------ afterwards */

/* J5, J8 */
static void drain(const scenario *s)
{
    uint32_t left = 0, size = what->which == runQueues ? 0 : gm_globq_size(&all->shared);
    for (unsigned t = 0; t < s->threads; t++)
        while (get(queue_of(what, t)))
            left++;
    for (uint32_t i = 0; i < item_count; i++)
        if (!items[i].taken)
            machine_fail(NOT_ONCE, "item %lld is lost", (long long)items[i].number);
    if (what->which != runQueues && size != left)
        machine_fail(BROKEN, "the queue's size is %u, and %u items are in it", size, left);
}

static bool reorders(const scenario *s)
{
    const operation *o;
    for (unsigned n = 0; (o = nth(s, n)); n++)
        if (is(o, "put_next"))
            return true;
    return false;
}

/* Of every item its put, and when it began to leave that queue first; NULL: it did so into an overflow. */
static void find_ways(const move **came, const move **left)
{
    memset(left, 0, item_count * sizeof *left);
    for (uint32_t i = 0; i < move_count; i++)
        if (moves[i].from == nowhere)
            came[moves[i].item - items] = &moves[i];
    for (uint32_t i = 0; i < move_count; i++) {
        const move *m = &moves[i], **first = &left[m->item - items];
        if (m->from == came[m->item - items]->to && m->to != overflow && (!*first || m->began < (*first)->began))
            *first = m;
    }
}

/* J6 */
static void check_order(void)
{
    static const move *came[mostItems], *left[mostItems];
    find_ways(came, left);
    for (uint32_t x = 0; x < item_count; x++)
        for (uint32_t y = 0; y < item_count; y++)
            if (left[x] && left[y] && came[x]->to == came[y]->to && came[x]->ended < came[y]->began &&
                left[y]->ended < left[x]->began)
                machine_fail(WRONG_ORDER, "item %lld, put after item %lld, left before it", (long long)items[y].number,
                             (long long)items[x].number);
}

/* Whether what has come may have left again before the look was over. */
static bool may_have_left(const move *came, const look *l)
{
    for (uint32_t i = 0; i < move_count; i++) {
        const move *m = &moves[i];
        if (m->item == came->item && m->from == l->queue && m->ended > came->began && m->began < l->ended)
            return true;
    }
    return false;
}

/* J7 */
static void check_look(const look *l)
{
    for (uint32_t i = 0; i < move_count; i++) {
        const move *m = &moves[i];
        if (m->to == l->queue && m->ended < l->began && !may_have_left(m, l))
            machine_fail(WRONG_EMPTY, "thread %c was told that queue %d is empty, and item %lld was there all the time",
                         'a' + (int)l->thread, l->queue, (long long)m->item->number);
    }
}

static void queue_check(const scenario *s)
{
    drain(s);
    if (!reorders(s))
        check_order();
    for (uint32_t i = 0; i < look_count; i++)
        check_look(&looks[i]);
    gm_globq_free(&all->shared);
    gm_release_lines(&alloc, all, sizeof *all);
    alloc.release(alloc.ctx, items, (item_count + 1) * sizeof *items);
}

const target_kind on_queues = {
    .refuses = queue_refuses,
    .make = queue_make,
    .begin = queue_begin,
    .restart = queue_restart,
    .run = queue_run,
    .check = queue_check,
};
