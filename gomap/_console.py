"""What the command line prints: tables of aligned text, numbers for people, and a progress bar on a terminal."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

__all__ = ["nanoseconds", "progress_bar", "size", "table", "tell_on_terminal"]


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A titled table: the first column to the left, the others to the right. With colours on a terminal, if rich is there."""
    if sys.stdout.isatty():
        try:
            return _rich_table(title, columns, rows)
        except ImportError:
            pass
    return _plain_table(title, columns, rows)


def _plain_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[i]) for row in [columns, *rows]) for i in range(len(columns))]

    def line(cells: Sequence[str]) -> str:
        padded = [c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
        return "  " + "  ".join(padded).rstrip()

    rule = "  " + "  ".join("-" * w for w in widths)
    return "\n".join([title, line(columns), rule, *map(line, rows)])


def _rich_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(title=Text(title, "bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold cyan")
    for i, column in enumerate(columns):
        made.add_column(Text(column), justify="right" if i else "left", no_wrap=True)
    for row in rows:
        made.add_row(*(Text(cell, "dim" if cell == "-" else "") for cell in row))
    width = sum(max(len(row[i]) for row in [columns, *rows]) + 3 for i in range(len(columns)))
    console = Console(file=io.StringIO(), force_terminal=True, width=max(width, len(title), shutil.get_terminal_size().columns))
    console.print(made)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()).strip("\n")


def _scaled(value: float, units: Sequence[tuple[float, str]]) -> str:
    factor, unit = next(((f, u) for f, u in units if value >= f), units[-1])
    scaled = value / factor
    return f"{scaled:.0f} {unit}" if scaled >= 100 or factor == 1 else f"{scaled:.3g} {unit}"


def nanoseconds(ns: float) -> str:
    """A time with three digits: 840 ns, 1.25 ms."""
    return _scaled(ns, [(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1, "ns")])


def size(n: float) -> str:
    """A number of bytes with three digits: 1.23 MB."""
    return _scaled(n, [(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B")])


@contextmanager
def progress_bar(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """Gives a function to call with the work done so far. A bar shows on a terminal, if the package rich is there."""
    try:
        from rich.console import Console
        from rich.progress import Progress
    except ImportError:
        yield lambda done: None
        return
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(label, total=total)
        yield lambda done: bar.update(task, completed=done)


def tell_on_terminal(line: str) -> None:
    """A line about work that takes its time, if somebody watches."""
    if sys.stderr.isatty():
        print(line, file=sys.stderr)
