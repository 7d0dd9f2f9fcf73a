"""Workloads whose map lives on a heap: the result tells what the heap did, and operations what it made them wait for."""

from __future__ import annotations

from typing import Any

import pytest

from gomap import BadValue, WrongType
from gomap.lab import Group, Result, Workload, run
from gomap.lab.result import CAUSES

OF_THE_HEAP = ("refill", "sweep", "assist", "barrier_flush", "stop_the_world")


def inserts(heap: dict[str, Any] | None, ops: int = 60_000) -> Workload:
    return Workload(groups=(Group(mix={"assign_new": 100}),), ops=ops, key="str", heap=heap, seed=1)


def test_a_map_on_a_heap_does_the_same_and_tells_of_the_heap() -> None:
    beside, r = run(inserts(None)), run(inserts({"gogc": 10}))
    assert r.digest == beside.digest
    assert "heap" not in beside.counters
    assert beside.gctrace == ()
    assert all(beside.time_by_cause("assign_new")[cause] == 0 for cause in OF_THE_HEAP)
    heap = r.counters["heap"]
    assert heap["small_allocations"] > 60_000
    assert heap["cycles"] > 0
    assert len(r.gctrace) == min(64, heap["cycles"])
    assert all(line.startswith("gc ") for line in r.gctrace)
    assert heap["lost_objects"] == heap["dangling_pointers"] == 0
    assert r.time_by_cause("assign_new")["refill"] > 0
    assert set(r.causes("assign_new")) == set(CAUSES)
    assert sum(r.causes("assign_new").values()) == pytest.approx(1)


def test_assists_and_stops_are_told_apart() -> None:
    r = run(inserts({"gogc": 10, "assist": "stores", "assist_every": 1}, 200_000))
    spent = r.time_by_cause("assign_new")
    heap = r.counters["heap"]
    assert (spent["assist"] > 0) == (heap["assists_in_barrier"] > 0)
    off = run(inserts({"gogc": None}))
    assert [off.time_by_cause("assign_new")[cause] for cause in ("assist", "barrier_flush", "stop_the_world")] == [0, 0, 0]


def test_the_heap_of_a_workload_goes_through_json() -> None:
    w = inserts({"gogc": None, "limit": 1 << 30, "markbits": "or"})
    assert Workload.from_json(w.to_json()) == w
    r = run(inserts({"gogc": 20}, 2000))
    assert Result.from_json(r.to_json()).gctrace == r.gctrace


def test_a_full_heap_fails_operations_and_not_the_run() -> None:
    r = run(inserts({"limit": 1 << 18}, 4_000))
    assert r.failed > 0
    assert r.counters["count"] == r.operations["assign_new"]


@pytest.mark.parametrize(
    ("heap", "error"),
    [({"gogc": -2}, BadValue), ({"no_knob": "on"}, BadValue), ({"assist": "maybe"}, BadValue), ("heap", WrongType)],
)
def test_heaps_that_are_refused(heap: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        inserts(heap)


def test_only_the_plain_map_lives_on_a_heap() -> None:
    with pytest.raises(BadValue, match="rwmutex does not live on a heap"):
        Workload(variant="rwmutex", ops=1, size=1, heap={})
