"""C2.14-gctrace-lines: gctrace prints 'gc assist' lines as a map is written."""

from __future__ import annotations

from typing import Any

from gomap.claims.claim import UNDECIDED, Claim, Criterion, Quantity, SourceVerdict
from gomap.claims.context import Context
from gomap.claims.heaps import play
from gomap.claims.real import controls, decided_or_read, designs
from gomap.claims.registry import claim
from gomap.claims.verdict import Finding, Number, bars, decide_exact
from gomap.lab.heap_scene import HeapActor, HeapScene, HeapSceneResult


@claim
def gctrace_lines() -> Claim:
    return Claim(
        id="C2.14-gctrace-lines",
        title="gctrace prints 'gc assist' lines as a map is written",
        section="2.4, log features",
        statement=(
            "With GODEBUG=gctrace=1 every map write may come with a line 'gc assist: ...', and 'scanned' is abnormally high."
        ),
        article_number="one a write",
        go_words="false",
        real_go=(
            "gctrace prints one line a collection (runtime/mgc.go: gcMarkTermination); assists are only the first "
            "of three CPU figures of the mark phase (assist/background/idle). There is no line 'gc assist:' and no "
            "field 'scanned'."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="300,000 map writes under gctrace=1 printed no such line (G5).",
        ),
        prediction="No line of that kind.",
        knob=None,
        settings=(),
        workload="Count the model's assists in each cycle and print them in gctrace's form; run real Go under gctrace=1.",
        measured=(Quantity("lines with 'gc assist'", ""),),
        criterion=Criterion(
            text="Refuted by output.",
        ),
        needs=frozenset({"heap"}),
    )


@gctrace_lines.go
def lines_of_a_writing_program(ctx: Context) -> Finding:
    """What Go prints of its collections while the article's loop writes to a map."""
    n = ctx.scale.pick(test=50_000, quick=300_000, full=3_000_000)
    r = controls(designs()[0]).run("assigns", writer="article", collector="normal", n=n, godebug={"gctrace": 1})
    return decided_or_read(gctrace_lines.claim, _judged(n, r["trace"]))


def _judged(writes: int, trace: list[str]) -> Finding:
    """One write without a line refutes a line for every write; if the collector ran of its own, and said so."""
    lines = sum("gc assist" in line for line in trace)
    collections = sum(line.startswith("gc ") and "(forced)" not in line for line in trace)
    found = decide_exact("writes with a line 'gc assist'", min(lines, writes), writes)
    return found.with_(
        verdict=found.verdict if collections else UNDECIDED,
        reason=f"{found.reason} It printed {len(trace)} lines, of {collections} collections by itself.",
        numbers=(*found.numbers, Number("lines of gctrace", len(trace)), Number("collections", collections)),
    )


@gctrace_lines.model
def writes_that_assist(ctx: Context, **knobs: Any) -> Finding:
    """A line for every write would tell of something that every write does: assists, counted write by write, while new objects
    are assigned and the collector keeps its normal pace."""
    n = ctx.scale.pick(test=200_000, quick=1_000_000, full=10_000_000)
    writer = HeapActor(does="updates", key="str", elem="new", entries=1000, ops=n)
    return _counted(play(HeapScene(actors=(writer,), live=100_000, duration_s=60), **knobs))


def _counted(r: HeapSceneResult) -> Finding:
    writes, assists = r.actors[0].ops, r.actors[0].assists
    found = decide_exact("writes with an assist to tell of", min(assists, writes), writes)
    return found.with_(
        verdict=found.verdict if r.cycles else UNDECIDED,
        reason=f"{found.reason} There were {r.cycles} collections, and gctrace tells of each in one line.",
        numbers=(*found.numbers, Number("collections", r.cycles)),
        series=(bars("What there was to tell of", "", {"writes with an assist": [assists], "collections": [r.cycles]}),),
        settings=("normal pace",),
    )
