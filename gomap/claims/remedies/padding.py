"""R5-padding: pad or align what is shared."""

from __future__ import annotations

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.headers import Beside, get_beside
from gomap.claims.parts import all_of, apart, no_dearer
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, decide_pairs, median_interval
from gomap.lab.workload import Group, Workload


@claim
def padding() -> Claim:
    return Claim(
        id="R5-padding",
        title="Pad or align what is shared",
        section="2.3 and 4.1",
        statement="Pad or align: buckets, keys, map headers, indices of queues.",
        article_number=None,
        go_words="helps for headers",
        real_go=(
            "A header of 56 bytes (1.25 classic) gets a slot of 64 from the allocator (runtime/sizeclasses.go) and "
            "shares its line with no other; one of 48 does not. Padded buckets make a larger table, which costs "
            "cache."
        ),
        go_by_source=SourceVerdict(
            "undecided",
            evidence=(
                "A 64-byte slot for headers removes a slowdown by 2 (G12). That padding costs no more than 5 % "
                "where nothing was shared has no control run."
            ),
            holds="padding headers that several cores write helps.",
        ),
        prediction="Headers: at least 10 % faster where a line was shared. Buckets: no gain, for the table grows.",
        knob="padding",
        settings=(Setting("natural", go=True), Setting("padded")),
        workload="Each padded variant against the natural one, in time and in memory, in cache and beyond.",
        measured=(Quantity("get", "ns"), Quantity("bytes", "B")),
        criterion=Criterion(
            text="Helps if time falls at least 10 % where lines were shared and does not rise over 5 % where they were not.",
        ),
    )


_RISE = 1.05


def _ns(ctx: Context, w: Workload, seed: int) -> dict[str, float]:
    """Nanoseconds an operation of one thread, and what the map holds."""
    r = ctx.run(w, seed)
    return {"ns": w.threads * 1e9 / r.throughput, "bytes": float(r.counters["memory"])}


def _sharing(ctx: Context) -> Workload:
    """Two threads that write to different shards mostly, whose locks and headers lie side by side."""
    ops = ctx.scale.pick(test=60_000, quick=200_000, full=2_000_000)
    mix = {"assign": 50, "get": 50}
    groups = apart(Group(mix=mix), Group(mix=mix))
    return Workload("sharded", groups, size=1_000, ops=ops, shards=64, sample=0, attribution=False)


def _alone(ctx: Context, size: int) -> Workload:
    """One thread that reads: nothing is shared."""
    ops = ctx.scale.pick(test=60_000, quick=300_000, full=1_200_000)
    return Workload(size=size, ops=ops, knobs={"paths": "knobs"}, sample=0, attribution=False)


@padding.model
def shared_and_not(ctx: Context) -> Finding:
    """Locks and headers of shards, and headers of two maps, on lines of their own, which two threads share; buckets on lines of
    their own, which one thread reads, in cache and beyond."""
    names = ("natural", "padded")

    def ns(w: Workload, seed: int) -> dict[str, float]:
        return _ns(ctx, w, seed)

    sharing = _sharing(ctx)
    shared = ctx.pairs(sharing, sharing.with_(layout="padded"), ns, names=names)
    headers = ctx.pairs(Beside(apart=48), Beside(apart=64), get_beside, names=names)
    parts = [
        decide_pairs(shared, "operation, headers of shards shared", rising=False, two_valued=True, unit="ns"),
        decide_pairs(headers, "get beside a writer, headers of maps shared", rising=False, two_valued=True, unit="ns"),
    ]
    numbers: list[Number] = []
    for where, size in (("in cache", 1_000), ("beyond it", ctx.scale.pick(test=20_000, quick=100_000, full=1_000_000))):
        w = _alone(ctx, size)
        lines = {**(w.knobs or {}), "bucket_stride": "aligned 64"}
        pairs = ctx.pairs(w, w.with_(knobs=lines), ns, names=names)
        parts.append(no_dearer(pairs, f"get, buckets {where}", _RISE))
        numbers.append(Number.of_ratio(f"bytes, buckets {where}, effect", pairs.effect("bytes")))
        numbers += [
            Number.of_ratio(f"get, buckets {where}, {n}", median_interval(pairs.samples(i)), "ns") for i, n in enumerate(names)
        ]
    numbers.append(Number.of_ratio("bytes, headers of shards, effect", shared.effect("bytes")))
    found = all_of(parts)
    return found.with_(numbers=(*found.numbers, *numbers), workload=sharing)
