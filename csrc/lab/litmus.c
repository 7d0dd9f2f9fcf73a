/* litmus.c: a few calls of several threads on a few keys, again and again with fresh keys: what answers come together?
 *
 *     conductor   set up 64 rounds |                                          | last calls, delete the keys
 *     actor 0                      | round 0: x=1  y? | round 1: x=1  y? | .. |
 *     actor 1                      | round 0: y=1  x? | round 1: y=1  x? | .. |
 *
 * The recorder of histories (lab/history.c) draws operations, and a checker judges them. Here the calls are chosen, few enough
 * that all outcomes can be listed, and it is counted how often each comes: jcstress's way. A round has keys of its own, so
 * rounds do not disturb each other and no thread has to wait for all to be done before the next; rounds are done in batches, so
 * that the map stays small, and a range, which goes over the whole map, short.
 *
 *   M1  Actors begin a round close together: each says which round it is in, and waits a little, a bounded number of looks, for
 *       the others to say the same. It waits no longer, because where there are fewer CPUs than actors somebody is asleep.
 *       `met` counts the rounds in which the first actor saw all the others in it: a run that has met seldom has shown little.
 *   M2  Between setup and the actors' first call, and between their last call and the last steps, there is the gate's
 *       lock: what comes before has been, for everybody.
 *   M3  Nothing but the words of M1 is shared between the calls, and those are relaxed: no order is lent to the map that
 *       it does not make itself. (A fence here would hide a store that comes too late.)
 *   M4  After a run, refused or not, the map holds none of its keys, unless deleting them is refused.
 *
 * Rejected: a barrier for each round. With fewer CPUs than actors each is a switch of threads, 100 times as slow, and its
 * fences stand right before the calls.
 */
#include "base/atomics.h"
#include "base/thread.h"
#include "lab/feed.h"
#include "sync/sync.h"

#include <sched.h>
#include <string.h>

enum { BATCH = 64, LOOKS = 200, MOST_ACTORS = 16, MOST_STEPS = 64, MOST_KEYS = 16 };
static const uint64_t PATIENCE_NS = 1000000000;

typedef struct litmus litmus;

typedef struct actor {
    litmus *l;
    uint32_t number, first, n; /* its steps */
    uint64_t met;
    _Alignas(128) _Atomic uint64_t round; /* that it is in, from 1 on; relaxed (M3) */
} actor;

struct litmus {
    const gm_litmus_config *c;
    const gm_variant *v;
    gm_codec codec;
    gm_gate gate;
    uint64_t first, rounds; /* of this batch; written while all wait at the gate, whose lock hands them over (M2) */
    bool over;              /* as they are */
    _Atomic int bad;        /* the first refusal; relaxed: a hint meanwhile, and read behind the gate */
    uint64_t width;
    int64_t *answers;
    actor *actors;
};

/* ------------------------------------------------------------------ one step */

typedef struct seen {
    const litmus *l;
    uint64_t round;
    int64_t keys; /* a bit for each */
} seen;

static void write_key(const litmus *l, uint64_t round, uint32_t key, unsigned char *to)
{
    gm_codec_write(&l->codec, round * l->c->keys + key, false, to);
}

static bool visit(void *ctx, const void *key, size_t len, const void *elem)
{
    seen *s = ctx;
    unsigned char own[gm_key_bytes];
    (void)elem;
    for (uint32_t k = 0; k < s->l->c->keys; k++) {
        write_key(s->l, s->round, k, own);
        if (memcmp(own, key, len) == 0)
            s->keys |= INT64_C(1) << k;
    }
    return true;
}

static int call(const litmus *l, const gm_litmus_step *step, uint64_t round, int64_t *answer)
{
    void *self = l->c->target;
    unsigned char key[gm_key_bytes];
    size_t len = l->codec.size;
    seen s = {l, round, 0};
    int status;
    write_key(l, round, step->key, key);
    switch (step->op) {
    case GM_HISTORY_LOAD:
        return l->v->get(self, key, len, answer);
    case GM_HISTORY_STORE:
        return l->v->assign(self, key, len, &step->value, answer);
    case GM_HISTORY_DELETE:
        return l->v->del(self, key, len, answer);
    case GM_HISTORY_LOAD_OR_STORE:
        return l->v->load_or_store(self, key, len, &step->value, answer);
    case GM_HISTORY_COMPARE_AND_SWAP:
        return l->v->compare_and_swap(self, key, len, &step->expected, &step->value);
    case GM_HISTORY_COMPARE_AND_DELETE:
        return l->v->compare_and_swap(self, key, len, &step->expected, NULL);
    case GM_HISTORY_ADD:
        return l->v->add(self, key, len, step->value, answer);
    case GM_LITMUS_ASSIGN:
        return l->v->assign(self, key, len, &step->value, NULL);
    default:
        status = l->v->range(self, UINT64_MAX, visit, &s);
        *answer = s.keys;
        return status;
    }
}

/* The status and the answer become one number. */
static int64_t told(uint32_t op, int status, int64_t answer)
{
    switch (op) {
    case GM_HISTORY_COMPARE_AND_SWAP:
    case GM_HISTORY_COMPARE_AND_DELETE:
        return status == GM_OK;
    case GM_HISTORY_ADD:
    case GM_LITMUS_RANGE:
        return answer;
    default:
        return status == GM_OK ? answer : INT64_MIN;
    }
}

/* answers: the round's from the first of these steps on, or NULL. False: a call was refused. */
static bool do_steps(litmus *l, const gm_litmus_step *steps, uint32_t n, uint64_t round, int64_t *answers)
{
    for (uint32_t i = 0; i < n; i++) {
        int64_t answer = 0;
        int status = call(l, &steps[i], round, &answer);
        if (status < 0) {
            gm_store_rlx(&l->bad, status);
            return false;
        }
        if (answers)
            answers[i] = told(steps[i].op, status, answer);
    }
    return true;
}

/* ------------------------------------------------------------------ the actors */

static bool all_in(const litmus *l, uint64_t round)
{
    for (uint32_t i = 0; i < l->c->actors; i++)
        if (gm_load_rlx(&l->actors[i].round) != round)
            return false;
    return true;
}

/* M1; the loads and stores of `round` pair with those of the other actors, relaxed. */
static void meet(actor *a, uint64_t round)
{
    gm_store_rlx(&a->round, round);
    for (int look = 0; look < LOOKS; look++) {
        if (all_in(a->l, round)) {
            a->met++;
            return;
        }
        gm_relax();
    }
    sched_yield();
}

static void *actor_main(void *arg)
{
    actor *a = arg;
    litmus *l = a->l;
    if (l->c->cpus && !gm_thread_pin(l->c->cpus[a->number]))
        gm_store_rlx(&l->bad, GM_E_PIN);
    for (;;) {
        gm_gate_arrive(&l->gate);
        if (l->over)
            break;
        for (uint64_t r = l->first; r < l->first + l->rounds && gm_load_rlx(&l->bad) == GM_OK; r++) {
            meet(a, r + 1);
            do_steps(l, l->c->steps + a->first, a->n, r, l->answers + r * l->width + a->first);
        }
    }
    gm_gate_leave(&l->gate);
    return NULL;
}

/* ------------------------------------------------------------------ the conductor */

static void await_all(litmus *l, uint32_t n)
{
    while (!gm_gate_wait(&l->gate, n, PATIENCE_NS))
        ;
}

static int delete_keys(litmus *l)
{
    unsigned char key[gm_key_bytes];
    int worst = GM_OK;
    for (uint64_t r = l->first; r < l->first + l->rounds; r++)
        for (uint32_t k = 0; k < l->c->keys; k++) {
            write_key(l, r, k, key);
            int status = l->v->del(l->c->target, key, l->codec.size, NULL);
            worst = status < 0 ? status : worst;
        }
    return worst;
}

/* While all actors wait at the gate, and so again afterwards. */
static int do_batch(litmus *l)
{
    const gm_litmus_config *c = l->c;
    bool right = delete_keys(l) == GM_OK;
    for (uint64_t r = l->first; r < l->first + l->rounds && right; r++)
        right = do_steps(l, c->setup, c->setup_n, r, NULL);
    if (right) {
        gm_gate_open(&l->gate);
        await_all(l, c->actors);
    }
    right = right && gm_load_rlx(&l->bad) == GM_OK;
    for (uint64_t r = l->first; r < l->first + l->rounds && right; r++)
        right = do_steps(l, c->final, c->final_n, r, l->answers + r * l->width + c->steps_n);
    int deleted = delete_keys(l), bad = gm_load_rlx(&l->bad);
    return bad != GM_OK ? bad : deleted;
}

static int do_batches(litmus *l)
{
    int status = gm_load_rlx(&l->bad);
    for (l->first = 0; l->first < l->c->rounds && status == GM_OK; l->first += l->rounds) {
        uint64_t left = l->c->rounds - l->first;
        l->rounds = left < BATCH ? left : BATCH;
        status = do_batch(l);
    }
    return status;
}

static int drive(litmus *l, const gm_spawner *spawner, uint64_t *met)
{
    gm_thread handles[MOST_ACTORS];
    int status = GM_OK;
    uint32_t n = 0;
    for (; n < l->c->actors && status == GM_OK; n += status == GM_OK)
        status = spawner->start(spawner->ctx, actor_main, &l->actors[n], &handles[n]);
    await_all(l, n);
    if (status == GM_OK)
        status = do_batches(l);
    l->over = true;
    gm_gate_open(&l->gate);
    for (uint32_t i = 0; i < n; i++)
        spawner->join(spawner->ctx, handles[i]);
    *met = l->actors[0].met;
    return status;
}

/* ------------------------------------------------------------------ making */

static bool sound_steps(const gm_litmus_config *c, const gm_litmus_step *steps, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (steps[i].key >= c->keys || steps[i].op >= GM_LITMUS_STEPS)
            return false;
    return n <= MOST_STEPS;
}

static bool sound(litmus *l)
{
    const gm_litmus_config *c = l->c;
    l->v = gm_variant_of(c->variant);
    return l->v && c->target && c->actors > 0 && c->actors <= MOST_ACTORS && c->keys > 0 && c->keys <= MOST_KEYS &&
           sound_steps(c, c->setup, c->setup_n) && sound_steps(c, c->steps, c->steps_n) &&
           sound_steps(c, c->final, c->final_n) && gm_codec_of(&l->codec, c->key_kind, c->key_size) &&
           c->rounds <= (gm_codec_most(&l->codec) - 1) / c->keys;
}

/* Each actor's steps; false: they do not stand together, in the order of the actors. */
static bool share_steps(litmus *l)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < l->c->actors; i++) {
        actor *a = &l->actors[i];
        *a = (actor){.l = l, .number = i, .first = at};
        while (at < l->c->steps_n && l->c->steps[at].actor == i)
            at++;
        a->n = at - a->first;
    }
    return at == l->c->steps_n;
}

static int run_in(litmus *l, const gm_spawner *spawner, uint64_t *met)
{
    const gm_variant *base = l->v;
    gm_usage_plan plan = {.threads = l->c->actors + 1, .exclusive = l->c->actors + 1};
    int status = base->enter(l->c->target);
    if (status != GM_OK)
        return status;
    l->v = base->begin(l->c->target, &plan);
    status = drive(l, spawner, met);
    base->end(l->c->target);
    base->leave(l->c->target);
    return status;
}

int gm_litmus_run(const gm_litmus_config *c, int64_t *answers, uint64_t *met)
{
    gm_spawner spawner = c->spawner ? *c->spawner : gm_spawner_default();
    litmus l = {.c = c, .width = (uint64_t)c->steps_n + c->final_n, .answers = answers};
    _Alignas(128) actor actors[MOST_ACTORS];
    l.actors = actors;
    if (!sound(&l) || !share_steps(&l))
        return GM_E_ARGUMENT;
    if (!gm_gate_init(&l.gate))
        return GM_E_NOMEM;
    int status = run_in(&l, &spawner, met);
    gm_gate_destroy(&l.gate);
    return status;
}
