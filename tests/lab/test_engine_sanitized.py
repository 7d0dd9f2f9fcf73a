"""The engine without Python, under ThreadSanitizer and Address-, Leak- and UndefinedBehaviorSanitizer (engine.c)."""

from __future__ import annotations

from pathlib import Path

import pytest
from sanitized import ROOT, SANITIZERS, build, run


@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_every_ending_leaves_nothing_behind(sanitizer: str, tmp_path: Path) -> None:
    built = build(ROOT / "tests" / "lab" / "engine.c", sorted((ROOT / "csrc").rglob("*.c")), sanitizer, tmp_path)
    assert run(built, ["2"], sanitizer) == "all as it should be\n"
