"""C4.14-mutex-profile-rehash: the mutex profile shows locks of a map's rehash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gomap.claims.claim import UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.parts import THREADS_RATE, beside_writer
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, Series, decide_count
from gomap.lab.result import Result
from gomap.lab.workload import Workload


@claim
def mutex_profile_rehash() -> Claim:
    return Claim(
        id="C4.14-mutex-profile-rehash",
        title="The mutex profile shows locks of a map's rehash",
        section="4.4, tool table",
        statement=(
            "pprof -mutexprofile captures hot spots of lock contention in runtime.mapassign and mapaccess1 that "
            "come from rehashing hmap.buckets."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "Maps take no lock (runtime/map_noswiss.go), so that nothing can be recorded. Profiles of a locked map "
            "show sync.(*RWMutex) and the runtime's own locks."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="Mutex profiles at full rate hold no record with a map function (G14).",
        ),
        prediction=(
            "The model's profile of waits holds no place in the map at Go's setting, and growth's lock at the article's."
        ),
        knob="growlock, as in C1.1",
        settings=(Setting("none", go=True), Setting("global while growing", article=True)),
        workload="The model prints where threads waited, with readers beside a growing writer.",
        measured=(Quantity("waits by place", ""),),
        criterion=Criterion(
            text="Refuted by profile: no place of the map in it at Go's setting.",
        ),
    )


_PLACES = {"plain": "in the map, Go's", "growlock": "in the map, the article's lock"}


def _waits(r: Result) -> int:
    """How often a thread waited for a lock in the map. The plain map keeps no count: there the time of its operations tells,
    and any of it is at least one wait."""
    time_ns = sum(r.time_by_cause(kind)["lock_wait"] for kind in r.cause_tables)
    return max(int(r.counters.get("contended", 0)), int(time_ns > 0))


def _growing(seconds: float, variant: str) -> Workload:
    """A reader beside a writer that makes the map grow, and nothing that keeps them apart but what the map itself has."""
    knobs = {"check_writing": "off"} if variant == "plain" else None
    return beside_writer(seconds, THREADS_RATE, variant=variant, knobs=knobs)


@mutex_profile_rehash.model
def profile_of_waits(ctx: Context) -> Finding:
    """Where threads waited, at Go's setting and at the article's."""
    seconds = ctx.scale.pick(test=0.1, quick=1.6, full=4.0)
    found = {}
    for i, variant in enumerate(_PLACES):
        ctx.say(f"a reader beside a growing writer: waits {_PLACES[variant]}", i / len(_PLACES))
        found[variant] = ctx.run(_growing(seconds if variant == "plain" else seconds / 4, variant), ctx.seed)
    return _judged(ctx, {variant: _waits(r) for variant, r in found.items()}, found["plain"]).with_(
        workload=_growing(seconds, "plain")
    )


def _judged(ctx: Context, waits: dict[str, int], plain: Result) -> Finding:
    """No wait at Go's setting refutes it, if the article's lock shows that waits are seen where there is one."""
    timed = sum(h.count for h in plain.latency.values())
    decided = decide_count(ctx.counted("waits for a lock in the map", waits["plain"], timed), confirmed_from=1)
    seen = waits["growlock"] > 0
    told = (
        f"The article's lock, in the same place, was waited for {waits['growlock']:,} times: waits are "
        f"{'' if seen else 'not '}seen."
    )
    rows = tuple({"name": place, "value": waits[v], "low": waits[v], "high": waits[v]} for v, place in _PLACES.items())
    return decided.with_(
        verdict=decided.verdict if seen else UNDECIDED,
        reason=f"{decided.reason} {told}",
        numbers=(
            *decided.numbers,
            Number("waits for the article's lock", waits["growlock"]),
            Number("growths at Go's setting", plain.counters["growths"]),
        ),
        series=(Series("bars", "Waits by place", "waits", rows),),
        settings=("none", "global while growing"),
    )


@mutex_profile_rehash.go
def profile_of_real_go(ctx: Context) -> Finding:
    """Go's own mutex profile at its full rate: of reads and a range without a lock, and of reads behind one beside a writer
    that makes the map grow."""
    go, ms = controls(designs()[0]), ctx.scale.pick(test=30, quick=700, full=3_000)
    runs = {locked: go.run("profile", locked=locked, ms=ms) for locked in (False, True)}
    return decided_or_read(mutex_profile_rehash.claim, _profiled(ctx, runs[False], runs[True]))


def _profiled(ctx: Context, unlocked: Mapping[str, Any], locked: Mapping[str, Any]) -> Finding:
    """No record in the map refutes it, if the profile of a lock shows that waits are recorded."""
    in_map, reads = (unlocked[name] + locked[name] for name in ("in_map", "reads"))
    what = "records of the mutex profile with a map function"
    decided = decide_count(ctx.counted(what, in_map, max(reads, in_map)), confirmed_from=1)
    seen = locked["records"] > 0
    told = f"Behind a lock the profile has {locked['records']} records, without one {unlocked['records']}."
    return decided.with_(
        verdict=decided.verdict if seen else UNDECIDED,
        reason=f"{decided.reason} {told}",
        numbers=(
            *decided.numbers,
            Number("records of the mutex profile, without a lock", unlocked["records"]),
            Number("records of the mutex profile, behind a lock", locked["records"]),
        ),
        settings=("without a lock", "behind a read-write lock"),
    )
