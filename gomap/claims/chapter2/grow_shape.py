"""C2.7-grow-shape: growth makes a new hmap of twice the size and rehashes both ways."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def grow_shape() -> Claim:
    return Claim(
        id="C2.7-grow-shape",
        title="Growth makes a new hmap of twice the size and rehashes both ways",
        section="2.1, graph",
        statement=(
            "If growth is needed, a new hmap of twice the size is made and evacuate rehashes two ways; otherwise "
            "insertion probes linearly."
        ),
        article_number="2x",
        go_words="partly true",
        real_go=(
            "The hmap stays; only a new bucket array is made, twice as large or the same size, and nothing moves at "
            "that moment (runtime/map_noswiss.go: hashGrow). Each later assign or delete first evacuates the bucket "
            "it needs and then one more (growWork); evacuate sends each entry to X or Y by one hash bit, so 'two "
            "ways' is right. A map that is not written to any more stays half moved for ever, and every read goes "
            "on checking both arrays. Swiss: a table of up to 512 slots is copied whole into one twice as large; a "
            "full 1,024-slot table splits in two; the directory doubles when needed."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="No new hmap is made and nothing probes linearly (source).",
            holds="the doubling and the two ways. A half-moved map is 20 to 40 % slower to read (G13).",
        ),
        prediction=(
            "Incremental evacuation shows as a plateau of slow inserts after the growth, all at once as one spike "
            "in proportion to the table. X and Y get about half of the entries each."
        ),
        knob="evacuate; grow_factor (2, 4)",
        settings=(Setting("2 buckets a write", go=True), Setting("k buckets a write"), Setting("all at once")),
        workload=(
            "Insert latency by position relative to the point of growth; writes until evacuation ends; gets when "
            "not growing, just started, half moved, finished."
        ),
        measured=(
            Quantity("insert by position", "ns"),
            Quantity("writes until the end of evacuation", ""),
            Quantity("entries moved to X and Y", ""),
            Quantity("get in each phase", "ns"),
        ),
        criterion=Criterion(
            text=(
                "The two ways are confirmed by counting X and Y. All at once has to show one spike in proportion to "
                "table size where incremental shows a plateau."
            ),
        ),
        remedy=("R1",),
    )
