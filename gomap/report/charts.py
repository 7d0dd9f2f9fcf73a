"""A claim's `Series` as a Vega-Lite picture, and as a table of the same numbers.

C1  Colours are names of the page's style (`var(--...)`), so that one drawing serves light, dark and paper.
C2  No number that JSON does not know (infinities, NaN) reaches a picture; tables show what there was.
C3  A kind of series that is not known here is a table without a picture.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from gomap.claims.text import figure
from gomap.claims.verdict import Series
from gomap.report.html import Markup, el, embedded_json

__all__ = ["figure_of", "spec"]

Rows = Sequence[Mapping[str, Any]]

_CATEGORIES = [f"var(--series-{i})" for i in range(1, 7)]
_GROWTH = "var(--growth)"
_LOG_FROM = 50
"""Values that differ by more than this factor are drawn on a log axis."""
_TABLE_ROWS = 40
_POWERS = [10.0**k for k in range(-6, 13)]
_TIME_LABEL = (
    "datum.value >= 1e9 ? format(datum.value / 1e9, '~g') + ' s' : "
    "datum.value >= 1e6 ? format(datum.value / 1e6, '~g') + ' ms' : "
    "datum.value >= 1e3 ? format(datum.value / 1e3, '~g') + ' µs' : format(datum.value, '~g') + ' ns'"
)
_PERCENTILE_LABEL = "datum.value < 2 ? 'p0' : 'p' + format(100 - 100 / datum.value, '.7~g')"
_CONFIG = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--soft)",
        "titleColor": "var(--soft)",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelOverlap": "greedy",
    },
    "legend": {
        "labelColor": "var(--ink)",
        "labelFontSize": 12,
        "orient": "top",
        "title": None,
        "labelLimit": 300,
        "columns": 2,
    },
    "range": {"category": _CATEGORIES},
}


# ------------------------------------------------------------------ values


def _number(value: Any) -> float | None:
    """As a picture may have it (C2)."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None


def _drawable(rows: Rows, *needed: str) -> list[dict[str, Any]]:
    """Rows whose needed fields are numbers, with all other numbers made fit."""
    return [
        {k: _number(v) if isinstance(v, float) else v for k, v in row.items()}
        for row in rows
        if all(_number(row.get(name)) is not None for name in needed)
    ]


def _is_wide(values: Iterable[float]) -> bool:
    """Whether a log axis shows them better."""
    found = list(values)
    return bool(found) and min(found) > 0 and max(found) / min(found) > _LOG_FROM


def _axis(unit: str, wide: bool, title: str | None = None) -> dict[str, Any]:
    ticks: dict[str, Any] = {"values": _POWERS} if wide else {"tickCount": 6}
    if unit == "ns":
        return {**ticks, "labelExpr": _TIME_LABEL, "title": title}
    scaled = {"format": "~s"} if unit in ("", "1/s", "B", "entries") else {}
    return {**ticks, **scaled, "title": title or unit or None}


def _scale(wide: bool, *, zero: bool = False) -> dict[str, Any]:
    return {"type": "log", "nice": True} if wide else {"zero": zero}


def _tooltip(*fields: str) -> list[dict[str, str]]:
    return [{"field": f, "title": f.replace("_", " ")} for f in fields]


def _color(names: Sequence[str]) -> dict[str, Any]:
    """By name, with a dash pattern of its own for eyes and printers that see no colours."""
    one = len(names) < 2
    legend: dict[str, Any] = {"legend": None} if one else {}
    by_name = {"field": "name", "type": "nominal", "sort": None, **legend}
    return {"color": by_name, "strokeDash": by_name}


def _names(rows: Rows) -> list[str]:
    return list(dict.fromkeys(str(row.get("name", "")) for row in rows))


# ------------------------------------------------------------------ pictures


def _percentiles(series: Series) -> dict[str, Any] | None:
    rows = [
        {**row, "nines": 1 / (1 - row["percentile"] / 100), "ns": max(1.0, row["ns"])}
        for row in _drawable(series.rows, "percentile", "ns")
        if 0 <= row["percentile"] < 100
    ]
    x = {
        "field": "nines",
        "type": "quantitative",
        "scale": {"type": "log"},
        "axis": {"values": [10**k for k in range(8)] + [2], "labelExpr": _PERCENTILE_LABEL, "title": "percentile"},
    }
    y = {"field": "ns", "type": "quantitative", "scale": _scale(True), "axis": _axis("ns", True, "latency")}
    marks = {"type": "line", "point": True, "interpolate": "monotone"}
    tips = _tooltip("name", "percentile", "ns")
    return {"data": {"values": rows}, "mark": marks, "encoding": {"x": x, "y": y, **_color(_names(rows)), "tooltip": tips}}


def _growth_rows(rows: Rows, until: float) -> list[dict[str, Any]]:
    """Each growth from its start to its end, or to the end of the run."""
    found: list[dict[str, Any]] = []
    for row in sorted(_drawable([r for r in rows if "event" in r], "at_ms"), key=lambda r: float(r["at_ms"])):
        if row["event"] == "grow_start":
            found.append({"from": row["at_ms"], "to": until, "to_B": row.get("to_B")})
        elif found and row["event"] in ("grow_end", "grow_drop"):
            found[-1]["to"] = row["at_ms"]
    return found


def _timeline(series: Series) -> dict[str, Any] | None:
    points = _drawable([row for row in series.rows if "event" not in row], "at_ms", "max_ns", "p99_ns")
    if not points:
        return None
    rows = [
        {"at_ms": row["at_ms"], "name": name, "ns": max(1.0, row[field]), "count": row.get("count")}
        for row in points
        for name, field in (("max", "max_ns"), ("p99", "p99_ns"))
    ]
    growths = {"values": _growth_rows(series.rows, points[-1]["at_ms"])}
    start = {"field": "from", "type": "quantitative", "axis": {"title": "time, ms; marked: the map grows", "tickCount": 8}}
    tips = _tooltip("from", "to", "to_B")
    y = {"field": "ns", "type": "quantitative", "scale": _scale(True), "axis": _axis("ns", True, "latency")}
    line = {
        "data": {"values": rows},
        "mark": {"type": "line", "interpolate": "step-after"},
        "encoding": {
            "x": {"field": "at_ms", "type": "quantitative"},
            "y": y,
            **_color(["max", "p99"]),
            "tooltip": _tooltip("at_ms", "name", "ns", "count"),
        },
    }
    band = {
        "data": growths,
        "mark": {"type": "rect", "color": _GROWTH, "opacity": 0.2},
        "encoding": {"x": start, "x2": {"field": "to"}, "tooltip": tips},
    }
    rule = {
        "data": growths,
        "mark": {"type": "rule", "color": _GROWTH, "strokeDash": [4, 3]},
        "encoding": {"x": start, "tooltip": tips},
    }
    return {"layer": [band, rule, line]}


def _with_ends(row: dict[str, Any]) -> dict[str, Any]:
    """A bar without an interval has one of no length."""
    return {**row, **{end: row["value"] for end in ("low", "high") if row.get(end) is None}}


def _bars(series: Series) -> dict[str, Any] | None:
    rows = [_with_ends(row) for row in _drawable(series.rows, "value")]
    wide = _is_wide(row[end] for row in rows for end in ("low", "value", "high"))
    y = {"field": "name", "type": "nominal", "sort": None, "axis": {"title": None, "labelLimit": 130}}
    x = {"type": "quantitative", "scale": _scale(wide, zero=True), "axis": _axis(series.unit, wide)}
    body = {"type": "point", "filled": True, "size": 70} if wide else {"type": "bar", "height": {"band": 0.6}}
    tick = {"type": "tick", "color": "var(--ink)", "size": 12}
    tips = _tooltip("name", "value", "low", "high")
    return {
        "data": {"values": rows},
        "encoding": {"y": y, "tooltip": tips},
        "height": max(60, 36 * len(rows)),
        "layer": [
            {"mark": {**body, "color": _CATEGORIES[0]}, "encoding": {"x": {"field": "value", **x}}},
            {
                "mark": {"type": "rule", "color": "var(--ink)"},
                "encoding": {"x": {"field": "low", **x}, "x2": {"field": "high"}},
            },
            *({"mark": tick, "encoding": {"x": {"field": end, **x}}} for end in ("low", "high")),
        ],
    }


def _lines(series: Series) -> dict[str, Any] | None:
    rows = _drawable(series.rows, "x", "y")
    if all(n == 1 for n in Counter(str(row.get("name", "")) for row in rows).values()):
        rows = [{**row, "point": row.get("name", ""), "name": series.title} for row in rows]  # one line of named points
    wide = {f: _is_wide(row[f] for row in rows) for f in ("x", "y")}
    x, y = ({"field": f, "type": "quantitative", "scale": _scale(wide[f])} for f in ("x", "y"))
    encoding = {
        "x": {**x, "axis": {"format": "~s", "title": None, "tickCount": 8}},
        "y": {**y, "axis": _axis(series.unit, wide["y"])},
        **_color(_names(rows)),
        "tooltip": _tooltip(*(["point"] if rows and "point" in rows[0] else ["name"]), "x", "y"),
    }
    return {"data": {"values": rows}, "mark": {"type": "line", "point": True}, "encoding": encoding}


_PICTURES: Mapping[str, Callable[[Series], dict[str, Any] | None]] = {
    "percentiles": _percentiles,
    "timeline": _timeline,
    "bars": _bars,
    "lines": _lines,
}


def _has_rows(drawn: Mapping[str, Any]) -> bool:
    return "data" not in drawn or bool(drawn["data"]["values"])


def spec(series: Series) -> dict[str, Any] | None:
    """The picture in Vega-Lite, as wide as its place; None if there is nothing to draw (C3)."""
    make = _PICTURES.get(series.kind)
    drawn = make(series) if make else None
    if drawn is None or not _has_rows(drawn):
        return None
    around = {"width": "container", "height": 260, "autosize": {"type": "fit-x", "contains": "padding"}, "config": _CONFIG}
    return {**around, "description": series.title, **drawn}


# ------------------------------------------------------------------ the same as a table


def _cell(name: str, value: Any, unit: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return str(value)
    if name.endswith("_ns") or name == "ns":
        return figure(value, "ns")
    return figure(value, unit if name in ("value", "low", "high", "y") else "")


def _columns(rows: Rows) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _worth_reading(series: Series) -> list[Mapping[str, Any]]:
    """All rows, or of a long time line the slowest and all growths, or else the first ones; in their order."""
    rows = list(series.rows)
    if len(rows) <= _TABLE_ROWS or series.kind != "timeline":
        return rows[:_TABLE_ROWS]
    weight = [math.inf if "event" in row else _number(row.get("max_ns")) or 0.0 for row in rows]
    kept = sorted(range(len(rows)), key=lambda i: -weight[i])[:_TABLE_ROWS]
    return [rows[i] for i in sorted(kept)]


def _table(series: Series) -> Markup:
    rows = _worth_reading(series)
    columns = _columns(rows)
    head = el("tr", [el("th", name.replace("_", " "), scope="col") for name in columns])
    body = [el("tr", [el("td", _cell(name, row.get(name), series.unit)) for name in columns]) for row in rows]
    told = f", {len(rows)} of {len(series.rows):,} rows" if len(rows) < len(series.rows) else ""
    return el("table", el("caption", f"{series.title}{told}"), el("thead", head), el("tbody", body), class_="numbers")


def figure_of(series: Series) -> Markup:
    """The picture with its title, drawn by the page's script when it comes into view; and below it its numbers."""
    title = el("figcaption", series.title + (f" [{series.unit}]" if series.unit not in ("", "ns") else ""))
    if not series.rows:
        return el("figure", title, el("p", "Nothing was measured for this picture."))
    drawn = spec(series)
    numbers = el("div", _table(series), class_="wide", tabindex="0", role="region", aria_label=f"Numbers: {series.title}")
    table = el("details", el("summary", "The numbers of this picture"), numbers, open=drawn is None)
    if drawn is None:
        return el("figure", title, table)
    chart = el("div", class_="chart", role="img", aria_label=series.title)
    data = embedded_json(json.dumps(drawn, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
    return el("figure", title, chart, data, table)
