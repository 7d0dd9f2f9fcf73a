"""How it goes on: from a thousand to a hundred million entries, and from one thread to sixty-four."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.table.aims import SINGLE
from bench.table.concurrent import OURS, Design, Stage, run_round
from bench.table.inputs import write_operations
from bench.table.lines import Line
from bench.table.programs import Tell
from bench.table.single import Memory, single_lines
from gomap.lab import Uniform

__all__ = ["available_bytes", "size_lines", "thread_lines"]

SIZES = tuple(10**k for k in range(3, 9))
THREADS = (1, 2, 8, 64)
_ROWS = ("get hit, one key", "get miss, one key", "get_many hit", "get_many miss")
_BYTES_AN_ENTRY = 400  # three maps that have just grown, and the keys


def available_bytes() -> int | None:
    """Memory that may be used; None where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def size_lines(
    folder: Path, binaries: dict[str, Path], *, repeats: int, quick: bool, tell: Tell, missing: dict[str, str], memory: Memory
) -> Iterator[Line]:
    """Gets by number of entries. `missing` gets the sizes that there is no memory for."""
    room = available_bytes()
    for n in (1_000, 10_000) if quick else SIZES:
        needed = n * _BYTES_AN_ENTRY
        if n > 1_000_000 and (room is None or needed > room):
            why = "how much is free is not known" if room is None else f"{room / 1e9:.0f} GB are free"
            missing[f"{n:,} entries"] = f"{n:,} entries: they need {needed / 1e9:.0f} GB of memory, and {why}"
            continue
        rows = [row for row in SINGLE if row.name in _ROWS]
        yield from single_lines(
            folder, binaries, repeats=repeats, quick=quick, sizes=(n,), tell=tell, memory=memory, rows=rows, group="sizes"
        )


def thread_lines(
    folder: Path, designs: list[Design], cpus: tuple[int, int], *, repeats: int, quick: bool, tell: Tell
) -> Iterator[Line]:
    """95 % gets and 5 % assigns by number of threads, which share the two CPUs. Native threads are pinned to one or the
    other in turn, goroutines are not."""
    n, ms = (1_000, 3) if quick else (1_000_000, 300)
    operations = write_operations(folder / "threads", n, 1 << (12 if quick else 20), 5, Uniform(), n)
    with Stage(designs, operations, {}) as stage:
        for threads in (1, 2, 8) if quick else THREADS:
            tell(f"{threads} threads, {len(designs)} maps")
            rates: dict[str, list[float]] = {design.name: [] for design in designs}
            for _ in range(repeats):
                for design in designs:
                    pinned = design.pinned == (True,)
                    on = tuple(cpus[i % 2] if pinned else -1 for i in range(threads))
                    rates[design.name].append(run_round(stage.program(design), ms, False, on)["rate"])
            for name, samples in rates.items():
                if name != OURS:
                    yield Line("threads", f"{threads} threads", n, name, "rate", tuple(rates[OURS]), tuple(samples))
