"""C3.4-globrunq-cas: A CAS on the global run queue costs 18 to 120 ns."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


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
