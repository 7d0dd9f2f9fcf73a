"""`gomap claims list | show | run`."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gomap.errors import BadValue

if TYPE_CHECKING:
    from gomap.claims.registry import Entry
    from gomap.claims.runner import Progress, Results

__all__ = ["add_claims", "counted_verdicts", "progress_line"]

_INTERRUPTED = 130


def add_claims(p: argparse.ArgumentParser) -> None:
    what = p.add_subparsers(dest="what", required=True, metavar="WHAT")
    listed = what.add_parser("list", help="all claims by chapter, with both verdicts", allow_abbrev=False)
    shown = what.add_parser("show", help="explain one claim", allow_abbrev=False)
    shown.add_argument("id", metavar="ID", help="such as C2.6-evacuate-cpu, or C2.6")
    for command, run in ((listed, _list), (shown, _show)):
        command.add_argument("--results", metavar="FILE", help="take the verdicts from this results.json")
        command.set_defaults(run=run)
    runs = what.add_parser("run", help="decide claims by experiment", allow_abbrev=False)
    runs.add_argument("ids", nargs="+", metavar="ID", help="claims, or all")
    runs.add_argument("--quick", action="store_true", help="fewer and shorter runs: three minutes for all instead of thirty")
    runs.add_argument("--json", metavar="FILE", help="keep the verdicts in this results.json, rewritten after each claim")
    runs.add_argument("--resume", action="store_true", help="go on with that file: claims in it are not run again")
    runs.set_defaults(run=_run)


def _width() -> int:
    return max(60, shutil.get_terminal_size().columns)


def _results(args: argparse.Namespace) -> Results | None:
    from gomap.claims.runner import Results

    return Results.load(args.results) if args.results else None


def _list(args: argparse.Namespace) -> int:
    from gomap.claims import entries
    from gomap.claims.text import list_text

    print(list_text(entries(), _results(args), _width()))
    return 0


def _show(args: argparse.Namespace) -> int:
    from gomap.claims import entry
    from gomap.claims.text import claim_text

    print(claim_text(entry(args.id), _results(args), _width()))
    return 0


def _chosen(ids: list[str]) -> list[Entry]:
    from gomap.claims import entries, entry

    return list(entries()) if "all" in ids else [entry(i) for i in ids]


def _run(args: argparse.Namespace) -> int:
    from gomap.claims import SCALES, entry, run_claims
    from gomap.claims.runner import ClaimResult
    from gomap.claims.text import filled, result_text

    if args.resume and not args.json:
        raise BadValue("--resume needs the file to go on with: --json FILE")
    chosen = _chosen(args.ids)
    with progress_line() as line:

        def finished(both: ClaimResult) -> None:
            line.clear()
            print(result_text(entry(both.id), both, _width()) + "\n", flush=True)

        results = run_claims(
            chosen,
            SCALES["quick" if args.quick else "full"],
            path=args.json,
            resume=args.resume,
            progress=line.show,
            finished=finished,
        )
    print(filled(_summary(results, args.json), _width()))
    return _INTERRUPTED if results.interrupted else 0


def counted_verdicts(results: Results) -> str:
    """How many claims have which verdict in the model: "2 confirmed, 1 refuted"."""
    counts = Counter(c.model.verdict for c in results.claims)
    return ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items())) or "none"


def _summary(results: Results, path: str | None) -> str:
    noise = results.noise
    floor = f"; the same setting twice: {noise['low']:.3g} to {noise['high']:.3g}" if noise else ""
    kept = f" Kept in {path}." if path else ""
    ended = "Interrupted: this is what was finished. " if results.interrupted else ""
    return f"{ended}Claims in the model: {counted_verdicts(results)}{floor}.{kept}"


# ------------------------------------------------------------------ progress


class _Line:
    """One line on a terminal's stderr that is written over; nothing where stderr is no terminal."""

    def __init__(self) -> None:
        self._on = sys.stderr.isatty()

    def show(self, p: Progress) -> None:
        if self._on:
            text = f"[{p.part:4.0%}, {_left(p.left_s)}] {p.claim}: {p.doing}"
            print(f"\r\x1b[K{text[: _width() - 1]}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self._on:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _left(seconds: float) -> str:
    return f"{seconds / 60:.0f} min left" if seconds >= 90 else f"{seconds:.0f} s left"


@contextmanager
def progress_line() -> Iterator[_Line]:
    """Where a run of claims is, on one line of the terminal; gone when it ends."""
    line = _Line()
    try:
        yield line
    finally:
        line.clear()
