"""Experiments on lines of memory: what lies where is counted; what shares a line is timed only so far as no noise turns it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from experiments import context, number
from gomap._core import ffi, lib

from gomap import Map
from gomap.claims import CONFIRMED, NOT_MEASURABLE, REFUTED, UNDECIDED, headers
from gomap.claims.chapter2 import bucket_lines
from gomap.claims.chapter4 import header_false_sharing, header_offsets
from gomap.claims.headers import FAR, LAYOUTS, ONE_MAP, Beside, get_beside
from gomap.claims.walk import chains, full, shape
from gomap.errors import BadValue, MissingTool
from gomap.lab import machine
from gomap.lab.machine import two_cores

pinned = pytest.mark.skipif(two_cores() is None, reason="takes two cores")
CPUS = two_cores() or (-1, -1)


# ------------------------------------------------------------------ headers


def lines(layout: str, at: int) -> dict[str, int]:
    return {word: (at + offset) // 64 for word, offset in LAYOUTS[layout].items()}


def test_headers_of_48_bytes_share_a_line_and_those_of_64_do_not() -> None:
    writer, close, own = lines("go", 0), lines("go", 48), lines("go", 64)
    assert set(writer.values()) == {0}
    assert close["count"] == close["flags"] == 0
    assert set(own.values()) == {1}
    split = lines("hot and cold apart", 0)
    assert {word for word, line in split.items() if line == 0} == {"count", "flags", "noverflow", "nevacuate"}
    assert [name for name in LAYOUTS if lines(name, 0)["count"] != lines(name, 0)["flags"]] == ["count on another line"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("apart", "writes"), [(ONE_MAP, "updates"), (ONE_MAP, "inserts"), (128, "inserts"), (FAR, "updates")])
def test_maps_are_whole_after_a_run(layout: str, apart: int, writes: str) -> None:
    reader = headers._map(3)
    writer = reader if apart == ONE_MAP else headers._map(4)
    before = [(dict(m.items()), m.header) for m in (reader, writer)]
    found = headers._called(Beside(layout, apart, writes), reader, writer, (-1, -1), 1)
    assert found.missed == 0
    assert all(found.ns > 0)
    for m, (items, header) in zip((reader, writer), before, strict=True):
        m.check()
        assert dict(m.items()) == items
        assert m.header == header
    reader[10**6] = 1
    assert reader.pop(10**6) == 1


def test_a_writer_with_nothing_to_do_writes_nothing() -> None:
    m = headers._map(1)
    assert not headers._called(Beside(apart=ONE_MAP, writes="nothing"), m, m, (-1, -1), 1).writes.any()


@pytest.mark.parametrize(
    ("offsets", "apart"),
    [
        ({"count": 4}, 64),  # not aligned
        ({"flags": 0}, 64),  # within count
        ({"count": 128}, 256),  # outside
        ({}, 8),  # the reader's header begins within the writer's
        ({}, 2 * FAR),
        ({}, ONE_MAP),  # two maps
    ],
)
def test_layouts_that_cannot_be_are_refused(monkeypatch: pytest.MonkeyPatch, offsets: Mapping[str, int], apart: int) -> None:
    monkeypatch.setattr(headers, "LAYOUTS", {"go": {**LAYOUTS["go"], **offsets}})
    with pytest.raises(BadValue):
        headers._called(Beside(apart=apart), headers._map(1), headers._map(2), (-1, -1), 1)


def test_one_map_has_one_header() -> None:
    m = headers._map(1)
    with pytest.raises(BadValue):
        headers._called(Beside(apart=64), m, m, (-1, -1), 1)


def growing_map() -> Map:
    m = Map(seed=1, hint=416)
    m.assign_many(range(417), range(417))
    return m


def missing_keys() -> Map:
    m = headers._map(1)
    m.delete_many(range(100, 200))
    return m


def present_keys() -> Map:
    m = headers._map(1)
    m.assign_many(range(200, 250), range(50))
    return m


@pytest.mark.parametrize(
    ("make", "writes"),
    [
        (lambda: Map(seed=1, hint=400), "nothing"),
        (lambda: Map("float64", seed=1, hint=400), "nothing"),
        (lambda: Map(seed=1, knobs={"paths": "knobs"}), "nothing"),
        (growing_map, "updates"),
        (missing_keys, "updates"),
        (present_keys, "inserts"),
    ],
)
def test_writes_that_would_change_more_than_a_header_are_refused(make: Callable[[], Map], writes: str) -> None:
    with pytest.raises(BadValue):
        headers._called(Beside(writes=writes), headers._map(2), make(), (-1, -1), 1)


def test_a_growth_that_the_inserts_start_is_over_before_they_are_timed() -> None:
    m = Map(seed=1, hint=52)
    m.assign_many(range(52), range(52))
    headers._called(Beside(writes="inserts"), headers._map(2), m, (-1, -1), 1)
    m.check()
    assert (m.header.B, m.header.growing, len(m)) == (4, False, 52)


def test_a_cpu_that_there_is_not_is_told() -> None:
    for cpus in ((-1, 10**6), (10**6, -1)):
        with pytest.raises(BadValue, match=f"status {lib.GM_E_PIN}"):
            headers._called(Beside(), headers._map(1), headers._map(2), cpus, 1)


@pinned
def test_only_batches_beside_a_writer_count() -> None:
    """Twenty chances: one run may miss, if something else has one of the two CPUs all the while."""
    runs = (headers._called(Beside(), headers._map(1), headers._map(2), CPUS, 1) for _ in range(20))
    assert any((r.writes > 0).sum() >= 10 for r in runs)

    def half(*_: object) -> headers._Batches:
        return headers._Batches(np.array([512, 5_120] * 50, np.uint64), np.array([0, 3] * 50, np.uint64), 1)

    found = get_beside(Beside(), 1, half)
    assert (found["get"], found["at once"], found["missed"]) == (10.0, 50.0, 8.0)
    assert get_beside(Beside(writes="nothing"), 1, half)["get"] == 5.5

    def never(*_: object) -> headers._Batches:
        return headers._Batches(np.full(400, 512, np.uint64), np.array([1] + [0] * 399, np.uint64), 0)

    with pytest.raises(MissingTool, match="of 8,000 batches of gets 20 had"):
        get_beside(Beside(), 1, never)


def test_without_two_cores_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "two_cores", lambda: None)
    with pytest.raises(MissingTool, match="two cores"):
        header_false_sharing.gets_beside_a_writer(context())


@pytest.mark.parametrize(
    ("cores", "expected"), [(["0", "0", "1"], (0, 2)), (["0", "1", "1"], (0, 1)), (["0", "0"], None), (["", ""], (0, 1))]
)
def test_two_cores(monkeypatch: pytest.MonkeyPatch, cores: list[str], expected: tuple[int, int] | None) -> None:
    def told(path: str, key: str = "") -> str:
        return cores[int(path.split("/cpu/cpu")[1].split("/")[0])] if path.endswith("core_id") else "0"

    monkeypatch.setattr(machine, "allowed_cpus", lambda: tuple(range(len(cores))))
    monkeypatch.setattr(machine, "_first_line", told)
    assert two_cores() == expected


def planted(ns: Mapping[object, float]) -> Callable[[Beside, int], dict[str, float]]:
    """Measures what is given for a distance or a layout, or else 10."""
    rest = {"p99": 1.0, "at once": 100.0, "missed": 0.0}
    return lambda b, _: {"get": ns.get(b.apart, ns.get(b.layout, 10.0)), **rest}


@pytest.mark.parametrize(
    ("ns", "verdict"),
    [
        ({48: 25.0}, CONFIRMED),
        ({48: 15.0}, UNDECIDED),
        ({}, REFUTED),
        ({48: 40.0, 64: 12.0}, REFUTED),  # another line, and not back
    ],
)
def test_the_verdict_on_neighbours(ns: Mapping[object, float], verdict: str) -> None:
    assert header_false_sharing.gets_beside_a_writer(context(), planted(ns)).verdict == verdict


LAST, OTHER = "count last", "count on another line"


@pytest.mark.parametrize(
    ("ns", "verdict"),
    [
        ({}, REFUTED),
        ({OTHER: 13.0}, REFUTED),
        ({LAST: 8.0, OTHER: 8.0}, CONFIRMED),
        ({LAST: 8.0}, REFUTED),
        ({LAST: 9.3, OTHER: 8.0}, UNDECIDED),
    ],
)
def test_the_verdict_on_a_count_that_moves(ns: Mapping[object, float], verdict: str) -> None:
    assert header_offsets.count_moved(context(), planted(ns)).verdict == verdict


@pinned
def test_headers_in_one_line_are_not_found_apart() -> None:
    f = header_false_sharing.gets_beside_a_writer(context())
    assert f.verdict in (CONFIRMED, UNDECIDED, NOT_MEASURABLE), f.reason
    assert number(f, "gets that missed a present key") == 0
    assert number(f, "get, 48 bytes apart") > number(f, "get, no writer")
    assert {row["name"] for row in f.series[0].rows} > {"far apart", "one map", "no writer"}


# ------------------------------------------------------------------ buckets


def touched(m: Map) -> float:
    """Lines a hit, the slow way: every address that a search by tophash reads, one after the other."""
    layout = ffi.new("gm_layout *")
    lib.gm_map_layout(m._handle, layout)
    total = 0
    for chain in chains(m):
        read: set[int] = set()
        for p in chain:
            read.add(p.address // 64)  # its eight tophash bytes
            for i in p.live:
                key = p.address + layout.key_offset + i * layout.key_step
                elem = p.address + layout.elem_offset + i * layout.elem_step
                ends = {at // 64 for at in (key, key + layout.key_slot - 1, elem, elem + layout.elem_slot - 1)}
                total += len(read | ends)
            read.add((p.address + layout.overflow_offset) // 64)
    return total / len(m)


@pytest.mark.parametrize("name", bucket_lines._SETTINGS)
def test_lines_are_counted_wherever_cells_lie(name: str) -> None:
    m = Map(seed=2, hint=full(7), knobs=bucket_lines._SETTINGS[name])
    m.assign_many(range(full(7)), range(full(7)))
    assert shape(m).hit_lines == pytest.approx(touched(m))


def test_alignment_and_pairs_touch_fewer_lines() -> None:
    f = bucket_lines.lines_and_times(context())
    natural, _, aligned, pairs, both = (number(f, f"lines touched a hit, {name}") for name in bucket_lines._SETTINGS)
    assert natural > aligned > pairs > both > 2  # of 192 bytes not aligned it depends on where the allocator put the first
    assert natural == pytest.approx(3.53, abs=0.05)
    assert number(f, "bytes, padded to 192 by natural (144)") == pytest.approx(192 / 144, rel=0.05)
    assert {row["name"] for row in f.series[-1].rows} == set(bucket_lines._SETTINGS)


@pytest.mark.parametrize(
    ("lines", "padded", "verdict"),
    [(3.5, 12.0, CONFIRMED), (3.5, 8.0, CONFIRMED), (3.5, 10.2, REFUTED), (2.4, 12.0, REFUTED), (2.4, 10.2, REFUTED)],
)
def test_the_verdict_on_lines(lines: float, padded: float, verdict: str) -> None:
    def measure(knobs: Mapping[str, object], _: int) -> dict[str, float]:
        return {bucket_lines._metric(12): padded if knobs == {"bucket_stride": "192"} else 10.0, "bytes": 1.0}

    counted = dict.fromkeys(bucket_lines._SETTINGS, lines)
    assert bucket_lines._compared(context(), (12,), measure, counted).verdict == verdict
