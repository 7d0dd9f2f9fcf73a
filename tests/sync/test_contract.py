"""One contract for every variant: a dict's answers one at a time, exact counts from many threads, no memory left behind."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from gomap._core import ffi, lib
from hypothesis import given, settings

import gomap
from gomap import BadValue, GomapError, MissingKey, OutOfMemory, OutOfRange, WrongType
from gomap.lab import Group, Uniform, Workload, run
from gomap.lab.machine import allowed_cpus
from gomap.variants import VARIANTS

CONCURRENT = [name for name in VARIANTS if name != "plain"]
every_variant = pytest.mark.parametrize("name", CONCURRENT)
KEYS: dict[str, st.SearchStrategy[Any]] = {
    "int64": st.integers(-3, 30) | st.integers(-(2**63), 2**63 - 1),
    "int32": st.integers(-3, 30) | st.integers(-(2**31), 2**31 - 1),
    "uint32": st.integers(0, 30),
    "float64": st.sampled_from([0.0, -0.0, 1.5, -2.0, float("inf")]) | st.floats(allow_nan=False),
    "str": st.text(max_size=3) | st.text(max_size=80),
    "bytes9": st.binary(min_size=9, max_size=9),
    "bytes200": st.integers(0, 20).map(lambda i: bytes([i]) * 200),
}
ELEMS: dict[str, st.SearchStrategy[Any]] = {
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(allow_nan=False),
    "none": st.none(),
    "bytes3": st.binary(min_size=3, max_size=3),
    "bytes200": st.integers(0, 255).map(lambda i: bytes([i]) * 200),
    "object": st.integers(0, 3) | st.text(max_size=3) | st.lists(st.integers(), max_size=2),
}


def make(name: str, *args: Any, **options: Any) -> Any:
    return VARIANTS[name].cls(*args, **options)


# ------------------------------------------------------------------ one at a time


def apply(m: Any, d: dict[Any, Any], op: str, key: Any, elem: Any, other: Any) -> None:
    """The same operation on both, and the same answer from both."""
    there, before = key in d, d.get(key)
    if op == "assign":
        m[key] = elem
        d[key] = elem
    elif op == "swap":
        assert m.swap(key, elem) == (before, there)
        d[key] = elem
    elif op == "delete":
        assert m.load_and_delete(key) == (before, there)
        d.pop(key, None)
    elif op == "load_or_store":
        assert m.load_or_store(key, elem) == (d.setdefault(key, elem), there)
    elif op == "compare_and_swap":
        swapped = there and before == other
        assert m.compare_and_swap(key, other, elem) is swapped
        if swapped:
            d[key] = elem
    elif op == "compare_and_delete":
        deleted = there and before == other
        assert m.compare_and_delete(key, other) is deleted
        if deleted:
            del d[key]
    assert m.get(key, "nothing") == d.get(key, "nothing")
    assert (key in m) == (key in d)


OPS = st.sampled_from(["assign", "swap", "delete", "load_or_store", "compare_and_swap", "compare_and_delete"])


@every_variant
@pytest.mark.parametrize(("key", "elem"), [*((k, "int64") for k in KEYS), *(("int64", e) for e in ELEMS), ("str", "object")])
@settings(max_examples=15)
@given(data=st.data())
def test_answers_are_a_dict_s(name: str, key: str, elem: str, data: st.DataObject) -> None:
    m, d = make(name, key, elem, seed=1), dict[Any, Any]()
    steps = data.draw(st.lists(st.tuples(OPS, KEYS[key], ELEMS[elem], ELEMS[elem], st.booleans()), max_size=60))
    for op, k, e, other, use_known in steps:
        known = d.get(k, other) if use_known else other
        if elem == "float64" and known == 0:
            continue  # 0.0 and -0.0 are equal in Python and different bytes
        apply(m, d, op, k, e, known)
        assert len(m) == len(d)
    assert dict(m.items()) == d
    m.check()
    m.clear()
    assert len(m) == 0
    m.check()


@every_variant
@pytest.mark.parametrize("hasher", ["aes", "memhash"])
def test_growth_and_churn(name: str, hasher: str) -> None:
    m, d = make(name, seed=3, hasher=hasher), dict[int, int]()
    rng = np.random.default_rng(1)
    for step in range(40):
        keys = rng.integers(0, 20_000, 1000)
        m.assign_many(keys, keys * 3 + step)
        d.update((k, k * 3 + step) for k in keys.tolist())
        gone = rng.integers(0, 20_000, 900)
        present = {k for k in gone.tolist() if k in d}
        assert m.delete_many(gone) == len(present)
        for k in present:
            del d[k]
        assert len(m) == len(d)
    asked = np.arange(20_000)
    assert m.get_many(asked, default=-1).tolist() == [d.get(k, -1) for k in range(20_000)]
    assert m.contains_many(asked).tolist() == [k in d for k in range(20_000)]
    assert dict(m.items()) == d
    m.check()


@every_variant
def test_nan_is_never_found(name: str) -> None:
    m = make(name, "float64", "int64")
    for i in range(20):
        m[float("nan")] = i
    assert len(m) == 20
    assert float("nan") not in m
    assert m.load_and_delete(float("nan")) == (None, False)
    assert sorted(e for _, e in m.range()) == list(range(20))
    m[0.0] = 1
    assert m[-0.0] == 1
    m.clear()
    assert len(m) == 0


@every_variant
def test_mapping_and_errors(name: str) -> None:
    m = make(name, "str", "int64")
    m.update({"a": 1, "b": 2})
    assert m == {"a": 1, "b": 2}
    assert m.setdefault("a", 9) == 1
    assert m.pop("a") == 1
    assert m.pop("a", 7) == 7
    assert m.popitem() == ("b", 2)
    assert m.add("n") == 1
    assert m.add("n", -5) == -4
    with pytest.raises(MissingKey):
        m["a"]
    with pytest.raises(MissingKey):
        del m["a"]
    with pytest.raises(MissingKey):
        make(name).popitem()
    with pytest.raises(WrongType):
        m[5] = 1
    with pytest.raises(OutOfRange):
        m["x"] = 2**63
    with pytest.raises(WrongType):
        make(name, elem="object").add(1)
    for bad in ({"key": "int16"}, {"hasher": "md5"}, {"hint": -1}, {"layout": "loose"}):
        with pytest.raises(GomapError):
            make(name, **bad)
    assert "entries" in repr(m)
    assert make(name, layout="padded").load_or_store(1, 2) == (2, False)


@every_variant
@pytest.mark.parametrize(("key", "elem"), [*((k, "int64") for k in KEYS), *(("int64", e) for e in ELEMS), ("str", "object")])
def test_views_give_what_was_put_in(name: str, key: str, elem: str) -> None:
    keys = {"bytes9": lambda i: b"%09d" % i, "bytes200": lambda i: b"%0200d" % i, "str": lambda i: "é" * (i % 3) + str(i)}
    elems = {
        "bytes3": lambda i: b"%03d" % i,
        "bytes200": lambda i: b"%0200d" % i,
        "none": lambda i: None,
        "object": lambda i: [i],
    }
    make_key, make_elem = (
        keys.get(key, float if key == "float64" else int),
        elems.get(elem, float if elem == "float64" else int),
    )
    for n in (0, 1, 300):
        m, d = make(name, key, elem), {make_key(i): make_elem(i) for i in range(n)}
        m.update(d)
        assert list(map(repr, sorted(m.items()))) == list(map(repr, sorted(d.items())))
        assert sorted(map(repr, m.values())) == sorted(map(repr, d.values()))
        assert sorted(m.keys()) == sorted(d)
        assert len(m.items()) == len(m.values()) == len(m.keys()) == n


@every_variant
def test_views_are_sets_like_a_dict_s(name: str) -> None:
    m, d = make(name), {i: -i for i in range(10)}
    m.update(d)
    for view, like, other in ((m.items(), d.items(), (99, 0)), (m.keys(), d.keys(), 99)):
        some = [*list(like)[:3], other]
        assert (view == like, view & some, view | some) == (True, like & some, like | some)
        assert (view - some, view ^ some, view.isdisjoint(some)) == (like - some, like ^ some, like.isdisjoint(some))
        assert (view <= like, view > set(some[:2])) == (True, True)
    assert ((3, -3) in m.items(), (3, 3) in m.items(), (99, 0) in m.items()) == (True, False, False)
    assert (-3 in m.values(), 3 in m.values()) == (True, False)
    items, m[10] = m.items(), -10
    assert (10, -10) in set(items)


@every_variant
@pytest.mark.parametrize("elem", ["int64", "object"])
def test_an_iteration_looks_nothing_up(name: str, elem: str) -> None:
    def looked_up(self: Any, key: Any) -> Any:
        raise AssertionError("looked up")

    lookups = dict.fromkeys(("_find", "get", "__contains__", "__getitem__"), looked_up)
    m: Any = type("Blind", (VARIANTS[name].cls,), lookups)("int64", elem)
    m.assign_many(range(100), range(100))
    assert sorted(m.items()) == sorted(m.range()) == [(i, i) for i in range(100)]
    assert sorted(m.values()) == sorted(m) == list(range(100))


@every_variant
def test_nan_entries_are_iterated_with_their_elems(name: str) -> None:
    m = make(name, "float64", "int64")
    for i in range(20):
        m[float("nan")] = i
    assert sorted(e for _, e in m.items()) == sorted(m.values()) == list(range(20))


@pytest.mark.parametrize("shards", [0, 3, -1, 2**17, "many", True, 1.0])
def test_bad_shards(shards: Any) -> None:
    with pytest.raises(BadValue, match="shards must be a power of two"):
        gomap.ShardedMap(shards=shards)


def test_shards() -> None:
    for n in (1, 2, 64):
        m = gomap.ShardedMap(shards=n)
        m.assign_many(np.arange(10_000), np.arange(10_000))
        sizes = [int(lib.gm_map_len(lib.gm_cmap_part(m._handle, i))) for i in range(n)]
        assert sum(sizes) == len(m) == 10_000
        assert max(sizes) < 10_000 / n * 1.5 + 1
    assert gomap.ShardedMap().shards >= 4


# ------------------------------------------------------------------ many at once


def at_once(n: int, body: Callable[[int], None]) -> None:
    """Runs body(0) .. body(n - 1) on threads that start together; passes the first exception on."""
    start, failures = threading.Barrier(n), list[BaseException]()

    def go(i: int) -> None:
        try:
            start.wait()
            body(i)
        except BaseException as e:
            failures.append(e)

    threads = [threading.Thread(target=go, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise failures[0]


@every_variant
def test_counts_are_exact(name: str) -> None:
    m, each = make(name), 3000

    def body(i: int) -> None:
        for j in range(each):
            m.add(j % 7)
            while not m.compare_and_swap(100, now := m.load_or_store(100, 0)[0], now + 1):
                pass

    at_once(4, body)
    assert sum(m[k] for k in range(7)) == 4 * each
    assert m[100] == 4 * each


@every_variant
def test_one_winner(name: str) -> None:
    m, rounds = make(name, "int64", "object"), 800
    stored: list[list[int]] = [[] for _ in range(4)]

    def body(i: int) -> None:
        for j in range(rounds):
            elem, loaded = m.load_or_store(j, (i, j))
            if not loaded:
                stored[i].append(j)
            assert elem[1] == j

    at_once(4, body)
    assert sorted(j for s in stored for j in s) == list(range(rounds))


@every_variant
def test_tokens_are_conserved(name: str) -> None:
    """Every object that goes in comes out once: by a swap, a delete, or at the end."""
    m, each = make(name, "int64", "object"), 1500
    out: list[list[Any]] = [[] for _ in range(4)]

    def body(i: int) -> None:
        for j in range(each):
            old, loaded = m.swap(j % 5, (i, j))
            if loaded:
                out[i].append(old)
            if j % 3 == 0:
                gone, loaded = m.load_and_delete((j + i) % 5)
                if loaded:
                    out[i].append(gone)

    at_once(4, body)
    left = [m.pop(k) for k in list(m)]
    assert sorted([t for o in out for t in o] + left) == sorted((i, j) for i in range(4) for j in range(each))
    assert m._objects.slots == {}


@every_variant
@pytest.mark.parametrize("elem", ["int64", "object"])
def test_iterations_beside_writers(name: str, elem: str) -> None:
    """Each key at most once, every lasting key, and an elem that it had at some instant of the iteration."""
    m, lasting, passing = make(name, "int64", elem), range(50), range(50, 500)
    begun, done = [0] * 500, [0] * 500
    stop = threading.Event()

    def assign(key: int, i: int) -> None:
        begun[key] = i
        m[key] = key * 10**9 + i
        done[key] = i

    def write(_: int) -> None:
        for i in itertools.count(1):
            for key in itertools.chain(lasting, passing):
                assign(key, i)
            m.delete_many(np.array(passing))
            if stop.is_set():
                return

    def read(_: int) -> None:
        try:
            for view in itertools.cycle((m.items, m.range)):
                if done[0] >= 40:
                    break
                before = [done[key] for key in lasting]
                found = list(view())
                elems = dict(found)
                assert len(elems) == len(found)
                assert all(e // 10**9 == key for key, e in found)
                assert all(before[key] <= elems[key] % 10**9 <= begun[key] for key in lasting)
                assert len({e // 10**9 for e in m.values()} & set(lasting)) == len(lasting)
        finally:
            stop.set()

    for key in lasting:
        assign(key, 0)
    at_once(2, lambda i: (write, read)[i](i))
    m.check()


@every_variant
@pytest.mark.skipif(len(allowed_cpus()) < 2, reason="needs two CPUs")
def test_the_engine_drives_it(name: str) -> None:
    everything = {"get": 30, "get_miss": 5, "assign_new": 15, "assign": 10, "delete": 15, "iterate": 5, "len": 5, "add": 15}
    w = Workload(variant=name, size=2000, ops=200_000, seed=1, groups=(Group(threads=2, mix=everything, keys=Uniform()),))
    r = run(w)
    assert r.total == 200_000
    assert r.refused == {}
    assert r.failed == 0
    assert r.hits["get_miss"] == 0
    alone = w.with_(groups=(Group(mix=everything),))
    assert run(alone).operations == run(alone).operations
    same = [run(alone) for _ in range(2)]
    assert (same[0].hits, same[0].digest) == (same[1].hits, same[1].digest)


@every_variant
def test_memory_comes_back(name: str) -> None:
    """Ten million operations of churn: as many blocks and bytes as after the first hundred thousand, and none in the end."""
    faulty = ffi.gc(lib.gm_faulty_new(), lib.gm_faulty_free)
    cls = VARIANTS[name].cls
    m = cls(seed=1, _overrides={"alloc": lib.gm_faulty_alloc(faulty)})
    keys = np.arange(50_000)
    for _ in range(2):
        m.assign_many(keys, keys)
        m.delete_many(keys)
    base = int(lib.gm_faulty_live_bytes(faulty))
    for _ in range(100):
        m.assign_many(keys, keys)
        m.delete_many(keys)
    assert len(m) == 0
    assert lib.gm_faulty_live_bytes(faulty) <= 3 * base  # a growth may be under way, with two arrays
    del m
    assert lib.gm_faulty_live_blocks(faulty) == 0


@every_variant
def test_allocation_failure(name: str) -> None:
    faulty = ffi.gc(lib.gm_faulty_new(), lib.gm_faulty_free)
    cls, nth = VARIANTS[name].cls, 0
    while True:
        nth += 1
        lib.gm_faulty_arm(faulty, nth, 1)
        try:
            m = cls("str", "bytes200", seed=1, _overrides={"alloc": lib.gm_faulty_alloc(faulty)})
        except OutOfMemory:
            assert lib.gm_faulty_live_blocks(faulty) == 0
            continue
        d = {}
        failures = 0
        for i in range(40):
            for _ in range(2):  # the second attempt works
                try:
                    m[f"key {i}"] = bytes([i]) * 200
                    break
                except OutOfMemory:
                    failures += 1
                    assert dict(m.items()) == d
            d[f"key {i}"] = bytes([i]) * 200
        assert dict(m.items()) == d
        del m
        assert lib.gm_faulty_live_blocks(faulty) == 0
        if failures == 0 and nth > 300:
            break
    lib.gm_faulty_arm(faulty, 0, 0)
