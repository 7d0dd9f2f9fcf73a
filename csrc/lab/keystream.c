/* keystream.c: which key comes next.
 *
 * A stream gives indices 0 .. n-1; what key an index stands for is its user's business. With one seed a stream is the same
 * on every machine: integer arithmetic and the functions of portable_math.c, nothing of the C library's.
 *
 *   uniform     every index alike (Lemire's exact method)
 *   zipf        index k with probability proportional to (k + 1)^-theta, 0 < theta <= 2
 *   hotspot     the first `fraction` of the keys get `share` of the draws, the rest the rest; uniform within both
 *   latest      zipf counted back from the newest key; n grows when keys are added (gm_stream_grow)
 *   sequential  0, 1, 2, ... n-1, 0, ...
 *
 * ZIPF by rejection-inversion (W. Hörmann, G. Derflinger, "Rejection-inversion to generate variates from monotone discrete
 * distributions", 1996): with h(x) = x^-theta and its integral H, a uniform number between H(3/2) - 1 and H(n + 1/2) is
 * mapped back by the inverse of H and rounded to k. It is accepted at once if it lies within `accept` of k, else if it lies in
 * the part of k's interval that has area h(k). Exact for every theta, no table, fewer than 1.1 tries a draw.
 *
 *     H(x) = (x^(1-theta) - 1) / (1 - theta), written with expm1 and log1p so that theta = 1 is no special case.
 *
 * Tries are made in blocks: the inversions, most of the work, are then done two at a time by vector instructions, which give
 * the same bits (IEEE operations in one order). `latest` keeps what it has drawn ahead when n grows: ranks drawn for the
 * n of up to 64 draws before. Alone, a draw took 58 ns where this was written, in blocks it takes 24.
 *
 *   S1  A draw costs O(1): no table, whatever n. Making a stream costs O(1) too, so n can grow at any time.
 *   S2  Two streams with one configuration give the same indices, however their draws are cut into calls.
 *
 * Rejected: the formula of Gray et al. (1994) that YCSB uses: O(n) to begin with, undefined at theta = 1, and not exact
 * (it approximates every index but the first two); alias tables: O(n) memory, made anew when n grows.
 */
#include "lab/keystream.h"

#include "base/portable_math.h"

#include <stdbool.h>
#include <stdlib.h>

/* ------------------------------------------------------------------ zipf */

#define M(name) m1_##name
#define M_REAL double
#define M_SELECT(c, a, b) GM_SELECT1(c, a, b)
#include "lab/zipf.inc.h"

#define M(name) m2_##name
#define M_REAL gm_real2
#define M_SELECT(c, a, b) GM_SELECT2(c, a, b)
#include "lab/zipf.inc.h"

static void zipf_set(gm_zipf *z, uint64_t n, double theta)
{
    z->theta = theta;
    z->n = n;
    z->h_first = m1_h_integral(theta, 1.5) - 1;
    z->h_last = m1_h_integral(theta, (double)n + 0.5);
    z->accept = 2 - m1_h_inverse(theta, m1_h_integral(theta, 2.5) - m1_h(theta, 2));
}

/* A try: a uniform area, the x where H(x) is that area, the nearest integer, and whether it is accepted. */
typedef struct tries {
    gm_real2 area[gm_zipf_block / 2], x[gm_zipf_block / 2];
    double k[gm_zipf_block];
    uint8_t good[gm_zipf_block];
} tries;

static double area_of(const tries *t, unsigned i)
{
    return t->area[i / 2][i % 2];
}

/* x and k of every try; those that cannot be accepted at once go to `unsure`. Returns how many they are. */
static unsigned decide_at_once(const gm_zipf *z, tries *t, uint8_t *unsure)
{
    unsigned n = 0;
    for (int i = 0; i < gm_zipf_block / 2; i++)
        t->x[i] = m2_h_inverse(z->theta, t->area[i]);
    for (unsigned i = 0; i < gm_zipf_block; i++) {
        double x = t->x[i / 2][i % 2], last = (double)z->n;
        t->k[i] = x < 1 ? 1 : x + 0.5 >= last ? last : (double)(int64_t)(x + 0.5);
        t->good[i] = t->k[i] - x <= z->accept;
        unsure[n] = (uint8_t)i;
        n += !t->good[i];
    }
    return n;
}

/* The others are accepted if their area lies in the part of k's interval that has area h(k). */
static void decide_unsure(const gm_zipf *z, tries *t, const uint8_t *unsure, unsigned n)
{
    for (unsigned i = 0; i < n; i += 2) {
        unsigned a = unsure[i], b = unsure[i + 1 < n ? i + 1 : i];
        gm_real2 k = {t->k[a], t->k[b]}, bound = m2_h_integral(z->theta, k + 0.5) - m2_h(z->theta, k);
        t->good[a] = area_of(t, a) >= bound[0];
        t->good[b] = area_of(t, b) >= bound[1];
    }
}

/* A block of tries; what is accepted, in order, is ready to be drawn. */
static void zipf_refill(gm_stream *s)
{
    gm_zipf *z = &s->zipf;
    tries t;
    uint8_t unsure[gm_zipf_block + 1];
    if (z->n != s->n)
        zipf_set(z, s->n, s->c.theta);
    for (unsigned i = 0; i < gm_zipf_block; i++) {
        double u = (double)(int64_t)(gm_xoshiro_next(&s->rng) >> 11) * 0x1p-53;
        t.area[i / 2][i % 2] = z->h_last + u * (z->h_first - z->h_last);
    }
    decide_unsure(z, &t, unsure, decide_at_once(z, &t, unsure));
    s->ready = s->taken = 0;
    for (unsigned i = 0; i < gm_zipf_block; i++) {
        s->ranks[s->ready] = (uint64_t)(int64_t)t.k[i] - 1;
        s->ready += t.good[i];
    }
}

static uint64_t zipf_draw(gm_stream *s)
{
    while (s->taken == s->ready)
        zipf_refill(s);
    return s->ranks[s->taken++];
}

/* ------------------------------------------------------------------ streams */

static bool sound(const gm_stream_config *c)
{
    if (c->n == 0 || c->n > (UINT64_C(1) << 53))
        return false;
    switch (c->kind) {
    case GM_STREAM_UNIFORM:
    case GM_STREAM_SEQUENTIAL:
        return true;
    case GM_STREAM_ZIPF:
    case GM_STREAM_LATEST:
        return c->theta > 0 && c->theta <= 2;
    case GM_STREAM_HOTSPOT:
        return c->fraction > 0 && c->fraction < 1 && c->share >= 0 && c->share <= 1;
    default:
        return false;
    }
}

static void set_hotspot(gm_stream *s)
{
    uint64_t hot = (uint64_t)(s->c.fraction * (double)s->n + 0.5);
    s->hot = hot < 1 ? 1 : hot > s->n ? s->n : hot;
    s->share = s->c.share >= 1 ? UINT64_MAX : (uint64_t)(s->c.share * 0x1p64);
}

void gm_stream_grow(gm_stream *s, uint64_t n)
{
    if (s->c.kind != GM_STREAM_LATEST || n < s->n)
        s->ready = s->taken = 0; /* what was drawn ahead is of the old n */
    s->n = n;
    if (s->c.kind == GM_STREAM_HOTSPOT)
        set_hotspot(s);
}

bool gm_stream_init(gm_stream *s, const gm_stream_config *c)
{
    if (!sound(c))
        return false;
    *s = (gm_stream){.c = *c};
    gm_xoshiro_seed(&s->rng, c->seed);
    gm_stream_grow(s, c->n);
    return true;
}

gm_stream *gm_stream_new(const gm_stream_config *c)
{
    gm_stream *s = malloc(sizeof *s);
    if (s && gm_stream_init(s, c))
        return s;
    free(s);
    return NULL;
}

void gm_stream_free(gm_stream *s)
{
    free(s);
}

static uint64_t hotspot_draw(gm_stream *s)
{
    bool hot = s->hot == s->n || gm_xoshiro_next(&s->rng) < s->share;
    return hot ? gm_below(&s->rng, s->hot) : s->hot + gm_below(&s->rng, s->n - s->hot);
}

static uint64_t sequential_draw(gm_stream *s)
{
    uint64_t i = s->cursor;
    s->cursor = i + 1 < s->n ? i + 1 : 0;
    return i;
}

uint64_t gm_stream_next(gm_stream *s)
{
    switch (s->c.kind) {
    case GM_STREAM_ZIPF:
        return zipf_draw(s);
    case GM_STREAM_LATEST:
        return s->n - 1 - zipf_draw(s);
    case GM_STREAM_HOTSPOT:
        return hotspot_draw(s);
    case GM_STREAM_SEQUENTIAL:
        return sequential_draw(s);
    default:
        return gm_below(&s->rng, s->n);
    }
}

/* The commonest stream in a loop of its own: the generator stays in registers. The same draws as gm_stream_next's. */
static void uniform_draws(gm_stream *s, int64_t *out, size_t count)
{
    gm_xoshiro rng = s->rng;
    uint64_t n = s->n;
    for (size_t i = 0; i < count; i++)
        out[i] = (int64_t)gm_below(&rng, n);
    s->rng = rng;
}

void gm_stream_draw(gm_stream *s, int64_t *out, size_t count)
{
    if (s->c.kind == GM_STREAM_UNIFORM) {
        uniform_draws(s, out, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        out[i] = (int64_t)gm_stream_next(s);
}
