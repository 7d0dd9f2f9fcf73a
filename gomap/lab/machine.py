"""What machine a measurement was made on."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gomap._core import ffi, lib

__all__ = ["Machine", "allowed_cpus", "this_machine", "two_cores"]


@dataclass(frozen=True)
class Machine:
    """Where a result comes from. `cpus`: those this process may run on. `compiler`, `flags`, `commit`: of the C core; the
    commit that it was built from, with a + if files had changed since. Empty strings: the system does not say."""

    cpu_model: str
    architecture: str
    cores: int
    cpus: tuple[int, ...]
    governor: str
    kernel: str
    python: str
    gomap: str
    compiler: str
    flags: str
    commit: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _first_line(path: str, key: str = "") -> str:
    try:
        for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith(key):
                return line.partition(":")[2].strip() if key else line.strip()
    except OSError:
        pass
    return ""


def allowed_cpus() -> tuple[int, ...]:
    """The CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def two_cores() -> tuple[int, int] | None:
    """Two CPUs of different cores that this process may run on; None if there are none. Two CPUs of one core have one first
    cache. Where the system does not say which is of which core, each counts as one of its own."""

    def core(cpu: int) -> tuple[str, str]:
        folder = f"/sys/devices/system/cpu/cpu{cpu}/topology"
        return _first_line(f"{folder}/physical_package_id"), _first_line(f"{folder}/core_id") or f"of {cpu}"

    first, *others = allowed_cpus()
    other = next((cpu for cpu in others if core(cpu) != core(first)), None)
    return None if other is None else (first, other)


def _built(part: int) -> str:
    return str(ffi.string(lib.gm_build_info(part)).decode())


def this_machine() -> Machine:
    """The machine that this process runs on."""
    from gomap import __version__

    return Machine(
        cpu_model=_first_line("/proc/cpuinfo", "model name") or platform.processor(),
        architecture=platform.machine(),
        cores=os.cpu_count() or 1,
        cpus=allowed_cpus(),
        governor=_first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        gomap=__version__,
        compiler=_built(lib.GM_BUILD_COMPILER),
        flags=_built(lib.GM_BUILD_FLAGS),
        commit=_built(lib.GM_BUILD_COMMIT),
    )
