"""Readers beside a writer on the unguarded map, under ThreadSanitizer and AddressSanitizer (race.c)."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "csrc" / "map").glob("*.c")) + [
    ROOT / "csrc" / "base" / f"{name}.c" for name in ("alloc", "clock", "probe", "ring", "rng", "thread", "ticks")
]
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
KINDS = 8


def build(sanitizer: str, folder: Path) -> Path:
    """The race program with one sanitizer; skips where the compiler has no run-time library for it."""
    if COMPILER is None:
        pytest.skip("no C compiler")
    program = folder / "race"
    flags = ["-std=gnu11", "-O1", "-g", "-fno-strict-aliasing", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all"]
    probe = folder / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    if subprocess.run([COMPILER, *flags, str(probe), "-o", str(folder / "probe")], capture_output=True).returncode != 0:
        pytest.skip(f"{COMPILER} cannot link -fsanitize={sanitizer}")
    command = [COMPILER, *flags, f"-I{ROOT / 'csrc'}", str(ROOT / "tests/map/race.c"), *map(str, SOURCES), "-o", str(program)]
    subprocess.run([*command, "-lpthread"], check=True)
    return program


@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_racing_readers_are_observable_never_undefined(sanitizer: str, tmp_path: Path) -> None:
    program: list[str] = [str(build(sanitizer, tmp_path)), "12"]
    if sanitizer == "thread" and shutil.which("setarch"):
        program = ["setarch", "-R", *program]  # older run-time libraries cannot place their shadow under full ASLR
    done = subprocess.run(program, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = re.findall(r"hits (\d+) misses (\d+) refused (\d+)", done.stdout)
    assert len(counts) == KINDS
    assert all(int(hits) > 0 for hits, _, _ in counts), "the readers never met the writer's keys"
