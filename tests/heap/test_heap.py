"""`gomap.lab.Heap` from Python: maps in it are maps as ever, and what it counts is what happened."""

from __future__ import annotations

import random
import threading
from typing import Any

import numpy as np
import pytest

from gomap import BadValue, Map, OutOfMemory, WrongType
from gomap.lab import HEAP_KNOBS, Heap

KINDS = [("int64", "int64"), ("str", "int64"), ("str", "bytes200"), ("bytes200", "float64"), ("int64", "object")]


def key_of(kind: str, i: int) -> Any:
    return str(i) if kind == "str" else i.to_bytes(200, "little") if kind == "bytes200" else i


def elem_of(kind: str, i: int) -> Any:
    return i.to_bytes(200, "little") if kind == "bytes200" else float(i) if kind == "float64" else i


@pytest.mark.parametrize(("key", "elem"), KINDS)
def test_a_map_in_a_heap_is_its_twin_bit_for_bit(key: str, elem: str) -> None:
    heap, rng = Heap(gogc=10, poison="on"), random.Random(1)
    m, twin = Map(key, elem, seed=3, heap=heap), Map(key, elem, seed=3)
    for i in range(6000):
        k = key_of(key, rng.randrange(1500))
        if rng.random() < 0.7:
            m[k] = twin[k] = elem_of(elem, i)
        else:
            assert m.pop(k, None) == twin.pop(k, None)
        if i % 1000 == 0:
            heap.collect()
    m.check()
    assert m.digest(raw=True) == twin.digest(raw=True)
    assert dict(m.items()) == dict(twin.items())
    m.clear()
    heap.collect()
    assert len(m) == 0
    m.check()
    del m
    heap.collect()
    stats = heap.stats()
    assert stats.in_use == 0
    assert stats.counts["dangling_pointers"] == stats.counts["lost_objects"] == 0
    assert stats.counts["freed_objects"] == stats.counts["small_allocations"] + stats.counts["large_allocations"]


def test_an_iterator_keeps_what_it_stands_in() -> None:
    heap = Heap(poison="on")
    m = Map("str", "int64", seed=1, heap=heap)
    m.update({str(i): i for i in range(1000)})
    it = m.iterator()
    seen = [step for _ in range(100) if (step := it.next())]
    m.update({f"more {i}": i for i in range(20_000)})
    heap.collect()
    heap.collect()
    while step := it.next():
        seen.append(step)
    old = [(k, e) for k, e in seen if not k.startswith("more")]
    assert sorted(old, key=lambda s: s[1]) == [(str(i), i) for i in range(1000)]


def test_threads_with_maps_of_their_own() -> None:
    heap, errors = Heap(gogc=20, poison="on"), []

    def use(seed: int) -> None:
        try:
            m = Map("str", "int64", seed=seed, heap=heap)
            keys = [f"{seed} {i}" for i in range(2000)]
            for _ in range(5):
                m.assign_many(keys, np.arange(2000))
                assert m.get_many(keys).tolist() == list(range(2000))
                m.delete_many(keys[:1500])
            m.check()
        except BaseException as e:
            errors.append(e)

    threads = [threading.Thread(target=use, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for _ in range(10):
        heap.collect()
    for t in threads:
        t.join()
    assert errors == []
    assert heap.stats().counts["dangling_pointers"] == 0


def test_a_full_heap_refuses_and_the_map_is_intact() -> None:
    heap = Heap(limit=1 << 20)
    m = Map("str", "int64", heap=heap)
    with pytest.raises(OutOfMemory):
        m.update({str(i): i for i in range(100_000)})
    n = len(m)
    m.check()
    assert n > 1000
    assert m.get_many([str(i) for i in range(n)]).tolist() == list(range(n))
    assert heap.stats().in_use <= 1 << 20
    for i in range(n // 2):
        del m[str(i)]
    for i in range(n // 4):
        m[f"again {i}"] = i
    m.check()


def test_large_arrays_go_past_the_caches() -> None:
    heap = Heap(gogc=None)
    Map("int64", "int64", hint=1000, heap=heap)  # 2^8 buckets of 144 bytes and their reserve: over 32 KB
    assert heap.stats().counts["large_allocations"] == 1
    Map("int64", "int64", hint=400, heap=heap)
    assert heap.stats().counts["large_allocations"] == 1
    assert heap.stats().counts["small_allocations"] == 1


def test_barriers_only_while_marking_unless_always() -> None:
    def entries(**knobs: Any) -> int:
        heap = Heap(gogc=None, **knobs)
        m = Map("str", "int64", heap=heap)
        for i in range(2000):
            m[str(i)] = i
        heap.collect()  # empties what is left in buffers
        return heap.stats().counts["barrier_entries"]

    assert entries() == 0
    assert entries(wb="always") > 2 * 2000  # two for each key's pointer, and those of evacuations
    assert entries(wb="off") == 0


def test_cycles_read_as_gctrace() -> None:
    heap = Heap(procs=2)
    heap.collect()
    (cycle,) = heap.cycles()
    assert cycle.n == heap.stats().cycles == 1
    line = cycle.gctrace()
    assert line.startswith("gc 1: ")
    assert line.endswith(" goal, 2 P")


def test_arguments() -> None:
    for bad in ({"gogc": -2}, {"limit": 0}, {"procs": 0}, {"markbits": "maybe"}, {"no_knob": 1}, {"assist_every": 0}):
        with pytest.raises(BadValue):
            Heap(**bad)  # type: ignore[arg-type]
    with pytest.raises(WrongType):
        Heap(gogc="100")  # type: ignore[arg-type]
    heap = Heap()
    with pytest.raises(BadValue):
        Map(heap=heap, knobs={"bucket_stride": "aligned 64"})
    with pytest.raises(BadValue):
        heap.time_allocations(0, 1, 1)
    for name, knob in HEAP_KNOBS.items():
        for choice in knob.choices or ():
            assert Heap(**{name: choice}).knobs == {name: choice}
