"""Builds the C core as the extension `gomap._core` (cffi, out of line, API mode), and says how `gomap._fast` is built.

The declarations are read from `csrc/gomap.h`, between its two "cdef" marks: the header that C callers include is the one
that Python sees. `setup.py` points here. `gomap._fast` (gomap/native, see its module.c) is for CPython with a GIL only.

GOMAP_SANITIZE=address,undefined (or thread) makes a sanitizer build; GOMAP_WERROR=1 turns warnings into errors.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from cffi import FFI

ROOT = Path(__file__).resolve().parent.parent
CSRC = ROOT / "csrc"
NATIVE = ROOT / "gomap" / "native"


def cdef() -> str:
    """The part of gomap.h that cffi parses."""
    text = (CSRC / "gomap.h").read_text(encoding="utf-8")
    return text.partition("/* cdef begin */")[2].partition("/* cdef end */")[0]


def compile_flags() -> list[str]:
    """Flags for the C compiler; sanitizers and warnings-as-errors come from the environment."""
    flags = ["-std=gnu11", "-fno-strict-aliasing", "-ffp-contract=off", "-fvisibility=hidden", "-Wall", "-Wextra"]
    sanitizers = os.environ.get("GOMAP_SANITIZE")
    if sanitizers:
        flags += ["-O1", "-g1", "-fno-omit-frame-pointer", f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all"]
    else:
        flags += ["-O3"]
    if os.environ.get("GOMAP_WERROR") == "1":
        flags += ["-Werror"]
    return flags


def link_flags() -> list[str]:
    """Flags for the linker: the sanitizers' run-time libraries, if any."""
    sanitizers = os.environ.get("GOMAP_SANITIZE")
    return [f"-fsanitize={sanitizers}"] if sanitizers else []


def commit() -> str:
    """The commit that is being built, with a + if files have changed since; empty outside a repository."""
    if not (ROOT / ".git").exists():
        return ""
    try:
        asked = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def relative(paths: list[Path]) -> list[str]:
    """Paths as setuptools wants them: relative to setup.py, which is where builds run."""
    return sorted(str(path.relative_to(ROOT)) for path in paths)


def fast() -> dict[str, Any]:
    """The arguments of setuptools' Extension for `gomap._fast`."""
    return {
        "name": "gomap._fast",
        "sources": relative(list(NATIVE.glob("*.c"))),
        "depends": relative([*NATIVE.glob("*.h"), *CSRC.rglob("*.h")]),
        "include_dirs": ["csrc"],
        "define_macros": [("Py_LIMITED_API", "0x030A0000"), ("PY_SSIZE_T_CLEAN", None)],
        "py_limited_api": True,
        "extra_compile_args": compile_flags(),
        "extra_link_args": link_flags(),
    }


ffi = FFI()
ffi.cdef(cdef())
ffi.set_source(
    "gomap._core",
    '#include "gomap.h"',
    sources=relative(list(CSRC.rglob("*.c"))),
    depends=relative(list(CSRC.rglob("*.h"))),
    include_dirs=["csrc"],
    define_macros=[("GM_FLAGS", f'"{" ".join(compile_flags())}"'), ("GM_COMMIT", f'"{commit()}"')],
    extra_compile_args=compile_flags(),
    libraries=["m", "pthread"],
    extra_link_args=link_flags(),
)
