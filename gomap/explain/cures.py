"""The cures, one entry each: when it makes sense for an input, and the two runs that show what it does there.

A trial runs the original and the cured map in turns on the same operations with the same seed, another seed in each round
unless the input has its own. Neither run is attributed, so that nothing but timing is measured. Adding a cure is adding an
entry to `CURES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from gomap.errors import GoFailed, GomapError, GoUnavailable
from gomap.explain.facts import Facts, key_numbers, own_trace, there_after
from gomap.kinds import Strings
from gomap.lab.engine import run
from gomap.lab.result import Result
from gomap.lab.traces import OPS, TraceData
from gomap.lab.workload import Trace, Workload
from gomap.realgo.harness import go_harness, offered

__all__ = ["CURES", "Cure", "Pair", "timed"]

Run = Callable[[int], Result]
Tell = Callable[[str], None]
_FEWEST = 1000  # operations, below which nothing is measured after a deletion


@dataclass(frozen=True)
class Pair:
    """What a trial compares; each is called with a seed. note: what the original is, if it is not simply the input."""

    original: Run
    cured: Run
    note: str = ""


@dataclass(frozen=True)
class Cure:
    """name: as results have it. why_not: None, or in words why it is no cure for this input. pair: the runs; it may raise
    `GoUnavailable` or `GoFailed`."""

    name: str
    title: str
    why_not: Callable[[Facts], str | None]
    pair: Callable[[Facts, Tell | None], Pair]


def timed(w: Workload) -> Run:
    """Runs a workload for its times only."""
    w = w.with_(attribution=False, slowest=0)
    return lambda seed: run(w if w.seed is not None else w.with_(seed=seed))


def _against(f: Facts, cured: Workload) -> Pair:
    return Pair(timed(f.workload), timed(cured))


# ------------------------------------------------------------------ presize, padding, other designs


def _no_presizing(f: Facts) -> str | None:
    if f.counters.get("growths") or f.open_from_ns is not None:
        return None
    return "the map did not grow"


def _presized(f: Facts, tell: Tell | None) -> Pair:
    return _against(f, f.workload.with_(hint=f.peak))


def _no_padding(f: Facts) -> str | None:
    if f.workload.layout == "padded":
        return "its words are apart already"
    return "one thread shares nothing" if f.threads < 2 else None


def _padded(f: Facts, tell: Tell | None) -> Pair:
    return _against(f, f.workload.with_(layout="padded"))


def _no_variant(name: str, f: Facts) -> str | None:
    if f.variant == name:
        return "it is what was looked at"
    return "one thread needs no map that can be shared" if f.variant == "plain" and f.threads < 2 else None


def _of_variant(name: str, f: Facts, tell: Tell | None) -> Pair:
    return _against(f, f.workload.with_(variant=name))


# ------------------------------------------------------------------ Go's Swiss map


def _no_swiss(f: Facts) -> str | None:
    if f.workload.heap is not None:
        return "real Go has a heap of its own"
    if f.variant in ("syncmap", "hashtrie") or not offered(f.variant):
        return f"Go has no {f.variant} on it"
    if f.workload.procs:
        return "groups of goroutines are the model's own"
    if f.workload.key not in ("int64", "str"):
        return f"the Go program has no {f.workload.key} keys"
    if f.guard.refused:
        return "Go would end the program: threads overlap without a guard"
    return None


def _swiss(f: Facts, tell: Tell | None) -> Pair:
    w = f.workload.with_(attribution=False, slowest=0)
    classic, swiss = (go_harness(w, design, tell=tell) for design in ("classic", "swiss"))

    def of(harness_run: Callable[..., Result]) -> Run:
        return lambda seed: harness_run(w if w.seed is not None else w.with_(seed=seed))

    return Pair(of(classic.run), of(swiss.run), "real Go's Swiss map against real Go's classic map")


# ------------------------------------------------------------------ a fresh map of what is left


def _no_rebuild(f: Facts) -> str | None:
    if f.buckets is None:
        return f"{f.variant} is not made of maps that keep their size"
    if f.empty == 0:
        return "the map is not larger than its entries need"
    if f.history is not None and len(f.history.entries) - f.history.lowest - 1 < _FEWEST:
        return f"fewer than {_FEWEST:,} operations come after the deletion"
    return None


def _rebuild(f: Facts, tell: Tell | None) -> Pair:
    t = own_trace(f.workload)
    if t is not None and f.history is not None:
        return _rebuilt_in_a_trace(f, t, f.history.lowest + 1)
    if not f.deleted:
        return Pair(timed(f.workload), timed(f.workload.with_(hint=0)), "a map made for the entries that it has")
    return _rebuilt_of_a_workload(f)


def _rebuilt_in_a_trace(f: Facts, t: TraceData, first: int) -> Pair:
    """From operation `first` on: on the map as it is then, and on a fresh one with the same entries."""
    w, length = f.workload, f.workload.ops or len(t)
    original = w.with_(warmup=first, ops=length - first)
    left = _left(t, first, w.size)
    fresh = replace(
        t,
        keys=_joined(left, t.keys, first, length),
        ops=np.concatenate([np.full(len(left), OPS["assign"], np.uint8), t.ops[first:length]]),
        values=None if t.values is None else np.concatenate([np.zeros(len(left), np.int64), t.values[first:length]]),
    )
    groups = (replace(w.groups[0], keys=Trace(fresh)),)
    cured = w.with_(groups=groups, size=0, hint=len(left), warmup=len(left), ops=length - first)
    return Pair(timed(original), timed(cured), "both from the end of the deletion on")


def _left(t: TraceData, first: int, size: int) -> np.ndarray[tuple[int], np.dtype[np.int64]] | Strings:
    """The keys that are in the map after the first operations of a trace, which began with the keys 0 to size - 1."""
    numbers, after = key_numbers(t.keys)[:first], there_after(t)[:first]
    touched = np.nonzero(after >= 0)[0]
    last = np.full(int(numbers.max(initial=-1)) + 1, -1, np.int64)
    last[numbers[touched]] = touched
    last = last[last >= 0]
    there = np.sort(last[after[last] == 1])
    if isinstance(t.keys, Strings):
        return _picked(t.keys, there)
    untouched = np.setdiff1d(np.arange(size, dtype=np.int64), t.keys[last])
    return np.concatenate([untouched, t.keys[there]])


def _picked(keys: Strings, which: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Strings:
    data = keys.data.tobytes()
    parts = [data[keys.offsets[i] : keys.offsets[i + 1]] for i in which.tolist()]
    return Strings(np.cumsum([0, *map(len, parts)]), b"".join(parts))


def _joined(
    left: np.ndarray[tuple[int], np.dtype[np.int64]] | Strings,
    keys: np.ndarray[tuple[int], np.dtype[np.int64]] | Strings,
    first: int,
    length: int,
) -> np.ndarray[tuple[int], np.dtype[np.int64]] | Strings:
    if not isinstance(keys, Strings):
        assert not isinstance(left, Strings)
        return np.concatenate([left, keys[first:length]])
    assert isinstance(left, Strings)
    start, end = int(keys.offsets[first]), int(keys.offsets[length])
    offsets = np.concatenate([left.offsets, keys.offsets[first + 1 : length + 1] - start + left.data.size])
    return Strings(offsets, left.data.tobytes() + keys.data[start:end].tobytes())


def _rebuilt_of_a_workload(f: Facts) -> Pair:
    """The workload once more after it was over, and on a fresh map with as many entries as it left."""
    w = f.workload
    before = w.ops if w.ops is not None else w.duration_s
    original = w.with_(warmup=before)
    cured = w.with_(size=f.entries, hint=0, warmup=0, keyspace=w.keyspace or w.size or None)
    return Pair(timed(original), timed(cured), "both after the deletion; the fresh map has as many entries, not the same ones")


# ------------------------------------------------------------------ the table


def _variant_cure(name: str, title: str) -> Cure:
    return Cure(name, title, partial(_no_variant, name), partial(_of_variant, name))


CURES: dict[str, Cure] = {
    c.name: c
    for c in (
        Cure("presize", "give make the most entries there will be as its hint", _no_presizing, _presized),
        Cure("rebuild", "copy what is left into a fresh map", _no_rebuild, _rebuild),
        _variant_cure("sharded", "several maps, each behind a lock of its own"),
        _variant_cure("syncmap", "sync.Map up to Go 1.23"),
        _variant_cure("hashtrie", "sync.Map from Go 1.24 on, a hash trie"),
        _variant_cure("lockfree", "gomap's ConcurrentMap, which Go does not have"),
        Cure("padding", "hot words on cache lines of their own", _no_padding, _padded),
        Cure("swiss", "the Swiss map of Go 1.24 and later", _no_swiss, _swiss),
    )
}
"""By name, in the order in which they are tried."""

UNAVAILABLE: tuple[type[GomapError], ...] = (GoUnavailable, GoFailed)
"""What may keep a cure from being tried on this machine."""
