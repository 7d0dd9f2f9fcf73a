"""C4.8-markbits-nonatomic: mark bits are set non-atomically and get lost."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def markbits_nonatomic() -> Claim:
    return Claim(
        id="C4.8-markbits-nonatomic",
        title="Mark bits are set non-atomically and get lost",
        section="4.3",
        statement=(
            "Mark bits are set by a read-modify-write of a byte that is not atomic (bitmap.setbit), so that two "
            "markers of one byte can lose a bit and leave a live object unmarked."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "markBits.setMarked is atomic.Or8 (runtime/mbitmap.go, 1.19 and 1.25); the source says that a "
            "non-atomic variant was tried and dropped. setMarkedNonAtomic is only used by the sweeper on a span "
            "that it owns. bitmap.setbit does not exist. greyobject tests the bit first, so that most marks cost no "
            "atomic."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="The bit is set by an atomic OR (source).",
        ),
        prediction=(
            "Plain variants lose some bits in 10^8 marks on truly parallel cores, far fewer than 12.7 %; atomic ones none."
        ),
        knob="gc.markbits",
        settings=(
            Setting("test, then atomic or", go=True),
            Setting("atomic or"),
            Setting("plain or on a byte", article=True),
            Setting("plain load, modify, store"),
        ),
        workload=(
            "M markers on the same spans: interleaved bits of one byte, neighbouring bytes, random; objects of 8 to "
            "512 bytes. Needs two truly parallel cores."
        ),
        measured=(Quantity("lost bits a mark", ""), Quantity("objects freed while reachable", ""), Quantity("mark", "ns")),
        criterion=Criterion(
            text="The mechanism is confirmed if plain variants lose at least one bit in 10^8 marks and atomic ones none.",
        ),
        needs=frozenset({"heap"}),
    )
