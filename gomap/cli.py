"""The command line. Exit codes: 0 done, 1 a check failed, 2 bad usage or input (one line on stderr), 130 on Ctrl-C."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from gomap.errors import GomapError

__all__ = ["main"]


class _Parser(argparse.ArgumentParser):
    """argparse, but a wrong argument is one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"gomap: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    from gomap import __version__
    from gomap.claims.commands import add_claims
    from gomap.explain.commands import add_explain
    from gomap.lab.commands import add_compare, add_replay, add_run
    from gomap.report.commands import add_report

    parser = _Parser(prog="gomap", description="Go's map, taken apart and put on real CPU cores.")
    parser.add_argument("--version", action="version", version=f"gomap {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    add_run(commands.add_parser("run", help="run a workload on native threads", allow_abbrev=False))
    add_replay(commands.add_parser("replay", help="push a recorded trace through a map", allow_abbrev=False))
    add_compare(commands.add_parser("compare", help="variants side by side, interleaved", allow_abbrev=False))
    add_explain(commands.add_parser("explain", help="why a map is slow, and which cure helps how much", allow_abbrev=False))
    add_claims(commands.add_parser("claims", help="what is said about Go maps, and what of it is true"))
    add_report(commands.add_parser("report", help="decide all claims here, and write one page about it", allow_abbrev=False))
    _add_verify(commands.add_parser("verify", help="compare the model with real Go"))
    inspect = commands.add_parser("inspect", help="draw a map's buckets while it grows")
    inspect.add_argument("--keys", type=int, default=27, metavar="N", help="entries in the end (27)")
    inspect.add_argument("--grow-at", type=int, metavar="N", help="show the first growth at or after insert N (the last one)")
    inspect.set_defaults(run=_inspect)
    return parser


def _add_verify(p: argparse.ArgumentParser) -> None:
    what = p.add_subparsers(dest="what", required=True, metavar="WHAT")
    vectors = what.add_parser("vectors", help="replay recorded states of real Go maps")
    vectors.add_argument("files", nargs="+", metavar="FILE", help="vector files, or folders of them")
    vectors.add_argument("--json", metavar="FILE", help="write the counts as JSON too")
    vectors.set_defaults(run=_verify_vectors)
    go = what.add_parser("go", help="compare with a real Go map, live, on random operations")
    go.add_argument("--ops", type=int, default=200_000, metavar="N", help="operations (200,000)")
    go.add_argument("--seed", type=int, metavar="N", help="of the operations (drawn, and printed)")
    go.set_defaults(run=_verify_go)
    gate = what.add_parser("gate", help="the model gate: structure, and time beside real Go")
    gate.add_argument("--json", metavar="FILE", help="write the rows as JSON too")
    gate.set_defaults(run=_verify_gate)


def _inspect(args: argparse.Namespace) -> int:
    from gomap.inspect import inspect_command

    return inspect_command(args.keys, args.grow_at)


def _verify_vectors(args: argparse.Namespace) -> int:
    from gomap.verify import vectors_command

    return vectors_command(args.files, args.json)


def _verify_go(args: argparse.Namespace) -> int:
    from gomap.realgo.live import go_command

    return go_command(args.ops, args.seed)


def _verify_gate(args: argparse.Namespace) -> int:
    from gomap.realgo.gate import gate_command

    return gate_command(json_path=args.json)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # µ on a terminal that has none
    try:
        args = _parser().parse_args(argv)
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except SystemExit as e:
        return e.code if isinstance(e.code, int) else 2
    except GomapError as e:
        return _complain(str(e) if not isinstance(e, KeyError) else repr(e))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read us has gone: nothing left to say
        return 0
    except OSError as e:
        return _complain(f"{e.filename}: {e.strerror}" if e.filename else str(e))
    except KeyboardInterrupt:
        return 130


def _complain(message: str) -> int:
    print(f"gomap: {' '.join(message.split())}", file=sys.stderr)
    return 2
