/* driver.cpp: tests the peers through their table, by two threads. Prints a line a peer; exit status 1 if something is wrong.
 *
 *   g++ -std=c++17 -O1 -g -fsanitize=address,undefined -DPEER_TBB -DPEER_CUCKOO -DPEER_URCU -DPEER_CK -DPEER_STD \
 *       -I../../csrc peers.cpp driver.cpp -o driver -pthread -ltbb -lurcu-memb -lurcu-cds -lck && ./driver [scale] [peer ...]
 *
 * -fsanitize=thread: std-rwlock and cuckoo; the others synchronise in libraries that are not built with it.
 */
extern "C" {
#include "map/variant.h"
const gm_variant *gm_peer_table(const char *name);
void *gm_peer_new(const char *name, uint64_t hint);
void gm_peer_free(const char *name, void *self);
}

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

std::atomic<int> wrong{0};
size_t scale = 1;

#define CHECK(what)                                                                                                            \
    do {                                                                                                                       \
        if (!(what) && wrong++ < 20)                                                                                           \
            fprintf(stderr, "  line %d: %s\n", __LINE__, #what);                                                               \
    } while (0)

struct Peer {
    std::string name;
    const gm_variant *v;
    void *self;

    explicit Peer(const std::string &n, uint64_t hint = 0)
        : name(n), v(gm_peer_table(n.c_str())), self(gm_peer_new(n.c_str(), hint))
    {
        gm_usage_plan plan{2, 2, false};
        CHECK(self && v->enter(self) == GM_OK);
        CHECK(v->begin(self, &plan) == v);
    }
    ~Peer()
    {
        v->leave(self);
        gm_peer_free(name.c_str(), self);
    }
    Peer(const Peer &) = delete;

    int get(int64_t k, int64_t *e) { return v->get(self, &k, 8, e); }
    int assign(int64_t k, int64_t e, int64_t *old = nullptr) { return v->assign(self, &k, 8, &e, old); }
    int del(int64_t k, int64_t *old = nullptr) { return v->del(self, &k, 8, old); }
    int load_or_store(int64_t k, int64_t e, int64_t *now) { return v->load_or_store(self, &k, 8, &e, now); }
    int swap_if(int64_t k, int64_t was, int64_t e) { return v->compare_and_swap(self, &k, 8, &was, &e); }
    int del_if(int64_t k, int64_t was) { return v->compare_and_swap(self, &k, 8, &was, nullptr); }
    int add(int64_t k, int64_t d, int64_t *sum = nullptr) { return v->add(self, &k, 8, d, sum); }
    uint64_t len()
    {
        uint64_t n = ~UINT64_C(0);
        CHECK(v->len(self, &n) == GM_OK);
        return n;
    }
    int range(uint64_t limit, std::map<int64_t, int64_t> *out, bool *twice)
    {
        struct Ctx {
            std::map<int64_t, int64_t> *out;
            bool *twice;
        } ctx{out, twice};
        auto visit = [](void *c, const void *key, size_t len, const void *elem) {
            int64_t k, e;
            CHECK(len == 8);
            memcpy(&k, key, 8);
            memcpy(&e, elem, 8);
            auto *x = static_cast<Ctx *>(c);
            *x->twice = *x->twice || !x->out->emplace(k, e).second;
            return true;
        };
        return v->range(self, limit, visit, &ctx);
    }
    bool alone() const { return name == "tbb"; } /* range and clear overlap with nothing */
};

template <class F> void two(F f)
{
    std::atomic<int> there{0};
    auto body = [&](int t) {
        for (there++; there < 2;) {
        }
        f(t);
    };
    std::thread a(body, 0), b(body, 1);
    a.join();
    b.join();
}

void one_by_one(const std::string &name)
{
    Peer p(name);
    int64_t e = 77;
    CHECK(p.len() == 0 && p.get(5, &e) == GM_MISS && e == 77 && p.del(5, &e) == GM_MISS && e == 77);
    CHECK(p.assign(5, 50, &e) == GM_MISS && e == 77);
    CHECK(p.assign(5, 51, &e) == GM_OK && e == 50);
    CHECK(p.assign(5, 52) == GM_OK && p.get(5, &e) == GM_OK && e == 52);
    CHECK(p.load_or_store(5, 1, &e) == GM_OK && e == 52);
    CHECK(p.load_or_store(6, 60, &e) == GM_MISS && e == 60 && p.len() == 2);
    CHECK(p.load_or_store(6, 61, nullptr) == GM_OK);
    CHECK(p.swap_if(6, 59, 1) == GM_MISS && p.swap_if(7, 0, 1) == GM_MISS && p.swap_if(6, 60, 62) == GM_OK);
    CHECK(p.get(6, &e) == GM_OK && e == 62 && p.get(7, &e) == GM_MISS);
    CHECK(p.del_if(6, 60) == GM_MISS && p.del_if(7, 0) == GM_MISS && p.del_if(6, 62) == GM_OK && p.get(6, &e) == GM_MISS);
    CHECK(p.add(8, -3, &e) == GM_MISS && e == -3 && p.add(8, 5, &e) == GM_OK && e == 2 && p.add(8, 1) == GM_OK);
    CHECK(p.add(9, INT64_MAX) == GM_MISS && p.add(9, 1, &e) == GM_OK && e == INT64_MIN);
    CHECK(p.del(8, &e) == GM_OK && e == 3 && p.del(9) == GM_OK && p.del(9) == GM_MISS && p.len() == 1);
    CHECK(p.assign(-1, -1) == GM_MISS && p.get(-1, &e) == GM_OK && e == -1);
    std::map<int64_t, int64_t> seen;
    bool twice = false;
    CHECK(p.range(10, &seen, &twice) == (p.alone() ? GM_E_ARGUMENT : GM_OK) && p.v->growing_to(p.self) == -1);
    CHECK(p.v->clear(p.self) == (p.alone() ? GM_E_ARGUMENT : GM_OK) && p.len() == (p.alone() ? 2 : 0));
    p.v->end(p.self);
    CHECK(p.v->clear(p.self) == GM_OK && p.len() == 0 && p.get(5, &e) == GM_MISS);
    gm_config c{};
    void *other = nullptr;
    c.key_size = c.elem_size = 4;
    CHECK(p.v->make(&c, nullptr, &other) == GM_E_ARGUMENT && !other);
}

/* m[k] += d, and the same by compare_and_swap: nothing is lost. */
void sums(const std::string &name)
{
    enum { KEYS = 300 };
    Peer p(name);
    size_t n = 200000 * scale;
    std::vector<int64_t> want[2] = {std::vector<int64_t>(KEYS), std::vector<int64_t>(KEYS)};
    two([&](int t) {
        std::minstd_rand random(t + 1);
        for (size_t i = 0; i < n; i++) {
            int64_t k = random() % KEYS, d = random() % 1000;
            want[t][k] += d;
            if (i % 4) {
                CHECK(p.add(k, d) >= 0);
                continue;
            }
            for (int64_t now;;) {
                CHECK(p.load_or_store(k, 0, &now) >= 0);
                if (p.swap_if(k, now, now + d) == GM_OK)
                    break;
            }
        }
    });
    for (int64_t k = 0; k < KEYS; k++) {
        int64_t e = -1;
        CHECK(p.get(k, &e) == GM_OK && e == want[0][k] + want[1][k]);
    }
    CHECK(p.len() == KEYS);
}

/* New keys of both threads while the map grows: each is found at once, and stays; range sees each once. */
void growth(const std::string &name, uint64_t hint)
{
    Peer p(name, hint);
    int64_t n = int64_t(100000 * scale);
    two([&](int t) {
        std::minstd_rand random(t + 1);
        for (int64_t i = 0; i < n; i++) {
            int64_t k = 2 * i + t, e = -1, earlier = 2 * int64_t(random() % (i + 1)) + t;
            CHECK(p.assign(k, 3 * k) == GM_MISS);
            CHECK(p.get(k, &e) == GM_OK && e == 3 * k);
            CHECK(p.get(earlier, &e) == GM_OK && e == 3 * earlier);
            CHECK(p.get(-1 - k, &e) == GM_MISS);
            if (i % 20000 == 100 && !p.alone()) {
                std::map<int64_t, int64_t> seen;
                bool twice = false;
                CHECK(p.range(UINT64_MAX, &seen, &twice) == GM_OK && !twice);
                for (int64_t j = 0; j <= i; j++) /* those that were there throughout */
                    CHECK(seen.count(2 * j + t));
                for (auto [key, elem] : seen)
                    CHECK(elem == 3 * key);
            }
        }
    });
    p.v->end(p.self);
    CHECK(p.len() == uint64_t(2 * n));
    for (uint64_t limit : {UINT64_MAX, uint64_t(100), uint64_t(0)}) {
        std::map<int64_t, int64_t> seen;
        bool twice = false;
        CHECK(p.range(limit, &seen, &twice) == GM_OK && !twice);
        CHECK(seen.size() == std::min(limit, uint64_t(2 * n)));
    }
    two([&](int t) {
        for (int64_t i = 0; i < n; i++) {
            int64_t e = -1;
            CHECK(p.del(2 * i + t, i % 2 ? &e : nullptr) == GM_OK && e == (i % 2 ? 3 * (2 * i + t) : -1));
            CHECK(p.get(2 * i + t, &e) == GM_MISS);
        }
    });
    CHECK(p.len() == 0);
}

/* Everything at once on few keys: what came in less what went out is what is there, and elems are of their keys. */
void turmoil(const std::string &name)
{
    enum { KEYS = 64 };
    Peer p(name);
    std::vector<int64_t> balance[2] = {std::vector<int64_t>(KEYS), std::vector<int64_t>(KEYS)};
    two([&](int t) {
        std::minstd_rand random(t + 1);
        for (size_t i = 0; i < 400000 * scale; i++) {
            int64_t k = random() % KEYS, e = k, fresh = k + KEYS * int64_t(random() % 1000), *old = random() % 2 ? &e : nullptr;
            switch (random() % 7) {
            case 0:
                balance[t][k] += p.assign(k, fresh, old) == GM_MISS;
                break;
            case 1:
                balance[t][k] -= p.del(k, old) == GM_OK;
                break;
            case 2:
                balance[t][k] += p.load_or_store(k, fresh, &e) == GM_MISS;
                break;
            case 3:
                if (p.get(k, &e) == GM_OK)
                    balance[t][k] -= p.del_if(k, e) == GM_OK;
                break;
            case 4:
                if (p.get(k, &e) == GM_OK)
                    p.swap_if(k, e, fresh);
                break;
            case 5:
                if (p.get(k, &e) == GM_OK)
                    balance[t][k] += p.add(k, KEYS, &e) == GM_MISS; /* deleted meanwhile: from now on a multiple of KEYS */
                break;
            default:
                p.get(k, &e);
            }
            CHECK(e % KEYS == k || e % KEYS == 0);
        }
    });
    uint64_t there = 0;
    for (int64_t k = 0; k < KEYS; k++) {
        int64_t e = 0, net = balance[0][k] + balance[1][k];
        CHECK(net == 0 || net == 1);
        CHECK((p.get(k, &e) == GM_OK) == (net == 1));
        there += net == 1;
    }
    CHECK(p.len() == there);
}

/* One assigns rising elems to one key, the other never sees one fall, nor the key gone. */
void rising(const std::string &name)
{
    Peer p(name);
    std::atomic<bool> over{false};
    p.assign(1, 0);
    two([&](int t) {
        int64_t last = 0, e = -1;
        if (t == 0) {
            for (int64_t i = 1; i <= int64_t(300000 * scale); i++) {
                CHECK(p.assign(1, i, &e) == GM_OK && e == i - 1);
                if (i % 8 == 0)
                    p.assign(i, 0);
            }
            over = true;
            return;
        }
        while (!over) {
            CHECK(p.get(1, &e) == GM_OK && e >= last);
            last = e;
        }
    });
}

} // namespace

int main(int argc, char **argv)
{
    std::vector<std::string> names(argv + (argc > 2 ? 2 : argc), argv + argc);
    if (argc > 1)
        scale = strtoul(argv[1], nullptr, 10);
    if (names.empty())
        names = {"std-rwlock", "tbb", "cuckoo", "urcu", "ck_ht", "ck_hs"};
    CHECK(!gm_peer_table("nobody") && !gm_peer_new("nobody", 0));
    for (const std::string &name : names) {
        if (!gm_peer_table(name.c_str())) {
            printf("%-12s not built\n", name.c_str());
            continue;
        }
        int before = wrong;
        one_by_one(name);
        sums(name);
        growth(name, 0);
        growth(name, 50000);
        turmoil(name);
        rising(name);
        printf("%-12s %s\n", name.c_str(), wrong == before ? "right" : "WRONG");
    }
    return wrong != 0;
}
