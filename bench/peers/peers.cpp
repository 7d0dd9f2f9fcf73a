/* peers.cpp: concurrent maps of others behind gomap's table of functions (csrc/map/variant.h), for int64 keys and elems, so
 * that bench/test_concurrent.py can drive them by the same engine as gomap's own designs. No part of the package.
 *
 * Built by bench/peers/__init__.py, one library a peer (PEER_TBB, PEER_CUCKOO, PEER_URCU, PEER_CK, PEER_STD; Debian's headers
 * and libraries), with gomap's own -O3 and no -march. Each is used as its documents tell its users to:
 *
 *   tbb         oneTBB concurrent_hash_map (libtbb-dev). A bucket a lock, an entry a reader-writer spin lock: get holds a
 *               const_accessor, writes an accessor, a delete that wants no old elem is erase(key). Growth moves a bucket at its
 *               first use. Its own allocator (libtbbmalloc if it is there).
 *   cuckoo      libcuckoo cuckoohash_map (libcuckoo-dev, headers only). Two buckets of 4 slots a key under striped spin locks,
 *               taken by readers too: find, insert_or_assign, upsert, update_fn, erase_fn. Growth takes all locks; with more
 *               than 2^16 buckets it then moves entries stripe by stripe at first use.
 *   urcu        userspace-rcu cds_lfht (liburcu-dev), a split-ordered list with lock-free writes and wait-free reads, flags
 *               AUTO_RESIZE | ACCOUNTING. A 32-byte node a key, which never changes: assign is cds_lfht_add_replace, add and
 *               compare_and_swap are cds_lfht_replace of the node that was looked at. Flavour memb (membarrier): a read side
 *               is two stores to a word of the thread's own. qsbr would save these, but then a thread that waits (at the
 *               engine's gates, for a due time) must go offline around every operation, which costs more. A thread registers
 *               at its first call and unregisters when it ends. Old nodes go to defer_rcu: freed by the thread that replaced
 *               them, some thousand at a time after one grace period, or by a thread of the library ten times a second
 *               (call_rcu was tried: it frees on a third thread, and assign took twice the time). Growth is done by a thread
 *               of the library, beside the operations: it is in no operation's latency, but shares the CPUs with them, and
 *               until it is done chains are long. It begins with 1024 buckets: from one bucket, a burst of new keys often left
 *               it with long chains for seconds. Without ACCOUNTING it grows by the longest chain seen, to 1 GB at 10^6 keys.
 *   ck_ht       Concurrency Kit's ck_ht (libck-dev), keys and elems in the table itself (CK_HT_MODE_DIRECT): open addressing
 *               by cache lines, reads that write nothing, one writer at a time. Writers take a spin lock of ours, which gives
 *               its CPU away after a while. Growth moves everything within one put. Old tables are kept until the end: readers
 *               may stand in them, and Concurrency Kit leaves that to its user; so this peer pays nothing for reclamation. Two
 *               keys (those that it keeps for itself) are refused.
 *   ck_hs       The same for its ck_hs, a set of pointers, here to nodes of key and elem. An elem is stored in its node.
 *   std-rwlock  std::unordered_map under one std::shared_mutex, as the naive baseline: readers shared, writers alone.
 *
 * HASH. All peers: Murmur3's 64-bit finaliser of the key (source: Appleby, MurmurHash3, public domain). It is a bijection, so
 * different keys have different hashes. Nodes other than TBB's come from the C library's malloc.
 *
 * HINT. Passed on as it is: with 0 all but urcu begin with their smallest table, and growth is seen from the beginning.
 *
 * What they do not give of the table's promises:
 *   len     tbb, cuckoo, urcu: a sum of counters, not of one instant
 *   range   tbb: may overlap with nothing (its iterators are not safe), so it and clear are refused (GM_E_ARGUMENT) in a run of
 *           several threads. cuckoo: holds all locks. urcu: not of one instant, delays freeing. ck, std-rwlock: keep writers
 *           out. Only std-rwlock starts at random; the others' iterators can only begin at the beginning.
 *   check, stats (but for entries), growing_to, part: nothing to tell
 *   enter, begin: keep nobody out
 * Errors: an exception of the peer's is GM_E_NOMEM.
 */
extern "C" {
#include "map/variant.h"
}

#include <atomic>
#include <cstring>
#include <exception>
#include <mutex>
#include <new>
#include <random>

namespace {

inline uint64_t mixed(int64_t key)
{
    uint64_t h = static_cast<uint64_t>(key);
    h = (h ^ h >> 33) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ h >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 33;
}

struct Mixer {
    size_t operator()(int64_t key) const { return mixed(key); }
};

inline int64_t sum_of(int64_t a, int64_t b) /* wrapping */
{
    return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

inline int64_t number(const void *p)
{
    int64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

inline void give(void *to, int64_t v)
{
    if (to)
        memcpy(to, &v, sizeof v);
}

inline int answer(bool there)
{
    return there ? GM_OK : GM_MISS;
}

/* The table of a peer P. Its functions of a key return whether the key was there (compare_and_swap: whether it swapped) and
 * write `old` only then; load_or_store and add always write what is there afterwards. */
template <class P> struct Table {
    static P *of(void *self) { return static_cast<P *>(self); }

    template <class F> static int guarded(F f)
    {
        try {
            return f();
        } catch (const std::exception &) {
            return GM_E_NOMEM;
        }
    }

    static int make(const gm_config *c, const gm_guard_config *, void **self)
    {
        if (c->key_kind != GM_MEM || c->key_size != 8 || c->elem_kind != GM_MEM || c->elem_size != 8)
            return GM_E_ARGUMENT;
        return guarded([&] {
            *self = new P(c->hint);
            return GM_OK;
        });
    }

    static void drop(void *self) { delete of(self); }
    static int enter(void *) { return GM_OK; }
    static void leave(void *) {}

    static const gm_variant *begin(void *self, const gm_usage_plan *plan)
    {
        of(self)->threads = plan->threads;
        return &functions;
    }

    static void end(void *self) { of(self)->threads = 1; }

    static int get(void *self, const void *key, size_t, void *elem)
    {
        return guarded([&] { return answer(of(self)->get(number(key), elem)); });
    }

    static int assign(void *self, const void *key, size_t, const void *elem, void *old)
    {
        return guarded([&] { return answer(of(self)->assign(number(key), number(elem), old)); });
    }

    static int del(void *self, const void *key, size_t, void *old)
    {
        return guarded([&] { return answer(of(self)->del(number(key), old)); });
    }

    static int load_or_store(void *self, const void *key, size_t, const void *elem, void *actual)
    {
        return guarded([&] { return answer(of(self)->load_or_store(number(key), number(elem), actual)); });
    }

    static int compare_and_swap(void *self, const void *key, size_t, const void *expected, const void *elem)
    {
        return guarded([&] {
            if (elem)
                return answer(of(self)->swap_if(number(key), number(expected), number(elem)));
            return answer(of(self)->del_if(number(key), number(expected)));
        });
    }

    static int add(void *self, const void *key, size_t, int64_t delta, int64_t *sum)
    {
        return guarded([&] {
            int64_t now;
            bool there = of(self)->add(number(key), delta, &now);
            if (sum)
                *sum = now;
            return answer(there);
        });
    }

    static int len(void *self, uint64_t *n)
    {
        return guarded([&] {
            *n = of(self)->len();
            return GM_OK;
        });
    }

    static int range(void *self, uint64_t limit, gm_visit visit, void *ctx)
    {
        return guarded([&] {
            return of(self)->range([&](const int64_t &key, const int64_t &elem) {
                return limit-- > 0 && visit(ctx, &key, sizeof key, &elem) && limit > 0;
            });
        });
    }

    static int clear(void *self)
    {
        return guarded([&] { return of(self)->clear(); });
    }

    static int growing_to(void *) { return -1; }
    static gm_map *part(void *, unsigned) { return nullptr; }
    static int check(void *, gm_broken *) { return GM_OK; }

    static void stats(void *self, gm_stats *out)
    {
        memset(out, 0, sizeof *out);
        len(self, &out->entries);
    }

    static const gm_variant functions;
};

/* By name (C++17 has no designators): a function that the table gets and this does not know is NULL, not another one. */
template <class P>
const gm_variant Table<P>::functions = [] {
    gm_variant v{};
    v.make = make;
    v.drop = drop;
    v.enter = enter;
    v.leave = leave;
    v.begin = begin;
    v.end = end;
    v.get = get;
    v.assign = assign;
    v.del = del;
    v.load_or_store = load_or_store;
    v.compare_and_swap = compare_and_swap;
    v.add = add;
    v.len = len;
    v.range = range;
    v.clear = clear;
    v.growing_to = growing_to;
    v.part = part;
    v.check = check;
    v.stats = stats;
    return v;
}();

} // namespace

/* ------------------------------------------------------------------ tbb */

#if PEER_TBB
#include <oneapi/tbb/concurrent_hash_map.h>

namespace {

struct Tbb {
    struct Compare {
        static size_t hash(int64_t key) { return mixed(key); }
        static bool equal(int64_t a, int64_t b) { return a == b; }
    };
    using Map = tbb::concurrent_hash_map<int64_t, int64_t, Compare>;

    Map m;
    unsigned threads = 1;

    explicit Tbb(uint64_t hint) : m(hint) {}

    bool get(int64_t key, void *elem)
    {
        Map::const_accessor a;
        if (!m.find(a, key))
            return false;
        give(elem, a->second);
        return true;
    }

    bool assign(int64_t key, int64_t elem, void *old)
    {
        Map::accessor a;
        bool there = !m.insert(a, key);
        if (there)
            give(old, a->second);
        a->second = elem;
        return there;
    }

    bool del(int64_t key, void *old)
    {
        if (!old)
            return m.erase(key);
        Map::accessor a;
        if (!m.find(a, key))
            return false;
        int64_t was = a->second;
        if (!m.erase(a)) /* another erase(key) had taken it out and was waiting for this accessor */
            return false;
        give(old, was);
        return true;
    }

    bool load_or_store(int64_t key, int64_t elem, void *actual)
    {
        Map::const_accessor a;
        bool there = !m.insert(a, Map::value_type(key, elem));
        give(actual, a->second);
        return there;
    }

    bool swap_if(int64_t key, int64_t expected, int64_t elem)
    {
        Map::accessor a;
        if (!m.find(a, key) || a->second != expected)
            return false;
        a->second = elem;
        return true;
    }

    bool del_if(int64_t key, int64_t expected)
    {
        Map::accessor a;
        return m.find(a, key) && a->second == expected && m.erase(a);
    }

    bool add(int64_t key, int64_t delta, int64_t *sum)
    {
        Map::accessor a;
        bool there = !m.insert(a, key);
        *sum = a->second = there ? sum_of(a->second, delta) : delta;
        return there;
    }

    uint64_t len() { return m.size(); }

    template <class F> int range(F visit)
    {
        if (threads > 1)
            return GM_E_ARGUMENT;
        for (auto it = m.begin(); it != m.end() && visit(it->first, it->second); ++it) {
        }
        return GM_OK;
    }

    int clear()
    {
        if (threads > 1)
            return GM_E_ARGUMENT;
        m.clear();
        return GM_OK;
    }
};

} // namespace
#endif

/* ------------------------------------------------------------------ cuckoo */

#if PEER_CUCKOO
#include <libcuckoo/cuckoohash_map.hh>

namespace {

struct Cuckoo {
    libcuckoo::cuckoohash_map<int64_t, int64_t, Mixer> m;
    unsigned threads = 1;

    explicit Cuckoo(uint64_t hint) : m(hint) {}

    bool get(int64_t key, void *elem)
    {
        int64_t found;
        if (!m.find(key, found))
            return false;
        give(elem, found);
        return true;
    }

    bool assign(int64_t key, int64_t elem, void *old)
    {
        if (!old)
            return !m.insert_or_assign(key, elem);
        auto exchange = [&](int64_t &v) {
            give(old, v);
            v = elem;
        };
        return !m.upsert(key, exchange, elem);
    }

    bool del(int64_t key, void *old)
    {
        return m.erase_fn(key, [&](int64_t &v) {
            give(old, v);
            return true;
        });
    }

    bool load_or_store(int64_t key, int64_t elem, void *actual)
    {
        int64_t now = elem;
        bool there = !m.upsert(key, [&](int64_t &v) { now = v; }, elem);
        give(actual, now);
        return there;
    }

    bool swap_if(int64_t key, int64_t expected, int64_t elem)
    {
        bool same = false;
        m.update_fn(key, [&](int64_t &v) {
            same = v == expected;
            if (same)
                v = elem;
        });
        return same;
    }

    bool del_if(int64_t key, int64_t expected)
    {
        bool same = false;
        m.erase_fn(key, [&](int64_t &v) { return same = v == expected; });
        return same;
    }

    bool add(int64_t key, int64_t delta, int64_t *sum)
    {
        *sum = delta;
        return !m.upsert(key, [&](int64_t &v) { *sum = v = sum_of(v, delta); }, delta);
    }

    uint64_t len() { return m.size(); }

    template <class F> int range(F visit)
    {
        auto locked = m.lock_table();
        for (auto it = locked.cbegin(); it != locked.cend() && visit(it->first, it->second); ++it) {
        }
        return GM_OK;
    }

    int clear()
    {
        m.clear();
        return GM_OK;
    }
};

} // namespace
#endif

/* ------------------------------------------------------------------ urcu */

#if PEER_URCU
#define RCU_MEMB       /* the flavour */
#define _LGPL_SOURCE   /* its read side inline */
#include <urcu.h>

#include <urcu/rculfhash.h>

#include <cstdlib>
#include <vector>

namespace {

struct Urcu {
    struct Node {
        cds_lfht_node link;
        int64_t key, elem;
    };
    struct alignas(64) Counter {
        std::atomic<int64_t> n{0};
    };
    enum { COUNTERS = 64 };

    cds_lfht *m;
    Counter counters[COUNTERS];
    unsigned threads = 1;

    /* A thread is registered from its first call to its end. The flag is apart from what has a destructor, so that looking at
     * it is one load. */
    static thread_local bool registered;
    static thread_local unsigned lane;

    struct Registration {
        Registration()
        {
            static std::atomic<unsigned> next{0};
            rcu_register_thread();
            rcu_defer_register_thread();
            lane = next.fetch_add(1, std::memory_order_relaxed) % COUNTERS;
            registered = true;
        }
        ~Registration()
        {
            registered = false;
            rcu_defer_unregister_thread();
            rcu_unregister_thread();
        }
    };

    __attribute__((noinline, cold)) static void enrol()
    {
        static thread_local Registration here;
        (void)here;
    }

    /* A read side, and the node that it took out: defer_rcu may wait for a grace period, so it comes after. */
    struct Reading {
        Node *old = nullptr;

        Reading()
        {
            if (__builtin_expect(!registered, 0))
                enrol();
            rcu_read_lock();
        }
        ~Reading()
        {
            rcu_read_unlock();
            if (old)
                defer_rcu(free, old);
        }
        Reading(const Reading &) = delete;
    };

    static unsigned long table_for(uint64_t hint)
    {
        unsigned long n = 1024; /* see the header */
        while (n < hint && n < 1ul << 40)
            n *= 2;
        return n;
    }

    explicit Urcu(uint64_t hint)
    {
        enrol(); /* here, not by a pinned thread: the library's own threads would inherit its one CPU */
        unsigned long n = table_for(hint);
        m = cds_lfht_new_flavor(n, 1, 0, CDS_LFHT_AUTO_RESIZE | CDS_LFHT_ACCOUNTING, &rcu_flavor, nullptr);
        if (!m)
            throw std::bad_alloc();
    }

    ~Urcu()
    {
        clear();
        cds_lfht_destroy(m, nullptr);
    }

    static Node *node_of(cds_lfht_node *link) { return caa_container_of(link, Node, link); }

    static int matches(cds_lfht_node *link, const void *key)
    {
        return node_of(link)->key == *static_cast<const int64_t *>(key);
    }

    static Node *fresh(int64_t key, int64_t elem)
    {
        Node *n = static_cast<Node *>(malloc(sizeof *n));
        if (!n)
            throw std::bad_alloc();
        cds_lfht_node_init(&n->link);
        n->key = key;
        n->elem = elem;
        return n;
    }

    void count(int64_t by) { counters[lane].n.fetch_add(by, std::memory_order_relaxed); }

    /* Functions with an underscore are called with the read side held. */
    Node *find_(int64_t key, cds_lfht_iter *at)
    {
        cds_lfht_lookup(m, mixed(key), matches, &key, at);
        cds_lfht_node *link = cds_lfht_iter_get_node(at);
        return link ? node_of(link) : nullptr;
    }

    bool get(int64_t key, void *elem)
    {
        Reading r;
        cds_lfht_iter at;
        Node *n = find_(key, &at);
        if (!n)
            return false;
        give(elem, n->elem);
        return true;
    }

    bool assign(int64_t key, int64_t elem, void *old)
    {
        Node *n = fresh(key, elem);
        Reading r;
        cds_lfht_node *was = cds_lfht_add_replace(m, mixed(key), matches, &key, &n->link);
        if (!was) {
            count(1);
            return false;
        }
        r.old = node_of(was);
        give(old, r.old->elem);
        return true;
    }

    /* Takes a node out; false if another was faster (it was deleted or replaced). */
    bool remove_(Node *n)
    {
        if (cds_lfht_del(m, &n->link) != 0)
            return false;
        count(-1);
        return true;
    }

    bool del(int64_t key, void *old)
    {
        Reading r;
        cds_lfht_iter at;
        while (Node *n = find_(key, &at)) {
            if (!remove_(n))
                continue;
            r.old = n;
            give(old, n->elem);
            return true;
        }
        return false;
    }

    bool load_or_store(int64_t key, int64_t elem, void *actual)
    {
        Reading r;
        cds_lfht_iter at;
        Node *there = find_(key, &at);
        if (!there) {
            Node *n = fresh(key, elem);
            cds_lfht_node *found = cds_lfht_add_unique(m, mixed(key), matches, &key, &n->link);
            if (found == &n->link) {
                count(1);
                give(actual, elem);
                return false;
            }
            free(n);
            there = node_of(found);
        }
        give(actual, there->elem);
        return true;
    }

    /* False if the node that was found is no longer there. */
    bool replace_(cds_lfht_iter *at, Node *n)
    {
        return cds_lfht_replace(m, at, mixed(n->key), matches, &n->key, &n->link) == 0;
    }

    bool swap_if(int64_t key, int64_t expected, int64_t elem)
    {
        Reading r;
        cds_lfht_iter at;
        Node *n = nullptr;
        for (Node *was = find_(key, &at); was && was->elem == expected; was = find_(key, &at)) {
            if (!n)
                n = fresh(key, elem);
            if (replace_(&at, n)) {
                r.old = was;
                return true;
            }
        }
        free(n);
        return false;
    }

    bool del_if(int64_t key, int64_t expected)
    {
        Reading r;
        cds_lfht_iter at;
        for (Node *n = find_(key, &at); n && n->elem == expected; n = find_(key, &at)) {
            if (remove_(n)) {
                r.old = n;
                return true;
            }
        }
        return false;
    }

    bool add(int64_t key, int64_t delta, int64_t *sum)
    {
        Node *n = fresh(key, delta);
        Reading r;
        cds_lfht_iter at;
        for (;;) {
            if (Node *was = find_(key, &at)) {
                n->elem = *sum = sum_of(was->elem, delta);
                if (!replace_(&at, n))
                    continue;
                r.old = was;
                return true;
            }
            n->elem = *sum = delta;
            if (cds_lfht_add_unique(m, mixed(key), matches, &key, &n->link) == &n->link) {
                count(1);
                return false;
            }
        }
    }

    uint64_t len()
    {
        int64_t n = 0;
        for (Counter &c : counters)
            n += c.n.load(std::memory_order_relaxed);
        return n > 0 ? static_cast<uint64_t>(n) : 0;
    }

    /* In the order of bit-reversed hashes: a key that is deleted and comes back at this place is next to itself. */
    template <class F> int range(F visit)
    {
        Reading r;
        cds_lfht_iter at;
        cds_lfht_node *link;
        const Node *last = nullptr;
        cds_lfht_for_each(m, &at, link)
        {
            const Node *n = node_of(link);
            if (last && last->key == n->key)
                continue;
            last = n;
            if (!visit(n->key, n->elem))
                break;
        }
        return GM_OK;
    }

    int clear()
    {
        std::vector<Node *> out;
        {
            Reading r;
            cds_lfht_iter at;
            cds_lfht_node *link;
            cds_lfht_for_each(m, &at, link)
            {
                out.push_back(node_of(link));
                if (!remove_(out.back()))
                    out.pop_back();
            }
        }
        synchronize_rcu();
        for (Node *n : out)
            free(n);
        return GM_OK;
    }
};

thread_local bool Urcu::registered = false;
thread_local unsigned Urcu::lane = 0;

} // namespace
#endif

/* ------------------------------------------------------------------ ck_ht, ck_hs */

#if PEER_CK
extern "C" {
#include <ck_hs.h>
#include <ck_ht.h>
}

#include <sched.h>

#include <cstdlib>
#include <vector>

namespace {

/* A spin lock for the one writer that ck's tables allow, and what a writer has to keep until nobody can stand in it. */
struct Writers {
    std::atomic<bool> taken{false};
    std::vector<void *> kept;

    void lock()
    {
        for (unsigned tries = 1; taken.exchange(true, std::memory_order_acquire); tries++) /* pairs with unlock */
            while (taken.load(std::memory_order_relaxed))
                if (tries++ % 1024 == 0)
                    sched_yield();
    }
    void unlock() { taken.store(false, std::memory_order_release); }
    ~Writers()
    {
        for (void *p : kept)
            free(p);
    }
};

/* ck's allocators have no context: whose table it is tells the writer that called. */
thread_local std::vector<void *> *keeping;

void *ck_take(size_t size) { return malloc(size); }
void *ck_resize(void *p, size_t, size_t size, bool) { return realloc(p, size); }
void ck_give(void *p, size_t, bool later)
{
    if (later)
        keeping->push_back(p);
    else
        free(p);
}

ck_malloc ck_memory = {ck_take, ck_resize, ck_give};

/* The operations of a peer from those of a table T: find, and for the writer alone exchange (of a key's elem; false: new),
 * remove, next and reset. */
template <class T> struct OneWriter {
    T table;
    Writers writers;
    unsigned threads = 1;

    explicit OneWriter(uint64_t hint) : table(hint < 8 ? 8 : hint) {}
    ~OneWriter() { table.destroy(); }

    struct Writing {
        Writers &w;
        explicit Writing(Writers &writers) : w(writers)
        {
            w.lock();
            keeping = &w.kept;
        }
        ~Writing() { w.unlock(); }
        Writing(const Writing &) = delete;
    };

    bool get(int64_t key, void *elem)
    {
        int64_t found;
        if (!table.find(key, &found))
            return false;
        give(elem, found);
        return true;
    }

    bool assign(int64_t key, int64_t elem, void *old)
    {
        Writing here(writers);
        int64_t was;
        bool there = table.exchange(key, elem, &was);
        if (there)
            give(old, was);
        return there;
    }

    bool del(int64_t key, void *old)
    {
        Writing here(writers);
        int64_t was;
        bool there = table.remove(key, &was, &writers.kept);
        if (there)
            give(old, was);
        return there;
    }

    bool load_or_store(int64_t key, int64_t elem, void *actual)
    {
        Writing here(writers);
        int64_t now, none;
        bool there = table.find(key, &now);
        if (!there)
            table.exchange(key, now = elem, &none);
        give(actual, now);
        return there;
    }

    bool swap_if(int64_t key, int64_t expected, int64_t elem)
    {
        Writing here(writers);
        int64_t now;
        return table.find(key, &now) && now == expected && table.exchange(key, elem, &now);
    }

    bool del_if(int64_t key, int64_t expected)
    {
        Writing here(writers);
        int64_t now;
        return table.find(key, &now) && now == expected && table.remove(key, &now, &writers.kept);
    }

    bool add(int64_t key, int64_t delta, int64_t *sum)
    {
        Writing here(writers);
        int64_t now = 0;
        bool there = table.find(key, &now);
        table.exchange(key, *sum = sum_of(now, delta), &now);
        return there;
    }

    uint64_t len()
    {
        Writing here(writers);
        return table.count();
    }

    template <class F> int range(F visit)
    {
        Writing here(writers);
        table.each(visit);
        return GM_OK;
    }

    int clear()
    {
        Writing here(writers);
        table.reset(&writers.kept);
        return GM_OK;
    }
};

struct CkHt {
    ck_ht t;

    /* The table keeps 0 and ~0 for itself: keys are told apart by a constant, which leaves it two that nobody asks for. */
    static uintptr_t inner(int64_t key)
    {
        uintptr_t in = static_cast<uintptr_t>(key) ^ UINT64_C(0x9e3779b97f4a7c15);
        if (in == 0 || in == UINTPTR_MAX)
            throw std::bad_alloc();
        return in;
    }
    static ck_ht_hash_t hash(int64_t key) { return {mixed(key)}; }
    static void again(ck_ht_hash_t *h, const void *key, size_t, uint64_t) /* at growths that do not keep hashes */
    {
        *h = hash(static_cast<int64_t>(number(key) ^ INT64_C(-0x61c8864680b583eb)));
    }

    explicit CkHt(uint64_t hint)
    {
        if (!ck_ht_init(&t, CK_HT_MODE_DIRECT, again, &ck_memory, hint, 1))
            throw std::bad_alloc();
    }
    void destroy() { ck_ht_destroy(&t); }

    bool find(int64_t key, int64_t *elem)
    {
        ck_ht_entry_t e;
        ck_ht_entry_key_set_direct(&e, inner(key));
        if (!ck_ht_get_spmc(&t, hash(key), &e))
            return false;
        *elem = static_cast<int64_t>(ck_ht_entry_value_direct(&e));
        return true;
    }

    bool exchange(int64_t key, int64_t elem, int64_t *was)
    {
        ck_ht_entry_t e;
        ck_ht_entry_set_direct(&e, hash(key), inner(key), static_cast<uintptr_t>(elem));
        if (!ck_ht_set_spmc(&t, hash(key), &e))
            throw std::bad_alloc();
        *was = static_cast<int64_t>(ck_ht_entry_value_direct(&e));
        return !ck_ht_entry_empty(&e);
    }

    bool remove(int64_t key, int64_t *was, std::vector<void *> *)
    {
        ck_ht_entry_t e;
        ck_ht_entry_key_set_direct(&e, inner(key));
        if (!ck_ht_remove_spmc(&t, hash(key), &e))
            return false;
        *was = static_cast<int64_t>(ck_ht_entry_value_direct(&e));
        return true;
    }

    uint64_t count() { return ck_ht_count(&t); }

    template <class F> void each(F visit)
    {
        ck_ht_iterator_t at = CK_HT_ITERATOR_INITIALIZER;
        ck_ht_entry_t *e;
        while (ck_ht_next(&t, &at, &e)) {
            auto key = static_cast<int64_t>(ck_ht_entry_key_direct(e) ^ UINT64_C(0x9e3779b97f4a7c15));
            if (!visit(key, static_cast<int64_t>(ck_ht_entry_value_direct(e))))
                return;
        }
    }

    void reset(std::vector<void *> *) { ck_ht_reset_spmc(&t); }
};

struct CkHs {
    struct Node {
        int64_t key;
        std::atomic<int64_t> elem;
    };
    ck_hs t;

    static unsigned long again(const void *node, unsigned long) { return mixed(static_cast<const Node *>(node)->key); }
    static bool same(const void *a, const void *b)
    {
        return static_cast<const Node *>(a)->key == static_cast<const Node *>(b)->key;
    }

    explicit CkHs(uint64_t hint)
    {
        if (!ck_hs_init(&t, CK_HS_MODE_SPMC | CK_HS_MODE_OBJECT, again, same, &ck_memory, hint, 1))
            throw std::bad_alloc();
    }
    void destroy()
    {
        each([](const Node *n) {
            free(const_cast<Node *>(n));
            return true;
        });
        ck_hs_destroy(&t);
    }

    Node *node(int64_t key)
    {
        Node asked{key, {0}};
        return static_cast<Node *>(ck_hs_get(&t, mixed(key), &asked));
    }

    bool find(int64_t key, int64_t *elem)
    {
        Node *n = node(key);
        if (n)
            *elem = n->elem.load(std::memory_order_acquire); /* pairs with exchange */
        return n;
    }

    bool exchange(int64_t key, int64_t elem, int64_t *was)
    {
        if (Node *n = node(key)) {
            *was = n->elem.load(std::memory_order_relaxed);
            n->elem.store(elem, std::memory_order_release); /* pairs with find */
            return true;
        }
        void *room = malloc(sizeof(Node));
        if (!room)
            throw std::bad_alloc();
        if (!ck_hs_put(&t, mixed(key), new (room) Node{key, {elem}})) {
            free(room);
            throw std::bad_alloc();
        }
        return false;
    }

    bool remove(int64_t key, int64_t *was, std::vector<void *> *kept)
    {
        Node asked{key, {0}}, *n = static_cast<Node *>(ck_hs_remove(&t, mixed(key), &asked));
        if (!n)
            return false;
        *was = n->elem.load(std::memory_order_relaxed);
        kept->push_back(n);
        return true;
    }

    uint64_t count() { return ck_hs_count(&t); }

    template <class F> void each(F visit)
    {
        ck_hs_iterator_t at = CK_HS_ITERATOR_INITIALIZER;
        for (void *n; ck_hs_next(&t, &at, &n);)
            if (!shown(visit, static_cast<Node *>(n)))
                return;
    }
    template <class F> static auto shown(F visit, const Node *n) -> decltype(visit(n)) { return visit(n); }
    template <class F> static auto shown(F visit, const Node *n) -> decltype(visit(n->key, int64_t()))
    {
        return visit(n->key, n->elem.load(std::memory_order_relaxed));
    }

    void reset(std::vector<void *> *kept)
    {
        each([&](const Node *n) {
            kept->push_back(const_cast<Node *>(n));
            return true;
        });
        ck_hs_reset(&t);
    }
};

} // namespace
#endif

/* ------------------------------------------------------------------ std-rwlock */

#if PEER_STD
#include <shared_mutex>
#include <unordered_map>

namespace {

struct Std {
    using Shared = std::shared_lock<std::shared_mutex>;
    using Alone = std::unique_lock<std::shared_mutex>;

    std::shared_mutex lock;
    std::unordered_map<int64_t, int64_t, Mixer> m;
    unsigned threads = 1;

    explicit Std(uint64_t hint) { m.reserve(hint); }

    bool get(int64_t key, void *elem)
    {
        Shared held(lock);
        auto it = m.find(key);
        if (it == m.end())
            return false;
        give(elem, it->second);
        return true;
    }

    bool assign(int64_t key, int64_t elem, void *old)
    {
        Alone held(lock);
        auto [it, is_new] = m.try_emplace(key, elem);
        if (is_new)
            return false;
        give(old, it->second);
        it->second = elem;
        return true;
    }

    bool del(int64_t key, void *old)
    {
        Alone held(lock);
        auto it = m.find(key);
        if (it == m.end())
            return false;
        give(old, it->second);
        m.erase(it);
        return true;
    }

    bool load_or_store(int64_t key, int64_t elem, void *actual)
    {
        Alone held(lock);
        auto [it, is_new] = m.try_emplace(key, elem);
        give(actual, it->second);
        return !is_new;
    }

    bool swap_if(int64_t key, int64_t expected, int64_t elem)
    {
        Alone held(lock);
        auto it = m.find(key);
        if (it == m.end() || it->second != expected)
            return false;
        it->second = elem;
        return true;
    }

    bool del_if(int64_t key, int64_t expected)
    {
        Alone held(lock);
        auto it = m.find(key);
        if (it == m.end() || it->second != expected)
            return false;
        m.erase(it);
        return true;
    }

    bool add(int64_t key, int64_t delta, int64_t *sum)
    {
        Alone held(lock);
        auto [it, is_new] = m.try_emplace(key, 0);
        *sum = it->second = sum_of(it->second, delta);
        return !is_new;
    }

    uint64_t len()
    {
        Shared held(lock);
        return m.size();
    }

    template <class F> int range(F visit)
    {
        static thread_local std::minstd_rand random{std::random_device{}()};
        Shared held(lock);
        size_t buckets = m.bucket_count(), first = random() % buckets;
        for (size_t i = 0; i < buckets; i++) {
            size_t b = first + i < buckets ? first + i : first + i - buckets;
            for (auto it = m.cbegin(b); it != m.cend(b); ++it)
                if (!visit(it->first, it->second))
                    return GM_OK;
        }
        return GM_OK;
    }

    int clear()
    {
        Alone held(lock);
        m.clear();
        return GM_OK;
    }
};

} // namespace
#endif

/* ------------------------------------------------------------------ by name */

/* NULL: no peer of that name was built into this library. */
extern "C" __attribute__((visibility("default"))) const gm_variant *gm_peer_table(const char *name)
{
#if PEER_TBB
    if (strcmp(name, "tbb") == 0)
        return &Table<Tbb>::functions;
#endif
#if PEER_CUCKOO
    if (strcmp(name, "cuckoo") == 0)
        return &Table<Cuckoo>::functions;
#endif
#if PEER_URCU
    if (strcmp(name, "urcu") == 0)
        return &Table<Urcu>::functions;
#endif
#if PEER_CK
    if (strcmp(name, "ck_ht") == 0)
        return &Table<OneWriter<CkHt>>::functions;
    if (strcmp(name, "ck_hs") == 0)
        return &Table<OneWriter<CkHs>>::functions;
#endif
#if PEER_STD
    if (strcmp(name, "std-rwlock") == 0)
        return &Table<Std>::functions;
#endif
    return nullptr;
}

/* NULL: no such peer, or no memory. */
extern "C" __attribute__((visibility("default"))) void *gm_peer_new(const char *name, uint64_t hint)
{
    const gm_variant *v = gm_peer_table(name);
    gm_config c{};
    gm_guard_config g{};
    c.key_size = c.elem_size = 8;
    c.hint = hint;
    void *self = nullptr;
    return v && v->make(&c, &g, &self) == GM_OK ? self : nullptr;
}

extern "C" __attribute__((visibility("default"))) void gm_peer_free(const char *name, void *self)
{
    const gm_variant *v = gm_peer_table(name);
    if (v && self)
        v->drop(self);
}
