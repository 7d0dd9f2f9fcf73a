"""C4.8-markbits-nonatomic: mark bits are set non-atomically and get lost."""

from __future__ import annotations

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.heaps import MARKBITS, Marks, marked_until, total
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, Series
from gomap.lab.machine import allowed_cpus


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


_MARKS = 10**8
"""That the criterion asks for, of each kind."""
_LAYOUTS = ((8, "random"), (16, "stripes"), (64, "stripes"), (64, "random"), (512, "random"))
"""Bytes of an object, which are bits of a byte in use, and how neighbours are spread over the two markers."""


@markbits_nonatomic.model
def bits_that_two_markers_set(ctx: Context) -> Finding:
    """Two threads mark the same spans by each rule; a second marking by one thread counts the bits that are not there."""
    asked = ctx.scale.pick(test=1_000_000, quick=2_500_000, full=60_000_000)
    settings = [*MARKBITS.values()]
    found = marked_until(ctx, settings, _LAYOUTS, asked, (0.0, 1.0))
    by_setting = {name: total(found, [code]) for name, code in MARKBITS.items()}
    atomic, plain = (total(found, part) for part in (settings[:2], settings[2:]))
    return _judged(atomic, plain, len(allowed_cpus())).with_(
        series=(
            Series(
                "bars",
                "Lost bits of a million marks",
                "",
                tuple({"name": n, "value": 1e6 * m.lost / m.marks, "low": None, "high": None} for n, m in by_setting.items()),
            ),
        ),
        settings=tuple(MARKBITS),
    )


def _judged(atomic: Marks, plain: Marks, cpus: int) -> Finding:
    """Confirmed if the plain rules lose a bit and the atomic ones none. That they lose none is told by as many marks as the
    criterion asks for; one lost bit is one too many at once."""
    if cpus < 2:
        verdict, why = UNDECIDED, "two markers at once need two CPUs"
    elif atomic.lost:
        verdict, why = UNDECIDED, "bits that were set atomically must not get lost: something else is wrong"
    elif plain.lost:
        verdict, why = CONFIRMED, "what is not atomic loses some"
    else:
        enough = plain.marks >= _MARKS
        verdict, why = (REFUTED if enough else UNDECIDED), "none was lost" if enough else f"{_MARKS:,} are asked for"
    return Finding(
        verdict,
        f"Of {plain.marks:,} marks by plain instructions {plain.lost:,} were lost ({plain.lost_percent:.2g} %), of "
        f"{atomic.marks:,} by atomic ones {atomic.lost:,}: {why}.",
        numbers=(
            Number("lost bits, plain, of a million marks", 1e4 * plain.lost_percent),
            Number("lost bits, plain", plain.lost),
            Number("marks, plain", plain.marks),
            Number("lost bits, atomic", atomic.lost),
            Number("marks, atomic", atomic.marks),
        ),
    )
