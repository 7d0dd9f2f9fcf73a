"""An explanation as one page that needs no network: the same words as in the terminal, and the run's charts.

The charts come from gomap.lab.plot, whose page this one is built around: the drawing library is in it once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from html import escape
from pathlib import Path

from gomap._console import nanoseconds
from gomap.explain.cures import CURES
from gomap.explain.explanation import METRICS, Explanation, Finding, Trial
from gomap.explain.text import (
    METRIC_NAMES,
    effect_words,
    evidence_words,
    floor_words,
    percent,
    share_words,
    summary,
    tail_words,
    verdict,
)
from gomap.lab.plot import require_altair, run_chart
from gomap.lab.text import who_text

__all__ = ["check_html", "write_html"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #5b6470; --paper: #fff; --line: #d9dde2; --bar: #08519c;
  --most: #9ecae1; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ea; --soft: #a3abb5; --paper: #16181b; --line: #363b42;
  --bar: #6baed6; --most: #2b5f8a; } }
body { margin: 0 auto; max-width: 56rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1.05rem; margin: 1.2rem 0 .2rem; }
p { margin: .4rem 0; } .answer { font-size: 1.15rem; } .soft { color: var(--soft); font-size: .9rem; }
.bar { height: .6rem; background: var(--line); border-radius: .3rem; overflow: hidden; }
.bar i { display: block; height: 100%; background: var(--bar); } .bar i.most { background: var(--most); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top;
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
td.none { color: var(--soft); } .chart { background: #fff; } a { color: inherit; }
"""


def check_html() -> None:
    """Before anything runs: `MissingTool` if pages cannot be drawn here."""
    require_altair()


def write_html(e: Explanation, path: str | os.PathLike[str]) -> None:
    """Writes the page. `MissingTool` without altair."""
    page = run_chart(e.run).to_html(inline=True)
    head = (
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>gomap explain: {escape(e.source)}</title><style>{_STYLE}</style>"
    )
    page = page.replace("<html>", '<html lang="en">', 1).replace("<head>", f"<head>{head}", 1)
    before, body, after = page.rpartition("<body>")  # the first ones are in the library's text
    chart = f'<h2>The run</h2><div class="wide chart">{after.replace("</body>", "</div></body>")}'
    Path(path).write_text(f"{before}{body}{''.join(_page(e))}{chart}", encoding="utf-8")


def _page(e: Explanation) -> Iterable[str]:
    r = e.run
    yield f'<h1>{escape(e.source)}</h1><p class="answer">{escape(summary(e))}</p>'
    yield f'<p class="soft">{r.total:,} operations by {who_text(r)} on {r.variant}, '
    yield f"{r.throughput / 1e6:.3g} million a second; seed {r.seed}; {escape(str(r.machine['cpu_model']))}. "
    yield f"The tail: {escape(tail_words(e))}."
    if e.plain and r.variant != "plain":
        yield f" The plain map, one thread, no lock: {nanoseconds(e.plain['tail_ns'])}, "
        yield f"{e.plain['throughput'] / 1e6:.3g} million a second."
    yield "</p>"
    if e.interrupted:
        yield "<p>Interrupted: the cures that were tried until then.</p>"
    if e.findings:
        yield "<h2>What makes the tail</h2>"
    yield from (_finding(e, f) for f in e.findings)
    if e.unexplained >= 0.01:
        yield f"<p>The rest of the tail, {percent(e.unexplained)}, is what operations have to do anyway.</p>"
    yield from _cures(e)


def _finding(e: Explanation, f: Finding) -> str:
    p, most = f.pathology, ' class="most"' if f.at_most else ""
    cites = ", ".join(f'<a href="{c.url}">golang/go#{c.number}</a> {escape(c.title)}' for c in p.cites)
    return (
        f"<h3>{escape(p.title)}</h3>"
        f'<div class="bar"><i{most} style="width:{100 * f.share_of_tail:.1f}%"></i></div>'
        f"<p><b>{escape(share_words(e, f))}</b></p><p>{escape(p.sentence)}</p>"
        f'<p class="soft">Counted: {escape(evidence_words(f))}</p>' + (f'<p class="soft">{cites}</p>' if cites else "")
    )


def _row(e: Explanation, t: Trial) -> str:
    cells = "".join(
        f'<td class="{"" if t.effects.get(metric) else "none"}">{escape(effect_words(t, metric))}</td>' for metric in METRICS
    )
    return f"<tr><td>{escape(t.cure)}</td>{cells}</tr>"


def _cures(e: Explanation) -> Iterable[str]:
    if e.trials:
        heads = "".join(f"<th>{escape(name)}</th>" for name in (e.tail_name or "longest", *METRIC_NAMES.values()))
        yield f'<h2>Cures, the best first</h2><div class="wide"><table><tr><th>cure</th>{heads}</tr>'
        yield from (_row(e, t) for t in e.trials)
        yield '</table></div><p class="soft">x: ratio to the original with its 95 % interval, '
        yield f"{e.trials[0].repeats} runs of each in turns. ~: no effect that can be told from noise. "
        yield f"The original against itself: {escape(floor_words(e))}.</p><ul>"
        yield from (f"<li><b>{t.cure}</b>: {escape(f'{CURES[t.cure].title}: {verdict(e, t)}')}</li>" for t in e.trials)
        yield "</ul>"
    if e.skipped:
        lines = "".join(f"<li>{escape(name)}: {escape(why)}</li>" for name, why in e.skipped.items())
        yield f'<h2>Not tried</h2><ul class="soft">{lines}</ul>'
