"""C3.6-spike-chain: hash conflict and queue spin amplify each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from gomap.claims.claim import NOT_MEASURABLE, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.real import controls, decided_or_read
from gomap.claims.registry import claim
from gomap.claims.scenes import numbers, played, reading
from gomap.claims.tails import STORM, sample_ms, tail
from gomap.claims.verdict import SAME_HIGH, SAME_LOW, Finding, Number, Sweep, bars, median_interval
from gomap.claims.walk import full
from gomap.lab.scheduler import Scheduler


@claim
def spike_chain() -> Claim:
    return Claim(
        id="C3.6-spike-chain",
        title="Hash conflict and queue spin amplify each other",
        section="3.2, graph",
        statement=(
            "A hash conflict makes the get walk a bucket chain, which meets globrunqput spinning, which invalidates "
            "cache lines, which makes the spike of the map access worse."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "The steps are independent: a get holds nothing that an operation of the scheduler waits for, nor the "
            "reverse (runtime/map_noswiss.go: mapaccess1; runtime/proc.go: globrunqput). A longer get is more "
            "likely to contain an interrupt or a preemption, in proportion to its length, and that is all."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "Neither side holds anything that the other waits for (source); a storm on the queue does not move "
                "p99 of get (G9), chains move it by their length alone (G4)."
            ),
        ),
        prediction="No interaction beyond length times rate of interruption.",
        knob="chain length by a skewed hash, with storm intensity",
        settings=(Setting("1", go=True), Setting("2"), Setting("4"), Setting("8"), Setting("16")),
        workload="Chain length x storm intensity; fit p99 = f(chain) + g(storm) + h(chain x storm).",
        measured=(Quantity("get p99", "ns"), Quantity("interaction term", "ns")),
        criterion=Criterion(
            text="Refuted if the interaction term is zero within noise, or equal to length x rate of interruption.",
        ),
        needs=frozenset({"map", "scheduler"}),
    )


_B = 10
_SETTINGS = {
    "short chains, alone": (full(_B) // 2 + 1, False),
    "short chains, in a storm": (full(_B) // 2 + 1, True),
    "long chains, alone": (full(_B), False),
    "long chains, in a storm": (full(_B), True),
}
"""Entries in as many buckets, and whether 1,024 goroutines yield beside: at load 6.5 a fifth of the chains have an overflow
bucket, at half of it next to none."""


@spike_chain.go
def chains_and_storm(ctx: Context) -> Finding:
    """p99 of gets in the same array at half load and full, alone and in a storm. Real Go cannot be given longer chains, so that
    this is no verdict."""
    go, ms = controls("classic"), sample_ms(ctx)

    def measure(setting: tuple[int, bool], seed: int) -> float:
        size, storm = setting
        return tail(go, STORM if storm else {}, ms, size=size, hint=full(_B))["p99"]

    sweep = ctx.sweep([*_SETTINGS.values()], measure, ctx.scale.pairs, names=[*_SETTINGS])
    return decided_or_read(spike_chain.claim, _told(sweep))


def _told(sweep: Sweep) -> Finding:
    short, short_storm, long, long_storm = (np.array(sweep.of(i)) for i in range(4))
    together = median_interval(list((long_storm - long) - (short_storm - short)))
    return Finding(
        UNDECIDED,
        f"p99 of get, chains and storm together beyond the sum of both: {together} ns.",
        numbers=(
            Number.of_ratio("p99 of get, chains and storm together beyond the sum of both", together, "ns"),
            *(Number.of_ratio(f"p99 of get, {n}", median_interval(sweep.of(i)), "ns") for i, n in enumerate(sweep.settings)),
        ),
        series=(bars("p99 of get", "ns", {n: sweep.of(i) for i, n in enumerate(sweep.settings)}),),
        settings=sweep.settings,
    )


_CHAINS = (1, 4, 16)


def _knobs(chain: int) -> dict[str, Any]:
    """Of a map whose chains are so many times Go's; one run by the same machine code where they are Go's."""
    return {"hash": "skewed", "chain": chain} if chain > 1 else {"paths": "knobs"}


@spike_chain.model
def chains_and_storm_of_the_model(ctx: Context) -> Finding:
    """p99 inside gets, by chains of so many times Go's length, alone and beside 1,024 goroutines that yield."""
    gets = ctx.scale.pick(test=20_000, quick=60_000, full=500_000)
    reads = {chain: numbers(full(_B), knobs=_knobs(chain)) for chain in _CHAINS}

    def measure(setting: tuple[int, int], seed: int) -> float:
        chain, yielders = setting
        r = played(Scheduler(seed=seed), reads[chain], observer="gets", yielders=yielders, observations=gets, duration_s=5.0)
        return reading(r.service)["p99"]

    settings = [(chain, yielders) for chain in _CHAINS for yielders in (0, STORM["yielding"])]
    names = [f"chains x {chain}, {'in a storm' if yielders else 'alone'}" for chain, yielders in settings]
    return _without_interaction(ctx.sweep(settings, measure, ctx.scale.pick(test=3, quick=8, full=15), names=names))


def _without_interaction(sweep: Sweep) -> Finding:
    """Refuted if what chains and storm take together is what each takes alone, put together, within 5 % either way."""
    short, short_storm = np.array(sweep.of(0)), np.array(sweep.of(1))
    together = {
        chain: median_interval(list(np.array(sweep.of(2 * i + 1)) / (np.array(sweep.of(2 * i)) + short_storm - short)))
        for i, chain in enumerate(_CHAINS)
        if i
    }
    same = all(r.low >= SAME_LOW and r.high <= SAME_HIGH for r in together.values())
    wide = any(r.high > 1.10 * r.low for r in together.values())
    told = ", ".join(f"{r} with chains x {chain}" for chain, r in together.items())
    return Finding(
        REFUTED if same else NOT_MEASURABLE if wide else UNDECIDED,
        f"p99 of gets in a storm, by what chains and storm alone add up to: {told}; without interaction it is 1.",
        numbers=(
            *(Number.of_ratio(f"p99 of get by the sum of both alone, chains x {c}", r) for c, r in together.items()),
            *(Number.of_ratio(f"p99 of get, {n}", median_interval(sweep.of(i)), "ns") for i, n in enumerate(sweep.settings)),
        ),
        series=(bars("p99 of get", "ns", {n: sweep.of(i) for i, n in enumerate(sweep.settings)}),),
        settings=sweep.settings,
    )
