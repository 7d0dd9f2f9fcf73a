"""Scenes on a heap: what actors did is what was asked of them, and what is counted belongs to who did it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gomap import BadValue, OutOfMemory
from gomap.lab import Heap, HeapActor, HeapScene, run_heap_scene


@pytest.mark.parametrize("does", ["gets", "updates", "inserts", "allocates"])
@pytest.mark.parametrize(("key", "elem"), [("int64", "int64"), ("str", "ready"), ("str", "new")])
def test_actors_do_as_often_as_asked(does: str, key: str, elem: str) -> None:
    heap = Heap(poison="on", check="on")
    actor = HeapActor(does=does, key=key, elem=elem, entries=1000, ops=5500)
    r = run_heap_scene(heap, HeapScene(actors=(actor, actor), live=5000, collecting=True, duration_s=60))
    for a in r.actors:
        assert a.ops == 5500
        assert a.wrong == 0
        assert a.latency.count == 5500
        assert a.rounds == (5 if does == "inserts" else 0)
    assert r.counts["lost_objects"] == r.counts["dangling_pointers"] == 0
    heap.collect()
    heap.collect()
    assert heap.stats().in_use == 0  # the scene has left nothing behind


def test_a_scene_ends_with_its_time_or_its_cycles() -> None:
    by_time = run_heap_scene(Heap(), HeapScene(actors=(HeapActor(),), duration_s=0.01))
    assert by_time.actors[0].ops > 0
    by_cycles = run_heap_scene(Heap(), HeapScene(actors=(HeapActor(),), live=1000, collecting=True, cycles=5, duration_s=60))
    assert by_cycles.cycles == 5
    assert by_cycles.elapsed_s < 60


@pytest.mark.parametrize("spread", ["stripes", "runs", "random"])
def test_all_that_lives_is_marked_once(spread: str) -> None:
    live = 10_000
    r = run_heap_scene(Heap(None, check="on"), HeapScene(live=live, spread=spread, collecting=True, cycles=3, duration_s=60))
    assert r.counts["marked_objects"] == 3 * (live + 3)  # and three blocks of pointers
    assert r.counts["lost_objects"] == 0


def test_flushes_happen_while_marking_and_tell_their_entries() -> None:
    flusher = HeapActor(does="flushes", size=100, ops=50)
    r = run_heap_scene(Heap(None), HeapScene(actors=(flusher,), live=50_000, collecting=True, duration_s=60))
    assert r.actors[0].phases["marking"].ops + r.actors[0].phases["sweeping"].ops + r.actors[0].phases["off"].ops == 50
    assert r.counts["barrier_entries"] >= 50 * 100


def test_readers_of_one_map_and_changes_of_the_p() -> None:
    first = HeapActor(key="str", entries=500, ops=3000, moves=True)
    r = run_heap_scene(Heap(None, via_span="on"), HeapScene(actors=(first, replace(first, shares=True)), duration_s=60))
    assert [a.wrong for a in r.actors] == [0, 0]
    assert r.counts["get_spans"] == 6000


def test_slow_operations_are_told_apart() -> None:
    inserts = HeapActor(does="inserts", entries=1 << 14, ops=1 << 14)
    r = run_heap_scene(Heap(None), HeapScene(actors=(inserts,), duration_s=60, slow_us=1e-3))
    a = r.actors[0]
    assert a.slow > 0
    assert a.slow_by["large object"] == r.counts["large_allocations"] == 5  # 2^8 to 2^12 buckets
    assert a.slow_by["assist"] == a.slow_by["stopped"] == 0
    assert a.slow_by["nothing"] <= a.slow


def test_large_objects_from_the_cache() -> None:
    inserts = HeapActor(does="inserts", entries=1 << 14, ops=1 << 16)
    heap = Heap(None, path="cache")
    r = run_heap_scene(heap, HeapScene(actors=(inserts,), duration_s=60))
    assert r.counts["large_from_cache"] >= r.counts["large_allocations"] - 8  # the first of each length finds none
    heap.collect()
    heap.collect()
    assert heap.stats().in_use == 0


def test_marking_by_compare_and_swap_loses_nothing() -> None:
    heap = Heap(None, procs=4, workers=2, markbits="compare and swap", check="on")
    r = run_heap_scene(heap, HeapScene(live=50_000, spread="random", collecting=True, cycles=5, duration_s=60))
    assert r.counts["lost_objects"] == 0


def test_what_was_lost_is_freed_where_told_to_and_no_map_lives_there() -> None:
    heap = Heap(None, lost="free")
    assert run_heap_scene(heap, HeapScene(live=1000, collecting=True, cycles=2, duration_s=60)).counts["lost_objects"] == 0
    with pytest.raises(BadValue):
        run_heap_scene(heap, HeapScene(actors=(HeapActor(ops=1),)))


def test_a_full_heap_ends_the_scene() -> None:
    with pytest.raises(OutOfMemory):
        run_heap_scene(Heap(limit=1 << 20), HeapScene(actors=(HeapActor(does="inserts", entries=1 << 17),), duration_s=60))


BAD: list[dict[str, Any]] = [
    {"actors": (HeapActor(does="nothing"),)},
    {"actors": (HeapActor(elem="ready"),)},
    {"actors": (HeapActor(does="flushes", size=7),), "live": 1},
    {"actors": (HeapActor(shares=True),)},
    {"actors": (HeapActor(entries=0),)},
    {"actors": (HeapActor(),) * 65},
    {"cycles": 1},
    {"live": -1},
    {"duration_s": 0.0},
    {"spread": "anywhere"},
]


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_scenes_that_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(BadValue):
        run_heap_scene(Heap(), HeapScene(**bad))
