"""The histogram against a brute-force model and against the hdrhistogram package."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.strategies as st
import pytest
from gomap._core import ffi, lib
from hdrh.histogram import HdrHistogram
from hypothesis import given

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
