"""`gomap report`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gomap.errors import BadValue

if TYPE_CHECKING:
    from gomap.claims.runner import Results

__all__ = ["add_report"]

_INTERRUPTED = 130
_FOLDER = "gomap-report"


def add_report(p: argparse.ArgumentParser) -> None:
    p.add_argument("--quick", action="store_true", help="fewer and shorter runs: three minutes instead of thirty")
    p.add_argument(
        "-o", "--output", default=_FOLDER, metavar="DIR", help=f"the folder for index.html and results.json ({_FOLDER})"
    )
    p.add_argument(
        "--resume", action="store_true", help="go on with the results in that folder: claims in it are not run again"
    )
    p.add_argument("--from", dest="source", metavar="FILE", help="run nothing: draw the page of this results.json")
    p.set_defaults(run=_report)


def _report(args: argparse.Namespace) -> int:
    if args.source is not None:
        return _draw(args)
    from gomap.claims import SCALES
    from gomap.claims.commands import progress_line
    from gomap.report import make_report

    scale = SCALES["quick" if args.quick else "full"]
    with progress_line() as line:
        results = make_report(args.output, scale, resume=args.resume, progress=line.show)
    _tell(results, args.output)
    return _INTERRUPTED if results.interrupted else 0


def _draw(args: argparse.Namespace) -> int:
    from gomap.claims import Results
    from gomap.report import write_page

    if args.quick or args.resume:
        raise BadValue("--from runs nothing: it goes without --quick and --resume")
    results = Results.load(args.source)
    write_page(results, args.output)
    _tell(results, args.output)
    return 0


def _tell(results: Results, folder: str) -> None:
    from pathlib import Path

    from gomap.claims.commands import counted_verdicts
    from gomap.report import PAGE

    ended = "Interrupted: the page shows what was finished. " if results.interrupted else ""
    print(f"{ended}Claims in the model: {counted_verdicts(results)}. Page: {Path(folder) / PAGE}")
