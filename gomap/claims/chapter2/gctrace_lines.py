"""C2.14-gctrace-lines: gctrace prints 'gc assist' lines as a map is written."""

from gomap.claims.claim import Claim, Criterion, Quantity, SourceVerdict
from gomap.claims.registry import claim


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
        needs=frozenset({"go"}),
    )
