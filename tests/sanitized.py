"""Builds and runs C programs of the tests with a sanitizer."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
SANITIZERS = ("thread", "address,undefined")


def build(program: Path, sources: Iterable[Path], sanitizer: str, folder: Path, *more: str) -> Path:
    """The program with one sanitizer; skips where the compiler has no run-time library for it."""
    if COMPILER is None:
        pytest.skip("no C compiler")
    flags = ["-std=gnu11", "-O1", "-g", "-fno-strict-aliasing", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all", *more]
    probe = folder / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    if subprocess.run([COMPILER, *flags, str(probe), "-o", str(folder / "probe")], capture_output=True).returncode != 0:
        pytest.skip(f"{COMPILER} cannot link -fsanitize={sanitizer}")
    built = folder / program.stem
    command = [COMPILER, *flags, f"-I{ROOT / 'csrc'}", str(program), *map(str, sources), "-o", str(built), "-lm", "-lpthread"]
    subprocess.run(command, check=True)
    return built


def run(built: Path, arguments: list[str], sanitizer: str) -> str:
    """What it prints; fails if it does not exit with 0."""
    command = [str(built), *arguments]
    if sanitizer == "thread" and shutil.which("setarch"):
        command = ["setarch", "-R", *command]  # older run-time libraries cannot place their shadow under full ASLR
    environment = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "ASAN_OPTIONS")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
