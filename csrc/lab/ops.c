/* ops.c: what an operation of the laboratory does to a map, in calls of the map's table (map/variant.h).
 *
 * What memcached's commands do is reduced to what they do to a map: add stores if absent, replace (also cas, append, prepend)
 * stores if present, incr and decr add to what is there. Values are int64, wrapping. replace and incr are two calls: between
 * them another thread may come, as it may in a Go program that writes them so.
 */
#include "lab/ops.h"

static int op_get(const gm_variant *v, void *self, const gm_request *r, int64_t *out)
{
    return v->get(self, r->key, r->len, out);
}

static int op_assign(const gm_variant *v, void *self, const gm_request *r, int64_t *out)
{
    (void)out;
    return v->assign(self, r->key, r->len, &r->value, NULL);
}

static int op_delete(const gm_variant *v, void *self, const gm_request *r, int64_t *out)
{
    (void)out;
    return v->del(self, r->key, r->len, NULL);
}

static int op_load_or_store(const gm_variant *v, void *self, const gm_request *r, int64_t *out)
{
    return v->load_or_store(self, r->key, r->len, &r->value, out);
}

static int op_replace(const gm_variant *v, void *self, const gm_request *r, int64_t *out)
{
    int status = op_get(v, self, r, out);
    if (status != GM_OK)
        return status;
    status = op_assign(v, self, r, out);
    return status < 0 ? status : GM_OK;
}

static int op_incr(const gm_variant *v, void *self, const gm_request *r, int64_t *out)
{
    int status = op_get(v, self, r, out);
    if (status != GM_OK)
        return status;
    status = v->add(self, r->key, r->len, r->value, out);
    return status < 0 ? status : GM_OK;
}

static bool see(void *ctx, const void *key, size_t len, const void *elem)
{
    (void)ctx;
    (void)key;
    (void)len;
    (void)elem;
    return true;
}

static int op_iterate(const gm_variant *v, void *self, const gm_request *r, int64_t *out)
{
    (void)out;
    return v->range(self, (uint64_t)r->value, see, NULL);
}

static int op_len(const gm_variant *v, void *self, const gm_request *r, int64_t *out)
{
    uint64_t n;
    (void)r;
    (void)out;
    return v->len(self, &n);
}

static int op_add(const gm_variant *v, void *self, const gm_request *r, int64_t *out)
{
    return v->add(self, r->key, r->len, r->value, out);
}

const gm_operation gm_operations[GM_OPS] = {
    [GM_OP_GET] = op_get,           [GM_OP_ASSIGN] = op_assign,
    [GM_OP_DELETE] = op_delete,     [GM_OP_LOAD_OR_STORE] = op_load_or_store,
    [GM_OP_REPLACE] = op_replace,   [GM_OP_INCR] = op_incr,
    [GM_OP_FILL] = op_assign,       [GM_OP_GET_MISS] = op_get,
    [GM_OP_ASSIGN_NEW] = op_assign, [GM_OP_ITERATE] = op_iterate,
    [GM_OP_LEN] = op_len,           [GM_OP_ADD] = op_add,
};
