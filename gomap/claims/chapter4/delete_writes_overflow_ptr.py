"""C4.12-delete-writes-overflow-ptr: delete rewrites overflow pointers under readers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gomap.claims.claim import UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.parts import apart
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, Series, decide_count
from gomap.lab.traces import OPS, TraceData
from gomap.lab.workload import Group, Trace, Workload


@claim
def delete_writes_overflow_ptr() -> Claim:
    return Claim(
        id="C4.12-delete-writes-overflow-ptr",
        title="Delete rewrites overflow pointers under readers",
        section="4.4",
        statement=(
            "A delete modifies b.overflow (to nil, or elsewhere) while a get follows it by a load that is not "
            "atomic: it may read a state in between, use freed memory or dereference nil."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "mapdelete never writes an overflow pointer. The writers are newoverflow, which links a new bucket at "
            "the end, and evacuate, which clears keys, elems and overflow pointer of an old bucket whose type has "
            "pointers and that no iterator uses (runtime/map_noswiss.go). An unsynchronised reader there would miss "
            "keys, not use freed memory, for the collector keeps what it can reach. The pointer is 8-byte aligned "
            "and cannot tear, as the article's own note on unsafe.Sizeof says. And the hashWriting test ends the "
            "program first."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="mapdelete has no store to overflow (source); a read beside a delete dies of the misuse check (G1).",
            holds="an unguarded reader beside an evacuating writer can miss keys.",
        ),
        prediction=(
            "Nothing odd beside a deleter; missed keys beside an evacuating writer with the check off; stale reads "
            "with unlinking and immediate freeing, which validates the detector."
        ),
        knob="delete; overflow_load (plain, acquire, two halves); reclaim (GC, immediate); detect = off",
        settings=(Setting("go", go=True), Setting("unlink", article=True)),
        workload="Readers without a lock beside a deleter, then beside an evacuating writer.",
        measured=(
            Quantity("missed keys", ""),
            Quantity("torn pointers", ""),
            Quantity("stale generations", ""),
            Quantity("nil followed", ""),
        ),
        criterion=Criterion(
            text=(
                "Refuted if delete alone gives no anomaly at Go's setting, while the evacuating writer gives missed "
                "keys and unlinking with immediate freeing gives stale reads."
            ),
        ),
        remedy=("a lock", "R2"),
    )


_LASTING = 64  # keys that are read and never deleted
_PASSING = 64  # keys that come and go, in overflow buckets mostly
_READER = Group(mix={"get": 50, "get_miss": 50})  # a get of an absent key goes to the end of its chain
_UNCHECKED: dict[str, Any] = {"check_writing": "off"}
_CHAINS = {**_UNCHECKED, "load_limit": "unlimited", "overflow_limit": "off"}


class _Odd(NamedTuple):
    """What readers without a lock met: keys missed that were there, buckets no longer in their chain; and all gets."""

    missed: int
    stale: int
    gets: int


def _deleting(ops: int, mode: str) -> Workload:
    """A reader of lasting keys beside a writer that adds and deletes others in the same few long chains. Nothing grows, so
    that whatever is odd comes from deletes."""
    passing = np.arange(_LASTING, _LASTING + _PASSING)
    kinds = np.repeat(np.array([OPS["assign"], OPS["delete"]], np.uint8), _PASSING)
    writer = Group(keys=Trace(TraceData("adds and deletes", "csv", np.tile(passing, 2), kinds, None, False)))
    knobs = {**_CHAINS, "delete": mode, "paths": "knobs"}
    return Workload(groups=apart(_READER, writer), size=_LASTING, hint=8, ops=ops, knobs=knobs, sample=0, attribution=False)


def _growing(ops: int) -> Workload:
    writer = Group(mix={"assign_new": 100})
    return Workload(groups=apart(_READER, writer), size=_LASTING, ops=ops, knobs=_UNCHECKED, sample=0, attribution=False)


def _met(ctx: Context, w: Workload, runs: int) -> _Odd:
    missed = stale = gets = 0
    for seed in ctx.seeds(runs):
        r = ctx.run(w, seed)
        missed += r.operations["get"] - r.hits["get"]
        stale += r.counters["stale_reads"]
        gets += r.operations["get"] + r.operations["get_miss"]
    return _Odd(missed, stale, gets)


@delete_writes_overflow_ptr.model
def readers_without_a_lock(ctx: Context) -> Finding:
    """What they meet beside deletes as Go does them; beside deletes that unlink, and beside a growth, where they must."""
    runs = ctx.scale.pick(test=2, quick=2, full=5)
    ops = ctx.scale.pick(test=400_000, quick=2_000_000, full=4_800_000)
    ctx.say("readers beside deletes", 0.0)
    go = _met(ctx, _deleting(ops, "go"), runs)
    ctx.say("readers beside deletes that unlink buckets", 0.4)
    unlinking = _met(ctx, _deleting(ops // 2, "unlink"), runs)
    ctx.say("readers beside a growing map", 0.8)
    growing = _met(ctx, _growing(400_000), ctx.scale.pick(test=10, quick=10, full=40))
    return _judged(ctx, go, unlinking, growing).with_(workload=_deleting(ops, "go").with_(groups=(_READER, _SHOWN)))


_SHOWN = Group(mix={"assign_new": 50, "delete": 50})  # like the writer, whose operations a workload's JSON cannot hold


def _judged(ctx: Context, go: _Odd, unlinking: _Odd, growing: _Odd) -> Finding:
    """Nothing odd beside Go's deletes refutes it, if the other two show that what is odd is seen."""
    decided = decide_count(ctx.counted("gets gone wrong beside deletes", go.missed + go.stale, go.gets), confirmed_from=1)
    blind = [what for what, n in (("stale reads", unlinking.stale), ("missed keys", growing.missed)) if n == 0]
    told = (
        f"Deletes that unlink buckets gave {unlinking.stale:,} stale reads in {unlinking.gets:,} gets, and growth "
        f"{growing.missed:,} missed keys in {growing.gets:,}."
    )
    lacking = f" Not shown to be seen: {' and '.join(blind)}." if blind else ""
    places = {"deletes, Go's": go, "deletes that unlink": unlinking, "growth": growing}
    share = {
        f"{what}, {place}": 1e6 * n / odd.gets
        for place, odd in places.items()
        for what, n in (("missed", odd.missed), ("stale", odd.stale))
    }
    rows = tuple({"name": name, "value": x, "low": x, "high": x} for name, x in share.items())
    return decided.with_(
        verdict=UNDECIDED if blind else decided.verdict,
        reason=f"{decided.reason} {told}{lacking}",
        numbers=(*decided.numbers, *(Number(f"{name}, in a million gets", x) for name, x in share.items())),
        series=(Series("bars", "Gets gone wrong, in a million", "", rows),),
        settings=("go", "unlink"),
    )
