"""What was measured: versions of gomap, of real Go and of every peer."""

from __future__ import annotations

import platform
import shutil
import subprocess
from importlib import metadata

import gomap
from bench.peers import PEERS
from gomap.errors import GomapError
from gomap.lab.machine import this_machine
from gomap.realgo.toolchain import find_go

__all__ = ["versions"]

_MODULES = ("numpy", "pandas", "hirola", "polars", "cereggii")


def _said(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _of_package(package: str) -> str:
    """Debian's, or "" for a peer that is not installed so."""
    return _said("dpkg-query", "-W", "-f", "${Version}", package)


def _of_module(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _of_go() -> str:
    try:
        return find_go().name
    except GomapError:
        return ""


def versions() -> dict[str, str]:
    """By name; those that are not here are left out."""
    machine = this_machine()
    found = {
        "gomap": f"{gomap.__version__} {machine.commit}".strip(),
        "compiler": machine.compiler,
        "Python": platform.python_version(),
        "Go": _of_go(),
        **{name: _of_package(package) for name, (_, _, package) in PEERS.items() if package},
        "std-rwlock": _said("g++", "-dumpfullversion"),
        **{name: _of_module(name) for name in _MODULES},
    }
    return {name: version for name, version in found.items() if version}
