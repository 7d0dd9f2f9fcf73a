"""C2.18-iter-write-check: mapiternext notices a concurrent write and throws."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def iter_write_check() -> Claim:
    return Claim(
        id="C2.18-iter-write-check",
        title="mapiternext notices a concurrent write and throws",
        section="2.5, code block",
        statement=(
            "mapiternext tests hashWriting and throws 'concurrent map iteration and map write'; the check does not block."
        ),
        article_number=None,
        go_words="true",
        real_go=(
            "Exact (runtime/map_noswiss.go: mapiternext; Swiss: Iter.Next), but that it is fatal and not throw "
            "since Go 1.19, that it happens on every next, and that it leads to no safe point."
        ),
        go_by_source=SourceVerdict(
            "confirmed",
            evidence="Every run with a range and a writer died of that sentence; range beside gets survived (G1).",
            limits="The check is best effort: a write that begins after it goes unnoticed.",
        ),
        prediction="Every racy iteration beside a busy writer is noticed within some hundred writes.",
        knob="detect",
        settings=(Setting("fatal", go=True), Setting("count"), Setting("off")),
        workload=(
            "An iterator and an unsynchronised writer; with detect = count, the share of racy iterations that go unnoticed."
        ),
        measured=(
            Quantity("writes until noticed", ""),
            Quantity("time until noticed", "ns"),
            Quantity("racy iterations unnoticed", "%"),
        ),
        criterion=Criterion(
            text="Confirmed if racy iterations are noticed, with Go's sentence, and none waits.",
        ),
        remedy=("locking, or copying before the range",),
    )
