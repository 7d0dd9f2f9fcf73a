"""C2.10-get-steps: A get goes hash, bucket, tophash, key, value."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def get_steps() -> Claim:
    return Claim(
        id="C2.10-get-steps",
        title="A get goes hash, bucket, tophash, key, value",
        section="2.3",
        statement=(
            "mapaccess1 computes the hash, finds the bucket, compares tophash, then the key, and returns a pointer "
            "to the value; on no match it goes along the overflow chain."
        ),
        article_number=None,
        go_words="true for the generic path",
        real_go=(
            "True of mapaccess1 (runtime/map_noswiss.go), but for two details: during a growth it looks at the old "
            "bucket first if that is not evacuated, and it stops early at emptyRest. mapaccess1_fast64 compares the "
            "8-byte keys directly and asks tophash only whether a cell is empty; neither it nor mapaccess1_faststr "
            "stops at emptyRest, so a miss walks the whole chain. A map of one bucket is searched without hashing. "
            "Swiss: 8 slots at once by control word."
        ),
        go_by_source=SourceVerdict(
            "confirmed",
            evidence="The source of mapaccess1 goes these steps; a hit at load 6.5 looks at 4.25 cells (G4).",
            limits=(
                "The fast paths for 4-byte, 8-byte and string keys do not compare tophash first and do not stop at emptyRest."
            ),
        ),
        prediction=(
            "4.25 cells compared a hit at load 6.5. After mass deletion misses on the fast paths walk the whole "
            "chain and generic ones do not."
        ),
        knob="get.variant; emptyrest (on, off)",
        settings=(Setting("by key type", go=True), Setting("generic"), Setting("fast64"), Setting("faststr")),
        workload="Cells looked at and lines touched, hit and miss, for each path, before and after mass deletion.",
        measured=(Quantity("cells compared a hit and a miss", ""), Quantity("lines touched", "")),
        criterion=Criterion(
            text="Gate of the model: cells compared have to equal real Go's (4.25 a hit at 6.5, within 0.05).",
        ),
    )
