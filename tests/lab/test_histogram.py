"""The histogram against a brute-force model and against the hdrhistogram package."""

from __future__ import annotations

import io
import itertools
import math
import sys
from typing import Any

import hypothesis.strategies as st
import pytest
from gomap._core import ffi, lib
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings

from gomap import BadValue, MissingTool
from gomap.lab.histogram import Histogram, TooFewSamples, write_hlog

HIGHEST = 100_000_000_000


def filled(values: list[int], digits: int = 3, highest: int = HIGHEST) -> Any:
    h = ffi.gc(lib.gm_hist_new(digits, highest), lib.gm_hist_free)
    for v in values:
        lib.gm_hist_record(h, v)
    return h


def counts(h: Any) -> list[tuple[int, int]]:
    n = lib.gm_hist_counts(h, ffi.NULL, ffi.NULL, 0)
    values, numbers = ffi.new("uint64_t[]", n), ffi.new("uint64_t[]", n)
    assert lib.gm_hist_counts(h, values, numbers, n) == n
    return list(zip(values, numbers, strict=True))


VALUES = st.lists(
    st.integers(0, 5000) | st.integers(0, HIGHEST) | st.integers(0, 36).map(lambda i: 1 << i).filter(lambda v: v <= HIGHEST),
    min_size=1,
    max_size=200,
)


def at_rank(entries: list[tuple[int, int]], rank: int, h: HdrHistogram) -> int:
    """The value at a rank. The package's own percentiles round the rank to the nearest; HdrHistogram proper rounds it up."""
    for value, n in entries:
        rank -= n
        if rank <= 0:
            return int(h.get_highest_equivalent_value(value))
    raise AssertionError("fewer values than the rank")


@settings(max_examples=30)  # that package is slow
@given(values=VALUES, digits=st.sampled_from([2, 3]))
def test_counts_and_percentiles_are_hdrhistogram_s(values: list[int], digits: int) -> None:
    ours, theirs = filled(values, digits), HdrHistogram(1, HIGHEST, digits)
    for v in values:
        theirs.record_value(v)
    assert lib.gm_hist_total(ours) == theirs.total_count
    expected = [(i.value_iterated_to, i.count_at_value_iterated_to) for i in theirs.get_recorded_iterator()]
    mine = counts(ours)
    assert [n for _, n in mine] == [n for _, n in expected]
    top = max(values)
    assert [v for v, _ in mine] == [theirs.get_highest_equivalent_value(v) for v, _ in expected]
    for p in (0.1, 10, 50, 90, 99, 99.9, 100):
        assert lib.gm_hist_percentile(ours, p) == min(top, at_rank(expected, math.ceil(p / 100 * len(values)), theirs))


@given(values=VALUES)
def test_a_percentile_is_within_a_thousandth_of_the_true_one(values: list[int]) -> None:
    h, ordered = filled(values), sorted(values)
    for p in (1, 25, 50, 75, 99, 100):
        true = ordered[max(1, math.ceil(p / 100 * len(ordered))) - 1]
        got = lib.gm_hist_percentile(h, p)
        assert true <= got <= true * 1.001 + 1
    assert lib.gm_hist_min(h) == ordered[0]
    assert lib.gm_hist_max(h) == ordered[-1]
    assert lib.gm_hist_mean(h) == pytest.approx(sum(values) / len(values))


@pytest.mark.parametrize("n", [1000, 10_000, 100_000, 1_000_000])
def test_the_rank_of_a_percentile_is_exact(n: int) -> None:
    step = 1 if n == 1000 else 0
    h = filled([i if step else 2 * (i >= n - n // 1000) for i in range(n)])
    assert lib.gm_hist_percentile(h, 99.9) == (998 if step else 0)
    assert lib.gm_hist_percentile(h, 99.95) == (999 if step else 2)


def test_values_beyond_the_highest_are_not_lost() -> None:
    h = filled([5, 10**6, 10**9], highest=1000)
    assert lib.gm_hist_total(h) == 3
    assert sum(n for _, n in counts(h)) == 3
    assert lib.gm_hist_max(h) == 10**9
    assert lib.gm_hist_percentile(h, 100) == 10**9


def test_empty_and_impossible() -> None:
    h = filled([])
    assert (lib.gm_hist_total(h), lib.gm_hist_min(h), lib.gm_hist_max(h), lib.gm_hist_mean(h)) == (0, 0, 0, 0)
    assert lib.gm_hist_percentile(h, 50) == 0
    assert lib.gm_hist_percentile(filled([7]), math.nan) == 7
    for digits, highest in ((0, 100), (6, 100), (3, 1), (3, 1 << 63)):
        assert lib.gm_hist_new(digits, highest) == ffi.NULL


# ------------------------------------------------------------------ the class of the laboratory


def measured(values: list[int]) -> Histogram:
    return Histogram.from_core(filled(values))


@settings(max_examples=30)
@given(values=VALUES, more=VALUES)
def test_files_are_read_back_by_hdrhistogram(values: list[int], more: list[int]) -> None:
    both = {"get": measured(values), "assign": measured(more)}
    log = io.StringIO()
    write_hlog(log, list(both.items()), start_s=1000.5, length_s=2.0)
    lines = log.getvalue().splitlines()
    assert lines[:2] == ["#[Histogram log format version 1.3]", "#[StartTime: 1000.500 (seconds since epoch)]"]
    for line, (kind, h) in zip(lines[3:], both.items(), strict=True):
        tag, start, length, top, code = line.split(",")
        assert (tag, start, length, top) == (f"Tag={kind}", "0.000", "2.000", f"{h.max_ns / 1e6:.3f}")
        theirs = HdrHistogram.decode(code)
        found = [(i.value_iterated_to, i.count_at_value_iterated_to) for i in theirs.get_recorded_iterator()]
        expected = [(theirs.get_lowest_equivalent_value(v), n) for v, n in h.counts]
        assert [(theirs.get_lowest_equivalent_value(v), n) for v, n in found] == expected


@settings(max_examples=10)
@given(values=st.lists(st.integers(1000, 10**9), min_size=1, max_size=300))
def test_the_percentile_file_agrees(values: list[int]) -> None:
    h, out = measured(values), io.BytesIO()
    h.write_hgrm(out, unit_ns=1.0)
    lines = out.getvalue().decode().splitlines()
    assert lines[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    rows = [line.split() for line in lines[2:] if not line.startswith("#")]
    running = list(itertools.accumulate(n for _, n in h.counts))
    for value, _, total in (row[:3] for row in rows):
        assert int(total) in running
        assert h.counts[running.index(int(total))][0] == pytest.approx(float(value), rel=2e-3)
    assert int(rows[-1][2]) == h.count == len(values)


def test_percentiles_of_the_class_are_those_of_the_core() -> None:
    values = [(i * 7919) % 1_000_003 for i in range(50_000)]
    h, core = measured(values), filled(values)
    for p in (0, 1, 50, 90, 99, 99.5):
        assert h.percentile(p) == lib.gm_hist_percentile(core, p)
    with pytest.raises(TooFewSamples, match=r"p99.9 needs 100,000 samples, so that 100 lie beyond it; there are 50,000") as e:
        h.percentile(99.9)
    assert (e.value.needed, e.value.count) == (100_000, 50_000)
    assert h.percentile_or_none(99.9) is None
    assert h.value_at(99.99) == lib.gm_hist_percentile(core, 99.99)
    for p in (100, -1, math.nan):
        with pytest.raises(BadValue):
            h.percentile(p)


@given(values=VALUES, more=VALUES)
def test_merging(values: list[int], more: list[int]) -> None:
    assert Histogram.merged([measured(values), measured(more), measured([])]).counts == measured(values + more).counts
    merged, whole = Histogram.merged([measured(values), measured(more)]), measured(values + more)
    assert (merged.count, merged.min_ns, merged.max_ns) == (whole.count, whole.min_ns, whole.max_ns)
    assert merged.mean_ns == pytest.approx(whole.mean_ns)


def test_an_empty_histogram() -> None:
    assert Histogram.merged([]).counts == ()
    with pytest.raises(TooFewSamples):
        Histogram.merged([]).percentile(50)
    with pytest.raises(TooFewSamples):
        Histogram.merged([]).value_at(50)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hdrh.histogram", None)
    with pytest.raises(MissingTool, match=r"pip install 'gomap\[lab\]'"):
        measured([1]).encoded()
