"""Results of claims as one HTML page that needs nothing else.

    +--------------------------------+
    | title, where and when          |
    | the answer: seven causes       |  measured on this machine
    | all claims: filters, table     |
    | chapter 1 ... 4, remedies      |  a section for each claim
    | the machine and the run        |
    +--------------------------------+
    | data of the pictures, in place |
    | one script bundle              |  Vega-Lite and what it needs, once; then report.js
    +--------------------------------+

P1  No network: styles, scripts and data are in the page, and its Content-Security-Policy forbids to fetch any.
P2  Every text from results is escaped (gomap/report/html.py).
P3  Without JavaScript everything can be read: pictures are tables then, and the filters are not there.
P4  A claim that is undecided, or was not run, has a section like any other, which says what is missing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

from gomap._console import nanoseconds
from gomap.claims.claim import CONFIRMED, NOT_MEASURABLE, REFUTED, UNDECIDED, VERDICTS, Claim
from gomap.claims.controls import CONTROLS, controls_in
from gomap.claims.registry import Entry, entry
from gomap.claims.runner import ClaimResult, Results
from gomap.claims.text import CHAPTERS, both_verdicts, figure, knob_text, remedy_text
from gomap.claims.verdict import Finding, Number
from gomap.errors import MissingTool
from gomap.report.causes import CAUSES, Cause
from gomap.report.charts import figure_of
from gomap.report.html import Child, Markup, el, prose, raw_text

__all__ = ["page", "script_bundle"]

_TITLE = "Why a Go map is quick in a benchmark and slow in production"
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; img-src data:"
_SIGNS = {CONFIRMED: "✓", REFUTED: "✗", UNDECIDED: "?", NOT_MEASURABLE: "≈"}
_CLASSES = {CONFIRMED: "confirmed", REFUTED: "refuted", UNDECIDED: "undecided", NOT_MEASURABLE: "unmeasurable"}
_BY = {
    "source": "by its source and recorded runs",
    "source and numbers": "by its source and recorded runs; the numbers were measured here",
    "experiment": "by an experiment here",
    "nothing": "not measured",
}
_SMALL = {"experiment": "run here", "source and numbers": "numbers from here"}
_NOISE_NAME = "the same setting twice"


def script_bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script. `MissingTool` without the package that has them."""
    try:
        import vl_convert
    except ImportError:
        raise MissingTool("the report needs vl-convert-python: pip install 'gomap[lab]'") from None
    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def _asset(name: str) -> str:
    return files("gomap.report").joinpath(name).read_text(encoding="utf-8")


@dataclass(frozen=True)
class _Row:
    """A claim with what was found on it."""

    entry: Entry
    found: ClaimResult

    @property
    def claim(self) -> Claim:
        return self.entry.claim


# ------------------------------------------------------------------ words


def _badge(f: Finding) -> Markup:
    return el("span", f"{_SIGNS[f.verdict]} {f.verdict}", class_=f"badge {_CLASSES[f.verdict]}")


def _link(c: Claim, text: str) -> Markup:
    return el("a", text, href=f"#{c.id}")


def _remedy(name: str) -> Markup:
    whole = remedy_text(name)
    return _link(entry(name).claim, entry(name).claim.title) if whole != name else el("span", name)


def _listed(items: Sequence[Child], between: str = "; ") -> list[Child]:
    return [[between if i else "", item] for i, item in enumerate(items)]


def _interval(n: Number) -> str:
    if n.low is None or n.high is None:
        return ""
    bare = n.unit if n.unit in ("ns", "B") else ""
    return f"{figure(n.low, bare)} to {figure(n.high, bare)}"


def _seconds(s: float) -> str:
    return f"{s / 60:.1f} minutes" if s >= 120 else f"{s:.1f} seconds" if s >= 1 else nanoseconds(s * 1e9)


def _when(begun: str) -> str:
    try:
        return f"{datetime.fromisoformat(begun):%-d %B %Y, %H:%M} UTC"
    except ValueError:
        return "date not recorded"


def _used(results: Results) -> float:
    return sum(f.seconds for c in results.claims for f in (c.model, c.go))


def _noise(results: Results) -> str:
    n = results.noise
    if not n:
        return "not measured"
    return f"{n['ratio']:.3g} ({n['low']:.3g} to {n['high']:.3g}), in {n['pairs']} pairs"


# ------------------------------------------------------------------ head


def _header(results: Results, rows: Sequence[_Row]) -> Markup:
    done = sum(results.get(row.claim.id) is not None for row in rows)
    m = results.machine
    told = (
        f"{m.get('cpu_model') or 'unknown processor'}; {_when(results.begun)}; {results.scale} run, {_seconds(_used(results))}"
    )
    notes: list[Child] = []
    if results.interrupted:
        notes.append("This run was interrupted: the page shows what was finished until then. Run it again with --resume.")
    if done < len(rows):
        notes.append(f"{done} of {len(rows)} claims have been run; the others say so.")
    if results.scale != "full":
        notes.append(f"A {results.scale} run makes fewer rounds than the rules ask for. The full one decides more claims.")
    return el(
        "header",
        el("h1", _TITLE),
        el("p", told, ". ", el("a", "The machine and the noise", href="#machine"), class_="where"),
        [el("p", note, class_="note") for note in notes],
    )


# ------------------------------------------------------------------ the answer


def _answer(rows: Sequence[_Row]) -> Markup:
    known = {row.claim.number: row for row in rows}
    lead = (
        "No operation on a Go map takes a lock, waits, or calls the scheduler: the locks suspected inside it do not exist. "
        "Seven things are real all the same; this is how large they are on this machine."
    )
    return el(
        "section",
        el("h2", "The answer"),
        el("p", lead, class_="lead"),
        el("ol", [el("li", _cause(c, known)) for c in CAUSES], class_="causes"),
        id="answer",
    )


def _cause(c: Cause, known: dict[str, _Row]) -> list[Child]:
    measured = [known[n] for n in c.measured_by if n in known]
    cures = [_remedy(name) for name in c.cures]
    return [
        el("h3", c.title),
        el("p", prose(c.text)),
        el("ul", [el("li", _size(row)) for row in measured], class_="sizes"),
        el("p", el("strong", "Real Go, recorded: "), prose(c.go), class_="soft"),
        el("p", el("strong", "What helps: "), _listed(cures), ".", class_="soft"),
    ]


def _size(row: _Row) -> list[Child]:
    """What the claim's run says of the cause: its figure, or what is missing. A figure marked as the headline comes first, then
    a run on real Go."""
    both = (row.found.go, row.found.model)
    marked = (f for f in both if any(n.headline for n in f.numbers))
    f = next(marked, both[both[0].by not in _SMALL])
    where = "real Go" if f is row.found.go else "model"
    link = el("span", _link(row.claim, row.claim.number), f", {where}", class_="soft")
    verdict = el("span", "(claim ", link, ": ", _badge(f), ")", class_="soft")  # the claim's, not the figure's
    n = _headline(f)
    if f.by == "nothing":
        return [el("strong", "Not measured yet"), f": {f.reason.rstrip('.')}. ", link]
    if n is None:
        return [prose(f.reason), " ", verdict]
    missing = [" ", el("span", prose(f.reason), class_="missing")] if f.verdict in (UNDECIDED, NOT_MEASURABLE) else []
    interval = f" ({_interval(n)})" if _interval(n) else ""
    shown = el("strong", f"{figure(n.value, n.unit)}{interval}", class_="figure")
    return [shown, " ", n.name, " ", verdict, *missing]


def _headline(f: Finding) -> Number | None:
    """The number marked for it, else the one that decided: experiments give it first."""
    marked = [n for n in f.numbers if n.headline]
    return next((n for n in marked or f.numbers if _NOISE_NAME not in n.name), None)


# ------------------------------------------------------------------ the table of claims


def _options(name: str, label: str, values: Sequence[tuple[str, str]]) -> Markup:
    choices = [el("option", text, value=value) for value, text in (("", "all"), *values)]
    return el("label", label, " ", el("select", choices, name=name))


def _filters() -> Markup:
    chapters = [(str(n), title.partition(":")[0]) for n, title in CHAPTERS.items()]
    verdicts = [(v, v) for v in VERDICTS]
    return el(
        "form",
        _options("chapter", "Chapter", chapters),
        _options("model", "Model", verdicts),
        _options("go", "Real Go", verdicts),
        el("output", aria_live="polite"),
        id="filters",
        hidden=True,
    )


def _counted(rows: Sequence[_Row], which: str) -> str:
    counts = Counter(getattr(row.found, which).verdict for row in rows)
    return ", ".join(f"{counts[v]} {v}" for v in VERDICTS if counts[v])


def _table_row(row: _Row) -> Markup:
    c, found = row.claim, row.found
    return el(
        "tr",
        el("th", _link(c, c.number), " ", c.title, scope="row"),
        el("td", _badge(found.model), " ", el("small", "not measured") if found.model.by == "nothing" else None),
        el("td", _badge(found.go), " ", el("small", _SMALL[found.go.by]) if found.go.by in _SMALL else None),
        el("td", c.go_words, class_="words"),
        data_chapter=str(c.chapter),
        data_model=found.model.verdict,
        data_go=found.go.verdict,
    )


def _claims_table(rows: Sequence[_Row]) -> Markup:
    two = (
        "A claim has two verdicts. The model's says whether the mechanism, if it existed, would do what the article says: an "
        "experiment on this machine decides. Real Go's follows from its source and recorded runs, or from a run here."
    )
    head = [el("th", name, scope="col") for name in ("Claim", "Model", "Real Go")]
    return el(
        "section",
        el("h2", "All claims"),
        el("p", two),
        el("p", f"Model: {_counted(rows, 'model')}. Real Go: {_counted(rows, 'go')}."),
        _filters(),
        el(
            "table",
            el("caption", "Claims of the article and their verdicts"),
            el("thead", el("tr", head, el("th", "Real Go in short", scope="col", class_="words"))),
            el("tbody", [_table_row(row) for row in rows]),
            id="claims-table",
        ),
        id="claims",
    )


# ------------------------------------------------------------------ a claim


def _claim(row: _Row, scale: str) -> Markup:
    c, found = row.claim, row.found
    figures = [figure_of(s) for f in (found.model, found.go) for s in f.series]
    return el(
        "section",
        el("h3", el("span", c.number, class_="number"), " ", c.title),
        el("p", "Model ", _badge(found.model), " Real Go ", _badge(found.go), class_="badges"),
        el("blockquote", el("p", c.statement), _source(c)),
        el("h4", "What real Go does"),
        el("p", prose(c.real_go)),
        _verdict("The verdict in the model", found.model),
        figures,
        _numbers(found),
        _verdict("The verdict on real Go", found.go),
        _controls(found.go),
        _method(c, found.model),
        _again(c, found, scale),
        id=c.id,
        class_="claim",
    )


def _source(c: Claim) -> Markup:
    says = "The article advises this" if c.is_remedy else "The article"
    number = f"Its figure: {c.article_number}." if c.article_number else "It gives no figure."
    return el("p", f"{says}, section {c.section}. {number}", class_="soft")


def _verdict(title: str, f: Finding) -> list[Child]:
    missing = f.verdict in (UNDECIDED, NOT_MEASURABLE)
    lead = el("strong", "What is missing: ") if missing else None
    by = el("span", f" {_BY.get(f.by, f.by)}", class_="soft")
    said = f.reason[0].upper() + f.reason[1:]
    return [
        el("h4", title),
        el("p", _badge(f), by),
        el(
            "p",
            lead,
            prose(said if said.endswith((".", ")", "!", "?")) else said + "."),
            class_="why open" if missing else "why",
        ),
    ]


def _numbers(found: ClaimResult) -> Markup | None:
    both = [("model", n) for n in found.model.numbers] + [("real Go", n) for n in found.go.numbers]
    if not both:
        return None
    rows = [
        el("tr", el("th", n.name, scope="row"), el("td", figure(n.value, n.unit)), el("td", _interval(n)), el("td", where))
        for where, n in both
    ]
    head = el("tr", [el("th", name, scope="col") for name in ("What", "Measured", "95 % interval", "In")])
    return el("table", el("caption", "Numbers"), el("thead", head), el("tbody", rows), class_="numbers")


def _controls(f: Finding) -> Markup | None:
    named = controls_in(f.reason)
    if not named:
        return None
    return el("ul", [el("li", el("strong", f"{name}: "), prose(CONTROLS[name])) for name in named], class_="soft")


def _method(c: Claim, f: Finding) -> Markup:
    facts: list[tuple[str, Child]] = [
        ("Predicted beforehand", prose(c.prediction)),
        ("Knob", knob_text(c)),
        ("Contrasted", ", ".join(f.settings) or None),
        ("Workload", prose(c.workload)),
        ("Measured", "; ".join(q.name + (f" [{q.unit}]" if q.unit else "") for q in c.measured)),
        ("Criterion", prose(c.criterion.text)),
        ("What helps", _listed([_remedy(r) for r in c.remedy]) or None),
    ]
    rows = [[el("dt", name), el("dd", text)] for name, text in facts if text is not None]
    return el("details", el("summary", "How it is decided"), el("dl", rows))


def _again(c: Claim, found: ClaimResult, scale: str) -> list[Child]:
    command = f"gomap claims run {c.id}{' --quick' if scale != 'full' else ''}"
    workload = found.model.workload or found.go.workload
    seconds = found.model.seconds + found.go.seconds
    took = el("span", f"took {_seconds(seconds)} here", class_="soft") if seconds else None
    return [
        el("h4", "Run it again"),
        el("p", el("code", command, class_="copy"), " ", took),
        _workload(json.dumps(workload, indent=1, ensure_ascii=False)) if workload else None,
    ]


def _workload(text: str) -> Markup:
    how = el("code", "gomap.lab.run(gomap.lab.Workload.from_dict(json.loads(text)))")
    return el(
        "details",
        el("summary", "The workload"),
        el("p", "To run it by itself: ", how),
        el("pre", el("code", text, class_="copy")),
    )


def _chapters(rows: Sequence[_Row], scale: str) -> Iterator[Markup]:
    for chapter, title in CHAPTERS.items():
        claims = [_claim(row, scale) for row in rows if row.claim.chapter == chapter]
        if claims:
            yield el("section", el("h2", title), claims, id=f"chapter-{chapter}")


# ------------------------------------------------------------------ the machine


def _machine(results: Results) -> Markup:
    m = results.machine
    facts = [
        ("Processor", m.get("cpu_model")),
        ("Cores", f"{m.get('cores', '?')}, allowed: {', '.join(map(str, m.get('cpus', ()))) or '?'}"),
        ("Architecture", m.get("architecture")),
        ("Kernel", m.get("kernel")),
        ("Governor", m.get("governor")),
        ("Compiler", " ".join(filter(None, (m.get("compiler"), m.get("flags"))))),
        ("gomap", f"{m.get('gomap', '?')}, commit {m.get('commit') or 'not known'}"),
        ("Python", m.get("python")),
        ("Noise floor", f"throughput of the same setting twice: {_noise(results)}"),
        ("Scale", results.scale),
        ("Begun", _when(results.begun)),
        ("Experiments took", _seconds(_used(results))),
    ]
    unknown = [c.id for c in results.claims if not _is_registered(c.id)]
    return el(
        "section",
        el("h2", "The machine and the run"),
        el("dl", [[el("dt", name), el("dd", str(text) if text else "the system does not say")] for name, text in facts]),
        el("p", f"In the file, but not known to this version: {', '.join(unknown)}.") if unknown else None,
        el("p", "All numbers and pictures of this page are in results.json."),
        id="machine",
    )


def _is_registered(claim_id: str) -> bool:
    from gomap.claims.registry import entries

    return any(e.claim.id == claim_id for e in entries())


# ------------------------------------------------------------------ all of it


def _navigation() -> Markup:
    links = [("answer", "Answer"), ("claims", "Claims")]
    links += [(f"chapter-{n}", title.partition(":")[0]) for n, title in CHAPTERS.items()]
    links.append(("machine", "Machine"))
    return el("nav", el("ul", [el("li", el("a", text, href=f"#{to}")) for to, text in links]), aria_label="Parts of this page")


def _head() -> Markup:
    return el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", _TITLE),
        raw_text("style", _asset("report.css")),
    )


def page(results: Results, entries: Sequence[Entry]) -> str:
    """The page as HTML. entries: the claims to show, whether the results have them or not. `MissingTool` as `script_bundle`."""
    rows = [_Row(e, both_verdicts(e, results)) for e in entries]
    main = el(
        "main",
        _answer(rows),
        _claims_table(rows),
        list(_chapters(rows, results.scale)),
        _machine(results),
    )
    body = el(
        "body",
        _header(results, rows),
        _navigation(),
        main,
        raw_text("script", script_bundle()),
        raw_text("script", _asset("report.js")),
    )
    return f"<!DOCTYPE html>\n{el('html', _head(), body, lang='en')}"
