/* call.inc.h: one operation of a history done to a map of any design; included where such calls are made.
 *
 * The event says what to do; the answer is written into it, and the status returned.
 */
#include "lab/history.h"
#include "map/variant.h"

static int gm_event_call(const gm_variant *v, void *self, gm_history_event *e, const void *key, size_t len)
{
    switch (e->op) {
    case GM_HISTORY_LOAD:
        return v->get(self, key, len, &e->answer);
    case GM_HISTORY_STORE:
        return v->assign(self, key, len, &e->value, &e->answer);
    case GM_HISTORY_DELETE:
        return v->del(self, key, len, &e->answer);
    case GM_HISTORY_LOAD_OR_STORE:
        return v->load_or_store(self, key, len, &e->value, &e->answer);
    case GM_HISTORY_COMPARE_AND_SWAP:
        return v->compare_and_swap(self, key, len, &e->expected, &e->value);
    case GM_HISTORY_COMPARE_AND_DELETE:
        return v->compare_and_swap(self, key, len, &e->expected, NULL);
    default:
        return v->add(self, key, len, e->value, &e->answer);
    }
}
