"""C2.8-readonly-path: read-only maps get a lock-free fast path from the compiler."""

from __future__ import annotations

from collections.abc import Mapping

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.registry import claim
from gomap.claims.timing import gets, ns_each
from gomap.claims.verdict import Finding, Number, decide_pairs
from gomap.lab.machine import allowed_cpus
from gomap.lab.workload import Group


@claim
def readonly_path() -> Claim:
    return Claim(
        id="C2.8-readonly-path",
        title="Read-only maps get a lock-free fast path from the compiler",
        section="2.2",
        statement=(
            "If the compiler can prove that a map is only read (local, not escaping, its address not taken, not "
            "passed to a writer), it uses a readonly-map path that skips mapaccess and its write check."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "cmd/compile/internal/walk has no such optimisation. A function that builds a literal of three entries "
            "on its stack and reads it compiles to three calls of mapassign_fast64 and one of mapaccess1_fast64, in "
            "Go 1.19, 1.25 classic and 1.25 Swiss. What exists: header and first bucket of a small map that does "
            "not escape may live on the stack, and the fast variants are chosen by key type, not by being "
            "read-only."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="The compiled code of such a function calls mapaccess1_fast64 (G11).",
        ),
        prediction="Leaving out the check saves less than 1 ns in cache: the flag is in the line that has to be loaded anyway.",
        knob="get.check_writing",
        settings=(Setting("on", go=True), Setting("off", article=True)),
        workload="Gets with and without the test of the flag, in cache and beyond, one and two readers.",
        measured=(Quantity("get", "ns"),),
        criterion=Criterion(
            text="Refuted by disassembly. The knob tells what the path would save.",
        ),
    )


_GO = {"paths": "knobs"}
_OFF = {"check_writing": "off"}
_IN_CACHE, _BEYOND = 1_000, 200_000


@readonly_path.model
def with_and_without_the_check(ctx: Context) -> Finding:
    """Gets with the test of the flag and without it, on the same machine code otherwise."""
    return _compare(ctx, _GO, _OFF)


def _compare(ctx: Context, on: Mapping[str, str], off: Mapping[str, str]) -> Finding:
    ops = ctx.scale.pick(test=200_000, quick=1_000_000, full=10_000_000)
    readers = min(2, len(allowed_cpus()))
    shapes = {
        "in cache": gets(_IN_CACHE, ops),
        f"in cache, {readers} readers": gets(_IN_CACHE, readers * ops, groups=(Group(threads=readers),)),
        "beyond": gets(_BEYOND if ctx.scale.name != "test" else 50_000, ops // 4),
    }

    def measure(knobs: Mapping[str, str], seed: int) -> dict[str, float]:
        return {name: ns_each(ctx.run(w.with_(knobs=knobs), seed)) for name, w in shapes.items()}

    pairs = ctx.pairs(on, off, measure, names=("check on", "check off"))
    found = decide_pairs(pairs, "get in cache", rising=False, two_valued=True, unit="ns")
    others = [
        decide_pairs(pairs, f"get {name}", rising=False, two_valued=True, metric=name, unit="ns") for name in [*shapes][1:]
    ]
    base = sorted(pairs.samples(0))[len(pairs.samples(0)) // 2]
    saved = base * (1 - pairs.effect().ratio)
    return found.with_(
        reason=f"{found.reason} That saves {saved:.2g} ns of {base:.3g}.",
        numbers=(*found.numbers, Number("saved in cache", saved, "ns"), *(n for o in others for n in o.numbers)),
        series=(*found.series, *(s for o in others for s in o.series)),
        workload=shapes["in cache"].with_(knobs=off),
    )
