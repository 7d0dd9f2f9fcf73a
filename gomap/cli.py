"""The command line. Exit codes: 0 done, 1 a check failed, 2 bad usage or input (one line on stderr), 130 on Ctrl-C."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from gomap.errors import BadValue, GomapError

if TYPE_CHECKING:
    from gomap.lab.replay import ReplayResult

__all__ = ["main"]


class _Parser(argparse.ArgumentParser):
    """argparse, but a wrong argument is one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"gomap: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    from gomap import __version__

    parser = _Parser(prog="gomap", description="Go's map, taken apart and put on real CPU cores.")
    parser.add_argument("--version", action="version", version=f"gomap {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_replay(commands.add_parser("replay", help="push a recorded trace through a map", allow_abbrev=False))
    _add_verify(commands.add_parser("verify", help="compare the model with real Go"))
    inspect = commands.add_parser("inspect", help="draw a map's buckets while it grows")
    inspect.add_argument("--keys", type=int, default=27, metavar="N", help="entries in the end (27)")
    inspect.add_argument("--grow-at", type=int, metavar="N", help="show the first growth at or after insert N (the last one)")
    inspect.set_defaults(run=_inspect)
    return parser


def _add_replay(p: argparse.ArgumentParser) -> None:
    p.add_argument("trace", metavar="TRACE", help="the file; .gz, .xz and .zst are decompressed")
    p.add_argument("--format", help="csv, twitter or oracle (guessed from the name)")
    p.add_argument("--key-column", metavar="C", help="csv: the key's column, by name or by number from 1")
    p.add_argument("--op-column", metavar="C", help="csv: the operation's column (without: every row is a get)")
    p.add_argument("--op-map", metavar="A=B,...", help="names of operations, e.g. 28=get,2a=assign")
    p.add_argument("--key-type", default="auto", help="int64, str or auto: int64 if all keys are (auto)")
    p.add_argument("--fill", action=argparse.BooleanOptionalAction, help="assign after a get that missed (oracle: yes)")
    p.add_argument("--hint", type=int, default=0, metavar="N", help="presize the map for N entries (0)")
    p.add_argument("--hasher", default="aes", help="aes, aes-portable or memhash (aes)")
    p.add_argument("--seed", type=int, metavar="N", help="fixes every random choice")
    p.add_argument("--json", metavar="FILE", help="write the result as JSON too")
    p.set_defaults(run=_replay)


def _add_verify(p: argparse.ArgumentParser) -> None:
    what = p.add_subparsers(dest="what", required=True, metavar="WHAT")
    vectors = what.add_parser("vectors", help="replay recorded states of real Go maps")
    vectors.add_argument("files", nargs="+", metavar="FILE", help="vector files, or folders of them")
    vectors.add_argument("--json", metavar="FILE", help="write the counts as JSON too")
    vectors.set_defaults(run=_verify_vectors)


def _inspect(args: argparse.Namespace) -> int:
    from gomap.inspect import inspect_command

    return inspect_command(args.keys, args.grow_at)


def _verify_vectors(args: argparse.Namespace) -> int:
    from gomap.verify import vectors_command

    return vectors_command(args.files, args.json)


def _replay(args: argparse.Namespace) -> int:
    from gomap._console import progress_bar
    from gomap.lab.replay import replay
    from gomap.lab.traces import parse_op_map, read_trace

    if args.json and not Path(args.json).absolute().parent.is_dir():
        raise BadValue(f"--json: there is no folder {Path(args.json).parent}")
    trace = read_trace(
        args.trace,
        args.format,
        key_column=args.key_column,
        op_column=args.op_column,
        op_map=None if args.op_map is None else parse_op_map(args.op_map),
        key_type=args.key_type,
    )
    with progress_bar("replaying", len(trace)) as progress:
        result = replay(trace, hint=args.hint, seed=args.seed, hasher=args.hasher, fill=args.fill, progress=progress)
    if args.json:
        Path(args.json).write_text(result.to_json() + "\n", encoding="utf-8")
    print(replay_report(result))
    return 0


def replay_report(r: ReplayResult) -> str:
    """A replay's result as text."""
    from gomap._console import size

    h = r.header
    lines = [
        f"{r.trace} ({r.format}): {r.total:,} operations, {r.key} keys",
        f"map[{r.key}]int64, hint {r.hint:,}, hasher {r.hasher}, seed {r.seed}: in the end {h['count']:,} entries, "
        f"B = {h['B']}, {size(h['memory'])}, {r.bytes_per_entry:.1f} bytes per entry",
        f"{r.ops_per_s / 1e6:.1f} million operations a second (by the sum of their times), on {r.machine['cpu_model']}",
        "",
        _operations_table(r),
        "",
        _growth_table(r),
        "",
        _chain_text(r),
        "",
        _latency_table(r),
    ]
    return "\n".join(lines)


def _operations_table(r: ReplayResult) -> str:
    from gomap._console import table

    rows = [[k, f"{n:,}", f"{r.hits[k]:,}", f"{r.hits[k] / n:.1%}"] for k, n in r.operations.items()]
    text = table("Operations", ["kind", "count", "key was there", "share"], rows)
    rate = "" if r.hit_rate is None else f"\n  hit rate of gets: {r.hit_rate:.2%}"
    return text + rate


def _growth_table(r: ReplayResult) -> str:
    from gomap._console import nanoseconds, size, table

    if not r.growths:
        return "Growth: none"
    rows = [
        [
            f"{g.op:,}",
            f"{g.entries:,}",
            f"{g.from_B} -> {g.to_B}",
            g.kind,
            f"{g.spread_ops:,}" + ("" if g.finished else " so far"),
            size(g.array_bytes),
            nanoseconds(g.array_ns),
        ]
        for g in r.growths
    ]
    columns = ["operation", "entries", "B", "kind", "operations it took", "new array", "allocated in"]
    text = table("Growth", columns, rows)
    if r.events_dropped:
        text += f"\n  {r.events_dropped:,} older events were dropped: the first growths may be missing"
    return text


def _chain_text(r: ReplayResult) -> str:
    from gomap._console import table

    buckets = sum(r.chains.values())
    if not buckets:
        return "Chains: the map has no bucket yet"
    rows = [[length, f"{n:,}", f"{n / buckets:.2%}"] for length, n in r.chains.items()]
    longer = 1 - r.chains.get("1", 0) / buckets
    text = table("Overflow chains at the end", ["buckets in the chain", "chains", "share"], rows)
    if r.header["growing"]:
        text += f"\n  in the middle of a growth: {r.header['old_buckets']:,} old buckets, partly evacuated, are not counted"
    return text + f"\n  with an overflow bucket: {longer:.1%}"


def _latency_table(r: ReplayResult) -> str:
    from gomap._console import nanoseconds, table
    from gomap.lab.replay import PERCENTILES, SAMPLES_BEYOND, samples_needed

    rows, refused = [], set()
    for kind, latency in r.latency.items():
        cells = [kind, f"{latency.count:,}"]
        for p in PERCENTILES:
            value = latency.percentiles[f"{p:g}"]
            cells.append("-" if value is None else nanoseconds(value))
            if value is None:
                refused.add(p)
        rows.append([*cells, nanoseconds(latency.max_ns)])
    columns = ["kind", "count", *(f"p{p:g}" for p in PERCENTILES), "max"]
    text = table(f"Latency (one reading of the clock, {r.clock_cost_ns} ns, is in each)", columns, rows)
    for p in sorted(refused):
        text += f"\n  -: p{p:g} needs {samples_needed(p):,} samples, so that {SAMPLES_BEYOND} lie beyond it"
    return text


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
