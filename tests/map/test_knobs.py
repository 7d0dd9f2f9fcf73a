"""Knobs: at Go's settings nothing changes; each does what it says, shown by what can be counted."""

from __future__ import annotations

import itertools
import pickle
import random
from typing import Any

import hypothesis.strategies as st
import pytest
from gomap._core import ffi, lib
from hypothesis import given

from gomap import BadValue, Map
from gomap.claims.walk import chains
from gomap.knobs import KNOBS, parse_knobs
from gomap.lab import Group, Workload, run

STEPS = st.lists(st.tuples(st.sampled_from(["set", "set", "del", "get", "range"]), st.integers(0, 400)), max_size=600)
SETTINGS: list[dict[str, Any]] = [
    *({name: choice} for name, k in KNOBS.items() if k.choices and name != "hash" for choice in list(k.choices)[1:]),
    *({"load_limit": limit} for limit in (0.5, "15/2", 8.0, "unlimited")),
    *({"evacuate": k} for k in (0, 2, 7, "all")),
    *({"hash": "skewed", "chain": k} for k in (2, 5, 16)),
    {"hash": "skewed", "chain": 16, "delete": "unlink", "overflow_limit": "off", "load_limit": "unlimited"},
    {"delete": "unlink", "delete_grows": "start", "bucket_stride": "aligned 64"},
]


def perform(m: Map, steps: list[tuple[str, int]]) -> dict[Any, Any]:
    model: dict[Any, Any] = {}
    for n, (op, key) in enumerate(steps):
        if op == "set":
            m[key] = model[key] = n
        elif op == "del":
            assert m.pop(key, None) == model.pop(key, None)
        elif op == "get":
            assert m.get(key) == model.get(key)
        else:
            next(iter(m), None)
    return model


def churn(m: Map, n: int = 6000, keys: int = 2000) -> dict[Any, Any]:
    r = random.Random(1)
    return perform(m, [(r.choice(("set", "set", "del", "get")), r.randrange(keys)) for _ in range(n)])


@given(steps=STEPS)
def test_gos_settings_change_no_state(steps: list[tuple[str, int]]) -> None:
    gos = {name: knob.go for name, knob in KNOBS.items()}
    plain, given_gos, paths = (Map(seed=9, knobs=knobs) for knobs in (None, gos, {"paths": "knobs"}))
    for m in (plain, given_gos, paths):
        perform(m, steps)
    assert plain.digest() == given_gos.digest() == paths.digest()


@pytest.mark.parametrize("knobs", SETTINGS, ids=str)
def test_answers_and_invariants_hold_with_every_setting(knobs: dict[str, Any]) -> None:
    for key in ("int64", "float64"):
        m = Map(key, seed=3, knobs=knobs)
        model = churn(m)
        m.check()
        assert m == model
        m.delete_many(list(model)[5:])
        m.check()
        assert dict(m.items()) == dict(list(model.items())[:5])
        m.clear()
        m.check()


def growths(m: Map) -> list[tuple[int, int, int]]:
    return [(e.n, e.from_B, e.to_B) for e in m.events() if e.kind == "grow_start"]


@pytest.mark.parametrize("limit", [3.25, 6.5, 7.5, 8.0])
def test_the_load_limit_is_where_growth_starts(limit: float) -> None:
    m = Map(seed=1, knobs={"load_limit": limit, "overflow_limit": "off"})
    m.assign_many(range(5000), range(5000))
    assert [n for n, b, _ in growths(m) if b >= 2] == [int(limit * 2**b) for _, b, _ in growths(m) if b >= 2]
    assert next(b for b in range(20) if limit * 2**b >= 5000) == m.header.B


def test_without_limits_nothing_grows() -> None:
    m = Map(seed=1, knobs={"load_limit": "unlimited", "overflow_limit": "off"})
    m.assign_many(range(800), range(800))
    assert (growths(m), m.header.B, len(m.chain(0))) == ([], 0, 100)


def test_load_num_and_load_den_are_the_load_limit() -> None:
    assert Map(knobs={"load_num": 15, "load_den": 2}).knobs == {"load_limit": 7.5}
    assert Map(knobs={"load_num": "unlimited"}).knobs == {"load_limit": "unlimited"}


def churned(limit: str) -> Map:
    m = Map(seed=1, hint=100, knobs={"overflow_limit": limit, "paths": "knobs"})
    for i in range(20_000):
        m[i] = i
        m.pop(i - 90, None)
    return m


def test_the_overflow_limit_decides_on_growths_to_the_same_size() -> None:
    same = {limit: sum(b == to for _, b, to in growths(churned(limit))) for limit in ("go", "2^15", "off")}
    assert same["go"] > 0
    assert same["2^15"] == same["off"] == 0


def test_the_articles_test_counts_overflow_buckets_with_the_entries() -> None:
    m = Map(seed=1, knobs={"grow_test": "article"})
    for i in range(4000):
        before, _, overflows = m.header.B, m[i - 1] if i else 0, m.header.noverflow
        was_growing = m.header.growing
        m[i] = i
        if not was_growing:
            assert (before < m.header.B) == (i + overflows >= 8 * 2**before)


@pytest.mark.parametrize(("evacuate", "most"), [(0, 1), (1, 2), (5, 6), ("all", 64)])
def test_a_write_evacuates_so_many_buckets(evacuate: Any, most: int) -> None:
    m = Map(seed=1, events="all", event_capacity=1 << 12, knobs={"evacuate": evacuate, "paths": "knobs"})
    m.assign_many(range(64 * 13 // 2), range(64 * 13 // 2))
    while m.header.growing:
        m[0] = 0
        if evacuate == 0:
            m.evacuate(1)
    moved = sum(e.kind == "evacuate" for e in m.events())
    m[10**6] = 0
    assert sum(e.kind == "evacuate" for e in m.events()) - moved in (most, most - 1)
    assert m.header.growing == (evacuate != "all")


def overfull() -> tuple[Map, Map]:
    """Maps with as many overflow buckets as start a growth, and none running: one more insert would start it."""
    made = []
    for starts in ("continue", "start"):
        m = Map(seed=1, hint=100, knobs={"delete_grows": starts, "paths": "knobs"})
        i = 0
        while m.header.noverflow < 2**m.header.B or m.header.growing:
            m[i] = i
            if m.header.noverflow < 2**m.header.B:
                m.pop(i - 90, None)
            i += 1
        made.append(m)
    return made[0], made[1]


def test_deletes_start_growths_only_where_told_to() -> None:
    go, article = overfull()
    for m in (go, article):
        before = len(growths(m))
        assert m.pop(-5, None) is None
        assert len(growths(m)) == before, "a delete that finds nothing starts nothing"
        del m[max(m)]
        assert len(growths(m)) - before == (m is article)
        m.check()


def test_unlinking_leaves_no_empty_overflow_bucket() -> None:
    left = {}
    for mode in ("go", "unlink"):
        m = Map(seed=1, knobs={"delete": mode, "paths": "knobs"})
        m.assign_many(range(13_000), range(13_000))
        overflows = sum(len(m.chain(i)) - 1 for i in range(2**m.header.B))
        m.delete_many(range(12_900))
        left[mode] = sum(len(m.chain(i)) - 1 for i in range(2**m.header.B))
        assert m.knob_counts.unlinked == overflows - left[mode]
        assert m.header.noverflow == left[mode]
        empty = sum(b.keys == [None] * 8 for i in range(2**m.header.B) for b in m.chain(i)[1:])
        assert (empty > 0) == (mode == "go")
        m.check()
    assert left["go"] > 5 * left["unlink"] > 0


def test_an_iterator_goes_on_from_a_bucket_that_was_unlinked() -> None:
    m = Map(seed=1, knobs={"delete": "unlink", "load_limit": "unlimited", "overflow_limit": "off"})
    m.assign_many(range(80), range(80))
    chain = [[k for k in bucket.keys if k is not None] for bucket in m.chain(0)]
    it = m.iterator(0, 0)
    seen = [it.next() for _ in range(12)]  # it stands in the second bucket
    m.delete_many(chain[1])
    assert len(m.chain(0)) == 9
    while (step := it.next()) is not None:
        seen.append(step)
    assert sorted(k for k, _ in seen[12:]) == sorted(key for keys in chain[2:] for key in keys)


def test_counted_entries() -> None:
    m = Map(knobs={"entry": "xadd"})
    m.update({1: 1, 2: 2})
    before = m.knob_counts.entered
    m.get_many([1, 2, 3])
    assert m.knob_counts.entered - before == 3


@pytest.mark.parametrize(("mode", "after"), [("once", (3, 2)), ("every", (3, 3)), ("off", (0, 0))])
def test_how_often_an_iteration_sets_its_flags(mode: str, after: tuple[int, int]) -> None:
    m = Map(seed=1, knobs={"iter_flag_or": mode, "paths": "knobs"})
    m.assign_many(range(52), range(52))
    m.freeze_growth()
    it = m.iterator()
    it.next()
    first = m.header.flags & 3
    m[1000] = 0  # a growth starts and turns the flags on
    it.next()
    assert (first, m.header.flags & 3) == after


@pytest.mark.parametrize("chain", [1, 2, 3, 8, 16])
def test_a_skewed_hash_fills_every_so_manieth_bucket(chain: int) -> None:
    m = Map(seed=1, hint=6 * 1024, knobs={"chain": chain, "hash": "skewed" if chain > 1 else "good", "overflow_limit": "off"})
    m.assign_many(range(6 * 1024), range(6 * 1024))
    used = [m.chain(i) for i in range(1024)]
    filled = sum(any(any(top >= 5 for top in b.tophash) for b in c) for c in used)
    assert filled == pytest.approx(1024 / chain, rel=0.02)
    tops = {top for c in used for b in c for top in b.tophash if top >= 5}
    assert len(tops) > 240


def test_a_skewed_hash_spreads_over_small_maps_too() -> None:
    m = Map(seed=1, hint=100, knobs={"hash": "skewed", "chain": 4, "overflow_limit": "off"})
    m.assign_many(range(100), range(100))
    filled = [i for i in range(16) if any(k is not None for k in m.chain(i)[0].keys)]
    assert (m.header.B, len(filled)) == (4, 4)


@pytest.mark.parametrize(
    ("stride", "size", "aligned"), [("natural", 144, False), ("192", 192, False), ("aligned 64", 192, True)]
)
def test_the_stride_is_from_bucket_to_bucket(stride: str, size: int, aligned: bool) -> None:
    from gomap._core import ffi, lib

    m = Map(seed=1, hint=1000, knobs={"bucket_stride": stride})
    room, where = ffi.new("uint8_t *[]", 1), ffi.new("int64_t[]", 1)
    places = []
    for i in (0, 1, 2):
        lib.gm_map_chain(m._handle, i, 0, room, where, 1)
        places.append(int(ffi.cast("uintptr_t", room[0])))
    assert {b - a for a, b in itertools.pairwise(places)} == {size}
    assert not aligned or all(p % 64 == 0 for p in places)


@pytest.mark.parametrize(
    "knobs",
    [
        {"x": 1},
        {"entry": "foo"},
        {"load_limit": 2000},
        {"load_num": 1, "load_den": 0},
        {"evacuate": -1},
        {"chain": 4},
        {"hash": "skewed"},
    ],
)
def test_what_is_refused(knobs: dict[str, Any]) -> None:
    with pytest.raises(BadValue, match=r"allowed|go together"):
        Map(knobs=knobs)
    with pytest.raises(BadValue, match=r"allowed|go together"):
        Workload(ops=1, knobs=knobs)


def test_what_else_is_refused() -> None:
    with pytest.raises(BadValue, match="larger than 192"):
        Map(elem="bytes100", knobs={"bucket_stride": 192})
    with pytest.raises(BadValue, match="lockfree has no knobs"):
        Workload(ops=1, variant="lockfree", knobs={"entry": "xadd"})
    with pytest.raises(BadValue, match="NAME=VALUE"):
        parse_knobs(["entry"])


def test_copies_keep_their_knobs() -> None:
    m = Map(knobs={"load_limit": 8.0, "delete": "unlink"})
    m[1] = 2
    for other in (m.copy(), m | {3: 4}, {3: 4} | m, pickle.loads(pickle.dumps(m))):
        assert other.knobs == m.knobs


@pytest.mark.parametrize("variant", ["plain", "mutex", "rwmutex", "sharded"])
def test_workloads_take_knobs(variant: str) -> None:
    w = Workload(variant, (Group(mix={"assign_new": 50, "get": 50}),), size=200, ops=4000, seed=1, knobs={"load_limit": 3.25})
    assert Workload.from_json(w.to_json()) == w
    r = run(w)
    assert r.workload["knobs"] == {"load_limit": 3.25}
    assert r.counters["B"] > run(w.with_(knobs=None)).counters["B"]


CELLS: list[dict[str, Any]] = [{"cells": "pairs"}, {"key_stride": "16"}, {"key_stride": "aligned 16"}, {"key_path": "generic"}]


@pytest.mark.parametrize("knobs", CELLS, ids=str)
@pytest.mark.parametrize("kind", ["int64", "int32", "str", "bytes9", "bytes12", "bytes16", "bytes200"])
def test_where_cells_lie_changes_no_state(kind: str, knobs: dict[str, Any]) -> None:
    """Every cell holds what it holds in Go. Larger buckets have another reserve, which is in the digest."""

    def key(i: int) -> Any:
        return i if kind.startswith("int") else str(i) if kind == "str" else i.to_bytes(int(kind[5:]), "little")

    if "cells" in knobs and kind in ("int32", "bytes9", "bytes12"):
        with pytest.raises(BadValue):
            Map(kind, knobs=knobs)
        return
    go, other = Map(kind, seed=5), Map(kind, seed=5, knobs=knobs)
    for m in (go, other):
        m.assign_many([key(i) for i in range(700)], range(700))
        for i in range(0, 700, 3):
            del m[key(i)]
        m.assign_many([key(i) for i in range(600, 900)], range(300))
        m.check()
    assert other.header.B == go.header.B
    for i in range(2**go.header.B):
        assert [b[:3] for b in other.chain(i)] == [b[:3] for b in go.chain(i)]
    if "key_stride" not in knobs and kind != "str":
        assert other.digest() == go.digest()
    assert list(other.get_many([key(i) for i in range(900)])) == list(go.get_many([key(i) for i in range(900)]))


def test_cells_lie_where_the_knobs_say() -> None:
    def layout(kind: str, **knobs: str) -> tuple[int, ...]:
        found = ffi.new("gm_layout *")
        lib.gm_map_layout(Map(kind, knobs=knobs)._handle, found)
        offsets = (found.key_offset, found.key_step, found.elem_offset, found.elem_step, found.overflow_offset)
        return (*map(int, offsets), int(found.bucket_size))

    assert layout("bytes9") == (8, 9, 80, 8, 144, 152)
    assert layout("bytes9", key_stride="16") == (8, 16, 136, 8, 200, 208)
    assert layout("bytes12", key_stride="aligned 16") == (8, 16, 136, 8, 200, 208)
    assert layout("int64", cells="pairs") == (8, 16, 16, 16, 136, 144)
    assert layout("int64", bucket_stride="192") == (8, 8, 72, 8, 136, 192)


def test_aligned_keys_lie_at_multiples_of_16() -> None:
    m = Map("bytes9", seed=1, hint=832, knobs={"key_stride": "aligned 16"})
    m.assign_many([i.to_bytes(9, "little") for i in range(832)], range(832))
    places = [p for chain in chains(m) for p in chain]
    assert len(places) > 128
    assert {(p.address + 8) % 16 for p in places} == {0}


@pytest.mark.parametrize("more", [{"key_stride": "16"}, {"key_stride": "aligned 16"}])
def test_cells_that_contradict_each_other_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(BadValue):
        Map(knobs={"cells": "pairs", **more})
    with pytest.raises(BadValue):
        Map(knobs={"bucket_stride": "aligned 64", "key_stride": "aligned 16"})
