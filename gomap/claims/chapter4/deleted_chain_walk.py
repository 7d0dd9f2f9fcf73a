"""C4.13-deleted-chain-walk: gets walk the chains that deletes have left."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def deleted_chain_walk() -> Claim:
    return Claim(
        id="C4.13-deleted-chain-walk",
        title="Gets walk the chains that deletes have left",
        section="4.4, implied",
        statement="After deletes a get still has to walk the overflow chain that was left behind.",
        article_number=None,
        go_words="true for some paths",
        real_go=(
            "The generic mapaccess1 stops at emptyRest (runtime/map_noswiss.go); mapaccess1_fast64 and "
            "mapaccess1_faststr do not and walk every linked bucket. The big effect is on range. Swiss has no "
            "chains: what remains there is cache."
        ),
        go_by_source=SourceVerdict(
            "confirmed",
            evidence=(
                "2^20 int keys deleted to 1,000: an absent key takes 69 ns, against 11.5 in a fresh map and 21.6 in "
                "an equally large array; range 2,966 µs against 11 (1,902 in the large array) (G7)."
            ),
            limits=(
                "The generic path stops at emptyRest, and Swiss maps have no chains (37 ns against 9.5 fresh and 54 "
                "in an equally large table)."
            ),
        ),
        prediction=(
            "Misses cost at least 1.5 times those of an equally large empty map, and a range at least 100 times "
            "that of a fresh one."
        ),
        knob="delete; emptyrest (on, off); map.impl",
        settings=(Setting("go", go=True), Setting("unlink empty overflow buckets"), Setting("shrink at 1/8 load")),
        workload=(
            "As C4.11, against three maps: fresh, presized and empty, deleted down. Array size (cache) apart from "
            "leftover chains."
        ),
        measured=(Quantity("get, hit and miss", "ns"), Quantity("range", "ns")),
        criterion=Criterion(
            text=(
                "Confirmed if misses after deletion cost at least 1.5 times those of a presized empty map, and a "
                "range at least 100 times that of a fresh one."
            ),
            threshold=1.5,
        ),
        remedy=("rebuild after mass deletion",),
    )
