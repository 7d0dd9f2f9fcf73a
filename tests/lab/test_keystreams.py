"""Key streams: each distribution against its definition, by chi-square; the same numbers everywhere."""

from __future__ import annotations

import math
from collections.abc import Callable

import hypothesis.strategies as st
import numpy as np
import pytest
from gomap._core import lib
from hypothesis import given

from gomap import BadValue
from gomap.lab import Hotspot, KeyStream, Latest, Sequential, Uniform, Zipf

DRAWS = 400_000


def zipf_weights(n: int, theta: float) -> np.ndarray:
    w = np.arange(1, n + 1, dtype=float) ** -theta
    return w / w.sum()


def assert_distributed(draws: np.ndarray, p: np.ndarray) -> None:
    """Chi-square over bins of at least 20 expected draws; fails one sound sample in about 10^6."""
    expected, observed = p * draws.size, np.bincount(draws, minlength=p.size).astype(float)
    assert observed.size == p.size
    edges = [0]
    total = 0.0
    for i, e in enumerate(expected):
        total += e
        if total >= 20:
            edges.append(i + 1)
            total = 0.0
    if edges[-1] != p.size:
        edges[-1] = p.size
    e = np.add.reduceat(expected, edges[:-1])
    o = np.add.reduceat(observed, edges[:-1])
    chi2, free = float(((o - e) ** 2 / e).sum()), len(e) - 1
    if free == 0:
        return
    z = ((chi2 / free) ** (1 / 3) - (1 - 2 / (9 * free))) / math.sqrt(2 / (9 * free))  # Wilson and Hilferty
    assert z < 4.8, f"chi-square {chi2:.0f} with {free} degrees of freedom"


@pytest.mark.parametrize("n", [1, 2, 3, 10, 1000, 1 << 16, 100_003])
def test_uniform(n: int) -> None:
    assert_distributed(Uniform().draw(DRAWS, n, seed=1), np.full(n, 1 / n))


@pytest.mark.parametrize("theta", [0.01, 0.5, 0.99, 1.0, 1.0 + 1e-10, 1.01, 1.5, 2.0])
@pytest.mark.parametrize("n", [1, 2, 3, 100, 20_000])
def test_zipf(n: int, theta: float) -> None:
    assert_distributed(Zipf(theta).draw(DRAWS, n, seed=2), zipf_weights(n, theta))


@pytest.mark.parametrize("theta", [0.5, 0.99, 1.2])
def test_zipf_over_a_very_large_range(theta: float) -> None:
    """The share of the first thousand of 10^12 keys, against the integral."""
    n, first = 10**12, 1000

    def generalised_harmonic(m: int) -> float:
        head = float((np.arange(1, 10_001, dtype=float) ** -theta).sum())
        if m <= 10_000:
            return float((np.arange(1, m + 1, dtype=float) ** -theta).sum())
        return head + ((m + 0.5) ** (1 - theta) - 10_000.5 ** (1 - theta)) / (1 - theta)

    p = generalised_harmonic(first) / generalised_harmonic(n)
    got = float((Zipf(theta).draw(DRAWS, n, seed=3) < first).mean())
    assert abs(got - p) < 5 * math.sqrt(p * (1 - p) / DRAWS) + 1e-9


@pytest.mark.parametrize(("fraction", "share"), [(0.2, 0.8), (0.01, 0.99), (0.5, 0.5), (0.1, 0.0), (0.1, 1.0)])
def test_hotspot(fraction: float, share: float) -> None:
    n = 1000
    hot = round(fraction * n)
    p = np.concatenate([np.full(hot, share / hot), np.full(n - hot, (1 - share) / (n - hot))])
    draws = Hotspot(fraction, share).draw(DRAWS, n, seed=4)
    if share in (0.0, 1.0):
        assert bool((draws >= hot).all()) if share == 0 else bool((draws < hot).all())
        return
    assert_distributed(draws, p)


def test_latest() -> None:
    assert_distributed(Latest(0.99).draw(DRAWS, 5000, seed=5), zipf_weights(5000, 0.99)[::-1])


def test_sequential() -> None:
    assert Sequential().draw(7, 3).tolist() == [0, 1, 2, 0, 1, 2, 0]


ALL: list[KeyStream] = [Uniform(), Zipf(0.99), Zipf(1.0), Zipf(2.0), Hotspot(), Latest(0.5), Sequential()]


@pytest.mark.parametrize("stream", ALL, ids=repr)
def test_a_seed_fixes_the_stream(stream: KeyStream) -> None:
    a = stream.draw(1000, 10**6, seed=7)
    assert a.tolist() == stream.draw(1000, 10**6, seed=7).tolist()
    assert a[:10].tolist() == stream.draw(10, 10**6, seed=7).tolist()
    if not isinstance(stream, Sequential):
        assert a.tolist() != stream.draw(1000, 10**6, seed=8).tolist()


GOLDEN: dict[KeyStream, list[int]] = {
    Uniform(): [83862, 378980, 680043, 924692, 991803, 769739],
    Zipf(0.99): [322424, 5406, 69, 1, 0, 17],
    Zipf(1.0): [298653, 4248, 54, 1, 0, 14],
    Zipf(2.0): [6, 1, 0, 0, 0, 0],
    Hotspot(): [75796, 184938, 815791, 170001, 116669, 58135],
    Latest(0.5): [160581, 613993, 897312, 994227, 999921, 946723],
}


def test_the_same_numbers_on_every_machine() -> None:
    """Pinned: drawn on x86-64 and again on aarch64; any other machine or compiler must give them too."""
    for stream, expected in GOLDEN.items():
        assert stream.draw(6, 10**6, seed=42).tolist() == expected


@given(x=st.floats(1e-300, 1e300))
def test_log(x: float) -> None:
    assert lib.gm_log(x) == pytest.approx(math.log(x), rel=5e-16, abs=5e-16)


@given(x=st.floats(-700, 700))
def test_exp(x: float) -> None:
    assert lib.gm_exp(x) == pytest.approx(math.exp(x), rel=1e-15)


@given(x=st.floats(-0.999999, 1e6) | st.floats(-1e-3, 1e-3))
def test_log1p(x: float) -> None:
    assert lib.gm_log1p(x) == pytest.approx(math.log1p(x), rel=1e-14)


@given(x=st.floats(-700, 700) | st.floats(-1e-3, 1e-3))
def test_expm1(x: float) -> None:
    assert lib.gm_expm1(x) == pytest.approx(math.expm1(x), rel=2e-15)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Zipf(0),
        lambda: Zipf(-1),
        lambda: Zipf(2.1),
        lambda: Zipf(math.nan),
        lambda: Latest(0),
        lambda: Hotspot(0, 0.5),
        lambda: Hotspot(1, 0.5),
        lambda: Hotspot(0.5, -0.1),
        lambda: Hotspot(0.5, 1.1),
        lambda: Uniform().draw(1, 0),
        lambda: Uniform().draw(1, 2**53 + 1),
        lambda: Uniform().draw(-1, 5),
    ],
)
def test_numbers_outside_their_range(make: Callable[[], object]) -> None:
    with pytest.raises(BadValue):
        make()
