"""Claims and verdicts as text for a terminal of 80 columns or more."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

from gomap._console import nanoseconds, size
from gomap.claims.claim import NEEDS, UNDECIDED, Claim
from gomap.claims.controls import CONTROLS, controls_in
from gomap.claims.registry import Entry, entry
from gomap.claims.runner import ClaimResult, Results, go_by_reading, model_unrun
from gomap.claims.verdict import Finding, Number

__all__ = [
    "CHAPTERS",
    "both_verdicts",
    "claim_text",
    "figure",
    "filled",
    "knob_text",
    "list_text",
    "remedy_text",
    "result_text",
]

CHAPTERS = {
    1: "Chapter 1: three implicit locks",
    2: "Chapter 2: how the map works",
    3: "Chapter 3: the scheduler",
    4: "Chapter 4: lock points in production",
    0: "Remedies",
}
_WIDE = 108  # from here on the list has a column of words
_READABLE = 100
_LABEL = 15
_NOT_RUN = "not run yet"


def both_verdicts(e: Entry, results: Results | None) -> ClaimResult:
    """The verdicts from a results file, or what is known without one."""
    found = results.get(e.claim.id) if results is not None else None
    return found or ClaimResult(e.claim.id, model_unrun(e), go_by_reading(e.claim))


# ------------------------------------------------------------------ list


def list_text(entries: Sequence[Entry], results: Results | None, width: int) -> str:
    """A line a claim, by chapter: both verdicts, and in a wide terminal the catalogue's word on real Go."""
    rows = [_row(e, both_verdicts(e, results)) for e in entries]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    shown = 4 if width >= _WIDE else 3

    def line(cells: Sequence[str]) -> str:
        text = "  " + "  ".join(c.ljust(w) for c, w in zip(cells[:shown], widths, strict=False)).rstrip()
        return text if len(text) <= width else text[: width - 1] + "…"

    parts = [line(["claim", "model", "real Go", "in short"])]
    for chapter, title in CHAPTERS.items():
        lines = [line(row) for e, row in zip(entries, rows, strict=True) if e.claim.chapter == chapter]
        if lines:
            parts.append("\n".join([title, *lines]))
    return "\n\n".join([*parts, _legend(rows, width)])


def _row(e: Entry, both: ClaimResult) -> tuple[str, str, str, str]:
    source = e.claim.go_by_source
    go = both.go.verdict + (" (run)" if both.go.by == "experiment" else "*" if source.holds or source.limits else "")
    return e.claim.id, _model_cell(e, both.model), go, e.claim.go_words


def _model_cell(e: Entry, f: Finding) -> str:
    if f.by != "nothing":
        return f.verdict
    if e.on_model is not None:
        return _NOT_RUN
    needed = [need.split()[-1] for need, words in NEEDS.items() if words in e.claim.missing]
    return f"{UNDECIDED} ({', '.join(needed) or 'no experiment'})"


def _legend(rows: Sequence[tuple[str, ...]], width: int) -> str:
    notes = [
        "real Go: by its source and recorded control runs, or (run) by an experiment made here. * not the whole of it: "
        "gomap claims show ID tells what of it holds, or where it ends."
    ]
    if any(row[1].startswith(f"{UNDECIDED} (") for row in rows):
        notes.append("model: undecided (what it needs and this version does not have).")
    if any(row[1] == _NOT_RUN for row in rows):
        notes.append(f"{_NOT_RUN}: gomap claims run ID, or all.")
    return "\n".join(filled(note, width) for note in notes)


# ------------------------------------------------------------------ one claim


def claim_text(e: Entry, results: Results | None, width: int) -> str:
    """Everything about a claim, on a screen."""
    c, both = e.claim, both_verdicts(e, results)
    width = min(width, _READABLE)
    says = f"{c.statement} Figure: {c.article_number}." if c.article_number else c.statement
    rows = [
        ("Article", f"{'advises' if c.is_remedy else 'says'} (section {c.section}): {says}"),
        ("Real Go", f"{_verdict(both.go)} [{c.go_words}]. {both.go.reason}"),
        ("What Go does", c.real_go),
        ("Model", f"{_verdict(both.model)}: {both.model.reason}"),
        ("Prediction", c.prediction),
        ("Knob", knob_text(c)),
        ("Workload", c.workload),
        ("Measured", "; ".join(q.name + (f" [{q.unit}]" if q.unit else "") for q in c.measured)),
        ("Criterion", c.criterion.text),
        ("Remedy", ", ".join(remedy_text(r) for r in c.remedy)),
        *((name, f"control run on real Go: {CONTROLS[name]}") for name in controls_in(c.go_by_source.evidence)),
    ]
    body = "\n".join(_labelled(label, text, width) for label, text in rows if text)
    return f"{filled(f'{c.id}: {c.title}', width)}\n\n{body}{_numbers(both, width)}"


def _verdict(f: Finding) -> str:
    by = {
        "source": " (by source)",
        "source and numbers": " (by source; numbers from here)",
        "experiment": " (run)",
        "nothing": "",
    }[f.by]
    return f.verdict.upper() + by


def remedy_text(name: str) -> str:
    """A remedy's whole id for its number; words as they are."""
    return entry(name).claim.id if re.fullmatch(r"R\d", name) else name


def knob_text(c: Claim) -> str:
    """The knob and its settings, Go's and the article's marked."""
    if c.knob is None:
        return "none"
    marks = {(True, False): " (Go)", (False, True): " (article)", (True, True): " (Go, article)", (False, False): ""}
    return f"{c.knob}: {' / '.join(s.name + marks[s.go, s.article] for s in c.settings)}"


def filled(text: str, width: int, first: str = "", rest: str = "") -> str:
    """Wrapped, but never between a figure and its unit."""
    tied = re.sub(r"(?<=\d) (?=(ns|µs|ms|s|KB)\b|%)", "\u00a0", text)
    filled = textwrap.fill(tied, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
    return filled.replace("\u00a0", " ")


def _labelled(label: str, text: str, width: int) -> str:
    return filled(text, width, label.ljust(_LABEL), " " * _LABEL)


# ------------------------------------------------------------------ results


def result_text(e: Entry, both: ClaimResult, width: int) -> str:
    """What a run found on a claim."""
    width = min(width, _READABLE)
    rows = [("  model", both.model), ("  real Go", both.go)]
    body = "\n".join(_labelled(label, f"{_verdict(f)}: {f.reason}", width) for label, f in rows)
    return f"{filled(f'{e.claim.id}: {e.claim.title}', width)}\n{body}{_numbers(both, width)}"


def _numbers(both: ClaimResult, width: int) -> str:
    rows = [*_number_rows("", both.model.numbers), *_number_rows("real Go: ", both.go.numbers)]
    if not rows:
        return ""
    room = max(len(value) for _, value in rows)
    return "\n" + "\n".join(_number_line(name, value, room, width) for name, value in rows)


def _number_rows(prefix: str, numbers: Iterable[Number]) -> Iterable[tuple[str, str]]:
    for n in numbers:
        yield prefix + n.name, _with_interval(n)


def figure(value: float, unit: str) -> str:
    """A value for people: three digits, thousands apart, times and sizes scaled; with its unit."""
    if unit == "ns":
        return nanoseconds(value)
    if unit == "B":
        return size(value)
    shown = f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:,.3g}"
    return f"{shown} {unit}" if unit else shown


def _with_interval(n: Number) -> str:
    if n.low is None or n.high is None:
        return figure(n.value, n.unit)
    bare = n.unit if n.unit in ("ns", "B") else ""
    return f"{figure(n.value, n.unit)} ({figure(n.low, bare)} to {figure(n.high, bare)})"


def _number_line(name: str, value: str, room: int, width: int) -> str:
    indent = " " * (room + 6)
    return filled(name, width, f"    {value.rjust(room)}  ", indent)
