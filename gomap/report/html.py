"""HTML from Python: every text is escaped, unless it is `Markup`, and only `el` makes that out of text."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

__all__ = ["Child", "Markup", "el", "embedded_json", "prose", "raw_text"]

_VOID = frozenset({"br", "input", "link", "meta"})
_INLINE = frozenset({"a", "code", "label", "option", "output", "select", "small", "span", "strong"})
_GO_FILE = re.compile(r"((?:[\w.]+/)+\w+\.(?:go|s)\b)")
_TIED = re.compile(r"(?<=\d) (?=(?:ns|µs|us|ms|s|KB|kB|MB|GB|B|x)\b|%)")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | None | Iterable["Child"]
"""Text, markup, nothing, or some of them."""


def _inner(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return html.escape(child, quote=False)
    return "".join(map(_inner, child))


def _attribute(name: str, value: str | bool | None) -> str:
    if value is None or value is False:
        return ""
    written = name.rstrip("_").replace("_", "-")
    return f" {written}" if value is True else f' {written}="{html.escape(value)}"'


def el(name: str, /, *children: Child, **attributes: str | bool | None) -> Markup:
    """An element. Attributes: `class_` for class, `data_x` for data-x; True stands alone, None and False are left out."""
    opened = f"<{name}{''.join(_attribute(a, v) for a, v in attributes.items())}>"
    end = "" if name in _INLINE else "\n"
    return Markup(opened + end if name in _VOID else f"{opened}{_inner(children)}</{name}>{end}")


def raw_text(name: str, text: str, /, **attributes: str | bool | None) -> Markup:
    """A script or style, whose content HTML does not unescape. `ValueError` if that content would end it."""
    if re.search(rf"</{name}|<!--", text, re.I):
        raise ValueError(f"this text cannot stand in a <{name}>")
    return el(name, Markup(text), **attributes)


def embedded_json(text: str) -> Markup:
    """JSON as data for scripts. `<` only occurs in its strings, where it has another spelling."""
    return raw_text("script", text.replace("<", "\\u003c"), type="application/json")


def prose(text: str) -> list[Child]:
    """A sentence: names of Go files as code, figures tied to their units."""
    parts = _GO_FILE.split(_TIED.sub("\u00a0", text))
    return [el("code", part) if i % 2 else part for i, part in enumerate(parts)]
