"""C4.3-header-offsets: Go 1.22 moved count to the end of hmap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gomap.claims.claim import REFUTED, UNDECIDED, Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context, Measure
from gomap.claims.headers import ONE_MAP, Beside, get_beside
from gomap.claims.parts import all_of
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.timing import gets
from gomap.claims.verdict import SAME_LOW, Finding, Number, Pairs, bars, decide_pairs, median_interval, reduced_note, too_few


@claim
def header_offsets() -> Claim:
    return Claim(
        id="C4.3-header-offsets",
        title="Go 1.22 moved count to the end of hmap",
        section="4.1, table and optimisation",
        statement=(
            "The offsets are count 0, buckets 24, oldbuckets 32, all in one line; since Go 1.22 count is at the end "
            "of the struct, to lower the risk of conflicts."
        ),
        article_number="0 / 24 / 32; Go 1.22+",
        go_words="false",
        real_go=(
            "count 0, flags 8, B 9, noverflow 10, hash0 12, buckets 16, oldbuckets 24, nevacuate 32, then extra at "
            "40 (1.19, 48 bytes) or clearSeq at 40 and extra at 48 (1.25 classic, 56 bytes) "
            "(runtime/map_noswiss.go: hmap). count has to be first, for the compiler's len() reads it there, in "
            "every version and in Swiss too (field used)."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="Offsets by disassembly and unsafe; count is first in every version (source).",
            holds="count is at offset 0.",
        ),
        prediction="Moving count helps nobody: flags stays in the line that reads need.",
        knob="hdr_layout",
        settings=(Setting("count first", go=True), Setting("count last", article=True), Setting("hot-cold split")),
        workload="Reads beside a writer that inserts, count in the first line and in another.",
        measured=(Quantity("get", "ns"),),
        criterion=Criterion(
            text="Refuted by source; the layouts say whether the invented move would have helped.",
        ),
    )


_FIRST = "count first"
_MOVED = ("count last", "count on another line")
_SPLIT = "hot and cold apart"


def _inserting(layout: str) -> Beside:
    """Both threads on one map, its header the only thing that they share."""
    return Beside(layout, ONE_MAP, "inserts")


@header_offsets.model
def count_moved(ctx: Context, measure: Measure[Beside] = get_beside) -> Finding:
    """Gets beside a writer that inserts and deletes, with count first as in Go; last in the same line, where 56 bytes end; and
    in another line. A split by what a write changes is there for comparison: it leaves flags with count."""
    found: list[Finding] = []
    taken: dict[str, list[float]] = {}
    for name in _MOVED:
        pairs = ctx.pairs(_inserting("go"), _inserting(name), measure, names=(_FIRST, name))
        found.append(_judged(pairs, f"get beside inserts, {name}"))
        taken |= {_FIRST: pairs.samples(0), name: pairs.samples(1)}
    taken[_SPLIT] = ctx.sweep([_inserting("go"), _inserting(_SPLIT)], measure, names=(_FIRST, _SPLIT)).of(1)
    whole = all_of(found)
    return whole.with_(
        numbers=(
            *whole.numbers,
            *(Number.of_ratio(f"get beside inserts, {name}", median_interval(ns), "ns") for name, ns in taken.items()),
        ),
        series=(bars("Get beside inserts, by where count lies", "ns", taken),),
        workload=gets(200, 100_000),
    )


def _judged(pairs: Pairs, what: str) -> Finding:
    """Whether the move helps. It is said to lower something: where it certainly does not, but raises it, that refutes it as
    much as no difference."""
    found = decide_pairs(pairs, what, rising=False, two_valued=True, unit="ns")
    if found.verdict != UNDECIDED or too_few(pairs) or pairs.effect().low < SAME_LOW:
        return found
    told = f"{what[0].upper()}{what[1:]}: {pairs.effect()} times {_FIRST}; it does not help{reduced_note(pairs)}."
    return found.with_(verdict=REFUTED, reason=told)


_ARTICLE = {"count": 0, "buckets": 24, "oldbuckets": 32}


@header_offsets.go
def offsets_by_what_the_words_do(ctx: Context) -> Finding:
    """Offsets of the header's fields, found by what its words do while the map is filled."""
    found = {design: controls(design).run("layout", inserts=10_000) for design in designs()}
    return decided_or_read(header_offsets.claim, _offsets_judged(found))


def _offsets_judged(found: Mapping[str, Mapping[str, Any]]) -> Finding:
    """Refuted by any offset that is another. A field that was not found, or not as the only one, says nothing."""
    seen = {f"count, {design}": at["count"][0] for design, at in found.items() if len(at["count"]) == 1}
    arrays = found.get("classic", {}).get("arrays", [])
    if len(arrays) == 1:
        seen["buckets, classic"], seen["oldbuckets, classic"] = arrays[0]
    said = {name: _ARTICLE[name.partition(",")[0]] for name in seen}
    wrong = [name for name, at in seen.items() if at != said[name]]
    listed = "; ".join(f"{name} {at} (the article: {said[name]})" for name, at in seen.items()) or "nothing"
    last = sum(seen[name] > 0 for name in seen if name.startswith("count"))
    return Finding(
        REFUTED if wrong else UNDECIDED,
        f"Offsets found: {listed}. Designs in which count is not first: {last}.",
        numbers=tuple(Number(f"offset of {name}", at, "B") for name, at in seen.items()),
    )
