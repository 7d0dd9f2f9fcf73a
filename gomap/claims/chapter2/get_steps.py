"""C2.10-get-steps: A get goes hash, bucket, tophash, key, value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.registry import claim
from gomap.claims.timing import batch_ns
from gomap.claims.verdict import Finding, Number, Series
from gomap.claims.walk import Shape, full, shape
from gomap.lab.workload import Group, Workload
from gomap.map import Map


@claim
def get_steps() -> Claim:
    return Claim(
        id="C2.10-get-steps",
        title="A get goes hash, bucket, tophash, key, value",
        section="2.3",
        statement=(
            "mapaccess1 computes the hash, finds the bucket, compares tophash, then the key, and returns a pointer "
            "to the value; on no match it goes along the overflow chain."
        ),
        article_number=None,
        go_words="true for the generic path",
        real_go=(
            "True of mapaccess1 (runtime/map_noswiss.go), but for two details: during a growth it looks at the old "
            "bucket first if that is not evacuated, and it stops early at emptyRest. mapaccess1_fast64 compares the "
            "8-byte keys directly and asks tophash only whether a cell is empty; neither it nor mapaccess1_faststr "
            "stops at emptyRest, so a miss walks the whole chain. A map of one bucket is searched without hashing. "
            "Swiss: 8 slots at once by control word."
        ),
        go_by_source=SourceVerdict(
            "confirmed",
            evidence="The source of mapaccess1 goes these steps; a hit at load 6.5 looks at 4.25 cells (G4).",
            limits=(
                "The fast paths for 4-byte, 8-byte and string keys do not compare tophash first and do not stop at emptyRest."
            ),
        ),
        prediction=(
            "4.25 cells compared a hit at load 6.5. After mass deletion misses on the fast paths walk the whole "
            "chain and generic ones do not."
        ),
        knob="get.variant; emptyrest (on, off)",
        settings=(Setting("by key type", go=True), Setting("generic"), Setting("fast64"), Setting("faststr")),
        workload="Cells looked at and lines touched, hit and miss, for each path, before and after mass deletion.",
        measured=(Quantity("cells compared a hit and a miss", ""), Quantity("lines touched", "")),
        criterion=Criterion(
            text="Gate of the model: cells compared have to equal real Go's (4.25 a hit at 6.5, within 0.05).",
        ),
    )


_CELLS, _WITHIN = 4.25, 0.05
_PATHS: Mapping[str, tuple[str, Any]] = {
    "generic": ("float64", lambda n: np.arange(n, dtype=np.float64)),
    "fast64": ("int64", np.arange),
    "faststr": ("str", lambda n: [f"{i:016x}" for i in range(n)]),
}
"""Each path by a key kind that takes it, and n keys of that kind."""
_LEFT = 16  # mass deletion leaves one key of so many


def _map(path: str, B: int, seed: int, load: float, deleted: bool) -> Map:
    """A map of 2^B buckets at that load; deleted: with most of its keys gone again."""
    kind, keys_of = _PATHS[path]
    n = int(load * 2**B)
    m, keys = Map(kind, seed=seed, hint=full(B)), keys_of(n)
    m.assign_many(keys, range(n))
    if deleted:
        m.delete_many(keys[: n - n // _LEFT])
    return m


def _miss_cells(path: str, s: Shape) -> float:
    """Go's fast paths do not stop at emptyRest (runtime/map_fast64_noswiss.go: mapaccess1_fast64)."""
    return s.miss_cells if path == "generic" else s.miss_cells_fast


@get_steps.model
def cells_and_lines(ctx: Context) -> Finding:
    """Cells and lines of a get by path, in full maps and after mass deletion, by a walk; and what emptyRest saves."""
    return _steps(ctx, 6.5)


def _steps(ctx: Context, load: float) -> Finding:
    B, maps = ctx.scale.pick(test=(11, 1), quick=(12, 3), full=(14, 8))
    shapes: dict[tuple[str, bool], list[Shape]] = {}
    for path in _PATHS:
        for deleted in (False, True):
            ctx.say(f"walking maps of the path {path}", len(shapes) / 7)
            shapes[path, deleted] = [shape(_map(path, B, seed, load, deleted)) for seed in ctx.seeds(maps)]
    hits = {path: _mean(shapes[path, False], "hit_cells") for path in _PATHS}
    off = [path for path, cells in hits.items() if abs(cells - _CELLS) > _WITHIN]
    miss = {key: sum(_miss_cells(key[0], s) for s in found) / len(found) for key, found in shapes.items()}
    ns = _emptyrest(ctx, B)
    return Finding(
        REFUTED if len(off) == len(hits) else UNDECIDED if off else CONFIRMED,
        f"A hit at load {load:g} compares {', '.join(f'{cells:.3f} cells ({path})' for path, cells in hits.items())}; "
        f"real Go's figure is {_CELLS}. After mass deletion a miss compares {miss['generic', True]:.2f} cells on the generic "
        f"path and, where the whole chain is walked, {miss['fast64', True]:.2f} (fast64).",
        numbers=(
            *(Number(f"cells compared a hit, {path}", cells) for path, cells in hits.items()),
            *(Number(f"lines touched a hit, {path}", _mean(shapes[path, False], "hit_lines")) for path in _PATHS),
            *(Number(f"cells compared a miss, {path}{_when(deleted)}", cells) for (path, deleted), cells in miss.items()),
            *(Number(f"miss after mass deletion, emptyrest {name}", value, "ns") for name, value in ns.items()),
        ),
        series=(
            Series(
                "bars",
                "Cells compared a miss",
                "cells",
                tuple({"name": f"{p}{_when(d)}", "value": v, "low": v, "high": v} for (p, d), v in miss.items()),
            ),
        ),
        settings=tuple(_PATHS),
    ).with_(
        workload=Workload(size=full(B), hint=full(B), ops=1 << 18, groups=(Group(mix={"get": 50, "get_miss": 50}),), sample=0)
    )


def _mean(shapes: list[Shape], name: str) -> float:
    return float(sum(getattr(s, name) for s in shapes)) / len(shapes)


def _when(deleted: bool) -> str:
    return ", after mass deletion" if deleted else ""


def _emptyrest(ctx: Context, B: int) -> dict[str, float]:
    """Nanoseconds of a miss after mass deletion, stopping at emptyRest and walking on."""
    found = {}
    for name in ("stop", "walk on"):
        m = Map(seed=ctx.seed, hint=full(B), knobs={"emptyrest": name, "paths": "knobs"})
        m.assign_many(range(full(B)), range(full(B)))
        m.delete_many(range(full(B) - full(B) // _LEFT))
        found[name] = batch_ns(m, -1 - np.random.default_rng(ctx.seed).integers(0, full(B), 1 << 15), repeats=5)
    return found
