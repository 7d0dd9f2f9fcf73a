"""A replay's result as text for a terminal."""

from __future__ import annotations

from gomap._console import nanoseconds, size, table
from gomap.lab.replay import ReplayResult
from gomap.lab.text import latency_table

__all__ = ["replay_report"]


def replay_report(r: ReplayResult) -> str:
    """A replay's result as text."""
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
        latency_table(f"Latency (one reading of the clock, {r.clock_cost_ns} ns, is in each)", r.latency),
    ]
    return "\n".join(lines)


def _operations_table(r: ReplayResult) -> str:
    rows = [[k, f"{n:,}", f"{r.hits[k]:,}", f"{r.hits[k] / n:.1%}"] for k, n in r.operations.items()]
    text = table("Operations", ["kind", "count", "key was there", "share"], rows)
    rate = "" if r.hit_rate is None else f"\n  hit rate of gets: {r.hit_rate:.2%}"
    return text + rate


def _growth_table(r: ReplayResult) -> str:
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
    buckets = sum(r.chains.values())
    if not buckets:
        return "Chains: the map has no bucket yet"
    rows = [[length, f"{n:,}", f"{n / buckets:.2%}"] for length, n in r.chains.items()]
    longer = 1 - r.chains.get("1", 0) / buckets
    text = table("Overflow chains at the end", ["buckets in the chain", "chains", "share"], rows)
    if r.header["growing"]:
        text += f"\n  in the middle of a growth: {r.header['old_buckets']:,} old buckets, partly evacuated, are not counted"
    return text + f"\n  with an overflow bucket: {longer:.1%}"
