"""C2.4-grow-test-code: the growth test adds overflow buckets to the count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gomap.claims.claim import REFUTED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.registry import claim
from gomap.claims.timing import batch_ns
from gomap.claims.verdict import Finding, Number, Series, decide_exact
from gomap.claims.walk import CELLS, Shape, full, shape
from gomap.lab.workload import Group, Workload
from gomap.map import Map


@claim
def grow_test_code() -> Claim:
    return Claim(
        id="C2.4-grow-test-code",
        title="The growth test adds overflow buckets to the count",
        section="2.1, code block",
        statement=(
            "The test in runtime/map.go is: if the map is not growing and h.count + h.extra.noverflow >= 1 << (h.B "
            "+ 3), then growWork(h, bucket)."
        ),
        article_number="8 x 2^B",
        go_words="false",
        real_go=(
            "There is no such line. noverflow is a field of hmap, not of extra; the two tests (overLoadFactor, "
            "tooManyOverflowBuckets) are separate; the action is hashGrow, and growWork runs only when a growth is "
            "already under way (runtime/map_noswiss.go: mapassign). The quoted formula would let the load rise to "
            "about 7.6 (7.64 entries and 0.36 overflow buckets make 8)."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="The quoted code is not in Go's source.",
        ),
        prediction=(
            "Under the article's test a map grows at a load of about 7.6, with an overflow share of about 35 %: the "
            "article's own 34 % (C2.5)."
        ),
        knob="grow_test",
        settings=(Setting("go", go=True), Setting("article", article=True)),
        workload="The same stream of inserts under both tests.",
        measured=(
            Quantity("load at growth", ""),
            Quantity("buckets with an overflow bucket", "%"),
            Quantity("hit and miss", "ns"),
            Quantity("bytes", "B"),
        ),
        criterion=Criterion(
            text="Refuted by source. The run shows what the article's 34 % could mean.",
        ),
    )


_GO = {"grow_test": "go", "paths": "knobs"}
_ARTICLE = {"grow_test": "article"}
_ASKED = 1 << 16


class _Full(NamedTuple):
    """A map as it is when one key more doubles it. `by_article`: whether the article's sum has been reached."""

    map: Map
    shape: Shape
    by_article: bool

    @property
    def load(self) -> float:
        return len(self.map) / self.shape.buckets


def _doubles_at(B: int, seed: int, knobs: Mapping[str, Any]) -> int:
    """How many entries a map of 2^B buckets takes before one more doubles it. An insert adds at most one to the count and one
    overflow bucket, so that no step passes either test before its last key."""
    m = Map(seed=seed, hint=full(B), knobs=knobs)
    while True:
        h = m.header
        step = max(1, min(((CELLS << B) - h.count - h.noverflow) // 2, abs(full(B) - h.count)))
        m.assign_many(range(h.count, h.count + step), range(step))
        if m.header.B > B:
            return h.count


def _filled(B: int, seed: int, knobs: Mapping[str, Any]) -> _Full:
    """The same seed and the same keys again, up to the last before the map doubles."""
    n = _doubles_at(B, seed, knobs)
    m = Map(seed=seed, hint=full(B), knobs=knobs)
    m.assign_many(range(n), range(n))
    return _Full(m, shape(m), m.header.count + m.header.noverflow >= CELLS << B)


@grow_test_code.model
def both_tests(ctx: Context) -> Finding:
    """Maps filled until they double, under both tests; the claim is on which of them Go's are."""
    return _compare(ctx, _GO)


def _compare(ctx: Context, knobs: Mapping[str, Any]) -> Finding:
    sizes = ctx.scale.pick(test=(8, 9), quick=(9, 10, 11, 12), full=(9, 10, 11, 12, 13, 14))
    maps: dict[str, list[_Full]] = {"go": [], "article": []}
    for i, B in enumerate(sizes):
        ctx.say(f"filling maps of 2^{B} buckets until they double", i / len(sizes))
        for name, k in (("go", knobs), ("article", _ARTICLE)):
            maps[name].append(_filled(B, ctx.seed + B, k))
    by_article = sum(m.by_article for m in maps["go"])
    found = decide_exact("doublings only when count + noverflow has reached 8 x 2^B", by_article, len(maps["go"]))
    ctx.say("looking keys up in both", 0.9)
    load, share = ({name: figure(found) for name, found in maps.items()} for figure in (_load, _share))
    hit, miss = ({name: _ns(ctx, found[-1].map, absent) for name, found in maps.items()} for absent in (False, True))
    holds = "" if found.verdict != REFUTED else f" Go's doubles at a load of {load['go']:.2f}."
    return found.with_(
        reason=f"{found.reason}{holds} Under the article's test a map doubles at a load of {load['article']:.2f} with an "
        f"overflow bucket in {share['article']:.1f} % of the buckets (at Go's: {share['go']:.1f} %): that is what the "
        "article's 34 % can mean.",
        numbers=(
            *found.numbers,
            *(Number(f"load at growth, {name}", load[name]) for name in maps),
            *(Number(f"buckets with an overflow bucket, {name}", share[name], "%") for name in maps),
            *(Number(f"hit, {name}", hit[name], "ns") for name in maps),
            *(Number(f"miss, {name}", miss[name], "ns") for name in maps),
            *(Number(f"memory an entry, {name}", ms[-1].map.header.memory / len(ms[-1].map), "B") for name, ms in maps.items()),
        ),
        series=(
            Series(
                "lines",
                "Load at which a map doubles",
                "entries a bucket",
                tuple({"name": name, "x": B, "y": m.load} for name, ms in maps.items() for B, m in zip(sizes, ms, strict=True)),
            ),
        ),
        settings=tuple(maps),
        workload=Workload(ops=full(sizes[-1]) * 2, groups=(Group(mix={"assign_new": 100}),), knobs=_ARTICLE),
    )


def _load(maps: Sequence[_Full]) -> float:
    """Of the largest map, which is the nearest to the mean."""
    return maps[-1].load


def _share(maps: Sequence[_Full]) -> float:
    return 100 * maps[-1].shape.with_overflow / maps[-1].shape.buckets


def _ns(ctx: Context, m: Map, absent: bool) -> float:
    """The median time of a get in a batch, of keys that are there or not."""
    rng = np.random.default_rng(ctx.seed)
    keys = rng.integers(0, len(m), _ASKED)
    return batch_ns(m, -1 - keys if absent else keys, repeats=5)
