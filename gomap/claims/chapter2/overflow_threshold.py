"""C2.3-overflow-threshold: A map splits at 2^15 overflow buckets."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, Series
from gomap.claims.walk import full
from gomap.lab.workload import Group, Workload
from gomap.map import Map


@claim
def overflow_threshold() -> Claim:
    return Claim(
        id="C2.3-overflow-threshold",
        title="A map splits at 2^15 overflow buckets",
        section="2.1, list of triggers",
        statement="Buckets also split when there are too many overflow buckets: overflow >= 2^15.",
        article_number="2^15",
        go_words="partly true",
        real_go=(
            "tooManyOverflowBuckets (runtime/map_noswiss.go): noverflow >= 2^min(B,15), so the limit is 2^15 only "
            "from B = 15 on; a map of 16 buckets reacts to 16. And it starts a same-size growth, not a split. "
            "noverflow is a uint16, exact below B = 16, above that raised with probability 1/2^(B-15) "
            "(incrnoverflow). Swiss has no overflow buckets; pruneTombstones acts when tombstones reach 10 % of the "
            "capacity and the table is full."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="The limit is 2^min(B,15), and what it starts is a copy to the same size (source).",
            holds="from B = 15 on the limit is 2^15.",
        ),
        prediction=(
            "The first same-size growth comes at noverflow = 2^B for every B below 15. Under the article's rule "
            "small maps grow chains without bound."
        ),
        knob="overflow_limit",
        settings=(Setting("2^min(B,15)", go=True, article=True), Setting("2^15", article=True), Setting("off")),
        workload=(
            "Churn (insert new, delete old) at constant size for B = 4 to 16, with a good hash and with one skewed "
            "to few buckets."
        ),
        measured=(
            Quantity("noverflow at the first same-size growth", ""),
            Quantity("same-size growths", ""),
            Quantity("live overflow buckets", ""),
            Quantity("bytes", "B"),
            Quantity("get p50, p99 over time", "ns"),
        ),
        criterion=Criterion(
            text=(
                "Go's rule is confirmed if the first same-size growth comes at noverflow = 2^B for B < 15. The "
                "article's has to show unbounded chains for small B."
            ),
        ),
    )


_GO = {"overflow_limit": "go", "paths": "knobs"}
_ARTICLE = {"overflow_limit": "2^15"}
_ARTICLES_LIMIT = 2**15
_SMALL_B = 6


class _Start(NamedTuple):
    """A growth: B before and after, noverflow when it started. None happened: `to_B` is None and noverflow the last."""

    B: int
    to_B: int | None
    noverflow: int


class _Left(NamedTuple):
    """After so many turnovers: overflow buckets a bucket, the longest chain, and the map's memory in bytes."""

    turnovers: int
    overflow: float
    longest: int
    memory: int


class _Churn:
    """A map of 2^B buckets at constant size: the oldest keys go, new ones come, away from the load limit."""

    def __init__(self, B: int, seed: int, knobs: Mapping[str, Any]) -> None:
        self.map = Map(seed=seed, hint=full(B), knobs=knobs)
        self.B, self.room, self.next = B, max(1, full(B) // 16), full(B)
        self.size = full(B) - self.room
        self.map.assign_many(range(self.room, self.next), range(self.size))

    def turn(self, n: int) -> None:
        """n new keys, and as many old ones out; n at most `room`."""
        m = self.map
        m.assign_many(range(self.next, self.next + n), range(n))
        m.delete_many(range(self.next - self.size, self.next - self.size + n))
        self.next += n

    def first_growth(self, most_turnovers: int) -> _Start:
        """Churns until a growth starts. One insert makes one overflow bucket at most, so that no step is larger than what is
        left to either limit and the step that starts a growth is a single insert."""
        limits = (2 ** min(self.B, 15), _ARTICLES_LIMIT)
        end = self.next + most_turnovers * self.size
        while self.next < end:
            before = self.map.header.noverflow
            gap = min((limit - before for limit in limits if limit > before), default=0)
            self.turn(max(1, min(gap, self.room)) if before not in limits else 1)
            started = [e for e in self.map.events() if e.kind == "grow_start"]
            if started:
                return _Start(started[0].from_B, started[0].to_B, before)
        return _Start(self.B, None, self.map.header.noverflow)


def _unbounded_load(seed: int, knobs: Mapping[str, Any]) -> _Start:
    """Fills a map that knows no load limit, so that only overflow buckets can start a growth: where it does."""
    m = Map(seed=seed, hint=full(10), knobs={**knobs, "load_limit": "unlimited"})
    n = noverflow = 0
    while not (started := [e for e in m.events() if e.kind == "grow_start"]) and n < 16 * _ARTICLES_LIMIT:
        noverflow = m.header.noverflow
        step = max(1, min(abs(limit - noverflow) for limit in (2**10, _ARTICLES_LIMIT)))
        m.assign_many(range(n, n + step), range(step))
        n += step
    return _Start(10, started[0].to_B if started else None, noverflow)


@overflow_threshold.model
def first_copies(ctx: Context) -> Finding:
    """Where the first growth of a map at constant size comes, for each B; and what the article's rule would leave behind."""
    return _limits(ctx, _GO)


def _limits(ctx: Context, knobs: Mapping[str, Any]) -> Finding:
    most_B, turnovers = ctx.scale.pick(test=(7, 100), quick=(10, 200), full=(13, 400))
    starts = []
    for B in range(4, most_B + 1):
        ctx.say(f"churning a map of 2^{B} buckets", (B - 4) / (most_B - 2))
        starts.append(_Churn(B, ctx.seed + B, knobs).first_growth(turnovers))
    unbounded = _unbounded_load(ctx.seed, knobs)
    at_limit = sum(s.to_B == s.B and s.noverflow == 2**s.B for s in (*starts, unbounded))
    at_article = sum(s.to_B is not None and s.noverflow == _ARTICLES_LIMIT for s in (*starts, unbounded))
    early = sum(s.to_B is not None and s.noverflow < _ARTICLES_LIMIT for s in (*starts, unbounded))
    ctx.say("churning under both rules", 0.95)
    small = {name: _left(ctx, k) for name, k in (("2^min(B,15)", _GO), ("2^15", _ARTICLE))}
    judged = _judged(len(starts) + 1, at_limit, at_article, early, unbounded)
    return judged.with_(
        reason=f"{judged.reason} {_chains(small['2^15'], small['2^min(B,15)'])}",
        numbers=(
            Number("maps whose first growth came at noverflow = 2^B, to the same size", at_limit),
            Number("maps whose first growth came at noverflow = 2^15", at_article),
            Number("maps", len(starts) + 1),
            *(Number(f"overflow buckets a bucket after churn, {name}", left[-1].overflow) for name, left in small.items()),
            *(Number(f"longest chain after churn, {name}", left[-1].longest, "buckets") for name, left in small.items()),
            *(Number(f"memory after churn, {name}", left[-1].memory, "B") for name, left in small.items()),
        ),
        series=(
            Series(
                "lines",
                f"Overflow buckets of a map of {2**_SMALL_B} buckets by turnovers at constant size",
                "a bucket",
                tuple({"name": name, "x": t.turnovers, "y": t.overflow} for name, left in small.items() for t in left),
            ),
        ),
        settings=(str(knobs["overflow_limit"]),),
        workload=Workload(
            size=full(8) * 15 // 16,
            ops=ctx.scale.pick(test=20_000, quick=200_000, full=2_000_000),
            hint=full(8),
            groups=(Group(mix={"assign_new": 50, "delete": 50}),),
            knobs=knobs,
        ),
    )


def _judged(maps: int, at_limit: int, at_article: int, early: int, unbounded: _Start) -> Finding:
    """The claim names 2^15 for every map. A growth below that refutes it; it holds if none is, and there is one at 2^15."""
    verdict = REFUTED if early else CONFIRMED if at_article else UNDECIDED
    return Finding(
        verdict,
        f"Of {maps} maps of 2^4 buckets and more {at_limit} first grew at noverflow = 2^B exactly, to the same size, {early} "
        f"in all below 2^15 and {at_article} at 2^15; without a load limit a map of 1,024 buckets does at "
        f"{unbounded.noverflow:,}.",
    )


def _chains(article: list[_Left], go: list[_Left]) -> str:
    rising = all(a.overflow < b.overflow for a, b in itertools.pairwise(article))
    return (
        f"Under the article's rule {article[-1].turnovers:,} turnovers leave {article[-1].overflow:.2f} overflow buckets a "
        f"bucket in a map of {2**_SMALL_B} buckets, {'more each time that was looked' if rising else 'no more than before'}; "
        f"under Go's {go[-1].overflow:.2f}."
    )


def _left(ctx: Context, knobs: Mapping[str, Any]) -> list[_Left]:
    """What churn leaves in a map of 2^_SMALL_B buckets that never holds more than its limit. The map ends where it began:
    whatever else it has been given is what the rule lets chains become."""
    churn = _Churn(_SMALL_B, ctx.seed, knobs)
    done, found = 0, []
    for turnovers in ctx.scale.pick(test=(1, 8, 64), quick=(1, 8, 64, 512), full=(1, 8, 64, 512, 4096)):
        while done < turnovers * churn.size:
            churn.turn(churn.room)
            done += churn.room
        chains = [len(churn.map.chain(i)) for i in range(2**churn.map.header.B)]
        found.append(_Left(turnovers, sum(chains) / len(chains) - 1, max(chains), churn.map.header.memory))
    return found
