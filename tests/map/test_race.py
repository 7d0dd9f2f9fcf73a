"""Readers beside a writer on the unguarded map, under ThreadSanitizer and AddressSanitizer (race.c)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sanitized import ROOT, SANITIZERS, build, run

SOURCES = [path for folder in ("base", "map") for path in sorted((ROOT / "csrc" / folder).glob("*.c"))]
KINDS, WITH_KNOBS = 8, 8


@pytest.mark.parametrize("sanitizer", SANITIZERS)
def test_racing_readers_are_observable_never_undefined(sanitizer: str, tmp_path: Path) -> None:
    out = run(build(ROOT / "tests" / "map" / "race.c", SOURCES, sanitizer, tmp_path), ["12"], sanitizer)
    counts = re.findall(r"hits (\d+) misses (\d+) refused (\d+)", out)
    assert len(counts) == KINDS + WITH_KNOBS
    assert all(int(hits) > 0 for hits, _, _ in counts), "the readers never met the writer's keys"
    unlinked = [int(n) for n in re.findall(r"unlinked (\d+)", out)]
    assert not any(unlinked[:KINDS])
    assert all(unlinked[KINDS:])
