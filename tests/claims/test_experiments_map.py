"""Experiments on the map and its guards: what is counted has to come out, and the opposite setting has to turn the verdict."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from experiments import context, decided, number, skip_without_go, two_cpus, whole

from gomap import Map
from gomap.claims import CONFIRMED, NOT_MEASURABLE, REFUTED, UNDECIDED
from gomap.claims.chapter1 import delete_rehash, grow_demo, grow_global_lock
from gomap.claims.chapter2 import (
    get_locked_insn,
    get_steps,
    grow_shape,
    grow_test_code,
    iter_get_contention,
    iter_write_check,
    key_straddle,
    load_latency,
    overflow_threshold,
    readonly_path,
    structure,
)
from gomap.claims.verdict import Pairs, Sweep
from gomap.claims.walk import chains, full, shape, straddling
from gomap.errors import GoUnavailable, MissingTool
from gomap.lab import Workload
from gomap.lab.machine import allowed_cpus

# What no noise can turn a verdict into, at the smallest scale.
EXPECTED = {
    "C1.1": {CONFIRMED, UNDECIDED, NOT_MEASURABLE},
    "C1.3": {REFUTED, UNDECIDED},
    "C1.4": {UNDECIDED},
    "C2.1": {UNDECIDED},
    "C2.3": {REFUTED},
    "C2.4": {REFUTED},
    "C2.5": {REFUTED, UNDECIDED},
    "C2.7": {CONFIRMED, UNDECIDED},
    "C2.8": {REFUTED, UNDECIDED, NOT_MEASURABLE},
    "C2.9": {CONFIRMED, UNDECIDED, NOT_MEASURABLE},
    "C2.10": {CONFIRMED},
    "C2.12": {REFUTED, UNDECIDED},
    "C2.17": {REFUTED, UNDECIDED, NOT_MEASURABLE},
    "C2.18": {CONFIRMED, UNDECIDED},
}
TWO_CPUS = {"C1.1", "C1.3", "C2.17", "C2.18"}


@pytest.mark.parametrize("claim_id", EXPECTED)
def test_the_model_decides(claim_id: str) -> None:
    if claim_id in TWO_CPUS and len(allowed_cpus()) < 2:
        pytest.skip("takes two CPUs")
    f = decided(claim_id)
    whole(claim_id, f, EXPECTED[claim_id])
    assert f.settings
    Workload.from_dict(f.workload or {})


@pytest.mark.parametrize("claim_id", ["C1.1", "C1.3", "C1.4", "C2.18"])
def test_real_go_decides(claim_id: str) -> None:
    skip_without_go()
    allowed = {"C1.4": UNDECIDED, "C2.18": CONFIRMED}  # C1.4: ten million deletes are more than a test makes
    assert decided(claim_id, go=True).verdict == allowed.get(claim_id, REFUTED)


def test_no_toolchain_leaves_the_verdict_by_source(monkeypatch: pytest.MonkeyPatch) -> None:
    import gomap.claims.real as real

    def run_go(*_: object) -> None:
        raise GoUnavailable("no Go here")

    monkeypatch.setattr(real, "run_go", run_go)
    with pytest.raises(MissingTool, match="no Go here"):
        grow_demo.in_go(context())


# ------------------------------------------------------------------ the walk


def looked_at(m: Map) -> tuple[int, int]:
    """Cells of all hits, and overflow buckets, by the slow way: `Map.chain`."""
    cells = overflow = 0
    for i in range(2**m.header.B):
        chain = m.chain(i)
        overflow += len(chain) - 1
        cells += sum(8 * j + c + 1 for j, b in enumerate(chain) for c, key in enumerate(b.keys) if key is not None)
    return cells, overflow


@pytest.mark.parametrize("key", ["int64", "float64"])
def test_a_walk_counts_what_is_there(key: str) -> None:
    m = Map(key, seed=3, hint=full(6))
    m.assign_many(range(full(6)), range(full(6)))
    m.delete_many(range(100))
    s = shape(m)
    cells, overflow = looked_at(m)
    assert (s.entries, s.overflow, s.buckets) == (len(m), overflow, 64)
    assert s.hit_cells == pytest.approx(cells / len(m))
    assert 1 <= s.miss_cells <= s.miss_cells_fast
    assert 2 <= s.hit_lines <= 8


def test_long_chains_are_walked_to_their_end() -> None:
    m = Map(seed=1, knobs={"load_limit": "unlimited", "overflow_limit": "off"})
    m.assign_many(range(800), range(800))
    (chain,) = chains(m)
    assert len(chain) == 100
    assert shape(m).hit_cells == pytest.approx(400.5)


def test_keys_of_eight_bytes_lie_in_one_line_and_wider_ones_do_not() -> None:
    found = {}
    for kind, n in (("int64", 8), ("bytes9", 9), ("bytes16", 16)):
        m = Map(kind, seed=1, hint=full(9))
        m.assign_many([k if n == 8 else k.to_bytes(n, "little") for k in range(full(9))], range(full(9)))
        found[kind] = straddling(m)
    assert found["int64"] == 0
    assert found["bytes9"] == pytest.approx(1 / 8, abs=0.02)
    assert found["bytes16"] == pytest.approx(1 / 4, abs=0.03)


# ------------------------------------------------------------------ the opposite turns it


@two_cpus
def test_a_reader_that_waits_confirms_the_waiting() -> None:
    assert grow_demo._reader(context(), "growlock").verdict in (CONFIRMED, UNDECIDED)
    assert grow_demo._fate(100, 0, 5, 1e6, 0).verdict == CONFIRMED
    assert grow_demo._fate(100, 7, 0, 0.0, 0).verdict == REFUTED
    assert grow_demo._fate(100, 0, 0, 0.0, 0).verdict == UNDECIDED


def test_other_growths_leave_the_loop_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grow_demo, "_DOUBLINGS", 13)
    assert grow_demo.loop_and_reader(context()).verdict == UNDECIDED


def test_deletes_that_start_growths_confirm_it() -> None:
    f = delete_rehash._phases(context(), {"delete_grows": "start"})
    assert f.verdict == CONFIRMED
    assert number(f, "same-size growths that a delete started") > 0
    go = delete_rehash._phases(context(), delete_rehash._GO)
    assert number(go, "growths started inside a delete") == 0
    assert number(go, "same-size growths that a delete started") == 0
    assert number(go, "same-size growths that an insert started") == 3


@pytest.mark.parametrize("load", [5.0, 5.8])
def test_another_structure_is_no_gos(load: float) -> None:
    assert structure._walk(context(), load).verdict == REFUTED


def test_gos_structure_is_confirmed_by_enough_buckets() -> None:
    shapes = [structure._walked(seed, 13) for seed in range(12)]
    assert structure._judged(shapes).verdict == CONFIRMED


@pytest.mark.parametrize("load", [5.0, 6.0])
def test_other_cells_a_hit_refute_the_steps(load: float) -> None:
    assert get_steps._steps(context(), load).verdict == REFUTED


def test_fast_paths_walk_chains_that_deletes_have_emptied() -> None:
    f = get_steps.cells_and_lines(context())
    assert number(f, "cells compared a miss, fast64, after mass deletion") >= 8
    assert number(f, "cells compared a miss, generic, after mass deletion") < 4.5


def test_the_articles_overflow_limit_confirms_it() -> None:
    f = overflow_threshold._limits(context(), {"overflow_limit": "2^15"})
    assert f.verdict == CONFIRMED
    assert number(f, "maps whose first growth came at noverflow = 2^15") == 1
    left = [number(f, f"overflow buckets a bucket after churn, {name}") for name in ("2^min(B,15)", "2^15")]
    assert left[0] <= 1 < left[1]


def test_no_limit_leaves_it_undecided() -> None:
    assert overflow_threshold._limits(context(), {"overflow_limit": "off"}).verdict == UNDECIDED


def test_the_articles_test_confirms_its_own_code() -> None:
    f = grow_test_code._compare(context(), {"grow_test": "article"})
    assert f.verdict == CONFIRMED
    go = grow_test_code.both_tests(context())
    assert number(go, "load at growth, go") == 6.5
    assert number(go, "load at growth, article") == pytest.approx(7.64, abs=0.1)
    assert number(go, "buckets with an overflow bucket, article") == pytest.approx(35.5, abs=4)


def test_entries_go_two_ways_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    ways, writes = grow_shape._two_ways(8, 1, grow_shape._GO)
    assert (ways.x + ways.y, ways.elsewhere) == (full(8), 0)
    assert ways.x == pytest.approx(ways.y, rel=0.2)
    assert 2**7 <= writes <= 2**8
    assert grow_shape._two_ways(8, 1, grow_shape._AT_ONCE)[1] == 1
    monkeypatch.setattr(grow_shape, "_two_ways", lambda *_: (grow_shape._Ways(100, 99, 1), 10))
    assert grow_shape.ways_and_spikes(context()).verdict == REFUTED


def test_no_spike_leaves_the_shape_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grow_shape, "_AT_ONCE", grow_shape._GO)
    assert grow_shape.ways_and_spikes(context()).verdict == UNDECIDED


@two_cpus
def test_an_iterator_behind_a_lock_is_not_refused() -> None:
    assert iter_write_check._race(context(), "rwmutex").verdict in (REFUTED, UNDECIDED)
    assert iter_write_check._judged(0, 10, 10, 5e6).verdict == REFUTED
    assert iter_write_check._judged(3, 10, 10, 0.0).verdict == CONFIRMED
    assert iter_write_check._judged(0, 10, 10, 0.0).verdict == UNDECIDED


def test_a_locked_counter_is_no_check_that_costs_nothing() -> None:
    """In place of the check a locked instruction: it would show."""
    f = readonly_path._compare(context(), {"entry": "xadd"}, {"paths": "knobs"})
    assert f.verdict != REFUTED


def test_the_same_entry_twice_is_no_locked_one() -> None:
    assert get_locked_insn._compare(context(), "plain loads", "plain loads").verdict != CONFIRMED


def test_a_lock_that_is_none_is_not_confirmed() -> None:
    if len(allowed_cpus()) < 2:
        pytest.skip("takes two CPUs")
    assert grow_global_lock._compare(context(), "growlock", "growlock").verdict != CONFIRMED


def pairs_of(hits: dict[int, tuple[float, float]]) -> Pairs:
    def runs(which: int) -> tuple[dict[str, float], ...]:
        one = {
            load_latency._metric(B, kind): ns[which] + k / 100
            for k, kind in enumerate(("get", "get_miss"))
            for B, ns in hits.items()
        }
        return (one,) * 3

    return Pairs(("low", "high"), runs(0), runs(1), runs(0), runs(1), "test run")


def sweep_of(*values: float, names: Sequence[str] = ()) -> Sweep:
    return Sweep(tuple(names or map(str, values)), tuple(({"value": v},) * 3 for v in values))


@pytest.mark.parametrize(
    ("hits", "sizes", "verdict"),
    [
        ({5: (12.0, 14.0), 9: (60.0, 70.0)}, (12.0, 70.0), REFUTED),
        ({5: (12.0, 75.0), 9: (60.0, 70.0)}, (12.0, 70.0), CONFIRMED),
        ({5: (12.0, 14.0), 9: (60.0, 80.0)}, (12.0, 70.0), UNDECIDED),
        ({5: (12.0, 14.0), 9: (20.0, 22.0)}, (12.0, 20.0), UNDECIDED),
    ],
)
def test_load_and_size_share_the_range(hits: dict[int, tuple[float, float]], sizes: tuple[float, float], verdict: str) -> None:
    assert load_latency._judged(pairs_of(hits), tuple(hits), sweep_of(*sizes)).verdict == verdict


@pytest.mark.parametrize(
    ("generic", "aligned", "verdict"),
    [(25.0, 29.0, REFUTED), (12.0, 29.0, UNDECIDED), (12.0, 14.0, CONFIRMED), (25.0, 14.0, UNDECIDED)],
)
def test_the_path_or_the_line(generic: float, aligned: float, verdict: str) -> None:
    by_key = sweep_of(10.0, generic, 30.0, 31.0, aligned, 31.0, 24.0, 24.0, names=[*key_straddle._KEYS])
    walked = dict.fromkeys(key_straddle._KEYS, (0.0, 2.0))
    assert key_straddle._judged(by_key, "test run", walked).verdict == verdict
    assert key_straddle._judged(by_key, "", walked).verdict == UNDECIDED, "three rounds are too few"


def test_no_aligned_key_lies_in_two_lines() -> None:
    share = {name: key_straddle._walk(keys)[0] for name, keys in key_straddle._KEYS.items()}
    assert [name for name, part in share.items() if part == 0] == [
        "u64",
        "u64 through the generic path",
        "b9 padded to 16, aligned",
        "b16 aligned",
    ]
    assert share["b9 padded to 16"] == pytest.approx(1 / 4, abs=0.03)


TOGETHER: list[tuple[list[str], str]] = [
    ([REFUTED, REFUTED], REFUTED),
    ([REFUTED, NOT_MEASURABLE], NOT_MEASURABLE),
    ([UNDECIDED, CONFIRMED], CONFIRMED),
]


@pytest.mark.parametrize(("verdicts", "whole"), TOGETHER)
def test_nothing_may_differ(verdicts: list[str], whole: str) -> None:
    assert iter_get_contention._together(verdicts) == whole


@two_cpus
def test_iterators_that_write_the_header_are_not_refuted() -> None:
    assert iter_get_contention._compare(context(), {"iter_flag_or": "every"}).verdict != REFUTED
