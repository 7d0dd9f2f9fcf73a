"""The plugin as its users see it: in runs of pytest of their own, in processes of their own where that matters."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gomap.pytest_plugin import _unit
from gomap.testing.contention import Contended
from gomap.variants import VARIANTS

pytest_plugins = ["pytester"]

USES = """
import pytest
from gomap.lab import Group, Workload

MIX = {"get": 90, "assign": 10}

@pytest.mark.parametrize("n", [1, 2])
def test_workload(contention, n):
    w = Workload(variant="lockfree", ops=60_000, size=100, groups=[Group(threads=n, mix=MIX)], oversubscribe=True)
    found = contention(w, rounds=2)
    assert found.threads == n
    assert sum(r.total for r in found.results) == 60_000 * len(found.results)

def test_groups(contention, gomap_seed):
    made = []
    def groups():
        made.append(1)
        return Group(mix=MIX), Group(mix=MIX)
    found = contention(groups, rounds=3, variant="rwmutex", ops=300, size=10, oversubscribe=True)
    assert len(made) == len(found.results)
    assert {r.seed for r in found.results} == {gomap_seed}

def test_other(benchmark):
    benchmark.pedantic(len, args=("",), rounds=2)
"""

FIGURE = r"[0-9,.]+"


@pytest.fixture(autouse=True)
def not_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """These runs are nobody's workers, though this one may be: pytest-benchmark measures nothing in those."""
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"):
        monkeypatch.delenv(name, raising=False)


INSIDE = ("-p", "no:cacheprovider", "-W", "ignore")  # run in this process, where all of gomap is loaded already


def test_benchmarks_are_shown_saved_and_compared(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(USES)
    options = (*INSIDE, "--benchmark-columns=min,rounds")
    first = pytester.runpytest_inprocess(*options, "--benchmark-autosave", "--benchmark-json=all.json", "--gomap-seed=0x10")
    first.assert_outcomes(passed=4)
    first.stdout.re_match_lines_random(
        [
            r"gomap: --gomap-seed=16$",
            r"-+ benchmark 'threads=2': 2 tests -+",
            r"-+ contention 'threads=1': 1 tests -+",
            r"-+ contention 'threads=2': 2 tests -+",
            r"Name \(latency in [nu]s\) +Threads +p50 +p99 +p99\.9 +Mops/s",
            rf"test_workload\[1\] +1 +{FIGURE} +{FIGURE} +{FIGURE} +{FIGURE}$",
            rf"test_groups +2 +{FIGURE} +- +- +{FIGURE}$|test_groups +2 +{FIGURE} +{FIGURE} +- +{FIGURE}$",
            r"-: too few samples for this percentile",
        ]
    )
    assert not re.search(r"^test_other +\d+ +[0-9,.]+ +[0-9,.]+ +", first.stdout.str(), re.M)
    saved = json.loads((pytester.path / "all.json").read_text())["benchmarks"]
    mine = {row["name"]: row for row in saved}["test_workload[2]"]
    told, stats = mine["extra_info"]["gomap"], mine["stats"]
    assert told["schema"] == "gomap.contention/1"
    assert (told["variant"], told["threads"], told["rounds"]) == ("lockfree", 2, 2)
    assert told["latency_ns"]["all"]["count"] == 2 * 60_000
    assert told["latency_ns"]["all"]["count"] == told["latency_ns"]["get"]["count"] + told["latency_ns"]["assign"]["count"]
    assert stats["p99"] == pytest.approx(told["latency_ns"]["all"]["p99"] * 1e-9)
    assert stats["p50"] <= stats["p99"] <= stats["p99.9"] <= told["latency_ns"]["all"]["max"] * 1e-9

    (path,) = (pytester.path / ".benchmarks").rglob("*.json")
    data = json.loads(path.read_text())
    next(row for row in data["benchmarks"] if row["name"] == "test_workload[2]")["stats"]["p99"] = 4.25
    path.write_text(json.dumps(data))
    again = pytester.runpytest_inprocess(*options, "--benchmark-compare", "--benchmark-group-by=threads", "-k", "workload")
    again.assert_outcomes(passed=2, deselected=2)
    again.stdout.re_match_lines_random(
        [
            r"-+ contention 'threads=2': 2 tests -+",
            r"test_workload\[2\] \(NOW\) +2 +",
            r"test_workload\[2\] \(0001_\w+\) +2 .*4,250,000",  # as saved, not as measured now
        ]
    )


MAPS = """
import pytest

@pytest.mark.gomap_variants("rwmutex", "lockfree")
def test_two(gomap_map):
    gomap_map[1] = 2
    assert dict(gomap_map) == {1: 2}

def test_all(gomap_map):
    assert len(gomap_map) == 0

@pytest.mark.gomap_variants("mutex", key="str", elem="object")
def test_kinds(gomap_map, gomap_seed):
    gomap_map["a"] = [gomap_seed]
    assert gomap_map["a"] == [gomap_seed]

@pytest.mark.gomap_variants("plain")
def test_seed(gomap_map):
    assert gomap_map.hash_many([1]).tolist() == [0], "the seed decides"
"""


def failed_seed(result: pytest.RunResult) -> tuple[str, str]:
    """The hash that the failing test saw, and the seed that its report tells."""
    text = result.stdout.str()
    seen = re.search(r"assert \[(\d+)\] == \[0\]", text)
    told = re.search(r"to repeat it: --gomap-seed=(\d+)$", text, re.M)
    assert seen
    assert told
    return seen[1], told[1]


def test_maps_of_each_design_follow_the_seed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MAPS)
    first = pytester.runpytest_inprocess(*INSIDE, "-v", "-p", "no:benchmark")
    first.assert_outcomes(passed=3 + len(VARIANTS), failed=1)
    first.stdout.fnmatch_lines_random(
        ["*test_two?rwmutex?*PASSED*", "*test_two?lockfree?*PASSED*", "*test_all?hashtrie?*PASSED*"]
    )
    seen, told = failed_seed(first)
    options = (*INSIDE, "-k", "test_seed", f"--gomap-seed={told}")
    assert failed_seed(pytester.runpytest_inprocess(*options)) == (seen, told)


def test_workers_of_xdist_share_the_drawn_seed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MAPS, test_uses=USES)
    options = (*INSIDE, "-k", "test_seed or test_groups")
    spread = pytester.runpytest_inprocess(*options, "-n", "1")
    spread.assert_outcomes(passed=1, failed=1)
    seen, told = failed_seed(spread)
    spread.stdout.fnmatch_lines([f"gomap: --gomap-seed={told}"])
    alone = pytester.runpytest_inprocess(*options, "-k", "test_seed", f"--gomap-seed={told}")
    assert failed_seed(alone) == (seen, told)


def test_without_pytest_benchmark_contention_says_what_is_missing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(contention): pass\ndef test_seed(gomap_seed): assert gomap_seed >= 0")
    result = pytester.runpytest_inprocess(*INSIDE, "-p", "no:benchmark")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*MissingTool: the fixture contention needs pytest-benchmark: pip install pytest-benchmark"])


@pytest.mark.parametrize(
    ("test", "options", "text"),
    [
        ("@pytest.mark.gomap_variants('rwlock')", [], "*gomap_variants: unknown variant 'rwlock', allowed: plain, mutex*"),
        ("@pytest.mark.gomap_variants(keys='str')", [], "*gomap_variants: no option 'keys', allowed: key, elem*"),
        ("", ["--gomap-seed=-3"], "*a whole number from 0 to 2??64 - 1 expected, not '-3'*"),
    ],
)
def test_wrong_uses_are_told(pytester: pytest.Pytester, test: str, options: list[str], text: str) -> None:
    pytester.makepyfile(f"import pytest\n{test}\ndef test_it(gomap_map): pass")
    result = pytester.runpytest_inprocess(*INSIDE, *options)
    assert result.ret != 0
    found = result.stdout if not options else result.stderr
    found.fnmatch_lines([text])


def test_the_plugin_loads_neither_the_core_nor_numpy(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_it(pytestconfig):
            assert pytestconfig.pluginmanager.hasplugin("gomap")
            assert not {"numpy", "gomap._core", "gomap.map", "gomap.lab"} & set(sys.modules)
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_units_are_those_of_the_smallest_time() -> None:
    def unit(*times: float | None) -> str:
        return _unit([{"p50": t, "p99": None, "p99.9": None} for t in times])[0]

    assert (unit(3e-9), unit(2e-6, 1.0), unit(5e-3), unit(2.0), unit(1e-12), unit(None)) == ("ns", "us", "ms", "s", "ns", "ns")


def test_contention_refuses_what_is_no_workload() -> None:
    from gomap.errors import WrongType
    from gomap.testing import Contention

    contention = Contention(None, 1)
    for given in ([1], "rwmutex", 5):
        with pytest.raises(WrongType, match="a Workload, Groups, or something that makes them expected, not"):
            contention(given)  # type: ignore[arg-type]


EXAMPLE = Path(__file__).parent / "typed_example.py"


def test_the_types_that_users_see() -> None:
    """mypy reads an example as a user's type checker would; what it finds each reveal_type to be stands behind it."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "mypy", "--no-error-summary", str(EXAMPLE)]
    told = subprocess.run(command, cwd=root, capture_output=True, text=True)
    revealed = re.findall(r":(\d+): note: Revealed type is \"(.*)\"", told.stdout)
    found = {int(n): re.sub(r"\w+\.(?=\w)", "", kind) for n, kind in revealed}  # without the modules
    lines = EXAMPLE.read_text().splitlines()
    expected = {n: line.partition("  # ")[2] for n, line in enumerate(lines, 1) if "reveal_type(" in line}
    assert found == expected, told.stdout + told.stderr
    assert "error" not in told.stdout


def test_what_rounds_measured_together() -> None:
    from gomap.lab import Group, Workload, run

    w = Workload(ops=2000, size=50, groups=[Group(mix={"get": 50, "assign": 50})], seed=1)
    results = [run(w), run(w), run(w)]
    found = Contended.of(results)
    told: dict[str, Any] = found.to_dict()
    assert found.throughput == sorted(r.throughput for r in results)[1]
    assert found.latency.count == sum(h.count for r in results for h in r.latency.values()) == 6000
    assert told["latency_ns"]["all"]["p99.9"] is None
    assert told["latency_ns"]["all"]["p50"] == found.latency.percentile(50)
    assert json.loads(json.dumps(told)) == told
