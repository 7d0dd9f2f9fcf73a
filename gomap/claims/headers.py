"""Gets of one map beside writes to another, or to the same, with the words of their headers laid out at will.

The layouts are those of the claims on lines of the header; csrc/lab/headers.c does the rest. What counts is what a get takes
while the writer is at work: beside a writer that the system does not run nothing is shared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gomap._core import ffi, lib
from gomap.errors import MissingTool, ensure
from gomap.lab.machine import two_cores
from gomap.map import Map

__all__ = ["FAR", "LAYOUTS", "ONE_MAP", "Beside", "get_beside"]

_WORDS = ("count", "flags", "noverflow", "nevacuate", "hash0", "B", "buckets", "oldbuckets")
_GO = {"count": 0, "flags": 8, "B": 9, "noverflow": 10, "hash0": 12, "buckets": 16, "oldbuckets": 24, "nevacuate": 32}
_LAST = {"flags": 0, "B": 1, "noverflow": 2, "hash0": 4, "buckets": 8, "oldbuckets": 16, "nevacuate": 24}

LAYOUTS: Mapping[str, Mapping[str, int]] = {
    "go": _GO,
    "count last": {**_LAST, "count": 48},
    "count on another line": {**_LAST, "count": 64},
    "hot and cold apart": {**_GO, "hash0": 64, "B": 68, "buckets": 72, "oldbuckets": 80},
}
"""Offsets of the words that operations use. Those of Go are the same from 1.19 (48 bytes: extra follows) to 1.25 (56: clearSeq
and extra). Count last: where the 56 bytes end. Apart: what a write changes in one line, what all need in another."""

ONE_MAP, FAR = 0, 4_096
"""Distances: the writer writes the map that is read; the two headers lie where no line is near."""

_ENTRIES, _ROOM = 200, 400
_BATCH, _BATCHES, _MOST = 512, 400, 8_000
_ASKED, _LEAST = 400, 50


@dataclass(frozen=True)
class Beside:
    """A reader and a writer. apart: bytes from the writer's header to the reader's. writes: "updates" of keys that the reader
    does not ask for, "inserts" of new keys that are deleted at once, or "nothing"."""

    layout: str = "go"
    apart: int = 64
    writes: str = "updates"


def _map(seed: int) -> Map:
    m = Map(seed=seed % 2**63, hint=_ROOM)
    m.assign_many(range(_ENTRIES), range(_ENTRIES))
    return m


def _keys(m: Map, low: int, high: int, quarter: int) -> npt.NDArray[np.uint64]:
    """Of the keys from low to high those whose buckets lie within the half of the array that begins at that quarter, so that
    those of one half and of the other have no line in common."""
    header = m.header
    buckets = 1 << header.B
    middle = range(buckets * quarter // 4 + 1, buckets * (quarter + 2) // 4 - 1)
    contents = ((k, int(k).to_bytes(8, "little")) for k in range(low, high))
    found = [k for k, c in contents if lib.gm_map_hash(m._handle, c, 8, header.hash0) % buckets in middle]
    return np.array(found, np.uint64)


class _Batches(NamedTuple):
    """Of one call: nanoseconds of each batch, what the writer did meanwhile, and the gets of all that missed their key."""

    ns: npt.NDArray[np.uint64]
    writes: npt.NDArray[np.uint64]
    missed: int


def _called(b: Beside, reader: Map, writer: Map, cpus: tuple[int, int], seed: int) -> _Batches:
    gets = np.random.default_rng(seed).choice(_keys(reader, 0, _ENTRIES, 0), _BATCH)
    low = _ENTRIES if b.writes == "inserts" else 0
    writes = _keys(writer, low, low + (0 if b.writes == "nothing" else _ENTRIES), 2)
    c = ffi.new("gm_headers_config *")
    kept = [ffi.from_buffer("uint64_t[]", gets), ffi.from_buffer("uint64_t[]", writes)]
    c.reader, c.writer, c.reader_at = reader._handle, writer._handle, b.apart
    c.offsets = [LAYOUTS[b.layout][word] for word in _WORDS]
    (c.gets, c.writes), c.ngets, c.nwrites = kept, len(gets), len(writes)
    c.inserts, c.batches = b.writes == "inserts", _BATCHES
    c.reader_cpu, c.writer_cpu = cpus
    batches, hits = np.zeros((_BATCHES, 2), np.uint64), ffi.new("uint64_t *")
    ensure(lib.gm_time_headers(c, ffi.from_buffer("gm_header_batch[]", batches), hits))
    return _Batches(batches[:, 0], batches[:, 1], _BATCHES * _BATCH - int(hits[0]))


def get_beside(b: Beside, seed: int, called: Callable[..., _Batches] = _called) -> dict[str, float]:
    """Nanoseconds a get: "get", the median of batches of 512 during which the writer was at work (of all, if it has nothing to
    do), and "p99" of these; "at once", how many per cent of all they are; "missed", gets that did not find their key.

    `MissingTool` where there are no two cores, or where the two threads are hardly ever at work at once.
    """
    cpus = two_cores()
    if cpus is None:
        raise MissingTool("a get and a write at the same time take two cores")
    reader = _map(seed)
    writer = reader if b.apart == ONE_MAP else _map(seed + 1)
    taken: list[float] = []
    made = missed = 0
    while made < _MOST and len(taken) < _ASKED:
        found = called(b, reader, writer, cpus, seed)
        beside = (found.writes > 0) | (b.writes == "nothing")
        taken += (found.ns[beside] / _BATCH).tolist()
        made += len(found.ns)
        missed += found.missed
    if len(taken) < _LEAST:
        raise MissingTool(f"of {made:,} batches of gets {len(taken)} had a writer beside them")
    p50, p99 = np.percentile(taken, [50, 99])
    return {"get": float(p50), "p99": float(p99), "at once": 100 * len(taken) / made, "missed": float(missed)}
