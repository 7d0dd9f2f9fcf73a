"""python -m bench.table: everything beside everything, in one table. What the rows mean is told in docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.table import concurrent, python, scaling, single, text
from bench.table.concurrent import Design, RoundTrip
from bench.table.lines import Line
from bench.table.plot import plot
from bench.table.programs import Failed, build_driver, build_real_go
from bench.table.single import Memory
from bench.table.versions import versions
from gomap.errors import GomapError
from gomap.lab.machine import this_machine, two_cores

SCHEMA = "gomap.table/1"
GROUPS = ("single", "concurrent", "growth", "python", "per-key", "scaling")
UNASKED = ("scaling",)
REPEATS, QUICK_REPEATS = 7, 2


class Progress:
    """What is being done, on stderr: one line that is written over on a terminal, else a line each."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._over = sys.stderr.isatty()

    def tell(self, what: str) -> None:
        line = f"[{time.monotonic() - self._began:5.0f} s] {what}"
        print(f"\r\033[K{line[:100]}" if self._over else line, end="" if self._over else "\n", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._over:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


@dataclass
class Table:
    """What was asked for and what was found so far."""

    options: argparse.Namespace
    progress: Progress = field(default_factory=Progress)
    lines: list[Line] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    trips: list[RoundTrip] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    memory: Memory = field(default_factory=dict)

    # ------------------------------------------------------------ what there is

    def go_programs(self) -> dict[str, Path]:
        """Real Go's programs by design of map."""
        found: dict[str, Path] = {}
        for design in ("classic", "swiss"):
            try:
                found |= build_real_go((design,), self.progress.tell)
            except GomapError as e:
                self.missing[f"Go {design}"] = f"Go {design}: {e}"
        return found

    def designs(self, driver: Path, go: dict[str, Path]) -> list[Design]:
        """Maps for several threads; Go's beside the newest map that there is."""
        self.progress.tell("the concurrent peers are compiled")
        found = concurrent.native_designs(driver, self.missing)
        binary = go.get("swiss") or go.get("classic")
        if binary is not None:
            found += [Design(f"Go {name}", binary, table, (True, False)) for name, table in _GO_MAPS.items()]
        return found

    # ------------------------------------------------------------ rows

    def rows(self, folder: Path) -> Iterator[Line]:
        """All that is asked for."""
        only = self.options.only
        common: dict[str, Any] = {"repeats": self.options.repeats, "tell": self.progress.tell}
        quick, sizes = self.options.quick, self.options.sizes
        if {"single", "concurrent", "growth", "scaling"} & set(only):
            yield from self._native_rows(folder, common | {"quick": quick})
        if "python" in only:
            yield from python.batch_lines(quick=quick, sizes=sizes, missing=self.missing, **common)
        if "per-key" in only:
            yield from python.per_key_lines(quick=quick, missing=self.missing, **common)
            yield from python.import_lines(**common)

    def _native_rows(self, folder: Path, common: dict[str, Any]) -> Iterator[Line]:
        only, sizes = self.options.only, self.options.sizes
        self.progress.tell("gomap's program is compiled")
        driver = build_driver()
        go = self.go_programs()
        if "single" in only:
            binaries = {"gomap": driver, **go}
            yield from single.single_lines(folder, binaries, sizes=sizes, memory=self.memory, **common)
        if "scaling" in only:
            yield from scaling.size_lines(folder, {"gomap": driver, **go}, missing=self.missing, memory=self.memory, **common)
        if not {"concurrent", "growth", "scaling"} & set(only):
            return
        cpus = two_cores()
        if cpus is None:
            self.missing["concurrent"] = "rows of two threads: there are no two cores that this process may run on"
            return
        designs = self.designs(driver, go)
        if "concurrent" in only:
            yield from concurrent.concurrent_lines(
                folder, designs, cpus, sizes=sizes, memory=self.memory, trips=self.trips, **common
            )
        if "growth" in only:
            yield from concurrent.growth_lines(folder, designs, cpus, trips=self.trips, notes=self.notes, **common)
        if "scaling" in only:
            yield from scaling.thread_lines(folder, designs, cpus, **common)

    # ------------------------------------------------------------ what becomes of them

    def show(self, lines: Iterator[Line]) -> None:
        """Prints the lines as they are found, under the heading of their group."""
        group = ""
        for line in lines:
            self.lines.append(line)
            if not text.is_shown(line):
                continue
            self.progress.clear()
            if line.group != group:
                group = line.group
                print(text.heading(group))
            print(text.line_text(line), flush=True)
        self.progress.clear()

    def close(self) -> None:
        """What is told at the end; the summary comes last."""
        for part in (text.trips_text(self.trips), text.memory_text(self.memory), text.versions_text(versions())):
            if part:
                print(part)
        for reason in self.missing.values():
            print(f"absent: {reason}")
        for note in self.notes:
            print(f"note: {note}")
        print(f"\n{text.summary_text(self.lines)}")

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "machine": this_machine().to_dict(),
            "versions": versions(),
            "quick": self.options.quick,
            "repeats": self.options.repeats,
            "lines": [line.to_dict() for line in self.lines],
            "round_trips": [{"beside": trip.beside, "ns": trip.ns} for trip in self.trips],
            "bytes_per_entry": {name: {str(n): b for n, b in sizes.items()} for name, sizes in self.memory.items()},
            "absent": self.missing,
            "notes": self.notes,
        }


_GO_MAPS = {"sync.Map": "syncmap", "RWMutex map": "rwmutex"}


def _names(given: str) -> tuple[str, ...]:
    names = tuple(given.split(","))
    unknown = [name for name in names if name not in GROUPS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no rows are called {unknown[0]!r}, allowed: {', '.join(GROUPS)}")
    return names


def _sizes(given: str) -> tuple[int, ...]:
    try:
        found = tuple(int(float(word)) for word in given.split(","))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"not numbers of entries, such as 1000,1e6: {given!r}") from None
    if min(found) < 2 or max(found) > 10**9:
        raise argparse.ArgumentTypeError(f"numbers of entries are from 2 to 1e9: {given!r}")
    return found


def _repeats(given: str) -> int:
    if not given.isdigit() or int(given) < 1:
        raise argparse.ArgumentTypeError(f"not a number of repeats: {given!r}")
    return int(given)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    p = argparse.ArgumentParser(prog="python -m bench.table", description="how fast gomap's maps are beside others")
    p.add_argument("--only", type=_names, metavar="ROWS", help=f"of {', '.join(GROUPS)}; without it all but the last")
    p.add_argument("--sizes", type=_sizes, metavar="N,N", help="numbers of entries, instead of those that ratios are asked for")
    p.add_argument("--repeats", type=_repeats, help=f"rounds of each, in turn: {REPEATS}, with --quick {QUICK_REPEATS}")
    p.add_argument("--quick", action="store_true", help="tiny maps and short rounds: a test of the table, not of the maps")
    p.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    p.add_argument("--plot", type=Path, metavar="FILE", help="draw the scaling rows there (svg, png, pdf), and measure them")
    p.add_argument("--check", action="store_true", help="exit with 1 if a ratio falls short of the least that is asked")
    found = p.parse_args(arguments)
    found.only = found.only or tuple(name for name in GROUPS if name not in UNASKED)
    if found.plot and "scaling" not in found.only:
        found.only = (*found.only, "scaling")
    found.repeats = found.repeats or (QUICK_REPEATS if found.quick else REPEATS)
    if found.quick and found.sizes is None:
        found.sizes = (1_000,)
    return found


def _attempt(act: Callable[[], None]) -> int:
    """0, or the exit status and one sentence for what went wrong."""
    try:
        act()
    except KeyboardInterrupt:
        print("\ninterrupted: this is what there is", file=sys.stderr)
        return 130
    except (Failed, GomapError, OSError, subprocess.CalledProcessError) as e:
        print(f"\npython -m bench.table: {e}", file=sys.stderr)
        return 1
    return 0


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    table = Table(options)
    with tempfile.TemporaryDirectory(prefix="gomap-table-") as folder:
        status = _attempt(lambda: table.show(table.rows(Path(folder))))
    table.close()
    if options.json:
        options.json.write_text(json.dumps(table.to_dict(), indent=1) + "\n", encoding="utf-8")
    if options.plot:
        status = status or _attempt(lambda: plot(table.lines, options.plot))
    return status or int(options.check and any(line.verdict == "short" for line in table.lines))


if __name__ == "__main__":
    sys.exit(main())
