"""The experiments themselves, scaled down. What is counted has to come out; of what is timed only what no noise can turn."""

from __future__ import annotations

from typing import Any

import pytest
from experiments import context, decided, number

import gomap.claims.chapter2.load_factor as load_factor
from gomap.claims import CONFIRMED, REFUTED, Context, Entry, Finding, entries
from gomap.claims.runner import ClaimResult, Results
from gomap.lab import Result, Workload

BY_SCENE = {
    *(
        "C1.0",
        "C1.2",
        "C1.5",
        "C1.6",
        "C1.7",
        "C1.8",
        "C2.13",
        "C2.14",
        "C2.15",
        "C2.16",
        "C2.19",
        "C3.1",
        "C3.2",
        "C3.3",
        "C3.4",
    ),
    *("C3.5", "C3.6", "C3.7", "C3.8", "C3.9", "C3.10", "C3.11", "C4.5", "C4.6", "C4.7", "C4.8", "C4.9", "C4.10", "R4"),
}
"""Played on the models of the scheduler and the heap: no workload of the engine says what they do."""

EXPERIMENTS = [e for e in entries() if e.on_model is not None]


@pytest.fixture(scope="module", params=EXPERIMENTS, ids=lambda e: e.claim.id)
def outcome(request: pytest.FixtureRequest) -> tuple[Entry, Finding]:
    return request.param, decided(request.param.claim.id)


def test_every_experiment_is_whole(outcome: tuple[Entry, Finding]) -> None:
    e, f = outcome
    assert f.by == "experiment"
    assert f.reason.endswith(".")
    assert f.numbers
    assert f.series
    assert all(s.rows for s in f.series)
    assert f.settings
    assert (f.workload is None) == (e.claim.number in BY_SCENE)
    if f.workload is not None:
        Workload.from_dict(f.workload)
    results = Results("test", {}, {}, [ClaimResult(e.claim.id, f, f)])
    assert Results.from_json(results.to_json()).claims[0].model.reason == f.reason


def test_load_factor_is_exact() -> None:
    f = decided("C2.2")
    assert f.verdict == CONFIRMED
    assert number(f, "doublings by other operations") == 0
    assert [row["y"] for row in f.series[0].rows] == [9, 14, 27, 53, 105, 209, 417, 833, 1665, 3329, 6657, 13313]


@pytest.mark.parametrize("change", ["too early", "missing", "extra"])
def test_one_wrong_growth_refutes_it(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    true = load_factor._starts

    def wrong(r: Result) -> list[tuple[int, int]]:
        points = true(r)
        if r.workload["key"] == "str" and r.workload["hint"] == 0:
            B, n = points[7]
            points[7:8] = {"too early": [(B, n - 1)], "missing": [], "extra": [(B, n), (B, n + 1)]}[change]
        return points

    monkeypatch.setattr(load_factor, "_starts", wrong)
    assert decided("C2.2").verdict == REFUTED


def test_a_growth_by_another_operation_refutes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    true = load_factor._starts
    monkeypatch.setattr(load_factor, "_starts", lambda r: true(r) or [(10, load_factor._FULL)])
    assert decided("C2.2").verdict == REFUTED


def test_full_maps_do_grow_at_the_next_new_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The maps that other operations do not grow are at the limit: one key more would do it."""
    seen: list[Workload] = []
    true_run = Context.run

    def run(self: Context, workload: Workload, seed: int | None = None, **options: Any) -> Result:
        seen.append(workload)
        return true_run(self, workload, seed, **options)

    monkeypatch.setattr(Context, "run", run)
    load_factor._doublings_of_others(context())
    for w in seen:
        grown = true_run(context(), w.with_(ops=1, groups=(load_factor.Group(mix={"assign_new": 100}),)), 1)
        assert load_factor._starts(grown) == [(load_factor._FULL_B, load_factor._FULL)]


def test_evacuation_takes_a_large_share_only_while_a_map_grows() -> None:
    f = decided("C2.6")
    growing = number(f, "time in evacuation while a map only grows")
    constant = number(f, "time in evacuation at constant size")
    assert growing > 2 * constant
    assert growing > 15  # Go's own is about 40; a factor of two below is no noise
    assert [row["name"] for row in f.series[0].rows] == ["0 % stay", "25 % stay", "50 % stay", "100 % stay"]


def test_a_presized_map_evacuates_nothing() -> None:
    import gomap.claims.chapter2.evacuate_cpu as evacuate_cpu

    ctx = context()
    w = Workload(ops=20_000, hint=20_000, groups=(evacuate_cpu.Group(mix={"assign_new": 100}),))
    assert evacuate_cpu._measure(ctx, w, 1, 1)["evacuation"] == 0
    assert evacuate_cpu._measure(ctx, w.with_(hint=0), 1, 1)["evacuation"] > 0
