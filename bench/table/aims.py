"""The rows of the table and the ratios they are to reach: the peer's time by gomap's, or gomap's rate by the peer's.

`least` is what must hold, `aim` what is striven for; docs/benchmarks.md tells how a line is read.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "BATCHES",
    "GROWTH",
    "LIMITS",
    "MIXES",
    "PAUSE",
    "PER_KEY",
    "SINGLE",
    "SYNC_MAP",
    "TAILS",
    "Aim",
    "Mix",
    "SingleRow",
]

PAUSE = "2 ms"
"""What stands in the peer's place where a writer's longest pause is compared with what it may be."""

K3, K4, K5, K6, K7 = 1_000, 10_000, 100_000, 1_000_000, 10_000_000


@dataclass(frozen=True)
class Aim:
    """Ratios; None: nothing is asked."""

    least: float | None = None
    aim: float | None = None


@dataclass(frozen=True)
class SingleRow:
    """A row of one thread. ours, theirs: what the programs call it. classic, swiss: aims by number of entries."""

    name: str
    ours: str
    theirs: str
    classic: dict[int, Aim]
    swiss: dict[int, Aim]
    kind: str = "int64"


def _row(name: str, ours: str, theirs: str, sizes: tuple[int, ...], text: str, kind: str = "int64") -> SingleRow:
    """text: least and aim against classic, least and aim against swiss, as many numbers each as there are sizes."""
    least_c, aim_c, least_s, aim_s = (map(float, part.split()) for part in text.split("|"))
    classic = dict(zip(sizes, map(Aim, least_c, aim_c), strict=True))
    swiss = dict(zip(sizes, map(Aim, least_s, aim_s), strict=True))
    return SingleRow(name, ours, theirs, classic, swiss, kind)


_GETS = (K3, K5, K6, K7)

SINGLE = (
    _row("get hit, one key", "get_hit", "get_hit", _GETS, "4.3 3 1.8 1.5 | 5.5 4 2.5 2.1 | 2 2 2 1.5 | 2.6 2.4 2.5 2.1"),
    _row("get miss, one key", "get_miss", "get_miss", _GETS, "2.1 1.6 3 2 | 2.7 2 4.8 2.8 | 2 2 2.5 1.8 | 2.5 2.6 3.7 2.4"),
    _row("get_many hit", "get_many_hit", "get_hit", _GETS, "5 4 5 3.3 | 7 6 7.5 5 | 2.4 2.4 5 3.3 | 3 3.2 7 5"),
    _row("get_many miss", "get_many_miss", "get_miss", _GETS, "2.3 1.8 6.5 6 | 3 3 9.5 8.5 | 2 2.3 5 5 | 2.6 3 7.5 6.5"),
    _row("overwrite, one key", "overwrite", "overwrite", (K6,), "1.2 | 2 | 2.2 | 3"),
    _row("assign_many, overwriting", "overwrite_many", "overwrite", (K6,), "4.5 | 7 | 8 | 11"),
    _row("insert from empty, one key", "insert", "insert", (K6,), "1.7 | 2.2 | 1.6 | 2"),
    _row("assign_many from empty", "insert_many", "insert", (K6,), "2.3 | 3.5 | 2.3 | 3.5"),
    _row("assign_many, presized", "presized_many", "presized", (K6,), "4 | 5 | 6.5 | 8"),
    _row("delete+insert, one key", "pair", "pair", (K6,), "1.5 | 2 | 2.5 | 3.3"),
    _row("delete+insert, batches of 1,024", "pair_many", "pair_blocks", (K6,), "3.4 | 4.5 | 6 | 8"),
    _row("iterate, one by one", "iterate", "iterate", (K5, K6), "2.3 2 | 2.9 2.5 | 2 2.1 | 2.4 2.6"),
    _row("whole map to arrays", "collect", "iterate", (K5, K6), "3 2.5 | 4.5 3.2 | 2.7 2.6 | 3.5 3.2"),
    _row("get hit, 16-byte strings", "get_hit", "get_hit", (K3, K6), "2.2 2.2 | 3 3 | 1.3 1.3 | 1.8 1.8", "string"),
    _row("get_many, 16-byte strings", "get_many_hit", "get_hit", (K3, K6), "3 3 | 4 4 | 3 3 | 4 4", "string"),
)

LIMITS = {K6: 1 / 1.15, K7: 1 / 1.4}
"""How near a batch is to come to bare memory, by entries: its time by gomap's."""


@dataclass(frozen=True)
class Mix:
    """A workload of two threads. best: aims against the best peer by entries, `least` being what must hold."""

    name: str
    assign_percent: int
    zipf: float | None
    best: dict[int, Aim]


MIXES = (
    Mix("read only", 0, None, {K4: Aim(None, 3.5), K6: Aim(2, 3)}),
    Mix("95/5, uniform", 5, None, {K4: Aim(None, 2.6), K6: Aim(2, 3.2)}),
    Mix("95/5, zipf 0.99", 5, 0.99, {K4: Aim(None, 2.6), K6: Aim(2, 3.2)}),
    Mix("50/50", 50, None, {K4: Aim(None, 1.8), K6: Aim(1.5, 2.5)}),
)

SYNC_MAP = {K6: Aim(7.0)}
"""Throughput in any mix beside Go's sync.Map, by entries."""

TAILS = Aim(None, 1.0)
"""p99.9 of gets in any mix beside the best peer's."""

GROWTH = {
    ("reader", "best"): Aim(None, 1.2),
    ("writer", "best"): Aim(None, 1.8),
    ("p99.9 of gets", "best"): Aim(1 / 0.9, 1 / 0.8),
    ("p99.9 of gets", "tbb"): Aim(None, 1 / 0.5),
    ("p99.9 of gets", "Go sync.Map"): Aim(None, 1 / 0.25),
    ("longest assign", "ck_ht"): Aim(None, 100),
    ("longest assign", PAUSE): Aim(1.0),
}
"""A reader beside a writer that grows the map, by row and peer."""

BATCHES = {
    "[d[k] for k in keys]": {K4: 12.0, K6: 28.0},
    "pandas get_indexer": {K4: 1.6, K6: 2.8},
    "hirola": {K4: 10.0, K6: 10.0},
    "polars join": {K4: 10.0, K6: 10.0},
}
"""`get_many` of 10^6 keys, by peer and entries."""

PER_KEY = {"dict": Aim(None, 1 / 2.5), "cereggii": Aim(None, 1.0)}
"""`m[k]`, one key a call."""
