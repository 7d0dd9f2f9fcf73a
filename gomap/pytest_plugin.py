"""gomap's plugin for pytest: the fixtures `contention`, `gomap_map` and `gomap_seed`, and what they show of themselves.

pytest loads this at every start, so it imports neither the core nor numpy; the fixtures do when a test uses them. It works
without pytest-benchmark (then `contention` says what is missing) and with pytest-xdist (whose workers are told the seed that
was drawn).

pytest-benchmark's table has fixed columns. So the percentiles follow in a table of their own, made of the same rows in the same
groups; its hooks put them into the saved files beside its own figures, from where `--benchmark-compare` brings them back.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import argparse
import hashlib
import secrets
from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from gomap.errors import BadValue, MissingTool

if TYPE_CHECKING:
    from gomap.testing.contention import Contention

_COLUMNS = ("p50", "p99", "p99.9")
_OPTIONS = ("key", "elem", "hint", "hasher", "seed", "layout")
_UNITS = (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0))

Row = dict[str, Any]
RowGroups = Sequence[tuple[str | None, list[Row]]]

# ------------------------------------------------------------------ the seed


def _seed(text: str) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value < 2**64:
        raise argparse.ArgumentTypeError(f"a whole number from 0 to 2**64 - 1 expected, not {text!r}")
    return value


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gomap")
    group.addoption("--gomap-seed", type=_seed, metavar="N", help="what all random choices of gomap's fixtures follow from")


def pytest_configure(config: pytest.Config) -> None:
    options = ", ".join(f"{name}=" for name in _OPTIONS)
    config.addinivalue_line(
        "markers", f"gomap_variants(*names, {options}): the designs that gomap_map goes through, their kinds"
    )
    if config.option.gomap_seed is None:
        config.option.gomap_seed = getattr(config, "workerinput", {}).get("gomap_seed", secrets.randbits(32))
    if config.pluginmanager.hasplugin("benchmark"):
        benchmarks = _Benchmarks()
        config.pluginmanager.register(benchmarks, "gomap-benchmarks")
        config.pluginmanager.register(_Remember(benchmarks), "gomap-benchmark-groups")
    else:
        config.pluginmanager.register(_NoBenchmarks(), "gomap-benchmarks")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist's: what a worker is told."""
    node.workerinput["gomap_seed"] = node.config.option.gomap_seed


def pytest_report_header(config: pytest.Config) -> str:
    return f"gomap: --gomap-seed={config.option.gomap_seed}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and "gomap_seed" in getattr(item, "fixturenames", ()):
        report.sections.append(("gomap", f"to repeat it: --gomap-seed={item.config.option.gomap_seed}"))
    return report


@pytest.fixture
def gomap_seed(request: pytest.FixtureRequest) -> int:
    """A seed for this test, 0 to 2**64 - 1: from `--gomap-seed` and the test's name, whatever the others do."""
    text = f"{request.config.option.gomap_seed} {request.node.nodeid}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


# ------------------------------------------------------------------ a map of each design


def _variants(marker: pytest.Mark | None) -> list[str]:
    from gomap.variants import VARIANTS, variant

    unknown = sorted(set(marker.kwargs) - set(_OPTIONS)) if marker else []
    if unknown:
        raise BadValue(f"no option {unknown[0]!r}, allowed: {', '.join(_OPTIONS)}")
    return [variant(name).name for name in (marker.args if marker else ())] or list(VARIANTS)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "gomap_map" not in metafunc.fixturenames:
        return
    try:
        names = _variants(metafunc.definition.get_closest_marker("gomap_variants"))
    except BadValue as e:
        pytest.fail(f"gomap_variants: {e}", pytrace=False)
    metafunc.parametrize("gomap_map", names, indirect=True)


@pytest.fixture
def gomap_map(request: pytest.FixtureRequest, gomap_seed: int) -> Any:
    """A new empty map, of one design after the other; `@pytest.mark.gomap_variants("rwmutex", "lockfree", key="str")` says
    which (none: all of `gomap.variants.VARIANTS`) and what they hold (int64 to int64)."""
    from gomap.variants import variant

    marker = request.node.get_closest_marker("gomap_variants")
    return variant(request.param).cls(**{"seed": gomap_seed, **(marker.kwargs if marker else {})})


# ------------------------------------------------------------------ contention, and pytest-benchmark


class _NoBenchmarks:
    @pytest.fixture
    def contention(self) -> Contention:
        """Needs pytest-benchmark."""
        raise MissingTool("the fixture contention needs pytest-benchmark: pip install pytest-benchmark")


def _percentiles_s(row: Row) -> Row:
    """A row's percentiles in seconds, and its throughput, from the extra information that `contention` left; {} without it."""
    measured = row["extra_info"].get("gomap")
    if measured is None:
        return {}
    latency = measured["latency_ns"]["all"]
    found = {name: None if latency[name] is None else latency[name] * 1e-9 for name in _COLUMNS}
    return {**found, "throughput": measured["throughput"], "threads": measured["threads"]}


class _Benchmarks:
    def __init__(self) -> None:
        self.groups: RowGroups = ()

    @pytest.fixture
    def contention(self, benchmark: Any, gomap_seed: int) -> Contention:
        """Runs a workload, or groups of threads, natively as a benchmark: see `gomap.testing.contention.Contention`."""
        from gomap.testing.contention import Contention

        return Contention(benchmark, gomap_seed)

    @pytest.hookimpl(tryfirst=True)
    def pytest_benchmark_group_stats(self, config: pytest.Config, benchmarks: list[Row], group_by: str) -> RowGroups | None:
        """`--benchmark-group-by=threads`, alone or with pytest-benchmark's own; the groups are remembered for the table."""
        for row in benchmarks:
            if row["path"] is None:  # measured now; a saved one has its own figures
                row.update(_percentiles_s(row))
        labels = group_by.split(",")
        if "threads" not in labels:
            return None
        for row in benchmarks:
            row["group"] = f"threads={row['threads']}" if "threads" in row else None
        by = ",".join("group" if label == "threads" else label for label in labels)
        grouped: RowGroups = config.hook.pytest_benchmark_group_stats(config=config, benchmarks=benchmarks, group_by=by)
        return grouped

    def pytest_benchmark_update_json(self, output_json: dict[str, Any]) -> None:
        """The percentiles beside the benchmark's own figures: what `--benchmark-compare` reads."""
        for row in output_json["benchmarks"]:
            row["stats"].update(_percentiles_s(row))

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if terminalreporter.config.option.benchmark_quiet:
            return
        for name, rows in self.groups:
            mine = [row for row in rows if "throughput" in row]
            if mine:
                _write_table(terminalreporter, name, mine)


class _Remember:
    """Wraps the grouping, whoever does it, and remembers its result for the table."""

    def __init__(self, of: _Benchmarks) -> None:
        self.of = of

    @pytest.hookimpl(wrapper=True)
    def pytest_benchmark_group_stats(self) -> Generator[None, RowGroups, RowGroups]:
        self.of.groups = yield
        return self.of.groups


def _unit(rows: Iterable[Row]) -> tuple[str, float]:
    """The largest unit of which the smallest time is at least one."""
    least = min((row[c] for row in rows for c in _COLUMNS if row[c]), default=1e-9)
    return max((u for u in _UNITS if u[1] <= least), key=lambda u: u[1], default=_UNITS[0])


def _cells(row: Row, scale: float) -> list[str]:
    times = ["-" if row[c] is None else f"{row[c] / scale:,.3f}" for c in _COLUMNS]
    return [row["name"], str(row["threads"]), *times, f"{row['throughput'] / 1e6:,.3f}"]


def _write_table(to: pytest.TerminalReporter, group: str | None, rows: list[Row]) -> None:
    unit, scale = _unit(rows)
    table = [[f"Name (latency in {unit})", "Threads", *_COLUMNS, "Mops/s"], *(_cells(row, scale) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True))) for r in table]
    title = f" contention{'' if group is None else f' {group!r}'}: {len(rows)} tests "
    to.write_line("")
    to.write_line(title.center(len(lines[0]), "-"), yellow=True)
    to.write_line(lines[0])
    to.write_line("-" * len(lines[0]), yellow=True)
    for line in lines[1:]:
        to.write_line(line)
    to.write_line("-" * len(lines[0]), yellow=True)
    if any(row[c] is None for row in rows for c in _COLUMNS):
        to.write_line("-: too few samples for this percentile")
