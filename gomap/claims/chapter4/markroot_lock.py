"""C4.6-markroot-lock: A markroot lock makes the draining serial."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def markroot_lock() -> Claim:
    return Claim(
        id="C4.6-markroot-lock",
        title="A markroot lock makes the draining serial",
        section="4.2",
        statement=(
            "Draining is a critical section that cannot be preempted, under the global lock work.markroot; Ps have "
            "to drain one after the other."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "There is no such lock. Root jobs are handed out by an atomic counter (markrootNext, "
            "runtime/mgcmark.go); grey objects travel in work buffers of each P and lock-free lists "
            "(runtime/mgcwork.go). Flushing cannot be preempted indeed, for the 512 entries of one P at most."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="No lock of that name or kind exists (source).",
            holds="a flush of one P's buffer cannot be preempted.",
        ),
        prediction="With one global lock the time of a flush grows with the Ps that flush at once; with Go's it does not.",
        knob="gc.flush_lock",
        settings=(Setting("per P", go=True), Setting("one global", article=True)),
        workload="Flushes of 0 to 512 entries by 1 to N Ps at once, with each lock.",
        measured=(Quantity("flush", "ns"),),
        criterion=Criterion(
            text="Refuted by source; the knob shows how the hypothetical lock would scale.",
        ),
        needs=frozenset({"heap"}),
    )
