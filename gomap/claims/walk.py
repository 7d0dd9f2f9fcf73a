"""What a walk through a classic map counts: chains, cells that a search looks at, lines of memory that it touches.

A hit in cell i of the j-th bucket of its chain (both from 0) looks at 8j + i + 1 cells, in Go as here: the tophash bytes are
compared one after the other (runtime/map_noswiss.go: mapaccess1). Lines are those of 64 bytes, by the addresses that the
buckets really have; the header's own, `HEADER_LINES` more, is not among them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from gomap._core import ffi, lib
from gomap.errors import ensure
from gomap.map import Map

__all__ = ["CELLS", "HEADER_LINES", "Place", "Shape", "chains", "full", "shape", "straddling"]

CELLS = 8
LINE = 64
HEADER_LINES = 1
"""That an operation touches: all words of a classic header that it needs lie in one."""
_LIVE = 5
_EMPTY_REST = 0


class Place(NamedTuple):
    """A bucket of a chain: where it lies, and its eight tophash bytes."""

    address: int
    tops: bytes

    @property
    def live(self) -> list[int]:
        """The cells that hold an entry."""
        return [i for i, top in enumerate(self.tops) if top >= _LIVE]


class Shape(NamedTuple):
    """Of a map that does not grow. buckets: regular ones, `with_overflow` of them with an overflow bucket; `overflow`: overflow
    buckets; lengths: chains by their number of buckets. Means: cells and lines a hit, cells a miss that stops at emptyRest
    and one that walks the whole chain, as Go's fast paths do."""

    buckets: int
    with_overflow: int
    overflow: int
    lengths: Mapping[int, int]
    entries: int
    hit_cells: float
    hit_lines: float
    miss_cells: float
    miss_cells_fast: float


def full(B: int) -> int:
    """The most entries that a map of 2^B buckets takes without growing; B from 1 on."""
    return (13 << B) >> 1


class _Slots(NamedTuple):
    """Where a bucket's keys, or its elems, lie: the first, from one to the next, and the bytes of one."""

    offset: int
    step: int
    size: int

    def lines(self, bucket: int, i: int) -> range:
        return _lines(bucket + self.offset + i * self.step, self.size)


class _Layout(NamedTuple):
    keys: _Slots
    elems: _Slots
    overflow: int


def _layout(m: Map) -> _Layout:
    layout = ffi.new("gm_layout *")
    lib.gm_map_layout(m._handle, layout)
    return _Layout(
        _Slots(layout.key_offset, layout.key_step, layout.key_slot),
        _Slots(layout.elem_offset, layout.elem_step, layout.elem_slot),
        layout.overflow_offset,
    )


def chains(m: Map) -> Iterator[list[Place]]:
    """Every chain of the current array. The map must not be written to meanwhile. O(buckets)."""
    cap = 64
    room, reserve = ffi.new("uint8_t *[]", cap), ffi.new("int64_t[]", cap)
    for i in range(1 << m.header.B):
        while (n := ensure(lib.gm_map_chain(m._handle, i, 0, room, reserve, cap))) > cap:
            cap = n
            room, reserve = ffi.new("uint8_t *[]", cap), ffi.new("int64_t[]", cap)
        yield [Place(int(ffi.cast("uintptr_t", room[j])), bytes(ffi.buffer(room[j], CELLS))) for j in range(n)]


def _lines(start: int, size: int) -> range:
    return range(start // LINE, (start + size - 1) // LINE + 1)


def _miss_cells(chain: list[Place]) -> int:
    """Cells up to and with the first that says that nothing follows."""
    tops = b"".join(p.tops for p in chain)
    end = tops.find(_EMPTY_REST)
    return len(tops) if end < 0 else end + 1


def _hit_lines(chain: list[Place], layout: _Layout) -> int:
    """Lines touched by one hit on each entry of a chain, summed."""
    walked: set[int] = set()
    total = 0
    for p in chain:
        walked.update(_lines(p.address, CELLS))
        for i in p.live:
            total += len(walked.union(layout.keys.lines(p.address, i), layout.elems.lines(p.address, i)))
        walked.update(_lines(p.address + layout.overflow, 8))
    return total


def shape(m: Map) -> Shape:
    """Walks a map. O(buckets + entries)."""
    layout = _layout(m)
    lengths: Counter[int] = Counter()
    entries = cells = lines = miss = 0
    for chain in chains(m):
        lengths[len(chain)] += 1
        places = [CELLS * j + i + 1 for j, p in enumerate(chain) for i in p.live]
        entries += len(places)
        cells += sum(places)
        lines += _hit_lines(chain, layout)
        miss += _miss_cells(chain)
    buckets, links = lengths.total(), sum(n * count for n, count in lengths.items())
    return Shape(
        buckets=buckets,
        with_overflow=buckets - lengths[1],
        overflow=links - buckets,
        lengths=dict(sorted(lengths.items())),
        entries=entries,
        hit_cells=cells / max(entries, 1),
        hit_lines=lines / max(entries, 1),
        miss_cells=miss / buckets,
        miss_cells_fast=CELLS * links / buckets,
    )


def straddling(m: Map) -> float:
    """The share of entries whose key lies in two lines."""
    keys = _layout(m).keys
    found = [len(keys.lines(p.address, i)) > 1 for chain in chains(m) for p in chain for i in p.live]
    return sum(found) / max(len(found), 1)
