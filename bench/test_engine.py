"""What does the engine itself cost? An empty operation with timing off and with every operation timed; attribution on a map.

Each row alternates its settings (A B A B ...) and prints the medians; ratios come with their 95 % bootstrap interval.

    empty operation     the loop alone: drawing kind and key, two indirect calls, counters; and two readings of the clock
    attribution         the plain map, every operation timed, with and without charging time to causes
    attribution off     runs machine code without spans; the row shows the same setting twice: the noise

    pytest bench/test_engine.py [--quick]
"""

from __future__ import annotations

import statistics
from typing import Any

import pytest
from gomap._core import lib

from gomap.lab import Group, Uniform, Workload, Zipf, bootstrap_ratio, run
from gomap.lab.result import Result

GETS = Group(mix={"get": 100}, keys=Uniform())
MIXED = Group(mix={"get": 95, "assign": 5}, keys=Uniform())
GROWING = Group(mix={"assign_new": 100})


def ns_per_op(r: Result) -> float:
    return 1e9 / r.throughput


def side_by_side(
    request: pytest.FixtureRequest, settings: dict[str, tuple[Workload, dict[str, Any]]]
) -> dict[str, list[float]]:
    """Nanoseconds per operation of each setting, alternated."""
    repeats = 2 if request.config.getoption("--quick") else 9
    times: dict[str, list[float]] = {name: [] for name in settings}
    for _ in range(repeats):
        for name, (workload, options) in settings.items():
            times[name].append(ns_per_op(run(workload, **options)))
    return times


def tell(capsys: pytest.CaptureFixture[str], row: str, times: dict[str, list[float]]) -> None:
    base = next(iter(times))
    with capsys.disabled():
        print(f"\n{row}")
        for name, found in times.items():
            ratio = "" if name == base else f"   x {bootstrap_ratio(found, times[base])}"
            print(f"  {name:<28} {statistics.median(found):7.2f} ns per operation{ratio}")


@pytest.fixture
def ops(request: pytest.FixtureRequest) -> int:
    return 200_000 if request.config.getoption("--quick") else 10_000_000


def test_empty_operation(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], ops: int) -> None:
    options: dict[str, Any] = {"_overrides": {"variant": lib.GM_VARIANT_EMPTY}}
    settings = {
        name: (Workload(size=1, keyspace=100_000, ops=ops, groups=(GETS,), sample=sample, attribution=attribution), options)
        for name, sample, attribution in (
            ("timing off", 0, False),
            ("every operation timed", 1, False),
            ("and charged to causes", 1, True),
        )
    }
    tell(capsys, "An empty operation in the closed loop", side_by_side(request, settings))


@pytest.mark.parametrize(
    ("name", "group", "entries"),
    [("95 % get, 5 % assign, 10^5 entries", MIXED, 100_000), ("a map that grows from nothing", GROWING, 0)],
    ids=["mixed", "growing"],
)
def test_attribution(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], ops: int, name: str, group: Group, entries: int
) -> None:
    settings: dict[str, tuple[Workload, dict[str, Any]]] = {
        label: (Workload(size=entries, ops=ops // 5, groups=(group,), seed=1, attribution=attribution), {})
        for label, attribution in (("attribution off", False), ("attribution on", True), ("attribution off again", False))
    }
    tell(capsys, f"Plain map, {name}, every operation timed", side_by_side(request, settings))


def test_key_streams(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], ops: int) -> None:
    options: dict[str, Any] = {"_overrides": {"variant": lib.GM_VARIANT_EMPTY}}
    settings = {
        label: (Workload(size=1, keyspace=1_000_000, ops=ops // 2, groups=(Group(keys=keys),), sample=0), options)
        for label, keys in (("uniform", Uniform()), ("zipf 0.99", Zipf(0.99)), ("zipf 1.2", Zipf(1.2)))
    }
    tell(capsys, "Drawing keys, timing off", side_by_side(request, settings))
