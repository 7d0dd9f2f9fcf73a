"""gomap's concurrent designs beside those of others (bench/peers), driven by the same engine.

Two threads, pinned to a CPU each, int64 keys and elems, uniform. A map a run, settings alternated (A B A B ...), all of a round
with one seed; printed are medians, and ratios to the first column with their 95 % bootstrap interval.

    throughput    read only, 95 % get 5 % assign, 50/50; 10^4 and 10^6 entries; timing off. All maps are made with
                  that hint, so that none is still growing when it is measured
    growth        one thread adds new keys at a fixed 10^6 a second (so that all designs grow on one schedule), from 10^3 to
                  10^6 entries, while the other gets the first 10^3. No hint. Every get is timed:
                    closed    as fast as it can. However long a stall is, it is one slow get among millions.
                    open      10^6 a second, each counted from its due time: a stall delays all that were due in it. This is
                              what a service would see.
                  "behind" is how late the latest thread was at the end: a writer that cannot keep up (closed), or either.

A column that is not there (a variant not in gomap.variants, a peer that cannot be built) is left out and named with the reason.
gomap hashes with its own AES hash, the peers with Murmur3's finaliser.

    pytest bench/test_concurrent.py [--quick]
"""

from __future__ import annotations

import statistics
from contextlib import nullcontext

import pytest
from gomap._core import ffi
from peers import PEERS, PeerError, peer

from gomap.lab import Group, Uniform, Workload, bootstrap_ratio, run
from gomap.lab.machine import allowed_cpus
from gomap.lab.result import Result
from gomap.variants import VARIANTS

OURS = ("rwmutex", "sharded", "syncmap", "hashtrie", "lockfree")
MIXES = {"read only": {"get": 100}, "95 % get, 5 % assign": {"get": 95, "assign": 5}, "50 % each": {"get": 50, "assign": 50}}
START, GROWN, RATE = 1_000, 1_000_000, 1_000_000


@pytest.fixture(scope="module")
def cpus() -> tuple[int, int]:
    allowed = allowed_cpus()
    if len(allowed) < 2:
        pytest.skip("two threads need two CPUs")
    return allowed[0], allowed[1]


@pytest.fixture(scope="module")
def columns() -> tuple[list[str], list[str]]:
    """What there is to compare, and why the rest is not there."""
    there = [name for name in OURS if name in VARIANTS]
    missing = [f"{name}: not in gomap.variants" for name in OURS if name not in VARIANTS]
    takes_tables = any(name == "table" for name, _ in ffi.typeof("gm_run_config").fields)
    for name in PEERS:
        try:
            if not takes_tables:
                raise PeerError(f"{name}: the core takes no foreign tables")
            peer(name)
            there.append(name)
        except PeerError as e:
            missing.append(str(e))
    if not there:
        pytest.skip("; ".join(missing))
    return there, missing


def run_on(name: str, workload: Workload) -> Result:
    if name in VARIANTS:
        workload, overrides = workload.with_(variant=name), nullcontext({})
    else:
        overrides = peer(name).overrides(workload.hint)
    with overrides as given:
        result = run(workload, _overrides=given)
    assert not result.refused
    assert not result.failed
    return result


def side_by_side(
    request: pytest.FixtureRequest, columns: tuple[list[str], list[str]], workload: Workload, repeats: int
) -> dict[str, list[Result]]:
    """The runs of each column, alternated; every other round backwards, so that none is always after the same one."""
    there, _ = columns
    results: dict[str, list[Result]] = {name: [] for name in there}
    for i in range(2 if request.config.getoption("--quick") else repeats):
        for name in there if i % 2 == 0 else reversed(there):
            results[name].append(run_on(name, workload.with_(seed=i)))
    return results


def median_ns(results: list[Result], percent: float) -> str:
    """The median over the runs of a percentile of get in microseconds; "-" if a run has too few samples for it."""
    found = [r.latency["get"].percentile_or_none(percent) for r in results]
    return "-" if None in found else f"{statistics.median(f for f in found if f is not None) / 1000:.2f}"


def say_missing(columns: tuple[list[str], list[str]]) -> None:
    for reason in columns[1]:
        print(f"  left out: {reason}")


@pytest.mark.parametrize("entries", [10_000, 1_000_000], ids=["1e4", "1e6"])
@pytest.mark.parametrize("mix", MIXES, ids=["read-only", "95-5", "50-50"])
def test_throughput(
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    cpus: tuple[int, int],
    columns: tuple[list[str], list[str]],
    mix: str,
    entries: int,
) -> None:
    seconds = 0.05 if request.config.getoption("--quick") else 0.5
    group = Group(threads=2, mix=MIXES[mix], keys=Uniform(), cpus=cpus)
    w = Workload(
        groups=(group,), size=entries, hint=entries, duration_s=seconds, warmup=seconds / 5, sample=0, attribution=False
    )
    results = side_by_side(request, columns, w, 7)
    rates = {name: [r.throughput for r in runs] for name, runs in results.items()}
    for name, runs in results.items():
        assert all(r.hits == r.operations for r in runs), name  # every key is there, and was found
    base = next(iter(rates))
    with capsys.disabled():
        print(f"\n{mix}, {entries:,} entries, two threads")
        for name, found in rates.items():
            ratio = "" if name == base else f"   x {bootstrap_ratio(found, rates[base])}"
            print(f"  {name:<12} {statistics.median(found) / 1e6:8.2f} million operations a second{ratio}")
        say_missing(columns)


@pytest.mark.parametrize("loop", ["closed", "open"])
def test_get_beside_a_growing_writer(
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    cpus: tuple[int, int],
    columns: tuple[list[str], list[str]],
    loop: str,
) -> None:
    new = (20_000 if request.config.getoption("--quick") else GROWN) - START
    reader = Group(mix={"get": 100}, keys=Uniform(), cpus=cpus[:1], rate=RATE if loop == "open" else None)
    writer = Group(mix={"assign_new": 100}, cpus=cpus[1:], rate=RATE)
    w = Workload(groups=(reader, writer), size=START, keyspace=START, duration_s=new / RATE, attribution=False)
    results = side_by_side(request, columns, w, 9)
    means = {name: [r.latency["get"].mean_ns for r in runs] for name, runs in results.items()}
    base = next(iter(results))
    with capsys.disabled():
        print(f"\nget beside a writer that grows the map to {new + START:,} entries, {loop} loop, microseconds")
        print(f"  {'':<12} {'p50':>8} {'p99':>9} {'p99.9':>9} {'max':>9} {'entries':>10} {'behind':>9}   mean")
        for name, runs in results.items():
            assert all(r.hits["get"] == r.operations["get"] for r in runs), name
            largest = statistics.median(r.latency["get"].max_ns for r in runs) / 1000
            entries = statistics.median(START + r.operations["assign_new"] for r in runs)
            behind = statistics.median(r.behind_s for r in runs) * 1e6
            p50, p99, p999 = (median_ns(runs, p) for p in (50, 99, 99.9))
            ratio = "" if name == base else f"   x {bootstrap_ratio(means[name], means[base])}"
            mean = f"{statistics.median(means[name]) / 1000:.2f}"
            print(f"  {name:<12} {p50:>8} {p99:>9} {p999:>9} {largest:9.0f} {entries:10,.0f} {behind:9.0f}   {mean}{ratio}")
        say_missing(columns)
