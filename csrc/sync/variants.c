/* variants.c: the designs there are, by their number. */
#include "sync/sync.h"

const gm_variant *gm_variant_of(int id)
{
    static const gm_variant *const all[GM_VARIANTS] = {
        [GM_VARIANT_EMPTY] = &gm_empty,
        [GM_VARIANT_PLAIN] = &gm_plain,
        [GM_VARIANT_MUTEX] = &gm_locked_mutex,
        [GM_VARIANT_RWMUTEX] = &gm_locked_rwmutex,
        [GM_VARIANT_GROWLOCK] = &gm_locked_growlock,
        [GM_VARIANT_SHARDED] = &gm_locked_sharded,
        [GM_VARIANT_SYNCMAP] = &gm_syncmap,
        [GM_VARIANT_HASHTRIE] = &gm_hashtrie,
        [GM_VARIANT_LOCKFREE] = &gm_lockfree,
    };
    return id >= 0 && id < GM_VARIANTS ? all[id] : NULL;
}
