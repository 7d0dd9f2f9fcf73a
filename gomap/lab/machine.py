"""What machine a measurement was made on."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gomap._core import ffi, lib

__all__ = ["Machine", "allowed_cpus", "this_machine"]


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
