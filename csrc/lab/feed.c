/* feed.c: what a thread of a workload does next: kind, key and, in an open loop, instant.
 *
 * A thread draws its requests in blocks, before it does them, so that drawing is never inside a measured operation. What it
 * draws depends on the workload, its seed and the thread's number only, never on time or on other threads.
 *
 * KEYS. A key is an index, written as content by a codec (the same on every machine):
 *
 *     int64, float64   the index; absent keys -1 - index
 *     int32, uint32    the low 31 bits of the index; absent keys have the top bit
 *     str              16 hexadecimal digits of the index; absent keys begin with f
 *     bytesN           the index from the lowest byte on, then zeros; absent keys have the top bit of the last byte that an
 *                      index can reach (the 8th, or the last)
 *
 *   get, assign, load_or_store, add, replace, incr   a key of the stream
 *   get_miss      a key of the stream, in its absent form
 *   assign_new    a key that never was: thread t of T takes the next of the indices t, t + T, t + 2T, ... from the larger of
 *                 size and keyspace on
 *   delete        beside assign_new: the oldest key of its own, first of those filled in (t, t + T, ...), then of the new ones;
 *                 else a key of the stream
 *   iterate, len  none
 *
 * So with as many deletes as assigns of new keys a map keeps its size while its keys move on; the stream moves with them:
 * what it draws is counted from the oldest key that the thread has not deleted, up to the newest. `latest` counts back from the
 * newest instead: those that the new ones are counted from, and what this thread has added (T at a time). Of several threads
 * one may so take a key that another is only about to add.
 *
 * SEEDS. Four generators a thread, for keys, kinds, instants; seed of part p of thread t: gm_seed_of(seed, 4t + p), p = 0 keys,
 * 1 kinds, 2 instants. Number 4t + 3 of thread 0 shuffles the order in which the map is filled.
 *
 * INSTANTS. Fixed: request i of lane l of L is due at (i * L + l) / rate, so that the group as a whole is evenly spaced.
 * Poisson: exponential distances of mean L / rate; together again a Poisson process.
 *
 * TRACE. Lane l of L takes operations l, l + L, l + 2L, ...; after the last comes the first again. With a mix, the kinds come
 * from the mix and only the keys from the trace.
 *
 *   F1  With one seed a thread's requests are the same, however they are cut into blocks.
 */
#include "lab/feed.h"

#include "base/portable_math.h"

#include <string.h>

bool gm_codec_of(gm_codec *c, int key_kind, size_t key_size)
{
    *c = (gm_codec){.key_kind = key_kind, .size = (uint32_t)key_size};
    if (key_kind == GM_STRING)
        c->size = 16;
    c->stride = (c->size + 7) / 8 * 8;
    return c->size >= 3 && c->size <= gm_key_bytes;
}

static void write_hex(uint64_t index, bool absent, unsigned char *to)
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 15; i >= 0; i--, index >>= 4)
        to[i] = (unsigned char)digits[index & 15];
    if (absent)
        to[0] = 'f';
}

static void write_number(const gm_codec *c, uint64_t index, bool absent, unsigned char *to)
{
    if (c->size == 8) {
        uint64_t v = absent ? ~index : index;
        memcpy(to, &v, 8);
    } else {
        uint32_t v = (uint32_t)(index & 0x7FFFFFFF) | (absent ? 0x80000000u : 0);
        memcpy(to, &v, 4);
    }
}

static void write_bytes(const gm_codec *c, uint64_t index, bool absent, unsigned char *to)
{
    uint32_t reach = c->size < 8 ? c->size : 8;
    memset(to, 0, c->size);
    for (uint32_t i = 0; i < reach; i++)
        to[i] = (unsigned char)(index >> (8 * i));
    to[reach - 1] = (unsigned char)((to[reach - 1] & 0x7F) | (absent ? 0x80 : 0));
}

uint64_t gm_codec_most(const gm_codec *c)
{
    bool wide = c->key_kind == GM_STRING || c->size >= 8;
    return (uint64_t)1 << (wide || c->size == 7 ? 53 : 8 * c->size - 1); /* above 2^53 a float64 is no more exact */
}

void gm_codec_write(const gm_codec *c, uint64_t index, bool absent, unsigned char *to)
{
    if (c->key_kind == GM_FLOAT64) {
        double v = absent ? -1 - (double)index : (double)index;
        memcpy(to, &v, 8);
    } else if (c->key_kind == GM_STRING) {
        write_hex(index, absent, to);
    } else if (c->size == 8 || c->size == 4) {
        write_number(c, index, absent, to);
    } else {
        write_bytes(c, index, absent, to);
    }
}

/* ------------------------------------------------------------------ */

/* The cumulated shares of the mix as bounds for a draw of 64 bits. */
static bool set_mix(gm_feed *f, const double *mix)
{
    double sum = 0;
    for (int op = 0; op < GM_OPS; op++) {
        if (!(mix[op] >= 0))
            return false;
        if (mix[op] == 0)
            continue;
        sum += mix[op];
        f->kind[f->nkinds] = (uint8_t)op;
        f->below[f->nkinds++] = sum / 100 >= 1 ? UINT64_MAX : (uint64_t)(sum / 100 * 0x1p64);
    }
    if (!(sum > 99.999999 && sum < 100.000001))
        return false;
    f->below[f->nkinds - 1] = UINT64_MAX;
    return true;
}

bool gm_feed_init(gm_feed *f, const gm_group *g, const gm_codec *codec, gm_place at, const gm_run_config *c, double ns_per_tick)
{
    f->g = g;
    f->codec = *codec;
    f->at = at;
    f->keyspace = c->keyspace;
    f->first_new = c->size > c->keyspace ? c->size : c->keyspace;
    f->filled = c->size / at.threads + (at.thread < c->size % at.threads);
    f->newest = f->filled;
    gm_stream_config keys = g->keys;
    keys.n = keys.kind == GM_STREAM_LATEST ? f->first_new : c->keyspace;
    keys.n = keys.n ? keys.n : 1;
    keys.seed = gm_seed_of(c->seed, 4 * (uint64_t)at.thread);
    gm_xoshiro_seed(&f->kinds, gm_seed_of(c->seed, 4 * (uint64_t)at.thread + 1));
    gm_xoshiro_seed(&f->gaps, gm_seed_of(c->seed, 4 * (uint64_t)at.thread + 2));
    if (g->rate != 0) {
        if (!(g->rate >= 1e-9 && g->rate <= 1e9))
            return false;
        f->gap = 1e9 / g->rate * at.lanes / ns_per_tick;
    }
    bool synthetic = g->mix[GM_OP_GET_MISS] > 0 || g->mix[GM_OP_ASSIGN_NEW] > 0; /* keys that a trace cannot have */
    if (g->trace && (g->trace->n == 0 || (!g->trace->ops && synthetic)))
        return false;
    f->cursor = g->trace ? at.lane % g->trace->n : 0;
    if (!g->trace && !gm_stream_init(&f->keys, &keys))
        return false;
    if (!(g->trace && g->trace->ops) && !set_mix(f, g->mix))
        return false;
    for (unsigned i = 0; i < gm_feed_block; i++) {
        f->requests[i].key = f->bytes + (size_t)i * codec->stride; /* where it stays, but for traces */
        f->requests[i].len = codec->size;
        f->requests[i].op = f->kind[0];
    }
    f->plain = !g->trace;
    for (unsigned k = 0; k < f->nkinds; k++) {
        f->moves = f->moves || f->kind[k] == GM_OP_ASSIGN_NEW;
        f->plain = f->plain && f->kind[k] < GM_OP_FILL && f->kind[k] != GM_OP_DELETE;
    }
    return true;
}

static uint8_t draw_kind(gm_feed *f)
{
    uint64_t r = gm_xoshiro_next(&f->kinds);
    unsigned k = 0;
    while (r >= f->below[k] && k + 1 < f->nkinds)
        k++;
    return f->kind[k];
}

static double draw_due(gm_feed *f, uint64_t number)
{
    if (!f->g->poisson)
        return f->gap * ((double)(number - f->restarted) + (double)f->at.lane / (double)f->at.lanes);
    double u = (double)((gm_xoshiro_next(&f->gaps) >> 11) + 1) * 0x1p-53; /* above 0, up to 1 */
    return f->due += -gm_log(u) * f->gap;
}

/* The n-th index that is this thread's: of the keys that the map is filled with, and beyond. */
static uint64_t own_key(const gm_feed *f, uint64_t n)
{
    uint64_t first = n < f->filled ? 0 : f->first_new;
    return first + f->at.thread + (n < f->filled ? n : n - f->filled) * f->at.threads;
}

static void take_of_trace(gm_feed *f, gm_request *r)
{
    const gm_trace *t = f->g->trace;
    uint64_t i = f->cursor;
    const unsigned char *keys = t->keys;
    r->key = t->offsets ? keys + t->offsets[i] : keys + i * f->codec.size;
    r->len = t->offsets ? (uint32_t)(t->offsets[i + 1] - t->offsets[i]) : f->codec.size;
    if (t->ops)
        r->op = t->ops[i];
    if (t->ops && t->values)
        r->value = t->values[i];
    f->cursor = (i + f->at.lanes) % t->n;
}

/* The thread's own key that an operation takes, if it takes one. */
static bool takes_own_key(gm_feed *f, uint8_t op, uint64_t *index)
{
    if (op == GM_OP_ASSIGN_NEW)
        *index = own_key(f, f->newest++);
    else if (op == GM_OP_DELETE && f->moves && f->oldest < f->newest)
        *index = own_key(f, f->oldest++);
    else
        return false;
    return true;
}

static bool takes_no_key(uint8_t op)
{
    return op == GM_OP_LEN || op == GM_OP_ITERATE;
}

/* As many keys as there are requests, each for its own: drawn together and written in one loop. */
static void draw_plain_keys(gm_feed *f, unsigned n)
{
    gm_stream_draw(&f->keys, f->drawn, n);
    if (f->codec.key_kind == GM_MEM && f->codec.size == 8) {
        memcpy(f->bytes, f->drawn, 8 * (size_t)n);
        return;
    }
    for (unsigned i = 0; i < n; i++)
        gm_codec_write(&f->codec, (uint64_t)f->drawn[i], false, f->bytes + i * f->codec.stride);
}

/* Where the stream's keys lie when keys move on: from the oldest on, and none that is still to be new. */
static void window(const gm_feed *f, uint64_t *base, uint64_t *span)
{
    uint64_t end = f->first_new + (f->newest - f->filled) * f->at.threads;
    *base = f->oldest <= f->filled ? f->oldest * f->at.threads : own_key(f, f->oldest) - f->at.thread;
    if (*base >= end) /* all deleted: the last one that there was */
        *base = end - 1;
    *span = end - *base;
}

/* Keys of the stream for those of n requests that wait[] for one: drawn together, in order. */
static void draw_of_stream(gm_feed *f, const uint8_t *wait, unsigned n)
{
    uint64_t base = 0, span = UINT64_MAX;
    if (f->moves && f->g->keys.kind != GM_STREAM_LATEST)
        window(f, &base, &span);
    gm_stream_draw(&f->keys, f->drawn, n);
    for (unsigned i = 0; i < n; i++) {
        const gm_request *r = &f->requests[wait[i]];
        unsigned char *to = f->bytes + wait[i] * f->codec.stride;
        uint64_t drawn = (uint64_t)f->drawn[i], index = base + (drawn < span ? drawn : drawn % span);
        gm_codec_write(&f->codec, index, r->op == GM_OP_GET_MISS, to);
    }
}

/* The keys of n requests whose kinds are known. Whatever moves the stream ends what is drawn together (F1). */
static void draw_keys(gm_feed *f, unsigned n)
{
    uint8_t wait[gm_feed_block];
    unsigned waiting = 0;
    bool latest = f->g->keys.kind == GM_STREAM_LATEST;
    for (unsigned i = 0; i < n; i++) {
        uint64_t index;
        uint8_t op = f->requests[i].op;
        if (takes_no_key(op))
            continue;
        if (f->moves && (op == GM_OP_ASSIGN_NEW || (op == GM_OP_DELETE && !latest))) {
            draw_of_stream(f, wait, waiting);
            waiting = 0;
        }
        if (!takes_own_key(f, op, &index)) {
            wait[waiting++] = (uint8_t)i;
            continue;
        }
        gm_codec_write(&f->codec, index, false, f->bytes + i * f->codec.stride);
        if (latest && op == GM_OP_ASSIGN_NEW)
            gm_stream_grow(&f->keys, f->first_new + (f->newest - f->filled) * f->at.threads);
    }
    draw_of_stream(f, wait, waiting);
}

/* What goes with the key: an operation's number, an addend, a limit. */
static int64_t value_for(const gm_feed *f, uint8_t op, uint64_t number)
{
    return op == GM_OP_ADD ? 1 : op != GM_OP_ITERATE ? (int64_t)number : f->g->scan ? (int64_t)f->g->scan : INT64_MAX;
}

void gm_feed_restart(gm_feed *f, unsigned done, unsigned n)
{
    f->restarted = f->number - (n - done);
    f->due = 0;
    for (unsigned i = done; i < n && f->gap > 0; i++)
        f->dues[i] = draw_due(f, f->number - (n - i));
}

void gm_feed_draw(gm_feed *f, unsigned n)
{
    const gm_trace *t = f->g->trace;
    bool several = f->nkinds > 1;
    for (unsigned i = 0; i < n; i++) {
        gm_request *r = &f->requests[i];
        if (several)
            r->op = draw_kind(f);
        r->value = value_for(f, r->op, f->number + i);
        if (t)
            take_of_trace(f, r);
    }
    if (f->plain)
        draw_plain_keys(f, n);
    else if (!t)
        draw_keys(f, n);
    for (unsigned i = 0; i < n && f->gap > 0; i++)
        f->dues[i] = draw_due(f, f->number + i);
    f->number += n;
}
