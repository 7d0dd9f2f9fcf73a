"""Replaying a trace: its counters against a dict, its growth timeline against Go's rules, its percentiles."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gomap._core import lib

from gomap import BadValue
from gomap.lab import ReplayResult, TraceData, read_trace, replay
from gomap.lab.histogram import SAMPLES_BEYOND, samples_needed
from gomap.lab.replay import KINDS, PERCENTILES

SHIPPED = Path(__file__).parents[1] / "data" / "cloudphysics-io.csv.gz"
OP_MAP = {"28": "get", "2a": "assign"}


def trace(keys: list[int], ops: list[int], values: list[int] | None = None, fill: bool = False) -> TraceData:
    given = None if values is None else np.array(values, np.int64)
    return TraceData("made up", "csv", np.array(keys, np.int64), np.array(ops, np.uint8), given, fill)


def simulate(t: TraceData, fill: bool) -> tuple[Counter[str], Counter[str], dict[Any, int]]:
    """What the operations do to a dict."""
    done: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    d: dict[Any, int] = {}
    assert isinstance(t.keys, np.ndarray)
    keys = t.keys.tolist()
    values = range(len(t)) if t.values is None else t.values.tolist()
    for key, op, value in zip(keys, t.ops.tolist(), values, strict=True):
        kind, there = KINDS[op], key in d
        done[kind] += 1
        hits[kind] += there
        if kind == "assign" or (kind == "add" and not there) or (kind == "replace" and there):
            d[key] = value
        elif kind == "delete":
            d.pop(key, None)
        elif kind == "incr" and there:
            d[key] += value
        elif kind == "get" and not there and fill:
            done["fill"] += 1
            d[key] = value
    return done, hits, d


@pytest.mark.parametrize("fill", [False, True])
def test_counters_are_those_of_a_dict(fill: bool) -> None:
    rnd = random.Random(5)
    n = 70_000  # more than one slice
    t = trace(
        [rnd.randrange(3000) for _ in range(n)], [rnd.randrange(6) for _ in range(n)], [rnd.randrange(9) for _ in range(n)]
    )
    done, hits, d = simulate(t, fill)
    r = replay(t, fill=fill, seed=1)
    assert r.operations == done
    assert r.hits == {kind: hits[kind] for kind in done}
    assert r.header["count"] == len(d)
    assert r.total == sum(done.values())
    assert r.hit_rate == pytest.approx(hits["get"] / done["get"])
    assert {kind: latency.count for kind, latency in r.latency.items()} == done
    assert all(sum(n for _, n in latency.counts) == latency.count for latency in r.latency.values())


def test_growth_timeline_of_plain_inserts() -> None:
    n = 20_000
    r = replay(trace(list(range(n)), [lib.GM_OP_ASSIGN] * n), seed=1)
    assert [g.entries for g in r.growths] == [9 if b == 0 else (13 << (b - 1)) + 1 for b in range(len(r.growths))]
    assert [g.op for g in r.growths] == [g.entries for g in r.growths]
    assert [(g.from_B, g.to_B) for g in r.growths] == [(b, b + 1) for b in range(len(r.growths))]
    assert len(r.growths) == 12
    for g in r.growths:
        old = 1 << g.from_B
        assert g.kind == "bigger"
        assert g.finished
        assert old / 2 <= g.spread_ops <= old
        assert g.array_bytes >= 144 << g.to_B
    assert r.events_dropped == 0


def test_a_growth_still_under_way_is_told() -> None:
    n = 13 * 512 + 1 + 20
    r = replay(trace(list(range(n)), [lib.GM_OP_ASSIGN] * n), seed=1)
    assert not r.growths[-1].finished
    assert r.growths[-1].spread_ops == 21
    assert r.header["growing"]


def test_presizing_removes_growth() -> None:
    n = 5000
    t = trace(list(range(n)), [lib.GM_OP_ASSIGN] * n)
    assert replay(t, hint=n).growths == []
    assert len(replay(t).growths) == 10


def test_same_size_growth_is_named() -> None:
    keys, ops = [], []
    for i in range(4000):
        keys += [i, i - 20]
        ops += [lib.GM_OP_ASSIGN, lib.GM_OP_DELETE]
    r = replay(trace(keys, ops), seed=5, hint=26)
    assert "same size" in {g.kind for g in r.growths}
    assert all((g.kind == "same size") == (g.from_B == g.to_B) for g in r.growths)


def test_percentiles_without_enough_samples_are_refused() -> None:
    assert [samples_needed(p) for p in PERCENTILES] == [200, 1000, 10_000, 100_000, 1_000_000]
    for n in (199, 200, 999, 1000, 10_000):
        latency = replay(trace([1] * n, [lib.GM_OP_GET] * n)).latency["get"]
        for p in PERCENTILES:
            given = latency.percentile_or_none(p)
            assert (given is None) == (n * (100 - p) / 100 < SAMPLES_BEYOND - 1e-6)
            assert given is None or latency.min_ns <= given <= latency.max_ns


def test_json_round_trip(tmp_path: Path) -> None:
    t = read_trace(SHIPPED, key_column="lbn", op_column="op", op_map=OP_MAP)
    r = replay(t, seed=3)
    again = ReplayResult.from_json(r.to_json())
    assert again == r
    assert again.schema == "gomap.replay/2"
    for text in ("", "{}", "[]", r.to_json().replace("replay/2", "replay/9"), '{"schema": "gomap.replay/2"}'):
        with pytest.raises(BadValue):
            ReplayResult.from_json(text)


def test_the_shipped_trace() -> None:
    t = read_trace(SHIPPED, key_column="lbn", op_column="op", op_map=OP_MAP)
    done, hits, d = simulate(t, fill=False)
    r = replay(t, seed=3)
    assert (r.total, r.operations) == (113_872, dict(done))
    assert r.hits == dict(hits)
    assert r.header["count"] == len(d) == 33_165
    assert [g.entries for g in r.growths] == [9, *(13 * 2**b + 1 for b in range(12))]
    assert sum(r.chains.values()) == 1 << r.header["B"]
    again = replay(t, seed=3)
    assert again.header | {"memory": 0} == r.header | {"memory": 0}
    assert [g.op for g in again.growths] == [g.op for g in r.growths]


def test_a_trace_that_does_not_fit_together_is_refused() -> None:
    with pytest.raises(BadValue, match="10 keys, 20 operations"):
        trace([1] * 10, [0] * 20)
    with pytest.raises(BadValue, match="as many keys and values"):
        trace([1] * 10, [0] * 10, [1] * 9)
    with pytest.raises(BadValue, match="not 6"):
        trace([1], [6])
    wrong: Any = np.zeros(1, np.int64)
    with pytest.raises(BadValue, match="uint8"):
        TraceData("x", "csv", np.zeros(1, np.int64), wrong, None, False)


def test_string_keys_and_progress() -> None:
    n = 150_000
    t = read_trace(SHIPPED, key_column="lbn", op_column="op", op_map=OP_MAP, key_type="str")
    seen: list[int] = []
    r = replay(t, progress=seen.append)
    assert seen == [65_536, len(t)]
    assert r.key == "str"
    assert r.header["count"] == 33_165
    assert n > len(t)


@pytest.mark.parametrize("hasher", ["aes", "aes-portable", "memhash"])
def test_every_hasher(hasher: str) -> None:
    t = read_trace(SHIPPED, key_column="lbn", op_column="op", op_map=OP_MAP)
    assert replay(t, hasher=hasher).header["count"] == 33_165
