"""States of maps as the vectors write them: where two differ, and their text for a person."""

from __future__ import annotations

from typing import Any

__all__ = ["chain_text", "first_difference", "state_header", "state_text"]

Json = dict[str, Any]


def first_difference(got: Json, want: Json) -> str | None:
    """Where two states differ first, in words; None if they are equal."""
    for field in got:
        if got[field] == want.get(field):
            continue
        if field in ("buckets", "oldbuckets") and got[field] and want.get(field):
            for i, (a, b) in enumerate(zip(got[field], want[field], strict=False)):
                if a != b:
                    return f"{field}[{i}] differs"
        return f"{field} is {got[field]!r}, recorded {want.get(field)!r}"[:200]
    return None


def state_text(state: Json) -> list[str]:
    """A state for reading: the header, then every chain, elided in the middle."""
    lines = ["    " + " ".join(f"{k}={v}" for k, v in state_header(state).items())]
    for name in ("buckets", "oldbuckets"):
        chains = state[name] or []
        for i, chain in enumerate(chains):
            if 24 < i < len(chains) - 8:
                if i == 25:
                    lines.append(f"    ... {len(chains) - 33} chains ...")
                continue
            lines += [f"    {text}" for text in chain_text(name, i, chain)]
    return lines


def state_header(state: Json) -> Json:
    """A state without its buckets."""
    return {k: v for k, v in state.items() if k not in ("buckets", "oldbuckets")}


def chain_text(name: str, i: int, chain: list[Json]) -> list[str]:
    """The buckets of chain `i` for reading, a line each."""
    places = [f"{name}[{i}]", *(f"  overflow p={b.get('p')}" for b in chain[1:])]
    return [
        f"{place:<16} t={b['t']} k={_slots_text(b['k'])} e={_slots_text(b['e'])}"
        for place, b in zip(places, chain, strict=True)
    ]


def _slots_text(slots: list[str] | int) -> str:
    return "0" if isinstance(slots, int) else "[" + " ".join(s or '""' for s in slots) + "]"
