"""C2.9-get-locked-insn: mapaccess1 contains lock cmpxchg."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.registry import claim
from gomap.claims.timing import gets, ns_each
from gomap.claims.verdict import Finding, Number, bars, decide_pairs
from gomap.lab.machine import allowed_cpus
from gomap.lab.workload import Group


@claim
def get_locked_insn() -> Claim:
    return Claim(
        id="C2.9-get-locked-insn",
        title="mapaccess1 contains lock cmpxchg",
        section="2.2, assembly and graph",
        statement=(
            "The ordinary path, runtime.mapaccess1_fast64, contains lock cmpxchg; a map that is written anywhere "
            "falls back to a locked mapaccess."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "mapaccess1_fast64 (runtime/map_fast64_noswiss.go) is some 100 to 150 instructions, none of them "
            "LOCK-prefixed, in the three builds looked at."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="Zero LOCK-prefixed instructions in mapaccess1_fast64 of Go 1.19, 1.25 classic and 1.25 Swiss (G11).",
        ),
        prediction=(
            "A locked instruction costs about 20 cycles a get alone; on a line that all readers share, reads stop scaling."
        ),
        knob="get.entry",
        settings=(
            Setting("plain loads", go=True),
            Setting("one uncontended lock cmpxchg", article=True),
            Setting("lock xadd on a shared counter"),
        ),
        workload="Gets with each entry, from one reader up to one a core, with a private and a shared counter.",
        measured=(Quantity("get", "ns"), Quantity("throughput by readers", "1/s")),
        criterion=Criterion(
            text="Refuted by disassembly. The knob shows what a locked read would cost.",
        ),
    )


_ENTRIES: Mapping[str, Mapping[str, str]] = {
    "plain loads": {"paths": "knobs"},
    "lock cmpxchg": {"entry": "cmpxchg"},
    "lock xadd": {"entry": "xadd"},
}
_SIZE = 1_000


@get_locked_insn.model
def locked_and_plain(ctx: Context) -> Finding:
    """What one locked instruction adds to a get, alone; and how reads scale then, as all of them write to one line."""
    return _compare(ctx, "plain loads", "lock cmpxchg")


def _compare(ctx: Context, a: str, b: str) -> Finding:
    ops = ctx.scale.pick(test=200_000, quick=1_000_000, full=5_000_000)
    pairs = ctx.pairs(a, b, lambda entry, seed: ns_each(ctx.run(gets(_SIZE, ops, knobs=_ENTRIES[entry]), seed)), names=(a, b))
    found = decide_pairs(pairs, "get by one reader", two_valued=True, unit="ns")
    added = statistics.median(pairs.samples(1)) - statistics.median(pairs.samples(0))
    readers = len(allowed_cpus())
    scaling = _scaling(ctx, ops, readers) if readers > 1 else {}
    scales = f"throughput of {readers} readers by that of one"
    told = ", ".join(f"{name} {statistics.median(x):.2f}" for name, x in scaling.items())
    return found.with_(
        reason=f"{found.reason} That is {added:.3g} ns a get. {scales.capitalize()}: {told or 'one CPU'}.",
        numbers=(
            *found.numbers,
            Number("added to a get", added, "ns"),
            *(Number(f"{scales}, {n}", statistics.median(x), "x") for n, x in scaling.items()),
        ),
        series=(*found.series, bars(scales.capitalize(), "x", scaling)),
        workload=gets(_SIZE, ops, knobs=_ENTRIES[b]),
    )


def _scaling(ctx: Context, ops: int, readers: int) -> dict[str, list[float]]:
    """Throughput of so many readers by that of one, for each entry, interleaved."""
    found: dict[str, list[float]] = {name: [] for name in _ENTRIES}
    for seed in ctx.seeds(ctx.scale.sweeps):
        for name, knobs in _ENTRIES.items():
            one, all_of_them = (
                ctx.run(gets(_SIZE, n * ops, knobs=knobs, groups=(Group(threads=n),)), seed).throughput for n in (1, readers)
            )
            found[name].append(all_of_them / one)
    return found
