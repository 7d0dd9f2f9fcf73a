"""An explanation as text for a terminal of 80 columns or more."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from gomap._console import nanoseconds, size, table
from gomap.explain.cures import CURES
from gomap.explain.explanation import METRICS, Explanation, Finding, Trial
from gomap.lab.compare import Ratio
from gomap.lab.text import who_text

__all__ = [
    "METRIC_NAMES",
    "effect_words",
    "evidence_words",
    "explanation_text",
    "floor_words",
    "percent",
    "share_words",
    "summary",
    "tail_words",
    "verdict",
]

METRIC_NAMES = {"throughput": "throughput", "memory": "bytes an entry"}
_READABLE = 100
_NO_EFFECT = "no effect that can be told from noise"
_FASTER = {"tail": ("lower", "higher"), "throughput": ("lower", "higher"), "memory": ("less", "more")}


def percent(share: float) -> str:
    """A share for people: 12 %, or < 1 %."""
    return f"{share:.0%}".replace("%", " %") if share >= 0.01 else "< 1 %" if share > 0 else "0 %"


def tail_words(e: Explanation) -> str:
    """What the tail is."""
    if not e.tail_percent:
        return f"all {e.tail_operations:,} operations (too few for a percentile)"
    return f"the {e.tail_operations:,} operations above {e.tail_name}, {nanoseconds(e.tail_above_ns)}"


def _quantity(what: str, value: int | float | str) -> str:
    """One counted fact: its name says its unit."""
    name, _, unit = what.rpartition(", ")
    if unit == "ns":
        return f"{name}: {nanoseconds(float(value))}"
    if unit == "bytes":
        return f"{name}: {size(float(value))}"
    if unit == "%":
        return f"{name}: {value} %"
    return f"{what}: {value:,}" if not isinstance(value, str) else f"{what}: {value}"


def evidence_words(f: Finding) -> str:
    """What was counted."""
    return "; ".join(_quantity(what, value) for what, value in f.evidence.items())


def share_words(e: Explanation, f: Finding) -> str:
    """How much of it a finding is."""
    most = "at most " if f.at_most else ""
    return f"{most}{percent(f.share_of_tail)} of the tail, {most}{percent(f.share_of_time)} of the time of all operations"


def summary(e: Explanation) -> str:
    """The answer in a sentence or two."""
    maps = [f for f in e.findings if f.maps]
    outside = next((f for f in e.findings if not f.maps), None)
    if maps:
        first = maps[0]
        told = f"{first.pathology.title}: {share_words(e, first)}."
    else:
        told = "Nothing that a map does makes this tail."
    if outside and outside.share_of_tail >= 0.05:
        told += f" {percent(outside.share_of_tail)} of the tail is none of the map's doing."
    return f"{told} {_advice(e)}".strip()


def _advice(e: Explanation) -> str:
    if not e.trials:
        return ""
    best = e.trials[0]
    if best.effects["tail"] > 0:
        return f"What helps most: {best.cure}, {_tail_effect(e, best)}."
    faster = [t for t in e.trials if t.effects["throughput"] > 0]
    if faster:
        return f"No cure lowered the tail; {faster[0].cure} raised throughput, x {faster[0].ratios['throughput'].ratio:.3g}."
    return "No cure that was tried helps."


def _tail_effect(e: Explanation, t: Trial) -> str:
    before, after = t.medians["tail"]
    return f"{e.tail_name or 'the longest'} from {nanoseconds(before)} to {nanoseconds(after)}"


def effect_words(t: Trial, metric: str) -> str:
    """A ratio with its interval, or that there is none."""
    r = t.ratios.get(metric)
    if r is None:
        return "-"
    return f"x {_interval(r)}" + ("" if t.effects[metric] else " ~")


def _interval(r: Ratio) -> str:
    return f"{r.ratio:.2g} ({r.low:.2g}-{r.high:.2g})" if r.ratio < 100 else f"{r.ratio:.0f} ({r.low:.0f}-{r.high:.0f})"


def verdict(e: Explanation, t: Trial) -> str:
    """What a cure did, in words."""
    names = {"tail": e.tail_name or "the longest", **METRIC_NAMES}
    told = []
    for metric, effect in t.effects.items():
        if effect:
            less, more = _FASTER[metric]
            told.append(f"{names[metric]} {less if t.ratios[metric].ratio < 1 else more}")
    words = ", ".join(told) or _NO_EFFECT
    return f"{words} ({t.note})" if t.note else words


# ------------------------------------------------------------------ the whole


def _filled(text: str, width: int, first: str = "", rest: str = "") -> str:
    return textwrap.fill(text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)


def _headline(e: Explanation, width: int) -> str:
    r = e.run
    subject = (
        f"{e.source}: {r.total:,} operations by {who_text(r)} on {r.variant}, "
        f"{r.throughput / 1e6:.3g} million a second; seed {r.seed}; {r.machine['cpu_model']}"
    )
    lines = [_filled(subject, width), _filled(f"The tail: {tail_words(e)}.", width)]
    if e.plain and r.variant != "plain":
        alone = f"{nanoseconds(e.plain['tail_ns'])}, {e.plain['throughput'] / 1e6:.3g} million a second"
        lines.append(_filled(f"The plain map, one thread, no lock: {e.tail_name or 'the longest'} {alone}.", width))
    return "\n".join(lines)


def _finding(e: Explanation, i: int, f: Finding, width: int) -> str:
    p = f.pathology
    indent = " " * 3
    lines = [
        _filled(f"{i}. {p.title} [{p.name}]", width),
        _filled(share_words(e, f), width, indent, indent),
        _filled(p.sentence, width, indent, indent),
        _filled(f"Counted: {evidence_words(f)}", width, indent, indent),
    ]
    lines += [_filled(f"golang/go#{c.number}: {c.title}", width, indent, indent + "  ") for c in p.cites]
    return "\n".join(lines)


def _findings(e: Explanation, width: int) -> Iterable[str]:
    for i, f in enumerate(e.findings, 1):
        yield _finding(e, i, f, width)
    if e.unexplained >= 0.01:
        yield _filled(f"The rest of the tail, {percent(e.unexplained)}, is what operations have to do anyway.", width)


def _trials(e: Explanation, width: int) -> Iterable[str]:
    if e.trials:
        tail = e.tail_name or "longest"
        columns = ["cure", tail, "throughput", "bytes an entry"]
        rows = [[t.cure, *(effect_words(t, metric) for metric in METRICS)] for t in e.trials]
        title = f"Cures, the best first: x ratio to the original (95 % interval), {e.trials[0].repeats} runs each"
        note = _filled(f"~: {_NO_EFFECT}. The original against itself: {floor_words(e)}.", width, "  ", "  ")
        yield f"{table(title, columns, rows)}\n{note}"
        yield "\n".join(_filled(f"{t.cure}: {CURES[t.cure].title}: {verdict(e, t)}", width, "  ", "    ") for t in e.trials)
    if e.skipped:
        by_reason: dict[str, list[str]] = {}
        for name, why in e.skipped.items():
            by_reason.setdefault(why, []).append(name)
        lines = [_filled(f"{', '.join(names)}: {why}", width, "  ", "    ") for why, names in by_reason.items()]
        yield "\n".join(["Not tried", *lines])


def floor_words(e: Explanation) -> str:
    """The ratios of the original to itself."""
    names = {"tail": e.tail_name or "longest", **METRIC_NAMES}
    return ", ".join(
        f"{name} {_interval(e.noise.ratios[metric])}" for metric, name in names.items() if metric in e.noise.ratios
    )


def explanation_text(e: Explanation, width: int) -> str:
    """Everything, for a terminal of that width."""
    width = min(width, _READABLE)
    parts = [_headline(e, width), _filled(summary(e), width), *_findings(e, width), *_trials(e, width)]
    if e.run.refused:
        n = sum(e.run.refused.values())
        parts.append(_filled(f"{n:,} operations were refused, for they overlapped without a guard; Go would have died.", width))
    if e.interrupted:
        parts.append("Interrupted: the cures that were tried until then.")
    return "\n\n".join(parts)
