"""Workloads named by what they are like. Each states its mix."""

from __future__ import annotations

from dataclasses import dataclass

from gomap.errors import BadValue
from gomap.lab.keystreams import KeyStream, Latest, Uniform, Zipf

__all__ = ["PRESETS", "Preset", "preset"]


@dataclass(frozen=True)
class Preset:
    """A mix (percent) with the keys that go with it, and how many entries the map has to begin with. The ycsb ones are the
    core workloads of Cooper et al., "Benchmarking cloud serving systems with YCSB", 2010."""

    name: str
    summary: str
    mix: dict[str, float]
    keys: KeyStream
    size: int

    @property
    def stated(self) -> str:
        """The mix in words."""
        return ", ".join(f"{percent:g} % {kind}" for kind, percent in self.mix.items())


_HOT = Zipf(0.99)
PRESETS: dict[str, Preset] = {
    p.name: p
    for p in (
        Preset("read-heavy", "a cache that is mostly read", {"get": 98, "assign": 2}, _HOT, 1_000_000),
        Preset(
            "session-cache",
            "sessions come, are looked up while they are new, and go; the size stays",
            {"get": 70, "get_miss": 10, "assign_new": 10, "delete": 10},
            Latest(0.99),
            100_000,
        ),
        Preset("rapid-grow", "a map is filled from nothing", {"assign_new": 100}, Uniform(), 0),
        Preset(
            "churn",
            "as many keys come as go; the size stays, the keys move on",
            {"assign_new": 50, "delete": 50},
            Uniform(),
            100_000,
        ),
        Preset("ycsb-a", "update heavy: a session store", {"get": 50, "assign": 50}, _HOT, 1_000_000),
        Preset("ycsb-b", "read mostly: photo tagging", {"get": 95, "assign": 5}, _HOT, 1_000_000),
        Preset("ycsb-c", "read only: profiles", {"get": 100}, _HOT, 1_000_000),
        Preset("ycsb-d", "read latest: status updates", {"get": 95, "assign_new": 5}, Latest(0.99), 1_000_000),
        Preset("ycsb-e", "short ranges: threaded conversations", {"iterate": 95, "assign_new": 5}, _HOT, 1_000_000),
        Preset("ycsb-f", "read, modify, write: a user database", {"get": 50, "add": 50}, _HOT, 1_000_000),
    )
}
"""By name. `iterate` visits up to `Group.scan` entries from a random start: a Go map has no order to scan in."""


def preset(name: str) -> Preset:
    """The preset of that name; `BadValue` names those there are."""
    if name not in PRESETS:
        raise BadValue(f"unknown preset {name!r}, allowed: {', '.join(PRESETS)}")
    return PRESETS[name]
