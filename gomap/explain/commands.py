"""`gomap explain TRACE|WORKLOAD.json`."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gomap.errors import BadValue

__all__ = ["add_explain"]

_INTERRUPTED = 130
_OF_A_TRACE = ("threads", "rate", "format", "key_column", "op_column", "op_map", "fill")


def add_explain(p: argparse.ArgumentParser) -> None:
    """The options."""
    from gomap.lab.commands import add_load, add_trace

    p.add_argument("trace", metavar="TRACE|WORKLOAD.json", help="a recorded trace, or a workload as Workload.to_json writes it")
    p.add_argument("--variant", metavar="V", help="the guard to look at (rwmutex for several threads, plain for one)")
    p.add_argument("--quick", action="store_true", help="shorter runs and fewer of them")
    p.add_argument("--html", metavar="FILE", help="write it as a page too, which needs no network")
    p.add_argument("--json", metavar="FILE", help="write it as JSON too")
    add_trace(p.add_argument_group("a trace"))
    add_load(p.add_argument_group("how a trace is driven"))
    p.set_defaults(run=_explain)


def _given(args: argparse.Namespace) -> Any:
    from gomap.lab.commands import settings, trace_group
    from gomap.lab.workload import Workload

    if not args.trace.endswith(".json"):
        own = {name: value for name, value in settings(args).items() if name not in ("sample", "attribution")}
        return Workload(groups=(trace_group(args),), **own)
    for name in _OF_A_TRACE:
        if getattr(args, name) is not None:
            raise BadValue(f"--{name.replace('_', '-')} is for traces: a workload says it itself")
    try:
        text = Path(args.trace).read_text(encoding="utf-8")
    except UnicodeDecodeError as e:
        raise BadValue(f"{args.trace}: not a workload: {e.reason}") from None
    try:
        return Workload.from_json(text)
    except BadValue as e:
        raise BadValue(f"{args.trace}: {e}") from None


def _explain(args: argparse.Namespace) -> int:
    from gomap.explain import explain
    from gomap.explain.html import check_html, write_html
    from gomap.explain.text import explanation_text
    from gomap.lab.commands import check_outputs

    check_outputs(args)
    if args.html:
        check_html()
    given = _given(args)
    with _line() as line:
        found = explain(given, variant=args.variant, source=Path(args.trace).name, quick=args.quick, progress=line)
    if args.json:
        Path(args.json).write_text(found.to_json() + "\n", encoding="utf-8")
    if args.html:
        write_html(found, args.html)
    print(explanation_text(found, max(60, shutil.get_terminal_size().columns)))
    return _INTERRUPTED if found.interrupted else 0


@contextmanager
def _line() -> Iterator[Any]:
    """One line on a terminal's stderr that is written over; nothing where stderr is no terminal."""
    shown = sys.stderr.isatty()

    def show(part: float, doing: str) -> None:
        if shown:
            text = f"[{part:4.0%}] {doing}"[: shutil.get_terminal_size().columns - 1]
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    try:
        yield show
    finally:
        if shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
