"""C programs of the benches: compiled with the whole core, by the compiler and the flags of the extension itself.

The core is compiled once for all of them and kept as an archive in `gomap.realgo.toolchain.cache_folder`, under the name of all
that decides what it is.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import sysconfig
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gomap._build import CSRC, compile_flags, link_flags
from gomap.realgo.toolchain import cache_folder

__all__ = ["build_program", "compiler"]

FLAGS = ['-DGM_FLAGS=""', '-DGM_COMMIT=""', f"-I{CSRC}"]


def compiler() -> list[str]:
    return shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC").split()[0])


def _compile(sources: Sequence[Path], folder: Path) -> list[Path]:
    made = [folder / f"{i}.o" for i in range(len(sources))]

    def compile_one(source: Path, into: Path) -> None:
        subprocess.run([*compiler(), *compile_flags(), *FLAGS, "-c", str(source), "-o", str(into)], check=True)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_one, sources, made))
    return made


def _hash_of(files: Sequence[Path]) -> str:
    version = subprocess.run([*compiler(), "--version"], capture_output=True, check=True).stdout
    sha = hashlib.sha256(version + "\0".join([*compiler(), *compile_flags(), *FLAGS]).encode())
    for file in files:
        content = file.read_bytes()
        sha.update(f"|{file.name}|{len(content)}|".encode() + content)
    return sha.hexdigest()[:16]


def _core() -> tuple[Path, str]:
    """The archive of the core, and the hash of what it was made of."""
    sources = sorted(CSRC.rglob("*.c"))
    made_of = _hash_of([*sources, *sorted(CSRC.rglob("*.h"))])
    kept = cache_folder() / "bench" / f"core-{made_of}.a"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as name:
            scratch = Path(name) / kept.name
            subprocess.run(["ar", "rcs", str(scratch), *map(str, _compile(sources, Path(name)))], check=True)
            scratch.replace(kept)
    return kept, made_of


def build_program(name: str, folder: Path, libraries: Sequence[str] = ()) -> Path:
    """The program made of the C files of a folder and of the core; it is compiled unless it is there.

    Raises `subprocess.CalledProcessError` or `OSError` if it cannot be; the compiler has then said why.
    """
    core, core_hash = _core()
    sources = sorted(folder.glob("*.c"))
    made_of = _hash_of([*sources, *sorted(folder.glob("*.h"))])
    kept = core.parent / f"{name}-{made_of}-{core_hash}"
    if not kept.exists():
        with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
            built = Path(scratch) / name
            objects = map(str, _compile(sources, Path(scratch)))
            command = [*compiler(), *objects, str(core), "-o", str(built), *link_flags(), "-lm", "-lpthread", *libraries]
            subprocess.run(command, check=True)
            built.replace(kept)
    return kept
