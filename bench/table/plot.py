"""The scaling rows as a picture, by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.table.lines import Line
from bench.table.programs import Failed

__all__ = ["curves", "plot"]

Curves = dict[str, dict[int, float]]


def curves(lines: Sequence[Line], ours: str) -> Curves:
    """Medians by name and by entries or threads; gomap's own under the name `ours`."""
    found: Curves = {}
    for line in lines:
        x = int(line.row.split()[0]) if line.group == "threads" else line.n
        found.setdefault(ours, {})[x] = line.shown(line.ours)
        found.setdefault(line.peer, {})[x] = line.shown(line.theirs)
    return found


def _draw(axes: Any, title: str, across: str, up: str, found: Curves) -> None:
    for name, points in found.items():
        x = sorted(points)
        axes.plot(x, [points[i] for i in x], marker="o", linewidth=2.5 if name.startswith("gomap") else 1, label=name)
    axes.set(title=title, xlabel=across, ylabel=up, xscale="log", yscale="log")
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)


def plot(lines: Sequence[Line], path: Path) -> None:
    """Writes the picture; `Failed` without matplotlib, or if there is nothing to draw."""
    try:
        import matplotlib
    except ImportError:
        raise Failed("drawing needs matplotlib: pip install matplotlib") from None
    matplotlib.use("agg")
    from matplotlib.figure import Figure

    rows = list(dict.fromkeys(line.row for line in lines if line.group == "sizes"))
    by_threads = [line for line in lines if line.group == "threads"]
    panels = len(rows) + bool(by_threads)
    if panels == 0:
        raise Failed("there is nothing to draw: no scaling rows were measured")
    figure = Figure(figsize=(5.5 * panels, 4.5), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    for axis, row in zip(axes, rows, strict=False):
        of_row = [line for line in lines if line.group == "sizes" and line.row == row]
        _draw(axis, row, "entries", "ns per operation", curves(of_row, "gomap"))
    if by_threads:
        _draw(
            axes[-1],
            "95 % get, 5 % assign",
            "threads",
            "million operations a second",
            curves(by_threads, "gomap ConcurrentMap"),
        )
    figure.savefig(path)
