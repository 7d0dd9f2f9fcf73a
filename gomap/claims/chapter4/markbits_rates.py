"""C4.10-markbits-rates: 12.7 % of marks conflict, and the live heap is 8.3 % off."""

from __future__ import annotations

from collections.abc import Mapping

from gomap.claims.claim import CONFIRMED, REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.heaps import MARKBITS, Marks, marked_until, total
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, Series
from gomap.lab.machine import allowed_cpus


@claim
def markbits_rates() -> Claim:
    return Claim(
        id="C4.10-markbits-rates",
        title="12.7 % of marks conflict, and the live heap is 8.3 % off",
        section="4.3, table",
        statement=(
            "With GOGC=100 about 12.7 % of markings conflict and heap live bytes are off by +8.3 % through wrong "
            "reclamation; with GOGC=off it is 0 %."
        ),
        article_number="12.7 %; +8.3 %; 0 %",
        go_words="false",
        real_go=(
            "Zero by construction: marks are atomic (runtime/mbitmap.go: setMarked). The direction is wrong too: "
            "reclaiming live objects would lower the live heap, not raise it. And with GOGC=off nothing is marked, "
            "so that zero there proves nothing."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence=(
                "Marks are atomic (source). A probe in C with two threads and plain instructions lost at most 0.015 "
                "% of marks, in lock step on one byte."
            ),
        ),
        prediction="No setting comes near 10 %; the highest rate found is well under 1 %.",
        knob="gc.markbits, as in C4.8; a conflict is two markers on one byte within one access time",
        settings=(
            Setting("test, then atomic or", go=True),
            Setting("atomic or"),
            Setting("plain or on a byte", article=True),
            Setting("plain load, modify, store"),
        ),
        workload=(
            "Vary object size (bits in use of a byte), markers and order of the graph; count apart what the article "
            "runs together."
        ),
        measured=(
            Quantity("same-byte coincidences", ""),
            Quantity("lost bits", "%"),
            Quantity("objects wrongly freed", ""),
            Quantity("error of live bytes", "%"),
        ),
        criterion=Criterion(
            text=(
                "Reached only if some setting gives 10 to 15 % lost marks; otherwise the highest rate and its "
                "setting are reported."
            ),
        ),
        needs=frozenset({"heap"}),
    )


_LOW, _HIGH = 10.0, 15.0
_LAYOUTS = tuple((size, spread) for size in (8, 16, 64) for spread in ("stripes", "runs", "random"))
_MEETING = "compare and swap"
"""Not one of the claim's rules: the one that counts how often another marker changes the byte meanwhile, and loses nothing."""
_ENOUGH = 1_000_000


@markbits_rates.model
def the_highest_rate(ctx: Context) -> Finding:
    """Lost bits by rule, object size and spread; how often two markers meet in a byte; and by how much too little is found
    alive: what the article runs together, apart."""
    asked = ctx.scale.pick(test=1_000_000, quick=2_500_000, full=50_000_000)
    found = marked_until(ctx, [*MARKBITS.values(), _MEETING], _LAYOUTS, asked, (0.0, 1.0))
    return _judged(found, len(allowed_cpus()))


def _judged(found: Mapping[tuple[str, int, str], Marks], cpus: int) -> Finding:
    """Reached if some rule loses 10 to 15 % of its marks with some layout; otherwise the highest rate is told."""
    names = {code: name for name, code in MARKBITS.items()}
    rates = {(names[rule], size, spread): m for (rule, size, spread), m in found.items() if rule in names and m.marks}
    rule, size, spread = max(rates, key=lambda at: rates[at].lost_percent)
    worst = rates[rule, size, spread]
    met = total(found, [_MEETING])
    meetings = 100 * met.conflicts / max(met.marks, 1)
    marks = sum(m.marks for m in rates.values())
    reached = [at for at, m in rates.items() if _LOW <= m.lost_percent <= _HIGH]
    enough = cpus > 1 and marks >= _ENOUGH
    verdict = CONFIRMED if reached else REFUTED if enough else UNDECIDED
    short = "" if enough or reached else " Two CPUs and a million marks are asked for."
    return Finding(
        verdict,
        f"The highest rate of lost marks is {worst.lost_percent:.2g} % ({rule}, {size}-byte objects, {spread}), where {_LOW:g} "
        f"to {_HIGH:g} % were to be reached; two markers met in a byte at {meetings:.2g} % of the marks. What is lost makes "
        f"the heap that is found alive smaller, never larger.{short}",
        numbers=(
            Number("highest rate of lost marks", worst.lost_percent, "%"),
            Number("marks at which two markers met in a byte", meetings, "%"),
            Number("error of the bytes found alive, at worst", -worst.lost_percent, "%"),
            Number("lost marks, all rules", sum(m.lost for m in rates.values())),
            Number("marks, all rules", marks),
        ),
        series=(
            Series(
                "bars",
                "Lost bits of a million marks, at the worst layout of each rule",
                "",
                tuple(
                    {
                        "name": n,
                        "value": 1e4 * max(m.lost_percent for at, m in rates.items() if at[0] == n),
                        "low": None,
                        "high": None,
                    }
                    for n in MARKBITS
                    if any(at[0] == n for at in rates)
                ),
            ),
        ),
        settings=tuple(MARKBITS),
    )
