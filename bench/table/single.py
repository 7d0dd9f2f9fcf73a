"""One map on one thread: gomap's program and real Go's take rounds in turn, on the same keys."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.table.aims import LIMITS, SINGLE, Aim, SingleRow
from bench.table.inputs import Single, write_single
from bench.table.lines import Line
from bench.table.programs import Failed, Number, Program, Tell, running

__all__ = ["LIMIT", "Memory", "check_round", "single_lines"]

OURS = "gomap"
LIMIT = "the machine's limit"
_LIMITED = ("get_many_hit", "get_many_miss", "overwrite_many", "presized_many")
_ASKED = {True: (1 << 12, 1 << 12), False: (1 << 20, 1 << 22)}  # quick or not: at least, at most

Memory = dict[str, dict[int, float]]


@dataclass
class Round:
    ns_per_operation: float
    faults_per_operation: float


@dataclass
class Samples:
    """Of one row of one program."""

    rounds: list[Round] = field(default_factory=list)

    @property
    def ns(self) -> tuple[float, ...]:
        return tuple(r.ns_per_operation for r in self.rounds)

    @property
    def faults(self) -> float:
        return statistics.median(r.faults_per_operation for r in self.rounds)


def check_round(row: str, told: list[Number], keys: Single) -> None:
    """Whether a round found what it had to find: `Failed` if not."""
    _, operations, hits, found_sum, _ = told
    whole = keys.n * (keys.n - 1) // 2
    if row in ("get_hit", "get_many_hit"):
        expected = (keys.asked, keys.asked, keys.asked_sum)
    elif row in ("get_miss", "get_many_miss"):
        expected = (keys.asked, 0, 0)
    elif row.startswith("overwrite"):
        expected = (keys.asked, keys.n, whole)
    elif row.startswith("pair"):
        expected = (min(keys.asked, keys.n), keys.n, whole)
    else:  # maps built or gone through, one or several
        maps = max(1, int(operations) // keys.n)
        expected = (maps * keys.n, maps * keys.n, maps * whole)
    if (operations, hits, found_sum) != expected:
        raise Failed(f"{row} at {keys.n} entries found {(operations, hits, found_sum)}, and not {expected}")


def _round(program: Program, verb: str, row: str, keys: Single) -> Round:
    told = program.ask(verb, row)
    if verb == "time":
        check_round(row, told, keys)
    return Round(told[0] / told[1], told[4] / told[1])


def _plan(rows: Sequence[SingleRow], sizes: tuple[int, ...] | None) -> list[tuple[str, int, list[SingleRow]]]:
    """Kinds of keys and numbers of entries, with their rows: the sizes that are asked for, or those that have aims."""
    found = sorted({(row.kind, n) for row in rows for n in sizes or row.classic})
    return [(kind, n, [row for row in rows if row.kind == kind and (sizes or n in row.classic)]) for kind, n in found]


def single_lines(
    folder: Path,
    binaries: dict[str, Path],
    *,
    repeats: int,
    quick: bool,
    sizes: tuple[int, ...] | None,
    tell: Tell,
    memory: Memory,
    rows: Sequence[SingleRow] = SINGLE,
    group: str = "single",
) -> Iterator[Line]:
    """The lines, as they are found. `binaries`: "gomap" and designs of real Go. `memory` gets bytes per entry, by program."""
    least, most = _ASKED[quick]
    for kind, n, its_rows in _plan(rows, sizes):
        tell(f"{kind} keys, {n:,} entries: made, and put into the maps")
        keys = write_single(folder / f"{kind}-{n}", kind, n, min(max(n, least), most))
        with running(binaries) as programs:
            for name, program in programs.items():
                program.ask("single", kind, n, keys.folder)
                memory.setdefault(f"{name}, {kind}", {})[n] = program.ask("memory")[0] / n
            for row in its_rows:
                tell(f"{row.name}, {n:,} entries")
                yield from _lines_of(group, row, n, _measure(row, programs, keys, repeats))


def _measure(row: SingleRow, programs: dict[str, Program], keys: Single, repeats: int) -> dict[str, Samples]:
    """All of a row, in turn: gomap, bare memory where that is asked for, and each design of real Go. The first turn is not
    counted: with it come the page faults and the caches."""
    turns = {name: (program, "time", row.ours if name == OURS else row.theirs) for name, program in programs.items()}
    if row.ours in _LIMITED and row.kind == "int64":
        turns[LIMIT] = (programs[OURS], "limit", row.ours)
    found = {name: Samples() for name in turns}
    for turn in range(repeats + 1):
        for name, (program, verb, asked) in turns.items():
            taken = _round(program, verb, asked, keys)
            if turn > 0:
                found[name].rounds.append(taken)
    return found


def _lines_of(group: str, row: SingleRow, n: int, found: dict[str, Samples]) -> Iterator[Line]:
    aims = {"classic": row.classic, "swiss": row.swiss}
    for name, samples in found.items():
        if name == OURS:
            continue
        aim = Aim(None, LIMITS.get(n)) if name == LIMIT else aims[name].get(n, Aim())
        peer = name if name == LIMIT else f"Go {name}"
        faults = found[OURS].faults, samples.faults
        yield Line(group, row.name, n, peer, "ns", found[OURS].ns, samples.ns, aim.least, aim.aim, faults=faults)
