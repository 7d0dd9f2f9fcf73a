"""Every variant in C, under ThreadSanitizer and Address- and UndefinedBehaviorSanitizer (variants.c, lockfree.c)."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest
from sanitized import ROOT, SANITIZERS, build, run

from gomap.variants import VARIANTS

SOURCES = [path for folder in ("base", "map", "sync") for path in sorted((ROOT / "csrc" / folder).glob("*.c"))]
THREADED = ("counters", "cas", "winners", "tokens", "torn", "ranging", "churn")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """A program of this folder with a sanitizer, made once."""

    @cache
    def program(name: str, sanitizer: str) -> Path:
        return build(ROOT / "tests" / "sync" / f"{name}.c", SOURCES, sanitizer, tmp_path_factory.mktemp(name))

    return program


@pytest.mark.parametrize("sanitizer", SANITIZERS)
@pytest.mark.parametrize("program", ["variants", "lockfree"])
def test_no_sanitizer_complains(program: str, sanitizer: str, built: Callable[[str, str], Path]) -> None:
    out = run(built(program, sanitizer), ["all", "all", "5"] if program == "variants" else ["all", "5"], sanitizer)
    assert out.endswith("ok\n")


def stress(program: Path, variant: str, seconds: float) -> None:
    """The tests with several threads in turn, the first at least, until the time is over."""
    until = time.monotonic() + seconds
    for ran, test in enumerate(itertools.cycle(THREADED)):
        if ran and time.monotonic() >= until:
            break
        assert run(program, [variant, test, "10"], "thread").endswith("ok\n")


def test_stress(built: Callable[[str, str], Path], pytestconfig: pytest.Config) -> None:
    """--stress-seconds for each variant under ThreadSanitizer, two variants at a time."""
    program, seconds = built("variants", "thread"), pytestconfig.getoption("--stress-seconds")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda variant: stress(program, variant, seconds), [name for name in VARIANTS if name != "plain"]))


def test_readers_held_up_anywhere(tmp_path: Path) -> None:
    """The build that pauses threads at random before ordered accesses: a paused reader never sees freed memory."""
    built = build(ROOT / "tests" / "sync" / "lockfree.c", SOURCES, "address,undefined", tmp_path, "-DGM_PAUSE")
    assert run(built, ["all", "3"], "address,undefined").endswith("ok\n")
