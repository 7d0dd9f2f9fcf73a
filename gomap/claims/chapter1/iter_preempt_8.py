"""C1.7-iter-preempt-8: mapiternext checks for preemption every 8 buckets."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def iter_preempt_8() -> Claim:
    return Claim(
        id="C1.7-iter-preempt-8",
        title="mapiternext checks for preemption every 8 buckets",
        section="1, preemption points and map iteration",
        statement=(
            "In a range over a map, the runtime.mapiternext call that the compiler inserts checks the preemption "
            "signal every 8 buckets."
        ),
        article_number="8 buckets",
        go_words="false",
        real_go=(
            "range calls mapiternext once an element (Swiss: mapIterNext), and it counts no buckets. Every call has "
            "the usual stack check in its prologue, a synchronous safe point at each element; since Go 1.14 the "
            "loop body can also be stopped by SIGURG at most instructions. Inside runtime code an asynchronous stop "
            "is refused (runtime/preempt.go: isAsyncSafePoint)."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="With asynchronous preemption off, a range loop still yields on time; a loop without calls does not (G8).",
        ),
        prediction=(
            "The delay from request to yield is at most one element's body; under the article's rule it is about 52 "
            "bodies (8 buckets of 6.5)."
        ),
        knob="iter.preempt_check; sched.preempt (sync + async, sync, none)",
        settings=(Setting("every call", go=True), Setting("every 8 buckets", article=True), Setting("never")),
        workload="Iterate 2^20 entries with bodies of 0, 1 and 100 µs; another goroutine asks for preemption at random times.",
        measured=(Quantity("request to yield p50, p99, max", "ns"), Quantity("checks", "")),
        criterion=Criterion(
            text=(
                "Refuted if the delay is at most one body at every length. Under the article's setting it has to "
                "grow to about 8 x 6.5 bodies, or the instrument is no good."
            ),
        ),
        remedy=("R4",),
        needs=frozenset({"scheduler"}),
    )
