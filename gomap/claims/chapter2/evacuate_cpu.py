"""C2.6-evacuate-cpu: evacuate takes 41 % of the CPU under heavy writes."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence

from gomap.claims.claim import CONFIRMED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, Pairs, Sweep, bars, decide_band, decide_pairs
from gomap.lab.compare import Ratio
from gomap.lab.result import Result
from gomap.lab.workload import Group, Workload


@claim
def evacuate_cpu() -> Claim:
    return Claim(
        id="C2.6-evacuate-cpu",
        title="evacuate takes 41 % of the CPU under heavy writes",
        section="2.1, last sentence",
        statement=(
            "With frequent writes evacuate takes 41 % of the CPU time, so that the splitting strategy decides throughput."
        ),
        article_number="41 %",
        go_words="true for pure growth, false in general",
        real_go=(
            "Every assign and delete during a growth calls growWork, which evacuates at most two buckets "
            "(runtime/map_noswiss.go: growWork, evacuate). In a profile of real classic Go that grows from empty, "
            "evacuate has 42 % of the samples in the article's own loop, 39 % for int and 58 % for ready string "
            "keys; at constant size 2.5 to 3.4 %, in a presized map 0. Swiss, rehash and split: 41, 27, 49 %, then "
            "about 1 and 0."
        ),
        go_by_source=SourceVerdict(
            "confirmed",
            evidence=(
                "42, 39 and 58 % of CPU samples for the article's loop, int and string keys (G6; a second run gave "
                "41, 45 and 55)."
            ),
            limits="Only while the map does nothing but grow: 2.5 to 3.4 % at constant size, 0 when presized.",
        ),
        prediction=(
            "30 to 55 % of the time in a map that only grows, under 5 % at constant size, none when presized; "
            "presizing wins back at least two thirds of it as throughput."
        ),
        knob="presize; workload (grow only, constant size)",
        settings=(Setting("none", go=True), Setting("n")),
        workload=(
            "Insert new keys only, into a map made for nothing and one made for all of them; churn at constant "
            "size; and a sweep of the share of inserts that add net entries, from 0 to 100 %."
        ),
        measured=(
            Quantity("time in evacuation", "%"),
            Quantity("time in array allocation", "%"),
            Quantity("throughput", "1/s"),
        ),
        criterion=Criterion(
            text=(
                "Confirmed if evacuation takes 30 to 55 % in the growth-only run; the generalisation is refuted if "
                "it is under 5 % at constant size. Presizing has to win back at least two thirds of the share."
            ),
        ),
        remedy=("R1",),
    )


_EVACUATING = ("evacuation", "second_evacuation")
_ELSEWHERE = ("preempted", "page_fault")
_LOW, _HIGH, _CONSTANT = 30.0, 55.0, 5.0
_RECOVERED = 2 / 3
_LOOP = 65_536  # entries: the article's own loop (C1.3)
_PERCENTS = (0, 25, 50, 100)


def _shares(results: Sequence[Result]) -> dict[str, float]:
    """Per cent of the time of assigns and deletes by what it went to. Left out: the clock's own cost, which is in each
    operation, the time when somebody else had the CPU, and page faults: the runtime's heap recycles its pages."""
    spent: Counter[str] = Counter()
    clock_ns = 0.0
    for r in results:
        for kind in r.cause_tables:
            spent.update(r.time_by_cause(kind))
        clock_ns += r.clock.cost_ns * sum(h.count for h in r.latency.values())
    busy = sum(spent.values()) - sum(spent[cause] for cause in _ELSEWHERE) - clock_ns
    return {
        "evacuation": 100 * sum(spent[cause] for cause in _EVACUATING) / busy,
        "array allocation": 100 * spent["array_allocation"] / busy,
        "page faults, of all": 100 * spent["page_fault"] / sum(spent.values()),
    }


def _measure(ctx: Context, w: Workload, seed: int, runs: int) -> dict[str, float]:
    """Throughput without timing, which would slow what it looks at, and shares with it. One run is a few milliseconds, so that
    a sample is the middle one of several, or their sum."""
    untimed = w.with_(sample=0, attribution=False)
    seeds = [seed ^ i for i in range(runs)]
    throughput = statistics.median(ctx.run(untimed, s).throughput for s in seeds)
    return {"throughput": throughput, **_shares([ctx.run(w, s) for s in seeds])}


def _net_growth(percent: int, first_B: int) -> Workload:
    """Inserts of which so many per cent stay, the others being balanced by deletes. It begins and ends with a map that is
    nearly full, two doublings apart, so that every share sees whole growths. 0: constant size, away from the limit."""
    full = 13 * 2**first_B // 2
    inserts = 3 * full * 100 // (percent or 50)
    deletes = inserts * (100 - percent) // 100
    total = inserts + deletes
    mix = {"assign_new": 100 * inserts / total, "delete": 100 * deletes / total}
    return Workload(size=full - 1 if percent else full * 3 // 4, ops=total, groups=(Group(mix=mix),))


@evacuate_cpu.model
def growing_and_presized(ctx: Context) -> Finding:
    """The share of evacuation while a map only grows, and what presizing wins back; beside it constant size, and between."""
    runs = ctx.scale.pick(test=2, quick=4, full=8)
    growing = Workload(ops=_LOOP, groups=(Group(mix={"assign_new": 100}),))
    pairs = ctx.pairs(
        growing,
        growing.with_(hint=_LOOP),
        lambda w, seed: _measure(ctx, w, seed, runs),
        names=("hint 0", "hint n"),
    )
    first_B = ctx.scale.pick(test=8, quick=10, full=12)
    sweep = ctx.sweep(
        [_net_growth(p, first_B) for p in _PERCENTS],
        lambda w, seed: _shares([ctx.run(w, seed ^ i) for i in range(runs)]),
        names=[f"{p} % stay" for p in _PERCENTS],
    )
    share = decide_band(pairs, 0, _LOW, _HIGH, "time in evacuation while a map only grows", metric="evacuation", unit="%")
    won = decide_pairs(pairs, "throughput", two_valued=True, metric="throughput", unit="1/s")
    return _judged(pairs, sweep, share, won).with_(workload=growing)


def _judged(pairs: Pairs, sweep: Sweep, share: Finding, won: Finding) -> Finding:
    """The claim's own criterion: the share decides; what presizing wins, and constant size, tell how far it goes."""
    due = 1 / (1 - _RECOVERED * statistics.median(pairs.samples(0, "evacuation")) / 100)
    constant = statistics.median(sweep.of(0, "evacuation"))
    monotone = sweep.monotone(True, "evacuation")
    reason = (
        f"{share.reason} At constant size it is {constant:.2g} %, {'' if constant < _CONSTANT else 'not '}under "
        f"{_CONSTANT:g} %; it {'rises' if monotone else 'does not rise steadily'} with the share of inserts that stay. "
        f"{_presizing(pairs.effect('throughput'), due)}"
    )
    extra = {name: statistics.median(pairs.samples(0, name)) for name in ("array allocation", "page faults, of all")}
    return share.with_(
        verdict=share.verdict if monotone or share.verdict != CONFIRMED else UNDECIDED,
        reason=reason,
        numbers=(
            *share.numbers,
            Number("time in evacuation at constant size", constant, "%"),
            *(Number(f"time in {name}", value, "%") for name, value in extra.items()),
            Number("throughput that two thirds of the share would give", due, "x"),
            *won.numbers,
        ),
        series=(
            bars(
                "Time in evacuation by the share of inserts that stay",
                "%",
                {name: sweep.of(i, "evacuation") for i, name in enumerate(sweep.settings)},
            ),
            *won.series,
        ),
    )


def _presizing(effect: Ratio, due: float) -> str:
    got = "which is" if effect.low >= due else "which is not" if effect.high < due else "which may or may not be"
    return f"Presizing makes throughput {effect} times what it was, {got} the {due:.3g} of two thirds of that share."
