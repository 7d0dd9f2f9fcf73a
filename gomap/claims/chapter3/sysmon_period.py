"""C3.7-sysmon-period: sysmon wakes every 20 ms and slices are 10 ms."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


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
