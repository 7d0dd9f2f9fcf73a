"""Controls: small experiments on real Go itself, made here. One call runs one of them in a process of its own.

    neighbours   gets of one map while another goroutine updates another, whose header shares a cache line, or lies far off
    layout       fields of a map's header, found by what they do
    yields       one P, a hot loop, and a goroutine that wants to run: how long it waits
    reads        gets, one by one, beside busy, yielding or hand-over goroutines, collections, growing maps
    inserts      inserts of string to pointer, presized or growing, while the collector marks or not
    assigns      writes by what is written and by what the collector does, and the time that goes to assists
    passes       whole passes over a map: range, and a list of keys with gets
    metrics      every metric that this Go has
    profile      the mutex profile of reads and ranges without a lock, or of reads behind one beside a growing writer
    phases       hits before, in and after a growth of a classic map
    steals       goroutines born on one P: which of them another takes over, and what their first gets take
    steps        the scheduler's own, again and again: a yield, a round trip over channels, a goroutine from start to finish

The Go program gomap/realgo/go/controls does the work. It is built once for a design of map, as the other Go programs are.

C1  However a control ends, its process is gone: it is killed if it takes too long, or if this call is interrupted.
C2  Whatever the program does wrong is a `GoFailed` of one sentence.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gomap.errors import BadValue, GoFailed
from gomap.realgo.toolchain import build_go

__all__ = ["CONTROL_NAMES", "Controls", "go_controls", "run_control"]

CONTROL_NAMES = (
    "neighbours",
    "layout",
    "yields",
    "reads",
    "inserts",
    "assigns",
    "passes",
    "metrics",
    "profile",
    "phases",
    "steals",
    "steps",
)
_TIMEOUT_S = 120.0
_TRACE = "gctrace"


@dataclass(frozen=True)
class Controls:
    """The program, built for a design of map; `run` may be called any number of times."""

    program: Path
    design: str

    def run(self, name: str, *, godebug: Mapping[str, int] | None = None, **settings: Any) -> dict[str, Any]:
        """One control's raw figures: durations in nanoseconds, the rest counts.

        name: of `CONTROL_NAMES`; settings: its own, as its Go file says. godebug: of the environment variable GODEBUG; with
        `gctrace` the result has the lines that Go printed as "trace". Raises `BadValue` for a name that there is not,
        `GoFailed` if the program fails, takes more than two minutes, or does not know a setting.
        """
        if name not in CONTROL_NAMES:
            raise BadValue(f"unknown control {name!r}, allowed: {', '.join(CONTROL_NAMES)}")
        debug = dict(godebug or {})
        answer, said = self._ask(json.dumps({"control": name, "settings": settings}), debug)
        if "error" in answer:
            raise GoFailed(f"the control {name}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return {**result, "trace": said.splitlines()} if debug.get(_TRACE) else result

    def _ask(self, request: str, debug: Mapping[str, int]) -> tuple[dict[str, Any], str]:
        # Not a `Child`: what Go traces may fill a pipe that nobody reads meanwhile.
        settings = ",".join(f"{name}={value}" for name, value in debug.items())
        environment = {**os.environ, "GOTRACEBACK": "none", "GODEBUG": settings}
        try:
            done = subprocess.run(
                [str(self.program)],
                input=request,
                capture_output=True,
                text=True,
                errors="replace",
                env=environment,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise GoFailed(f"a control on real Go did not answer within {_TIMEOUT_S:g} s") from None
        except OSError as e:
            raise GoFailed(f"the Go program {self.program} cannot be run: {e.strerror or e}") from e
        if done.returncode != 0:
            said = done.stderr.strip().partition("\n")[0]
            raise GoFailed(f"a control on real Go ended with status {done.returncode}: {said[:200]}")
        return json.loads(done.stdout), done.stderr


def go_controls(design: str, *, tell: Callable[[str], None] | None = None) -> Controls:
    """The controls for a design of map ("classic" or "swiss"), built unless the cache has them; `tell` as for `build_go`.
    Raises `GoUnavailable` if there is no toolchain that can build it, `GoFailed` if the build fails."""
    return Controls(build_go("controls", design, tell=tell), design)


def run_control(name: str, design: str, *, godebug: Mapping[str, int] | None = None, **settings: Any) -> dict[str, Any]:
    """Builds the controls and runs one: `go_controls(design).run(name, ...)`."""
    return go_controls(design).run(name, godebug=godebug, **settings)
