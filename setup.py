"""The part of the build that pyproject.toml cannot say: the extensions, their ABI tag, what to do if they cannot be built."""

from __future__ import annotations

import os
import platform
import runpy
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
ABI3 = not (FREE_THREADED and sys.version_info < (3, 15))  # free-threaded CPython has a stable ABI from 3.15 on
ABI3_TAG = "cp310"
FAST = platform.python_implementation() == "CPython" and not FREE_THREADED  # else cffi does everything: gomap/native/module.c


def missing_prerequisite() -> str | None:
    """One sentence that names the fix, if the compiler or Python's headers are not there."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    if not shutil.which(compiler):
        return (
            f"gomap needs a C compiler and {compiler!r} is not there: "
            "install one (Debian: apt-get install gcc; macOS: xcode-select --install) or name it in CC."
        )
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.exists():
        return f"gomap needs Python's headers and {header} is not there: install them (Debian: apt-get install python3-dev)."
    return None


class BuildCore(build_ext):
    """build_ext that looks before it compiles."""

    def run(self) -> None:
        problem = missing_prerequisite()
        if problem:
            sys.exit(problem)
        super().run()


setup(
    cffi_modules=["gomap/_build.py:ffi"],
    ext_modules=[Extension(**runpy.run_path("gomap/_build.py")["fast"]())] if FAST else [],
    cmdclass={"build_ext": BuildCore},
    options={"bdist_wheel": {"py_limited_api": ABI3_TAG}} if ABI3 else {},
)
