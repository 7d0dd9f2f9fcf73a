"""C4.4-bpftrace-method: A kprobe in bpftrace finds false sharing."""

from gomap.claims.claim import Claim, Criterion, Quantity, SourceVerdict
from gomap.claims.registry import claim


@claim
def bpftrace_method() -> Claim:
    return Claim(
        id="C4.4-bpftrace-method",
        title="A kprobe in bpftrace finds false sharing",
        section="4.1, script",
        statement=(
            "bpftrace with kprobe:atomic_load_n, addresses cut to 64 bytes, shows by its histogram which lines are "
            "falsely shared."
        ),
        article_number=None,
        go_words="false",
        real_go=(
            "A kprobe sees functions of the kernel. A load in user space is one instruction and calls nothing, and "
            "this one is not atomic anyway (runtime/map_noswiss.go: mapaccess1). The tool for it is perf c2c, which "
            "needs hardware sampling."
        ),
        go_by_source=SourceVerdict(
            "refuted",
            evidence="There is no kernel function for a user-space load to call.",
        ),
        prediction="Nothing to see by that method; changes of layout and known addresses show it in the model.",
        knob=None,
        settings=(),
        workload=(
            "Attribute by changing the layout, and by counting writes to lines that another thread reads, which the "
            "model knows exactly."
        ),
        measured=(Quantity("writes to lines that others read", ""),),
        criterion=Criterion(
            text="Refuted. Sampling of real cache lines is not measurable without hardware counters.",
        ),
        needs=frozenset({"hardware counters"}),
    )
