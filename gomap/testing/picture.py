"""A violation as a page: a time line of its calls by thread, and all about them; one file that needs no network.

From left to right is the order of starts and ends, evenly spaced, since only that counts: of two calls whose bars do not
overlap the left one came first. The true times stand in the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gomap.testing.linear import Linearizability

__all__ = ["as_html"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #5b6470; --paper: #fff; --line: #d9dde2;
  --bar: #cfe3f3; --edge: #2b6ca3; --near: #fff3c4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ea; --soft: #a3abb5; --paper: #16181b; --line: #363b42;
  --bar: #1f3d57; --edge: #6baed6; --near: #4a3f12; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; color: var(--ink);
  background: var(--paper); }
h1 { font-size: 1.3rem; margin: .5rem 0; } p { margin: .4rem 0; } .soft { color: var(--soft); font-size: .9rem; }
.wide { overflow-x: auto; margin: 1rem 0; }
.lines { position: relative; min-width: 40rem; border-top: 1px solid var(--line); }
.lane { position: relative; height: 2.4rem; margin-left: 6rem; border-bottom: 1px solid var(--line); }
.lane > b { position: absolute; left: -6rem; line-height: 2.4rem; font-weight: 600; font-size: .9rem; }
.call { position: absolute; top: .3rem; height: 1.8rem; min-width: 1.6rem; padding: 0 .4rem; border: 1px solid var(--edge);
  border-radius: .3rem; background: var(--bar); font-size: .85rem; line-height: 1.7rem; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem; }
th, td { padding: .25rem .6rem; text-align: left; border-bottom: 1px solid var(--line); white-space: nowrap; }
td.n, th.n { text-align: right; } th { color: var(--soft); font-weight: 600; }
td.s { font-family: ui-monospace, monospace; white-space: normal; } tr.at { background: var(--near); }
.call.at { outline: 2px solid var(--edge); outline-offset: -2px; z-index: 1; }
"""

_SCRIPT = """
const light = (i, on) => document.querySelectorAll(`[data-i="${i}"]`).forEach(e => e.classList.toggle("at", on));
document.querySelectorAll("[data-i]").forEach(e => {
  for (const [kind, on] of [["mouseenter", true], ["mouseleave", false], ["focus", true], ["blur", false]])
    e.addEventListener(kind, () => light(e.dataset.i, on));
});
"""


def _places(operations: Sequence[Any]) -> list[tuple[float, float]]:
    """Where each begins and ends, in percent of the width: the rank of its stamps, starts before ends at one stamp."""
    edges = sorted([(o.start, 0) for o in operations] + [(o.end, 1) for o in operations])
    rank = {edge: i for i, edge in enumerate(dict.fromkeys(edges))}
    scale = 100 / max(1, len(rank) - 1)
    return [(rank[o.start, 0] * scale, rank[o.end, 1] * scale) for o in operations]


def _lanes(found: Linearizability) -> Iterable[str]:
    of, places = found.operations, _places(found.operations)
    for thread in sorted({o.thread for o in of}):
        yield f'<div class="lane"><b>thread {thread}</b>'
        for i, (o, (left, right)) in enumerate(zip(of, places, strict=True)):
            if o.thread != thread:
                continue
            title = escape(f"{i + 1}. {o.sentence}", quote=True)
            at = f"left:{left:.2f}%;width:{right - left:.2f}%"
            yield f'<div class="call" tabindex="0" data-i="{i}" style="{at}" title="{title}">{title}</div>'
        yield "</div>"


def _row(found: Linearizability, i: int | None, o: Any, first: int) -> str:
    unit = found.ns_per_stamp or 1
    cells = [f"{(o.start - first) * unit:+,.0f}", f"{(o.end - o.start) * unit:,.0f}"]
    number, mark = ("", "") if i is None else (str(i + 1), f' data-i="{i}"')
    numbers = "".join(f'<td class="n">{cell}</td>' for cell in cells)
    return (
        f'<tr{mark}><td class="n">{number}</td><td>thread {o.thread}</td>{numbers}<td class="s">{escape(o.sentence)}</td></tr>'
    )


def _table(found: Linearizability) -> Iterable[str]:
    first, unit = found.operations[0].start, "ns" if found.ns_per_stamp else "stamps"
    heads = ("#", "", f"from {unit}", "takes", "call")
    yield "<div class=wide><table><thead><tr>"
    yield from (f'<th class="n">{h}</th>' if h in ("#", heads[2], "takes") else f"<th>{h}</th>" for h in heads)
    yield "</tr></thead><tbody>"
    yield from (_row(found, i, o, first) for i, o in enumerate(found.operations))
    if found.origins:
        yield '<tr><td></td><th colspan="4">earlier calls, whose values they saw or that was held</th></tr>'
        yield from (_row(found, None, o, first) for o in found.origins)
    yield "</tbody></table></div>"


def as_html(found: Linearizability) -> str:
    """The page; of a verdict other than a violation its one line."""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{found.verdict}</title><style>{_STYLE}</style></head><body><h1>{escape(found.headline)}</h1>",
    ]
    if found.verdict == "violation":
        parts += ['<div class="wide"><div class="lines">', *_lanes(found), "</div></div>"]
        parts.append(
            '<p class="soft">From left to right is the order of starts and ends, not their distance: calls whose bars do not '
            "overlap came one after the other. Point at a call to find it below.</p>"
        )
        parts += _table(found)
        parts.append(f"<script>{_SCRIPT}</script>")
    return "".join([*parts, "</body></html>\n"])
