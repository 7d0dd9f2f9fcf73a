"""Every variant in C, under ThreadSanitizer and Address- and UndefinedBehaviorSanitizer (variants.c, lockfree.c)."""

from __future__ import annotations

from pathlib import Path

import pytest
from sanitized import ROOT, SANITIZERS, build, run

SOURCES = [path for folder in ("base", "map", "sync") for path in sorted((ROOT / "csrc" / folder).glob("*.c"))]


@pytest.mark.parametrize("sanitizer", SANITIZERS)
@pytest.mark.parametrize("program", ["variants", "lockfree"])
def test_no_sanitizer_complains(program: str, sanitizer: str, tmp_path: Path) -> None:
    built = build(ROOT / "tests" / "sync" / f"{program}.c", SOURCES, sanitizer, tmp_path)
    out = run(built, ["all", "all", "5"] if program == "variants" else ["all", "5"], sanitizer)
    assert out.endswith("ok\n")


def test_readers_held_up_anywhere(tmp_path: Path) -> None:
    """The build that pauses threads at random before ordered accesses: a paused reader never sees freed memory."""
    built = build(ROOT / "tests" / "sync" / "lockfree.c", SOURCES, "address,undefined", tmp_path, "-DGM_PAUSE")
    assert run(built, ["all", "3"], "address,undefined").endswith("ok\n")
