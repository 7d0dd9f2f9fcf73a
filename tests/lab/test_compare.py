"""Comparisons: interleaving, ratios and their intervals."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from gomap import BadValue
from gomap.lab import Comparison, Group, TooFewSamples, Workload, bootstrap_ratio, compare

W = Workload(size=1000, ops=20_000, groups=(Group(mix={"get": 90, "assign": 10}),))


def test_bootstrap_intervals_cover() -> None:
    """Of 95 % intervals of samples whose true ratio is 2, about 95 % hold it (for 15 samples, a little fewer)."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        r = bootstrap_ratio(rng.normal(20, 2, 15).tolist(), rng.normal(10, 1, 15).tolist())
        assert r.low <= r.ratio <= r.high
        held += r.low <= 2 <= r.high
    assert 176 <= held <= 200


def test_bootstrap_of_equal_samples_and_of_none() -> None:
    r = bootstrap_ratio([3, 3, 3], [2, 2, 2])
    assert (r.ratio, r.low, r.high) == (1.5, 1.5, 1.5)
    assert str(r) == "1.5 (1.5 to 1.5)"
    for a, b in (([], [1]), ([1], []), ([1], [0])):
        with pytest.raises(BadValue):
            bootstrap_ratio(a, b)


def test_runs_are_interleaved(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, int | None]] = []
    module: Any = __import__("gomap.lab.compare", fromlist=["run"])
    real = module.run

    def spy(w: Workload, **options: Any) -> Any:
        made.append((w.variant + str(w.hint), w.seed))
        return real(w, **options)

    monkeypatch.setattr(module, "run", spy)
    c = compare({"grown": W, "presized": W.with_(hint=1000)}, repeats=3)
    assert [name for name, _ in made] == ["plain0", "plain1000"] * 3
    seeds = [seed for _, seed in made]
    assert seeds[::2] == seeds[1::2]
    assert len(set(seeds)) == 3
    assert c.names == ("grown", "presized")
    assert [len(results) for results in c.runs.values()] == [3, 3]


def test_a_variant_against_itself() -> None:
    parts: list[float] = []
    c = compare(W, ["plain", "plain"], repeats=5, progress=parts.append)
    assert c.names == ("plain", "plain (2)")
    ratio = c.ratio("plain (2)", "throughput")
    assert ratio.low <= ratio.ratio <= ratio.high
    assert parts == sorted(parts)
    assert c.ratio("plain", "throughput").ratio == 1
    assert c.median("plain", "get p99") > 0
    with pytest.raises(TooFewSamples):
        c.median("plain", "get p99.9")
    with pytest.raises(BadValue, match="no metric 'put p99'"):
        c.median("plain", "put p99")
    assert Comparison.from_json(c.to_json()) == c


def test_the_same_keys_for_all_in_a_round() -> None:
    c = compare(W, ["plain", "plain"], repeats=2)
    digests = [[r.digest for r in results] for results in c.runs.values()]
    assert digests[0] == digests[1]
    assert digests[0][0] != digests[0][1]


def test_interrupted_comparisons_keep_whole_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = __import__("gomap.lab.compare", fromlist=["run"])
    real, n = module.run, iter(range(100))

    def third_is_interrupted(w: Workload, **options: Any) -> Any:
        r = real(w, **options)
        return r if next(n) != 3 else type(r)(**{**vars(r), "interrupted": True})

    monkeypatch.setattr(module, "run", third_is_interrupted)
    c = compare(W, ["plain", "plain"], repeats=5)
    assert c.interrupted
    assert [len(results) for results in c.runs.values()] == [1, 1]


def test_bad_comparisons() -> None:
    for bad in (
        lambda: compare(W, ["swiss"]),
        lambda: compare(W, repeats=0),
        lambda: compare({}),
        lambda: compare({"a": W}, ["plain"]),
    ):
        with pytest.raises(BadValue):
            bad()
    for text in ("", "{}", json.dumps({"schema": "gomap.comparison/9"})):
        with pytest.raises(BadValue):
            Comparison.from_json(text)
