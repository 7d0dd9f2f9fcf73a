"""C4.12-delete-writes-overflow-ptr: delete rewrites overflow pointers under readers."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


@claim
def delete_writes_overflow_ptr() -> Claim:
    return Claim(
        id="C4.12-delete-writes-overflow-ptr",
        title="Delete rewrites overflow pointers under readers",
        section="4.4",
        statement=(
            "A delete modifies b.overflow (to nil, or elsewhere) while a get follows it by a load that is not "
            "atomic: it may read a state in between, use freed memory or dereference nil."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "mapdelete never writes an overflow pointer. The writers are newoverflow, which links a new bucket at "
            "the end, and evacuate, which clears keys, elems and overflow pointer of an old bucket whose type has "
            "pointers and that no iterator uses (runtime/map_noswiss.go). An unsynchronised reader there would miss "
            "keys, not use freed memory, for the collector keeps what it can reach. The pointer is 8-byte aligned "
            "and cannot tear, as the article's own note on unsafe.Sizeof says. And the hashWriting test ends the "
            "program first."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="mapdelete has no store to overflow (source); a read beside a delete dies of the misuse check (G1).",
            holds="an unguarded reader beside an evacuating writer can miss keys.",
        ),
        prediction=(
            "Nothing odd beside a deleter; missed keys beside an evacuating writer with the check off; stale reads "
            "with unlinking and immediate freeing, which validates the detector."
        ),
        knob="delete; overflow_load (plain, acquire, two halves); reclaim (GC, immediate); detect = off",
        settings=(Setting("go", go=True), Setting("unlink", article=True)),
        workload="Readers without a lock beside a deleter, then beside an evacuating writer.",
        measured=(
            Quantity("missed keys", ""),
            Quantity("torn pointers", ""),
            Quantity("stale generations", ""),
            Quantity("nil followed", ""),
        ),
        criterion=Criterion(
            text=(
                "Refuted if delete alone gives no anomaly at Go's setting, while the evacuating writer gives missed "
                "keys and unlinking with immediate freeing gives stale reads."
            ),
        ),
        remedy=("a lock", "R2"),
    )
