"""C2.8-readonly-path: read-only maps get a lock-free fast path from the compiler."""

from gomap.claims.claim import Claim, Criterion, Quantity, Setting, SourceVerdict
from gomap.claims.registry import claim


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
