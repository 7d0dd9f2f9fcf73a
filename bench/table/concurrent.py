"""One map and two threads: gomap's ConcurrentMap beside concurrent maps of others, which take rounds in turn.

Two threads pinned to a core each do the same operations on every map. A Go map's are also run without pinning, which Go's
locks like better, and what has the higher throughput counts. Half of libcuckoo's tables are slow ones: each round gets a new
one, and its better half counts.
"""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gomap._core import lib

from bench.peers import PEERS, PeerError, peer
from bench.table.aims import GROWTH, MIXES, PAUSE, SYNC_MAP, TAILS, Aim, Mix
from bench.table.inputs import Operations, write_operations
from bench.table.lines import Line
from bench.table.programs import Failed, Number, Program, Tell
from bench.table.single import LIMIT, Memory
from gomap.lab import Uniform, Zipf
from gomap.lab.keystreams import KeyStream

__all__ = ["OURS", "Design", "Found", "RoundTrip", "concurrent_lines", "growth_lines", "native_designs", "run_round"]

OURS = "ConcurrentMap"
START, GROWN = 1_000, 2_000_000
_OLD_KEYS = 1_000  # of a growing map: the reader's
_LENGTH = {True: 1 << 12, False: 1 << 20}
_SHARE = {"cuckoo": 0.5}  # the better part of its rounds counts
_PAUSE_NS = 2e6
_GROWTH_MS = 10_000  # a growth that takes longer is not waited for
_HOPELESS = 0.2  # of the better way's throughput: a design is not run so again
_STARVING = ("std-rwlock",)  # readers that never pause keep its writer out: a growth takes minutes


@dataclass(frozen=True)
class Design:
    """A map of a program. `table`: what the program knows it by. `pinned`: the ways to run it that are tried."""

    name: str
    binary: Path
    table: str
    pinned: tuple[bool, ...] = (True,)

    @property
    def renewed(self) -> bool:
        """Each round gets a map of its own."""
        return self.name in _SHARE


@dataclass(frozen=True)
class RoundTrip:
    """A cache line from one core to another and back, beside what was measured then."""

    beside: str
    ns: float


@dataclass
class Found:
    """Of one design in one workload: samples of each figure by whether the threads were pinned."""

    figures: dict[bool, dict[str, list[float]]] = field(default_factory=dict)

    def _throughput(self, pinned: bool) -> float:
        samples = self.figures[pinned]
        return statistics.median(samples.get("rate") or samples["writer"])

    def ways(self, best_only: bool) -> tuple[bool, ...]:
        """Those in which it still is to be run: not if it is many times slower so; none: nothing is known yet. Best first."""
        order = sorted(self.figures, key=self._throughput, reverse=True)
        hopeful = [way for way in order if self._throughput(way) > _HOPELESS * self._throughput(order[0])]
        return tuple(hopeful[:1] if best_only else hopeful)

    def add(self, pinned: bool, told: dict[str, float]) -> None:
        for name, value in told.items():
            self.figures.setdefault(pinned, {}).setdefault(name, []).append(value)

    def best(self, figure: str, *, more: bool, share: float) -> tuple[float, ...]:
        """The samples of a figure in the better way to run the design, which is the one of the higher throughput; of them the
        better `share`. `KeyError`: there are none."""
        chosen = sorted(self.figures[self.ways(True)[0]][figure], reverse=more)
        return tuple(chosen[: max(1, round(len(chosen) * share))])


def native_designs(driver: Path, missing: dict[str, str]) -> list[Design]:
    """gomap's, and the peers that can be built here; `missing` gets the others with the reason."""
    found = [Design(OURS, driver, f"own:{lib.GM_VARIANT_LOCKFREE}")]
    for name in PEERS:
        try:
            found.append(Design(name, driver, f"{peer(name).path}:{name}"))
        except PeerError as e:
            missing[name] = str(e)
    return found


# ---------------------------------------------------------------- programs


class Stage:
    """The designs' programs, each with its map, alive until the end of the `with`; a renewed one's from round to round."""

    def __init__(self, designs: list[Design], operations: Operations, memory: Memory | None) -> None:
        """memory: gets bytes per entry by design; None: there are no filled maps, growths make their own."""
        self._operations, self._memory = operations, memory
        self._programs: dict[str, Program] = {}
        self.designs = designs

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        for program in self._programs.values():
            program.close()

    def program(self, design: Design) -> Program:
        if design.renewed and design.name in self._programs:
            self._programs.pop(design.name).close()
        if design.name not in self._programs:
            program = self._programs[design.name] = Program(design.name, design.binary)
            if self._memory is None:
                program.ask("shared", design.table, self._operations.folder, "-")
            else:
                (grown,) = program.ask("shared", design.table, self._operations.folder)
                self._memory.setdefault(design.name, {})[self._operations.n] = grown / self._operations.n
        return self._programs[design.name]


def _checked(what: str, gets: Number, hits: Number, wrong: Number) -> None:
    if gets != hits or wrong:
        raise Failed(
            f"{what}: {gets - hits} of {gets} gets missed their key" + (", and there were wrong elems" if wrong else "")
        )


_TIMES = ("samples", "p50", "p99", "p99.9", "longest get")


def _times(numbers: list[Number]) -> dict[str, float]:
    told = dict(zip(_TIMES, map(float, numbers[:5]), strict=True))
    return told if told.pop("samples") >= 10_000 else {}  # p99.9 with ten samples above it, or none


def run_round(program: Program, ms: int, timed: bool, cpus: tuple[int, ...]) -> dict[str, float]:
    """One round of threads on these CPUs (-1: not pinned): "rate" in operations a second, and if timed percentiles of gets."""
    rate, gets, hits, wrong, *times = program.ask("run", ms, int(timed), *cpus)
    _checked(program.name, gets, hits, wrong)
    return _times(times) if timed else {"rate": rate}


def _growth_round(program: Program, timed: bool, cpus: tuple[int, int]) -> dict[str, float]:
    put, reads, writes, gets, hits, wrong, *rest = program.ask("growth", _GROWTH_MS, int(timed), *cpus)
    _checked(program.name, gets, hits, wrong)
    if not timed:
        return {"reader": reads, "writer": writes, "put in": put}
    times, (longest, preempted) = _times(rest[:5]), rest[5:]
    return {**times, "longest assign": float(longest), "waiting assigns": float(preempted)}


def _in_turn(
    stage: Stage, repeats: int, cpus: tuple[int, int], take: Callable[[Program, bool, tuple[int, int]], dict[str, float]]
) -> dict[str, Found]:
    """Rounds of all designs in turn, without and then with timing; these in the better way only."""
    found = {design.name: Found() for design in stage.designs}
    for timed in (False, True):
        for _ in range(repeats):
            for design in stage.designs:
                its = found[design.name]
                for pinned in its.ways(timed) or design.pinned:
                    its.add(pinned, take(stage.program(design), timed, cpus if pinned else (-1, -1)))
    return found


# ---------------------------------------------------------------- lines


def _samples(found: dict[str, Found], name: str, figure: str, more: bool) -> tuple[float, ...] | None:
    """None: the figure was not found in this design's rounds (too few samples)."""
    with contextlib.suppress(KeyError):
        return found[name].best(figure, more=more, share=_SHARE.get(name, 1.0))
    return None


def _stricter(a: Aim, b: Aim) -> Aim:
    """What both ask for."""
    least, aim = ([x for x in pair if x is not None] for pair in ((a.least, b.least), (a.aim, b.aim)))
    return Aim(max(least, default=None), max(aim, default=None))


def _against_all(
    group: str, row: str, n: int, figure: str, measure: str, found: dict[str, Found], aims: dict[str, Aim]
) -> list[Line]:
    """A line for each peer that has the figure, the best one first; aims by peer, "best" for whichever that is."""
    more = measure == "rate"
    ours = _samples(found, OURS, figure, more)
    theirs = {name: _samples(found, name, figure, more) for name in found if name != OURS}
    there = {name: samples for name, samples in theirs.items() if samples is not None}
    if ours is None:
        return []
    order = sorted(there, key=lambda name: statistics.median(there[name]), reverse=more)
    lines = []
    for place, name in enumerate(order):
        aim = _stricter(aims.get(name, Aim()), aims.get("best", Aim()) if place == 0 else Aim())
        lines.append(Line(group, row, n, name, measure, ours, there[name], aim.least, aim.aim, best=place == 0))
    return lines


def _against_limit(row: str, n: int, found: dict[str, Found]) -> Line:
    """The line of bare memory; no aim: no map can reach it."""
    ours, bare = (found[name].best("rate", more=True, share=1.0) for name in (OURS, LIMIT))
    return Line("concurrent", row, n, LIMIT, "rate", ours, bare)


def _stream(mix: Mix) -> KeyStream:
    return Uniform() if mix.zipf is None else Zipf(mix.zipf)


def _round_trip(driver: Path, cpus: tuple[int, int], beside: str) -> RoundTrip:
    program = Program("gomap", driver)
    try:
        return RoundTrip(beside, float(program.ask("roundtrip", *cpus)[0]))
    finally:
        program.close()


def concurrent_lines(
    folder: Path,
    designs: list[Design],
    cpus: tuple[int, int],
    *,
    repeats: int,
    quick: bool,
    sizes: tuple[int, ...] | None,
    tell: Tell,
    memory: Memory,
    trips: list[RoundTrip],
) -> Iterator[Line]:
    """The mixes of gets and assigns, as they are found."""
    ms = 3 if quick else 300
    for mix in MIXES:
        for n in sizes or tuple(mix.best):
            tell(f"{mix.name}, {n:,} entries, {len(designs)} maps")
            operations = write_operations(folder / f"mix-{n}", n, _LENGTH[quick], mix.assign_percent, _stream(mix), n)
            trips.append(_round_trip(designs[0].binary, cpus, f"{mix.name}, {n:,}"))
            limit = [Design(LIMIT, designs[0].binary, "limit")] if mix.assign_percent == 0 else []
            with Stage([*designs, *limit], operations, memory) as stage:
                found = _in_turn(stage, repeats, cpus, lambda program, timed, on: run_round(program, ms, timed, on))
            bare = _against_limit(mix.name, n, found) if limit else None
            if bare:
                del found[LIMIT], memory[LIMIT]
            aims = {"best": mix.best.get(n, Aim()), "Go sync.Map": SYNC_MAP.get(n, Aim())}
            yield from _against_all("concurrent", mix.name, n, "rate", "rate", found, aims)
            if bare:
                yield bare
            yield from _against_all("concurrent", f"{mix.name}: p99.9 of gets", n, "p99.9", "ns", found, {"best": TAILS})


def growth_lines(
    folder: Path,
    designs: list[Design],
    cpus: tuple[int, int],
    *,
    repeats: int,
    quick: bool,
    tell: Tell,
    trips: list[RoundTrip],
    notes: list[str],
) -> Iterator[Line]:
    """One thread gets a thousand keys while the other puts in the rest. `notes` gets the maps that did not grow so far."""
    n = 20_000 if quick else GROWN
    tell(f"a reader beside a writer that grows the map from {START:,} to {n:,} entries, {len(designs)} maps")
    operations = write_operations(folder / "growth", n, _LENGTH[quick], 0, Uniform(), _OLD_KEYS)
    trips.append(_round_trip(designs[0].binary, cpus, "growth"))
    with Stage([design for design in designs if design.name not in _STARVING], operations, None) as stage:
        found = _in_turn(stage, repeats, cpus, _growth_round)
    for name in found:
        put = _samples(found, name, "put in", True)
        if put and min(put) < n - START:
            notes.append(f"{name} grew to {START + min(put):,.0f} entries in {_GROWTH_MS / 1000:.0f} s, and not to {n:,}")
    for figure, measure in (("reader", "rate"), ("p99.9", "ns"), ("writer", "rate"), ("longest assign", "us")):
        row = "p99.9 of gets" if figure == "p99.9" else figure
        aims = {name: aim for (of, name), aim in GROWTH.items() if of == row}
        yield from _against_all("growth", row, n, figure, measure, found, aims)
    ours = _samples(found, OURS, "longest assign", False)
    if ours is not None:
        aim = GROWTH["longest assign", PAUSE]
        yield Line("growth", "longest assign", n, PAUSE, "us", ours, (_PAUSE_NS,) * len(ours), aim.least, aim.aim)
