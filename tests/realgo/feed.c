/* feed.c: writes what one thread of a workload does next, drawn by the engine's own feed, for comparison with real Go's.
 *
 *     feed text seed size keyspace threads thread count stream theta fraction share scan kind=percent ...
 *
 * text: 1 for strings, 0 for int64. Of each request: kind (a byte), value (8 bytes), then the key unless it takes none.
 * Blocks of 100 requests, so that where a block ends is not where another program's ends.
 */
#include "lab/feed.h"

#include <stdio.h>
#include <stdlib.h>

enum { BLOCK = 100 };

static gm_feed feed; /* large */

static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 10);
}

static void put(const gm_request *r)
{
    fwrite(&r->op, 1, 1, stdout);
    fwrite(&r->value, 8, 1, stdout);
    if (r->op != GM_OP_LEN && r->op != GM_OP_ITERATE)
        fwrite(r->key, 1, r->len, stdout);
}

int main(int argc, char **argv)
{
    if (argc < 14)
        return 2;
    gm_codec codec;
    gm_codec_of(&codec, argv[1][0] == '1' ? GM_STRING : GM_MEM, 8);
    gm_run_config c = {.seed = number(argv[2]), .size = number(argv[3]), .keyspace = number(argv[4])};
    gm_place at = {(uint32_t)number(argv[6]), (uint32_t)number(argv[5]), (uint32_t)number(argv[6]), (uint32_t)number(argv[5])};
    uint64_t count = number(argv[7]);
    gm_group g = {.threads = at.threads, .scan = number(argv[12])};
    g.keys = (gm_stream_config){
        .kind = (int)number(argv[8]), .theta = atof(argv[9]), .fraction = atof(argv[10]), .share = atof(argv[11])};
    for (int i = 13; i < argc; i++) {
        char *percent;
        unsigned long op = strtoul(argv[i], &percent, 10);
        g.mix[op] = atof(percent + 1);
    }
    if (!gm_feed_init(&feed, &g, &codec, at, &c, 1))
        return 1;
    while (count > 0) {
        unsigned n = count < BLOCK ? (unsigned)count : BLOCK;
        gm_feed_draw(&feed, n);
        for (unsigned i = 0; i < n; i++)
            put(&feed.requests[i]);
        count -= n;
    }
    return 0;
}
