"""Results of the laboratory as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gomap._console import nanoseconds, size, table
from gomap.errors import GomapError
from gomap.lab.compare import Comparison
from gomap.lab.histogram import SAMPLES_BEYOND, Histogram, samples_needed
from gomap.lab.result import CAUSES, DONE, MapEvent, Result

__all__ = ["PERCENTILES", "comparison_text", "latency_table", "result_text"]

PERCENTILES = (50.0, 90.0, 99.0, 99.9, 99.99)
_LEAST_SHARE = 0.0005
_SHOWN_GROWTHS = 12
_SHOWN_SLOWEST = 5
_LEVELS = (0.0, 99.0, 99.9)


def _rate(per_s: float) -> str:
    return f"{per_s / 1e6:.2f} million operations a second" if per_s >= 1e5 else f"{per_s:,.0f} operations a second"


def result_text(r: Result) -> str:
    """Everything that a run has to say, as a person wants to read it."""
    if r.outcome != DONE:
        return f'{_subject(r)}\nended with "{r.outcome}": a map that several threads write to needs a guard.'
    parts = [
        _headline(r),
        latency_table(_title(r), r.latency),
        _times_apart(r),
        *_cause_tables(r),
        _scheduler_table(r),
        _growth_table(r),
        _slowest_table(r),
        *_warnings(r),
    ]
    return "\n\n".join(part for part in parts if part)


def _subject(r: Result) -> str:
    w = r.workload
    return f"{r.variant}: map[{w['key']}]int64, {who_text(r)}, seed {r.seed}, on {r.machine['cpu_model']}"


def who_text(r: Result) -> str:
    """Threads and goroutines, as in "2 threads" and "8 goroutines on 2 Ps"."""
    threads = sum(g["threads"] for g in r.workload["groups"])
    goroutines = sum(g.get("goroutines") or 0 for g in r.workload["groups"])
    parts = [f"{threads} thread{'s' * (threads > 1)}"] if threads else []
    if r.scheduler:
        parts.append(
            f"{goroutines:,} goroutine{'s' * (goroutines > 1)} on {r.scheduler.procs} P{'s' * (r.scheduler.procs > 1)}"
        )
    return " and ".join(parts)


def _runtime(h: dict[str, Any]) -> str:
    """What a real Go program's runtime did meanwhile."""
    return (
        f"  {h['go_version']}: {h['gc_cycles']:,.0f} collections, {nanoseconds(h['gc_cpu_s'] * 1e9)} of CPU time in them, "
        f"pauses up to {nanoseconds(h['gc_pauses_max_ns'])}; {nanoseconds(h['mutex_wait_s'] * 1e9)} of waiting for locks, "
        f"up to {nanoseconds(h['sched_waits_max_ns'])} for a CPU"
    )


def _headline(r: Result) -> str:
    h = r.counters
    size_text = "" if h["B"] is None else f", B = {h['B']}"
    lines = [
        _subject(r),
        f"{r.total:,} operations in {r.elapsed_s:.3g} s: {_rate(r.throughput)}",
        f"in the end {h['count']:,} entries{size_text}, {size(h['memory'])}",
    ]
    done = [f"{kind} {n:,} (key was there: {r.hits[kind] / n:.1%})" for kind, n in r.operations.items() if n]
    if h.get("contended"):
        lines.append(
            f"  locks: {h['locks']:,} by writers, {h['contended']:,} times somebody had to wait, "
            f"{nanoseconds(h['wait_ns'])} in all, {nanoseconds(h['longest_wait_ns'])} at most; {h['handoffs']:,} handed over"
        )
    if r.workload.get("knobs"):
        lines.append("  knobs: " + ", ".join(f"{name} {value}" for name, value in r.workload["knobs"].items()))
    if "go_version" in h:
        lines.append(_runtime(h))
    return "\n".join([*lines, "  " + ", ".join(done)])


def _title(r: Result) -> str:
    paced = any(g["rate"] for g in r.workload["groups"])
    since = "from the intended start" if paced else "from call to return"
    if r.scheduler:
        since = "response: from the intended start, or the end of the operation before"
    return f"Latency ({since}; reading the clock, {r.clock.cost_ns:.0f} ns, is in each)"


def latency_table(title: str, latency: dict[str, Histogram]) -> str:
    """Percentiles by kind; those without enough samples are refused and explained."""
    if not latency:
        return ""
    rows, refused = [], set()
    for kind, h in latency.items():
        cells = [kind, f"{h.count:,}"]
        for p in PERCENTILES:
            value = h.percentile_or_none(p)
            cells.append("-" if value is None else nanoseconds(value))
            if value is None:
                refused.add(p)
        rows.append([*cells, nanoseconds(h.max_ns)])
    text = table(title, ["kind", "count", *(f"p{p:g}" for p in PERCENTILES), "max"], rows)
    for p in sorted(refused):
        text += f"\n  -: p{p:g} needs {samples_needed(p):,} samples, so that {SAMPLES_BEYOND} lie beyond it"
    return text


# ------------------------------------------------------------------ causes


def _percent(share: float) -> str:
    return "-" if share == 0 else "< 0.1 %" if share < _LEAST_SHARE * 2 else f"{share:.1%}".replace("%", " %")


def _cause_tables(r: Result) -> Iterable[str]:
    paced = bool(r.service)
    for kind in r.cause_tables:
        levels = [p for p in _LEVELS if p == 0 or r.latency[kind].count >= samples_needed(p)]
        columns = [r.causes(kind, p) for p in levels]
        heads = ["all of them" if p == 0 else f"above p{p:g}" for p in levels]
        if paced and len(levels) > 1:
            columns.append(r.causes(kind, levels[-1], unfold_backlog=True))
            heads.append(f"above p{levels[-1]:g}, backlog by its causes")
        spent = r.time_by_cause(kind)
        shown = [c for c in CAUSES if c == "rest" or any(column[c] > 0 for column in columns)]
        rows = [
            [c.replace("_", " "), nanoseconds(spent[c]) if spent[c] else "-", *(_percent(column[c]) for column in columns)]
            for c in shown
        ]
        yield table(f"Where the time of {kind} went", ["cause", "time", *heads], rows)


# ------------------------------------------------------------------ the scheduler


def _times_apart(r: Result) -> str:
    """Of goroutines: the two parts of a response."""
    if not r.delay:
        return ""
    service = latency_table("Service (in the operation)", r.service)
    return f"{service}\n\n{latency_table('Scheduling delay (ready until running)', r.delay)}"


def _scheduler_table(r: Result) -> str:
    if r.scheduler is None:
        return ""
    c = r.scheduler.counters
    preempted = c["preempted_sync"] + c["preempted_async"]
    lines = [
        f"The scheduler in its whole life: {c['runs']:,} runs of goroutines, {c['inherited']:,} in an inherited slice",
        f"  {preempted:,} preempted, {c['yields']:,} yields, {c['parks']:,} parks, {c['blocks']:,} blocking calls, "
        f"{c['retakes']:,} Ps taken back",
        f"  {c['steals'] + c['next_steals']:,} steals, {c['global_gets']:,} taken from the global queue, whose lock was "
        f"contended {c['lock_contended']:,} times; {c['threads']:,} threads",
    ]
    set_knobs = r.workload.get("scheduler") or {}
    if set_knobs:
        lines.append("  knobs: " + ", ".join(f"{name} {value}" for name, value in set_knobs.items()))
    if r.trace is not None and r.trace.dropped:
        lines.append(f"  the trace has no room for {r.trace.dropped:,} more runs")
    return "\n".join(lines)


# ------------------------------------------------------------------ growth, the slowest


def _growths(events: Sequence[MapEvent]) -> Iterable[list[str]]:
    array: MapEvent | None = None
    for i, e in enumerate(events):
        if e.kind == "array_alloc":
            array = e
        if e.kind != "grow_start":
            continue
        end = next((later for later in events[i:] if later.kind in ("grow_end", "grow_drop")), None)
        yield [
            f"{e.at_ns / 1e6:,.3f} ms",
            f"{e.n + 1:,}",
            f"{e.from_B} -> {e.to_B}",
            "same size" if e.from_B == e.to_B else "bigger" if e.from_B < e.to_B else "smaller",
            "not over" if end is None else nanoseconds(end.at_ns - e.at_ns),
            "-" if array is None else size(array.n),
            "-" if array is None else nanoseconds(array.took_ns),
        ]


def _growth_table(r: Result) -> str:
    rows = list(_growths(r.timeline.events))
    if r.counters["growths"] is None:
        return "Growth: not known, this design does not tell"
    if not rows and r.counters["growths"]:
        return f"Growth: {r.counters['growths']:,} since the map was made (this design keeps no time stamps of them)"
    if not rows:
        return "Growth: none while measuring"
    shown = rows[-_SHOWN_GROWTHS:]
    columns = ["at", "entries", "B", "kind", "over after", "new array", "allocated in"]
    title = "Growth" if len(shown) == len(rows) else f"Growth (the last {len(shown)} of {len(rows)})"
    return table(title, columns, shown)


def _slowest_table(r: Result) -> str:
    rows = []
    for s in r.slowest[:_SHOWN_SLOWEST]:
        ranked = sorted(s.causes.items(), key=lambda item: -item[1])[:3]
        why = ", ".join(f"{cause.replace('_', ' ')} {nanoseconds(ns)}" for cause, ns in ranked)
        growth = "-" if s.growing_to is None else f"to B = {s.growing_to}"
        rows.append([s.kind, f"{s.at_ns / 1e6:,.3f} ms", str(s.thread), nanoseconds(s.latency_ns), growth, why])
    if not rows:
        return ""
    return table("The slowest", ["kind", "at", "thread", "latency", "growing", "why"], rows)


def _warnings(r: Result) -> Iterable[str]:
    if r.interrupted:
        yield "Interrupted: this is what was measured until then."
    for sentence, n in r.refused.items():
        yield (
            f"{n:,} operations were refused: a Go program would have died of the first, with\n"
            f'  "fatal error: {sentence}". A map that several threads write to needs a guard.'
        )
    if r.failed:
        yield f"{r.failed:,} operations failed for want of memory."
    if r.behind_s > 0.001:
        yield (
            f"The rate was not reached: at the end a thread was {nanoseconds(r.behind_s * 1e9)} behind its schedule.\n"
            "  Latencies then grow with the duration; lower --rate, or leave it out to find the highest."
        )


# ------------------------------------------------------------------ comparison


_SHOWN = {"throughput": lambda v: _rate(v).removesuffix(" operations a second"), "bytes per entry": lambda v: f"{v:.3g}"}


def _cell(c: Comparison, name: str, metric: str) -> str:
    try:
        value = c.median(name, metric)
    except GomapError:
        return "-"
    shown = _SHOWN.get(metric, nanoseconds)(value)
    return shown if name == c.names[0] else f"{shown}  x {c.ratio(name, metric)}"


def comparison_text(c: Comparison) -> str:
    """A row a metric, a column a variant; from the second on with the ratio to the first and its interval."""
    repeats = len(c.runs[c.names[0]])
    if repeats == 0:
        return "Interrupted before the first round was over: nothing to compare."
    kinds = dict.fromkeys(kind for results in c.runs.values() for r in results for kind in r.latency)
    metrics = ["throughput", "bytes per entry", *(f"{kind} p{p:g}" for kind in kinds for p in PERCENTILES)]
    rows = [[metric, *(_cell(c, name, metric) for name in c.names)] for metric in metrics]
    rows = [row for row in rows if any(cell != "-" for cell in row[1:])]
    title = f"Medians of {repeats} runs each, interleaved; x: ratio to {c.names[0]} with its 95 % interval"
    text = table(title, ["", *c.names], rows)
    for name, results in c.runs.items():
        refused = sum(sum(r.refused.values()) for r in results)
        if refused:
            text += f"\n  {name}: {refused:,} operations were refused (in Go: a fatal error)"
        ended = [r.outcome for r in results if r.outcome != DONE]
        if ended:
            text += f'\n  {name}: {len(ended)} of {len(results)} runs ended with "{ended[0]}"'
    return text + ("\n  interrupted: the rounds that were over until then" if c.interrupted else "")
