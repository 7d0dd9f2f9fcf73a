"""R5-padding: pad or align what is shared."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def padding() -> Claim:
    return Claim(
        id="R5-padding",
        title="Pad or align what is shared",
        section="2.3 and 4.1",
        statement="Pad or align: buckets, keys, map headers, indices of queues.",
        article_number=None,
        go_words="helps for headers",
        real_go=(
            "A header of 56 bytes (1.25 classic) gets a slot of 64 from the allocator (runtime/sizeclasses.go) and "
            "shares its line with no other; one of 48 does not. Padded buckets make a larger table, which costs "
            "cache."
        ),
        go_by_source=SourceVerdict(
            "undecided",
            evidence=(
                "A 64-byte slot for headers removes a slowdown by 2 (G12). That padding costs no more than 5 % "
                "where nothing was shared has no control run."
            ),
            holds="padding headers that several cores write helps.",
        ),
        prediction="Headers: at least 10 % faster where a line was shared. Buckets: no gain, for the table grows.",
        knob="padding",
        settings=(Setting("natural", go=True), Setting("padded")),
        workload="Each padded variant against the natural one, in time and in memory, in cache and beyond.",
        measured=(Quantity("get", "ns"), Quantity("bytes", "B")),
        criterion=Criterion(
            text="Helps if time falls at least 10 % where lines were shared and does not rise over 5 % where they were not.",
        ),
    )
