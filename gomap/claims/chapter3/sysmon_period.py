"""C3.7-sysmon-period: sysmon wakes every 20 ms and slices are 10 ms."""

from __future__ import annotations

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.scenes import Read, beside_hog, numbers, reading
from gomap.claims.turns import turns, waits_in_a_sample
from gomap.claims.verdict import Finding, Number, Pairs, bars, decide_band, median_interval
from gomap.lab.scheduler import Scheduler


@claim
def sysmon_period() -> Claim:
    return Claim(
        id="C3.7-sysmon-period",
        title="sysmon wakes every 20 ms and slices are 10 ms",
        section="3.3",
        statement=(
            "sysmon wakes every 20 ms and preempts goroutines that have run for over 10 ms, as forcegcperiod and "
            "preemptMSupported determine."
        ),
        article_number="20 ms; 10 ms",
        go_words="partly true",
        real_go=(
            "sysmon sleeps 20 µs at first, and after 50 idle rounds (about 1 ms) doubles that up to 10 ms "
            "(runtime/proc.go: sysmon). The slice is the constant forcePreemptNS of 10 ms. forcegcperiod is the "
            "two-minute timer of the collector, and preemptMSupported only says whether signals can be used. The "
            "slice that is seen is 20 ms all the same: a sysmon that sleeps 10 ms notes a new schedtick at one "
            "wake-up and can act only at the second after it."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="The sleep is 20 µs to 10 ms, adaptive, and the two names govern something else (source).",
            holds="the slice is of that order: waits of 20.28 ms in the median, 20.2 at least, in three builds (G8).",
        ),
        prediction="The median wait is 10 to 21 ms; sysmon wakes hundreds of times a second while there is work at first.",
        knob="sysmon.sleep; slice = 10 ms",
        settings=(Setting("20 µs to 10 ms, adaptive", go=True), Setting("fixed 20 ms", article=True), Setting("fixed 1 ms")),
        workload="One P, one hog, one goroutine that waits; then 1 to 16 hogs and 1 to N Ps.",
        measured=(Quantity("wait", "ns"), Quantity("sysmon wake-ups", "1/s"), Quantity("retakes", "")),
        criterion=Criterion(
            text=(
                "The slice's order of magnitude is confirmed if the median wait lies in 10 to 21 ms; the period of "
                "20 ms is refuted by the count of wake-ups."
            ),
        ),
        needs=frozenset({"scheduler"}),
    )


_SLICE_MS = (10.0, 21.0)
_WAKEUPS, _NEAR = 50.0, 1.1  # a second, at a period of 20 ms


_SLEEPS: dict[str, float | str] = {"adaptive": "adaptive", "20 ms": 20_000.0, "1 ms": 1_000.0}


@sysmon_period.model
def turns_and_wakeups_of_the_model(ctx: Context, sleep: str = "adaptive") -> Finding:
    """The same on the model's scheduler; then the wait at each setting of sysmon's sleep, and beside more hogs."""
    read, waits = numbers(1_000), ctx.scale.pick(test=1, quick=3, full=12)

    def measure(hog: str, seed: int) -> dict[str, float]:
        return _waited(_SLEEPS[sleep], hog, waits, seed, read)

    found = _judged(ctx.pairs("gets", "loop", measure))
    settings = {n: _waited(us, "loop", waits, 1, read)["wait"] for n, us in _SLEEPS.items() if n != "adaptive"}
    many = _waited("adaptive", "loop", waits, 1, read, hogs=4)["wait"]
    return found.with_(
        numbers=(
            *found.numbers,
            *(Number(f"wait where sysmon always sleeps {name}", ms, "ms") for name, ms in settings.items()),
            Number("wait beside four loops", many, "ms"),
        )
    )


def _waited(sleep: float | str, hog: str, waits: int, seed: int, read: Read, *, hogs: int = 1) -> dict[str, float]:
    """The median of so many waits for one P, in milliseconds; and sysmon's rounds a second."""
    r = beside_hog(Scheduler(procs=1, sysmon_sleep_us=sleep, seed=seed), read, hog, waits=waits, hogs=hogs)
    return {"wait": reading(r.response)["p50"] / 1e6, "wakeups": r.scheduler["sysmon_rounds"] / r.elapsed_s}


@sysmon_period.go
def turns_and_wakeups(ctx: Context) -> Finding:
    """How long a goroutine waits for the one P, beside a loop of gets and one without calls, and how often the thread that
    watches over this wakes."""
    go, waits = controls(designs()[0]), waits_in_a_sample(ctx)

    def measure(loop: str, seed: int) -> dict[str, float]:
        t = turns(go, loop, waits)
        wait = {"wait": t.median / 1e6}
        return wait if t.wakeups is None else {**wait, "wakeups": t.wakeups}

    return decided_or_read(sysmon_period.claim, _judged(ctx.pairs("get", "arithmetic", measure)))


def _judged(pairs: Pairs) -> Finding:
    """The slice by its band; the period by the count of wake-ups, which has to lie clearly off one every 20 ms. Only where both
    could be told is there a verdict on the sentence, which says both."""
    slice_ = decide_band(pairs, 0, *_SLICE_MS, "wait beside a loop of gets", unit="ms")
    wait = Number.of_ratio(slice_.numbers[0].name, median_interval(pairs.samples(0)), "ms", headline=True)
    loops = bars("Wait for a turn", "ms", {f"beside {name}": pairs.samples(i) for i, name in enumerate(pairs.settings)})
    if "wakeups" not in pairs.a[0]:
        told = "This system does not count a thread's wake-ups."
        return slice_.with_(verdict=UNDECIDED, reason=f"{slice_.reason} {told}", numbers=(wait,), series=(loops,))
    rate = median_interval([*pairs.samples(0, "wakeups"), *pairs.samples(1, "wakeups")])
    off = rate.low > _NEAR * _WAKEUPS or rate.high < _WAKEUPS / _NEAR
    at = rate.low >= _WAKEUPS / _NEAR and rate.high <= _NEAR * _WAKEUPS
    period = REFUTED if off else CONFIRMED if at else UNDECIDED
    return slice_.with_(
        verdict=period if slice_.verdict == CONFIRMED else UNDECIDED,
        reason=f"{slice_.reason} Meanwhile sysmon wakes {rate} times a second; every 20 ms would be {_WAKEUPS:g}.",
        numbers=(wait, Number.of_ratio("wake-ups of sysmon while one P is busy", rate, "1/s")),
        series=(loops,),
    )
