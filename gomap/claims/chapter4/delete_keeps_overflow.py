"""C4.11-delete-keeps-overflow: delete leaves overflow buckets in place."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.parts import all_of, on_go, unchanged
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, Series, decide_exact
from gomap.inspect import chain_lengths
from gomap.lab.keystreams import Sequential
from gomap.lab.workload import Group, Workload
from gomap.map import Map


@claim
def delete_keeps_overflow() -> Claim:
    return Claim(
        id="C4.11-delete-keeps-overflow",
        title="Delete leaves overflow buckets in place",
        section="4.4",
        statement=(
            "delete does not free the memory of overflow buckets at once: it clears key and value and keeps the "
            "bmap.overflow pointer."
        ),
        article_number=None,
        go_words="true (classic)",
        real_go=(
            "Exact. mapdelete writes emptyOne or runs emptyRest back, clears the elem (and a key with pointers) and "
            "lowers count (runtime/map_noswiss.go: mapdelete). Buckets are given up only by evacuation (a later "
            "growth, or one to the same size once overflow buckets reach the limit) or by clear; the main array "
            "never shrinks. Swiss: tables never shrink; a slot of a full group becomes a tombstone."
        ),
        go_by_source=SourceVerdict(
            "confirmed",
            evidence=(
                "mapdelete writes no overflow pointer (source). A map of 2^20 keys deleted down to 1,000 still "
                "ranges over all its buckets: 2,966 against 11 µs (G7)."
            ),
            limits="The Swiss map has no overflow buckets.",
        ),
        prediction="The number of overflow buckets is the same before and after any deletes.",
        knob="delete",
        settings=(Setting("go", go=True), Setting("unlink empty overflow buckets"), Setting("shrink at 1/8 load")),
        workload="Fill to 2^20, delete down to 1,000; count overflow buckets; then insert and see when they are cleaned up.",
        measured=(
            Quantity("overflow buckets before and after", ""),
            Quantity("bytes", "B"),
            Quantity("get, hit and miss", "ns"),
            Quantity("range", "ns"),
        ),
        criterion=Criterion(
            text="Confirmed if the number of overflow buckets is unchanged by deletes.",
        ),
        remedy=("rebuild the map", "R4"),
    )


_KINDS = ("int64", "str", "int32", "bytes9")
_LEFT = 10  # one of 2^10 entries is left, as 1,000 of 2^20
_STEPS = 16  # how often the buckets are counted on the way down


class _Way(NamedTuple):
    """A map on its way down: entries and overflow buckets, first when full; its bytes then and in the end; and at how many
    entries the next growth began, and the overflow buckets after it, when it was filled again."""

    entries: list[int]
    overflows: list[int]
    bytes: tuple[int, int]
    cleaned_at: int
    cleaned_to: int

    @property
    def kept(self) -> int:
        """How many of the counts after deletes are the first one."""
        return sum(n == self.overflows[0] for n in self.overflows[1:])


def _keys(kind: str, first: int, end: int) -> Any:
    if kind == "str":
        return [f"{i:016x}" for i in range(first, end)]
    if kind == "bytes9":
        return [i.to_bytes(9, "little") for i in range(first, end)]
    return np.arange(first, end)


def _overflows(m: Map) -> int:
    """Overflow buckets that hang in a chain; the header's own count is an estimate in large maps."""
    return sum((int(length) - 1) * n for length, n in chain_lengths(m).items())


def _way_down(kind: str, full: int, seed: int, knobs: Mapping[str, Any] | None) -> _Way:
    m = Map(kind, "int64", seed=seed, knobs=knobs, event_capacity=64)
    m.assign_many(_keys(kind, 0, full), np.arange(full))
    entries, overflows, held = [full], [_overflows(m)], m.header.memory
    marks = [(full - (full >> _LEFT)) * i // _STEPS for i in range(_STEPS + 1)]
    for first, end in itertools.pairwise(marks):
        m.delete_many(_keys(kind, first, end))
        entries.append(len(m))
        overflows.append(_overflows(m))
    after = m.header.memory
    m.assign_many(_keys(kind, full, 2 * full), np.arange(full))
    last = [e for e in m.events() if e.kind == "grow_start"][-1]
    return _Way(entries, overflows, (held, after), last.n + 1, _overflows(m))


def _emptied(full: int) -> Workload:
    """The same by the engine: all but few are deleted, in the order of their numbers."""
    gone = full - (full >> _LEFT)
    deletes = (Group(mix={"delete": 100}, keys=Sequential()),)
    return Workload(groups=deletes, size=full, keyspace=gone, ops=gone, sample=0, attribution=False)


@delete_keeps_overflow.model
def counted_on_the_way_down(ctx: Context, knobs: Mapping[str, Any] | None = None) -> Finding:
    """Counts the overflow buckets of full maps again and again while nearly all is deleted."""
    full = 13 * 2 ** ctx.scale.pick(test=9, quick=12, full=16)
    ways = {}
    for i, kind in enumerate(_KINDS):
        ctx.say(f"emptying a map[{kind}] of {full:,} entries", i / len(_KINDS))
        ways[kind] = _way_down(kind, full, ctx.seeds(i + 1)[-1], knobs)
    kept, counts = sum(w.kept for w in ways.values()), _STEPS * len(ways)
    found = decide_exact("counts of overflow buckets that deletes left as they were", kept, counts)
    w = ways["int64"]
    told = (
        f"A map[int64] of {full:,} entries has {w.overflows[0]:,} overflow buckets, and {w.overflows[-1]:,} with "
        f"{w.entries[-1]:,} left; it holds {100 * w.bytes[1] / w.bytes[0]:.3g} % of the bytes that it did. When filled again "
        f"it is cleaned up by the growth at {w.cleaned_at:,} entries."
    )
    return found.with_(
        reason=f"{found.reason} {told}",
        numbers=(
            *found.numbers,
            Number("overflow buckets, full", w.overflows[0]),
            Number("overflow buckets, emptied", w.overflows[-1]),
            Number("overflow buckets after the next growth", w.cleaned_to),
            Number("entries at that growth", w.cleaned_at),
            Number("bytes, full", w.bytes[0], "B"),
            Number("bytes, emptied", w.bytes[1], "B"),
        ),
        series=(_drawn(ways),),
        settings=("go",),
        workload=_emptied(full),
    )


def _drawn(ways: Mapping[str, _Way]) -> Series:
    rows = ({"name": k, "x": n, "y": o} for k, w in ways.items() for n, o in zip(w.entries, w.overflows, strict=True))
    return Series("lines", "Overflow buckets by entries left", "overflow buckets", tuple(rows))


@delete_keeps_overflow.go
def header_and_heap_of_go(ctx: Context) -> Finding:
    """Reads the header's count of overflow buckets, exact up to B = 15, and the heap after a collection: full and emptied.
    Go gives every map a hash of its own, so that one full map has a few overflow buckets more than the next."""
    full = 13 * 2 ** ctx.scale.pick(test=10, quick=13, full=14)
    run, emptied = on_go(ctx), _emptied(full)

    def held(w: Workload, seed: int) -> dict[str, float]:
        found = run(w, seed).counters
        return {"overflow": float(found["noverflow"]), "heap": float(found["memory"])}

    pairs = ctx.pairs(emptied.with_(ops=1), emptied, held, names=("full", "emptied"))
    parts = [
        unchanged(pairs, "overflow buckets by the header", metric="overflow"),
        unchanged(pairs, "heap that the map holds", metric="heap", unit="B"),
    ]
    found = all_of(parts)
    return found.with_(reason=f"{found.reason} Of {full:,} entries {full >> _LEFT:,} were left.", workload=emptied)
