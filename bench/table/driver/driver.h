/* driver.h: what the parts of the table's native driver share; the program is told in main.c. */
#ifndef GM_TABLE_DRIVER_H
#define GM_TABLE_DRIVER_H

#include "gomap.h"

#include <stddef.h>
#include <stdint.h>

/* A file of the inputs, in memory for reading. */
typedef struct input {
    const void *bytes;
    size_t size;
} input;

int input_open(input *in, const char *folder, const char *name); /* 0, or -1 */
void input_close(input *in);

/* One timed round. hits: operations that found their key; sum: of the elems that were read, wrapping. */
typedef struct timed {
    uint64_t ns, operations, hits, sum, faults;
} timed;

typedef struct answer answer; /* the line that goes back; main.c */
void answer_number(answer *a, double value);
void answer_count(answer *a, uint64_t value);
void answer_timed(answer *a, const timed *t);
void answer_error(answer *a, const char *why);

/* Commands: `words` are those of the line, the command's name first. */
void single_open(char **words, int n, answer *a);
void single_time(char **words, int n, answer *a);
void single_limit(char **words, int n, answer *a);
void single_memory(char **words, int n, answer *a);
void shared_open(char **words, int n, answer *a);
void shared_run(char **words, int n, answer *a);
void shared_growth(char **words, int n, answer *a);
void core_roundtrip(char **words, int n, answer *a);

/* Murmur3's finaliser (source: Appleby, MurmurHash3, public domain). */
static inline uint64_t mixed(uint64_t h)
{
    h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 33;
}

/* limit.c: what a batch would take that did nothing but fetch its lines. */
typedef struct gather gather;
gather *gather_new(uint64_t buckets, const uint64_t *keys, size_t n); /* NULL: no memory */
void gather_free(gather *g);
int gather_time(gather *g, const char *row, const uint64_t *elems, timed *t); /* -1: no such row */

/* bare.c: what gets would take that had nothing to search, as a table of functions. */
extern const struct gm_variant bare_table;

#endif
