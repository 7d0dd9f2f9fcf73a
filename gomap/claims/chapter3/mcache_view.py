"""C3.2-mcache-view: buckets are reached through the P's mcache."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def mcache_view() -> Claim:
    return Claim(
        id="C3.2-mcache-view",
        title="Buckets are reached through the P's mcache",
        section="3.1",
        statement=(
            "h.buckets is reached by the path P.mcache -> span -> page. Migration does not refresh the mcache, so "
            "that an old pointer leads to a span that was released."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "The mcache is a cache for allocation (runtime/mcache.go). A load goes straight to memory; no P, mcache "
            "or span is asked. Whether a span is released depends on mark bits, not on which P runs."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="The compiled read path loads from the bucket's address and calls nothing of the allocator (G11).",
        ),
        prediction="A span lookup on every get would cost several ns, and change no result.",
        knob="get.via_span",
        settings=(Setting("off", go=True), Setting("look up the span on every get", article=True)),
        workload="Gets with and without a span lookup; correctness while goroutines move, with both.",
        measured=(Quantity("get", "ns"), Quantity("wrong results", "")),
        criterion=Criterion(
            text="Refuted by source; the knob reports what such a lookup would cost.",
        ),
        needs=frozenset({"map", "heap"}),
    )
