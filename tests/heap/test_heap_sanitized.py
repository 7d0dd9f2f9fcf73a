"""The heap in C, under ThreadSanitizer and Address- and UndefinedBehaviorSanitizer (heap.c)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from sanitized import COMPILER, ROOT, SANITIZERS, build, run

OTHER_PATHS = ("paths.c", "paths_knobs.c")  # most of what there is to compile; maps in a heap have paths of their own
SOURCES = [
    path
    for folder in ("base", "map", "heap")
    for path in sorted((ROOT / "csrc" / folder).glob("*.c"))
    if path.name not in OTHER_PATHS
]
PROGRAM = ROOT / "tests" / "heap" / "heap.c"
SIZES = {"graph": 200_000, "knobs": 30_000, "maps": 100_000, "pacing": 30_000}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The program with a sanitizer, made once; with addresses, `broken` can hold up threads before ordered accesses."""

    @cache
    def program(sanitizer: str) -> Path:
        pauses = () if sanitizer == "thread" else ("-DGM_PAUSE",)
        return build(PROGRAM, SOURCES, sanitizer, tmp_path_factory.mktemp("heap"), *pauses)

    return program


@pytest.mark.parametrize("sanitizer", SANITIZERS)
@pytest.mark.parametrize("test", ["sizes", "graph", "knobs", "maps", "limit", "pacing"])
def test_nothing_reachable_is_freed(test: str, sanitizer: str, built: Callable[[str], Path]) -> None:
    assert run(built(sanitizer), [test, str(SIZES.get(test, 0))], sanitizer).endswith("ok\n")


def test_mark_bits_that_are_not_atomic_get_lost(built: Callable[[str], Path]) -> None:
    out = run(built("address,undefined"), ["broken"], "address,undefined")
    assert out.endswith("ok\n")
    assert int(out.split()[0]) > 0


@pytest.mark.skipif(not COMPILER, reason="no C compiler")
def test_many_allocations(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """--heap-allocations with marking running all the time, without a sanitizer's slowness: 10^8 take a minute or so."""
    built = tmp_path / "heap"
    command = [*COMPILER, "-std=gnu11", "-O2", "-fno-strict-aliasing", f"-I{ROOT / 'csrc'}", str(PROGRAM)]
    subprocess.run([*command, *map(str, SOURCES), "-o", str(built), "-lm", "-lpthread"], check=True)
    assert run(built, ["graph", str(pytestconfig.getoption("--heap-allocations"))], "").endswith("ok\n")
