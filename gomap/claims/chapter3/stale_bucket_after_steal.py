"""C3.1-stale-bucket-after-steal: stolen goroutines hold dangling bucket pointers."""

from __future__ import annotations

from collections.abc import Mapping

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, bars
from gomap.lab.queues import RECLAIM, StaleCounts, count_stale
from gomap.lab.scheduler import Scheduler


@claim
def stale_bucket_after_steal() -> Claim:
    return Claim(
        id="C3.1-stale-bucket-after-steal",
        title="Stolen goroutines hold dangling bucket pointers",
        section="3.1",
        statement=(
            "When a P's local queue runs dry it steals a goroutine. If that one had cached a bucket pointer "
            "(h.buckets, hiter), it dangles on the new P, for the memory may have been collected or used again."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "The heap is one address space for all Ps. A goroutine's registers, stack and hiter are roots of the "
            "collector; the iterator keeps buckets and overflow lists alive (runtime/map_noswiss.go: hiter.buckets, "
            "overflow, oldoverflow), and evacuation leaves old arrays to the collector. Only runnable goroutines in "
            "a queue are stolen, never a running one (runtime/proc.go: runqsteal). Moving changes nothing about a "
            "pointer."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "Real Go under gccheckmark=1 and clobberfree=1, with a growing locked map and Gosched in the loop, "
                "shows no corruption; by source a pointer does not depend on the P."
            ),
        ),
        prediction=(
            "Stale reads appear only where old arrays are freed at once, with or without migration: the cause would "
            "be reclamation."
        ),
        knob="reclaim; migrate (on, off)",
        settings=(Setting("GC / epoch", go=True), Setting("free the old array when evacuation ends", article=True)),
        workload=(
            "Two by two. Every bucket has a generation stamp, freed arrays are poisoned, each dereference checks. "
            "Iterating and getting goroutines are moved between Ps while a writer grows the map."
        ),
        measured=(Quantity("stale dereferences in a million operations", ""),),
        criterion=Criterion(
            text=(
                "Refuted if stale reads are zero in both cells with collection and not in both with immediate "
                "freeing; confirmed only if migration multiplies them."
            ),
        ),
        needs=frozenset({"map", "scheduler"}),
    )


_COLLECTED, _FREED = RECLAIM
_MIGRATE = {"on one P": 1, "on two Ps": 2}
_MULTIPLIES = 2.0


@stale_bucket_after_steal.model
def looks_across_a_switch(ctx: Context, collected: str = _COLLECTED) -> Finding:
    """Two by two: what becomes of an old array, and whether there is another P to be brought to. Goroutines look at buckets of
    arrays that they took before a switch, and half of them hold one across eight."""
    looks, rounds = ctx.scale.pick(test=3_000, quick=20_000, full=200_000), ctx.scale.pick(test=2, quick=4, full=10)
    cells: dict[tuple[str, str], list[StaleCounts]] = {}
    for i, seed in enumerate(ctx.seeds(rounds)):
        for reclaim in (collected, _FREED):
            for name, procs in _MIGRATE.items():
                ctx.say(f"{reclaim}, {name}", i / rounds)
                s = Scheduler(procs=procs, seed=seed, measure=False)
                cells.setdefault((reclaim, name), []).append(count_stale(s, reclaim=reclaim, derefs=looks))
    sums = {cell: StaleCounts(*map(sum, zip(*found, strict=True))) for cell, found in cells.items()}
    each = {", ".join(cell): [1e6 * _rate(c) for c in found] for cell, found in cells.items()}
    return _judged(collected, sums).with_(series=(bars("Stale looks in a million", "", each),))


def _rate(c: StaleCounts) -> float:
    return (c.stale_stayed + c.stale_moved) / (c.stayed + c.moved)


def _judged(collected: str, cells: Mapping[tuple[str, str], StaleCounts]) -> Finding:
    """The criterion's rows: none stale where arrays are collected, some in both cells where they are freed; or more with
    migration, twice as many at the least."""
    stay, move = _MIGRATE
    kept = [_rate(cells[collected, name]) for name in _MIGRATE]
    freed = {name: _rate(cells[_FREED, name]) for name in _MIGRATE}
    more = freed[move] > _MULTIPLIES * freed[stay]
    clean = not any(kept) and all(freed.values())
    looked = sum(c.stayed + c.moved for (reclaim, _), c in cells.items() if reclaim == collected)
    moved = {reclaim: cells[reclaim, move] for reclaim in (collected, _FREED)}
    of_moved = {r: (1e6 * c.stale_moved / max(c.moved, 1), 1e6 * c.stale_stayed / max(c.stayed, 1)) for r, c in moved.items()}
    told = "migration multiplies them" if more else "it is what becomes of the memory" if clean else "neither is told apart"
    return Finding(
        CONFIRMED if more else REFUTED if clean else UNDECIDED,
        f"Of {looked:,} looks at arrays that are collected {1e6 * max(kept):.3g} in a million were stale at most, with "
        f"goroutines moved {moved[collected].moved:,} times; where arrays are freed at once {1e6 * freed[stay]:.3g} on one P "
        f"and {1e6 * freed[move]:.3g} on two: {told}.",
        numbers=(
            *(Number(f"stale looks in a million, {r}, {name}", 1e6 * _rate(c)) for (r, name), c in cells.items()),
            *(Number(f"stale looks in a million by moved goroutines, {r}", n[0]) for r, n in of_moved.items()),
            *(Number(f"stale looks in a million by others beside them, {r}", n[1]) for r, n in of_moved.items()),
            *(Number(f"looks by moved goroutines, {r}", c.moved) for r, c in moved.items()),
            *(Number(f"arrays replaced, {r}, {name}", c.growths) for (r, name), c in cells.items()),
        ),
        settings=tuple(", ".join(cell) for cell in cells),
    )
