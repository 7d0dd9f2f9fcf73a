"""The commands of the laboratory: run, replay, compare. Options become a `Workload`; results become text and files."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gomap.errors import BadValue

__all__ = ["add_compare", "add_load", "add_replay", "add_run", "add_trace", "check_outputs", "settings", "trace_group"]

_INTERRUPTED = 130
_OUTPUTS = ("json", "hgrm", "hlog", "plot", "html", "trace_out")
_TRACED = 1 << 16
_Options = argparse.ArgumentParser | argparse._ArgumentGroup


# ------------------------------------------------------------------ options


def add_load(p: _Options) -> None:
    """Options that say how a map is driven, whatever the operations."""
    p.add_argument("--threads", type=int, metavar="N", help="native threads (1)")
    p.add_argument("--goroutines", type=int, metavar="N", help="instead of threads: goroutines on Go's scheduler")
    p.add_argument("--procs", type=int, metavar="N", help="with --goroutines: Ps (as many as there are CPUs)")
    p.add_argument(
        "--sched",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="with --goroutines: a scheduler's knob, e.g. preempt=none",
    )
    p.add_argument("--rate", type=float, metavar="R", help="operations a second, all threads together: an open loop")
    p.add_argument("--arrivals", default="fixed", help="with --rate: fixed or poisson (fixed)")
    p.add_argument("--pin", action="store_true", help="pin the threads to the allowed CPUs in turn")
    p.add_argument("--oversubscribe", action="store_true", help="allow more threads than CPUs")
    p.add_argument("--sample", type=int, default=1, metavar="N", help="time every Nth operation; 0: none (1)")
    p.add_argument("--attribution", action=argparse.BooleanOptionalAction, default=True, help="charge time to causes (yes)")
    p.add_argument("--hint", type=int, default=0, metavar="N", help="presize the map for N entries (0)")
    p.add_argument("--hasher", default="aes", help="aes, aes-portable or memhash (aes)")
    p.add_argument("--layout", default="go", help="the map's hot words: go (as Go packs them) or padded (apart) (go)")
    p.add_argument(
        "--knob", action="append", default=[], metavar="NAME=VALUE", help="a setting that Go does not have, e.g. load_limit=8"
    )
    p.add_argument("--seed", type=int, metavar="N", help="fixes every random choice")


def _add_workload(p: argparse.ArgumentParser) -> None:
    """Options that say what is done."""
    p.add_argument(
        "--preset", metavar="NAME", help="read-heavy, session-cache, rapid-grow, churn, ycsb-a to ycsb-f: " + "mix, keys, size"
    )
    p.add_argument("--mix", metavar="KIND=PERCENT,...", help="get=95,assign=5; kinds: see --preset and the README")
    p.add_argument("--keys", metavar="STREAM", help="uniform, zipf:THETA, hotspot:FRACTION:SHARE, latest:THETA, sequential")
    p.add_argument("--key", metavar="KIND", help="int64, int32, uint32, float64, str or bytesN (int64)")
    p.add_argument("--size", type=int, metavar="N", help="entries to begin with (100,000)")
    p.add_argument("--scan", type=int, default=100, metavar="N", help="entries that one iterate visits; 0: all (100)")
    p.add_argument("--duration", type=float, metavar="S", help="seconds to measure (2)")
    p.add_argument("--ops", type=int, metavar="N", help="operations to measure, instead of --duration")
    p.add_argument("--warmup", type=float, default=0.0, metavar="N", help="seconds (with --ops: operations) before that (0)")


def _add_files(p: argparse.ArgumentParser) -> None:
    p.add_argument("--json", metavar="FILE", help="write the result as JSON too")
    p.add_argument("--trace-out", metavar="FILE", help="with --goroutines: write their runs for ui.perfetto.dev")
    p.add_argument("--hgrm", metavar="FILE", help="write the latency distribution for HdrHistogram's plotter")
    p.add_argument("--hlog", metavar="FILE", help="write an HdrHistogram log, a line for each kind of operation")
    p.add_argument("--plot", metavar="FILE.html", help="draw latency by percentile and the time line")


def _presets_text() -> str:
    from gomap.lab.presets import PRESETS

    return "presets:\n" + "\n".join(f"  {p.name:<14} {p.stated}; {p.summary}" for p in PRESETS.values())


def add_trace(p: _Options) -> None:
    """Options that say how a trace is read."""
    p.add_argument("--format", help="csv, twitter or oracle (guessed from the name)")
    p.add_argument("--key-column", metavar="C", help="csv: the key's column, by name or by number from 1")
    p.add_argument("--op-column", metavar="C", help="csv: the operation's column (without: every row is a get)")
    p.add_argument("--op-map", metavar="A=B,...", help="names of operations, e.g. 28=get,2a=assign")
    p.add_argument("--key-type", default="auto", help="int64, str or auto: int64 if all keys are (auto)")
    p.add_argument("--fill", action=argparse.BooleanOptionalAction, help="assign after a get that missed (oracle: yes)")


def add_run(p: argparse.ArgumentParser) -> None:
    """`gomap run`."""
    p.formatter_class = argparse.RawDescriptionHelpFormatter
    p.epilog = _presets_text()
    p.add_argument("--variant", default="plain", metavar="V", help="the map's design (plain)")
    _add_workload(p)
    add_load(p)
    _add_files(p)
    p.set_defaults(run=_run)


def add_compare(p: argparse.ArgumentParser) -> None:
    """`gomap compare`."""
    p.add_argument(
        "--variants",
        metavar="A,B,...",
        help="designs; the first is the base line (plain,plain, or plain with --go)",
    )
    p.add_argument(
        "--go", metavar="classic,swiss", help="real Go's maps too, with the guards that Go has (pip install 'gomap[go]')"
    )
    p.add_argument("--repeats", type=int, default=5, metavar="N", help="runs of each, interleaved (5)")
    _add_workload(p)
    add_load(p)
    p.add_argument("--json", metavar="FILE", help="write all results as JSON too")
    p.set_defaults(run=_compare)


def add_replay(p: argparse.ArgumentParser) -> None:
    """`gomap replay`."""
    p.add_argument("trace", metavar="TRACE", help="the file; .gz, .xz and .zst are decompressed")
    add_trace(p)
    p.add_argument("--variant", default="plain", metavar="V", help="the map's design (plain)")
    add_load(p)
    _add_files(p)
    p.set_defaults(run=_replay)


# ------------------------------------------------------------------ from options to a workload


def parse_mix(text: str) -> dict[str, float]:
    """get=95,assign=5 as a dict."""
    mix: dict[str, float] = {}
    for part in text.split(","):
        kind, _, percent = part.partition("=")
        try:
            mix[kind] = float(percent)
        except ValueError:
            raise BadValue(f"--mix: {part!r} is not KIND=PERCENT") from None
    return mix


def _cpus(args: argparse.Namespace, threads: int) -> tuple[int, ...] | None:
    from gomap.lab.machine import allowed_cpus

    allowed = allowed_cpus()
    return tuple(allowed[i % len(allowed)] for i in range(threads)) if args.pin else None


def _load(args: argparse.Namespace) -> dict[str, Any]:
    """Fields of the group that both kinds of workload share."""
    threads = 1 if args.threads is None else args.threads
    who = {"threads": threads, "goroutines": args.goroutines, "procs": args.procs}
    return {**who, "rate": args.rate, "arrivals": args.arrivals, "cpus": _cpus(args, threads)}


def _scheduler(args: argparse.Namespace) -> dict[str, Any] | None:
    """name=value as settings of a scheduler: numbers where they look like some."""
    found: dict[str, Any] = {}
    for part in args.sched:
        name, _, value = part.partition("=")
        try:
            found[name] = int(value) if value.isdecimal() else float(value)
        except ValueError:
            found[name] = value
    return found or None


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """Fields of the workload that `add_load` has options for."""
    from gomap.knobs import parse_knobs

    return {
        "seed": args.seed,
        "hint": args.hint,
        "hasher": args.hasher,
        "layout": args.layout,
        "knobs": parse_knobs(args.knob),
        "sample": args.sample,
        "attribution": args.attribution,
        "oversubscribe": args.oversubscribe,
        "scheduler": _scheduler(args),
    }


def _workload(args: argparse.Namespace, variant: str) -> Any:
    from gomap.lab.keystreams import Uniform, parse_keys
    from gomap.lab.presets import preset
    from gomap.lab.workload import Group, Workload

    base = preset(args.preset) if args.preset else None
    mix = parse_mix(args.mix) if args.mix is not None else base.mix if base else {"get": 95.0, "assign": 5.0}
    keys = parse_keys(args.keys) if args.keys is not None else base.keys if base else Uniform()
    size = args.size if args.size is not None else base.size if base else 100_000
    duration = 2.0 if args.ops is None and args.duration is None else args.duration
    return Workload(
        variant=variant,
        size=size,
        key=args.key,
        ops=args.ops,
        duration_s=duration,
        warmup=int(args.warmup) if args.ops is not None and args.warmup.is_integer() else args.warmup,
        groups=(Group(mix=mix, keys=keys, scan=args.scan, **_load(args)),),
        **settings(args),
    )


def _trace(args: argparse.Namespace) -> Any:
    from dataclasses import replace

    from gomap.lab.traces import parse_op_map, read_trace

    data = read_trace(
        args.trace,
        args.format,
        key_column=args.key_column,
        op_column=args.op_column,
        op_map=None if args.op_map is None else parse_op_map(args.op_map),
        key_type=args.key_type,
    )
    return data if args.fill is None else replace(data, fill=args.fill)


def trace_group(args: argparse.Namespace) -> Any:
    """The group that does a trace's own operations, as `add_trace` and `add_load` say."""
    from gomap.lab.workload import Group, Trace

    return Group(keys=Trace(_trace(args)), **_load(args))


# ------------------------------------------------------------------ commands


def check_outputs(args: argparse.Namespace) -> None:
    """Before anything runs: a folder that is not there would cost the whole measurement."""
    for name in _OUTPUTS:
        path = getattr(args, name, None)
        if path and not Path(path).absolute().parent.is_dir():
            raise BadValue(f"--{name.replace('_', '-')}: there is no folder {Path(path).parent}")
        if path and name in ("hgrm", "hlog", "plot") and args.sample == 0:
            raise BadValue(f"--{name} needs timed operations, and --sample 0 times none")


def _write_outputs(args: argparse.Namespace, r: Any) -> None:
    from gomap.lab.histogram import write_hlog
    from gomap.lab.plot import write_plot

    if args.json:
        Path(args.json).write_text(r.to_json() + "\n", encoding="utf-8")
    if args.hgrm:
        _write_hgrm(Path(args.hgrm), r)
    if args.hlog:
        with open(args.hlog, "w", encoding="ascii") as log:
            write_hlog(log, list(r.latency.items()), r.started_s, r.elapsed_s)
    if args.plot:
        write_plot(r, args.plot)
    if args.trace_out:
        r.write_trace(args.trace_out)


def _write_hgrm(path: Path, r: Any) -> None:
    """All operations into the file that was named; with several kinds, each into one of its own beside it."""
    with open(path, "wb") as out:
        r.all_latencies().write_hgrm(out)
    for kind, h in r.latency.items():
        if len(r.latency) > 1:
            with open(path.with_name(f"{path.stem}.{kind}{path.suffix}"), "wb") as out:
                h.write_hgrm(out)


def _run_and_report(args: argparse.Namespace, workload: Any, label: str) -> int:
    from gomap._console import progress_bar
    from gomap.lab.engine import run
    from gomap.lab.text import result_text

    with progress_bar(label, 1000) as progress:
        result = run(workload, trace=_TRACED if args.trace_out else 0, progress=lambda part: progress(int(1000 * part)))
    _write_outputs(args, result)
    print(result_text(result))
    return _INTERRUPTED if result.interrupted else 0


def _run(args: argparse.Namespace) -> int:
    check_outputs(args)
    return _run_and_report(args, _workload(args, args.variant), "running")


def _compare(args: argparse.Namespace) -> int:
    from gomap._console import progress_bar, tell_on_terminal
    from gomap.lab.compare import compare
    from gomap.lab.text import comparison_text

    check_outputs(args)
    go = args.go.split(",") if args.go else []
    names = args.variants.split(",") if args.variants else ["plain"] if go else ["plain", "plain"]
    with progress_bar("comparing", 1000) as progress:
        found = compare(
            _workload(args, names[0]),
            names,
            args.repeats,
            go=go,
            progress=lambda part: progress(int(1000 * part)),
            tell=tell_on_terminal,
        )
    if args.json:
        Path(args.json).write_text(found.to_json() + "\n", encoding="utf-8")
    print(comparison_text(found))
    return _INTERRUPTED if found.interrupted else 0


def _replay(args: argparse.Namespace) -> int:
    check_outputs(args)
    as_usual = (
        args.threads is None
        and args.goroutines is None
        and args.rate is None
        and args.variant == "plain"
        and args.layout == "go"
        and not args.knob
    )
    if as_usual and not (args.hgrm or args.hlog or args.plot or args.trace_out):
        return _replay_alone(args)
    from gomap.lab.workload import Workload

    workload = Workload(variant=args.variant, groups=(trace_group(args),), **settings(args))
    return _run_and_report(args, workload, "replaying")


def _replay_alone(args: argparse.Namespace) -> int:
    """One thread, no schedule: operation by operation, so that growth can be told by operation numbers."""
    from gomap._console import progress_bar
    from gomap.lab.replay import replay
    from gomap.lab.replay_text import replay_report

    trace = _trace(args)
    with progress_bar("replaying", len(trace)) as progress:
        result = replay(trace, hint=args.hint, seed=args.seed, hasher=args.hasher, progress=progress)
    if args.json:
        Path(args.json).write_text(result.to_json() + "\n", encoding="utf-8")
    print(replay_report(result))
    return 0
