"""Builds and runs C programs of the tests with a sanitizer."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COMPILER = shlex.split(os.environ.get("CC", "")) or [name for name in ("cc", "gcc", "clang") if shutil.which(name)][:1]
"""A command; `CC="ccache gcc"` spares runs of the tests on the same sources their compilation. Empty: there is none."""
SANITIZERS = ("thread", "address,undefined")


def _objects(folder: Path) -> Path:
    """Where this run of the tests, with all its workers, keeps what it has compiled: most programs link the same sources."""
    run = next((path for path in folder.parents if path.parent.name.startswith("pytest-of-")), folder)
    (run / "objects").mkdir(exist_ok=True)
    return run / "objects"


def _compiled(source: Path, flags: tuple[str, ...], objects: Path) -> Path:
    """The object; a worker that needs it meanwhile makes one of its own, and the last one stays."""
    name = hashlib.sha256(repr((str(source), flags)).encode()).hexdigest()[:16]
    made = objects / f"{source.stem}-{name}.o"
    if not made.exists():
        own = made.with_suffix(f".{os.getpid()}.o")
        subprocess.run([*COMPILER, *flags, f"-I{ROOT / 'csrc'}", "-c", str(source), "-o", str(own)], check=True)
        own.replace(made)
    return made


@cache
def _can_link(sanitizer: str) -> bool:
    with tempfile.TemporaryDirectory() as name:
        probe = Path(name) / "probe.c"
        probe.write_text("int main(void) { return 0; }\n")
        command = [*COMPILER, f"-fsanitize={sanitizer}", str(probe), "-o", str(probe.with_suffix(""))]
        return subprocess.run(command, capture_output=True).returncode == 0


def build(
    program: Path,
    sources: Iterable[Path],
    sanitizer: str,
    folder: Path,
    *more: str,
    for_more: Collection[str] = ("base", "sync"),
) -> Path:
    """The program with one sanitizer; skips where the compiler has no run-time library for it. Each source is compiled once a
    run of the tests for the same flags, two or more at a time. `more` flags are for it and for the folders `for_more`."""
    if not COMPILER:
        pytest.skip("no C compiler")
    if not _can_link(sanitizer):
        pytest.skip(f"{COMPILER[0]} cannot link -fsanitize={sanitizer}")
    flags = ("-std=gnu11", "-O1", "-g1", "-fno-strict-aliasing", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all")

    def compiled(source: Path) -> Path:
        ours = more if source == program or source.parent.name in for_more else ()
        return _compiled(source, (*flags, *ours), _objects(folder))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compiled, [program, *sources]))
    built = folder / program.stem
    subprocess.run([*COMPILER, *flags, *map(str, objects), "-o", str(built), "-lm", "-lpthread"], check=True)
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
