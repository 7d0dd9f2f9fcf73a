"""A result as one HTML page: latency by percentile on a log axis, and the time line with the growths on it.

The page needs no network: the drawing library is in it. Drawn by altair (Vega-Lite).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gomap.errors import BadValue, MissingTool
from gomap.lab.histogram import Histogram
from gomap.lab.result import Result
from gomap.lab.text import who_text

__all__ = ["require_altair", "run_chart", "write_plot"]

_GROWTH = "#1b9e77"
_LINES = ["#9ecae1", "#08519c"]
_POWERS = [10.0**k for k in range(-3, 8)]
_STEPS = (0, 50, 75, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.98, 99.99, 99.995, 99.999, 99.9995, 99.9999)


def require_altair() -> Any:
    """The drawing library; `MissingTool` without it."""
    try:
        import altair
        import vl_convert  # noqa: F401  # it brings the scripts that make the page self-contained
    except ImportError:
        raise MissingTool("drawing needs altair and vl-convert-python: pip install 'gomap[lab]'") from None
    return altair


def _percentile_rows(kind: str, h: Histogram) -> list[dict[str, Any]]:
    """Points of the distribution as far as single samples go: the curve's end is the maximum."""
    rows = []
    for p in _STEPS:
        if h.count * (100 - p) / 100 < 1:
            break
        rows.append({"kind": kind, "percentile": f"p{p:g}", "nines": 1 / (1 - p / 100), "latency": h.value_at(p) / 1000})
    rows.append({"kind": kind, "percentile": "max", "nines": max(1.0, float(h.count)), "latency": h.max_ns / 1000})
    return rows


def _latency_axis(alt: Any) -> Any:
    axis = alt.Axis(format="~g", values=_POWERS)
    return alt.Y("latency:Q", scale=alt.Scale(type="log"), title="latency, µs", axis=axis)


def _latency_chart(alt: Any, r: Result) -> Any:
    rows = [row for kind, h in r.latency.items() for row in _percentile_rows(kind, h)]
    ticks = [1, 2, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000]
    label = "datum.value < 2 ? 'p0' : 'p' + format(100 - 100 / datum.value, '.7~g')"
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_line(point=True, interpolate="monotone")
        .encode(
            x=alt.X("nines:Q", scale=alt.Scale(type="log"), title="percentile", axis=alt.Axis(values=ticks, labelExpr=label)),
            y=_latency_axis(alt),
            color=alt.Color("kind:N", title="operation"),
            tooltip=["kind:N", "percentile:N", alt.Tooltip("latency:Q", title="latency, µs", format=".4~g")],
        )
        .properties(width=820, height=320, title="Latency by percentile")
    )


def _timeline_rows(r: Result) -> list[dict[str, Any]]:
    t = r.timeline
    return [
        {"at": i * t.interval_ns / 1e6, "which": which, "latency": max(value, 1) / 1000, "operations": t.count[i]}
        for i in range(len(t.count))
        if t.count[i]
        for which, value in (("max", t.max_ns[i]), ("p99", t.p99_ns[i]))
    ]


def _growth_rows(r: Result) -> list[dict[str, Any]]:
    """Each growth from its start to its end, or to the end of the run."""
    rows = []
    events = r.timeline.events
    for i, e in enumerate(events):
        if e.kind == "grow_start":
            end = next((later for later in events[i:] if later.kind in ("grow_end", "grow_drop")), None)
            until = e.at_ns if end is None else end.at_ns
            rows.append({"from": e.at_ns / 1e6, "to": until / 1e6, "growth": f"B {e.from_B} -> {e.to_B}, {e.n:,} entries"})
    return rows


def _timeline_charts(alt: Any, r: Result) -> Any:
    unit = f"{r.timeline.interval_ns / 1e6:g} ms"
    x = alt.X("at:Q", title="time, ms")
    points = alt.Chart(alt.Data(values=_timeline_rows(r)))
    growths = alt.Chart(alt.Data(values=_growth_rows(r)))
    band = growths.mark_rect(opacity=0.2, color=_GROWTH).encode(x="from:Q", x2="to:Q", tooltip="growth:N")
    rule = growths.mark_rule(color=_GROWTH, strokeDash=[4, 3]).encode(x="from:Q", tooltip="growth:N")
    latency = points.mark_line(interpolate="step-after").encode(
        x=x,
        y=_latency_axis(alt),
        color=alt.Color("which:N", title=f"in {unit}", scale=alt.Scale(domain=["max", "p99"], range=_LINES)),
        tooltip=["at:Q", "which:N", alt.Tooltip("latency:Q", format=".4~g"), "operations:Q"],
    )
    counts = (
        points.transform_filter("datum.which == 'max'")
        .mark_area(interpolate="step-after", opacity=0.5, color="#6b7280")
        .encode(x=x, y=alt.Y("operations:Q", title=f"operations in {unit}"))
    )
    layers = band + rule + latency if _growth_rows(r) else latency  # Vega warns of layers without a row
    top = layers.properties(width=820, height=260, title="Time line; green: the map grows")
    return alt.vconcat(top, counts.properties(width=820, height=120)).resolve_scale(x="shared")


def run_chart(r: Result) -> Any:
    """A run's two pictures as an altair chart. `MissingTool` and `BadValue` as `write_plot`."""
    if not r.latency:
        raise BadValue("nothing was timed: there is nothing to draw")
    alt = require_altair()
    subtitle = f"{r.variant}, {who_text(r)}, {r.total:,} operations, {r.throughput / 1e6:.2f} million a second"
    return (
        alt.vconcat(_latency_chart(alt, r), _timeline_charts(alt, r))
        .resolve_scale(color="independent")
        .properties(title=alt.TitleParams("gomap", subtitle=[subtitle, str(r.machine["cpu_model"])]))
        .configure_view(stroke=None)
    )


def write_plot(r: Result, path: str | os.PathLike[str]) -> None:
    """Writes the page. `MissingTool` without altair, `BadValue` for a result without timed operations."""
    run_chart(r).save(Path(path), format="html", inline=True)
