"""Coroutines, run queues and the scheduler in C, under ThreadSanitizer and AddressSanitizer and their kind (sched.c)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from sanitized import COMPILER, ROOT, SANITIZERS, build, run

BASE = ("alloc", "clock", "futex", "histogram", "rng", "thread", "ticks")
SOURCES = [*(ROOT / "csrc" / "base" / f"{name}.c" for name in BASE), *sorted((ROOT / "csrc" / "sched").glob("*.c"))]
PROGRAM = ROOT / "tests" / "sched" / "sched.c"


@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_no_sanitizer_complains(sanitizer: str, tmp_path: Path) -> None:
    built = build(PROGRAM, SOURCES, sanitizer, tmp_path)
    assert run(built, ["all", "10000"], sanitizer) == "ok\n"


@pytest.mark.skipif(not COMPILER, reason="no C compiler")
@pytest.mark.parametrize("flags", [(), ("-DGM_PAUSE",), ("-DGM_CORO_PORTABLE",)], ids=["plain", "held up", "portable"])
def test_no_goroutine_is_lost_or_run_twice(flags: tuple[str, ...], tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """--sched-steps switches and operations under stealing and preemption, without a sanitizer's slowness; fewer where threads
    are held up before ordered accesses, and where the switch is the C library's."""
    built = tmp_path / "sched"
    command = [*COMPILER, "-std=gnu11", "-O2", "-fno-strict-aliasing", *flags, f"-I{ROOT / 'csrc'}", str(PROGRAM)]
    subprocess.run([*command, *map(str, SOURCES), "-o", str(built), "-lm", "-lpthread"], check=True)
    steps = pytestconfig.getoption("--sched-steps") // (10 if flags else 1)
    assert run(built, ["all", str(steps)], "") == "ok\n"
