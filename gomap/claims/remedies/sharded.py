"""R3-sharded: split the map into shards with a lock each."""

from __future__ import annotations

import statistics

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.parts import GOROUTINES_RATE, THREADS_RATE, Runner, beside_writer, gathered, on_go, on_model, too_slow
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, Sweep, bars, decide_pairs
from gomap.lab.histogram import TooFewSamples
from gomap.lab.keystreams import Zipf
from gomap.lab.workload import Workload


@claim
def sharded() -> Claim:
    return Claim(
        id="R3-sharded",
        title="Split the map into shards with a lock each",
        section="1, root cure; 4.1",
        statement="Split the map into shards, so that writers and readers meet less often.",
        article_number=None,
        go_words="helps",
        real_go=(
            "Every shard is a map and a sync.RWMutex of its own; a growth in one holds up only its readers. The "
            "rare reader that does meet a lock still sleeps on readerSem (sync/rwmutex.go: RLock)."
        ),
        go_by_source=SourceVerdict(
            "confirmed",
            evidence=(
                "With 64 shards beside a growing writer, get p99 goes from 4.9 µs to 80 ns and p99.9 from 5.2-9.8 "
                "to 0.14 µs (G2)."
            ),
            limits="p99.99 is 60 µs: the rare reader that meets a lock still sleeps (G2). Zipf keys gain less.",
        ),
        prediction="p99.9 of reads that overlap growth falls roughly with the number of shards; with Zipf keys much less.",
        knob="shards; padding (on, off)",
        settings=(Setting("1", go=True), Setting("4"), Setting("16"), Setting("64"), Setting("256")),
        workload="Uniform and Zipf keys, a growing writer, readers.",
        measured=(Quantity("get p99.9, max", "ns"), Quantity("lock waits", ""), Quantity("longest hold", "ns")),
        criterion=Criterion(
            text=(
                "Helps if p99.9 of reads that overlap growth falls roughly with 1/shards; with Zipf keys much less is expected."
            ),
        ),
    )


_SHARDS = (1, 4, 16, 64, 256)
_FAR = 3  # of these have to show the response; with all five, a quick run found the flat end not monotone
_MANY = _SHARDS[_FAR - 1]
_NAMES = ("1 shard", f"{_MANY} shards")
_ROUGHLY = 2.0  # within this factor of 1/shards


def _seconds(ctx: Context) -> float:
    return ctx.scale.pick(test=0.02, quick=0.04, full=0.25)


def _measured(run: Runner, w: Workload, seed: int) -> dict[str, float]:
    gets, r = gathered(run, w, seed, "get", 99.9)
    found: dict[str, float] = {
        "p99.9": gets.percentile(99.9),
        "max": gets.max_ns,
    }
    if "read_waits" in r.counters:  # Go does not tell
        found["read waits in a million"] = 1e6 * r.counters["read_waits"]["total"] / r.operations["get"]
    return found


def _beside_writer(ctx: Context, run: Runner, rate: float) -> Finding:
    """p99.9 of gets beside a growing writer: one shard against many, and over their number."""
    one = beside_writer(_seconds(ctx), rate, variant="sharded", shards=1, attribution=False)

    def measured(w: Workload, seed: int) -> dict[str, float]:
        return _measured(run, w, seed)

    pairs = ctx.pairs(one, one.with_(shards=_MANY), measured, names=_NAMES)
    sweep = ctx.sweep([one.with_(shards=n) for n in _SHARDS], measured, names=[f"{n} shards" for n in _SHARDS])
    as_far = Sweep(sweep.settings[:_FAR], sweep.samples[:_FAR])  # beyond it a get costs what it costs, whatever the number
    found = decide_pairs(
        pairs, "p99.9 of get", threshold=_MANY / _ROUGHLY, rising=False, sweep=as_far, metric="p99.9", unit="ns"
    )
    by_shards = {name: sweep.of(i, "p99.9") for i, name in enumerate(sweep.settings)}
    waits = [
        Number(f"{what}, {name}", statistics.median(pairs.samples(i, what)))
        for what in list(pairs.a[0])[1:]
        for i, name in enumerate(pairs.settings)
    ]
    return found.with_(
        numbers=(*found.numbers, *waits),
        series=(*found.series, bars("p99.9 of get by shards", "ns", by_shards)),
        settings=sweep.settings,
        workload=one.with_(shards=_MANY),
    )


def _zipf(ctx: Context, run: Runner, rate: float, found: Finding) -> Finding:
    """The same with keys of which few are most of all that is read: less is to be expected."""
    skewed = beside_writer(_seconds(ctx), rate, keys=Zipf(0.99), variant="sharded", shards=1, attribution=False)
    pairs = ctx.pairs(skewed, skewed.with_(shards=_MANY), lambda w, seed: _measured(run, w, seed)["p99.9"], 3, names=_NAMES)
    return found.with_(numbers=(*found.numbers, Number.of_ratio("p99.9 of get, Zipf keys, effect", pairs.effect())))


def _decided(ctx: Context, run: Runner, rate: float) -> Finding:
    try:
        return _zipf(ctx, run, rate, _beside_writer(ctx, run, rate))
    except TooFewSamples as few:
        return too_slow(beside_writer(1.0, rate, variant="sharded", shards=_MANY), few, _NAMES)


@sharded.model
def reads_beside_a_writer(ctx: Context) -> Finding:
    """Over the number of shards, in the model."""
    return _decided(ctx, on_model(ctx), THREADS_RATE)


@sharded.go
def reads_beside_a_writer_in_go(ctx: Context) -> Finding:
    """The same in real Go."""
    return _decided(ctx, on_go(ctx), GOROUTINES_RATE)
