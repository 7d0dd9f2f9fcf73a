"""The one table of variants: the map designs that tests, benchmarks, the laboratory and the documents go through.

`VARIANTS["plain"].cls` is the class; each entry says what overlapping callers may see and who waits for whom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gomap._core import lib
from gomap.errors import BadValue
from gomap.map import Map

__all__ = ["VARIANTS", "Variant", "variant"]


@dataclass(frozen=True)
class Variant:
    """A map design. `go`: what a Go program would use. `consistency`: what calls that overlap may see. `progress`: who may
    have to wait for whom. `core_id`: its number in the C core (enum gm_variant_id)."""

    name: str
    cls: type[Any]
    summary: str
    go: str
    consistency: str
    progress: str
    core_id: int


VARIANTS: dict[str, Variant] = {
    v.name: v
    for v in (
        Variant(
            name="plain",
            cls=Map,
            summary="Go's map, unguarded, misuse detected",
            go="map[K]V",
            consistency="one writer or many readers; an overlap is detected, counted by the engine and refused elsewhere",
            progress="nobody waits; a write does the growth work of two buckets at most, and allocates when a growth starts",
            core_id=lib.GM_VARIANT_PLAIN,
        ),
    )
}
"""By name."""


def variant(name: str) -> Variant:
    """The variant of that name; `BadValue` names those there are."""
    found = VARIANTS.get(name) if isinstance(name, str) else None
    if found is None:
        raise BadValue(f"unknown variant {name!r}, allowed: {', '.join(VARIANTS)}")
    return found
