"""Workloads: what is refused, in one sentence and before anything starts; and their JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gomap import BadValue, GomapError, OutOfRange, TraceError
from gomap.lab import PRESETS, Group, Hotspot, Latest, Sequential, Trace, TraceData, Uniform, Workload, Zipf
from gomap.lab.keystreams import parse_keys
from gomap.lab.machine import allowed_cpus
from gomap.lab.presets import preset

SHIPPED = Path(__file__).parents[1] / "data" / "cloudphysics-io.csv.gz"
COLUMNS: dict[str, Any] = {"key_column": "lbn", "op_column": "op", "op_map": {"28": "get", "2a": "assign"}}
TINY = TraceData("tiny", "csv", np.array([1, 2, 3]), np.array([0, 1, 2], np.uint8), None, False)
BAD: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"mix": {"get": 90, "assign": 5}}, {}, "must add up to 100, not 95"),
    ({"mix": {"get": 110, "assign": -10}}, {}, "assign must not be negative"),
    ({"mix": {"fly": 100}}, {}, "unknown operation 'fly'"),
    ({"mix": {"fill": 100}}, {}, "unknown operation 'fill'"),
    ({"mix": {}}, {}, "percentages by operation expected"),
    ({"mix": {"get": "100"}}, {}, "a number expected, not '100'"),
    ({"mix": {"get": float("nan")}}, {}, "a number expected, not nan"),
    ({"rate": -1.0}, {}, "rate must be above 0"),
    ({"rate": 0.0}, {}, "rate must be above 0"),
    ({"rate": 2e9}, {}, "at most 1e9"),
    ({"arrivals": "bursts"}, {}, "unknown arrivals 'bursts'"),
    ({"threads": 0}, {}, "threads must be from 1"),
    ({"threads": 1.5}, {}, "a whole number expected"),
    ({"scan": -1}, {}, "scan must be from 0"),
    ({"cpus": (4095,)}, {}, "there is no CPU 4095 for this process"),
    ({"cpus": (-1,)}, {}, "cpus must be from 0"),
    ({"cpus": (0, 0)}, {}, "1 threads need as many cpus: 2 given"),
    ({"keys": "zipf"}, {}, "a key stream or a Trace expected"),
    ({}, {"shards": 4}, "plain has no shards"),
    ({}, {"variant": "sharded", "shards": 3}, "a power of two from 1 to 65,536: 3"),
    ({}, {"variant": "sharded", "shards": 0}, "shards must be from 1"),
    ({"threads": 1000}, {}, "would wait for each other"),
    ({"keys": Trace(TINY), "mix": {"get_miss": 100}}, {}, "get_miss needs keys that a trace does not have"),
    ({"keys": Trace(TINY), "mix": {"assign_new": 100}}, {}, "assign_new needs keys that a trace does not have"),
    ({"keys": Trace(TINY)}, {"key": "str"}, "the keys of a trace are int64; key is str"),
    ({}, {"variant": "swiss"}, "unknown variant 'swiss'"),
    ({}, {"ops": None}, "Give either ops or duration_s"),
    ({}, {"ops": 5, "duration_s": 1.0}, "Give either ops or duration_s"),
    ({}, {"ops": 0}, "ops must be from 1"),
    ({}, {"ops": None, "duration_s": 0.0}, "duration_s must be above 0"),
    ({}, {"ops": None, "duration_s": float("inf")}, "a number expected, not inf"),
    ({}, {"ops": None, "duration_s": 1.0, "warmup": -1.0}, "warmup must be from 0"),
    ({}, {"warmup": 0.5}, "a whole number expected"),
    ({}, {"size": -1}, "size must be from 0"),
    ({}, {"size": 0}, "get needs keys to draw from: give size, or keyspace"),
    ({}, {"keyspace": 0}, "keyspace must be from 1"),
    ({}, {"key": "bytes2"}, "key 'bytes2' is not for workloads"),
    ({}, {"key": "bytes"}, "key 'bytes' is not for workloads"),
    ({}, {"key": "bytes3", "size": 2**23 + 1}, "bytes3 has 8,388,608 different keys"),
    ({}, {"key": "int32", "keyspace": 2**31 + 1}, "int32 has 2,147,483,648 different keys"),
    ({}, {"key": "int16"}, "key 'int16' is not for workloads"),
    ({}, {"hasher": "md5"}, "unknown hasher 'md5'"),
    ({}, {"sample": -1}, "sample must be from 0"),
    ({}, {"slow_us": -1}, "slow_us must not be negative"),
    ({}, {"slowest": -1}, "slowest must be from 0"),
    ({}, {"groups": ()}, "at least one Group expected"),
    ({}, {"groups": ("x",)}, "only Group objects expected"),
]


@pytest.mark.parametrize(("group", "workload", "says"), BAD, ids=[says for _, _, says in BAD])
def test_bad_input_is_one_sentence(group: dict[str, Any], workload: dict[str, Any], says: str) -> None:
    with pytest.raises(BadValue) as caught:
        Workload(**{"size": 10, "ops": 10, "groups": (Group(**group),), **workload})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_streams_and_seeds() -> None:
    for make in (lambda: Zipf(0), lambda: Zipf(2.1), lambda: Latest(-1), lambda: Hotspot(1.0), lambda: Hotspot(0.5, 2)):
        with pytest.raises(BadValue):
            make()
    with pytest.raises(OutOfRange):
        Workload(size=1, ops=1, seed=-1)


def test_a_trace_without_the_named_column() -> None:
    with pytest.raises(TraceError, match="no column 'block' for --key-column; there are: version, time, op, size, lbn"):
        Trace(SHIPPED, key_column="block")


def test_more_threads_than_cpus_only_when_asked() -> None:
    threads = len(allowed_cpus()) + 1
    with pytest.raises(BadValue, match=f"{threads} threads on {threads - 1} CPUs"):
        Workload(size=1, ops=1, groups=(Group(threads=threads),))
    assert Workload(size=1, ops=1, groups=(Group(threads=threads),), oversubscribe=True).threads == threads


@pytest.mark.parametrize(
    "keys", [Uniform(), Zipf(0.7), Hotspot(0.1, 0.9), Latest(1.2), Sequential(), Trace(str(SHIPPED), **COLUMNS)], ids=repr
)
def test_json_round_trip(keys: Any) -> None:
    group = Group(mix={"get": 99.5, "add": 0.5}, keys=keys, rate=1e4, arrivals="poisson", cpus=(allowed_cpus()[0],))
    w = Workload(size=10, duration_s=0.5, warmup=0.25, seed=7, groups=(group, Group(scan=0)), slow_us=3, oversubscribe=True)
    assert Workload.from_json(w.to_json()) == w


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"groups": 5}', '{"groups": [{"keys": {"kind": "Gauss"}}]}', '{"groups": [], "x": 1}']
)
def test_json_that_is_no_workload(text: str) -> None:
    with pytest.raises(GomapError):
        Workload.from_json(text)


def test_a_trace_given_as_data_cannot_be_read_back() -> None:
    w = Workload(groups=(Group(keys=Trace(TINY)),))
    assert w.ops == 3
    with pytest.raises(BadValue, match="given as data"):
        Workload.from_json(w.to_json())


def test_presets_state_their_mix() -> None:
    assert set(PRESETS) == {"read-heavy", "session-cache", "rapid-grow", "churn", *(f"ycsb-{c}" for c in "abcdef")}
    for p in PRESETS.values():
        assert sum(p.mix.values()) == 100
        Workload(size=p.size, ops=1, groups=(Group(mix=p.mix, keys=p.keys),))
    assert preset("ycsb-a").stated == "50 % get, 50 % assign"
    with pytest.raises(BadValue, match="unknown preset 'ycsb-z', allowed: read-heavy"):
        preset("ycsb-z")


def test_streams_as_text() -> None:
    assert parse_keys("zipf:0.7") == Zipf(0.7)
    assert parse_keys("hotspot:0.1:0.9") == Hotspot(0.1, 0.9)
    assert parse_keys("uniform") == Uniform()
    for text in ("gauss", "zipf:x", "uniform:1", "zipf:1:2", ""):
        with pytest.raises(BadValue, match="--keys"):
            parse_keys(text)
    with pytest.raises(BadValue, match="theta must be above 0"):
        parse_keys("zipf:0")
