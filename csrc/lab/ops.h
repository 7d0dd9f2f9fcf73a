/* ops.h: what an operation of the laboratory does to a map; told in ops.c. */
#ifndef GM_OPS_H
#define GM_OPS_H

#include "map/variant.h"

/* One operation to be done. */
typedef struct gm_request {
    const void *key;
    uint32_t len;
    uint8_t op;    /* enum gm_op */
    int64_t value; /* to be stored or added; for GM_OP_ITERATE the most entries to visit */
} gm_request;

/* Returns GM_OK if the key was there, GM_MISS if not, or an error. out: room for an elem. */
typedef int (*gm_operation)(const gm_variant *v, void *self, const gm_request *r, int64_t *out);

extern const gm_operation gm_operations[GM_OPS];

static inline bool gm_op_writes(int op)
{
    return op != GM_OP_GET && op != GM_OP_GET_MISS && op != GM_OP_LEN && op != GM_OP_ITERATE;
}

#endif
