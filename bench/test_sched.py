"""What do the scheduler's own steps cost? One P unless said; medians of several runs, each of a tenth of a second and more.

yield to yield    Gosched until the next goroutine runs: through the global queue and its lock
park to run       a word sent over an unbuffered channel: the sender parks, the receiver runs
start to finish   a goroutine that does nothing: made, run, ended; alive at once: 100, and 10^5 (each on a page of its own)
steal             two Ps, all goroutines born on one: from ready to running, and how many come with each theft

Where a Go toolchain is found the first three also run on real Go, alternated in one run: above 1 the model is slower.

pytest bench/test_sched.py [--quick]
"""

from __future__ import annotations

import statistics
from collections.abc import Callable

import pytest

from gomap.errors import GoUnavailable
from gomap.lab import SCHEDULER_KNOBS, Scene, SceneResult, Scheduler
from gomap.realgo.controls import Controls, go_controls


def tell(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], row: str, go: Callable[[float], SceneResult], what: str
) -> None:
    """Nanoseconds for each of what was counted."""
    repeats, duration_s = (1, 0.02) if request.config.getoption("--quick") else (7, 0.3)
    results = [go(duration_s) for _ in range(repeats)]
    ns = [1e9 * r.elapsed_s / max(1, r.counts[what]) for r in results]
    with capsys.disabled():
        print(f"\n{row:<44} {statistics.median(ns):9.1f} ns   ({min(ns):.1f} to {max(ns):.1f})")


@pytest.mark.parametrize("globq", SCHEDULER_KNOBS["globq"].choices)
@pytest.mark.parametrize(("procs", "yielders"), [(1, 64), (2, 64), (2, 1024)])
def test_yield_to_yield(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], globq: str, procs: int, yielders: int
) -> None:
    s = Scheduler(procs=procs, globq=globq, measure=False)
    tell(
        request,
        capsys,
        f"yield, {yielders} goroutines, {procs} P, {globq}",
        lambda d: s.storm(yielders, duration_s=d),
        "yields",
    )


@pytest.mark.parametrize("inherit", SCHEDULER_KNOBS["runnext_inherit"].choices)
def test_park_to_run(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], inherit: str) -> None:
    s = Scheduler(procs=1, runnext_inherit=inherit, measure=False)
    tell(request, capsys, f"ping-pong (two hand-offs), inherit {inherit}", lambda d: s.ping_pong(1, duration_s=d), "ping_pongs")


@pytest.mark.parametrize("burst", [100, 100_000])
def test_start_to_finish(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], burst: int) -> None:
    s = Scheduler(procs=1, measure=False)
    tell(
        request,
        capsys,
        f"start to finish, {burst} at once",
        lambda d: s.run(Scene(spawners=1, burst=burst, duration_s=d)),
        "spawned",
    )


@pytest.fixture(scope="module")
def go() -> Controls:
    try:
        return go_controls("swiss")
    except GoUnavailable as e:
        pytest.skip(str(e))


MODEL: dict[str, tuple[Callable[[Scheduler, int, float], SceneResult], str]] = {
    "gosched": (lambda s, n, d: s.storm(n, duration_s=d), "yields"),
    "channel": (lambda s, n, d: s.ping_pong(n, duration_s=d), "ping_pongs"),
    "spawn": (lambda s, n, d: s.run(Scene(spawners=1, burst=n, duration_s=d)), "spawned"),
}


@pytest.mark.parametrize("procs", [1, 2])
@pytest.mark.parametrize(("step", "n"), [("gosched", 64), ("gosched", 1024), ("channel", 1), ("channel", 64), ("spawn", 1000)])
def test_beside_real_go(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], go: Controls, step: str, n: int, procs: int
) -> None:
    rounds, ms = (1, 20) if request.config.getoption("--quick") else (9, 300)
    scheduler, (run, what) = Scheduler(procs=procs, measure=False), MODEL[step]
    ours, theirs = [], []
    for _ in range(rounds):
        r = run(scheduler, n, ms / 1000)
        ours.append(1e9 * r.elapsed_s / r.counts[what])
        real = go.run("steps", step=step, n=n, procs=procs, ms=ms)
        theirs.append(real["elapsed_ns"] / real["count"])
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    with capsys.disabled():
        print(
            f"\n{step}, {n}, {procs} P: model {statistics.median(ours):.1f} ns, Go {statistics.median(theirs):.1f} ns, ", end=""
        )
        print(f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


@pytest.mark.parametrize("steal", SCHEDULER_KNOBS["steal"].choices)
def test_steal(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], steal: str) -> None:
    duration_s = 0.02 if request.config.getoption("--quick") else 1.0
    r = Scheduler(procs=2, steal=steal).run(Scene(spawners=1, burst=200, duration_s=duration_s))
    did, waits = r.scheduler, r.waits
    assert waits is not None
    with capsys.disabled():
        print(
            f"\nsteal {steal:<5} ready to running: median {waits.value_at(50)} ns, p99 {waits.value_at(99)} ns; "
            f"{did['steals']} thefts of {did['stolen'] / max(1, did['steals']):.1f}, runnext {did['next_steals']}"
        )
