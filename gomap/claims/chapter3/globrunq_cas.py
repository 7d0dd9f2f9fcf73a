"""C3.4-globrunq-cas: A CAS on the global run queue costs 18 to 120 ns."""

from __future__ import annotations

from gomap.claims.claim import CONFIRMED, REFUTED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.parts import all_of
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, Pairs, Sweep, bars, decide_pairs, median_interval
from gomap.errors import BadValue
from gomap.lab.machine import allowed_cpus
from gomap.lab.queues import time_puts
from gomap.lab.scheduler import SCHEDULER_KNOBS


@claim
def globrunq_cas() -> Claim:
    return Claim(
        id="C3.4-globrunq-cas",
        title="A CAS on the global run queue costs 18 to 120 ns",
        section="3.2",
        statement=(
            "globrunqput is a lock-free CAS on a ring whose head and tail share a cache line. With sched.runqsize "
            "over 512 its mean time goes from 18 to 120 ns."
        ),
        article_number="18 ns to 120 ns above a length of 512",
        go_words="false",
        real_go=(
            "The global queue is an intrusive list (runtime/proc.go: gQueue with head, tail, size) and globrunqput "
            "has to be called with sched.lock held; there is no ring and no CAS. It is reached by Gosched, by "
            "preemption, by injectglist, and in batches of 129 from a full local queue (runqputslow). sched.lock is "
            "a futex mutex that spins 4 x 30 pauses and then sleeps. The runtime.scheduler.trace that is quoted "
            "does not exist."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="A list under sched.lock, not a ring with CAS (source).",
            holds=(
                "120 ns are easily reached, by producers and not by length: a probe in C with two threads took 230 "
                "ns on a ring in one line, 262 padded, 121 on a list with a mutex."
            ),
        ),
        prediction=(
            "Time a put rises with producers and is flat from 1 to 4,096 entries; padding helps little where each "
            "thread both puts and gets."
        ),
        knob="sched.globq; queue length 0 to 4,096; producers 1 to twice the cores",
        settings=(
            Setting("mutex + list", go=True),
            Setting("CAS ring, head and tail in one line", article=True),
            Setting("CAS ring, padded"),
        ),
        workload="Put and get by 1 to N threads at set rates.",
        measured=(Quantity("put p50, p99, max", "ns"), Quantity("CAS failures a put", ""), Quantity("lock waits", "")),
        criterion=Criterion(
            text=(
                "Confirmed if the one-line ring goes up 5 times or more with producers and padding removes half of "
                "it. That length matters is refuted if ns a put is flat from 1 to 4,096 entries."
            ),
            threshold=5.0,
        ),
        remedy=("R5",),
        needs=frozenset({"scheduler"}),
    )


_LIST, _RING, _PADDED = SCHEDULER_KNOBS["globq"].choices
_TWO, _FIVE = 2.0, 5.0
_LENGTH, _SHORT, _LONG = 64, 1, 4_096


@globrunq_cas.model
def puts_by_producers_and_length(ctx: Context) -> Finding:
    """Time of a put or a get, by threads that do both: one and two on the article's ring, on the padded one; and by how many
    goroutines lie in the queue."""
    if len(allowed_cpus()) < 2:
        raise BadValue("two threads at once need two CPUs, and this process has one")
    rounds = ctx.scale.pick(test=3_000, quick=40_000, full=400_000)

    def timed(setting: tuple[str, int, int], seed: int) -> dict[str, float]:
        globq, threads, length = setting
        p = time_puts(globq, threads=threads, length=length, rounds=rounds)
        return {"ns": p.ns, "p99": float(p.put.value_at(99)), "retries": p.retries, "contended": p.contended}

    alone, beside, padded = ((_RING, 1, _LENGTH), (_RING, 2, _LENGTH), (_PADDED, 2, _LENGTH))
    rise = ctx.pairs(alone, beside, timed, names=("one thread on the ring", "two"))
    cure = ctx.pairs(beside, padded, timed, names=("two threads on the ring", "padded"))
    article = all_of(
        [
            decide_pairs(rise, "time of a put", threshold=_FIVE, two_valued=True, unit="ns"),
            decide_pairs(cure, "time of a put beside another thread", threshold=_TWO, rising=False, two_valued=True, unit="ns"),
        ]
    )
    lengths = ctx.pairs((_RING, 1, _SHORT), (_RING, 1, _LONG), timed, names=(f"{_SHORT} in the queue", f"{_LONG:,}"))
    others = ctx.sweep([(_LIST, n, _LENGTH) for n in (1, 2, 4)], timed, names=[f"list, {n} threads" for n in (1, 2, 4)])
    return _told(article, decide_pairs(lengths, "time of a put by length", two_valued=True, unit="ns"), others, rise)


def _told(article: Finding, length: Finding, others: Sweep, rise: Pairs) -> Finding:
    """By producers and padding; where these do not confirm it, a queue whose length is all the same refutes it."""
    by_list = {name: others.of(i) for i, name in enumerate(others.settings)}
    verdict = REFUTED if length.verdict == REFUTED and article.verdict != CONFIRMED else article.verdict
    return article.with_(
        verdict=verdict,
        reason=f"{article.reason} {length.reason}",
        numbers=(
            *article.numbers,
            *length.numbers,
            Number.of_ratio("failed swaps a put, two threads on the ring", median_interval(rise.samples(1, "retries")), ""),
            Number.of_ratio("p99 of a put, two threads on the ring", median_interval(rise.samples(1, "p99")), "ns"),
            *(Number.of_ratio(f"a put or get, {name}", median_interval(ns), "ns") for name, ns in by_list.items()),
        ),
        series=(*article.series, *length.series, bars("A put or get on Go's list", "ns", by_list)),
        settings=(*article.settings, *length.settings, *others.settings),
    )
