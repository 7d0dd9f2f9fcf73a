"""C2.2-load-factor: A map grows when its load passes 6.5."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.registry import claim
from gomap.claims.verdict import Counted, Finding, Number, Series, decide_exact
from gomap.lab.result import Result
from gomap.lab.workload import Group, Workload


@claim
def load_factor() -> Claim:
    return Claim(
        id="C2.2-load-factor",
        title="A map grows when its load passes 6.5",
        section="2.1, list of triggers",
        statement=(
            "Buckets split when the load factor is over 6.5, that is when there are on average more than 6.5 entries a bucket."
        ),
        article_number="6.5",
        go_words="true (classic); obsolete (Swiss)",
        real_go=(
            "overLoadFactor(count+1, B) (runtime/map_noswiss.go) holds when count+1 is over 8 and over 13 x (2^B / "
            "2). It is asked only when a new key is inserted and no growth is running: a map can go above 6.5 "
            "during a growth, and one with up to 8 entries never grows. Swiss: a table grows when growthLeft is 0, "
            "at 7/8 of its slots, tombstones included."
        ),
        go_by_source=SourceVerdict(
            "confirmed",
            evidence=(
                "In Go 1.25 classic and 1.19 the slow inserts sit exactly at 6.5 x 2^B + 1: 106,497; 212,993; "
                "425,985; 851,969; 1,703,937 (G3)."
            ),
            limits="The Swiss map (default since Go 1.24) grows at 7/8 of a table's slots.",
        ),
        prediction=(
            "Every doubling starts with the insert of entry 6.5 x 2^B + 1 (the first one with entry 9), none in "
            "between, and no other operation starts one."
        ),
        knob="load_num / load_den",
        settings=(Setting("13/2", go=True), Setting("15/2"), Setting("8/1"), Setting("unlimited")),
        workload=(
            "Insert new keys one at a time into maps of several key kinds and hints, and note the number of entries "
            "at each doubling. Beside that: overwrite, look up and delete in maps that are full to the limit."
        ),
        measured=(
            Quantity("doublings at 6.5 x 2^B + 1", ""),
            Quantity("doublings elsewhere", ""),
            Quantity("doublings started by other operations", ""),
        ),
        criterion=Criterion(
            text="Confirmed if all points of growth match the formula.",
        ),
        remedy=("R1",),
    )


_KINDS = ("int64", "str", "int32", "bytes9")
_FULL_B = 10
_FULL = 13 * 2**_FULL_B // 2  # entries of a map of 2^10 buckets that may take no further one


def _limit(B: int) -> int:
    """The most entries that a map of 2^B buckets takes without growing (source: overLoadFactor in runtime/map_noswiss.go)."""
    return 8 if B == 0 else 13 * 2**B // 2


def _starts(r: Result) -> list[tuple[int, int]]:
    """B and entries at each doubling, before the insert that started it."""
    return [(e.from_B, e.n) for e in r.timeline.events if e.kind == "grow_start" and e.to_B > e.from_B]


def _expected(inserts: int, first_B: int) -> list[tuple[int, int]]:
    """The doublings of a map that is filled with so many entries."""
    limits = ((B, _limit(B)) for B in itertools.count(first_B))
    return list(itertools.takewhile(lambda point: point[1] < inserts, limits))


def _hinted_B(hint: int) -> int:
    return next(B for B in itertools.count() if hint <= _limit(B))


def _fillings(inserts: int) -> Iterator[Workload]:
    for key in _KINDS:
        for hint in (0, 1_000):
            grow = Group(mix={"assign_new": 100})
            yield Workload(ops=inserts, groups=(grow,), key=key, hint=hint, sample=0, attribution=False)


@load_factor.model
def growth_points(ctx: Context) -> Finding:
    """Counts the doublings of maps that are filled, against the formula; and those of full maps that get no new key."""
    inserts = ctx.scale.pick(test=20_000, quick=200_000, full=1_500_000)
    seen, expected, made = [], [], 0
    for i, w in enumerate(_fillings(inserts)):
        ctx.say(f"filling a map[{w.key}] with {inserts:,} entries, hint {w.hint:,}", i / 9)
        seen.append(_starts(ctx.run(w, ctx.seeds(i + 1)[-1])))
        expected.append(_expected(inserts, _hinted_B(w.hint)))
        made += inserts
    ctx.say("overwriting, reading and deleting in full maps", 8 / 9)
    others = _doublings_of_others(ctx)
    matches = sum(len(set(s) & set(e)) for s, e in zip(seen, expected, strict=True))
    compared = sum(len(set(s) | set(e)) for s, e in zip(seen, expected, strict=True)) + others.events
    found = decide_exact("doublings at exactly 6.5 x 2^B + 1 entries, of all seen or due", matches, compared)
    told = f"{found.reason} {others.opportunities:,} other operations on maps full to the limit started {others.events}."
    points = tuple({"name": f"B = {B}", "x": B, "y": n + 1} for B, n in seen[0])
    return found.with_(
        reason=told,
        numbers=(*found.numbers, Number("inserts", made), *others.numbers),
        series=(Series("lines", "Entries at which a map doubled", "entries", points),),
        settings=("13/2",),
        workload=next(_fillings(inserts)),
    )


def _doublings_of_others(ctx: Context) -> Counted:
    """Operations that bring no new key, on maps where the next new key would start a growth."""
    ops = ctx.scale.pick(test=50_000, quick=500_000, full=5_000_000)
    mix = {"assign": 30, "get": 30, "get_miss": 30, "add": 10}
    full = Workload(size=_FULL, ops=ops, groups=(Group(mix=mix),), sample=0, attribution=False)
    deleting = Workload(size=_FULL, ops=_FULL, groups=(Group(mix={"delete": 100}),), sample=0, attribution=False)
    results = [ctx.run(w, ctx.seed) for w in (full, deleting)]
    return ctx.counted("doublings by other operations", sum(len(_starts(r)) for r in results), sum(r.total for r in results))
