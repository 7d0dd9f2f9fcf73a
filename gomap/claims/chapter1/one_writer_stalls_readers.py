"""C1.2-one-writer-stalls-readers: one growing write makes hundreds of reads queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.registry import claim
from gomap.claims.scenes import numbers
from gomap.claims.verdict import Finding, Number, Series, bars, median_interval
from gomap.claims.walk import full
from gomap.lab.queues import Crowd, one_write
from gomap.lab.scheduler import Scheduler


@claim
def one_writer_stalls_readers() -> Claim:
    return Claim(
        id="C1.2-one-writer-stalls-readers",
        title="One growing write makes hundreds of reads queue",
        section="1, global write lock of bucket migration",
        statement=(
            "Even a single goroutine that executes map[slowKey] = value makes hundreds of reads of map[key] queue up and wait."
        ),
        article_number="hundreds of queued reads",
        go_words="false as stated; true of the user's own RWMutex",
        real_go=(
            "There is no queue inside the map. There is one in sync.RWMutex: a pending Lock makes readerCount "
            "negative, and every later RLock sleeps on readerSem until Unlock (sync/rwmutex.go: Lock, RLock). So "
            "one insert that allocates a new bucket array holds everybody up. In the classic map that is at most "
            "one hashGrow and two evacuated buckets an assign; in Swiss maps one rehash of at most 1,024 slots, or "
            "a directory doubling."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="Maps have no lock to queue at (source; no mutex-profile record of a map function, G14).",
            holds="behind the user's own RWMutex a growing write does make readers queue: reads over 10 µs double (G2).",
        ),
        prediction=(
            "The queue behind a growing write is as deep as there are readers with a lock round it, and empty without one."
        ),
        knob=(
            "guard = rwmutex with growlock = none, against guard = none with growlock = global; evacuate "
            "(incremental, whole table)"
        ),
        settings=(Setting("rwmutex, no growth lock", go=True), Setting("no guard, global growth lock", article=True)),
        workload=(
            "One writer that makes exactly one growth at a known instant; 1, 8, 64 and 512 reader goroutines that "
            "wait for it. Two cores cannot run hundreds of readers except as goroutines, so this takes the "
            "scheduler model."
        ),
        measured=(
            Quantity("readers queued at release", ""),
            Quantity("time to drain", "ns"),
            Quantity("get latency by arrival", "ns"),
        ),
        criterion=Criterion(
            text=(
                "Confirmed if the queue at release is at least 100 deep for 512 readers and the time to drain grows "
                "linearly with readers; refuted if it stays below 5."
            ),
        ),
        remedy=("R1", "R3"),
        needs=frozenset({"map", "scheduler"}),
    )


_READERS = (1, 8, 64, 512)
_DEEP, _SHALLOW, _FACTOR = 100, 5, 2.0


@one_writer_stalls_readers.model
def crowd_before_a_growing_write(ctx: Context, room: int = 1) -> Finding:
    """Goroutines on two Ps read behind a readers-writer lock while one write makes the map grow: how many wait when it lets go,
    and how long until the last of them has its value. The lock is the program's; one that the map took to grow would be held as
    long. Then the same write into a map that has room. room: times the entries that a map is made for."""
    B, rounds = ctx.scale.pick(test=13, quick=14, full=16), ctx.scale.pick(test=2, quick=6, full=12)
    grown: dict[int, list[Crowd]] = {n: [] for n in _READERS}
    roomy: list[Crowd] = []
    for i, seed in enumerate(ctx.seeds(rounds)):
        for n in _READERS:
            ctx.say(f"{n} readers before one write, round {i + 1} of {rounds}", i / rounds)
            grown[n].append(_written(B, room, n, seed))
        roomy.append(_written(B, 2, _READERS[-1], seed))
    return _judged(grown).with_(
        numbers=(
            *_numbers(grown),
            Number.of_ratio(
                "readers queued behind a write that finds room, 512", median_interval([c.depth for c in roomy]), ""
            ),
            Number.of_ratio("time that a write takes that finds room", median_interval([c.hold_ns for c in roomy]), "ns"),
            Number("gets that met the write", sum(c.refused for found in (*grown.values(), roomy) for c in found)),
        )
    )


def _written(B: int, room: int, readers: int, seed: int) -> Crowd:
    size = full(B)
    read = numbers(size, seed=seed % 2**32, hint=room * size)
    return one_write(Scheduler(procs=2, seed=seed, measure=False), read.map, read.keys, size, readers)


def _numbers(grown: Mapping[int, Sequence[Crowd]]) -> tuple[Number, ...]:
    holds = [c.hold_ns for found in grown.values() for c in found]
    return (
        *(
            Number.of_ratio(f"readers queued at release, {n}", median_interval([c.depth for c in f]), "")
            for n, f in grown.items()
        ),
        *(
            Number.of_ratio(f"time to drain, {n} readers", median_interval([c.drain_ns for c in f]), "ns")
            for n, f in grown.items()
        ),
        Number.of_ratio("time that the growing write takes", median_interval(holds), "ns"),
    )


def _judged(grown: Mapping[int, Sequence[Crowd]]) -> Finding:
    """By the criterion: deep for the most readers, and a drain that grows as their number does, within a factor of 2. Where not
    one has waited, no reader ran while the lock was held, and nothing is told."""
    fewer, most = _READERS[-2:]
    depth = {n: median_interval([c.depth for c in found]) for n, found in grown.items()}
    drain = {n: median_interval([c.drain_ns for c in found]).ratio for n, found in grown.items()}
    growth = drain[most] / max(drain[fewer], 1.0) / (most / fewer)
    linear = 1 / _FACTOR <= growth <= _FACTOR
    shallow = all(d.high < _SHALLOW for d in depth.values()) and any(c.depth for c in grown[most])
    confirmed = depth[most].low >= _DEEP and linear
    told = ", ".join(f"{d.ratio:.3g} of {n}" for n, d in depth.items())
    lines = tuple({"name": "time to drain", "x": n, "y": ns} for n, ns in drain.items())
    return Finding(
        CONFIRMED if confirmed else REFUTED if shallow else UNDECIDED,
        f"When a growing write lets go of the lock {told} readers wait. They are through after {drain[most] / 1e3:.3g} µs at "
        f"{most} and {drain[fewer] / 1e3:.3g} at {fewer}: {growth:.3g} times what their number makes.",
        series=(
            bars("Readers queued at release", "", {str(n): [float(c.depth) for c in found] for n, found in grown.items()}),
            Series("lines", "Time to drain by readers", "ns", lines),
        ),
        settings=tuple(f"{n} readers" for n in grown),
    )
